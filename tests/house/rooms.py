"""What the house tests look at: our packages, their modules and their sources."""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CHECKOUT = Path(__file__).resolve().parents[2]
_SETTINGS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: tuple[str, ...] = tuple(_SETTINGS["tool"]["importlinter"]["root_packages"])
_PROGRAMS = {"__main__", "env"}  # importing these runs them


def files(room: str) -> list[Path]:
    """Return every Python file of a room of ours, in order; what npm brings along is not ours."""
    return sorted(file for file in (CHECKOUT / room).rglob("*.py") if "node_modules" not in file.parts)


def sources(*more: str) -> Iterator[Path]:
    """Yield every Python file of ours, tests left out."""
    for room in (*ROOMS, "migrations", *more):
        yield from files(room)
    yield CHECKOUT / "wsgi.py"


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def import_everything() -> None:
    """Import every module of every room, so that every table, event and error class is known."""
    for room in ROOMS:
        for file in files(room):
            if file.stem not in _PROGRAMS:
                parts = file.relative_to(CHECKOUT).with_suffix("").parts
                importlib.import_module(".".join(part for part in parts if part != "__init__"))


def room_of(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def subclasses(cls: type[T]) -> Iterator[type[T]]:
    """Yield every subclass that a room of ours has, at any depth."""
    for each in cls.__subclasses__():
        if room_of(each) in ROOMS:
            yield each
        yield from subclasses(each)
