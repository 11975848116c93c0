"""Every use is recorded, rated and counted exactly once."""

import concurrent.futures
import datetime as dt
import hashlib
import json
import zoneinfo
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from billing import invoices, staging, usage
from billing.errors import UsageInvalidError
from billing.models import RatedChargeRow, UsageConflictRow, UsageEventRow, UsageRejectRow
from billing.price_lists import Published
from billing.rating.rules import Outcome
from billing.usage import Receipt
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.conftest import Prepared, admitted
from wiring.prepare import DatabaseUrls


def record(gate: Gate, tenant_id: TenantId, what: usage.Usage) -> usage.Recorded:
    with gate.open(Scope.system(tenant_id)) as session:
        return usage.record(session, tenant_id=tenant_id, usage=what)


def count(gate: Gate, tenant_id: TenantId, table: type) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_usage_is_rated_as_it_is_recorded(gate: Gate, alice: TenantId) -> None:
    done = record(gate, alice, stock.usage(seconds=85))
    assert done.outcome is Receipt.ACCEPTED
    assert done.rated is not None
    assert (done.rated.price_list, done.rated.version) == ("uk-standard", 1)
    assert (done.rated.prefix, done.rated.destination) == ("447", "gb-mobile")
    assert done.rated.billed_seconds == 85
    assert done.rated.amount_nano == 102_708_333  # 85 s of 0.0725 a minute, 0.10270833…
    assert done.rated.currency == "GBP"


def test_a_begun_second_is_a_second(gate: Gate, alice: TenantId) -> None:
    done = record(gate, alice, stock.usage(seconds=2, quantity_ms=1001))
    assert done.rated is not None
    assert done.rated.billed_seconds == 2


def test_the_same_report_again_changes_nothing_and_returns_the_first(gate: Gate, alice: TenantId) -> None:
    first = record(gate, alice, stock.usage())
    again = record(gate, alice, stock.usage())
    assert again.outcome is Receipt.DUPLICATE
    assert (again.usage_id, again.rated) == (first.usage_id, first.rated)
    assert count(gate, alice, RatedChargeRow) == 1


def test_the_same_key_with_another_content_waits_as_a_conflict(gate: Gate, alice: TenantId) -> None:
    first = record(gate, alice, stock.usage(seconds=60))
    other = record(gate, alice, stock.usage(seconds=61))
    record(gate, alice, stock.usage(seconds=61))
    assert other.outcome is Receipt.CONFLICT
    assert other.rated == first.rated
    assert count(gate, alice, RatedChargeRow) == 1
    assert count(gate, alice, UsageConflictRow) == 1


def test_another_moment_is_no_other_key(gate: Gate, alice: TenantId) -> None:
    record(gate, alice, stock.usage())
    later = record(gate, alice, stock.usage(at=stock.NOON + dt.timedelta(days=400)))
    assert later.outcome is Receipt.CONFLICT
    assert count(gate, alice, UsageEventRow) == 1


def test_two_reporters_at_the_same_moment_bill_once(gate: Gate, alice: TenantId) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: record(gate, alice, stock.usage()), range(8)))
    assert sorted(one.outcome for one in done) == ["accepted"] + ["duplicate"] * 7
    assert count(gate, alice, RatedChargeRow) == 1


def test_the_same_event_of_two_tenants_is_two_events(gate: Gate, alice: TenantId, charlie: TenantId) -> None:
    assert record(gate, alice, stock.usage()).outcome is Receipt.ACCEPTED
    assert record(gate, charlie, stock.usage()).outcome is Receipt.ACCEPTED
    assert count(gate, alice, UsageEventRow) == count(gate, charlie, UsageEventRow) == 1


WITHOUT_A_PRICE = [
    ("voice.outbound", "3312345", Outcome.UNRATED, "prefix-not-priced"),
    ("voice.outbound", "", Outcome.UNRATED, "prefix-not-priced"),
    ("voice.outbound", "4", Outcome.UNRATED, "needs-hidden-digits"),
    ("voice.carrier-pigeon", "447700900", Outcome.UNRATED, "meter-not-priced"),
    ("voice.outbound", "4498", Outcome.REFUSED, "prefix-blocked"),
]


