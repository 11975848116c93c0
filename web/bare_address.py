"""On a developer's machine: from the bare address to the name.

`make up` serves `localhost`, because browsers make passkeys for names alone and keep cookies by name. Whoever
types 127.0.0.1 is led there, with what they asked for; programs that ask by the number are answered.
"""

from urllib.parse import urlsplit

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

BARE = "127.0.0.1"
_NAME = "localhost"


def other_names(public_url: str) -> tuple[str, ...]:
    """Return by what else than its public address the site may be asked."""
    return (BARE,) if urlsplit(public_url).hostname == _NAME else ()


def install(app: Flask, public_url: str) -> None:
    """Lead browsers on from the bare address, where there is a name."""
    if not other_names(public_url):
        return

    def lead() -> Response | None:
        is_bare = urlsplit(f"//{request.host}").hostname == BARE
        if is_bare and request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate":
            return redirect(public_url + request.full_path.rstrip("?"), 307)
        return None

    app.before_request(lead)
