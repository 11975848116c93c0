"""The endpoints: who asks, in what shape, once for each idempotency key, and in what shape it is answered."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import stripe

from standin import cards, forms, objects, shapes
from standin.invoices import Invoices
from standin.shapes import ShapeError
from standin.store import Answer, Object, Store
from standin.till import LEAST, StripeError, Till, invalid, missing

VERSION = str(stripe.api_version)
_MOST_OF_A_LIST, _LIST = 100, 10
_SHORTEST_S, _LONGEST_S = 30 * 60, 24 * 3600  # of a hosted page
_KINDS = {
    "cus": "customer",
    "pm": "payment_method",
    "seti": "setup_intent",
    "pi": "payment_intent",
    "ch": "charge",
    "re": "refund",
    "du": "dispute",
    "txn": "balance_transaction",
    "cs": "checkout.session",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: str
    body: str
    key: str
    version: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class _Endpoint:
    method: str
    pattern: re.Pattern[str]
    shape: str
    act: Callable[..., Object]


class Stripe:
    """The API over a store; one request at a time."""

    def __init__(
        self,
        store: Store,
        *,
        key: str,
        base: str,
        settles_after_s: float = 3.0,
        webhook: tuple[str, str] | None = None,
    ) -> None:
        """Serve `key` at `base`; `webhook` is an address of ours and its secret, wanting all news."""
        self.store, self._key = store, key
        self.lock = threading.RLock()
        self.till = Till(store, base, self.tell, settles_after_s)
        self.invoices = Invoices(store, self.till, self.tell)
        self.news = threading.Event()
        self._request: Object = {"id": None, "idempotency_key": None}
        self._endpoints = list(self._routes())
        if webhook:
            with self.lock, store.transaction():
                self._want_news(*webhook)

    def handle(self, request: Request) -> tuple[int, str, dict[str, str]]:
        """Answer a request: status, JSON, headers."""
        with self.lock:
            self._request = {"id": objects.new_id("req"), "idempotency_key": request.idempotency_key or None}
            headers = {"Request-Id": str(self._request["id"]), "Stripe-Version": VERSION}
            try:
                self._insist_on_key(request)
                status, body, is_replayed = self._once(request)
            except StripeError as error:
                return error.status, json.dumps(error.body), headers
            except ShapeError as error:  # our own answer is not what the library expects: never hidden
                said = StripeError(500, "api_error", f"the stand-in answered in a wrong shape: {error}")
                return said.status, json.dumps(said.body), headers | {"Stripe-Should-Retry": "false"}
            finally:
                self.news.set()
        if is_replayed:
            headers["Idempotent-Replayed"] = "true"
        return status, body, headers

    def tick(self, *, everything: bool = False) -> None:
        """Let happen what is due by the real clock, or all that waits for it."""
        with self.lock, self.store.transaction():
            until = float("inf") if everything else time.time()
            for due in self.store.take_due(until=until, clock=None):
                self.till.let_happen(due)
            self._expire_old()

    def dispute(self, charge_id: str) -> str:
        """Let the holder take a payment back; return the dispute's id."""
        with self.lock, self.store.transaction():
            return str(self.till.dispute(self._get("charge", charge_id))["id"])

    def forget(self) -> None:
        """Forget every idempotency key, as Stripe does after a day."""
        with self.lock, self.store.transaction():
            self.store.forget_answers()

    def win(self, dispute_id: str) -> None:
        """Let a dispute be decided for us."""
        with self.lock, self.store.transaction():
            self.till.win(self._get("dispute", dispute_id))

    def _insist_on_key(self, request: Request) -> None:
        if request.key == self._key:
            pass
        elif not request.key:
            raise StripeError(401, "invalid_request_error", "You did not provide an API key.")
        else:
            raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {request.key[:7]}***")
        if request.version != VERSION:
            raise invalid(f"This stand-in speaks {VERSION}, not {request.version or 'an unnamed version'}.")

    def _once(self, request: Request) -> tuple[int, str, bool]:
        """Answer, or repeat the answer the same idempotency key was given before."""
        is_writing = request.method != "GET"
        fingerprint = json.dumps([request.method, request.path, sorted(request.body.split("&"))])
        key = request.idempotency_key if is_writing else ""
        before = self.store.answer(key) if key else None
        if before:
            if before.fingerprint != fingerprint:
                raise StripeError(
                    400,
                    "idempotency_error",
                    "Keys for idempotent requests can only be used with the same parameters they were first"
                    f" used with. Try using a key other than '{key}' if you meant to execute a different"
                    " request.",
                )
            return before.status, before.body, True
        with self.store.transaction():
            try:
                answer = self._act(request)
                status: int = HTTPStatus.OK
            except StripeError as error:
                if not error.is_final:
                    raise
                status, answer = error.status, error.body
            body = json.dumps(answer)
            if key:
                self.store.keep_answer(key, Answer(fingerprint, status, body))
        return status, body, False

    def _act(self, request: Request) -> Object:
        here = [one for one in self._endpoints if one.pattern.fullmatch(request.path)]
        endpoint = next((one for one in here if one.method == request.method), None)
        if endpoint is None:
            raise StripeError(
                404,
                "invalid_request_error",
                f"Unrecognized request URL ({request.method}: {request.path}); the stand-in may not know it.",
            )
        try:
            asked = shapes.check_request(
                endpoint.shape, forms.decode(request.query if request.method == "GET" else request.body)
            )
        except ShapeError as error:
            code = "parameter_unknown" if error.is_unknown else "parameter_invalid"
            what = "Received unknown parameter" if error.is_unknown else f"Invalid parameter ({error.why})"
            raise invalid(f"{what}: {error.where}", code=code, param=error.where) from error
        except ValueError as error:
            raise invalid("The parameters cannot be read.") from error
        found = endpoint.pattern.fullmatch(request.path)
        assert found is not None  # noqa: S101 - it has just matched
        expand = asked.pop("expand", [])
        answer = endpoint.act(asked, *map(unquote, found.groups()))
        for path in expand:
            self._expand(answer, path.split("."))
        if not answer.get("deleted"):
            shapes.check_answer(answer)
        return answer

    def _expand(self, answer: Object, path: list[str]) -> None:
        if answer["object"] == "list" and path[0] == "data":
            for one in answer["data"]:
                self._expand(one, path[1:])
            return
        name, *rest = path
        if answer["object"] == "charge" and name == "refunds":
            made = [one for one in self.store.every("refund") if one["charge"] == answer["id"]]
            url = f"/v1/charges/{answer['id']}/refunds"
            answer["refunds"] = objects.page_of(made[:_LIST], url=url, has_more=len(made) > _LIST)
            return
        if name not in answer:
            raise invalid(f"This property cannot be expanded ({name}).", param="expand")
        if isinstance(answer[name], str):
            answer[name] = self.store.get(answer[name])
        if rest and answer[name]:
            self._expand(answer[name], rest)

    def tell(self, kind: str, about: Object) -> None:
        """Make news of what happened to an object, for whoever wants it."""
        shapes.check_answer(about)
        event = objects.event(
            self.till.now(about.get("customer")), kind, about, version=VERSION, request=self._request
        )
        # the time of the event in the order of events; a test clock moves objects, not news
        event["created"] = int(time.time())
        shapes.check_answer(event)
        self.store.put("event", event)
        due = time.time() if self.store.choice("webhooks", "send") == "send" else None
        for endpoint in self.store.every("webhook_endpoint"):
            if {"*", kind} & set(endpoint["enabled_events"]):
                self.store.send(event["id"], endpoint["id"], due=due)
        if kind == "payment_intent.succeeded":
            self.invoices.money_came(about)

    def _want_news(self, url: str, secret: str) -> None:
        for one in self.store.every("webhook_endpoint"):
            if self.store.hidden(one["id"]).get("is_ours"):
                self.store.remove(one["id"])
        asked = {"url": url, "enabled_events": ["*"], "description": "Seatline on this machine"}
        made = self.store.put("webhook_endpoint", objects.webhook_endpoint(self.till.now(), asked))
        self.store.hide(made["id"], {"secret": secret, "is_ours": True})

    def _routes(self) -> Iterator[_Endpoint]:
        yield from self._payers()
        yield from self._intents()
        yield from self._papers()
        yield from self._rest()

    def _payers(self) -> Iterator[_Endpoint]:
        yield _on("POST", "/v1/customers", "CustomerCreateParams", self._new_customer)
        yield _on("GET", "/v1/customers", "CustomerListParams", self._listing("customer", "/v1/customers"))
        yield _on("GET", "/v1/customers/{}", "CustomerRetrieveParams", self._getting("customer"))
        yield _on("POST", "/v1/customers/{}", "CustomerUpdateParams", self._change_customer)
        yield _on(
            "GET", "/v1/customers/{}/payment_methods", "CustomerPaymentMethodListParams", self._methods_of
        )
        yield _on("GET", "/v1/payment_methods", "PaymentMethodListParams", self._methods)
        yield _on(
            "GET", "/v1/payment_methods/{}", "PaymentMethodRetrieveParams", self._getting("payment_method")
        )
        yield _on("POST", "/v1/payment_methods/{}/attach", "PaymentMethodAttachParams", self._attach)
        yield _on("POST", "/v1/payment_methods/{}/detach", "PaymentMethodDetachParams", self._detach)

    def _intents(self) -> Iterator[_Endpoint]:
        yield _on("POST", "/v1/setup_intents", "SetupIntentCreateParams", self._new_setup)
        yield _on("GET", "/v1/setup_intents/{}", "SetupIntentRetrieveParams", self._getting("setup_intent"))
        yield _on("POST", "/v1/setup_intents/{}/confirm", "SetupIntentConfirmParams", self._confirm_setup)
        yield _on("POST", "/v1/payment_intents", "PaymentIntentCreateParams", self._new_intent)
        yield _on(
            "GET",
            "/v1/payment_intents",
            "PaymentIntentListParams",
            self._listing("payment_intent", "/v1/payment_intents", "customer"),
        )
        yield _on(
            "GET", "/v1/payment_intents/{}", "PaymentIntentRetrieveParams", self._getting("payment_intent")
        )
        yield _on("POST", "/v1/payment_intents/{}/confirm", "PaymentIntentConfirmParams", self._confirm)
        yield _on("POST", "/v1/payment_intents/{}/cancel", "PaymentIntentCancelParams", self._cancel)
        yield _on("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams", self._new_session)
        yield _on(
            "GET",
            "/v1/checkout/sessions",
            "checkout.SessionListParams",
            self._listing(
                "checkout.session", "/v1/checkout/sessions", "customer", "payment_intent", "status"
            ),
        )
        yield _on(
            "GET",
            "/v1/checkout/sessions/{}",
            "checkout.SessionRetrieveParams",
            self._getting("checkout.session"),
        )
        yield _on(
            "POST", "/v1/checkout/sessions/{}/expire", "checkout.SessionExpireParams", self._expire_session
        )

    def _papers(self) -> Iterator[_Endpoint]:
        papers, one = self.invoices, "/v1/invoices/{}"
        yield _on("POST", "/v1/invoices", "InvoiceCreateParams", papers.create)
        yield _on("GET", "/v1/invoices", "InvoiceListParams", papers.listing(self._page))
        yield _on("GET", one, "InvoiceRetrieveParams", papers.retrieve)
        yield _on("DELETE", one, "InvoiceDeleteParams", papers.delete)
        yield _on("POST", f"{one}/add_lines", "InvoiceAddLinesParams", papers.add_lines)
        yield _on("GET", f"{one}/lines", "InvoiceLineItemListParams", papers.lines)
        yield _on("POST", f"{one}/finalize", "InvoiceFinalizeInvoiceParams", papers.finalize)
        yield _on("POST", f"{one}/attach_payment", "InvoiceAttachPaymentParams", papers.attach)
        yield _on("POST", f"{one}/pay", "InvoicePayParams", papers.pay)
        yield _on("POST", f"{one}/void", "InvoiceVoidInvoiceParams", papers.void)
        yield _on("GET", "/v1/invoice_payments", "InvoicePaymentListParams", papers.payments)
        yield _on("POST", "/v1/credit_notes", "CreditNoteCreateParams", papers.credit)
        yield _on("GET", "/v1/credit_notes", "CreditNoteListParams", papers.credits)

    def _rest(self) -> Iterator[_Endpoint]:
        yield _on("POST", "/v1/refunds", "RefundCreateParams", self._new_refund)
        yield _on("GET", "/v1/refunds/{}", "RefundRetrieveParams", self._getting("refund"))
        yield _on(
            "GET",
            "/v1/refunds",
            "RefundListParams",
            self._listing("refund", "/v1/refunds", "charge", "payment_intent"),
        )
        yield _on("GET", "/v1/charges/{}", "ChargeRetrieveParams", self._getting("charge"))
        yield _on(
            "GET",
            "/v1/disputes",
            "DisputeListParams",
            self._listing("dispute", "/v1/disputes", "charge", "payment_intent"),
        )
        yield _on("GET", "/v1/disputes/{}", "DisputeRetrieveParams", self._getting("dispute"))
        yield _on(
            "GET",
            "/v1/balance_transactions",
            "BalanceTransactionListParams",
            self._listing("balance_transaction", "/v1/balance_transactions", "source", "type"),
        )
        yield _on(
            "GET",
            "/v1/balance_transactions/{}",
            "BalanceTransactionRetrieveParams",
            self._getting("balance_transaction"),
        )
        yield _on("GET", "/v1/balance", "BalanceRetrieveParams", lambda _asked: self.till.holds())
        yield _on("GET", "/v1/events", "EventListParams", self._listing("event", "/v1/events", "type"))
        yield _on("GET", "/v1/events/{}", "EventRetrieveParams", self._getting("event"))
        yield _on("GET", "/v1/account", "AccountRetrieveCurrentParams", lambda _asked: objects.account())
        yield _on("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams", self._new_endpoint)
        yield _on(
            "GET",
            "/v1/webhook_endpoints",
            "WebhookEndpointListParams",
            self._listing("webhook_endpoint", "/v1/webhook_endpoints"),
        )
        yield _on("DELETE", "/v1/webhook_endpoints/{}", "", self._no_endpoint)
        clocks = "/v1/test_helpers/test_clocks"
        yield _on("POST", clocks, "test_helpers.TestClockCreateParams", self._new_clock)
        yield _on(
            "GET",
            clocks + "/{}",
            "test_helpers.TestClockRetrieveParams",
            self._getting("test_helpers.test_clock"),
        )
        yield _on("POST", clocks + "/{}/advance", "test_helpers.TestClockAdvanceParams", self._advance)

    def _get(self, kind: str, object_id: str) -> Object:
        found = self.store.get(object_id, kind=kind)
        if found is None:
            raise missing(kind, object_id)
        return found

    def _getting(self, kind: str) -> Callable[..., Object]:
        def get(_asked: Object, object_id: str) -> Object:
            return self._get(kind, object_id)

        return get

    def _listing(self, kind: str, url: str, *filters: str) -> Callable[..., Object]:
        def look(asked: Object) -> Object:
            return self._page(kind, url, asked, filters)

        return look

    def _page(self, kind: str, url: str, asked: Object, filters: tuple[str, ...]) -> Object:
        limit = asked.get("limit", _LIST)
        if not 1 <= limit <= _MOST_OF_A_LIST:
            raise invalid("limit must be from 1 to 100", param="limit")
        for cursor in ("starting_after", "ending_before"):
            if asked.get(cursor) and self.store.get(asked[cursor], kind=kind) is None:
                raise missing(kind, asked[cursor])
        found = self.store.every(
            kind, before=asked.get("starting_after", ""), after=asked.get("ending_before", "")
        )
        wanted = {name: asked[name] for name in filters if name in asked}
        fitting = [
            one
            for one in found
            if all(one.get(name) == value for name, value in wanted.items())
            and _in_time(one["created"], asked.get("created"))
            and (kind != "event" or "types" not in asked or one["type"] in asked["types"])
        ]
        cut = fitting[-limit:] if asked.get("ending_before") else fitting[:limit]
        return objects.page_of(cut, url=url, has_more=len(fitting) > limit)

    def _new_customer(self, asked: Object) -> Object:
        if asked.get("test_clock"):
            self._get("test_helpers.test_clock", asked["test_clock"])
        made = self.store.put("customer", objects.customer(self.till.now(), asked))
        self.tell("customer.created", made)
        return made

    def _change_customer(self, asked: Object, customer_id: str) -> Object:
        found = self._get("customer", customer_id)
        for name in ("name", "email", "description", "preferred_locales"):
            if name in asked:
                found[name] = asked[name]
        found["metadata"] |= asked.get("metadata") or {}
        chosen = (asked.get("invoice_settings") or {}).get("default_payment_method")
        if chosen is not None:
            if chosen and self._get("payment_method", chosen)["customer"] != customer_id:
                raise invalid("The customer does not have a payment method with this ID.")
            found["invoice_settings"]["default_payment_method"] = chosen or None
        self.tell("customer.updated", found)
        return self.store.put("customer", found)

    def _methods_of(self, asked: Object, customer_id: str) -> Object:
        self._get("customer", customer_id)
        return self._methods({**asked, "customer": customer_id})

    def _methods(self, asked: Object) -> Object:
        return self._page("payment_method", "/v1/payment_methods", asked, ("customer", "type"))

    def _method(self, method_id: str) -> Object:
        """Return a method, made anew when one of Stripe's test names is given."""
        number = cards.NAMED.get(method_id)
        if number is None:
            return self._get("payment_method", method_id)
        return self.new_card(number, month=12, year=2034)

    def new_card(self, number: str, *, month: int, year: int) -> Object:
        """Return the method of a test card; only the hosted page and test names come here.

        Raises:
            StripeError: not one of the test numbers.
        """
        card = cards.card(number)
        if card is None:
            raise StripeError(
                402,
                "card_error",
                "This is a stand-in for Stripe: it takes test cards only, and keeps no number.",
                code="incorrect_number",
            )
        made = objects.card_method(self.till.now(), card, month=month, year=year)
        self.store.put("payment_method", made)
        self.store.hide(made["id"], {"doing": card.doing.name})
        return made

    def new_bank(self, kind: str, *, number: str, routing: str) -> Object:
        """Return the method of a test bank account.

        Raises:
            StripeError: not one of the test accounts.
        """
        digits = "".join(sign for sign in number if sign.isdigit())
        if digits not in cards.BANKS[kind]:
            raise StripeError(402, "card_error", "This is a stand-in: it takes test accounts only.",
                              code="account_number_invalid")  # fmt: skip
        made = objects.bank_method(self.till.now(), kind, last4=digits[-4:], routing=routing)
        self.store.put("payment_method", made)
        self.store.hide(made["id"], {"settles": cards.BANKS[kind][digits]})
        return made

    def new_app(self, kind: str, types: list[str]) -> Object:
        """Return the method of who pays in an app.

        Raises:
            StripeError: the page does not offer it.
        """
        if kind not in cards.APPS or kind not in types:
            raise invalid(f"The payment method type {kind} is not offered here.", param="payment_method")
        made = self.store.put("payment_method", objects.app_method(self.till.now(), kind))
        self.store.hide(made["id"], {"doing": cards.IN_THE_APP})
        return made

    def _attach(self, asked: Object, method_id: str) -> Object:
        self._get("customer", asked["customer"])
        return self.till.attach(self._method(method_id), asked["customer"])

    def _detach(self, _asked: Object, method_id: str) -> Object:
        return self.till.detach(self._get("payment_method", method_id))

    def _new_setup(self, asked: Object) -> Object:
        if asked.get("payment_method"):
            asked["payment_method"] = self._method(asked["payment_method"])["id"]
        made = objects.setup_intent(self.till.now(asked.get("customer")), asked)
        self.store.put("setup_intent", made)
        self.tell("setup_intent.created", made)
        if asked.get("confirm"):
            return self.till.confirm_setup(made, return_url=asked.get("return_url"))
        return made

    def _confirm_setup(self, asked: Object, intent_id: str) -> Object:
        intent = self._get("setup_intent", intent_id)
        if asked.get("payment_method"):
            intent["payment_method"] = self._method(asked["payment_method"])["id"]
        return self.till.confirm_setup(intent, return_url=asked.get("return_url"))

    def _new_intent(self, asked: Object) -> Object:
        _insist_on_amount(asked["amount"], asked["currency"])
        if asked.get("customer"):
            self._get("customer", asked["customer"])
        if asked.get("payment_method"):
            asked["payment_method"] = self._method(asked["payment_method"])["id"]
        made = objects.payment_intent(self.till.now(asked.get("customer")), asked | {"types": _types(asked)})
        self.store.put("payment_intent", made)
        self.tell("payment_intent.created", made)
        if not asked.get("confirm"):
            if asked.get("off_session"):
                raise invalid("off_session can only be set with confirm=true.", param="off_session")
            return made
        return self.till.confirm(
            made, off_session=bool(asked.get("off_session")), return_url=asked.get("return_url")
        )

    def _confirm(self, asked: Object, intent_id: str) -> Object:
        intent = self._get("payment_intent", intent_id)
        if asked.get("payment_method"):
            intent["payment_method"] = self._method(asked["payment_method"])["id"]
        return self.till.confirm(
            intent, off_session=bool(asked.get("off_session")), return_url=asked.get("return_url")
        )

    def _cancel(self, asked: Object, intent_id: str) -> Object:
        intent = self._get("payment_intent", intent_id)
        if any(
            one["payment_intent"] == intent_id and one["status"] == "open"
            for one in self.store.every("checkout.session")
        ):
            raise invalid("You cannot cancel the PaymentIntent of an open Checkout Session. Expire that.")
        return self.till.cancel(intent, reason=asked.get("cancellation_reason"))

    def _new_session(self, asked: Object) -> Object:
        asked.setdefault("mode", "payment")
        if asked["mode"] == "subscription":
            raise invalid("The stand-in sells no subscriptions: our invoice is the record.", param="mode")
        if asked.get("customer"):
            self._get("customer", asked["customer"])
        for name in ("success_url",):
            if not asked.get(name):
                raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
        total = None
        if asked["mode"] == "payment":
            total, asked["currency"] = _total(asked.get("line_items") or [])
            _insist_on_amount(total, asked["currency"])
        elif not asked.get("currency"):
            raise invalid(
                "You must provide a currency in setup mode.", code="parameter_missing", param="currency"
            )
        now = self.till.now(asked.get("customer"))
        if "expires_at" in asked and not _SHORTEST_S <= asked["expires_at"] - now <= _LONGEST_S:
            raise invalid(
                "The `expires_at` timestamp must be from 30 minutes to 24 hours from now.",
                param="expires_at",
            )
        made = objects.session(now, asked, types=_types(asked), total=total, base=self.till.base)
        self.store.hide(
            made["id"],
            {
                "intent": asked.get("payment_intent_data") or asked.get("setup_intent_data") or {},
                "options": asked.get("payment_method_options") or {},
            },
        )
        return self.store.put("checkout.session", made)

    def _expire_session(self, _asked: Object, session_id: str) -> Object:
        session = self._get("checkout.session", session_id)
        if session["status"] != "open":
            raise invalid('Only Checkout Sessions with a status in ["open"] can be expired.')
        return self._expire(session)

    def _expire_old(self) -> None:
        """Close the pages whose time is up, by the clock of who was to pay there."""
        for session in self.store.every("checkout.session"):
            is_up = session["expires_at"] <= self.till.now(session["customer"])
            if session["status"] == "open" and is_up:
                self._expire(session)

    def _expire(self, session: Object) -> Object:
        """Close a page; nobody pays there any more, not even what was begun there."""
        intent = self.store.get(session["payment_intent"] or "")
        if intent and intent["status"] not in {"succeeded", "processing", "canceled"}:
            self.till.cancel(intent, reason="expired")
        session |= {"status": "expired", "url": None}
        self.store.put("checkout.session", session)
        self.tell("checkout.session.expired", session)
        return session

    def _new_refund(self, asked: Object) -> Object:
        charge_id = asked.get("charge")
        if not charge_id:
            charge_id = self._get("payment_intent", asked.get("payment_intent", ""))["latest_charge"]
        return self.till.refund(self._get("charge", charge_id or ""), asked)

    def _new_endpoint(self, asked: Object) -> Object:
        made = self.store.put("webhook_endpoint", objects.webhook_endpoint(self.till.now(), asked))
        secret = f"whsec_{objects.new_id('s')}"
        self.store.hide(made["id"], {"secret": secret})
        return made | {"secret": secret}

    def _no_endpoint(self, _asked: Object, endpoint_id: str) -> Object:
        self._get("webhook_endpoint", endpoint_id)
        self.store.remove(endpoint_id)
        return {"id": endpoint_id, "object": "webhook_endpoint", "deleted": True}

    def _new_clock(self, asked: Object) -> Object:
        return self.store.put("test_helpers.test_clock", objects.test_clock(int(time.time()), asked))

    def _advance(self, asked: Object, clock_id: str) -> Object:
        clock = self._get("test_helpers.test_clock", clock_id)
        if asked["frozen_time"] <= clock["frozen_time"]:
            raise invalid("A test clock can only be advanced.", param="frozen_time")
        clock["frozen_time"] = asked["frozen_time"]
        self.store.put("test_helpers.test_clock", clock)
        for due in self.store.take_due(until=clock["frozen_time"], clock=clock_id):
            self.till.let_happen(due)
        self._expire_old()
        return clock


