"""G4: takes every wall of mutants.yaml down, one at a time, and asks whether the suite notices.

    python -m tests.security.mutants              # all: half an hour, one line each and the kill rate
    python -m tests.security.mutants vault egress # those whose file's name holds one of these words

Each wall falls in a copy of the checkout, where the tests that are to notice run in a process of their own.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from launch import choices
from launch.choices import CHECKOUT

LIST = Path(__file__).with_name("mutants.yaml")
_LIMIT_S = 900
_LEFT_OUT = ("node_modules", "__pycache__", "pictures")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wall, how it is taken down (pairs of what stands there and what then does), and who should notice."""

    wall: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests said with the wall down: `is_noticed` when at least one of them failed."""

    is_noticed: bool
    words: str


def listed() -> list[Mutant]:
    """Return the mutants of the list, in its order."""
    return [
        Mutant(
            one["wall"],
            one["file"],
            ((one["old"], one["new"]), *((each["old"], each["new"]) for each in one.get("also", ()))),
            tuple(one["tests"]),
        )
        for one in yaml.safe_load(LIST.read_text(encoding="utf-8"))
    ]


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of the checkout that may be spoiled."""
    with tempfile.TemporaryDirectory(prefix="seatline-mutants-") as name:
        folder = Path(name) / "checkout"
        shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns(".*", *_LEFT_OUT))
        yield folder


def tried(mutant: Mutant, folder: Path) -> Outcome:
    """Take one wall down in the copy, run its tests, and build it up again."""
    file = folder / mutant.file
    whole = file.read_text(encoding="utf-8")
    spoilt = whole
    for old, new in mutant.changes:
        spoilt = spoilt.replace(old, new)
    file.write_text(spoilt, encoding="utf-8")
    try:
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "--no-header",
                *(f"tests/{t}" for t in mutant.tests),
            ],
            cwd=folder,
            env=choices.whole_environment() | {"SEATLINE_PARTS_DIR": str(choices.read().parts_dir)},
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    finally:
        file.write_text(whole, encoding="utf-8")
    words = next((line for line in reversed(ran.stdout.splitlines()) if line.strip()), ran.stderr[-200:])
    # an error before any test, such as a statement that cannot be read, is a mutant that was written badly
    return Outcome(ran.returncode == 1 and " failed" in words, words.strip("= "))


def main(chosen: Sequence[str]) -> int:
    """Try the mutants whose file holds one of the words, or all; return 1 when one goes unseen."""
    mutants = [one for one in listed() if not chosen or any(word in one.file for word in chosen)]
    seen = 0
    with copied() as folder:
        for one in mutants:
            outcome = tried(one, folder)
            seen += outcome.is_noticed
            word = "seen  " if outcome.is_noticed else "UNSEEN"
            sys.stdout.write(f"{word} {one.file}: {one.wall} ({outcome.words})\n")
            sys.stdout.flush()
    sys.stdout.write(f"{seen} of {len(mutants)} walls were missed when they were taken away\n")
    return 0 if seen == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
