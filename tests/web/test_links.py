"""Every link on every page leads somewhere, and every form has a route: tried as the people of the demo."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from core.config import Settings
from core.realtime import Realtime
from security.keys import FileRootKey
from tests.web.conftest import HOST, Browser
from web import create_app
from wiring import assemble
from wiring.demo import SignIn, seed

pytestmark = pytest.mark.slow

_LINKS = re.compile(r'(?:href|src|data-src)="([^"#][^"]*)"')
_FORMS = re.compile(
    r'<form\b[^>]*\bmethod="post"[^>]*\baction="([^"]+)"|<form\b[^>]*\baction="([^"]+)"[^>]*\bmethod="post"'
)


@pytest.fixture
def demo(
    settings: Settings, root_key: FileRootKey, realtime: Realtime
) -> Iterator[tuple[Flask, Sequence[SignIn]]]:
    """The demo as it is seeded into an empty database; yields the application and who may sign in."""
    assert isinstance(root_key, FileRootKey)
    people = seed(settings)
    house = assemble(settings, process="pages")
    yield create_app(house), people
    house.close()


def crawl(page: Browser, start: str) -> Iterator[tuple[str, TestResponse]]:
    """Yield address and answer of every page that can be reached by links from `start`."""
    seen, waiting = {start}, deque([start])
    while waiting:
        path = waiting.popleft()
        answer = page.get(path, buffered=True)
        yield path, answer
        if answer.status_code in {301, 302, 303}:
            found = [answer.location]
        elif answer.content_type.startswith("text/html"):
            found = [unescape(link) for link in _LINKS.findall(answer.get_data(as_text=True))]
        else:
            continue
        for link in found:
            parts = urlsplit(urljoin(HOST + path, link))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            if f"{parts.scheme}://{parts.netloc}" == HOST and target not in seen:
                seen.add(target)
                waiting.append(target)


@pytest.mark.timeout(600)  # it asks for every page there is
def test_every_link_leads_somewhere_and_every_form_has_a_route(demo: tuple[Flask, Sequence[SignIn]]) -> None:
    app, people = demo
    address = app.url_map.bind("127.0.0.1:8600")
    broken: list[tuple[str, str, int | str]] = []
    pages = 0
    for who in people:
        page = Browser(app.test_client())
        assert page.sign_in(who.email, who.password).status_code == 303, who.who
        for path, answer in crawl(page, "/"):
            pages += 1
            if answer.status_code >= 400:
                broken.append((who.who, path, answer.status_code))
            if not answer.content_type.startswith("text/html"):
                continue
            for pair in _FORMS.findall(answer.get_data(as_text=True)):
                action = urlsplit(unescape(pair[0] or pair[1])).path
                try:
                    address.match(action, method="POST")
                except RequestRedirect:
                    pass
                except (NotFound, MethodNotAllowed):
                    broken.append((who.who, path, f"form to {action}"))
    assert pages > 3 * len(people)
    assert not broken, "\n".join(map(str, broken))
