"""The proof of an invoice: one signed file with everything the invoice was made of, for `seatline verify`.

Lines of JSON in the order in which they are checked (`billing.verify`): the earlier invoices of the
company, the head, the prices as bought, what is agreed and what the invoice before left of it, each line
followed by its events, lines of what was agreed with their arithmetic, the taxes, the signature. Each
record carries a hash over itself and the record before it, the last hash is signed; so the first place
that was changed can be named. Numbers stand without their last four digits, which is all billing knows.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import invoices
from billing.bill import Kind, Line
from billing.documents.document import BilledEvent, InvoiceDocument
from billing.documents.event_csv import masked
from billing.errors import InvoiceNotFinalError
from billing.models import InvoiceRow, TariffRow
from billing.rating.rentals import METERS
from core import ids
from core.ids import TenantId
from security.evidence import Signer

FORMAT = "seatline-invoice-proof/1"
LABEL = b"seatline/invoice-proof/v1\n"
BEGINNING = hashlib.sha256(FORMAT.encode()).hexdigest()


def write(session: Session, *, tenant_id: TenantId, invoice_id: UUID, signer: Signer) -> Iterator[str]:
    """Return the lines of an invoice's proof, each with its line end.

    Args:
        session: in the tenant's context; open until the last line is read.
        tenant_id: the client company.
        invoice_id: a finalised invoice.
        signer: of the evidence log; whoever knows its public key checks the file with it.

    Raises:
        InvoiceNotFoundError: no such invoice.
        InvoiceNotFinalError: a draft may still change, and proves nothing.
    """
    document = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
    if document.is_draft:
        raise InvoiceNotFinalError
    return _signed(_records(session, tenant_id, document), signer)


def chained(before: str, record: Mapping[str, Any]) -> str:
    """Return the hash of a record that follows another: SHA-256 over its hash and this record, as hex."""
    return hashlib.sha256(f"{before}\n{canonical(record)}".encode()).hexdigest()


def canonical(value: object) -> str:
    """Return the one text of a JSON value: sorted keys, no blanks, ASCII, as tariffs are hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _signed(records: Iterator[dict[str, Any]], signer: Signer) -> Iterator[str]:
    at = BEGINNING
    for record in records:
        at = chained(at, record)
        yield json.dumps({**record, "sha256": at}, ensure_ascii=False) + "\n"
    signature = signer.sign_bytes(LABEL + at.encode())
    last = {
        "kind": "signature",
        "signature": base64.b64encode(signature).decode(),
        "public_key": base64.b64encode(signer.public_key).decode(),
    }
    yield json.dumps(last) + "\n"


def _records(session: Session, tenant_id: TenantId, document: InvoiceDocument) -> Iterator[dict[str, Any]]:
    yield {"kind": "format", "format": FORMAT, "company": ids.public("ten", tenant_id)}
    yield from _earlier(session, tenant_id, document)
    yield _head(document)
    lines, places = document.bill.lines, dict[UUID, int]()
    terms = [document.terms_tariff_id] if document.terms_tariff_id else []
    for tariff_id in (*(line.tariff_id for line in lines), *terms):
        if tariff_id not in places:
            places[tariff_id] = len(places) + 1
            yield _prices(session, tenant_id, tariff_id, places[tariff_id])
    if document.agreed is not None:
        month = places[document.terms_tariff_id] if document.terms_tariff_id else None
        counts = {"counts": document.agreed["counts"]} if "counts" in document.agreed else {}
        yield {"kind": "terms", "prices": month, "before": document.agreed["before"], **counts}
    events = invoices.events(session, tenant_id=tenant_id, invoice_id=document.invoice_id)
    begun = 0
    for event in events:
        while begun < event.line_no:
            yield _line(lines[begun], places)
            begun += 1
        yield _event(event)
    for line in lines[begun:]:
        yield _line(line, places)
    for tax in document.bill.taxes:
        yield {
            "kind": "tax",
            "category": tax.category,
            "rate_ppm": tax.rate_ppm,
            "taxable_minor": tax.taxable_minor,
            "tax_minor": tax.tax_minor,
        }