def _on(method: str, path: str, shape: str, act: Callable[..., Object]) -> _Endpoint:
    return _Endpoint(method, re.compile(path.replace("{}", "([^/]+)")), shape, act)


def _types(asked: Object) -> list[str]:
    """Return which kinds of methods fit: cards, the bank debit of the currency, apps where they can pay.

    An app is not offered where the method is to be saved, and WeChat Pay not without a word for which client.
    """
    currency = str(asked.get("currency", ""))
    bank = cards.BANK_OF.get(currency)
    fitting = ["card", bank] if bank else ["card"]
    saves = (asked.get("payment_intent_data") or {}).get("setup_future_usage")
    if asked.get("mode") == "payment" and not saves:
        fitting += [kind for kind, currencies in cards.APPS.items() if currency in currencies]
        if (asked.get("payment_method_options") or {}).get("wechat_pay", {}).get("client") != "web":
            fitting = [kind for kind in fitting if kind != "wechat_pay"]
    allowed = asked.get("allowed_payment_method_types") or fitting
    return [one for one in fitting if one in allowed] or ["card"]


def _total(items: list[Any]) -> tuple[int, str]:
    if not items:
        raise invalid("Missing required param: line_items.", code="parameter_missing", param="line_items")
    if any("price_data" not in one or "unit_amount" not in one["price_data"] for one in items):
        raise invalid("The stand-in keeps no prices: send price_data with unit_amount.", param="line_items")
    currencies = {one["price_data"]["currency"] for one in items}
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    total = sum(one["price_data"]["unit_amount"] * one.get("quantity", 1) for one in items)
    return total, str(currencies.pop())


def _insist_on_amount(amount: int, currency: str) -> None:
    if not re.fullmatch("[a-z]{3}", currency):
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    if amount < LEAST.get(currency, 50):
        raise invalid("Amount must be no less than the smallest that can be charged.",
                      code="amount_too_small", param="amount")  # fmt: skip
    if amount > 99_999_999:  # noqa: PLR2004 - eight digits at most
        raise invalid("Amount must be no more than 8 digits.", code="amount_too_large", param="amount")


def _in_time(created: int, asked: Any) -> bool:  # noqa: ANN401 - a number or limits
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return bool(created == asked)
    return int(asked.get("gte", created)) <= created <= int(asked.get("lte", created)) and int(
        asked.get("gt", created - 1)
    ) < created < int(asked.get("lt", created + 1))
