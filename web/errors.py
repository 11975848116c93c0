"""Errors, mapped once: kinds to status, and one problem to three shapes.

A browser gets a page, htmx a fragment, a program `application/problem+json` (RFC 9457) with a stable `code`.
What is not there and what is not yours are the same bytes but for the request's id, which programs get in the
body too: it is what their logs keep.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
import redis
import sqlalchemy.exc
from flask import Flask, Response, current_app, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, SecurityError

from core import log
from core.errors import SeatlineError
from web import headers, refusals, words
from web.guards import SECOND_STEP_FIRST
from web.members import Value
from web.members import of as members_of

_log = log.get(__name__)

STATUS: Mapping[str, int] = {
    "not-found": 404,
    "invalid": 422,
    "refused": 403,
    "conflict": 409,
    "unavailable": 503,
    "not-signed-in": 401,
    "too-many": 429,
    "malformed": 400,
    "wrong-type": 415,
    "stale": 412,
    "unconditional": 428,
}
HTTP_CODES: Mapping[int, str] = {
    400: "bad-request",
    401: "sign-in-required",
    403: "refused",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "too-large",
    414: "too-large",
    415: "unsupported-media-type",
    416: "range-not-satisfiable",
    422: "invalid",
    429: "too-many-requests",
    431: "too-large",
    503: "unavailable",
}
RETRY_AFTER_S = 5
_SIGN_IN_FIRST = 401
ENROLMENT = "/settings/second-step"  # where a second step that is wanted is set up
SIGN_IN = "seatline-sign-in"  # where the application keeps the page that asks to sign in
PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Fault:
    """One field of the request that does not fit, by JSON pointer."""

    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, ready to be said."""

    status: int
    code: str
    title: str
    advice: str
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Value] = field(default_factory=dict)


def install(app: Flask) -> None:
    """Answer every error of the application."""
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """Return the response for an error, whatever it is; a wall's refusal is counted."""
    problem = problem_of(error)
    refusals.note(error, problem.code)
    return say(problem)


def problem_of(error: Exception) -> Problem:
    """Return the problem an error is to the outside; what is our own fault is logged here."""
    if isinstance(error, SeatlineError) and error.kind in STATUS:
        return _from_room(error)
    if isinstance(error, CSRFError):
        return make("cross-site", 403)
    if isinstance(error, SecurityError):  # asked for by a name that is not ours: TRUSTED_HOSTS
        return make("foreign-host", 400)
    if isinstance(error, HTTPException) and error.code is not None:
        kept = {
            name: value
            for name, value in error.get_headers()
            if name in {"Allow", "Retry-After", "Content-Range"}
        }
        if error.response is not None and error.code not in HTTP_CODES:
            kept |= dict(error.response.headers)
        fallback = "bad-request" if error.code < 500 else "internal"  # noqa: PLR2004 - the class of the status
        return make(HTTP_CODES.get(error.code, fallback), error.code, headers=kept)
    if _is_away(error):
        _log.warning("part-away", error=type(error).__name__)
        return make("unavailable", 503, headers={"Retry-After": str(RETRY_AFTER_S)})
    _log.error("unhandled", exc_info=error)
    return make("internal", 500)


def make(
    code: str,
    status: int,
    *,
    kind: str = "",
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Problem:
    """Return a problem with the words its code has."""
    text = words.problem(code, kind or code)
    return Problem(status, code, str(text.title), str(text.advice), faults, dict(headers or {}))


def say(problem: Problem) -> Response:
    """Return a problem in the shape the asker reads."""
    if _wants_json():
        response = Response(as_json(problem), content_type=PROBLEM_JSON)
    elif problem.status == _SIGN_IN_FIRST and request.headers.get("HX-Request") != "true":
        response = current_app.extensions[SIGN_IN]()
    elif problem.code == SECOND_STEP_FIRST and request.method == "GET":
        return make_response(redirect(ENROLMENT, 303))
    else:
        response = make_response(_page(problem))
    response.status_code = problem.status
    response.headers.extend(dict(problem.headers))
    if problem.status == _SIGN_IN_FIRST and request.headers.get("HX-Request") == "true":
        response.headers["HX-Redirect"] = "/sign-in"
    if problem.status == _SIGN_IN_FIRST and request.blueprint == "api":
        response.headers["WWW-Authenticate"] = 'Bearer realm="seatline"'
    response.headers["Cache-Control"] = "no-store"
    return response


def as_json(problem: Problem) -> str:
    """Return a problem as RFC 9457 JSON."""
    base = current_app.config["SEATLINE_PUBLIC_URL"]
    body: dict[str, object] = {
        "type": f"{base}/api/docs#{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.advice,
        "request_id": headers.request_id(),
    }
    if problem.faults:
        body["errors"] = [{"pointer": one.pointer, "message": one.message} for one in problem.faults]
    # what everybody reads stands, whatever a member is called
    return json.dumps({**problem.members, **body}, ensure_ascii=False) + "\n"


def _from_room(error: SeatlineError) -> Problem:
    status = STATUS[error.kind]
    extra: dict[str, str] = {}
    if error.kind in {"unavailable", "too-many"}:
        extra["Retry-After"] = str(error.details.get("retry_after_s", RETRY_AFTER_S))
    # what is missing is said in one way, whichever room missed it
    code = "not-found" if error.kind == "not-found" else error.code
    faults = error.details.get("faults", ())
    if not faults and "field" in error.details:
        advice = words.problem(code, error.kind).advice
        faults = (Fault(f"/{error.details['field']}", str(advice)),)
    made = make(code, status, kind=error.kind, faults=faults, headers=extra)  # type: ignore[arg-type] # details are open
    made = replace(made, members=members_of(error))
    scope = error.details.get("scope")
    if not scope:
        return made
    # a program has no role and asks nobody
    lacks = Fault("/scopes", gettext("The key has not the scope %(scope)s.", scope=scope))
    advice = gettext(
        "Use a key with the scope that “errors” names. Keys are made in the portal, under Developers."
    )
    return replace(made, title=gettext("The key does not allow this"), advice=advice, faults=(lacks,))


def _wants_json() -> bool:
    if request.blueprint in {"api", "live"} or request.path.startswith("/api/v1"):
        return True
    accepted = request.accept_mimetypes
    return not accepted.accept_html and (accepted.accept_json or accepted[PROBLEM_JSON] > 0)


def _page(problem: Problem) -> str:
    shown = {
        "status": problem.status,
        "code": problem.code,
        "title": problem.title,
        "advice": problem.advice,
        # only where somebody will ask for it: elsewhere equal errors stay equal bytes
        "request_id": headers.request_id() if problem.status >= 500 else "",  # noqa: PLR2004
    }
    name = "errors/fragment.html" if request.headers.get("HX-Request") == "true" else "errors/page.html"
    try:
        return render_template(name, **shown)
    except Exception:  # noqa: BLE001 - an error page that fails must not become a traceback
        _log.exception("error-page-failed")
        return str(
            Markup("<!doctype html><title>{title}</title><h1>{title}</h1><p>{advice}</p>").format(
                title=problem.title, advice=problem.advice
            )
        )


def _is_away(error: BaseException) -> bool:
    """Tell whether PostgreSQL or Valkey did not answer."""
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.connection_invalidated or isinstance(
            error.orig, psycopg.OperationalError | psycopg.InterfaceError
        )
    return isinstance(error, sqlalchemy.exc.TimeoutError | psycopg.OperationalError)
