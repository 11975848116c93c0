"""Payments as pages show them: a pill, a plain reason, and what to do about it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing.payments import refunds
from billing.payments.attempts import Payment, Step
from billing.payments.methods import Method
from billing.payments.news import Piece
from billing.payments.port import Reason, State
from billing.payments.refunds import Refund
from billing.payments.standing import Paid, Standing
from core import ids
from core.money import Money

# why it failed, and what helps
REASONS: Mapping[Reason, tuple[LazyString, LazyString]] = {
    Reason.DECLINED: (
        _l("The bank declined it"),
        _l("Banks do not say why. Ask yours, or take another card."),
    ),
    Reason.INSUFFICIENT_FUNDS: (
        _l("There was not enough money"),
        _l("Top the account up and pay again, or take another card."),
    ),
    Reason.EXPIRED: (_l("The card has expired"), _l("Save the new card, then pay again.")),
    Reason.WRONG_CODE: (
        _l("The card's security code was wrong"),
        _l("Pay again and type the three or four digits from the card."),
    ),
    Reason.LOST_OR_STOLEN: (
        _l("The card was reported lost or stolen"),
        _l("Take another card."),
    ),
    Reason.NEEDS_CONFIRMING: (
        _l("Your bank wants you to confirm it"),
        _l("Press Pay: your bank asks you once, and the payment goes on."),
    ),
    Reason.NOT_CONFIRMED: (
        _l("It was not confirmed to the bank"),
        _l("Pay again and confirm it when your bank asks, or take another card."),
    ),
    Reason.ACCOUNT_CLOSED: (_l("The bank account is closed"), _l("Save another way to pay.")),
    Reason.DEBIT_REFUSED: (
        _l("The bank does not allow the direct debit"),
        _l("Allow it at your bank, or save another way to pay."),
    ),
    Reason.TOO_SMALL: (
        _l("The amount is too small for a card"),
        _l("Pay by bank transfer, or leave it: it does not grow."),
    ),
    Reason.TOO_LARGE: (_l("The amount is too large for a card"), _l("Pay by bank transfer.")),
    Reason.METHOD_GONE: (_l("The saved way to pay is gone"), _l("Save it anew, or take another card.")),
    Reason.WRONG_CURRENCY: (
        _l("The account cannot pay in this currency"),
        _l("Take a card, or an account in the invoice's currency."),
    ),
    Reason.PROVIDER_TROUBLE: (
        _l("The payment network had trouble"),
        _l("We try again by ourselves; you may also pay now."),
    ),
    Reason.CHARGED_BACK: (
        _l("The payment was taken back by the bank"),
        _l("Talk to us if that was a mistake, or pay again."),
    ),
    Reason.OTHER: (_l("It did not go through"), _l("Try again, or take another card.")),
}
STATES: Mapping[State, tuple[str, LazyString]] = {
    State.STARTED: ("off", _l("Begun")),
    State.REQUIRES_ACTION: ("warn", _l("Wants confirming")),
    State.PROCESSING: ("live", _l("On its way")),
    State.SUCCEEDED: ("ok", _l("Paid")),
    State.FAILED: ("bad", _l("Declined")),
    State.CANCELLED: ("x", _l("Left")),
}
NEWS_STATES: Mapping[str, tuple[str, LazyString]] = {
    "waiting": ("off", _l("Waiting")),
    "done": ("ok", _l("Done")),
    "ignored": ("x", _l("Not for us")),
    "unmatched": ("warn", _l("No payment of ours")),
    "failed": ("bad", _l("Does not fit")),
}
_STEPS: Mapping[str, LazyString] = {
    "started": _l("Begun"),
    "requires-action": _l("The bank asks its customer"),
    "processing": _l("On its way"),
    "succeeded": _l("Paid"),
    "failed": _l("Declined"),
    "cancelled": _l("Left unfinished"),
    "refund-asked": _l("Refund asked for"),
    "refund": _l("Money given back"),
    "refund-failed": _l("The refund came back: nobody took it"),
    "on-account": _l("Paid beyond the invoice, put on account"),
    "credit-note": _l("Credit note"),
    "on-account-used": _l("Paid from the money on account"),
    "dispute": _l("Taken back by the bank"),
    "dispute-won": _l("Given to us again by the bank"),
}
_SOURCES: Mapping[str, LazyString] = {
    "automatic": _l("by itself"),
    "retry": _l("by itself, again"),
    "person": _l("by a person"),
    "answer": _l("the provider's answer"),
    "webhook": _l("the provider's news"),
    "sweep": _l("our own look"),
    "return": _l("back from the provider's page"),
}
# what became of a piece of news: how the payment stood then, or why there was none of ours
_OUTCOMES: Mapping[str, LazyString] = {
    **{state.value: word for state, (_, word) in STATES.items()},
    "made-elsewhere": _l("made at the provider, not by us"),
    "payment-not-found": _l("there is no such payment here"),
    "payment-mismatch": _l("another amount or payment than ours"),
}
_KINDS: Mapping[str, LazyString] = {
    "visa": _l("Visa"),
    "mastercard": _l("Mastercard"),
    "amex": _l("American Express"),
    "unionpay": _l("UnionPay"),
    "bacs_debit": _l("Direct debit"),
    "us_bank_account": _l("Bank account"),
    "sepa_debit": _l("SEPA direct debit"),
}
_ACCOUNTS: Mapping[str, LazyString] = {
    "receivable": _l("Owed by companies"),
    "tax-payable": _l("Tax owed"),
    "clearing": _l("Held by the payment provider"),
    "provider-fees": _l("Fees of the payment provider"),
    "refunds": _l("Given back"),
    "wallet": _l("Paid beforehand by companies"),
    "bank": _l("Bank"),
    "taken-back": _l("Top-ups taken back after they were spent"),
    "going-back": _l("Taken out of wallets, on its way back"),
    "on-account": _l("On account for companies"),
}


@dataclass(frozen=True, slots=True)
class Stand:
    """How an invoice stands; see templates/parts/payments.html."""

    state: str
    why: str
    advice: str
    due: Money
    refunded: Money | None
    is_overdue: bool
    can_pay: bool
    surplus: Money | None  # paid beyond it, and put on account
    used: Money | None  # taken from the account
    came_back: Money | None  # a refund that nobody took
    credited: Money | None = None  # taken off by credit notes


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A saved way to pay."""

    id: str
    name: str
    last4: str
    expires: str
    is_default: bool
    is_card: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One attempt to collect an invoice."""

    id: str
    href: str
    company: str
    company_url: str
    number: str
    invoice_url: str
    amount: Money
    kind: str
    word: str
    why: str
    advice: str
    who: str
    started_at: dt.datetime
    retry_at: dt.datetime | None
    has_receipt: bool


@dataclass(frozen=True, slots=True)
class StepRow:
    """One line of a payment's story."""

    at: dt.datetime
    word: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class NewsRow:
    """One piece of the provider's news."""

    id: str
    event: str
    type: str
    subject: str
    happened_at: dt.datetime
    received_at: dt.datetime
    source: str
    times: int
    kind: str
    word: str
    outcome: str
    company: str
    payment_url: str


