"""`invoice`: which invoices are final, and the proof of one as a file, for whoever keeps the machine."""

import zoneinfo
from collections.abc import Iterator

from billing import finding, invoices, proof
from core.ids import OPERATOR, TenantId
from core.money import Money
from security.gate import Scope
from tenants import companies
from tenants.companies import Company
from web.cli import said
from wiring import House


def listed(house: House, company: TenantId | None) -> list[str]:
    """Return one line for each finalised invoice, the newest number first."""
    found: list[tuple[str, str]] = []
    for one in _companies(house, company):
        with house.gate.open(Scope.system(one.tenant_id)) as session:
            for invoice in invoices.every(session, tenant_id=one.tenant_id):
                if invoice.number:
                    first = invoice.period.start.astimezone(zoneinfo.ZoneInfo(one.zone))
                    total = Money(invoice.total_minor, invoice.currency).plain()
                    found.append(
                        (invoice.number, f"{first:%Y-%m}  {invoice.currency} {total:>12}  {one.name}")
                    )
    return [f"{number}  {rest}" for number, rest in sorted(found, reverse=True)]


def proof_of(house: House, number: str) -> Iterator[str]:
    """Yield the lines of an invoice's proof, each with its line end."""
    for one in _companies(house, None):
        with house.gate.open(Scope.system(one.tenant_id)) as session:
            named = finding.named(session, tenant_id=one.tenant_id, text=number)
            if named is not None and named.prefix == "inv":
                yield from proof.write(
                    session, tenant_id=one.tenant_id, invoice_id=named.row_id, signer=house.signer
                )
                return
    said.stop(f"there is no invoice {number}: `seatline invoice list` says which there are")


def _companies(house: House, company: TenantId | None) -> list[Company]:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        if company is not None:
            return [companies.read(session, tenant_id=company)]
        return list(companies.served(session))
