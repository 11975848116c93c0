"""Invoices as they were printed when finalised: where the sealed files lie, and what they are bound to."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy.orm import Session

from billing import invoices
from billing.documents.words import LOCALES
from core.ids import TenantId
from security.vault import Field

PURPOSE = "document"


def places(tenant_id: TenantId, invoice_id: UUID) -> dict[str, tuple[str, Field]]:
    """Return the name of an invoice's file, and what it is bound to, by language."""
    return {
        language: (
            f"inv/{invoice_id}-{language}",
            Field(tenant_id, "invoices", f"pdf-{language}", invoice_id, 1, purpose=PURPOSE),
        )
        for language in LOCALES
    }


def every(session: Session, *, tenant_id: TenantId) -> Iterator[tuple[str, Field]]:
    """Yield a company's files, whether they have been printed yet or not."""
    for invoice in invoices.every(session, tenant_id=tenant_id):
        yield from places(tenant_id, invoice.invoice_id).values()
