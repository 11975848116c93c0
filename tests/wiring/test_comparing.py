"""T52: a row put back, changed, added or taken away past the service is found by comparing with the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from billing.documents.document import InvoiceDocument
from core import ids
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from tenants import alarms, companies
from tests.conftest import Prepared
from tests.factories import payments
from wiring import comparing
from wiring.comparing import Compared, RowsDifferError

ADDED = (
    "INSERT INTO app.journals (tenant_id, id, key, kind, invoice_id, effective_at, created_at)"
    " SELECT tenant_id, gen_random_uuid(), key || '2', kind, invoice_id, effective_at,"
    " created_at + interval '1 second' FROM app.journals"
)


@dataclass(frozen=True)
class House:
    """As much of a process as comparing needs."""

    gate: Gate


@pytest.fixture
def company(gate: Gate) -> TenantId:
    with gate.open(Scope.system(OPERATOR)) as session:
        return companies.open_company(
            session,
            name="Larkfield Energy",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Lk",
            colour=1,
        ).tenant_id


@pytest.fixture
def invoice(gate: Gate, company: TenantId) -> InvoiceDocument:
    return payments.owing(gate, company)


@pytest.fixture
def thief(prepared: Prepared, gate: Gate) -> Iterator[psycopg.Connection[Any]]:
    """Whoever holds the database: a superuser, for whom no trigger runs."""
    with gate.outside() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    url = prepared.admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET session_replication_role = replica")
        yield opened


def test_what_was_written_is_what_stands_there(
    gate: Gate, company: TenantId, invoice: InvoiceDocument
) -> None:
    assert invoice.number
    assert comparing.compare(gate, tenant_id=company) == Compared(2, ())
    comparing.run(House(gate))


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE app.invoices SET total_minor = total_minor - 100, net_minor = net_minor - 100",
        "UPDATE app.invoices SET buyer = jsonb_set(buyer, '{name}', '\"Somebody Else\"')",
        "UPDATE app.invoice_lines SET amount_minor = amount_minor + 1",
        "DELETE FROM app.invoice_taxes",
        "DELETE FROM app.invoices",
        "UPDATE app.postings SET amount_minor = -amount_minor",
        "UPDATE app.journals SET effective_at = effective_at + interval '1 second'",
        "DELETE FROM app.postings WHERE n = 1",
        ADDED,
    ],
)
def test_a_row_that_was_changed_past_the_service_is_found(
    gate: Gate, company: TenantId, invoice: InvoiceDocument, thief: psycopg.Connection[Any], deed: str
) -> None:
    assert thief.execute(deed.encode()).rowcount >= 1
    found = comparing.compare(gate, tenant_id=company)
    assert len(found.differing) == 1
    if "app.invoice" in deed:
        assert found.differing == (ids.public("inv", invoice.invoice_id),)
    with pytest.raises(RowsDifferError):
        comparing.run(House(gate))
    with gate.open(Scope.system(company)) as session:
        (raised,) = alarms.page(session, tenant_id=company, limit=5)
    assert (raised.kind, raised.subject) == ("rows-differ", found.differing[0])
