"""How a command refuses: in words, with exit code 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from core.errors import SeatlineError


@contextmanager
def in_words() -> Iterator[None]:
    """Turn our errors into one line: the code and what it says."""
    try:
        yield
    except SeatlineError as error:
        stop(f"{error.code}: {error}")


def stop(words: str) -> NoReturn:
    """End the command."""
    raise click.ClickException(words)
