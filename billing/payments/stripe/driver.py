"""Stripe through its own library, the API's version pinned by ours and the library's by the lock file.

Keys for repeating are made of our ids (`inv:<id>:charge:v<attempt>`). Stripe forgets keys after a day, so
what may be repeated later is looked up first, by the ids of ours that stand in its metadata.
Sources: docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-handling.
"""

import contextlib
import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import stripe

from billing.errors import NewsRefusedError, ProviderAwayError, ProviderRefusesError
from billing.payments.port import (
    About,
    CopyLine,
    CopyOrder,
    Movement,
    News,
    Order,
    Page,
    Reason,
    RemoteCopy,
    RemoteMethod,
    RemotePayment,
    State,
    Way,
)
from billing.payments.stripe import copies, reading
from billing.payments.stripe.reading import INVOICE, PAYMENT, REFUND, TENANT
from core.ids import PaymentId, TenantId

API_VERSION = "2026-10-28.endive"
# at level info the library writes Stripe's messages into the log, and they may hold names
logging.getLogger("stripe").setLevel(logging.WARNING)
_LIVE = ("sk_live_", "rk_live_")
_WINDOW = dt.timedelta(minutes=5)
_EXPAND = ["latest_charge.balance_transaction", "latest_charge.refunds"]
# What can be charged again is saved. Said for the whole page, Alipay and WeChat Pay would not be offered:
# they pay once only. Sources: docs.stripe.com/payments/save-during-payment, .../wechat-pay.
_PAGE_OPTIONS: Any = {
    "card": {"setup_future_usage": "off_session"},
    "bacs_debit": {"setup_future_usage": "off_session"},
    "us_bank_account": {"setup_future_usage": "off_session"},
    "wechat_pay": {"client": "web"},
}
_TIMEOUT_S = 8
_REST_S = 20.0
_MOST_NEWS = 5000
# what an error about the request itself, not about our key, may mean for one payment
_REFUSED_PAYMENTS = frozenset(
    {
        "amount_too_small",
        "amount_too_large",
        "payment_method_currency_mismatch",
        "payment_method_unexpected_state",
    }
)