def test_what_has_no_price_is_never_free(gate: Gate, alice: TenantId) -> None:
    for number, (meter, prefix, outcome, reason) in enumerate(WITHOUT_A_PRICE):
        done = record(gate, alice, stock.usage(f"e-{number}", meter=meter, prefix=prefix))
        assert done.rated is not None
        assert (done.rated.outcome, done.rated.reason) == (outcome, reason)
        assert done.rated.amount_nano is None


def test_usage_before_the_first_tariff_waits_for_a_price(gate: Gate, alice: TenantId) -> None:
    done = record(gate, alice, stock.usage(at=stock.LONG_AGO - dt.timedelta(seconds=1)))
    assert done.rated is not None
    assert (done.rated.outcome, done.rated.reason) == (Outcome.UNRATED, "no-tariff")


IMPOSSIBLE_USAGE: list[tuple[dict[str, Any], str]] = [
    ({"event_id": ""}, "key-missing"),
    ({"seconds": -1}, "ends-before-it-begins"),
    ({"quantity_ms": -1}, "quantity-negative"),
    ({"prefix": "+44"}, "prefix-not-digits"),
    ({"prefix": "447700900123"}, "prefix-too-long"),
]


def test_usage_that_cannot_be_is_refused(gate: Gate, alice: TenantId) -> None:
    for changes, reason in IMPOSSIBLE_USAGE:
        with pytest.raises(UsageInvalidError) as caught:
            record(gate, alice, stock.usage(**changes))
        assert caught.value.details["reason"] == reason
    assert count(gate, alice, UsageEventRow) == 0


FORBIDDEN_TO_THE_SERVICE = [
    "UPDATE app.usage_events SET quantity_ms = 0",
    "DELETE FROM app.usage_events",
    "UPDATE app.rated_charges SET amount_nano = 0",
    "DELETE FROM app.rated_charges",
    "UPDATE app.tariffs SET content = '{}'",
    "SELECT * FROM app.usage_staging",
    "SELECT * FROM app.invoice_series",
]


def test_the_service_may_not_change_what_was_recorded(gate: Gate, alice: TenantId) -> None:
    record(gate, alice, stock.usage())
    for statement in FORBIDDEN_TO_THE_SERVICE:
        with pytest.raises(DBAPIError, match="permission denied"), gate.open(Scope.system(alice)) as session:
            session.execute(text(statement))


FROZEN_EVEN_TO_ADMINISTRATORS = [
    "UPDATE app.usage_events SET quantity_ms = 0",
    "DELETE FROM app.usage_events",
    "UPDATE app.rated_charges SET amount_nano = 0",
    "UPDATE app.tariffs SET version = 9",
]


def test_not_even_an_administrator_changes_what_was_recorded_by_accident(
    gate: Gate, alice: TenantId, database: DatabaseUrls, prepared: Prepared
) -> None:
    record(gate, alice, stock.usage())
    name = database.app.rsplit("/", 1)[1]
    admin_url = prepared.admin_url.rsplit("/", 1)[0] + f"/{name}"
    for statement in FROZEN_EVEN_TO_ADMINISTRATORS:
        with psycopg.connect(admin_url) as admin, pytest.raises(psycopg.errors.RestrictViolation):
            admin.execute(statement)


def test_a_batch_adds_up_whatever_is_in_it(gate: Gate, alice: TenantId, database: DatabaseUrls) -> None:
    record(gate, alice, stock.usage("old", seconds=60))
    batch = staging.stage(
        database.bill,
        tenant_id=alice,
        usages=[
            stock.usage("old", seconds=60),  # duplicate of one recorded singly
            stock.usage("new-1", seconds=30),
            stock.usage("new-2", seconds=85),
            stock.usage("new-2", seconds=85),  # duplicate inside the batch
            stock.usage("new-1", seconds=31),  # conflict inside the batch
            stock.usage("old", seconds=61),  # conflict with what is there
            stock.usage("bad", seconds=-5),
            stock.usage("new-3", prefix="3312345"),
        ],
    )
    with gate.open(Scope.system(alice)) as session:
        counts = staging.take_in(session, tenant_id=alice, batch_id=batch)
    assert counts == staging.Counts(received=8, accepted=3, duplicate=2, conflict=2, rejected=1)
    assert count(gate, alice, UsageEventRow) == 4
    assert count(gate, alice, RatedChargeRow) == 4
    assert count(gate, alice, UsageConflictRow) == 2
    assert count(gate, alice, UsageRejectRow) == 1
    with gate.open(Scope.system(alice)) as session:
        assert staging.take_in(session, tenant_id=alice, batch_id=batch) == counts
        singly = {row.event_id: row.id for row in session.scalars(select(UsageEventRow))}
        rated = usage.current_charge(session, tenant_id=alice, usage_id=singly["new-2"])
        assert rated is not None
        assert rated.amount_nano == 102_708_333
        waiting = usage.current_charge(session, tenant_id=alice, usage_id=singly["new-3"])
        assert waiting is not None
        assert waiting.outcome is Outcome.UNRATED


