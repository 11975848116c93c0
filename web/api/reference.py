"""The API's reference as a page, made from the same document programs read."""

import json
from typing import Any

from flask import Blueprint, current_app, render_template

from web import words
from web.api.document import document
from web.errors import STATUS
from web.guards import public
from web.scope import services

pages = Blueprint("reference", __name__, url_prefix="/api")
_STATUS_OF_CODE = {
    "bad-request": 400,
    "malformed-json": 400,
    "key-in-address": 400,
    "sign-in-required": 401,
    "bad-api-key": 401,
    "not-permitted": 403,
    "cross-site": 403,
    "scope-not-yours": 403,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "email-taken": 409,
    "idempotency-key-running": 409,
    "too-large": 413,
    "unsupported-media-type": 415,
    "range-not-satisfiable": 416,
    "too-many-requests": 429,
    "internal": 500,
    "sign-in-busy": 503,
}


@pages.get("/docs")
@public("how to use the API is no secret")
def docs() -> str:
    """Show the API's reference."""
    described = document(current_app)
    base = services().settings.public_url
    groups = [
        {"name": tag["name"], "description": "", "operations": _operations(described, tag["name"], base)}
        for tag in described["tags"]
    ]
    codes = [
        {
            "code": code,
            "status": _STATUS_OF_CODE.get(code) or STATUS.get(code, 422),
            "words": f"{text.title}. {text.advice}",
        }
        for code, text in sorted(words.PROBLEMS.items())
    ]
    about = described["info"]
    return render_template(
        "api/docs.html",
        api={"title": about["title"], "version": about["version"], "base_url": f"{base}/api/v1"},
        groups=groups,
        codes=codes,
    )


def _operations(described: dict[str, Any], tag: str, base: str) -> list[dict[str, Any]]:
    found = []
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if tag not in operation["tags"]:
                continue
            body = _example(described, operation.get("requestBody", {}).get("content", {}))
            answered = next((one for one in operation["responses"] if one.startswith("2")), "")
            found.append(
                {
                    "id": operation["operationId"],
                    "method": method,
                    "path": path,
                    "summary": operation["summary"],
                    "description": operation["description"].split("\n\nScope:")[0],
                    "scope": operation.get("x-scope", ""),
                    "parameters": [_parameter(one) for one in operation["parameters"]],
                    "body": body,
                    "answers": [
                        {"status": status, "description": answer["description"]}
                        for status, answer in operation["responses"].items()
                    ],
                    "answer": _example(
                        described, operation["responses"].get(answered, {}).get("content", {})
                    ),
                    "curl": _curl(base, path, method, body),
                }
            )
    return found


def _parameter(one: dict[str, Any]) -> dict[str, Any]:
    schema = one.get("schema", {})
    kinds = [schema] if "type" in schema else schema.get("anyOf", [])
    return {
        "name": one["name"],
        "where": one["in"],
        "required": one.get("required", False),
        "type": "/".join(kind["type"] for kind in kinds if kind.get("type") not in {None, "null"}),
        "description": one.get("description", ""),
    }


def _curl(base: str, path: str, method: str, body: str) -> str:
    lines = [f"curl {'-X ' + method.upper() + ' ' if method != 'get' else ''}{base}{path}"]
    lines.append('  -H "Authorization: Bearer $SEATLINE_KEY"')
    if body:
        lines += ['  -H "Content-Type: application/json"', f"  -d '{json.dumps(json.loads(body))}'"]
    return " \\\n".join(lines)


def _example(described: dict[str, Any], content: dict[str, Any]) -> str:
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return ""
    return json.dumps(value_of(described, schema), indent=2, ensure_ascii=False)


def value_of(described: dict[str, Any], schema: dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    """Return an example of a schema, from the examples it and its parts carry."""
    if "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return value_of(described, schema["anyOf"][0])
    match schema.get("type"):
        case "object":
            return {name: value_of(described, part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [value_of(described, schema.get("items", {}))]
        case "integer" | "number":
            return schema.get("default", 1)
        case "boolean":
            return schema.get("default", False)
        case "string":
            return schema.get("default") or "…"
        case _:
            return None
