"""`Idempotency-Key` on every POST of the document: done once and repeated, or refused and not kept."""

import functools
from collections.abc import Mapping

import pytest
from werkzeug.test import TestResponse

from tests.web.conftest import Cast, Program, Programs
from tests.web.test_api_walls import DOCUMENT, body_of, theirs

__all__ = ["theirs"]
pytestmark = pytest.mark.slow
POSTS = sorted(path for path, item in DOCUMENT["paths"].items() if "post" in item)
_FILE = b"phone,name\n+442079460101,Ines\n"


def takes_file(path: str) -> bool:
    return "text/csv" in DOCUMENT["paths"][path]["post"].get("requestBody", {}).get("content", {})


def post(who: Program, path: str, where: str, *, is_other: bool = False) -> TestResponse:
    once = {"Idempotency-Key": f"once-{path}"}
    if takes_file(path):
        data = _FILE + b"+442079460102,Bo\n" if is_other else _FILE
        return who.call("POST", where, data=data, content_type="text/csv", headers=once)
    return who.call("POST", where, json={"other": 1} if is_other else body_of(path, "post"), headers=once)


def test_every_post_acts_once_for_one_key(theirs: Mapping[str, str], program: Programs, cast: Cast) -> None:
    ours, done = program(cast.a), 0
    for path in POSTS:
        send = functools.partial(post, ours, path, path.removeprefix("/api/v1").format_map(theirs))
        first, again = send(), send()
        assert again.status_code == first.status_code, path
        if first.status_code >= 400:  # not kept: tried anew, and refused anew
            assert "Idempotent-Replayed" not in again.headers, path
            continue
        done += 1
        assert again.get_data() == first.get_data(), path
        assert again.headers["Idempotent-Replayed"] == "true", path
        assert "Idempotent-Replayed" not in first.headers, path
        other = send(is_other=True)
        assert (other.status_code, other.get_json(force=True)["code"]) == (422, "idempotency-key-reused"), (
            path
        )
    assert done >= 0.6 * len(POSTS)


def test_every_post_says_that_it_takes_a_key() -> None:
    for path in POSTS:
        names = {one["name"] for one in DOCUMENT["paths"][path]["post"]["parameters"]}
        assert "Idempotency-Key" in names, path
        assert "409" in DOCUMENT["paths"][path]["post"]["responses"], path
