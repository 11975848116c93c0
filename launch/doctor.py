"""`make doctor`: what runs, what is missing, what is misconfigured, in words.

Looks and changes nothing. Exit status 0 when all is well, else 1, and each trouble says what to do.
"""

import datetime as dt
import http.client
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pydantic
import redis

from core.clock import now
from core.config import Settings, load
from core.errors import SeatlineError
from launch import choices, layout, network, ours, process
from launch.choices import CHECKOUT, Choices, setting_of
from launch.files import read_json
from launch.layout import Layout
from launch.parts import asterisk, chromium, postgres, valkey
from launch.trouble import LaunchError
from launch.versions import asterisk_is_safe, why_asterisk_is_not
from wiring.prepare import database_migration, newest_migration

GIGABYTE = 1_000_000_000
FREE_DISK_BYTES = 1 * GIGABYTE
FREE_MEMORY_DISK_BYTES = 100_000_000
CLOCK_LIMIT_S = 2.0
OWN = ("pages", "live", *ours.WORKERS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about the machine.

    Attributes:
        remedy: what to do about it; empty when all is well.
    """

    text: str
    remedy: str = ""


def main() -> int:
    """Look at everything and say it; return the exit status."""
    try:
        chosen = choices.read()
        place = layout.find(chosen)
    except LaunchError as error:
        print(f"BAD   {error}")
        return 1
    findings = list(examine(chosen, place))
    for finding in findings:
        print(f"{'BAD ' if finding.remedy else 'ok  '}  {finding.text}")
        if finding.remedy:
            print(f"      -> {finding.remedy}")
    bad = sum(bool(finding.remedy) for finding in findings)
    print(f"\n{bad} of {len(findings)} need you." if bad else "\nAll is well.")
    return 1 if bad else 0


def examine(chosen: Choices, place: Layout) -> Iterator[Finding]:
    """Look at the machine, the parts and what runs."""
    yield from _parts(chosen, place)
    yield from _disks(place)
    yield from _secrets(place)
    yield from _clock()
    settings, trouble = _settings(place)
    if not settings:
        yield trouble
        yield from _free_ports(chosen)
        return
    recorded = read_json(place.running)
    supervisor = process.Identity(int(recorded.get("pid", 0)), int(recorded.get("started", 0)))
    if not process.is_alive(supervisor):
        yield Finding("Seatline does not run", "start it with `make up`")
        yield from _free_ports(chosen)
        return
    yield Finding(f"Seatline runs: process {supervisor.pid}, {recorded.get('public_url')}")
    yield from _processes(recorded, place)
    yield from _database(settings)
    yield from _valkey_answers(settings)
    yield from _switch(settings, is_wanted=not chosen.switch_url.startswith("simulator:"))
    yield from _payments(settings)


def _parts(chosen: Choices, place: Layout) -> Iterator[Finding]:
    fetch = "`make setup` fetches it"
    if not chosen.database_url:
        found = postgres.find(place.parts)
        if not found:
            yield Finding("PostgreSQL is missing", f"{fetch}; or name one of yours with DATABASE_URL")
        elif found.warning:
            yield Finding(found.warning, "use Debian 12 or 13, or name a server with DATABASE_URL")
        else:
            yield Finding(f"PostgreSQL {found.version} in {found.folder}")
    if not chosen.redis_url:
        program = valkey.find()
        yield (
            Finding(f"Valkey in {program}")
            if program
            else Finding("Valkey is missing", "name a server of yours with REDIS_URL")
        )
    if not chosen.switch_url:
        tree = asterisk.find(place.parts)
        yield (
            Finding(f"Asterisk {asterisk.version_of(tree)} in {tree}")
            if tree
            else Finding(
                f"calls are simulated: {asterisk.why_none(place.parts)}", f"{fetch}; or set SWITCH_URL"
            )
        )
    browser = chromium.find(place.parts)
    # only checks and `make call` use it, and they fetch it: not having it is no trouble
    yield Finding(f"Chromium in {browser}" if browser else "Chromium is not here yet (fetched when needed)")


def _disks(place: Layout) -> Iterator[Finding]:
    for what, folder, wanted in (
        ("state", place.servers, FREE_DISK_BYTES),
        ("recordings in progress", place.recording, FREE_MEMORY_DISK_BYTES),
    ):
        there = folder
        while not there.exists():
            there = there.parent
        free = shutil.disk_usage(there).free
        text = f"{free / GIGABYTE:.1f} GB free for {what} ({there})"
        yield Finding(text, "" if free >= wanted else f"make room: {wanted / GIGABYTE:.1f} GB at least")


def _secrets(place: Layout) -> Iterator[Finding]:
    files = (place.config, place.root_key, place.roles, place.sign_ins, place.prepared)
    seen = [file for file in (*files, place.state / layout.KEPT) if file.exists()]
    bad = [file for file in seen if _is_open(file)]
    if bad:
        names = " ".join(str(file) for file in bad)
        yield Finding(f"others may read {names}", f"chmod 600 {names}; and change what they hold")
    elif seen:
        yield Finding(f"{len(seen)} files with secrets are readable by their owner alone")


def _is_open(file: Path) -> bool:
    status = file.stat()
    return bool(stat.S_IMODE(status.st_mode) & 0o077) or status.st_uid != os.geteuid()


def _clock() -> Iterator[Finding]:
    lock = dt.datetime.fromtimestamp((CHECKOUT / "requirements.lock").stat().st_mtime, dt.UTC)
    said = f"{now():%Y-%m-%d %H:%M:%S} UTC"
    if now() < lock - dt.timedelta(minutes=5):
        yield Finding(f"the clock says {said}, before this checkout was made", "set the clock")
    else:
        yield Finding(f"the clock says {said}")


def _settings(place: Layout) -> tuple[Settings | None, Finding]:
    again = "run `make up`, which writes them anew"
    try:
        return load(place.config), Finding("")
    except pydantic.ValidationError as error:
        names = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        return None, Finding(f"{place.config} does not fit this checkout: {names}", again)
    except (SeatlineError, ValueError, OSError) as error:
        return None, Finding(str(error), again)


def _free_ports(chosen: Choices) -> Iterator[Finding]:
    for name in ("pages", "live", "standin", "postgres", "valkey", "switch", "sip"):
        port: int = getattr(chosen.ports, name)
        protocol: network.Protocol = "udp" if name == "sip" else "tcp"
        if not network.is_free(port, protocol=protocol):
            holder = network.holder(port, protocol=protocol)
            yield Finding(
                f"port {port} ({name}) is taken by {holder}",
                f"choose another with {setting_of(name)}=<port> or `make up PORT=<port>`",
            )


def _processes(recorded: dict[str, dict[str, dict[str, int]]], place: Layout) -> Iterator[Finding]:
    dead = []
    entries = recorded.get("processes", {})
    for name, entry in entries.items():
        if not process.is_alive(process.Identity(entry["pid"], entry["started"])):
            dead.append(name)
    dead += [name for name in OWN if name not in entries]
    for name in dead:
        yield Finding(f"{name} does not run just now", f"read {place.log_of(name)}")
    if not dead:
        yield Finding(f"alive: {', '.join(entries)}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        with psycopg.connect(settings.database_url, connect_timeout=3) as connection:
            row = connection.execute("SELECT clock_timestamp(), version()").fetchone()
        at = database_migration(settings.database_url)
    except psycopg.Error as error:
        yield Finding(f"the database does not answer: {error}", "read the log of postgres")
        return
    newest = newest_migration()
    if at != newest:
        yield Finding(f"the database stands at {at}, the code at {newest}", "`make down`, then `make up`")
    else:
        yield Finding(f"the database answers and stands at migration {at}")
    apart_s = abs((row[0] - now()).total_seconds()) if row else 0.0
    if apart_s > CLOCK_LIMIT_S:
        yield Finding(f"the database's clock is {apart_s:.0f} s away from ours", "set both clocks by NTP")


def _valkey_answers(settings: Settings) -> Iterator[Finding]:
    line = redis.Redis.from_url(settings.redis_url, socket_timeout=3)
    try:
        policy = line.config_get("maxmemory-policy").get("maxmemory-policy", "")
    except redis.RedisError as error:
        yield Finding(f"Valkey does not answer: {error}", "read the log of valkey")
        return
    finally:
        line.close()
    if policy != "noeviction":
        yield Finding(f"Valkey evicts ({policy}): jobs could be lost", "set maxmemory-policy noeviction")
    else:
        yield Finding("Valkey answers")


def _switch(settings: Settings, *, is_wanted: bool) -> Iterator[Finding]:
    if settings.is_simulated:
        remedy = "`make setup`, then `make up`" if is_wanted else ""
        yield Finding("the switch is simulated: no real call is possible", remedy)
        return
    missing = asterisk.missing_modules(settings.switch_url)
    if missing is None:
        yield Finding("the switch does not answer", "read the log of asterisk, or look at SWITCH_URL")
    elif (release := asterisk.release_of(settings.switch_url)) and not asterisk_is_safe(release):
        yield Finding(why_asterisk_is_not(release), "put a newer Asterisk there, or look at SWITCH_URL")
    elif missing:
        yield Finding(f"the switch lacks modules: {', '.join(missing)}", "`make setup`, then `make up`")
    else:
        yield Finding("the switch answers and has every module we use")


def _payments(settings: Settings) -> Iterator[Finding]:
    if not settings.stripe_api_key:
        yield Finding("no payment provider is connected: invoices are paid by bank transfer")
    elif settings.stripe_base_url:
        line = http.client.HTTPConnection(urlsplit(settings.stripe_base_url).netloc, timeout=3)
        try:
            line.request("GET", "/")
            line.getresponse()
        except (OSError, http.client.HTTPException):
            yield Finding("the stand-in for Stripe does not answer", "read the log of standin")
        else:
            yield Finding("the stand-in for Stripe answers: no money moves")
        finally:
            line.close()
    elif not settings.stripe_webhook_secret:
        yield Finding(
            "Stripe is connected, and its news is refused: there is no secret to check it with",
            f"let Stripe send to {settings.public_url}/webhooks/stripe and set STRIPE_WEBHOOK_SECRET",
        )
    else:
        kind = "for real money" if "_live_" in settings.stripe_api_key else "in its test mode"
        yield Finding(f"Stripe is connected {kind}")


if __name__ == "__main__":
    sys.exit(main())