REFUNDS: Mapping[refunds.Standing, tuple[str, LazyString]] = {
    refunds.Standing.WAITING: ("warn", _l("Waits for a second person")),
    refunds.Standing.REFUSED: ("x", _l("Refused")),
    refunds.Standing.APPROVED: ("live", _l("On its way")),
    refunds.Standing.MADE: ("ok", _l("Given back")),
    refunds.Standing.CAME_BACK: ("bad", _l("Came back to us")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundShown:
    """One refund; see templates/operator/refunds.html."""

    id: str
    amount: Money
    reason: str
    kind: str
    word: str
    asked_at: dt.datetime
    company: str
    company_path: str
    href: str
    is_top_up: bool
    is_transfer: bool
    asked_by: str
    decided_by: str
    is_waiting: bool
    is_mine: bool


def refund(
    found: Refund,
    *,
    company: str = "",
    href: str = "",
    asked_by: str = "",
    decided_by: str = "",
    is_mine: bool = False,
) -> RefundShown:
    """Return a refund as lists show it; `href` is its payment's or top-up's page."""
    kind, word = REFUNDS[found.standing]
    return RefundShown(
        id=ids.public("ref", found.refund_id),
        amount=Money(found.amount_minor, found.currency),
        reason=found.reason,
        kind=kind,
        word=str(word),
        asked_at=found.asked_at,
        company=company,
        company_path="/".join(href.split("/")[:4]),
        href=href,
        is_top_up=found.top_up_id is not None,
        is_transfer=found.is_transfer,
        asked_by=asked_by,
        decided_by=decided_by,
        is_waiting=found.standing is refunds.Standing.WAITING,
        is_mine=is_mine,
    )


def stand(found: Standing | None, *, currency: str, came_back_minor: int = 0) -> Stand | None:
    """Return how an invoice stands in words, or None while it is a draft.

    `came_back_minor`: the newest refund of one of its payments, when nobody took it.
    """
    if found is None:
        return None
    why, advice = reason(found.reason)
    if found.state is Paid.PROCESSING:
        why, advice = gettext("The payment is on its way"), gettext("A direct debit takes some days.")
    return Stand(
        state=found.state,
        why=why,
        advice=advice,
        due=Money(found.due_minor, currency),
        refunded=_some(found.refunded_minor, currency),
        is_overdue=found.is_overdue,
        can_pay=found.can_be_paid,
        surplus=_some(found.surplus_minor, currency),
        used=_some(-found.surplus_minor, currency),
        credited=_some(found.credited_minor, currency),
        came_back=_some(came_back_minor, currency),
    )


def reason(code: Reason | None) -> tuple[str, str]:
    """Return why a payment failed and what helps; empty when it did not."""
    if code is None:
        return "", ""
    why, advice = REASONS[code]
    return str(why), str(advice)


def method(found: Method) -> MethodRow:
    """Return a saved way to pay as a list shows it."""
    shown = found.shown
    return MethodRow(
        id=ids.public("pm", found.method_id),
        name=str(_KINDS.get(shown.brand, shown.brand)),
        last4=shown.last4,
        expires=shown.expires,
        is_default=found.is_default,
        is_card=found.kind == "card",
    )


def payment(
    found: Payment,
    *,
    href: str = "",
    number: str = "",
    invoice_url: str = "",
    company: str = "",
    company_url: str = "",
) -> PaymentRow:
    """Return a payment as a list shows it."""
    kind, word = STATES[found.state]
    why, advice = reason(found.reason)
    return PaymentRow(
        id=ids.public("pay", found.payment_id),
        href=href,
        company=company,
        company_url=company_url,
        number=number,
        invoice_url=invoice_url,
        amount=Money(found.amount_minor, found.currency),
        kind=kind,
        word=str(word),
        why=why,
        advice=advice,
        who=source(found.initiator),
        started_at=found.started_at,
        retry_at=found.retry_at,
        has_receipt=found.state is State.SUCCEEDED,
    )


def step(found: Step) -> StepRow:
    """Return one line of a payment's story."""
    why = reason(Reason(found.reason))[0] if found.reason else ""
    return StepRow(found.at, str(_STEPS.get(found.kind, found.kind)), why, source(found.source))


def news(found: Piece, *, company: str = "", payment_url: str = "") -> NewsRow:
    """Return a piece of news as the log shows it."""
    kind, word = NEWS_STATES[found.state]
    return NewsRow(
        id=ids.public("news", found.news_id),
        event=found.event_id,
        type=found.kind,
        subject=found.subject,
        happened_at=found.happened_at,
        received_at=found.received_at,
        source=source(found.source),
        times=found.times,
        kind=kind,
        word=str(word),
        outcome=str(_OUTCOMES.get(found.outcome) or found.outcome),
        company=company,
        payment_url=payment_url,
    )


def source(code: str) -> str:
    """Return how we came to know, or who began it."""
    return str(_SOURCES.get(code, code))


def account(code: str) -> str:
    """Return what an account of the ledger is called; revenue is called by its meter elsewhere."""
    return str(_ACCOUNTS.get(code, code))


def _some(minor: int, currency: str) -> Money | None:
    return Money(minor, currency) if minor > 0 else None
