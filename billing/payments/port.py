"""A payment provider as we see it; Stripe keeps this promise, and so does having none yet.

Calls go out to another company and may take seconds: nobody holds a transaction while they run. A decline
is an answer, not an error. Every call that makes something carries a key made from our own ids, so asking
twice makes one thing; keys outlive a day only through the ids the provider keeps for us.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.ids import InvoiceId, PaymentId, TenantId


class State(StrEnum):
    """How far a payment has come, in our words."""

    STARTED = "started"  # nothing has moved; somebody may be typing a card number
    REQUIRES_ACTION = "requires-action"  # the payer's bank wants the payer to confirm
    PROCESSING = "processing"  # on its way; a bank debit takes days
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a payment failed, in our words; `web.words` says them to people."""

    DECLINED = "declined"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    EXPIRED = "card-expired"
    WRONG_CODE = "wrong-security-code"
    LOST_OR_STOLEN = "lost-or-stolen"
    NEEDS_CONFIRMING = "needs-confirming"
    NOT_CONFIRMED = "not-confirmed"
    ACCOUNT_CLOSED = "account-closed"
    DEBIT_REFUSED = "debit-refused"
    TOO_SMALL = "amount-too-small"
    TOO_LARGE = "amount-too-large"
    METHOD_GONE = "method-gone"
    WRONG_CURRENCY = "wrong-currency"
    PROVIDER_TROUBLE = "provider-trouble"
    CHARGED_BACK = "charged-back"
    OTHER = "other"


class Moved(StrEnum):
    """What moved the money a provider holds for us."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_FAILED = "refund-failed"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute-won"
    PAYOUT = "payout"  # to our bank
    PAYOUT_FAILED = "payout-failed"
    FEE = "fee"  # the provider's own, which no payment's line has
    OTHER = "other"  # what we know nothing of
    BALANCE = "balance"  # nothing: all that the provider holds, beside our clearing account
    INVOICE = "invoice"  # nothing: the provider's copy of an invoice, compared before anybody can pay it


# Asking again later may help with these; with the others only another method does.
WORTH_RETRYING = frozenset({Reason.DECLINED, Reason.INSUFFICIENT_FUNDS, Reason.PROVIDER_TROUBLE})


@dataclass(frozen=True, slots=True)
class Shown:
    """What people see of a saved method; the numbers themselves never reach us."""

    brand: str
    last4: str
    expires: str = ""  # MM/YYYY; empty for bank accounts


@dataclass(frozen=True, slots=True)
class RemoteMethod:
    """A saved method at the provider."""

    remote_id: str
    kind: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class RemoteRefund:
    """Money on its way back, or back with us because nobody took it (`is_failed`).

    `refund_id` is the id it was asked for under; None when it was made at the provider.
    """

    remote_id: str
    amount_minor: int
    currency: str
    is_failed: bool
    made_at: dt.datetime
    refund_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RemoteDispute:
    """A payment its holder took back; `is_won`: it was decided for us, `is_warning`: no money moved."""

    remote_id: str
    amount_minor: int
    currency: str
    is_won: bool
    is_warning: bool
    made_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePayment:
    """A payment as the provider has it now.

    Attributes:
        remote_id: the provider's name for it; empty when it refused to begin one.
        tenant_id: whose it is, as we told the provider; None when it is not of our making.
        next_url: where the payer confirms it to their bank.
        fee_minor: what the provider keeps of it, once known.
    """

    remote_id: str
    state: State
    amount_minor: int
    currency: str
    tenant_id: TenantId | None = None
    invoice_id: InvoiceId | None = None
    payment_id: PaymentId | None = None
    reason: Reason | None = None
    next_url: str = ""
    receipt_url: str = ""
    succeeded_at: dt.datetime | None = None
    fee_minor: int = 0
    fee_currency: str = ""
    method: str = ""
    refunds: tuple[RemoteRefund, ...] = ()
    disputes: tuple[RemoteDispute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One line of the provider's own books: what it did to the money it holds for us.

    Attributes:
        entry_id: the line's own name; no two have the same.
        remote_id: of the payment, refund, dispute or payout it comes from.
        amount_minor: before its fee; below zero: taken.
        tenant_id: whose payment it was, as we told the provider; None when it is not of our making.
    """

    entry_id: str
    moved: Moved
    remote_id: str
    amount_minor: int
    fee_minor: int
    currency: str
    at: dt.datetime
    tenant_id: TenantId | None = None
    payment_id: PaymentId | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the provider's, where card data is typed; `url` is empty once it is closed."""

    page_id: str
    url: str
    is_open: bool
    is_expired: bool = False
    remote_id: str = ""  # of the payment begun there


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be collected, for whom, and under which names.

    `number` stands on the payer's receipt; `attempt` makes the key of a second try another one. Without an
    invoice it tops a wallet up, and `payment_id` is the top-up's.
    """

    tenant_id: TenantId
    invoice_id: InvoiceId | None
    payment_id: PaymentId
    attempt: int
    payer: str
    amount_minor: int
    currency: str
    number: str


@dataclass(frozen=True, slots=True)
class Way:
    """Where the provider's page sends people back to, and in which language it speaks."""

    done_url: str
    back_url: str
    language: str


