"""The OpenAPI 3.1 document, written from the code, and the list of problems.

What spectree cannot say is added: problems are `application/problem+json`, POST takes an idempotency key,
each operation names its scope, each answer carries the request's id.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, current_app, jsonify

from tenants.apikeys import VERSIONS
from web import uploads, words
from web.api import preconditions, versions
from web.api.kit import CONDITIONAL, ENDS, MEDIA, OPTIONAL, TAKES, spec
from web.api.repeating import HEADER
from web.api.routes import pages
from web.compressed import compressed
from web.errors import PROBLEM_JSON
from web.guards import guard_of, public
from wiring.outgoing import TEST, TEST_ABOUT, TOLD

_FIRST_ERROR = 400
_METHODS = {"get", "post", "put", "patch", "delete"}


@pages.get("/openapi.json")
@public("how to use the API is no secret")
@compressed
def openapi() -> Response:
    """Return the OpenAPI document of this version."""
    return jsonify(document(current_app))


@pages.get("/problems")
@public("what an error code means is no secret")
@compressed
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
            method: completed(operation, method, scopes.get((path, method)))
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
            },
            "ApiVersion": {
                "description": "The version that was spoken.",
                "schema": {"type": "string"},
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": made["info"] | {"description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "tags": sorted(made["tags"], key=lambda tag: str(tag["name"])),
        "paths": paths,
        "webhooks": _webhooks(),
        "components": components,
    }


_ABOUT = (
    "Calls, recordings, invoices and the running bill of your company. Ids are prefixed and ordered by"
    " time; instants are RFC 3339 in UTC; amounts are integers in minor units. Lists are cut into pages by a"
    " cursor. Errors are RFC 9457 problems with a stable `code`; what is not there and what is not yours are"
    " the same 404. A POST with an `Idempotency-Key` acts once within at least 24 hours. New fields may be"
    " added to answers at any time."
)


def _webhooks() -> dict[str, Any]:
    """Return what webhooks send, one entry per type of event (`wiring.outgoing`)."""
    told = {one.type: ({name: prefix for name, (prefix, _) in one.says.items()}, one.about) for one in TOLD}
    told[TEST] = ({"webhook": "whk"}, TEST_ABOUT)
    return {
        event_type: {
            "post": {
                "operationId": f"on{''.join(part.title() for part in re.split('[.-]', event_type))}",
                "summary": about,
                "description": _SENT,
                "tags": ["Webhooks"],
                "security": [],
                "parameters": [
                    {
                        "name": name,
                        "in": "header",
                        "required": True,
                        "description": meaning,
                        "schema": {"type": "string"},
                    }
                    for name, meaning in _SENT_HEADERS.items()
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": _sent(event_type, says)},
                },
                "responses": {
                    "2XX": {"description": "Taken. Anything else is tried again."},
                    "410": {"description": "Wanted no more: the webhook is switched off."},
                },
            }
        }
        for event_type, (says, about) in sorted(told.items())
    }


_SENT = (
    "Sent by Standard Webhooks. It says ids and nothing else: fetch the rest with a key. The same event may"
    " come more than once, and in any order; `webhook-id` tells."
)
_SENT_HEADERS = {
    "webhook-id": "The event. The same on every try and at every webhook of yours.",
    "webhook-timestamp": "Of this try, Unix seconds. Refuse what is older than five minutes.",
    "webhook-signature": "`v1,` and HMAC-SHA256 in base64, over id, timestamp and body joined by full stops;"
    " two of them, parted by a space, while a secret is being changed.",
}


def _sent(event_type: str, says: Mapping[str, str]) -> dict[str, Any]:
    ids = {name: f"{prefix}_01jd3x5k8f7r6q2w9v4t0n1m3c" for name, prefix in sorted(says.items())}
    at, company = "2026-11-19T11:57:39.000Z", "ten_01jd3x5k8f7r6q2w9v4t0n1m3c"
    schema = {
        "type": "object",
        "required": ["type", "timestamp", "company", "data"],
        "properties": {
            "type": {"type": "string", "const": event_type},
            "timestamp": {"type": "string", "format": "date-time", "examples": [at]},
            "company": {"type": "string", "examples": [company]},
            "data": {
                "type": "object",
                "required": list(ids),
                "properties": {name: {"type": "string", "examples": [one]} for name, one in ids.items()},
            },
        },
    }
    example = {"type": event_type, "timestamp": at, "company": company, "data": ids}
    return {"schema": schema, "example": example}


def rule_path(rule: str) -> str:
    """Return a route's path in OpenAPI's spelling: `/a/<b>/<int:c>` -> `/a/{b}/{c}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def completed(operation: dict[str, Any], method: str, permission: str | None) -> dict[str, Any]:
    """Return an operation of spectree's with what it cannot know."""
    done = dict(operation)
    first, _, rest = done.get("summary", "").partition(". ")
    if rest:  # one sentence says what it does, the others are read below it
        done["summary"] = f"{first}."
        done["description"] = f"{rest}\n\n{done.get('description', '')}".strip()
    if permission and permission != "self.read":
        done["description"] = f"{done['description']}\n\nScope: `{permission}`.".strip()
        done["x-scope"] = permission
    parameters = list(done.get("parameters", ()))
    parameters.append(
        {
            "name": versions.HEADER,
            "in": "header",
            "required": False,
            "description": "A dated version, instead of the one the key is pinned to.",
            "schema": {"type": "string", "enum": list(VERSIONS)},
        }
    )
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
    if operation["operationId"] in CONDITIONAL:
        parameters.append(
            {
                "name": preconditions.HEADER,
                "in": "header",
                "required": True,
                "description": "The `ETag` of the version you read.",
                "schema": {"type": "string", "pattern": preconditions.PATTERN, "examples": ['"1"']},
            }
        )
    done["parameters"] = parameters
    if types := TAKES.get(operation["operationId"]):
        file = {"type": "string", "format": "binary"}
        form = {"type": "object", "required": ["file"], "properties": {"file": file}}
        content = {kind: {"schema": file} for kind in types} | {uploads.FORM: {"schema": form}}
        done["requestBody"] = {"required": True, "content": content}
    if ends := ENDS.get(operation["operationId"]):
        done["deprecated"] = True
        done["description"] = (
            f"{done['description']}\n\nGoes away on {ends.gone}: use `{ends.instead}`.".strip()
        )
    if operation["operationId"] in OPTIONAL:
        done["requestBody"] = done["requestBody"] | {"required": False}
    answers = dict(done["responses"])
    if method == "post":  # the same `Idempotency-Key` while the first request runs
        answers.setdefault("409", answers.get("401", {}) | {"description": "Conflict"})
    done["responses"] = {
        status: _answer(answer, int(status), MEDIA.get(operation["operationId"], ""))
        for status, answer in sorted(answers.items())
    }
    return done


def _answer(answer: dict[str, Any], status: int, media: str) -> dict[str, Any]:
    done = dict(answer)
    content = done.get("content", {})
    if status >= _FIRST_ERROR and "application/json" in content:
        done["content"] = {PROBLEM_JSON: content["application/json"]}
    elif media:
        done["content"] = {media: {"schema": {"type": "string", "format": "binary"}}}
    done["headers"] = {
        "Request-Id": {"$ref": "#/components/headers/RequestId"},
        versions.HEADER: {"$ref": "#/components/headers/ApiVersion"},
    }
    return done
