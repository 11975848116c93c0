"""What every operation of the API gets: validation from its annotations, problems, idempotency, a document.

spectree validates query and body against the models a view's annotations name and collects them for the
OpenAPI document. What it would let pass is caught before it: malformed JSON and bodies that are not objects
(it would read them as an empty object), text PostgreSQL cannot hold.
"""

import json as jsonlib
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, NoReturn, ParamSpec
from uuid import UUID

from flask import Response, current_app, g, request
from pydantic import BaseModel, ValidationError
from spectree import Response as Answers
from spectree import SpecTree

from core.errors import Invalid, SeatlineError
from core.ids import UnknownIdError, parse
from web import uploads
from web.api import repeating
from web.api.schema import Problem
from web.api.versions import Ends
from web.errors import Fault
from web.plain import holds_no_text

_P = ParamSpec("_P")
LARGEST_BODY = 256 * 1024
TAKES: dict[str, Sequence[str]] = {}  # operation to the types of the file it takes
MEDIA: dict[str, str] = {}  # operation to the type of the file it returns
CONDITIONAL: set[str] = set()  # operations that need `If-Match`
OPTIONAL: set[str] = set()  # operations whose body may be left out, because nothing in it has to be said
ENDS: dict[str, Ends] = {}  # operations that go away
_ALWAYS = (400, 401, 403, 429, 503)  # 400: the header Api-Version names no version
_BODY_ERRORS = (413, 415)
_FILE_ERRORS = (413, 415, 422)

spec = SpecTree(
    "flask",
    mode="strict",
    title="Seatline API",
    version="1",
    openapi_version="3.1.0",
    annotations=True,
    validation_error_status=422,
    validation_error_model=Problem,
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda _parent, child: child,
)


class InvalidRequestError(Invalid):
    """The request's query or body does not fit; `details["faults"]` says where."""

    code = "invalid-request"


class MalformedJsonError(SeatlineError):
    """The body is not one JSON object in UTF-8."""

    code = "malformed-json"
    kind = "malformed"


class WrongTypeError(SeatlineError):
    """The body is not `application/json`."""

    code = "unsupported-media-type"
    kind = "wrong-type"


def operation(
    *,
    tag: str,
    answers: Mapping[int, type[BaseModel] | None],
    errors: Sequence[int] = (),
    operation_id: str,
    media: str = "",
    conditional: bool = False,
    takes: Sequence[str] = (),
    ends: Ends | None = None,
) -> Callable[[Callable[_P, Any]], Callable[_P, Response]]:
    """Make a view an operation of the API.

    Args:
        tag: the resource it belongs to, for the document.
        answers: status to model of what it returns when all is well.
        errors: statuses it may answer with besides those every operation has.
        operation_id: permanent; client libraries are named after it.
        media: the type of a file it returns instead of JSON; the file is streamed past spectree, which
            would read it into memory.
        conditional: it changes what others may change meanwhile: the view calls `preconditions.insist` with
            the version that stands, and the document says that `If-Match` is needed.
        takes: the types of a file it takes as its body, read by `web.uploads.body`.
        ends: that it goes away, for the document and its answers' headers.
    """
    if takes:
        TAKES[operation_id] = takes
        errors = (*errors, *_FILE_ERRORS)
    if ends:
        ENDS[operation_id] = ends
    if conditional:
        CONDITIONAL.add(operation_id)
        errors = (*errors, 400, 409, 412, 428)
    if media:
        MEDIA[operation_id] = media

    def decorate(view: Callable[_P, Any]) -> Callable[_P, Response]:
        model: type[BaseModel] | None = getattr(view, "__annotations__", {}).get("json")
        takes_body = model is not None
        may_be_empty = model is not None and not any(one.is_required() for one in model.model_fields.values())
        if may_be_empty:
            OPTIONAL.add(operation_id)
        wanted = {f"HTTP_{status}": model for status, model in answers.items()}
        may_answer = (*_ALWAYS, *errors, *(_BODY_ERRORS if takes_body else ()))
        problems = {f"HTTP_{status}": Problem for status in may_answer}
        validated: Callable[_P, Any] = spec.validate(
            resp=Answers(**{**wanted, **problems}),
            tags=[tag],
            operation_id=operation_id,
            before=_refuse,
        )(_set_aside(view) if media else view)

        @wraps(validated)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> Response:
            _insist_on_text()
            if takes_body and not (may_be_empty and _is_bare()):
                _insist_on_json()
            if takes:
                _insist_on_file(takes)

            def act() -> Response:
                answer = current_app.make_response(validated(*args, **kwargs))
                file: Response | None = g.pop("seatline_file", None)
                if ends:
                    (file or answer).headers.update(ends.headers())
                return file or answer

            return repeating.once(act) if request.method == "POST" else act()

        return run

    return decorate


def _set_aside(view: Callable[_P, Response]) -> Callable[_P, str]:
    @wraps(view)
    def stand_in(*args: _P.args, **kwargs: _P.kwargs) -> str:
        g.seatline_file = view(*args, **kwargs)
        return ""

    return stand_in


def id_in_path(prefix: str, text: str) -> UUID:
    """Return the id in a path; a malformed one is not found, like one that is not there."""
    return parse(prefix, text)


def _refuse(
    _request: object, _response: object, error: Exception | None, _instance: object, _adapter: object
) -> None:
    """Turn what pydantic objects to into our problem; spectree calls this before the view."""
    if isinstance(error, ValidationError):
        _raise_invalid(error)


def _raise_invalid(error: ValidationError) -> NoReturn:
    faults = [
        Fault("/" + "/".join(str(part) for part in one["loc"]), one["msg"])
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    raise InvalidRequestError(faults=faults)


def _insist_on_text() -> None:
    """Refuse what no text column can hold, wherever it stands in the address."""
    if holds_no_text([*(request.view_args or {}).values()]):
        raise UnknownIdError
    if holds_no_text([*request.args.items(multi=True)]):
        raise InvalidRequestError(faults=[Fault("", "contains characters that are not text")])


def _is_bare() -> bool:
    """Tell whether a request comes without a body, and without saying of what type it would be."""
    return not request.mimetype and not request.get_data()


def _insist_on_json() -> None:
    if request.mimetype != "application/json":
        raise WrongTypeError
    request.max_content_length = LARGEST_BODY
    try:
        body = jsonlib.loads(request.get_data().decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError from error
    if not isinstance(body, dict):
        raise InvalidRequestError(faults=[Fault("", "must be a JSON object")])
    if holds_no_text(body):
        raise InvalidRequestError(faults=[Fault("", "contains characters that are not text")])


def _insist_on_file(types: Sequence[str]) -> None:
    if request.mimetype not in (*types, uploads.FORM):
        raise WrongTypeError
    uploads.body()  # now, because idempotency compares it


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)
