"""Rating again: a difference first, then new ratings; back again, and never what was billed."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from billing import explorer, invoices, periods, rerating, tariffs, usage
from billing.errors import PriceListNotFoundError, RatingChangedError, UnratedUsageError
from billing.models import RatedChargeRow
from billing.rating.rules import Ceiling, Outcome
from billing.rating.tariff import DatedRate
from billing.rerating import Difference
from core import clock
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock

OCTOBER = periods.month(2026, 10, zone="Europe/London")
NEXT = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
AFTER = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)


@pytest.fixture
def used(gate: Gate, alice: TenantId) -> TenantId:
    """Two calls to landlines, one to a mobile, and one nobody has a price for."""
    with gate.open(Scope.system(alice)) as session:
        for event_id, prefix in (("a", "44207"), ("b", "44208"), ("c", "44770"), ("d", "33140")):
            usage.record(session, tenant_id=alice, usage=stock.usage(event_id, prefix=prefix))
    return alice


@pytest.fixture
def first(gate: Gate, used: TenantId) -> UUID:
    with gate.open(Scope.system(used)) as session:
        (step,) = tariffs.timeline(session, tenant_id=used).by_id
    return step


@pytest.fixture
def dearer(gate: Gate, used: TenantId) -> UUID:
    """A later version of the list, in which mobiles and calls in cost twice as much."""
    with clock.hold(AFTER):
        version = stock.publish(
            gate, effective_from=NEXT, of=stock.rates(mobile=145_000_000, inbound=100_000_000)
        )
        with gate.open(Scope.system(used)) as session:
            return tariffs.take(session, tenant_id=used, version=version).tariff_id


def look(gate: Gate, tenant_id: TenantId, tariff_id: UUID | None = None) -> Difference:
    with gate.open(Scope.system(tenant_id)) as session:
        return rerating.difference(
            session, tenant_id=tenant_id, start=OCTOBER.start, end=OCTOBER.end, tariff_id=tariff_id
        )


def approve(gate: Gate, tenant_id: TenantId, sha256: bytes, tariff_id: UUID | None = None) -> Difference:
    with gate.open(Scope.system(tenant_id)) as session:
        return rerating.approve(
            session,
            tenant_id=tenant_id,
            start=OCTOBER.start,
            end=OCTOBER.end,
            tariff_id=tariff_id,
            sha256=sha256,
        )


def standing(gate: Gate, tenant_id: TenantId) -> dict[UUID, int | None]:
    with gate.open(Scope.system(tenant_id)) as session:
        rows = session.execute(
            select(RatedChargeRow.usage_id, RatedChargeRow.amount_nano).where(
                RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.superseded_by.is_(None)
            )
        )
        return {row.usage_id: row.amount_nano for row in rows}


def ratings(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return session.scalars(select(func.count()).where(RatedChargeRow.tenant_id == tenant_id)).one()


def test_rating_again_by_its_own_prices_changes_nothing(gate: Gate, used: TenantId) -> None:
    found = look(gate, used)
    assert (found.looked, found.changes, found.billed) == (4, (), ())
    before = ratings(gate, used)
    approve(gate, used, found.sha256)
    assert ratings(gate, used) == before


def test_the_difference_is_told_and_nothing_is_written(gate: Gate, used: TenantId, dearer: UUID) -> None:
    before = standing(gate, used)
    found = look(gate, used, dearer)
    changed = {one.after_nano != one.before_nano for one in found.changes}
    assert changed == {True, False}  # all are by another tariff, not all cost something else
    assert found.more_nano == sum((one.after_nano or 0) - (one.before_nano or 0) for one in found.changes)
    assert found.more_nano > 0
    assert standing(gate, used) == before


def test_what_was_approved_is_billed_and_the_way_back_returns_every_amount(
    gate: Gate, used: TenantId, first: UUID, dearer: UUID
) -> None:
    before = standing(gate, used)
    forth = look(gate, used, dearer)
    approve(gate, used, forth.sha256, dearer)
    after = standing(gate, used)
    assert (
        sum(one or 0 for one in after.values()) - sum(one or 0 for one in before.values()) == forth.more_nano
    )
    with gate.open(Scope.system(used)) as session:
        (entry, *_) = evidence.page(session, tenant_id=used, limit=5).entries
        one = forth.changes[0].usage_id
        assert [seq for seq, *_ in explorer.history(session, tenant_id=used, usage_id=one)] == [1, 2]
    assert entry.fact.action == "usage.rated-again"
    back = look(gate, used, first)
    assert back.more_nano == -forth.more_nano
    approve(gate, used, back.sha256, first)
    assert standing(gate, used) == before


def test_approved_twice_it_is_done_once(gate: Gate, used: TenantId, dearer: UUID) -> None:
    found = look(gate, used, dearer)
    approve(gate, used, found.sha256, dearer)
    done = ratings(gate, used)
    assert approve(gate, used, found.sha256, dearer).changes == ()
    assert ratings(gate, used) == done


def test_a_difference_that_has_become_another_is_not_approved(
    gate: Gate, used: TenantId, dearer: UUID
) -> None:
    found = look(gate, used, dearer)
    with gate.open(Scope.system(used)) as session:
        usage.record(session, tenant_id=used, usage=stock.usage("e", prefix="44770"))
    done = ratings(gate, used)
    with pytest.raises(RatingChangedError):
        approve(gate, used, found.sha256, dearer)
    assert ratings(gate, used) == done


def test_what_is_on_a_finalised_invoice_stays_and_is_told_apart(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        usage.record(session, tenant_id=alice, usage=stock.usage("a", prefix="44770"))
    with clock.hold(AFTER):
        with gate.open(Scope.system(alice)) as session:
            draft = invoices.draft(session, tenant_id=alice, period=OCTOBER)
            number = invoices.finalise(session, tenant_id=alice, invoice_id=draft.invoice_id).number
        version = stock.publish(gate, effective_from=NEXT, of=stock.rates(mobile=145_000_000))
        with gate.open(Scope.system(alice)) as session:
            dearer = tariffs.take(session, tenant_id=alice, version=version).tariff_id
    found = look(gate, alice, dearer)
    assert found.changes == ()
    (billed,) = found.billed
    assert billed.invoice_number == number
    assert found.billed_more_nano == billed.before_nano  # twice as much
    before = standing(gate, alice)
    approve(gate, alice, found.sha256, dearer)
    assert standing(gate, alice) == before


def test_another_companys_tariff_is_not_there(gate: Gate, used: TenantId) -> None:
    with pytest.raises(PriceListNotFoundError):
        look(gate, used, new_id())


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(way=st.lists(st.booleans(), min_size=1, max_size=4))
def test_however_often_it_is_rated_again_each_event_has_one_charge(
    gate: Gate, used: TenantId, first: UUID, dearer: UUID, way: list[bool]
) -> None:
    events = standing(gate, used).keys()
    for is_dearer in way:
        wanted = dearer if is_dearer else first
        approve(gate, used, look(gate, used, wanted).sha256, wanted)
        assert standing(gate, used).keys() == events
        assert look(gate, used, wanted).changes == ()


def test_a_call_above_its_maximum_waits_until_a_later_version_allows_it(
    gate: Gate, tenant_a: TenantId
) -> None:
    def deck(maximum: int) -> tuple[DatedRate, ...]:
        rate = replace(stock.per_minute(10**9), maximum=maximum, ceiling=Ceiling.REFUSE)
        return (DatedRate("voice.outbound", "44", "gb-local", rate),)

    def again() -> explorer.RatedAgain:
        with gate.open(Scope.system(tenant_a)) as session:
            return explorer.rate_again(session, tenant_id=tenant_a)

    version = stock.publish(gate, of=deck(10**8))
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
        rated = usage.record(session, tenant_id=tenant_a, usage=stock.usage("dear", prefix="44207")).rated
    assert rated is not None
    assert (rated.outcome, rated.reason, rated.amount_nano) == (Outcome.REFUSED, "above-maximum", None)
    assert (again().rated, again().waiting) == (0, 1)
    assert ratings(gate, tenant_a) == 1  # nothing was superseded by the same
    with clock.hold(AFTER), gate.open(Scope.system(tenant_a)) as session:
        draft = invoices.draft(session, tenant_id=tenant_a, period=OCTOBER)
        with pytest.raises(UnratedUsageError):
            invoices.finalise(session, tenant_id=tenant_a, invoice_id=draft.invoice_id)
    with clock.hold(AFTER):
        later = stock.publish(gate, effective_from=NEXT, of=deck(10**10))
        with gate.open(Scope.system(tenant_a)) as session:
            tariffs.take(session, tenant_id=tenant_a, version=later)
    with clock.hold(NEXT):
        assert (again().rated, again().waiting) == (1, 0)
    assert list(standing(gate, tenant_a).values()) == [10**9]
