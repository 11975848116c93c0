"""PostgreSQL's own programs for dumping and loading; a password reaches them in a file, never otherwise."""

import subprocess
import tempfile
from pathlib import Path
from shutil import which
from urllib.parse import unquote, urlsplit, urlunsplit

from core.config import Settings
from wiring.backup.folders import BackupRefusedError

_LAST_WORDS = 400


def dump(settings: Settings, url: str, *, into: Path, tables: tuple[str, ...], snapshot: str) -> None:
    """Write the rows of some tables into a file, as one instant saw them.

    Args:
        settings: where the programs lie.
        url: of a role that may read all of them.
        into: the file, made 0600 by the folder it lies in and the mask of the program.
        tables: patterns of pg_dump.
        snapshot: exported by a transaction that is still open; empty takes the present.
    """
    words = ["--format=custom", "--compress=1", "--data-only", "--no-password", "--file", str(into)]
    words += [f"--table={one}" for one in tables]
    words += [f"--snapshot={snapshot}"] if snapshot else []
    _run(settings, "pg_dump", url, words)
    into.chmod(0o600)


def load(settings: Settings, url: str, *, source: Path) -> None:
    """Load a dump's rows into tables that are there and empty; all of them or none."""
    words = ["--data-only", "--disable-triggers", "--no-owner", "--exit-on-error", "--single-transaction"]
    _run(settings, "pg_restore", url, [*words, "--no-password", str(source)], flag="--dbname")


def read(settings: Settings, source: Path) -> str:
    r"""Return the rows of a dump as text; a value of bytes stands as `\\\\x` and hex."""
    found = _program(settings, "pg_restore")
    done = subprocess.run(  # noqa: S603 - our own words, no shell
        [found, "--data-only", "--file=-", str(source)],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = "pg_restore cannot read it"
        raise BackupRefusedError(message)
    return done.stdout


def with_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def database_of(url: str) -> str:
    """Return the name of the database an address leads to."""
    return urlsplit(url).path.lstrip("/")


def _run(settings: Settings, program: str, url: str, words: list[str], *, flag: str = "--dbname") -> None:
    found = _program(settings, program)
    parts = urlsplit(url)
    place = [parts.hostname or "127.0.0.1", str(parts.port or 5432), database_of(url)]
    who = [unquote(parts.username or ""), unquote(parts.password or "")]
    with tempfile.TemporaryDirectory(prefix="seatline-pg-") as private:
        file = Path(private) / "pass"
        file.touch(mode=0o600)
        escaped = (one.replace("\\", "\\\\").replace(":", "\\:") for one in (*place, *who))
        file.write_text(":".join(escaped) + "\n", encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            [
                found,
                f"--host={place[0]}",
                f"--port={place[1]}",
                f"--username={who[0]}",
                flag,
                place[2],
                *words,
            ],
            env={"PGPASSFILE": str(file), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            umask=0o077,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        # pg_dump and pg_restore name tables and files; a row would follow "CONTEXT" or "DETAIL"
        said = done.stderr.partition("CONTEXT")[0].partition("DETAIL")[0].strip()[-_LAST_WORDS:]
        message = f"{program} failed: {said}"
        raise BackupRefusedError(message)


def _program(settings: Settings, name: str) -> str:
    folder = settings.postgres_programs
    found = which(name, path=str(folder)) if folder else which(name)
    if not found:
        message = f"{name} is not there: it comes with PostgreSQL; `make setup` fetches one"
        raise BackupRefusedError(message)
    return found
