"""What the next page says in its corner: done, not done, or done and still to be taken back.

A toast with an undo posts to the route that reverses the deed, within the ten seconds it stays; without
script it stays until the page is left. The deed is done at once: what reverses it is an ordinary act, checked
like any other.
"""

from collections.abc import Mapping

from flask import flash

from core.errors import SeatlineError
from web import refusals, words

UNDO = "undo"
SECONDS = 10


def done(text: str, *, undo: str = "", fields: Mapping[str, str] | None = None) -> None:
    """Say that something is done; `undo` is the path whose POST (with `fields`) takes it back."""
    if undo:
        # flashed values travel in a signed cookie as JSON
        flash({"text": text, "url": undo, "fields": dict(fields or {})}, UNDO)  # type: ignore[arg-type] # any JSON value does
    else:
        flash(text, "ok")


def refused(text: str) -> None:
    """Say what was not done, and why."""
    flash(text, "bad")


def why(error: SeatlineError) -> None:
    """Say in its own words why a room did not do it; a wall's refusal is counted, as `web.errors` would."""
    refusals.note(error, error.code)
    known = words.problem(error.code, error.kind)
    refused(f"{known.title}. {known.advice}")
