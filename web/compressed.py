"""Large public documents, sent compressed (RFC 9110, 12.5.3).

Only these: where a page holds a secret and repeats what was sent to it, the length of the compressed answer
tells the secret bit by bit (BREACH). So nothing of a signed-in person is compressed, and a request with a
query, which a page may repeat, gets its answer as it is.
"""

import functools
import gzip
from collections.abc import Callable
from typing import ParamSpec

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue

_P = ParamSpec("_P")
_LEVEL = 6


def compressed(view: Callable[_P, ResponseReturnValue]) -> Callable[_P, Response]:
    """Send what a view returns compressed to who takes that."""

    @functools.wraps(view)
    def send(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        response = current_app.make_response(view(*args, **kwargs))
        response.vary.add("Accept-Encoding")
        if request.accept_encodings["gzip"] > 0 and not request.query_string:
            response.set_data(gzip.compress(response.get_data(), _LEVEL, mtime=0))
            response.content_encoding = "gzip"
        return response

    return send
