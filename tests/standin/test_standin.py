"""The stand-in as Stripe's own library sees it: shapes, keys, declines, 3-D Secure, time, news."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe

from standin import objects, shapes
from standin.server import Server
from standin.shapes import ShapeError
from tests.factories import payments
from tests.factories.payments import card, visit

OK = {"success_url": "http://127.0.0.1/done", "cancel_url": "http://127.0.0.1/back"}


def charged(api: stripe.StripeClient, payer: str, method: str, **more: Any) -> stripe.PaymentIntent:
    asked: Any = {"amount": 17400, "currency": "gbp", "customer": payer, "payment_method": method}
    return api.v1.payment_intents.create(asked | {"confirm": True, "off_session": True} | more)


def opened(api: stripe.StripeClient, payer: str, **more: Any) -> stripe.checkout.Session:
    """A page; to save a card, unless more says otherwise."""
    asked: Any = {"mode": "setup", "customer": payer, "currency": "gbp", **OK, **more}
    return api.v1.checkout.sessions.create(asked)


@pytest.fixture
def payer(api: stripe.StripeClient) -> str:
    return api.v1.customers.create({"name": "Pelican Parcel"}).id


def test_a_wrong_or_missing_key_is_refused(standin: Server) -> None:
    for key in ("sk_test_other", "rk_test_other"):
        with pytest.raises(stripe.AuthenticationError):
            payments.client(standin, key=key).v1.customers.list()
    assert visit(f"{standin.base}/v1/customers").status == 401


def test_another_version_of_the_api_is_refused(standin: Server) -> None:
    old = stripe.StripeClient(
        payments.KEY, base_addresses={"api": standin.base}, stripe_version="2025-03-31.basil"
    )
    with pytest.raises(stripe.InvalidRequestError, match="speaks"):
        old.v1.customers.list()


def test_what_the_library_does_not_know_is_refused(api: stripe.StripeClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"amount": 100, "currency": "gbp", "bogus": "1"}, "bogus"),
        # written until version 15, and taken away by 16
        ({"amount": 100, "currency": "gbp", "payment_method_types": ["card"]}, "payment_method_types"),
        ({"amount": "ten", "currency": "gbp"}, "amount"),
        ({"currency": "gbp"}, "amount"),
        ({"amount": 100, "currency": "gbp", "setup_future_usage": "now_and_then"}, "setup_future_usage"),
    ]
    for params, where in wrong:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            api.v1.payment_intents.create(params)  # type: ignore[arg-type] # wrong on purpose
        assert caught.value.param == where


def test_an_answer_of_another_shape_is_never_hidden() -> None:
    right = objects.customer(1, {"name": "A"})
    shapes.check_answer(right)
    for wrong in (
        {**right, "colour": "red"},
        {**right, "created": "yesterday"},
        {name: value for name, value in right.items() if name != "livemode"},
        {**right, "invoice_settings": {"default_payment_method": 7}},
        {**right, "object": "nobody"},
    ):
        with pytest.raises(ShapeError):
            shapes.check_answer(wrong)


def test_the_same_key_gives_the_same_answer_and_another_request_an_error(
    api: stripe.StripeClient,
) -> None:
    key: stripe.RequestOptions = {"idempotency_key": "ten:1:payer:v1"}
    first = api.v1.customers.create({"name": "A"}, key)
    again = api.v1.customers.create({"name": "A"}, key)
    assert first.id == again.id
    assert len(api.v1.customers.list().data) == 1
    with pytest.raises(stripe.IdempotencyError):
        api.v1.customers.create({"name": "B"}, key)


def test_a_decline_is_kept_for_its_key_and_a_malformed_request_is_not(
    api: stripe.StripeClient, payer: str
) -> None:
    method = api.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": payer}).id
    params: Any = {
        "amount": 900,
        "currency": "gbp",
        "customer": payer,
        "payment_method": method,
        "confirm": True,
        "off_session": True,
    }
    ids = set()
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            api.v1.payment_intents.create(params, {"idempotency_key": "inv:1:charge:v1"})
        assert caught.value.error is not None
        ids.add(caught.value.error.payment_intent.id)  # type: ignore[union-attr] # it is there
    assert len(ids) == 1
    for right in (False, True):
        params = {"amount": 900 if right else 1, "currency": "gbp"}
        if right:
            api.v1.payment_intents.create(params, {"idempotency_key": "inv:2:charge:v1"})
        else:
            with pytest.raises(stripe.InvalidRequestError):
                api.v1.payment_intents.create(params, {"idempotency_key": "inv:2:charge:v1"})


def test_a_good_card_is_paid_with_fee_and_receipt(
    standin: Server, api: stripe.StripeClient, payer: str
) -> None:
    intent = charged(api, payer, payments.saved(standin, payer), expand=["latest_charge.balance_transaction"])
    assert (intent.status, intent.amount_received) == ("succeeded", 17400)
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
    assert charge.balance_transaction.fee == 20 + 261
    assert "GBP 174.00" in visit(str(charge.receipt_url)).text


@pytest.mark.parametrize(
    ("named", "code", "decline"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ],
)
def test_known_cards_are_declined_when_they_are_saved(
    api: stripe.StripeClient, payer: str, named: str, code: str, decline: str
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        api.v1.payment_methods.attach(named, {"customer": payer})
    assert caught.value.code == code
    assert caught.value.error is not None
    assert caught.value.error.decline_code == decline


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (payments.DECLINED, "was declined"),
        (payments.SHORT, "insufficient funds"),
        (payments.EXPIRED, "has expired"),
        (payments.WRONG_CODE, "security code is incorrect"),
        ("4929123412341234", "takes test cards only"),
    ],
)
def test_the_page_says_why_a_card_is_not_taken_and_takes_another(
    standin: Server, api: stripe.StripeClient, payer: str, number: str, words: str
) -> None:
    page = opened(api, payer)
    said = visit(str(page.url), card(number))
    assert said.status == 200
    assert words.replace("'", "&#x27;") in said.text
    assert number not in said.text
    assert visit(str(page.url), card(payments.PAID)).location == OK["success_url"]
    assert visit(f"{standin.base}/pay/{page.id}").status == 410


def test_an_unusual_number_is_kept_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "standin.sqlite"
    server = Server(key=payments.KEY, file=file).start()
    api = payments.client(server)
    payer = api.v1.customers.create({}).id
    page = opened(api, payer)
    for number in ("4929123412341234", payments.PAID):
        visit(str(page.url), card(number))
    server.close()
    kept = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"4929123412341234" not in kept
    assert payments.PAID.encode() not in kept
    assert b'"last4": "4242"' in kept


def test_a_card_that_asks_is_refused_off_session_and_asked_on_session(
    standin: Server, api: stripe.StripeClient, payer: str
) -> None:
    method = payments.saved(standin, payer, payments.ASKS_ALWAYS)
    with pytest.raises(stripe.CardError) as caught:
        charged(api, payer, method)
    assert caught.value.code == "authentication_required"
    here: Any = {"off_session": False, "return_url": "http://127.0.0.1/back"}
    intent = charged(api, payer, method, **here)
    assert intent.status == "requires_action"
    assert intent.next_action
    assert intent.next_action.redirect_to_url
    url = str(intent.next_action.redirect_to_url.url)
    failed = visit(url, {"outcome": "fail"})
    assert "redirect_status=failed" in failed.location
    assert api.v1.payment_intents.retrieve(intent.id).status == "requires_payment_method"
    intent = charged(api, payer, method, **here)
    assert intent.next_action
    assert intent.next_action.redirect_to_url
    url = str(intent.next_action.redirect_to_url.url)
    assert "redirect_status=succeeded" in visit(url, {"outcome": "complete"}).location
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_card_that_asks_once_pays_off_session_when_it_was_set_up(
    standin: Server, api: stripe.StripeClient, payer: str
) -> None:
    assert charged(api, payer, payments.saved(standin, payer, payments.ASKS_ONCE)).status == "succeeded"


def test_a_bank_debit_settles_later_and_a_closed_account_fails(
    standin: Server, api: stripe.StripeClient, payer: str
) -> None:
    ends = {}
    for number in ("00012345", "11111113", "22222227"):
        item = {"currency": "gbp", "unit_amount": 17400, "product_data": {"name": "SL-2026-000001"}}
        page = opened(api, payer, mode="payment", line_items=[{"quantity": 1, "price_data": item}])
        assert visit(str(page.url), {"account": number, "routing": "108800"}).location == OK["success_url"]
        intent = str(api.v1.checkout.sessions.retrieve(page.id).payment_intent)
        assert api.v1.payment_intents.retrieve(intent).status == "processing"
        ends[number] = intent
    standin.api.tick(everything=True)
    found = {number: api.v1.payment_intents.retrieve(one) for number, one in ends.items()}
    assert found["00012345"].status == "succeeded"
    for number, code in (("11111113", "account_closed"), ("22222227", "insufficient_funds")):
        assert found[number].status == "requires_payment_method"
        error = found[number].last_payment_error
        assert error
        assert error.code == code


def test_a_test_clock_moves_time_for_its_customers(standin: Server, api: stripe.StripeClient) -> None:
    noon = 1_790_000_000
    clock = api.v1.test_helpers.test_clocks.create({"frozen_time": noon})
    payer = api.v1.customers.create({"test_clock": clock.id}).id
    method = standin.api.new_bank("bacs_debit", number="00012345", routing="108800")["id"]
    api.v1.payment_methods.attach(method, {"customer": payer})
    intent = charged(api, payer, method)
    assert (intent.status, intent.created) == ("processing", noon)
    standin.api.tick()
    api.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": noon + 86400})
    assert api.v1.payment_intents.retrieve(intent.id).status == "processing"
    api.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": noon + 4 * 86400})
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def page_of(api: stripe.StripeClient, payer: str, *, expires_at: int) -> stripe.checkout.Session:
    item = {"currency": "gbp", "unit_amount": 17400, "product_data": {"name": "SL-2026-000001"}}
    return opened(
        api,
        payer,
        mode="payment",
        expires_at=expires_at,
        line_items=[{"quantity": 1, "price_data": item}],
    )


def test_a_page_ends_by_the_test_clock_and_what_was_begun_there_with_it(api: stripe.StripeClient) -> None:
    noon = 1_790_000_000
    clock = api.v1.test_helpers.test_clocks.create({"frozen_time": noon})
    payer = api.v1.customers.create({"test_clock": clock.id}).id
    page = page_of(api, payer, expires_at=noon + 3600)
    assert page.expires_at == noon + 3600
    assert "/authenticate/" in visit(str(page.url), card(payments.ASKS_ALWAYS)).location
    intent = str(api.v1.checkout.sessions.retrieve(page.id).payment_intent)
    with pytest.raises(stripe.InvalidRequestError):  # only with its page
        api.v1.payment_intents.cancel(intent)
    api.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": noon + 3599})
    assert api.v1.checkout.sessions.retrieve(page.id).status == "open"
    api.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": noon + 3600})
    assert api.v1.checkout.sessions.retrieve(page.id).status == "expired"
    assert api.v1.payment_intents.retrieve(intent).status == "canceled"
    assert visit(str(page.url)).status == 410
    kinds = [one.type for one in api.v1.events.list({"limit": 2}).data]
    assert kinds == ["checkout.session.expired", "payment_intent.canceled"]


@pytest.mark.parametrize("seconds", [29 * 60, 24 * 3600 + 60])
def test_a_page_lasts_half_an_hour_to_a_day(api: stripe.StripeClient, payer: str, seconds: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        page_of(api, payer, expires_at=int(time.time()) + seconds)
    assert caught.value.param == "expires_at"


def test_a_refund_may_take_its_time_or_fail_later(
    standin: Server, api: stripe.StripeClient, payer: str
) -> None:
    made = {}
    for number, at_first in ((payments.REFUNDS_LATER, "pending"), (payments.REFUND_FAILS, "succeeded")):
        intent = charged(api, payer, payments.saved(standin, payer, number))
        refund = api.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
        assert refund.status == at_first
        made[number] = refund.id
    standin.api.tick(everything=True)
    assert api.v1.refunds.retrieve(made[payments.REFUNDS_LATER]).status == "succeeded"
    failed = api.v1.refunds.retrieve(made[payments.REFUND_FAILS])
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    found = api.v1.payment_intents.retrieve(
        str(failed.payment_intent), {"expand": ["latest_charge.refunds"]}
    ).latest_charge
    assert isinstance(found, stripe.Charge)
    assert found.refunds
    assert (found.amount_refunded, [one.id for one in found.refunds.data]) == (0, [failed.id])


def test_money_goes_back_once(standin: Server, api: stripe.StripeClient, payer: str) -> None:
    intent = charged(api, payer, payments.saved(standin, payer))
    api.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.refunds.create({"payment_intent": intent.id, "amount": 17001})
    api.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        api.v1.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_already_refunded"


def test_what_it_remembers_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "standin.sqlite"
    first = Server(key=payments.KEY, file=file).start()
    payer = payments.client(first).v1.customers.create({"name": "A"}).id
    method = payments.saved(first, payer, payments.FAILS_LATER)
    first.close()
    second = Server(key=payments.KEY, file=file).start()
    try:
        with pytest.raises(stripe.CardError):
            charged(payments.client(second), payer, method)
    finally:
        second.close()


class Postbox:
    """Listens for webhooks; answers as it is told."""

    def __init__(self) -> None:
        self.came: list[tuple[bytes, str]] = []
        self.arrived = threading.Condition()
        self.status = 200
        box = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with box.arrived:
                    box.came.append((body, self.headers["Stripe-Signature"]))
                    box.arrived.notify_all()
                self.send_response(box.status)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/webhooks/stripe"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def wait_for(self, number: int) -> list[str]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.came) >= number, 10)
            return [json.loads(body)["type"] for body, _ in self.came]


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    box = Postbox()
    yield box
    box.http.shutdown()
    box.http.server_close()
    box.thread.join(5)


@pytest.fixture
def teller(postbox: Postbox) -> Iterator[Server]:
    server = Server(key=payments.KEY, webhook=(postbox.url, payments.SECRET)).start()
    yield server
    server.close()


def test_news_is_signed_and_told(teller: Server, postbox: Postbox) -> None:
    payments.client(teller).v1.customers.create({"name": "A"})
    assert postbox.wait_for(1) == ["customer.created"]
    body, signature = postbox.came[0]
    assert stripe.WebhookSignature.verify_header(body, signature, payments.SECRET, 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + b" ", signature, payments.SECRET, 300)


def test_news_comes_twice_late_and_out_of_order_on_demand(teller: Server, postbox: Postbox) -> None:
    api = payments.client(teller)
    api.v1.customers.create({"name": "before"})
    postbox.wait_for(1)
    assert teller.control("hold", {}) == {"done": None}
    payer = api.v1.customers.create({"name": "A"}).id
    api.v1.payment_methods.attach("pm_card_visa", {"customer": payer})
    assert len(postbox.came) == 1
    assert teller.control("release", {"order": "reversed", "times": "2"}) == {"done": 4}
    assert postbox.wait_for(5)[1:] == [
        "payment_method.attached",
        "payment_method.attached",
        "customer.created",
        "customer.created",
    ]


def test_news_that_is_not_taken_is_told_again(
    teller: Server, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("standin.news.WAITS_S", (0.01, 0.01))
    postbox.status = 500
    payments.client(teller).v1.customers.create({"name": "A"})
    assert postbox.wait_for(3) == ["customer.created"] * 3
    deadline = time.monotonic() + 5
    while teller.waiting() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert teller.waiting() == 0
    assert len(postbox.came) == 3


def test_the_control_door_wants_the_key(teller: Server) -> None:
    assert visit(f"{teller.base}/_standin/hold", {}).status == 401


def app_page(api: stripe.StripeClient, payer: str, currency: str, **more: Any) -> stripe.checkout.Session:
    """A page where 174.00 is paid, offering what an account in Britain may."""
    item = {"quantity": 1, "price_data": {"currency": currency, "unit_amount": 17400,
                                          "product_data": {"name": "SL-1"}}}  # fmt: skip
    options: Any = {"card": {"setup_future_usage": "off_session"}, "wechat_pay": {"client": "web"}}
    return opened(
        api,
        payer,
        **{"mode": "payment", "currency": currency, "line_items": [item], "payment_method_options": options}
        | more,
    )


def test_alipay_and_wechat_pay_are_offered_where_they_can_pay_and_nowhere_else(
    api: stripe.StripeClient, payer: str
) -> None:
    for currency in ("gbp", "cny"):
        types = app_page(api, payer, currency).payment_method_types
        assert {"alipay", "wechat_pay"} <= set(types)
    for currency in ("usd", "eur"):
        page = app_page(api, payer, currency)
        assert not {"alipay", "wechat_pay"} & set(page.payment_method_types)
        assert "Alipay" not in visit(str(page.url)).text
        seen = visit(str(page.url), {"app": "alipay"})
        assert (seen.status, "not offered here" in seen.text) == (200, True)
    saves = app_page(api, payer, "cny", payment_intent_data={"setup_future_usage": "off_session"})
    assert not {"alipay", "wechat_pay"} & set(saves.payment_method_types)
    plain = app_page(
        api, payer, "cny", payment_method_options={"card": {"setup_future_usage": "off_session"}}
    )
    assert set(plain.payment_method_types) & {"alipay", "wechat_pay"} == {"alipay"}


@pytest.mark.parametrize(
    ("app", "action"), [("alipay", "alipay_handle_redirect"), ("wechat_pay", "wechat_pay_display_qr_code")]
)
def test_an_app_is_asked_pays_and_is_not_saved(
    api: stripe.StripeClient, payer: str, app: str, action: str
) -> None:
    page = app_page(api, payer, "cny")
    asked = visit(str(page.url), {"app": app})
    intent = api.v1.payment_intents.retrieve(str(api.v1.checkout.sessions.retrieve(page.id).payment_intent))
    assert intent.next_action is not None
    assert (intent.status, intent.next_action.type) == ("requires_action", action)
    visit(visit(asked.location, {"outcome": "complete"}).location)
    assert api.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    assert api.v1.customers.payment_methods.list(payer).data == []


def test_trouble_on_demand_refuses_or_loses_the_next_requests_and_no_more(
    standin: Server, api: stripe.StripeClient
) -> None:
    standin.control("fault", {"kinds": "429,500,lost-question,lost-answer"})
    for error in (stripe.RateLimitError, stripe.APIError, stripe.APIConnectionError):
        with pytest.raises(error):
            api.v1.customers.create({"name": "A"})
    with pytest.raises(stripe.APIConnectionError):
        api.v1.customers.create({"name": "B"})
    assert [one.name for one in api.v1.customers.list().data] == ["B"]  # only the last one was heard
