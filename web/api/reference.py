"""The API's reference as a page, made from the same document programs read."""

import json
from typing import Any

from flask import Blueprint, current_app, render_template
from markupsafe import Markup

from core.errors import SeatlineError
from tenants.roles import SCOPES
from tenants.webhooks import deliveries
from web import i18n, members, words
from web.api import limits, samples, versions
from web.api.document import document
from web.api.kit import MEDIA
from web.api.schema import Inward
from web.compressed import compressed
from web.errors import HTTP_CODES, STATUS
from web.guards import public
from web.scope import services
from wiring.outgoing import TEST, TEST_ABOUT, TYPES

pages = Blueprint("reference", __name__, url_prefix="/api")
_BROKEN = 500
_LONGEST_TEXT = Inward.model_config.get("str_max_length")  # of a text that says no limit of its own
_KEPT = "seatline-reference"  # what does not change while the process lives


@pages.get("/docs")
@public("how to use the API is no secret")
@compressed
def docs() -> str:
    """Show the API's reference."""
    origin = services().settings.public_url
    described, groups, operations = _kept(i18n.language(), origin)
    base = f"{origin}/api/v1"
    about = described["info"]
    return render_template(
        "api/docs.html",
        api={"title": about["title"], "version": about["version"], "base_url": base},
        guide={
            "me": samples.me(base),
            "calls": samples.every_call(base),
            "listen": samples.listen(base),
            "verify": samples.verify(),
            "safely": samples.safely(base),
            "campaign": samples.first_campaign(base),
            "invoice": samples.newest_invoice(base),
        },
        events=[{"type": one, "about": about} for one, about in [*TYPES.items(), (TEST, TEST_ABOUT)]],
        scopes=[(code, str(words.SCOPES[code])) for code in SCOPES],
        limit=limits.PER_KEY,
        tries=len(deliveries.SCHEDULE) + 1,
        version=versions.CURRENT,
        is_trial=bool(services().settings.webhooks_may_reach),
        groups=groups,
        operations=operations,
        codes=_codes(),
    )


def _kept(language: str, origin: str) -> tuple[dict[str, Any], list[dict[str, Any]], Markup]:
    """Return the document, its groups and their part of the page; made once for each language."""
    known: dict[str, Any] = current_app.extensions.setdefault(_KEPT, {})
    if language not in known:
        described = document(current_app)
        groups = [
            {"name": tag["name"], "operations": _operations(described, tag["name"], origin)}
            for tag in described["tags"]
        ]
        known[language] = described, groups, Markup(render_template("api/_operations.html", groups=groups))  # noqa: S704 - our own template
    found: tuple[dict[str, Any], list[dict[str, Any]], Markup] = known[language]
    return found


def _codes() -> list[dict[str, Any]]:
    """Return every error code with the status it comes with: the `type` of a problem leads here."""
    known = {code: (status, code) for status, code in HTTP_CODES.items()}
    known |= {kind: (status, kind) for kind, status in STATUS.items()}
    pending = [SeatlineError]
    while pending:
        for each in pending.pop().__subclasses__():
            pending.append(each)
            if each.kind in STATUS:
                known[each.code] = (STATUS[each.kind], each.kind)
    known |= {code: (_BROKEN, code) for code in words.PROBLEMS if code not in known}
    said = {code: words.problem(code, kind) for code, (_, kind) in known.items()}
    return [
        {
            "code": code,
            "status": status,
            "words": f"{said[code].title}. {said[code].advice}",
            "members": members.TOLD.get(code, ()),
        }
        for code, (status, _) in sorted(known.items())
    ]


def _operations(described: dict[str, Any], tag: str, origin: str) -> list[dict[str, Any]]:
    found = []
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if tag not in operation["tags"]:
                continue
            body = example(described, operation.get("requestBody", {}).get("content", {}))
            answered = next((one for one in operation["responses"] if one.startswith("2")), "")
            media = MEDIA.get(operation["operationId"], "")
            found.append(
                {
                    "id": operation["operationId"],
                    "method": method,
                    "path": path,
                    "summary": operation["summary"],
                    "description": operation["description"].split("Scope: ")[0].strip(),
                    "scope": operation.get("x-scope", ""),
                    "parameters": [
                        *(_parameter(one) for one in operation["parameters"]),
                        *_fields(described, operation.get("requestBody", {}).get("content", {})),
                    ],
                    "answers": [
                        {"status": status, "description": answer["description"]}
                        for status, answer in operation["responses"].items()
                    ],
                    "answer": example(described, operation["responses"].get(answered, {}).get("content", {})),
                    "sample": samples.of_operation(origin, path, method, operation, body=body, media=media),
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


def _fields(described: dict[str, Any], content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a JSON body may say, as parameters are shown."""
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return []
    model = _resolved(described, schema)
    needed = model.get("required", ())
    return [
        {
            "name": name,
            "where": "body",
            "required": name in needed,
            "type": _type(described, part),
            "description": _meaning(described, part),
        }
        for name, part in model.get("properties", {}).items()
    ]


def _type(described: dict[str, Any], schema: dict[str, Any]) -> str:
    found = [_resolved(described, one) for one in schema.get("anyOf", [schema])]
    names = [one.get("format") or one.get("type", "") for one in found]
    return "/".join(dict.fromkeys(one for one in names if one not in {"", "null"}))


def _meaning(described: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what a field means, with what it may be."""
    said = [str(schema.get("description", ""))]
    for one in [_resolved(described, part) for part in schema.get("anyOf", [schema])]:
        limits_of = one.get("items", one)
        if "enum" in limits_of:
            said.append(", ".join(f"“{value}”" for value in limits_of["enum"]))
        low, high = one.get("minimum"), one.get("maximum")
        if low is not None and high is not None:
            said.append(f"{low} to {high}")
        elif one.get("maxLength", _LONGEST_TEXT) != _LONGEST_TEXT:
            said.append(f"up to {one['maxLength']} signs")
    return " · ".join(one for one in said if one)


def _resolved(described: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def example(described: dict[str, Any], content: dict[str, Any]) -> str:
    """Return an example of a body as JSON, or nothing where there is none."""
    schema = content.get("application/json", {}).get("schema")
    if schema is None:
        return ""
    return json.dumps(value_of(described, schema), indent=2, ensure_ascii=False)


def value_of(described: dict[str, Any], schema: dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
    """Return an example of a schema, from the examples it and its parts carry.

    Of what is sent (it takes nothing it does not know) only what has to be, and what carries an example.
    """
    if schema.get("examples"):  # a place may have a better one than the type it is of
        return schema["examples"][0]
    schema = _resolved(described, schema)
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
            parts: dict[str, dict[str, Any]] = schema.get("properties", {})
            if schema.get("additionalProperties") is False:
                needed = schema.get("required", ())
                parts = {name: one for name, one in parts.items() if name in needed or one.get("examples")}
            return {name: value_of(described, part) for name, part in parts.items()}
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
