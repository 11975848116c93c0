"""How a command refuses: in words, with exit code 1."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from core.errors import SeatlineError

_KEY_BYTES = 32


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


def public_key(text: str | None) -> bytes | None:
    """Return the key somebody gave, or None when nobody did."""
    try:
        key = base64.b64decode(text, validate=True) if text is not None else None
    except ValueError:
        key = b""
    if key is not None and len(key) != _KEY_BYTES:
        stop("--key takes the 32 bytes that `seatline audit key` writes, in base64")
    return key
