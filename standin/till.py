"""What happens to money and methods: confirming, declining, 3-D Secure, settling, refunding, disputing.

The state machines of PaymentIntent and SetupIntent as Stripe documents them (docs.stripe.com/payments/
paymentintents/lifecycle), for the test numbers of `standin.cards`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from standin import cards, objects
from standin.store import Due, Object, Store

# least amounts in minor units (docs.stripe.com/currencies#minimum-and-maximum-charge-amounts)
LEAST = {"gbp": 30, "usd": 50, "eur": 50, "cny": 400, "jpy": 50, "hkd": 400}
_WAITS = ("requires_payment_method", "requires_confirmation")
_DAYS_TO_SETTLE = 3 * 86400


class StripeError(Exception):
    """An error as the API answers it."""

    def __init__(self, status: int, kind: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: Object = {"error": {"type": kind, "message": message, **more}}

    @property
    def is_final(self) -> bool:
        """Whether the request had begun to do its work, so that its answer is kept for its key."""
        return self.status == 402  # noqa: PLR2004 - Payment Required, how Stripe says "declined"


def invalid(message: str, *, code: str = "", param: str = "") -> StripeError:
    """Return the refusal of a request that cannot be."""
    more = {name: value for name, value in (("code", code), ("param", param)) if value}
    return StripeError(400, "invalid_request_error", message, **more)


def missing(kind: str, object_id: str) -> StripeError:
    """Return the refusal of an id that is not there."""
    return StripeError(
        404, "invalid_request_error", f"No such {kind}: '{object_id}'", code="resource_missing", param="id"
    )


@dataclass(slots=True)
class Till:
    """The machinery over a store.

    Attributes:
        base: where our pages are reached.
        tell: called with the kind of an event and its object.
        settles_after_s: how long a bank debit takes, or a refund that takes its time, without a test clock.
    """

    store: Store
    base: str
    tell: Callable[[str, Object], None]
    settles_after_s: float

    def now(self, customer_id: str | None = None) -> int:
        """Return the time, by the customer's test clock if there is one."""
        clock = self._clock(customer_id)
        return int(clock["frozen_time"]) if clock else int(time.time())

    def attach(self, method: Object, customer_id: str) -> Object:
        """Save a method for a customer.

        Raises:
            StripeError: the method is another's, or its bank refuses.
        """
        if method["customer"] not in {None, customer_id}:
            raise invalid("The payment method has already been attached to a customer.")
        doing = self._doing(method)
        if doing and doing.refuses_saving:
            raise self._declined(doing.refuses_saving, method)
        if method["customer"] is None:
            method["customer"] = customer_id
            self.store.put("payment_method", method)
            self.tell("payment_method.attached", method)
        return method

    def detach(self, method: Object) -> Object:
        """Take a method from its customer, for good."""
        if method["customer"] is None:
            raise invalid("The payment method you provided is not attached to a customer so detachment is"
                          " impossible.")  # fmt: skip
        method["customer"] = None
        self.store.put("payment_method", method)
        self.store.hide(method["id"], self.store.hidden(method["id"]) | {"is_spent": True})
        self.tell("payment_method.detached", method)
        return method

    def confirm_setup(self, intent: Object, *, return_url: str | None) -> Object:
        """Save the intent's method, asking its bank if it wants to be asked.

        Raises:
            StripeError: the bank refuses the method.
        """
        if intent["status"] not in _WAITS:
            raise invalid("This SetupIntent is not in a state to be confirmed.",
                          code="setup_intent_unexpected_state")  # fmt: skip
        method = self._method(intent)
        doing = self._doing(method)
        if doing and doing.refuses_saving:
            error = self._declined(doing.refuses_saving, method)
            intent |= {"status": "requires_payment_method", "last_setup_error": error.body["error"] | {}}
            intent["payment_method"] = None
            self.store.put("setup_intent", intent)
            self.tell("setup_intent.setup_failed", intent)
            raise error
        if doing and doing.asks != "never":
            return self._ask("setup_intent", intent, return_url)
        return self._set_up(intent, method)

    def confirm(self, intent: Object, *, off_session: bool, return_url: str | None) -> Object:
        """Move an intent's money as far as it goes by itself.

        Raises:
            StripeError: declined (402), or the intent is in no state for it.
        """
        if intent["status"] not in _WAITS:
            raise invalid(f"You cannot confirm this PaymentIntent because it has a status of"
                          f" {intent['status']}.", code="payment_intent_unexpected_state")  # fmt: skip
        method = self._method(intent)
        if method["type"] in cards.APPS:
            return self._ask("payment_intent", intent, return_url, app=method["type"])
        if method["type"] != "card":
            return self._debit(intent, method)
        doing = cards.doing(self.store.hidden(method["id"])["doing"])
        is_set_up = bool(self.store.hidden(method["id"]).get("is_set_up"))
        asks = doing.asks == "always" or (doing.asks == "until-set-up" and not is_set_up)
        if asks and off_session:
            raise self._fail(intent, method, "authentication_required")
        if asks:
            return self._ask("payment_intent", intent, return_url)
        return self._charge(intent, method)

    def answer(self, kind: str, intent: Object, *, confirms: bool) -> Object:
        """Go on after the holder was asked by the bank; a failure stands in the intent."""
        method = self._method(intent)
        intent["next_action"] = None
        intent["status"] = "requires_confirmation"
        if kind == "setup_intent":
            if confirms:
                return self._set_up(intent, method)
            error = self._declined("authentication_required", method).body["error"]
            intent |= {"status": "requires_payment_method", "last_setup_error": error}
            intent["last_setup_error"]["code"] = "setup_intent_authentication_failure"
            self.store.put(kind, intent)
            self.tell("setup_intent.setup_failed", intent)
            return intent
        try:
            if confirms:
                return self._charge(intent, method)
            code = "payment_intent_authentication_failure"
            raise self._fail(intent, method, "authentication_required", code=code)
        except StripeError:
            found = self.store.get(intent["id"])
            assert found is not None  # noqa: S101 - we have just written it
            return found

    def cancel(self, intent: Object, *, reason: str | None) -> Object:
        """Give an intent up."""
        if intent["status"] in {"succeeded", "canceled", "processing"}:
            raise invalid(f"You cannot cancel this PaymentIntent because it has a status of"
                          f" {intent['status']}.", code="payment_intent_unexpected_state")  # fmt: skip
        intent |= {"status": "canceled", "canceled_at": self.now(intent["customer"]), "next_action": None}
        intent["cancellation_reason"] = reason
        self.store.put("payment_intent", intent)
        self.tell("payment_intent.canceled", intent)
        return intent

    def let_happen(self, due: Due) -> None:
        """Do what had to wait for its time."""
        {"settle": self._settle, "refund": self._come_out}[due.what](due.id)

    def _settle(self, intent_id: str) -> None:
        """Let a bank debit come out as its account does."""
        intent = self.store.get(intent_id)
        if intent is None or intent["status"] != "processing":
            return
        method, charge = self._method(intent), self.store.get(intent["latest_charge"])
        assert charge is not None  # noqa: S101 - it was made with the debit
        failure = self.store.hidden(method["id"]).get("settles")
        if failure is None:
            self._paid(intent, charge, method)
            return
        charge |= {"status": "failed", "failure_code": failure, "captured": False, "receipt_url": None}
        self.store.put("charge", charge)
        error = {
            "type": "invalid_request_error",
            "code": failure,
            "message": "The customer's bank could not debit the account.",
            "payment_method": method,
            "charge": charge["id"],
        }
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "payment_method": None}
        self.store.put("payment_intent", intent)
        self.tell("charge.failed", charge)
        self.tell("payment_intent.payment_failed", intent)

    def refund(self, charge: Object, asked: Object) -> Object:
        """Give money back.

        Raises:
            StripeError: more than is left of the payment.
        """
        left = charge["amount_captured"] - charge["amount_refunded"]
        amount = asked.get("amount") or left
        if not left:
            raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if not 0 < amount <= left:
            raise invalid("Refund amount is greater than unrefunded amount on charge.", param="amount")
        method = self.store.get(charge["payment_method"])
        doing = self._doing(method) if method else None
        comes = doing.refunds if doing else "at-once"
        status = "pending" if comes == "later" else "succeeded"
        made = objects.refund(self.now(charge["customer"]), charge, amount=amount, asked=asked, status=status)
        made["balance_transaction"] = self.book(made, amount=-amount, fee=0, kind="refund")["id"]
        if comes != "at-once":
            self._owe("refund", made["id"], customer=charge["customer"])
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self.store.put("refund", made)
        self.store.put("charge", charge)
        self.tell("refund.created", made)
        self.tell("charge.refunded", charge)
        return made

    def _come_out(self, refund_id: str) -> None:
        """Let money that goes back arrive, or come back to us because there is nobody to take it."""
        made = self.store.get(refund_id)
        charge = self.store.get(made["charge"]) if made else None
        if made is None or charge is None:
            return
        if made["status"] == "pending":
            made["status"] = "succeeded"
            self.store.put("refund", made)
            self.tell("refund.updated", made)
            return
        again = self.book(made, amount=made["amount"], fee=0, kind="refund_failure")
        made |= {
            "status": "failed",
            "failure_reason": "expired_or_canceled_card",
            "failure_balance_transaction": again["id"],
        }
        charge["amount_refunded"] -= made["amount"]
        charge["refunded"] = False
        self.store.put("refund", made)
        self.store.put("charge", charge)
        self.tell("refund.updated", made)
        self.tell("refund.failed", made)

    def dispute(self, charge: Object) -> Object:
        """Let the holder take a payment back."""
        made = objects.dispute(self.now(charge["customer"]), charge)
        entry = self.book(made, amount=-charge["amount"], fee=0, kind="adjustment")
        made["balance_transactions"] = [entry]
        charge["disputed"] = True
        self.store.put("dispute", made)
        self.store.put("charge", charge)
        self.tell("charge.dispute.created", made)
        return made

    def win(self, dispute: Object) -> Object:
        """Let the bank decide that the payment was right: its money comes again."""
        again = self.book(dispute, amount=dispute["amount"], fee=0, kind="adjustment")
        dispute["balance_transactions"] = [*dispute["balance_transactions"], again]
        dispute["status"] = "won"
        self.store.put("dispute", dispute)
        self.tell("charge.dispute.closed", dispute)
        return dispute

    def _charge(self, intent: Object, method: Object) -> Object:
        doing = cards.doing(self.store.hidden(method["id"])["doing"])
        if doing.declines:
            raise self._fail(intent, method, doing.declines)
        charge = self._new_charge(intent, method, "succeeded")
        if intent["setup_future_usage"] and intent["customer"]:
            self.store.hide(method["id"], self.store.hidden(method["id"]) | {"is_set_up": True})
            self.attach(method, intent["customer"])
        paid = self._paid(intent, charge, method)
        if doing.is_disputed:
            self.dispute(charge)
        return paid

    def _debit(self, intent: Object, method: Object) -> Object:
        if cards.BANK_OF.get(intent["currency"]) != method["type"]:
            raise invalid(f"The payment method type {method['type']} cannot pay in {intent['currency']}.",
                          code="payment_method_currency_mismatch")  # fmt: skip
        charge = self._new_charge(intent, method, "pending")
        intent |= {"status": "processing", "latest_charge": charge["id"], "last_payment_error": None}
        self.store.put("payment_intent", intent)
        self._owe("settle", intent["id"], customer=intent["customer"])
        self.tell("payment_intent.processing", intent)
        self.tell("charge.pending", charge)
        return intent

    def _owe(self, what: str, object_id: str, *, customer: str | None) -> None:
        """Let something happen in some days, by the customer's clock."""
        clock = self._clock(customer)
        at = clock["frozen_time"] + _DAYS_TO_SETTLE if clock else time.time() + self.settles_after_s
        self.store.owe(what, object_id, at=at, clock=clock["id"] if clock else None)

    def _new_charge(self, intent: Object, method: Object, status: str) -> Object:
        now = self.now(intent["customer"])
        charge = objects.charge(now, intent, method=method, status=status, receipt_url="")
        if charge["receipt_url"] is not None:
            charge["receipt_url"] = f"{self.base}/receipts/{charge['id']}"
        return self.store.put("charge", charge)

    def _paid(self, intent: Object, charge: Object, method: Object) -> Object:
        # what Stripe takes of a European card: 1.5 % and 20 of the minor unit
        fee = 20 + intent["amount"] * 15 // 1000
        charge |= {"status": "succeeded", "paid": True, "captured": True, "amount_captured": intent["amount"]}
        charge["balance_transaction"] = self.book(charge, amount=intent["amount"], fee=fee, kind="charge")[
            "id"
        ]
        self.store.put("charge", charge)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "last_payment_error": None,
            "payment_method": method["id"],
        }
        self.store.put("payment_intent", intent)
        self.tell("charge.succeeded", charge)
        self.tell("payment_intent.succeeded", intent)
        return intent

    def holds(self) -> Object:
        """Return all that the lines come to, by currency; what was mislaid on demand is missing."""
        available: dict[str, int] = {"gbp": -int(self.store.choice("mislaid", "0"))}
        pending: dict[str, int] = {}
        for line in self.store.every("balance_transaction"):
            part = available if line["available_on"] <= time.time() else pending
            part[line["currency"]] = part.get(line["currency"], 0) + line["net"]
        return objects.balance(available, pending)

    def book(self, source: Object, *, amount: int, fee: int, kind: str) -> Object:
        """Write a line of the books: what `source` does to the balance."""
        made = objects.balance_transaction(
            int(time.time()), source, amount=amount, fee=fee, kind=kind, currency=source["currency"]
        )
        return self.store.put("balance_transaction", made)

    def _fail(self, intent: Object, method: Object, decline: str, *, code: str = "") -> StripeError:
        """Write the decline into the intent and return it."""
        charge = None
        if decline != "authentication_required":
            charge = self._new_charge(intent, method, "failed")
            charge |= {
                "failure_code": cards.decline(decline)[0],
                "failure_message": cards.decline(decline)[1],
            }
            self.store.put("charge", charge)
        error = self._declined(decline, method, code=code)
        kept = {name: value for name, value in error.body["error"].items() if name != "payment_intent"}
        intent |= {"status": "requires_payment_method", "last_payment_error": kept, "payment_method": None}
        if charge:
            intent["latest_charge"] = charge["id"]
            kept["charge"] = charge["id"]
        self.store.put("payment_intent", intent)
        if charge:
            self.tell("charge.failed", charge)
        self.tell("payment_intent.payment_failed", intent)
        error.body["error"]["payment_intent"] = dict(intent)
        return error

    def _declined(self, decline: str, method: Object, *, code: str = "") -> StripeError:
        said, message = cards.decline(decline)
        more: Object = {"code": code or said, "payment_method": dict(method), "param": "payment_method"}
        if not code:
            more["decline_code"] = decline
        return StripeError(402, "card_error", message, **more)

    def _ask(self, kind: str, intent: Object, return_url: str | None, *, app: str = "") -> Object:
        if not return_url:
            raise invalid("A return_url is needed, because the bank wants to be asked.", param="return_url")
        action: Object = {"url": f"{self.base}/authenticate/{intent['id']}", "return_url": return_url}
        name = "redirect_to_url"
        if app == "alipay":
            name, action = "alipay_handle_redirect", action | {"native_data": None, "native_url": None}
        elif app:
            name = "wechat_pay_display_qr_code"
            pictures = ("image_data_url", "image_url_png", "image_url_svg", "hosted_instructions_url", "data")
            action = dict.fromkeys(pictures, action["url"])
        self.store.hide(intent["id"], {"return_url": return_url})
        intent |= {"status": "requires_action", "next_action": {"type": name, name: action}}
        self.store.put(kind, intent)
        self.tell(f"{kind}.requires_action", intent)
        return intent

    def _set_up(self, intent: Object, method: Object) -> Object:
        self.store.hide(method["id"], self.store.hidden(method["id"]) | {"is_set_up": True})
        if intent["customer"]:
            self.attach(method, intent["customer"])
        intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
        self.store.put("setup_intent", intent)
        self.tell("setup_intent.succeeded", intent)
        return intent

    def _method(self, intent: Object) -> Object:
        method = self.store.get(intent["payment_method"] or "", kind="payment_method")
        if method is None:
            raise invalid("You cannot confirm this intent without a payment method.", param="payment_method")
        if self.store.hidden(method["id"]).get("is_spent"):
            raise invalid("The provided PaymentMethod was previously detached and cannot be used again.")
        if method["customer"] and method["customer"] != intent["customer"]:
            raise invalid("The provided PaymentMethod does not belong to this customer.", param="customer")
        return method

    def _doing(self, method: Object) -> cards.Doing | None:
        name = self.store.hidden(method["id"]).get("doing")
        return cards.doing(name) if name else None

    def _clock(self, customer_id: str | None) -> Object | None:
        customer = self.store.get(customer_id) if customer_id else None
        return self.store.get(customer["test_clock"]) if customer and customer["test_clock"] else None