class StripeProvider:
    """The account a key belongs to."""

    is_connected = True

    def __init__(
        self, *, key: str, webhook_secret: str, base_url: str = "", keeps_copies: bool = False
    ) -> None:
        """Speak with this key.

        Args:
            key: of the account.
            webhook_secret: what it signs its news with.
            base_url: only of a stand-in on this machine.
            keeps_copies: whether it is given a copy of each invoice.
        """
        self.keeps_copies = keeps_copies
        self._client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            max_network_retries=1,
            http_client=stripe.RequestsClient(timeout=_TIMEOUT_S),
            base_addresses={"api": base_url} if base_url else {},
        )
        self._secret = webhook_secret
        self._is_live = key.startswith(_LIVE)
        self._account = ""
        self._rests_until = 0.0
        self._asking = threading.Lock()

    @property
    def account(self) -> str:
        """See the port. After it did not answer, it is not asked again for a moment: pages wait for this."""
        if not self._account:
            with self._asking:  # jobs ask side by side; one does it for all
                self._ask_account()
        return self._account

    def make_payer(self, *, tenant_id: TenantId, name: str, language: str) -> str:
        """See the port."""
        with _errors():
            made = self._client.v1.customers.create(
                {
                    "name": name,
                    "preferred_locales": [language],
                    "metadata": {TENANT: str(tenant_id)},
                },
                {"idempotency_key": f"ten:{tenant_id}:payer:v1"},
            )
        return made.id

    def saving_page(self, *, payer: str, tenant_id: TenantId, visit: UUID, currency: str, way: Way) -> Page:
        """See the port."""
        with _errors():
            made = self._client.v1.checkout.sessions.create(
                {
                    "mode": "setup",
                    "customer": payer,
                    "currency": currency.lower(),
                    "locale": _locale(way.language),
                    "success_url": way.done_url,
                    "cancel_url": way.back_url,
                    "metadata": {TENANT: str(tenant_id)},
                    "setup_intent_data": {"metadata": {TENANT: str(tenant_id)}},
                },
                {"idempotency_key": f"ten:{tenant_id}:saving:{visit}"},
            )
        return _page(made)

    def paying_page(self, order: Order, *, way: Way, until: dt.datetime) -> Page:
        """See the port."""
        with _errors():
            made = self._client.v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "customer": order.payer,
                    "locale": _locale(way.language),
                    "success_url": way.done_url,
                    "cancel_url": way.back_url,
                    "client_reference_id": str(order.payment_id),
                    "expires_at": int(until.timestamp()),
                    "metadata": _metadata(order),
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": order.currency.lower(),
                                "unit_amount": order.amount_minor,
                                "product_data": {"name": order.number},
                            },
                        }
                    ],
                    "payment_intent_data": {
                        "description": order.number,
                        "metadata": _metadata(order),
                    },
                    "payment_method_options": _PAGE_OPTIONS,
                },
                {"idempotency_key": f"{_name(order)}:page:v{order.attempt}"},
            )
        return _page(made)

    def page(self, page_id: str) -> Page:
        """See the port."""
        with _errors():
            return _page(self._client.v1.checkout.sessions.retrieve(page_id))

    def close_page(self, page_id: str) -> Page:
        """See the port."""
        with _errors():
            try:
                return _page(self._client.v1.checkout.sessions.expire(page_id))
            except stripe.InvalidRequestError:  # used or expired in the meantime
                return _page(self._client.v1.checkout.sessions.retrieve(page_id))

    def charge(self, order: Order, *, method: str, return_url: str | None) -> RemotePayment:
        """See the port."""
        asked: dict[str, Any] = {
            "amount": order.amount_minor,
            "currency": order.currency.lower(),
            "customer": order.payer,
            "payment_method": method,
            "description": order.number,
            "metadata": _metadata(order),
            "confirm": True,
            "expand": _EXPAND,
        }
        asked |= {"return_url": return_url} if return_url else {"off_session": True}
        with _errors():
            try:
                made = self._client.v1.payment_intents.create(
                    asked,  # type: ignore[arg-type] # put together above, checked by the stand-in
                    {"idempotency_key": f"{_name(order)}:charge:v{order.attempt}"},
                )
            except stripe.CardError as error:
                if error.error and error.error.payment_intent:
                    return self.payment(error.error.payment_intent.id)
                return _refused(order, reading.reason(error.code, None))
            except stripe.InvalidRequestError as error:
                if error.code in _REFUSED_PAYMENTS:
                    return _refused(order, reading.reason(error.code, None))
                if self._is_gone(method, order.payer):  # Stripe says this in words alone
                    return _refused(order, Reason.METHOD_GONE)
                raise
        return reading.payment(made)

    def payment(self, remote_id: str) -> RemotePayment:
        """See the port."""
        with _errors():
            found = self._client.v1.payment_intents.retrieve(remote_id, {"expand": _EXPAND})
            return self._whole(found)

    def find_payment(self, *, payer: str, payment_id: PaymentId) -> RemotePayment | None:
        """See the port."""
        with _errors():
            found = self._client.v1.payment_intents.list({"customer": payer, "limit": 100})
            for one in found.data:
                if reading.ours(one.metadata, PAYMENT) == payment_id:
                    return self.payment(one.id)
        return None

    def give_up(self, remote_id: str) -> RemotePayment:
        """See the port."""
        with _errors(), contextlib.suppress(stripe.InvalidRequestError):  # it has gone too far, or is gone
            self._client.v1.payment_intents.cancel(remote_id, {"cancellation_reason": "abandoned"})
        return self.payment(remote_id)

    def refund(
        self, remote_id: str, *, payment_id: PaymentId, amount_minor: int, refund_id: UUID
    ) -> RemotePayment:
        """See the port."""
        with _errors():
            self._client.v1.refunds.create(
                {
                    "payment_intent": remote_id,
                    "amount": amount_minor,
                    "metadata": {PAYMENT: str(payment_id), REFUND: str(refund_id)},
                },
                {"idempotency_key": f"pay:{payment_id}:refund:{refund_id}"},
            )
        return self.payment(remote_id)

    def methods(self, payer: str) -> tuple[RemoteMethod, ...]:
        """See the port."""
        with _errors():
            found = self._client.v1.customers.payment_methods.list(payer, {"limit": 100})
        return tuple(reading.method(one) for one in found.data)

    def forget_method(self, remote_id: str) -> None:
        """See the port."""
        with _errors(), contextlib.suppress(stripe.InvalidRequestError):  # it is gone already
            self._client.v1.payment_methods.detach(remote_id)

    def read_news(self, body: bytes, *, signature: str, now: dt.datetime) -> News:
        """See the port."""
        if not self._secret:
            raise NewsRefusedError(why="no-secret")
        try:
            # its own window looks back only, and by the machine's clock: ours looks both ways
            stripe.WebhookSignature.verify_header(body, signature, self._secret, None)
            signed_at = _signed_at(signature)
        except (stripe.SignatureVerificationError, ValueError) as error:
            raise NewsRefusedError(why="signature") from error
        if abs(now - signed_at) > _WINDOW:
            raise NewsRefusedError(why="too-old" if signed_at < now else "from-the-future")
        try:
            said = json.loads(body)
            news = News(
                event_id=str(said["id"]),
                kind=str(said["type"]),
                subject=str(said["data"]["object"].get("id") or ""),
                happened_at=reading.instant(int(said["created"])),
            )
            is_live, account = bool(said["livemode"]), said.get("account")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise NewsRefusedError(why="no-event") from error
        if is_live != self._is_live:
            raise NewsRefusedError(why="other-mode")
        if account is not None and account != self.account:
            raise NewsRefusedError(why="other-account")
        return news

    def ask_about(self, event_id: str) -> About:
        """See the port."""
        with _errors():
            try:
                event = self._client.v1.events.retrieve(event_id)
            except stripe.InvalidRequestError as error:
                if error.code == "resource_missing":
                    return About()
                raise
            return self._about(event.data.object.to_dict())

    def news_since(self, instant: dt.datetime) -> tuple[News, ...]:
        """See the port."""
        found: list[News] = []
        with _errors():
            page = self._client.v1.events.list({"created": {"gte": int(instant.timestamp())}, "limit": 100})
            for event in page.auto_paging_iter():
                about = event.data.object.to_dict()
                happened_at = reading.instant(event.created)
                found.append(News(event.id, event.type, str(about.get("id") or ""), happened_at))
                if len(found) >= _MOST_NEWS:
                    break
        return tuple(reversed(found))

    def movements(self, *, start: dt.datetime, end: dt.datetime) -> tuple[Movement, ...]:
        """See the port."""
        with _errors():
            page = self._client.v1.balance_transactions.list(
                {
                    "created": {"gte": int(start.timestamp()), "lt": int(end.timestamp())},
                    "limit": 100,
                    "expand": ["data.source"],
                }
            )
            found = [reading.movement(one) for one in page.auto_paging_iter()]
        return tuple(reversed(found))

    def holds(self) -> Mapping[str, int]:
        """See the port."""
        with _errors():
            return reading.holds(self._client.v1.balance.retrieve())

    def make_copy(self, order: CopyOrder) -> RemoteCopy:
        """See the port."""
        with _errors():
            return copies.make(self._client, order)

    def add_to_copy(self, order: CopyOrder, remote_id: str, *, lines: Sequence[CopyLine]) -> None:
        """See the port."""
        with _errors():
            copies.add(self._client, order, remote_id, lines)

    def copy(self, remote_id: str) -> RemoteCopy | None:
        """See the port."""
        with _errors():
            return copies.find(self._client, remote_id)

    def finalise_copy(self, order: CopyOrder, remote_id: str) -> None:
        """See the port."""
        with _errors():
            copies.finalise(self._client, order, remote_id)

    def discard_copy(self, remote_id: str) -> None:
        """See the port."""
        with _errors():
            copies.discard(self._client, remote_id)

    def pay_copy(self, remote_id: str, *, payment: str) -> None:
        """See the port."""
        with _errors():
            copies.pay(self._client, remote_id, payment)

    def close_copy(self, remote_id: str) -> None:
        """See the port."""
        with _errors():
            copies.close(self._client, remote_id)

    def credit_copy(
        self, remote_id: str, *, credit_note_id: UUID, number: str, amount_minor: int, paid_minor: int
    ) -> None:
        """See the port."""
        with _errors():
            copies.credit(
                self._client,
                remote_id,
                credit_note_id=credit_note_id,
                number=number,
                amount_minor=amount_minor,
                paid_minor=paid_minor,
            )

    def _ask_account(self) -> None:
        if self._account:
            return
        if time.monotonic() < self._rests_until:
            raise ProviderAwayError(why="rests")
        self._rests_until = time.monotonic() + _REST_S
        with _errors():
            self._account = self._client.v1.accounts.retrieve_current().id

    def _is_gone(self, method: str, payer: str) -> bool:
        try:
            return self._client.v1.payment_methods.retrieve(method).customer != payer
        except stripe.InvalidRequestError as error:
            return error.code == "resource_missing"

    def _about(self, about: dict[str, Any]) -> About:
        kind = about.get("object")
        if kind == "payment_intent":
            return About(payment=self._owned(self.payment(about["id"])))
        if kind in {"charge", "refund", "dispute"} and about.get("payment_intent"):
            return About(payment=self._owned(self.payment(about["payment_intent"])))
        if kind == "checkout.session":
            return self._about_session(about["id"])
        if kind in {"setup_intent", "payment_method"}:
            return self._about_methods_of(about.get("customer"))
        return About()

    def _owned(self, payment: RemotePayment) -> RemotePayment:
        """Name whose invoice a payment is on that was made on the page of a copy, and not by us."""
        if payment.tenant_id or not self.keeps_copies:
            return payment
        whose = copies.paid_by(self._client, payment.remote_id)
        return replace(payment, tenant_id=whose[0], invoice_id=whose[1]) if whose else payment

    def _about_session(self, session_id: str) -> About:
        session = self._client.v1.checkout.sessions.retrieve(session_id)
        tenant = reading.ours(session.metadata, TENANT)
        own = reading.ours(session.metadata, PAYMENT)
        if session.mode == "setup" and tenant:
            return About(methods_of=TenantId(tenant))
        paid = self.payment(str(session.payment_intent)) if session.payment_intent else None
        left = session.status == "expired" and tenant and own
        return About(
            payment=paid, page_expired=(TenantId(tenant), PaymentId(own)) if left and tenant and own else None
        )

    def _about_methods_of(self, payer: object) -> About:
        if not isinstance(payer, str):
            return About()
        tenant = reading.ours(self._client.v1.customers.retrieve(payer).metadata, TENANT)
        return About(methods_of=TenantId(tenant)) if tenant else About()

    def _whole(self, intent: stripe.PaymentIntent) -> RemotePayment:
        """Read an intent with its refunds and disputes, asked for only when they are not there already.

        Refunds that failed are among them: the charge's own sum says nothing of those.
        """
        charge = intent.latest_charge
        refunds: list[stripe.Refund] = []
        disputes: list[stripe.Dispute] = []
        if isinstance(charge, stripe.Charge):
            if charge.refunds:
                refunds = charge.refunds.data
            if charge.refunds and charge.refunds.has_more:
                refunds = self._client.v1.refunds.list({"payment_intent": intent.id, "limit": 100}).data
            if charge.disputed:
                disputes = self._client.v1.disputes.list({"payment_intent": intent.id, "limit": 100}).data
        return reading.payment(intent, refunds=refunds, disputes=disputes)


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Turn the library's errors into ours; messages stay behind, because they may hold names."""
    try:
        yield
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderAwayError(why=type(error).__name__) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise ProviderRefusesError(why=type(error).__name__) from error
    except stripe.APIError as error:
        raise ProviderAwayError(why=type(error).__name__) from error
    except stripe.StripeError as error:
        raise ProviderRefusesError(why=error.code or type(error).__name__) from error


