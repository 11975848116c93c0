"""Asterisk 22 of our own: found, started, and asked whether it has every module we use.

What its files say is `telephony.switch.instance`'s business; here it is a program with ports, folders
and an account. Asterisk says nothing when a module declines to load, so ready means: it answers
`GET /ari/asterisk/modules`, and every required module is running.
"""

import base64
import http.client
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launch import network, process
from launch.account import Account, give
from launch.choices import passed_on
from launch.versions import asterisk_in, asterisk_is_safe, why_asterisk_is_not
from telephony.switch.instance import ARI_USER, REQUIRED_MODULES, Ports, write_instance
from telephony.switch.login import Login


@dataclass(frozen=True, slots=True)
class Asterisk:
    """One instance: its tree, its folder, its ports, where it records and where announcements stand.

    Attributes:
        sounds_dir: made by whoever starts us; the account may read it.
        carrier: where calls out go, `address:port`.
        carrier_login, trunk_login: see `telephony.switch.instance.write_instance`.
        extra: text added to configuration files; benchmarks and tests only.
    """

    tree: Path
    home: Path
    account: Account
    ports: Ports
    password: str
    recording_dir: Path
    sounds_dir: Path
    trunk_addresses: tuple[str, ...] = ("127.0.0.2",)
    carrier: str | None = None
    carrier_login: Login | None = None
    trunk_login: Login | None = None
    extra: dict[str, str] = field(default_factory=dict)
    name: str = "asterisk"
    stop_signal: signal.Signals = signal.SIGTERM  # ends calls and leaves
    patience_s: float = 30.0

    @property
    def url(self) -> str:
        """The address of its ARI, user and password included."""
        return f"http://{ARI_USER}:{self.password}@{network.LOOPBACK}:{self.ports.http}"

    def command(self) -> process.Command:
        """See `launch.parts.part.Part`."""
        give(self.home, account=self.account)
        give(self.recording_dir, account=self.account)
        process.end(process.working_in(self.home), first=self.stop_signal, within_s=10)
        argv = write_instance(
            self.tree,
            self.home,
            ports=self.ports,
            ari_password=self.password,
            trunk_addresses=self.trunk_addresses,
            recording_dir=self.recording_dir,
            sounds_dir=self.sounds_dir,
            carrier=self.carrier,
            carrier_login=self.carrier_login,
            trunk_login=self.trunk_login,
            extra=self.extra,
        )
        if self.account.is_other:
            _give_all(self.home, account=self.account)
        return process.Command(
            argv=tuple(argv),
            # C.UTF-8 is not in the tree's own C library: plain C, it handles bytes
            env={"PATH": passed_on()["PATH"], "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.home)},
            cwd=self.home,
            account=self.account,
        )

    def is_ready(self, pid: int) -> bool:  # noqa: ARG002 - the port is ours alone while pid lives
        """See `launch.parts.part.Part`."""
        return self.missing_modules() == []

    def missing_modules(self) -> list[str] | None:
        """Return the required modules that do not run; None while ARI does not answer."""
        return missing_modules(self.url)


def missing_modules(switch_url: str) -> list[str] | None:
    """Ask an Asterisk which required modules do not run; None while its ARI does not answer."""
    modules = _asked(switch_url, "modules")
    if modules is None:
        return None
    running = {str(m["name"]).removesuffix(".so") for m in modules if m["status"] == "Running"}
    return sorted(set(REQUIRED_MODULES) - running)


def release_of(switch_url: str) -> str:
    """Ask an Asterisk for its release ("22.10.1"); "" while its ARI does not answer, or does not say."""
    said = _asked(switch_url, "info")
    try:
        return asterisk_in(f"Asterisk {said['system']['version']}") if said else ""
    except (KeyError, TypeError):
        return ""


def _asked(switch_url: str, what: str) -> Any:  # noqa: ANN401 - JSON
    """Return what ARI says of the Asterisk itself, or None while it does not answer."""
    address = urlsplit(switch_url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    line = kind(address.hostname or "", address.port, timeout=1)
    basic = base64.b64encode(f"{address.username}:{address.password}".encode()).decode()
    try:
        line.request("GET", f"/ari/asterisk/{what}", headers={"Authorization": f"Basic {basic}"})
        answer = line.getresponse()
        if answer.status != http.HTTPStatus.OK:
            return None
        return json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        line.close()


def find(parts_dir: Path) -> Path | None:
    """Return the unpacked tree, or None when there is none of the right version that runs here."""
    tree = parts_dir / "asterisk"
    return tree if asterisk_is_safe(version_of(tree)) else None


def why_none(parts_dir: Path) -> str:
    """Return why `find` found none: too old, and how old, or not there at all."""
    version = version_of(parts_dir / "asterisk")
    if version:
        return f"{why_asterisk_is_not(version)}; `make setup` fetches another"
    return "it could not be fetched; `make setup` tries again"


def version_of(tree: Path) -> str:
    """Return the version of the tree's Asterisk ("22.10.1"), or "" if it does not run here."""
    program = tree / "bin" / "asterisk"
    if not os.access(program, os.X_OK):
        return ""
    command = process.Command(argv=(str(program), "-V"), env={"PATH": passed_on()["PATH"]})
    try:
        said = process.run(command, timeout_s=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asterisk_in(said.stdout)


def _give_all(folder: Path, *, account: Account) -> None:
    for place, folders, files in os.walk(folder):  # does not follow links
        for name in (*folders, *files):
            os.chown(Path(place) / name, account.uid, account.gid, follow_symlinks=False)
