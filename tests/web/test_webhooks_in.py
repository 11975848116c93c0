"""News from Stripe over HTTP: forged, replayed, from the future, for others, unknown, out of order, huge."""

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from billing.payments import news
from billing.payments.stripe import StripeProvider
from core import clock
from core.events import OutboxRow
from core.ids import OPERATOR
from security.gate import Gate, Scope
from standin.news import sign
from standin.server import Server
from tests.factories import payments
from tests.web.conftest import HOST, TestServices
from web import create_app

PATH = "/webhooks/stripe"


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY).start()
    yield server
    server.close()


@pytest.fixture
def app(services: TestServices, standin: Server) -> Flask:
    return create_app(dataclasses.replace(services, payments=payments.provider(standin)))


def event(name: str = "evt_1", kind: str = "payment_intent.succeeded", **more: object) -> bytes:
    said = {
        "id": name,
        "type": kind,
        "created": int(clock.now().timestamp()),
        "livemode": False,
        "data": {"object": {"id": "pi_1"}},
        **more,
    }
    return json.dumps(said).encode()


def tell(app: Flask, body: bytes, signature: str | None = None) -> TestResponse:
    header = sign(body, payments.SECRET, at=clock.now().timestamp()) if signature is None else signature
    return app.test_client().post(
        PATH,
        data=body,
        headers={"Stripe-Signature": header},
        content_type="application/json",
        base_url=HOST,
    )


def kept(gate: Gate) -> list[tuple[str, str, int]]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return [(one.event_id, one.state, one.times) for one in news.every(session)]


def owed(gate: Gate) -> int:
    with gate.open(Scope.system(OPERATOR)) as session:
        return session.query(OutboxRow).filter_by(name="ProviderNewsCame").count()


def test_signed_news_is_kept_and_looked_into_later(app: Flask, gate: Gate) -> None:
    answer = tell(app, event())
    assert (answer.status_code, answer.json) == (200, {"result": "taken"})
    assert kept(gate) == [("evt_1", "waiting", 1)]
    assert owed(gate) == 1


def test_replayed_news_is_answered_well_and_done_once(app: Flask, gate: Gate) -> None:
    body = event()
    tell(app, body)
    again = tell(app, body)
    assert (again.status_code, again.json) == (200, {"result": "known"})
    assert kept(gate) == [("evt_1", "waiting", 2)]
    assert owed(gate) == 1


def test_news_is_known_for_ever(app: Flask, gate: Gate) -> None:
    tell(app, event())
    with clock.hold(clock.now() + dt.timedelta(days=4000)):
        assert tell(app, event()).json == {"result": "known"}


def test_forged_news_is_refused_and_leaves_nothing(app: Flask, gate: Gate) -> None:
    good = event()
    now = clock.now().timestamp()
    for body, signature in (
        (good, ""),
        (good, "t=1,v1=00"),
        (good, sign(good, "whsec_guessed", at=now)),
        (good + b" ", sign(good, payments.SECRET, at=now)),
        (good, "v1=" + "0" * 64),
    ):
        answer = tell(app, body, signature)
        assert (answer.status_code, answer.json) == (400, {"result": "signature"})
    assert kept(gate) == []


def test_news_from_the_past_and_from_the_future_is_refused(app: Flask, gate: Gate) -> None:
    body = event()
    for minutes, why in ((-6, "too-old"), (6, "from-the-future")):
        at = clock.now() + dt.timedelta(minutes=minutes)
        answer = tell(app, body, sign(body, payments.SECRET, at=at.timestamp()))
        assert (answer.status_code, answer.json) == (400, {"result": why})
    assert kept(gate) == []


def test_news_of_another_account_or_of_real_money_is_refused(app: Flask, gate: Gate) -> None:
    for more, why in (({"account": "acct_other"}, "other-account"), ({"livemode": True}, "other-mode")):
        answer = tell(app, event(**more))
        assert (answer.status_code, answer.json) == (403, {"result": why})
    assert kept(gate) == []


def test_what_is_no_event_is_refused(app: Flask, gate: Gate) -> None:
    for body in (b"", b"[]", b"{}", b'{"id":"evt_1"}', b"not json", b"\xff\xfe"):
        assert tell(app, body).status_code in {400, 413}
    assert kept(gate) == []


def test_news_of_an_unknown_kind_is_kept(app: Flask, gate: Gate) -> None:
    assert tell(app, event("evt_9", "treasury.moon.landed", data={"object": {}})).status_code == 200
    assert kept(gate) == [("evt_9", "waiting", 1)]


def test_a_huge_body_is_refused_before_it_is_read(app: Flask, gate: Gate) -> None:
    body = event(padding="x" * 600_000)
    answer = tell(app, body)
    assert (answer.status_code, answer.json) == (413, {"result": "too large"})
    assert kept(gate) == []


class Watched(Gate):
    """The gate, counting who stands in it."""

    def __init__(self, gate: Gate) -> None:
        self.__dict__ |= gate.__dict__
        self.inside = 0

    @contextlib.contextmanager
    def open(self, scope: Scope) -> Iterator[Session]:
        self.inside += 1
        try:
            with super().open(scope) as session:
                yield session
        finally:
            self.inside -= 1


def test_the_provider_is_asked_for_its_account_outside_of_any_transaction(
    services: TestServices, standin: Server
) -> None:
    watched, seen = Watched(services.gate), []

    class Fresh(StripeProvider):
        @property
        def account(self) -> str:
            seen.append(watched.inside)
            return super().account

    fresh = Fresh(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    app = create_app(dataclasses.replace(services, gate=watched, payments=fresh))
    assert tell(app, event()).json == {"result": "taken"}
    assert seen == [0]


def test_without_a_provider_nobody_listens(services: TestServices) -> None:
    assert tell(create_app(services), event()).status_code == 404
