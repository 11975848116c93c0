"""What billing announces."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import InvoiceId, PaymentId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceListPublished(Event):
    """A version of a price list is out; the tenants on the list are to take it over."""

    version_id: UUID
    price_list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsShared(Event):
    """Charges were written, by ids from `first` to `last`, of calls another company pays a part of."""

    first: UUID
    last: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CostShareAgreed(Event):
    """Another company pays a part of this one's calls from a day on, or no more."""

    cost_share_id: UUID
    other_id: TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunAsked(Event):
    """Somebody wants to know what rating a stretch again would change."""

    rerun_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunApproved(Event):
    """One piece of a run, of one company, is to be rated again."""

    rerun_id: UUID
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateDeckAsked(Event):
    """Somebody gave a file of rates that is too long to be read at once."""

    deck_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpWanted(Event):
    """So little is left in a wallet that it tops itself up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpFailed(Event):
    """A wallet tops itself up no more; `reason` is a `billing.wallets.Stopped`."""

    reason: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationAsked(Event):
    """Our books are to be compared with the payment provider's."""

    run_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFinalised(Event):
    """An invoice has its number and is frozen."""

    invoice_id: InvoiceId
    number: str
    currency: str
    total_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthAsked(Event):
    """Somebody wants the drafts of a month of every company made, or, `is_final`, approved and finalised.

    `by` is who: what waits from before it was said finalises what is approved already.
    """

    job_id: UUID
    year: int
    month: int
    is_final: bool
    by: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingAsked(Event):
    """Somebody wants what has no price rated with the prices in force now."""

    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicePaid(Event):
    """Nothing is owed on an invoice any more; no payment when money on account did it."""

    invoice_id: InvoiceId
    payment_id: PaymentId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(Event):
    """An attempt to collect an invoice has failed; `reason` is one of our own words."""

    invoice_id: InvoiceId
    payment_id: PaymentId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletLow(Event):
    """Less is left in a company's wallet than it wants to be told of; once, until there is more again."""

    available_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNewsCame(Event):
    """The payment provider says that something happened; what, is asked of it."""

    news_id: UUID