def _refused(order: Order, reason: Reason) -> RemotePayment:
    return RemotePayment(
        remote_id="",
        tenant_id=order.tenant_id,
        invoice_id=order.invoice_id,
        payment_id=order.payment_id,
        state=State.FAILED,
        amount_minor=order.amount_minor,
        currency=order.currency,
        reason=reason,
    )


def _metadata(order: Order) -> dict[str, str]:
    named = {TENANT: str(order.tenant_id), PAYMENT: str(order.payment_id)}
    return named | ({INVOICE: str(order.invoice_id)} if order.invoice_id else {})


def _name(order: Order) -> str:
    return f"inv:{order.invoice_id}" if order.invoice_id else f"top:{order.payment_id}"


def _page(session: stripe.checkout.Session) -> Page:
    return Page(
        page_id=session.id,
        url=session.url or "",
        is_open=session.status == "open",
        is_expired=session.status == "expired",
        remote_id=str(session.payment_intent or ""),
    )


def _locale(language: str) -> Any:  # noqa: ANN401 - one of the library's literals
    return "zh" if language.startswith("zh") else "en"


def _signed_at(signature: str) -> dt.datetime:
    # the very stamp the library has verified, and no other that somebody put beside it
    stamps = [part.removeprefix("t=") for part in signature.split(",") if part.startswith("t=")]
    if len(stamps) != 1:
        raise ValueError
    return dt.datetime.fromtimestamp(int(stamps[0]), dt.UTC)
