"""T17: a shared cache stands before the pages; what it keeps by RFC 9111 is nobody's.

The cache is hishel's, conforming and shared; beside it the same one told to heed no header, which shows
that the walk would see a page given to somebody else.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask
from hishel import CacheOptions, SqliteStorage
from hishel.httpx import CacheTransport

from tests.web.conftest import HOST, Browser, Browsers, Cast, Programs

PAGES = (
    "/portal/",
    "/settings",
    "/portal/people",
    "/portal/customers",
    "/me/a.css",
    "/settings/a.css",
    "/sign-in",
)


class Edge:
    """A proxy with one cache for everybody."""

    def __init__(self, app: Flask, folder: Path, *, heeds: bool) -> None:
        store = SqliteStorage(connection=sqlite3.connect(folder / f"{heeds}.db", check_same_thread=False))
        rfc = CacheOptions(shared=True) if heeds else False
        self.http = httpx.Client(
            transport=CacheTransport(httpx.WSGITransport(app), storage=store, rfc=rfc), base_url=HOST
        )

    def get(self, path: str, who: Browser | None = None, **headers: str) -> httpx.Response:
        if who is not None:
            headers["Cookie"] = f"seatline={who.cookie()}"
        return self.http.get(path, headers=headers)


@pytest.fixture
def charlie(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    assert made.sign_in(cast.charlie.email).status_code == 303
    return made


@pytest.fixture
def edges(app: Flask, tmp_path: Path) -> Iterator[tuple[Edge, Edge]]:
    good, bad = Edge(app, tmp_path, heeds=True), Edge(app, tmp_path, heeds=False)
    yield good, bad
    good.http.close()
    bad.http.close()


def was_kept(answer: httpx.Response) -> bool:
    """Tell whether an answer came out of the cache, or stays in it."""
    did = answer.extensions["caching"]
    return bool(did["from_cache"] or did["stored"])


def test_a_shared_cache_gives_nobody_anothers_page(
    edges: tuple[Edge, Edge], alice: Browser, charlie: Browser, cast: Cast
) -> None:
    edge, _ = edges
    for path in PAGES:
        first, second = edge.get(path, alice), edge.get(path, charlie)
        again, stranger = edge.get(path, alice), edge.get(path)
        assert not any(was_kept(one) for one in (first, second, again, stranger)), path
        assert cast.a.name not in second.text, path
        assert cast.a.name not in stranger.text, path
    assert cast.a.name in edge.get("/portal/", alice).text


def test_what_a_program_gets_is_not_kept_either(
    edges: tuple[Edge, Edge], cast: Cast, program: Programs
) -> None:
    edge, _ = edges
    for path in ("/api/v1/company", "/api/v1/nothing"):
        for token in (program(cast.a).token, program(cast.b).token, "none"):
            answer = edge.get(path, Authorization=f"Bearer {token}")
            assert not was_kept(answer), path
    theirs = edge.get("/api/v1/company", Authorization=f"Bearer {program(cast.b).token}")
    assert theirs.json()["name"] == cast.b.name


def test_files_that_are_the_same_for_all_are_kept(edges: tuple[Edge, Edge]) -> None:
    """The cache works: what may be kept is."""
    edge, _ = edges
    path = next(one for one in edge.get("/sign-in").text.split('"') if one.startswith("/static/dist/"))
    edge.get(path)
    assert edge.get(path).extensions["caching"]["from_cache"]


def test_a_cache_that_heeds_nothing_would_be_seen(
    edges: tuple[Edge, Edge], alice: Browser, charlie: Browser, cast: Cast
) -> None:
    _, careless = edges
    assert cast.a.name in careless.get("/portal/", alice).text
    assert cast.a.name in careless.get("/portal/", charlie).text
