"""Every movement sums to zero, happens once, and never changes."""

import datetime as dt

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import ledger
from billing.errors import UnbalancedJournalError
from billing.ledger import CLEARING, RECEIVABLE, TAX, Posting
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from tests.factories import payments
from wiring.prepare import DatabaseUrls

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def move(gate: Gate, tenant_id: TenantId, key: str = "payment:1:succeeded", minor: int = 100) -> bool:
    with gate.open(Scope.system(tenant_id)) as session:
        return ledger.post(
            session,
            tenant_id=tenant_id,
            key=key,
            kind="payment",
            effective_at=AT,
            postings=[Posting(CLEARING, minor, "GBP"), Posting(RECEIVABLE, -minor, "GBP")],
        )


def test_a_movement_told_twice_moves_once(gate: Gate, tenant_a: TenantId) -> None:
    assert [move(gate, tenant_a), move(gate, tenant_a)] == [True, False]
    with gate.open(Scope.system(tenant_a)) as session:
        found = ledger.trial_balance(session, tenant_id=tenant_a)
    assert {(one.account, one.balance_minor) for one in found} == {(CLEARING, 100), (RECEIVABLE, -100)}


def test_what_does_not_sum_to_zero_is_refused(gate: Gate, tenant_a: TenantId) -> None:
    for postings in (
        [Posting(CLEARING, 100, "GBP"), Posting(RECEIVABLE, -99, "GBP")],
        [Posting(CLEARING, 100, "GBP"), Posting(RECEIVABLE, -100, "EUR")],
        [Posting(CLEARING, 100, "GBP")],
    ):
        with gate.open(Scope.system(tenant_a)) as session, pytest.raises(UnbalancedJournalError):
            ledger.post(
                session, tenant_id=tenant_a, key="k", kind="payment", effective_at=AT, postings=postings
            )


def test_the_database_looks_at_the_sum_itself(gate: Gate, tenant_a: TenantId) -> None:
    journal = new_id()
    with pytest.raises(DBAPIError, match="sum to zero"), gate.open(Scope.system(tenant_a)) as session:
        session.execute(
            text("INSERT INTO app.journals VALUES (:t, :j, 'k', 'payment', NULL, NULL, now(), now())"),
            {"t": tenant_a, "j": journal},
        )
        session.execute(
            text(
                "INSERT INTO app.postings VALUES (:t, :j, 1, 'clearing', 5, 'GBP'),"
                " (:t, :j, 2, 'x', -4, 'GBP')"
            ),
            {"t": tenant_a, "j": journal},
        )
    with pytest.raises(DBAPIError, match="two postings"), gate.open(Scope.system(tenant_a)) as session:
        session.execute(
            text("INSERT INTO app.journals VALUES (:t, :j, 'k', 'payment', NULL, NULL, now(), now())"),
            {"t": tenant_a, "j": journal},
        )


def test_a_posting_cannot_be_slipped_in_changed_or_removed_later(
    gate: Gate, tenant_a: TenantId, database: DatabaseUrls
) -> None:
    move(gate, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        journal = session.execute(text("SELECT id FROM app.journals")).scalar_one()
    slipped = "INSERT INTO app.postings VALUES (:t, :j, 3, 'clearing', 5, 'GBP')"
    with pytest.raises(DBAPIError, match="sum to zero"), gate.open(Scope.system(tenant_a)) as session:
        session.execute(text(slipped), {"t": tenant_a, "j": journal})
    for statement in (
        "UPDATE app.postings SET amount_minor = 7",
        "DELETE FROM app.postings",
        "UPDATE app.journals SET kind = 'x'",
        "DELETE FROM app.journals",
    ):
        with (
            pytest.raises(DBAPIError, match="permission denied"),
            gate.open(Scope.system(tenant_a)) as session,
        ):
            session.execute(text(statement))
    with psycopg.connect(database.migrator) as owner:
        owner.execute("SET ROLE seatline_owner")
        triggers = owner.execute(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'frozen'"
            " AND tgrelid IN ('app.journals'::regclass, 'app.postings'::regclass)"
        ).fetchall()
    assert len(triggers) == 2


def test_a_finalised_invoice_is_owed_by_meter_and_taxed(gate: Gate, tenant_a: TenantId) -> None:
    invoice = payments.owing(gate, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        assert not ledger.post_invoice(session, tenant_id=tenant_a, invoice=invoice)
        found = {one.account: one.balance_minor for one in ledger.trial_balance(session, tenant_id=tenant_a)}
    assert found == {RECEIVABLE: 17400, "revenue:voice.outbound": -14500, TAX: -2900}
    assert sum(found.values()) == 0


def test_the_balance_is_of_an_instant_when_one_is_named(gate: Gate, tenant_a: TenantId) -> None:
    move(gate, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        assert ledger.trial_balance(session, tenant_id=tenant_a, until=AT) == ()
        later = AT + dt.timedelta(seconds=1)
        assert len(ledger.trial_balance(session, tenant_id=tenant_a, until=later)) == 2


def test_another_companys_ledger_is_not_seen(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    move(gate, tenant_a)
    with gate.open(Scope.system(tenant_b)) as session:
        assert ledger.trial_balance(session, tenant_id=tenant_a) == ()