@dataclass(frozen=True, slots=True)
class News:
    """What the provider says has happened: a hint. The facts are asked for."""

    event_id: str
    kind: str
    subject: str  # id of the object it is about
    happened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class About:
    """What a piece of news turns out to be about, asked of the provider.

    All None: nothing of ours. `page_expired`: the payment whose page was left behind.
    """

    payment: RemotePayment | None = None
    methods_of: TenantId | None = None
    page_expired: tuple[TenantId, PaymentId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLine:
    """A line of the provider's copy of an invoice; `key` tells it from the others of the same copy."""

    key: str
    text: str
    amount_minor: int
    tax_minor: int
    tax_category: str
    tax_rate_ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOrder:
    """An invoice as the provider shall have it; `version` counts how often it was begun anew.

    `begun_at` is when this version was begun here: it was not made there before.
    """

    tenant_id: TenantId
    invoice_id: InvoiceId
    version: int
    payer: str
    number: str
    currency: str
    due_at: dt.datetime
    begun_at: dt.datetime
    lines: tuple[CopyLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCopy:
    """The provider's copy of an invoice as it is now.

    Attributes:
        state: the provider's word: `draft`, `open`, `paid`, `void`, `uncollectible`.
        due_minor: what the provider wants for it before anything was paid; another sum than the total where
            it takes something into account that we know nothing of.
        remaining_minor: what is still to be paid there.
        keys: of its lines.
        payments: the provider's names of the payments that count for it.
        credited: our ids of the credit notes it has.
        page_url: where people see it and pay it, once it is final.
    """

    remote_id: str
    state: str
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    due_minor: int
    remaining_minor: int
    keys: tuple[str, ...]
    payments: frozenset[str] = frozenset()
    credited: frozenset[UUID] = frozenset()
    page_url: str = ""
    pdf_url: str = ""


class Provider(Protocol):
    """Collects money.

    Every method that calls out raises:
        ProviderAwayError: no answer, too many requests, or trouble over there; the same call may be repeated.
        ProviderRefusesError: our key or our request is not taken; repeating does not help.
        NotConnectedError: there is none.
    """

    @property
    def is_connected(self) -> bool:
        """Whether there is a provider at all."""
        ...

    @property
    def keeps_copies(self) -> bool:
        """Whether the provider is given a copy of each invoice."""
        ...

    @property
    def account(self) -> str:
        """The account at the provider that the key belongs to; asked once, then remembered."""
        ...

    def make_payer(self, *, tenant_id: TenantId, name: str, language: str) -> str:
        """Return the provider's name for a company, made when it has none; a company has no personal data."""
        ...

    def saving_page(self, *, payer: str, tenant_id: TenantId, visit: UUID, currency: str, way: Way) -> Page:
        """Open a page where a method is saved."""
        ...

    def paying_page(self, order: Order, *, way: Way, until: dt.datetime) -> Page:
        """Open a page where an order is paid, by whatever the payer likes; it closes by itself at `until`.

        From half an hour to a day from now; the same order asks for the same instant again.
        """
        ...

    def page(self, page_id: str) -> Page:
        """Look at a page again."""
        ...

    def close_page(self, page_id: str) -> Page:
        """Close a page and what was begun there; one that is closed or used already stays as it is."""
        ...

    def charge(self, order: Order, *, method: str, return_url: str | None) -> RemotePayment:
        """Charge a saved method; `return_url` when the payer sits before the screen."""
        ...

    def payment(self, remote_id: str) -> RemotePayment:
        """Return a payment as it is now."""
        ...

    def find_payment(self, *, payer: str, payment_id: PaymentId) -> RemotePayment | None:
        """Return the payment made for ours, when we have lost its name."""
        ...

    def give_up(self, remote_id: str) -> RemotePayment:
        """Cancel a payment that has not succeeded; return it as it then is."""
        ...

    def refund(
        self, remote_id: str, *, payment_id: PaymentId, amount_minor: int, refund_id: UUID
    ) -> RemotePayment:
        """Give money back and return the payment as it then is; once for `refund_id`, an id of ours."""
        ...

    def methods(self, payer: str) -> tuple[RemoteMethod, ...]:
        """Return the methods saved for a payer, newest first."""
        ...

    def forget_method(self, remote_id: str) -> None:
        """Remove a saved method; one that is gone already stays gone."""
        ...

    def read_news(self, body: bytes, *, signature: str, now: dt.datetime) -> News:
        """Return what a webhook says.

        Raises:
            NewsRefusedError: not signed, too old, from the future, for another account or mode, no event.
        """
        ...

    def ask_about(self, event_id: str) -> About:
        """Ask what stands behind a piece of news, as it is now."""
        ...

    def news_since(self, instant: dt.datetime) -> tuple[News, ...]:
        """Return the news since an instant, oldest first; for what never reached us."""
        ...

    def movements(self, *, start: dt.datetime, end: dt.datetime) -> tuple[Movement, ...]:
        """Return the lines of the provider's own books in `[start, end)`, oldest first."""
        ...

    def holds(self) -> Mapping[str, int]:
        """Return what the provider holds for us now, paid out some day or not yet, by currency."""
        ...

    def make_copy(self, order: CopyOrder) -> RemoteCopy:
        """Return the draft of a copy, made when there is none of this version; its lines come after."""
        ...

    def add_to_copy(self, order: CopyOrder, remote_id: str, *, lines: Sequence[CopyLine]) -> None:
        """Put lines on a draft; the same lines once."""
        ...

    def copy(self, remote_id: str) -> RemoteCopy | None:
        """Return a copy as it is now; None: it is not there any more."""
        ...

    def finalise_copy(self, order: CopyOrder, remote_id: str) -> None:
        """Let a draft be seen and paid; it does not change after that."""
        ...

    def discard_copy(self, remote_id: str) -> None:
        """Throw a draft away; one that is gone stays gone."""
        ...

    def pay_copy(self, remote_id: str, *, payment: str) -> None:
        """Let a payment that has succeeded count for a copy."""
        ...

    def close_copy(self, remote_id: str) -> None:
        """Mark what is left of a copy as paid otherwise: nobody can pay it there any more."""
        ...

    def credit_copy(
        self, remote_id: str, *, credit_note_id: UUID, number: str, amount_minor: int, paid_minor: int
    ) -> None:
        """Lessen a copy by a credit note of ours, of which `paid_minor` lessens what was paid already."""
        ...
