"""The OpenAPI 3.1 document, written from the code, and the list of problems.

What spectree cannot say is added: problems are `application/problem+json`, POST takes an idempotency key,
each operation names its scope, each answer carries the request's id.
"""

from typing import Any

from flask import Flask, Response, current_app, jsonify

from web import words
from web.api.kit import MEDIA, spec
from web.api.repeating import HEADER
from web.api.routes import pages
from web.errors import PROBLEM_JSON
from web.guards import guard_of, public

_FIRST_ERROR = 400
_METHODS = {"get", "post", "put", "patch", "delete"}


@pages.get("/openapi.json")
@public("how to use the API is no secret")
def openapi() -> Response:
    """Return the OpenAPI document of this version."""
    return jsonify(document(current_app))


@pages.get("/problems")
@public("what an error code means is no secret")
def problems() -> Response:
    """Return every error code with its words; `type` of a problem points here."""
    return jsonify(
        {
            code: {"title": str(text.title), "detail": str(text.advice)}
            for code, text in sorted(words.PROBLEMS.items())
        }
    )


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document of an application; needs its application context."""
    made: dict[str, Any] = dict(spec.spec)
    scopes = {
        (rule_path(str(rule)), method.lower()): guard.permission
        for rule in app.url_map.iter_rules()
        if (guard := guard_of(app.view_functions[rule.endpoint])) is not None
        for method in rule.methods or ()
    }
    paths: dict[str, Any] = {}
    for path, item in sorted(made["paths"].items()):
        paths[path] = {
            method: _completed(operation, method, scopes.get((path, method)))
            for method, operation in item.items()
            if method in _METHODS
        }
    components = {
        "schemas": dict(sorted(made["components"]["schemas"].items())),
        "securitySchemes": {
            "apiKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, `seatline_live_…`. Make one in the portal under Developers.",
            }
        },
        "headers": {
            "RequestId": {
                "description": "Name it when you ask us about a request.",
                "schema": {"type": "string"},
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": made["info"] | {"description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "tags": sorted(made["tags"], key=lambda tag: str(tag["name"])),
        "paths": paths,
        "components": components,
    }


_ABOUT = (
    "Calls, recordings, invoices and the running bill of your company. Ids are prefixed and ordered by"
    " time; instants are RFC 3339 in UTC; amounts are integers in minor units. Lists are cut into pages by a"
    " cursor. Errors are RFC 9457 problems with a stable `code`; what is not there and what is not yours are"
    " the same 404. A POST with an `Idempotency-Key` acts once within at least 24 hours. New fields may be"
    " added to answers at any time."
)


def rule_path(rule: str) -> str:
    """Return a route's path in OpenAPI's spelling: `/a/<b>` -> `/a/{b}`."""
    return rule.replace("<", "{").replace(">", "}")


def _completed(operation: dict[str, Any], method: str, permission: str | None) -> dict[str, Any]:
    done = dict(operation)
    if permission and permission != "self.read":
        done["description"] = f"{done['description']}\n\nScope: `{permission}`.".strip()
        done["x-scope"] = permission
    parameters = list(done.get("parameters", ()))
    if method == "post":
        parameters.append(
            {
                "name": HEADER,
                "in": "header",
                "required": False,
                "description": "Up to 255 printable ASCII characters, new for every new request.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    done["parameters"] = parameters
    done["responses"] = {
        status: _answer(answer, int(status), MEDIA.get(operation["operationId"], ""))
        for status, answer in sorted(done["responses"].items())
    }
    return done


def _answer(answer: dict[str, Any], status: int, media: str) -> dict[str, Any]:
    done = dict(answer)
    content = done.get("content", {})
    if status >= _FIRST_ERROR and "application/json" in content:
        done["content"] = {PROBLEM_JSON: content["application/json"]}
    elif media:
        done["content"] = {media: {"schema": {"type": "string", "format": "binary"}}}
    done["headers"] = {"Request-Id": {"$ref": "#/components/headers/RequestId"}}
    return done
