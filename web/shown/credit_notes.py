"""Credit notes as the client and the operator see them."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext

from billing.credit_notes import Left
from billing.documents.document import CreditNote, InvoiceDocument
from core import ids
from core.money import Money
from web.shown import invoices


@dataclass(frozen=True, slots=True)
class CreditRow:
    """One credit note; see templates/parts/credit_notes.html. `mine`: the reader asked for it."""

    id: str
    number: str | None
    state: str
    total: Money
    reason: str
    at: dt.datetime
    by: str
    mine: bool
    pdf: str
    xml: str = ""


@dataclass(frozen=True, slots=True)
class LineLeft:
    """A line of an invoice, and what can still be credited of it."""

    line_no: int
    name: str
    amount: Money
    left: Money


def rows(
    found: Iterable[CreditNote],
    *,
    base: str,
    names: Mapping[UUID, str] | None = None,
    reader: UUID | None = None,
    has_xml: bool = False,
) -> list[CreditRow]:
    """Return credit notes in the order they come; files lie at `<base>/<id>/pdf`."""
    shown = []
    for one in found:
        key = ids.public("crn", one.credit_note_id)
        shown.append(
            CreditRow(
                id=key,
                number=one.number,
                state=one.state,
                total=Money(one.total_minor, one.currency),
                reason=one.reason,
                at=one.decided_at or one.asked_at,
                by=(names or {}).get(one.asked_by, ""),
                mine=one.asked_by == reader,
                pdf=f"{base}/{key}/pdf" if one.number else "",
                xml=f"{base}/{key}/xml" if one.number and has_xml else "",
            )
        )
    return shown


def lines_left(invoice: InvoiceDocument, left: Left) -> list[LineLeft]:
    """Return an invoice's lines with what can still be credited of each."""
    currency = invoice.bill.currency
    return [
        LineLeft(
            line.line_no,
            invoices.line_name(line),
            Money(line.amount_minor, currency),
            Money(max(0, min(left.lines[line.line_no], left.net_minor)), currency),
        )
        for line in invoice.bill.lines
        if line.amount_minor > 0
    ]


def too_large(left_minor: object, currency: str) -> str:
    """Say how much there is to credit."""
    left = Money(left_minor if isinstance(left_minor, int) else 0, currency)
    said: str = gettext(
        "There are only %(amount)s left to credit there.", amount=f"{left.plain()} {currency}"
    )
    return said
