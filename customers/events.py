"""What customers announces, in the past tense; ids and values only."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import CustomerId


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErasureAsked(Event):
    """The company wants somebody forgotten; whom stands in the erasure, as keyed hashes."""

    erasure_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErased(Event):
    """Somebody was forgotten in every table; `customer_id` None: only their number was known."""

    erasure_id: UUID
    customer_id: CustomerId | None