def test_usage_sent_in_bulk_is_for_its_campaign_as_when_reported_singly(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    one, other = new_id(), new_id()
    record(gate, alice, stock.usage("singly", campaign_ref=one))
    batch = staging.stage(
        database.bill,
        tenant_id=alice,
        usages=[
            stock.usage("singly", campaign_ref=one),  # the same, whichever way it comes
            stock.usage("bulk", campaign_ref=one),
            stock.usage("none"),
            stock.usage("none", campaign_ref=other),  # contradicts the one before
            stock.usage("bad", seconds=-5, campaign_ref=one),
        ],
    )
    with gate.open(Scope.system(alice)) as session:
        counts = staging.take_in(session, tenant_id=alice, batch_id=batch)
        kept = {row.event_id: row.campaign_ref for row in session.scalars(select(UsageEventRow))}
        (conflict,) = session.scalars(select(UsageConflictRow))
    assert counts == staging.Counts(received=5, accepted=2, duplicate=1, conflict=1, rejected=1)
    assert kept == {"singly": one, "bulk": one, "none": None}
    assert conflict.payload["campaign_ref"] == str(other)  # so that who takes it over has it


def test_the_same_batch_sent_again_under_another_id_is_all_duplicates(
    gate: Gate, alice: TenantId, database: DatabaseUrls
) -> None:
    events = [stock.usage(f"e-{n}", seconds=n) for n in range(50)]
    for outcome in ("accepted", "duplicate"):
        batch = staging.stage(database.bill, tenant_id=alice, usages=events)
        with gate.open(Scope.system(alice)) as session:
            counts = staging.take_in(session, tenant_id=alice, batch_id=batch)
        assert getattr(counts, outcome) == counts.received == 50
    assert count(gate, alice, RatedChargeRow) == 50


def test_a_tenant_takes_in_no_staged_rows_but_its_own(
    gate: Gate, alice: TenantId, charlie: TenantId, database: DatabaseUrls
) -> None:
    batch = staging.stage(database.bill, tenant_id=charlie, usages=[stock.usage()])
    with gate.open(Scope.system(alice)) as session:
        assert staging.take_in(session, tenant_id=alice, batch_id=batch).received == 0
    with gate.open(Scope.system(charlie)) as session:
        assert staging.take_in(session, tenant_id=charlie, batch_id=batch).accepted == 1


def test_a_charge_of_no_usage_or_by_no_tariff_is_refused_however_many_come_with_it(
    gate: Gate, alice: TenantId, charlie: TenantId
) -> None:
    record(gate, alice, stock.usage())
    record(gate, charlie, stock.usage("theirs"))
    with gate.open(Scope.system(charlie)) as session:
        theirs = session.scalars(select(RatedChargeRow)).one()
    with gate.open(Scope.system(alice)) as session:
        own = session.scalars(select(RatedChargeRow)).one()
        charge = {column.name: getattr(own, column.name) for column in RatedChargeRow.__table__.columns}
    # a second payer of the same use: nothing stands in its way but what is wrong with it
    good = {"charge_run": "second", "id": new_id()}
    for fault in ({"usage_id": new_id()}, {"usage_id": theirs.usage_id}, {"tariff_id": theirs.tariff_id}):
        with (
            pytest.raises(IntegrityError, match=r"a charge (of no usage|by no tariff)"),
            gate.open(Scope.system(alice)) as session,
        ):
            rows = [{**charge, **good}, {**charge, "charge_run": "third", "id": new_id(), **fault}]
            session.execute(insert(RatedChargeRow), rows)
    with gate.open(Scope.system(alice)) as session:
        session.execute(insert(RatedChargeRow), [{**charge, **good}])
    assert count(gate, alice, RatedChargeRow) == 2


def test_a_report_has_one_hash_whichever_way_it_comes() -> None:
    summer = dt.datetime(2026, 7, 1, 14, 30, 5, 7, tzinfo=zoneinfo.ZoneInfo("Europe/London"))
    for one in (
        stock.usage(),
        stock.usage(at=summer, number_id=new_id(), agent_ref=new_id(), prefix=""),
        stock.usage(meter='odd "meter" – 计'),
    ):
        said = json.dumps(usage._payload(one), sort_keys=True, separators=(",", ":"))
        assert usage.payload_sha256(one) == hashlib.sha256(said.encode()).digest()


def test_the_billing_role_may_stage_and_do_nothing_else(database: DatabaseUrls, alice: TenantId) -> None:
    for statement in (
        "SELECT * FROM app.usage_staging",
        "SELECT * FROM app.usage_events",
        "DELETE FROM app.usage_staging",
        "INSERT INTO app.usage_rejects VALUES (gen_random_uuid())",
        "SELECT app.staged_usage(gen_random_uuid())",
    ):
        with psycopg.connect(database.bill) as bill, pytest.raises(psycopg.errors.InsufficientPrivilege):
            bill.execute(statement)


def test_a_failed_hang_up_leaves_no_usage_behind(gate: Gate, alice: TenantId) -> None:
    with pytest.raises(RuntimeError), gate.open(Scope.system(alice)) as session:
        usage.record(session, tenant_id=alice, usage=stock.usage())
        raise RuntimeError
    assert count(gate, alice, UsageEventRow) == 0
    assert record(gate, alice, stock.usage()).outcome is Receipt.ACCEPTED


def test_staging_refuses_a_row_of_an_unknown_batch_to_be_seen(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        assert staging.take_in(session, tenant_id=alice, batch_id=new_id()).received == 0


def test_a_call_costs_the_sum_of_its_legs_and_says_when_a_price_is_missing(
    gate: Gate, alice: TenantId
) -> None:
    call, other, silent = new_id(), new_id(), new_id()
    record(gate, alice, stock.usage("leg-1", seconds=60, subject_ref=call))
    record(gate, alice, stock.usage("leg-2", seconds=60, subject_ref=call))
    record(gate, alice, stock.usage("leg-3", prefix="3312345", subject_ref=other))
    with gate.open(Scope.system(alice)) as session:
        found = usage.costs(session, tenant_id=alice, subject_refs=[call, other, silent])
    assert found == {
        call: usage.Cost(145_000_000, "GBP", is_whole=True),
        other: usage.Cost(0, None, is_whole=False),
    }


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_the_order_of_intake_does_not_change_the_bill(
    gate: Gate, database: DatabaseUrls, version: Published, order: list[int], cut: int
) -> None:
    """Some one by one, the rest in bulk, in any order: the lines say the same."""
    events = [
        stock.usage(f"e{at}", seconds=7 + 50 * at, prefix="44770" if at % 2 else "44207") for at in range(6)
    ]
    bills = []
    for way in (list(range(6)), order):
        tenant_id = admitted(gate)
        with gate.open(Scope.system(tenant_id)) as session:
            stock.customer(session, tenant_id=tenant_id, version=version)
            for at in way[:cut]:
                usage.record(session, tenant_id=tenant_id, usage=events[at])
        batch = staging.stage(database.bill, tenant_id=tenant_id, usages=[events[at] for at in way[cut:]])
        with gate.open(Scope.system(tenant_id)) as session:
            staging.take_in(session, tenant_id=tenant_id, batch_id=batch)
            bill = invoices.running_bill(session, tenant_id=tenant_id, now=stock.NOON + dt.timedelta(days=1))
            bills.append(
                sorted(
                    (one.meter, one.destination, one.billed_seconds, one.amount_nano)
                    for one in bill.bill.lines
                )
            )
    assert bills[0] == bills[1]
    assert len(bills[0]) == 2
