"""Accounts with prices, and invoices; on top of tests.billing.stock."""

from typing import Any

from billing import invoices, periods, tariffs
from billing.documents.document import InvoiceDocument
from billing.price_lists import Published
from core.ids import TenantId
from security.gate import Gate, Scope
from tests.billing import stock


def billed(gate: Gate, tenant_id: TenantId, version: Published, **changes: Any) -> None:
    """Open a company's billing account and give it the version's prices."""
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, **changes)


def drafted(gate: Gate, tenant_id: TenantId, year: int, month: int) -> InvoiceDocument:
    period = periods.month(year, month, zone="Europe/London")
    with gate.open(Scope.system(tenant_id)) as session:
        return invoices.draft(session, tenant_id=tenant_id, period=period)


def finalised(gate: Gate, tenant_id: TenantId, year: int, month: int) -> InvoiceDocument:
    draft = drafted(gate, tenant_id, year, month)
    with gate.open(Scope.system(tenant_id)) as session:
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=draft.invoice_id)


__all__ = ["billed", "drafted", "finalised", "stock", "tariffs"]
