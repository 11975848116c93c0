"""The operator's own head: every document to come follows it, finalised ones keep theirs; no gaps."""

import dataclasses
import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import accounts, invoices, sellers, statements
from billing.accounts import Party, Seller
from billing.documents.document import InvoiceDocument
from billing.errors import SellerChangedError, SellerInvalidError, SeriesInUseError
from core import clock
from core.ids import OPERATOR, TenantId
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.factories.billing import drafted

OWN = Seller(
    issuer_id=OPERATOR,
    party=Party("Quayside Calls Ltd", ("2 Quay",), "GB123456789", city="Hull", country="GB"),
    zone="Europe/London",
    footer="Quayside Calls Ltd",
    payment=(("iban", "GB82 WEST 1234 5698 7654 32"), ("bic", "DEMOGB2L")),
)
DECEMBER = dt.datetime(2026, 12, 2, 9, tzinfo=dt.UTC)


@pytest.fixture
def both(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> tuple[TenantId, TenantId]:
    version = stock.publish(gate)
    for tenant_id in (tenant_a, tenant_b):
        with gate.open(Scope.system(tenant_id)) as session:
            stock.customer(session, tenant_id=tenant_id, version=version)
    return tenant_a, tenant_b


def told(gate: Gate, seller: Seller = OWN, *, revision: int = 0, begins: bool = False) -> sellers.Own:
    with gate.open(Scope.system(OPERATOR)) as session:
        return sellers.change(session, seller=seller, revision=revision, begins_series=begins)


def closed(gate: Gate, tenant_id: TenantId, month: int) -> InvoiceDocument:
    made = drafted(gate, tenant_id, 2026, month)
    with clock.hold(DECEMBER), gate.open(Scope.system(tenant_id)) as session:
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=made.invoice_id)


def found(gate: Gate, tenant_id: TenantId, document: InvoiceDocument) -> InvoiceDocument:
    with gate.open(Scope.system(tenant_id)) as session:
        return invoices.find(session, tenant_id=tenant_id, invoice_id=document.invoice_id)


def test_before_it_is_written_down_the_head_an_account_was_opened_with_holds(
    gate: Gate, both: tuple[TenantId, TenantId]
) -> None:
    with gate.open(Scope.system(both[0])) as session:
        account = accounts.find(session, tenant_id=both[0])
        assert sellers.find(session) is None
        assert sellers.of(session, account) == stock.SELLER


def test_every_companys_documents_follow_and_finalised_ones_stay(
    gate: Gate, both: tuple[TenantId, TenantId]
) -> None:
    before = closed(gate, both[0], 9)
    waits = {tenant_id: drafted(gate, tenant_id, 2026, 10) for tenant_id in both}
    assert told(gate) == sellers.Own(OWN, 1)
    assert found(gate, both[0], before).seller == stock.SELLER
    for tenant_id, draft in waits.items():
        assert found(gate, tenant_id, draft).seller == OWN, "a draft is shown as it will be"
        with clock.hold(DECEMBER), gate.open(Scope.system(tenant_id)) as session:
            done = invoices.finalise(session, tenant_id=tenant_id, invoice_id=draft.invoice_id)
            assert done.seller == OWN
            paper = statements.of(
                session, tenant_id=tenant_id, first_on=dt.date(2026, 10, 1), last_on=dt.date(2026, 10, 31)
            )
        assert paper.seller == OWN
        assert found(gate, tenant_id, done).seller == OWN
    told(gate, dataclasses.replace(OWN, footer="Another"), revision=1)
    for tenant_id, draft in waits.items():
        assert found(gate, tenant_id, draft).seller == OWN


def test_what_changed_stands_in_the_log_once(gate: Gate, both: tuple[TenantId, TenantId]) -> None:
    told(gate)
    assert told(gate, revision=1).revision == 1, "nothing changed"
    moved = dataclasses.replace(OWN, footer="x", party=dataclasses.replace(OWN.party, city="York"))
    assert told(gate, moved, revision=1).revision == 2
    with gate.open(Scope.system(OPERATOR)) as session:
        entries = evidence.page(session, tenant_id=OPERATOR, limit=10, action="seller.").entries
    assert entries[0].fact.details["field"] == "city footer"
    assert len(entries) == 2


def test_two_who_change_it_at_once_are_told(gate: Gate) -> None:
    told(gate)
    with pytest.raises(SellerChangedError):
        told(gate)


def test_the_head_that_cannot_be_is_refused(gate: Gate) -> None:
    for change, field in (
        ({"party": Party("")}, "name"),
        ({"payment": (("iban", "GB00 0000"),)}, "iban"),
        ({"series": ""}, "series"),
        ({"series": "S-L"}, "series"),
        ({"series": "sl"}, "series"),
        ({"series": "S" * 11}, "series"),
    ):
        with pytest.raises(SellerInvalidError) as refusal:
            told(gate, dataclasses.replace(OWN, **change))
        assert refusal.value.details["fields"] == [field]


def test_a_series_with_numbers_is_left_only_when_that_is_meant_and_none_gets_a_gap(
    gate: Gate, both: tuple[TenantId, TenantId]
) -> None:
    told(gate)
    assert closed(gate, both[0], 9).number == "SL-2026-000001"
    other = dataclasses.replace(OWN, series="QC")
    with pytest.raises(SeriesInUseError) as refusal:
        told(gate, other, revision=1)
    assert refusal.value.details["last"] == "SL-2026-000001"
    told(gate, other, revision=1, begins=True)
    assert closed(gate, both[0], 10).number == "QC-2026-000001"
    told(gate, OWN, revision=2, begins=True)
    assert closed(gate, both[1], 10).number == "SL-2026-000002", "gone on with where it was left"
    with gate.open(Scope.system(OPERATOR)) as session:
        assert [one.last for one in sellers.series(session)] == ["QC-2026-000001", "SL-2026-000002"]


def test_a_series_without_numbers_is_left_at_will(gate: Gate) -> None:
    told(gate)
    assert told(gate, dataclasses.replace(OWN, series="QC"), revision=1).revision == 2


def test_every_company_reads_it_and_none_writes_it(gate: Gate, both: tuple[TenantId, TenantId]) -> None:
    told(gate)
    with gate.open(Scope.system(both[0])) as session:
        assert sellers.find(session) == sellers.Own(OWN, 1)
        assert sellers.series(session) == (), "how many invoices there are is the operator's own"
        changed = session.execute(text("UPDATE app.sellers SET revision = 9 RETURNING revision"))
        assert changed.all() == []
    with pytest.raises(DBAPIError), gate.open(Scope.system(both[0])) as session:
        session.execute(text("INSERT INTO app.sellers VALUES (gen_random_uuid(), '{}', 1, now())"))