def _earlier(session: Session, tenant_id: TenantId, document: InvoiceDocument) -> Iterator[dict[str, Any]]:
    """Yield the company's invoices before this one: a later file that lacks or changes one contradicts it."""
    rows = session.scalars(
        select(InvoiceRow)
        .where(
            InvoiceRow.tenant_id == tenant_id,
            InvoiceRow.state == "finalised",
            InvoiceRow.period_start < document.period.start,
        )
        .order_by(InvoiceRow.period_start)
    )
    for row in rows:
        yield {
            "kind": "earlier",
            "number": row.number,
            "period_start": instant(row.period_start),
            "period_end": instant(row.period_end),
            "currency": row.currency,
            "total_minor": row.total_minor,
        }


def _head(document: InvoiceDocument) -> dict[str, Any]:
    bill = document.bill
    return {
        "kind": "invoice",
        "id": ids.public("inv", document.invoice_id),
        "number": document.number,
        "issued_on": document.issued_on.isoformat() if document.issued_on else None,
        "due_on": document.due_on.isoformat() if document.due_on else None,
        "period_start": instant(document.period.start),
        "period_end": instant(document.period.end),
        "zone": document.zone,
        "seller": {"name": document.seller.party.name, "tax_id": document.seller.party.tax_id},
        "buyer": {"name": document.buyer.name, "tax_id": document.buyer.tax_id},
        "currency": bill.currency,
        "lines": len(bill.lines),
        "events": sum(line.events for line in bill.lines),
        "net_minor": bill.net_minor,
        "tax_minor": bill.tax_minor,
        "total_minor": bill.total_minor,
    }


def _prices(session: Session, tenant_id: TenantId, tariff_id: UUID, place: int) -> dict[str, Any]:
    row = session.get_one(TariffRow, (tenant_id, tariff_id))
    return {
        "kind": "prices",
        "prices": place,
        "in_force_from": instant(row.effective_from),
        "content_sha256": row.sha256.hex(),
        "content": json.loads(row.content),
    }


def _line(line: Line, places: Mapping[UUID, int]) -> dict[str, Any]:
    return {
        "kind": "line",
        "line_no": line.line_no,
        "meter": line.meter,
        "destination": line.destination,
        "names": dict(line.names),
        "prices": places[line.tariff_id],
        "price_list": line.price_list,
        "version": line.version,
        "unit_nano": line.unit_nano,
        "is_late": line.is_late,
        "events": line.events,
        "billed_seconds": line.billed_seconds,
        "units_nano": line.units_nano,
        "amount_nano": line.amount_nano,
        "amount_minor": line.amount_minor,
        "tax_category": line.tax_category,
        "tax_rate_ppm": line.tax_rate_ppm,
        # what was written before there were other kinds says nothing of it
        **({} if line.kind is Kind.METERED else {"line_kind": line.kind.value}),
        **({} if line.arithmetic is None else {"arithmetic": dict(line.arithmetic)}),
    }


def _event(event: BilledEvent) -> dict[str, Any]:
    return {
        "kind": "event",
        "line_no": event.line_no,
        "source": event.source,
        "event_id": event.event_id,
        "meter": event.meter,
        "number": "" if event.meter in METERS else masked(event.dialled_prefix),
        "started_at": instant(event.occurred_at),
        "ended_at": instant(event.ended_at),
        "quantity_ms": event.quantity_ms,
        "rated_prefix": event.rated_prefix,
        "destination": event.destination,
        "billed_seconds": event.billed_seconds,
        "units_nano": event.units_nano,
        "amount_nano": event.amount_nano,
    }


def instant(at: dt.datetime) -> str:
    """Return an instant as the file writes it: UTC to the microsecond."""
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds")
