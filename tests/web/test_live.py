import contextlib
import functools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool
from werkzeug.test import TestResponse

from core import ids
from core.ids import OPERATOR
from core.realtime import Message, Realtime
from seats import roster
from security.gate import Gate, Scope
from security.vault import Vault
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from web import create_app
from web.live import HUB, hub, views

pytestmark = pytest.mark.slow

HOST = "http://127.0.0.1:8601"
PATIENCE_S = 10.0


@pytest.fixture
def live_app(services: TestServices, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setattr(views, "BEAT_S", 0.3)
    app = create_app(replace(services, process="live"))
    yield app
    app.extensions[HUB].stop()


class Stream:
    """An open stream, read by a thread of its own."""

    def __init__(self, response: TestResponse) -> None:
        self.response, self.is_over = response, threading.Event()
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            for chunk in self.response.response:
                self.lines.append(chunk.decode() if isinstance(chunk, bytes) else chunk)
        self.response.close()
        self.is_over.set()

    def wait_for(self, text: str) -> bool:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if any(text in line for line in list(self.lines)):
                return True
            if self.is_over.wait(0.02):
                return any(text in line for line in self.lines)
        return False

    def events(self) -> list[list[str]]:
        return [line.splitlines() for line in self.lines if line.startswith("event:")]


class Listen:
    """Opens streams with the cookies of a browser, and remembers them."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.opened: list[Stream] = []

    def __call__(self, browser: Browser, path: str = "/live/portal", **headers: str) -> Stream:
        answer = self._ask(browser, path, headers)
        assert answer.status_code == 200
        stream = Stream(answer)
        assert stream.wait_for("retry:")
        self.opened.append(stream)
        return stream

    def refused(self, browser: Browser, path: str = "/live/portal", **headers: str) -> TestResponse:
        """Return the answer that is given instead of a stream."""
        answer = self._ask(browser, path, headers)
        assert answer.status_code != 200
        return answer

    def _ask(self, browser: Browser, path: str, headers: dict[str, str]) -> TestResponse:
        client = self.app.test_client()
        client.set_cookie("seatline", browser.cookie() or "", domain="127.0.0.1")
        return client.get(path, base_url=HOST, headers=headers, buffered=False)


@pytest.fixture
def listen(live_app: Flask) -> Iterator[Listen]:
    made = Listen(live_app)
    yield made
    live_app.extensions[HUB].stop()
    for stream in made.opened:
        assert stream.is_over.wait(PATIENCE_S)


def test_the_portal_is_woken_for_its_own_company_only(
    alice: Browser, browser: Browsers, cast: Cast, listen: Listen, realtime: Realtime
) -> None:
    other = browser()
    other.sign_in(cast.charlie.email)
    ours, theirs = listen(alice), listen(other)
    realtime.publish(cast.a.tenant_id, "floor", {"queues": {"secret": 1}})
    realtime.publish(cast.a.tenant_id, "calls", {"call_id": "x"})
    assert ours.wait_for("event: bill")
    assert [event[0] for event in ours.events()] == ["event: queues", "event: calls", "event: bill"]
    assert "secret" not in "".join(ours.lines)
    realtime.publish(cast.b.tenant_id, "floor", {})
    assert theirs.wait_for("event: queues")
    assert len(theirs.events()) == 1


def test_an_agent_hears_what_concerns_its_own_desk(
    people: People, browser: Browsers, listen: Listen, realtime: Realtime, gate: Gate, vault: Vault
) -> None:
    people.operator()
    bob = people.user(OPERATOR, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=bob.id, number=7, name="Bob", languages=("en",))
    page = browser()
    page.sign_in(bob.email)
    stream = listen(page, "/live/agent")
    realtime.publish(OPERATOR, "agent:00000000-0000-7000-8000-000000000009", {"type": "state"})
    realtime.publish(OPERATOR, f"agent:{agent.id}", {"type": "offer", "offer_id": "o1"})
    assert stream.wait_for("event: offer")
    (event,) = stream.events()
    assert json.loads(event[1].removeprefix("data: ")) == {"offer_id": "o1"}


def test_consoles_that_come_back_all_at_once_never_wait_for_a_second_connection(
    people: People, gate: Gate, vault: Vault, services: TestServices, browser: Browsers, listen: Listen
) -> None:
    """Twenty-five that held one and asked for another held the whole pool, and waited ten seconds."""
    people.operator()
    bob = people.user(OPERATOR, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        roster.hire(session, vault=vault, user_id=bob.id, number=7, name="Bob", languages=("en",))
    page = browser()
    page.sign_in(bob.email)
    pool = services.gate._engine.pool
    held = most = 0

    def count(*_of: object, step: int) -> None:
        nonlocal held, most
        held += step
        most = max(most, held)

    out, back = functools.partial(count, step=1), functools.partial(count, step=-1)
    event.listen(pool, "checkout", out)
    event.listen(pool, "checkin", back)
    try:
        listen(page, "/live/agent")
    finally:
        event.remove(pool, "checkout", out)
        event.remove(pool, "checkin", back)
    assert most == 1


def test_a_user_who_is_no_agent_has_no_desk_to_hear(
    people: People, browser: Browsers, listen: Listen
) -> None:
    people.operator()
    eve = people.user(OPERATOR, "Eve", "agent")
    page = browser()
    page.sign_in(eve.email)
    answer = listen.refused(page, "/live/agent")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "no-agent")


def test_a_stream_closes_when_its_session_ends(alice: Browser, listen: Listen) -> None:
    stream = listen(alice)
    began = time.monotonic()
    alice.post("/sign-out")
    assert stream.is_over.wait(5)
    assert time.monotonic() - began < 5
    assert stream.events()[-1][0] == "event: signed-out"


def test_a_stream_closes_when_a_second_step_is_required_and_does_not_come_back_without(
    program: Programs, browser: Browsers, cast: Cast, listen: Listen
) -> None:
    theirs = browser()
    theirs.sign_in(cast.sue.email)
    elsewhere = browser()
    elsewhere.sign_in(cast.charlie.email)
    hers, another = listen(theirs), listen(elsewhere)
    ours = program(cast.a)
    version = ours.get("/company").headers["ETag"]
    answer = ours.call(
        "PATCH", "/company", json={"requires_second_step": True}, headers={"If-Match": version}
    )
    assert answer.status_code == 200
    assert hers.is_over.wait(5)
    assert not hers.events()  # not signed out: asked anew
    assert listen.refused(theirs).status_code in {302, 303, 403}
    assert not another.is_over.wait(0.5)


def test_a_stream_closes_when_a_role_is_changed(
    alice: Browser, browser: Browsers, cast: Cast, listen: Listen
) -> None:
    theirs = browser()
    theirs.sign_in(cast.sue.email)
    stream = listen(theirs)
    path = f"/portal/people/{ids.public('usr', cast.sue.id)}"
    wanted = {"was": "tenant_supervisor", "role": "tenant_analyst"}
    assert alice.post(f"{path}/role", wanted).status_code == 303
    assert stream.is_over.wait(5)
    assert stream.events()[-1][0] == "event: signed-out"


def test_a_stream_closes_when_the_company_is_suspended(
    people: People, alice: Browser, browser: Browsers, cast: Cast, listen: Listen
) -> None:
    people.operator()
    priya = people.user(OPERATOR, "Priya", "operator_support")
    staff = browser()
    staff.sign_in(priya.email)
    stream = listen(alice)
    path = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"
    assert staff.post(f"{path}/suspend").status_code == 303
    assert stream.is_over.wait(5)
    assert listen.refused(alice).status_code in {401, 403}


def test_a_stream_closes_even_when_the_message_was_lost(
    alice: Browser, listen: Listen, monkeypatch: pytest.MonkeyPatch, realtime: Realtime
) -> None:
    monkeypatch.setattr(hub, "RECHECK_S", 0.5)
    monkeypatch.setattr(type(realtime), "publish", lambda *_: False)
    stream = listen(alice)
    alice.post("/sign-out")
    assert stream.is_over.wait(5)
    assert stream.events()[-1][0] == "event: signed-out"


def test_a_stream_outlives_a_database_that_is_away(
    alice: Browser, live_app: Flask, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def away(_digests: object) -> set[bytes]:
        asked.set()
        raise OperationalError("", None, OSError())

    monkeypatch.setattr(hub, "RECHECK_S", 0.1)
    monkeypatch.setattr(live_app.extensions[HUB], "_living", away)
    stream = listen(alice)
    assert asked.wait(PATIENCE_S)
    assert not stream.is_over.wait(0.5)


def test_another_session_of_the_same_user_goes_on(
    alice: Browser, browser: Browsers, cast: Cast, listen: Listen, realtime: Realtime
) -> None:
    elsewhere = browser()
    elsewhere.sign_in(cast.alice.email)
    stays = listen(elsewhere)
    alice.post("/sign-out")
    realtime.publish(cast.a.tenant_id, "calls", {})
    assert stays.wait_for("event: calls")
    assert not stays.is_over.is_set()


def test_nothing_to_say_is_said_by_a_beat(alice: Browser, listen: Listen) -> None:
    assert listen(alice).wait_for(": beat")


def test_what_waits_for_a_reader_comes_in_order_and_only_so_much_of_it() -> None:
    listener = hub.Listener(frozenset(), b"")
    assert listener.take(timeout_s=0.01) is None
    messages = [Message(OPERATOR, "floor", {"n": n}) for n in range(hub._DEEPEST)]
    assert all(map(listener.put, messages))
    assert not listener.put(messages[0])  # that far behind, it is to come again
    assert [listener.take(timeout_s=0), listener.take(timeout_s=0)] == messages[:2]
    listener.shut(end := hub.Closed())
    assert listener.take(timeout_s=0) is end
    assert listener.take(timeout_s=0.01) is None


def test_a_reader_that_waits_is_woken() -> None:
    listener = hub.Listener(frozenset(), b"")
    later = threading.Timer(0.05, listener.put, [message := Message(OPERATOR, "floor", {})])
    later.start()
    assert listener.take(timeout_s=60) is message
    later.join()


def test_streams_close_when_redis_goes_so_that_pages_come_back(
    alice: Browser, listen: Listen, realtime: Realtime
) -> None:
    stream = listen(alice)
    realtime.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call] # redis-py leaves it bare
    assert stream.is_over.wait(PATIENCE_S)


def test_an_open_stream_holds_no_database_connection(alice: Browser, listen: Listen, gate: Gate) -> None:
    listen(alice)
    pool = gate._engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0


def test_only_the_pages_origin_may_read(alice: Browser, listen: Listen, services: TestServices) -> None:
    ours = services.settings.public_url
    stream = listen(alice, Origin=ours)
    assert stream.response.headers["Access-Control-Allow-Origin"] == ours
    assert stream.response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in stream.response.headers["Vary"]
    for other in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        answer = listen.refused(alice, Origin=other)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_without_a_session_there_is_no_stream(browser: Browsers, listen: Listen) -> None:
    answer = listen.refused(browser())
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "sign-in-required")


def test_a_session_has_a_handful_of_streams_and_no_more(alice: Browser, listen: Listen) -> None:
    for _ in range(8):
        listen(alice)
    assert listen.refused(alice).status_code == 429


def test_the_pages_process_serves_no_streams(app: Flask) -> None:
    assert not [rule for rule in app.url_map.iter_rules() if str(rule).startswith("/live")]
