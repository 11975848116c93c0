"""The provider's news as it comes in life: over HTTP, repeated, late, reversed, or from somebody else."""

import dataclasses
import datetime as dt
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_server

from billing import ledger
from billing.documents.document import InvoiceDocument
from billing.payments import attempts, news
from billing.payments.port import State
from core import clock
from core.ids import OPERATOR
from security.gate import Scope
from standin.news import sign
from standin.server import Server
from tests.factories import payments
from tests.web.conftest import Cast, TestServices
from web import create_app
from wiring import collecting

PATH = "/webhooks/stripe"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


@pytest.fixture
def standin(url: str) -> Iterator[Server]:
    server = Server(key=payments.KEY, webhook=(url, payments.SECRET)).start()
    server.post.hold(held=True)
    yield server
    server.close()


@pytest.fixture
def means(services: TestServices, standin: Server, port: int) -> Iterator[TestServices]:
    """The pages, served over HTTP and paid through the stand-in."""
    means = dataclasses.replace(services, payments=payments.provider(standin))
    server = make_server("127.0.0.1", port, create_app(means), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield means
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def paid(means: TestServices, standin: Server, cast: Cast) -> InvoiceDocument:
    """An invoice that a saved card has paid; all the news of it is held back."""
    tenant_id = cast.a.tenant_id
    invoice = payments.owing(means.gate, tenant_id)
    payments.saved(standin, collecting.know_payer(means, tenant_id=tenant_id))
    collecting.refresh_methods(means, tenant_id=tenant_id)
    collecting.collect(means, tenant_id=tenant_id, invoice_id=invoice.invoice_id)
    return invoice


def carried(standin: Server) -> None:
    """Wait until the stand-in has delivered what it may."""
    until = time.monotonic() + 20
    while standin.waiting():
        assert time.monotonic() < until
        time.sleep(0.02)


def kept(means: TestServices) -> dict[str, tuple[str, int]]:
    with means.gate.open(Scope.system(OPERATOR)) as session:
        return {one.event_id: (one.kind, one.times) for one in news.every(session, limit=200)}


def hear(means: TestServices) -> None:
    with means.gate.open(Scope.system(OPERATOR)) as session:
        waiting = news.every(session, states=[news.WAITING], limit=200)
    for piece in waiting:
        collecting.hear(means, news_id=piece.news_id)


def booked(means: TestServices, cast: Cast, invoice: InvoiceDocument) -> list[str]:
    with means.gate.open(Scope.system(cast.a.tenant_id)) as session:
        moved = ledger.journals_of(session, tenant_id=cast.a.tenant_id, invoice_id=invoice.invoice_id)
    return sorted(one.kind for one in moved)


def told(url: str, body: bytes, signature: str) -> tuple[int, dict[str, str]]:
    where = urlsplit(url)
    line = http.client.HTTPConnection(where.netloc, timeout=10)
    try:
        headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
        line.request("POST", where.path, body, headers)
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        line.close()


@pytest.mark.parametrize("order", ["as-made", "reversed"])
def test_news_that_comes_late_thrice_and_in_any_order_moves_money_once(
    means: TestServices, standin: Server, cast: Cast, paid: InvoiceDocument, order: str
) -> None:
    assert kept(means) == {}
    standin.post.release(order=order, times=3)
    carried(standin)
    found = kept(means)
    assert {times for _kind, times in found.values()} == {3}
    assert {"payment_intent.succeeded", "charge.succeeded"} <= {kind for kind, _times in found.values()}
    for _ in range(2):
        hear(means)
    assert booked(means, cast, paid) == ["fee", "invoice", "payment"]
    with means.gate.open(Scope.system(cast.a.tenant_id)) as session:
        tried = attempts.of_invoice(session, tenant_id=cast.a.tenant_id, invoice_id=paid.invoice_id)
    assert [one.state for one in tried] == [State.SUCCEEDED]


def test_news_signed_with_another_secret_is_refused_and_leaves_nothing(
    means: TestServices, standin: Server, url: str, paid: InvoiceDocument
) -> None:
    for event in payments.client(standin).v1.events.list({"limit": 20}).data:
        body = json.dumps(event.to_dict(), default=str).encode()
        for signature in (sign(body, "whsec_guessed"), sign(body + b" ", payments.SECRET), "", "t=1,v1=00"):
            assert told(url, body, signature) == (400, {"result": "signature"})
    assert kept(means) == {}


@pytest.mark.parametrize(
    ("more", "minutes", "status", "why"),
    [
        ({}, 6, 400, "from-the-future"),
        ({}, -6, 400, "too-old"),
        ({"account": "acct_other"}, 0, 403, "other-account"),
        ({"livemode": True}, 0, 403, "other-mode"),
    ],
)
def test_signed_news_of_another_time_account_or_mode_is_refused(
    means: TestServices, url: str, more: dict[str, object], minutes: int, status: int, why: str
) -> None:
    now = clock.now()
    event = {
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "created": int(now.timestamp()),
        "livemode": False,
        "data": {"object": {"id": "pi_1"}},
    }
    body = json.dumps(event | more).encode()
    at = (now + dt.timedelta(minutes=minutes)).timestamp()
    assert told(url, body, sign(body, payments.SECRET, at=at)) == (status, {"result": why})
    assert kept(means) == {}


def test_a_replayed_request_is_answered_well_and_kept_once(
    means: TestServices, standin: Server, url: str, paid: InvoiceDocument
) -> None:
    event = payments.client(standin).v1.events.list({"limit": 1}).data[0]
    body = json.dumps(event.to_dict(), default=str).encode()
    signature = sign(body, payments.SECRET)
    answers = [told(url, body, signature) for _ in range(3)]
    assert answers == [(200, {"result": "taken"}), (200, {"result": "known"}), (200, {"result": "known"})]
    assert kept(means) == {event.id: (event.type, 3)}
