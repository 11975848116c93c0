"""T52: a row put back, changed, added or taken away past the service is found by comparing with the log."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from billing.documents.document import InvoiceDocument
from core import clock, ids
from core.ids import OPERATOR, TenantId
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import proof
from tenants import alarms, companies
from tests.conftest import Prepared, admitted
from tests.factories import payments, telephony
from tests.telephony.outbound import desk
from wiring import comparing
from wiring.comparing import Compared, RowsDifferError

ADDED = (
    "INSERT INTO app.journals (tenant_id, id, key, kind, invoice_id, effective_at, created_at)"
    " SELECT tenant_id, gen_random_uuid(), key || '2', kind, invoice_id, effective_at,"
    " created_at + interval '1 second' FROM app.journals"
)

ANOTHER = (
    "INSERT INTO app.cdrs SELECT (jsonb_populate_record(c, jsonb_build_object('call_id',"
    " gen_random_uuid()))).* FROM app.cdrs c LIMIT 1"
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


@pytest.fixture
def calls_noted(gate: Gate, vault: Vault) -> TenantId:
    """A company with three calls, of which the log has the digests."""
    tenant_id = admitted(gate)
    made = desk.caller(gate, vault, tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        digits = session.execute(text("SELECT digits FROM app.numbers")).scalar_one()
    line = telephony.Line(tenant_id, made.number_id, made.queue_id, digits)
    for _call in range(3):
        telephony.call(gate, vault, line)
    later = clock.now() + dt.timedelta(minutes=30)
    with gate.open(Scope.system(tenant_id)) as session:
        assert proof.note(session, tenant_id=tenant_id, at=later) >= 1
    with gate.open(Scope.system(tenant_id)) as session:
        assert proof.note(session, tenant_id=tenant_id, at=later) == 0
    return tenant_id


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE app.cdrs SET talk_ms = talk_ms + 1",
        "UPDATE app.cdrs SET bridged_at = NULL",
        "DELETE FROM app.cdrs WHERE call_id = (SELECT min(call_id::text)::uuid FROM app.cdrs)",
        ANOTHER,
    ],
)
def test_a_call_record_that_was_changed_past_the_service_is_found(
    gate: Gate, calls_noted: TenantId, thief: psycopg.Connection[Any], deed: str
) -> None:
    before = comparing.compare(gate, tenant_id=calls_noted)
    assert before.rows >= 1
    assert before.differing == ()
    assert thief.execute(deed.encode()).rowcount >= 1
    found = comparing.compare(gate, tenant_id=calls_noted)
    assert len(found.differing) >= 1
    assert all(one.startswith("calls of 20") for one in found.differing)


def test_a_call_record_put_between_the_minutes_of_the_log_is_found(
    gate: Gate, calls_noted: TenantId, thief: psycopg.Connection[Any]
) -> None:
    """As if the log had been told of an earlier minute too: what stands between the two was never in it."""
    hours_ago = clock.now().replace(second=0, microsecond=0) - dt.timedelta(hours=3)
    with gate.open(Scope.system(calls_noted)) as session:
        count, digest = proof.of_minute(session, tenant_id=calls_noted, minute=hours_ago)
        said = hours_ago.strftime("%Y-%m-%dT%H:%MZ")
        evidence.record(session, proof.NOTED, minute=said, calls=count, digest=digest)
    assert comparing.compare(gate, tenant_id=calls_noted).differing == ()
    between = hours_ago + dt.timedelta(hours=1)
    moved = ANOTHER.replace("gen_random_uuid())", "gen_random_uuid(), 'written_at', %s::timestamptz)")
    assert thief.execute(moved.encode(), (between,)).rowcount == 1
    assert comparing.compare(gate, tenant_id=calls_noted).differing == (
        between.strftime("calls of %Y-%m-%dT%H:%MZ"),
    )


def test_a_minute_waits_for_whoever_may_still_write_into_it(
    gate: Gate, vault: Vault, calls_noted: TenantId
) -> None:
    """A hang-up that takes its time is in the digest of its minute, which is not written before."""
    now = clock.now()
    with gate.open(Scope.system(calls_noted)) as slow:
        slow.execute(text("SELECT 1"))
        with gate.open(Scope.system(calls_noted)) as session:
            assert proof._settled(session, now + dt.timedelta(minutes=5)) <= now
            assert proof._settled(session, now + dt.timedelta(minutes=60)) > now
    with gate.open(Scope.system(calls_noted)) as session:
        assert proof._settled(session, now + dt.timedelta(minutes=5)) > now
