"""Usage as pages show it: what was used or rented, when, how much of a unit, and what it cost."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from billing import decisions
from billing.explorer import Found
from billing.rating.rentals import METERS
from core import ids
from core.errors import NotFound
from core.money import NANO
from web.shown import bills, wording

# what the ids are of that a source hands in; the rest are calls
_SUBJECTS = {"rentals": "lease", "agents": "agt", "items": "use", "storage": "use"}


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One usage event with what became of it; see templates/parts/usage.html."""

    id: str
    meter: str
    event_id: str
    source: str
    subject: str
    from_at: dt.datetime
    to_at: dt.datetime
    quantity: Decimal
    unit: str
    prefix: str
    outcome: str
    reason: str
    is_late: bool
    amount_nano: int | None
    currency: str
    invoice: str
    invoice_id: str
    line_no: int | None


def mark(last: Found) -> str:
    """Return where a list of usage goes on that ends with this, as its address says it."""
    return f"{last.occurred_at.isoformat()}~{ids.public('use', last.usage_id)}"


def before(text: str) -> tuple[dt.datetime, UUID] | None:
    """Return what `mark` wrote into an address; None when it is no such place, and the list begins anew."""
    at, _, usage_id = text.partition("~")
    try:
        found = dt.datetime.fromisoformat(at)
        return (found, ids.parse("use", usage_id)) if found.tzinfo else None
    except (ValueError, NotFound):
        return None


def entry(one: Found) -> EntryRow:
    """Return one event as a row."""
    unit = METERS[one.meter].value if one.meter in METERS else "minute"
    exact = (
        Fraction(one.units_nano, NANO) if one.units_nano is not None else Fraction(one.quantity_ms, 60_000)
    )
    return EntryRow(
        id=ids.public("use", one.usage_id),
        meter=wording.meter(one.meter),
        event_id=one.event_id,
        source=one.source,
        subject=subject(one.source, one.event_id, one.subject_ref),
        from_at=one.occurred_at,
        to_at=one.ended_at,
        quantity=bills.quantity(exact, unit),
        unit=unit,
        prefix=one.prefix,
        outcome=one.outcome,
        reason=one.reason,
        is_late=one.is_late,
        amount_nano=one.amount_nano,
        currency=one.currency or "",
        invoice=one.invoice_number or "",
        invoice_id=ids.public("inv", one.invoice_id) if one.invoice_id else "",
        line_no=one.line_no,
    )


def subject(source: str, event_id: str, subject_ref: UUID) -> str:
    """Return the outside id of what was used: a call, a rental, an agent; an order of items is its own.

    Usage that a person has taken over names its first source at the head of its key.
    """
    first = event_id.partition("/")[0] if source == decisions.SOURCE else source
    return ids.public(
        {"rentals": "lease", "agents": "agt", "items": "use", "storage": "use"}.get(first, "call"),
        subject_ref,
    )
