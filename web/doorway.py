"""The Flask application: only here is a request's transaction committed."""

from typing import Any

from flask import Flask, Response

from web import scope

_FIRST_ERROR = 400


class Doorway(Flask):
    """Flask, with one transaction per request around the view."""

    def dispatch_request(self) -> Response:
        """Run the view; commit when it has succeeded, undo when it raised or answered with an error."""
        try:
            response = self.make_response(super().dispatch_request())
            if response.status_code < _FIRST_ERROR:
                scope.commit()
            else:
                scope.rollback()
        except BaseException:
            scope.rollback()
            raise
        return response

    def do_teardown_request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Flask's signature
        """Undo what a guard or an error handler may have left open."""
        scope.rollback()
        super().do_teardown_request(*args, **kwargs)
