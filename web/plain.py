"""What comes in must be text a column can hold, and must say its length, before a view sees it.

NUL and lone surrogates are valid in a form, in an address and in JSON, and impossible in PostgreSQL; a form
without a length would be cut at the limit and then taken for the whole. The API says both in its own words.
"""

from flask import Flask, request
from werkzeug.exceptions import BadRequest, LengthRequired


def install(app: Flask) -> None:
    """Refuse what is not plain in every request outside the API; after the guard against other sites."""
    app.before_request(insist)


def insist() -> None:
    """Let the request through when its address and its form are plain.

    Raises:
        BadRequest: a sign that is not text.
        LengthRequired: a body without a length.
    """
    if request.blueprint == "api":
        return
    if "Transfer-Encoding" in request.headers and request.content_length is None:
        raise LengthRequired
    if holds_no_text([*request.args.items(multi=True), *request.form.items(multi=True)]):
        raise BadRequest


def whole(text: str, *, longest: int) -> int | None:
    """Return a number of at most `longest` digits as it was typed or sent, or None.

    `str.isdigit` alone takes a superscript two, which `int` does not, and any length: 18 digits fit a bigint.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= longest else None


def holds_no_text(value: object) -> bool:
    """Tell whether a string in a JSON value, however deep, cannot be stored."""
    left = [value]
    while left:
        match left.pop():
            case str(text) if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
                return True
            case dict(pairs):
                left += [*pairs, *pairs.values()]
            case list(parts) | tuple(parts):
                left += parts
            case _:
                pass
    return False
