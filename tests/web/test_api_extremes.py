"""Every parameter and every field of every operation, at the edges of what can be typed: never our fault.

What no value of the kind may be is 4xx; what may be (the year 1 is an instant) may also find nothing.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import TestResponse

from security.throttle import Limit
from tests.web.conftest import Cast, Program, Programs
from tests.web.test_api_walls import DOCUMENT, body_of, theirs
from web.api import limits

__all__ = ["theirs"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LONG = "x" * 10_000
# what is a value of no parameter whatever its kind
NEVER = ("\x00", "a\x00b", LONG)
INSTANTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
    "1582-10-10T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "-0001-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "0",
    "-62135596801",
    "253402300800",
    "1e400",
    "nan",
)
WORDS = (
    "",
    " ",
    "🧾📞",
    "\u202eabc",
    "\ud83d",
    "../../etc/passwd",
    "%00",
    "'; DROP TABLE calls;--",
    "null",
    "-1",
    "0",
)
NUMBERS = ("0", "-1", str(2**31), str(2**63), str(-(2**63) - 1), "9" * 400, "1.5", "1e3", "٣", "NaN", "")
BODY_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    10**30,
    1.5,
    1e308,
    "",
    "\x00",
    "🧾📞" * 30,
    "\u202e",
    LONG,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    [],
    [None],
    [[]],
    ["x"] * 2_000,
    {},
    {"a": {"b": {}}},
)


@pytest.fixture
def ours(program: Programs, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(limits, "PER_KEY", Limit("api", 1_000_000, 60))
    return program(cast.a)


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def address(path: str, names: Mapping[str, str]) -> str:
    return path.removeprefix("/api/v1").format_map({"code": "redelivery", "kind": "leads", **names})


def told(answer: TestResponse, wrong: list[str], what: str, *, refused: bool = False) -> None:
    if answer.status_code >= 500 or (refused and answer.status_code < 400):
        wrong.append(f"{what}: {answer.status_code}")


def kinds_of(schema: Mapping[str, Any]) -> set[str]:
    parts = [schema, *schema.get("anyOf", ())]
    return {part.get("format") or part.get("type", "") for part in parts}


def test_every_query_parameter_at_its_edges(ours: Program, theirs: Mapping[str, str]) -> None:
    wrong: list[str] = []
    asked = 0
    for path, method, operation in operations():
        for one in operation["parameters"]:
            if one["in"] != "query":
                continue
            kinds = kinds_of(one["schema"])
            values = {*NEVER, *WORDS, *(INSTANTS if "date-time" in kinds else ())}
            values |= {*NUMBERS} if "integer" in kinds else set()
            for value in values:
                asked += 1
                text = quote(value, errors="surrogatepass")
                answer = ours.call(method.upper(), f"{address(path, theirs)}?{one['name']}={text}")
                never = value in NEVER or one["name"] == "starting_after"
                told(answer, wrong, f"{method} {path} {one['name']}={value[:40]!r}", refused=never)
    assert asked > 1_000
    assert not wrong, "\n".join(wrong)


def test_every_id_in_a_path_at_its_edges(ours: Program, theirs: Mapping[str, str]) -> None:
    wrong: list[str] = []
    for path, method, operation in operations():
        for one in operation["parameters"]:
            if one["in"] != "path" or operation["operationId"] == "putDisposition":
                continue
            for value in (*NEVER, *WORDS[2:], *NUMBERS[:6], f"{theirs.get(one['name'], 'x')}x"):
                text = quote(value, safe="", errors="surrogatepass")
                where = address(path, {**theirs, one["name"]: text})
                answer = ours.call(
                    method.upper(), where, json=body_of(path, method), headers={"If-Match": '"1"'}
                )
                what = f"{method} {path} {one['name']}={value[:40]!r}"
                told(answer, wrong, what, refused=one["name"] != "code")
    assert not wrong, "\n".join(wrong)


def test_every_field_of_every_body_at_its_edges(ours: Program, theirs: Mapping[str, str]) -> None:
    wrong: list[str] = []
    asked = 0
    for path, method, operation in operations():
        schema = (
            operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        )
        if "$ref" not in schema:
            continue
        model = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        for name in [*model["properties"], "nobody_knows_this"]:
            for value in BODY_VALUES:
                asked += 1
                body = json.dumps({**body_of(path, method), name: value})
                answer = ours.call(
                    method.upper(),
                    address(path, theirs),
                    data=body,
                    content_type="application/json",
                    headers={"If-Match": '"1"'},
                )
                what = f"{method} {path} {name}={str(value)[:40]!r}"
                told(answer, wrong, what, refused=value == "\x00" or name == "nobody_knows_this")
    assert asked > 1_000
    assert not wrong, "\n".join(wrong)


def test_every_header_we_read_at_its_edges(ours: Program, theirs: Mapping[str, str]) -> None:
    wrong: list[str] = []
    for header in ("Idempotency-Key", "If-Match", "Api-Version", "Range", "Accept", "Accept-Encoding"):
        for value in (
            "",
            "🧾".encode().decode("latin-1"),
            "x" * 5_000,
            '"' * 50,
            "bytes=9-1",
            "*",
            "\t",
            "-1",
        ):
            for path, method in (("/me", "GET"), ("/company", "PATCH"), ("/calls/search", "POST")):
                body = {"caller": "+447700900123"} if method == "POST" else None
                answer = ours.call(method, path, json=body, headers={header: value})
                told(answer, wrong, f"{method} {path} {header}: {value[:20]!r}")
    for span in ("bytes=0-", "bytes=-0", f"bytes={'9' * 40}-", "bytes=5-1", "lines=1-2", "bytes=0-1,3-4"):
        answer = ours.call(
            "GET", f"/calls/{theirs['call_id']}/recording?reason=quality", headers={"Range": span}
        )
        told(answer, wrong, f"recording {span}")
    assert not wrong, "\n".join(wrong)
