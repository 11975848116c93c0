"""Disputes as the client and the operator see them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing.disputes import Dispute, Item
from billing.documents.document import InvoiceDocument
from core import ids
from core.money import NANO, Money, nano_to_minor
from web.shown import invoices

_KINDS: Mapping[str, LazyString] = {
    "line": _l("The whole line"),
    "missing": _l("Not on the invoice"),
    "extra": _l("Only on the invoice"),
    "duration": _l("Another duration"),
    "price": _l("Another price"),
}
SHOWN = 200


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One thing that is said to be wrong; see templates/parts/disputes.html. Seconds and amounts as text."""

    kind: str
    line: str
    at: dt.datetime | None
    ours_s: str
    theirs_s: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Sum:
    """How many things of one kind."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """A dispute; `company` and `href` are for lists."""

    id: str
    number: str
    state: str
    reason: str
    answer: str
    opened_at: dt.datetime
    in_question: Money
    kinds: tuple[Sum, ...]
    items: tuple[ItemRow, ...]
    more: int
    href: str
    company: str = ""


def dispute(found: Dispute, invoice: InvoiceDocument, *, href: str, company: str = "") -> DisputeRow:
    """Return a dispute as a page shows it, with its first things in question."""
    names = {line.line_no: invoices.line_name(line) for line in invoice.bill.lines}
    counts: dict[str, int] = {}
    for one in found.items:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    return DisputeRow(
        id=ids.public("dsp", found.dispute_id),
        number=invoice.number or "",
        state=found.state,
        reason=found.reason,
        answer=found.answer,
        opened_at=found.opened_at,
        in_question=Money(found.in_question_minor, found.currency),
        kinds=tuple(Sum(str(_KINDS[kind]), count) for kind, count in counts.items()),
        items=tuple(_item(one, names) for one in found.items[:SHOWN]),
        more=max(0, len(found.items) - SHOWN),
        href=href,
        company=company,
    )


def proposed(found: Dispute) -> dict[int, str]:
    """Return what is in question of each line as it is typed: `12.50`."""
    sums: dict[int, int] = {}
    for one in found.items:
        if one.line_no is not None:
            sums[one.line_no] = sums.get(one.line_no, 0) + one.in_question_nano
    minors = {line_no: nano_to_minor(nano, currency=found.currency) for line_no, nano in sums.items()}
    return {line_no: Money(minor, found.currency).plain() for line_no, minor in minors.items() if minor}


def _item(one: Item, names: Mapping[int, str]) -> ItemRow:
    return ItemRow(
        kind=str(_KINDS[one.kind]),
        line=names.get(one.line_no or 0, ""),
        at=one.started_at,
        ours_s=_seconds(one.ours_ms),
        theirs_s=_seconds(one.theirs_ms),
        ours=_exact(one.ours_nano),
        theirs=_exact(one.theirs_nano),
    )


def _seconds(ms: int | None) -> str:
    return "" if ms is None else f"{ms / 1000:g}"


def _exact(nano: int | None) -> str:
    return "" if nano is None else f"{Decimal(nano) / NANO:.6f}"
