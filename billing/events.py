"""What billing announces."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import InvoiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceListPublished(Event):
    """A version of a price list is out; the tenants on the list are to take it over."""

    version_id: UUID
    price_list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFinalised(Event):
    """An invoice has its number and is frozen."""

    invoice_id: InvoiceId
    number: str
    currency: str
    total_minor: int
