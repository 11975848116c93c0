"""What the console's script sends: one JSON object, checked before anybody believes it."""

from typing import Any

from flask import request

from core.errors import Invalid
from web.plain import holds_no_text


class MalformedRequestError(Invalid):
    """The console sent something its script never sends."""

    code = "malformed-request"


def body() -> dict[str, Any]:
    """Return the request's JSON object.

    Raises:
        MalformedRequestError: there is none, or it holds what is no text.
    """
    try:
        found = request.get_json(silent=True)
    except RecursionError:  # nested deeper than anything of ours
        found = None
    if not isinstance(found, dict) or holds_no_text(found):
        raise MalformedRequestError(field="body")
    return found
