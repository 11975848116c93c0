"""An invoice's files: PDF in two languages, e-invoice, CSV of every event behind it, proof."""

import re

from flask import Response
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import invoices
from billing import proof as proofs
from billing.accounts import LANGUAGES
from billing.documents import en16931, ubl
from billing.documents.document import CreditNote, InvoiceDocument
from billing.documents.event_csv import Numbers, render_csv
from billing.documents.pdf import render_credit_note, render_pdf
from billing.errors import CreditNoteNotFoundError, InvoiceNotFinalError
from core.ids import InvoiceId, TenantId
from security.evidence import Signer
from web import files

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def pdf(document: InvoiceDocument, *, language: str) -> Response:
    """Return the invoice as PDF; an unknown language gives the account's own."""
    chosen = language if language in LANGUAGES else document.language
    return attachment(
        render_pdf(document, language=chosen),
        name=f"{_stem(document)}-{chosen}.pdf",
        content_type="application/pdf",
    )


def credit_pdf(note: CreditNote, document: InvoiceDocument, *, language: str) -> Response:
    """Return an issued credit note as PDF; an unknown language gives the account's own.

    Raises:
        CreditNoteNotFoundError: it has no number, and so no paper, yet.
    """
    if note.number is None:
        raise CreditNoteNotFoundError
    chosen = language if language in LANGUAGES else document.language
    return attachment(
        render_credit_note(note, document, language=chosen),
        name=f"seatline-{note.number}-{chosen}.pdf",
        content_type="application/pdf",
    )


def csv(
    session: Session, *, tenant_id: TenantId, document: InvoiceDocument, numbers: Numbers | None = None
) -> BaseResponse:
    """Return every event behind the invoice as CSV, exact amounts, numbers without their last digits.

    `numbers` adds those of the other parties in full, for the company itself.
    """
    found = invoices.events(session, tenant_id=tenant_id, invoice_id=InvoiceId(document.invoice_id))
    return files.lines(
        "invoice-events",
        render_csv(found, zone=document.zone, numbers=numbers),
        name=_UNSAFE.sub("-", f"{_stem(document)}-events{'-in-full' if numbers else ''}.csv"),
        total=invoices.count_events(session, tenant_id=tenant_id, invoice_id=document.invoice_id),
    )


def proof(session: Session, *, tenant_id: TenantId, document: InvoiceDocument, signer: Signer) -> Response:
    """Return the invoice's proof, for `seatline verify`; a draft has none."""
    lines = proofs.write(session, tenant_id=tenant_id, invoice_id=document.invoice_id, signer=signer)
    return attachment(
        "".join(lines).encode(), name=f"{_stem(document)}-proof.jsonl", content_type="application/x-ndjson"
    )


def e_invoice(document: InvoiceDocument, *, country: str) -> Response:
    """Return the invoice as UBL by EN 16931, judged before it is given out; a draft has none.

    Args:
        document: the invoice.
        country: of the client company, for one whose tax number names none.

    Raises:
        InvoiceNotFinalError: it is a draft.
        EInvoiceRefusedError: a rule is broken.
    """
    if document.is_draft:
        raise InvoiceNotFinalError
    xml = en16931.checked(ubl.invoice(document, buyer_country=country))
    return attachment(xml, name=f"{_stem(document)}.xml", content_type="application/xml")


def credit_e_invoice(note: CreditNote, document: InvoiceDocument, *, country: str) -> Response:
    """Return an issued credit note as UBL by EN 16931, judged before it is given out.

    Raises:
        CreditNoteNotFoundError: it has no number yet.
        EInvoiceRefusedError: a rule is broken.
    """
    if note.number is None:
        raise CreditNoteNotFoundError
    xml = en16931.checked(ubl.credit_note(note, document, buyer_country=country))
    return attachment(xml, name=f"seatline-{note.number}.xml", content_type="application/xml")


def attachment(content: bytes, *, name: str, content_type: str) -> Response:
    """Return a file to be saved; `name` is ASCII."""
    response = Response(content, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{_UNSAFE.sub("-", name)}"'
    return response


def _stem(document: InvoiceDocument) -> str:
    return f"seatline-{document.number or f'draft-{document.period.end:%Y-%m}'}"
