"""A company follows another price list from a day on: taken over at once, replaced until then."""

import datetime as dt
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from billing import accounts, following, price_lists, sharing, tariffs, usage
from billing.accounts import Account
from billing.errors import PriceListChangeError
from billing.following import NoChange
from billing.models import TariffRow
from billing.price_lists import Published
from billing.rating.shares import Share
from core import clock
from core.ids import OPERATOR, TenantId
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock

TODAY = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
NOVEMBER, MID_NOVEMBER, DECEMBER, JANUARY = (
    dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 15, tzinfo=dt.UTC),
    dt.datetime(2026, 12, 1, tzinfo=dt.UTC),
    dt.datetime(2027, 1, 1, tzinfo=dt.UTC),
)


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with clock.hold(TODAY):
        yield


@pytest.fixture
def gold(gate: Gate, alice: TenantId) -> Published:
    return stock.publish(gate, code="uk-gold", of=stock.rates(mobile=10_000_000))


def published(gate: Gate, code: str) -> tuple[Published, ...]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return price_lists.published(session, tenant_id=OPERATOR, code=code)


def plan(gate: Gate, tenant_id: TenantId, to: str = "uk-gold", *, start: dt.datetime = DECEMBER) -> Account:
    kept, versions = published(gate, "uk-standard"), published(gate, to)
    with gate.open(Scope.system(tenant_id)) as session:
        return following.plan(
            session,
            tenant_id=tenant_id,
            kept="uk-standard",
            kept_versions=kept,
            to=to,
            versions=versions,
            start=start,
        )


def keep(gate: Gate, tenant_id: TenantId) -> Account:
    kept = published(gate, "uk-standard")
    with gate.open(Scope.system(tenant_id)) as session:
        return following.keep(session, tenant_id=tenant_id, kept="uk-standard", kept_versions=kept)


def come_out(gate: Gate, tenant_id: TenantId, code: str, effective_from: dt.datetime, *, mobile: int) -> bool:
    """Publish a version of a list and hand it to a company, as the job does."""
    version = stock.publish(gate, code=code, effective_from=effective_from, of=stock.rates(mobile=mobile))
    versions = published(gate, code)
    with gate.open(Scope.system(tenant_id)) as session:
        return following.hand_over(
            session, tenant_id=tenant_id, code=code, versions=versions, version=version
        )


def held(gate: Gate, tenant_id: TenantId, *moments: dt.datetime) -> list[str]:
    """Return which list and version a company has at some moments, asked in both ways."""
    with gate.open(Scope.system(tenant_id)) as session:
        timeline, found = tariffs.timeline(session, tenant_id=tenant_id), []
        for moment in moments:
            step = timeline.at(moment)
            assert step == tariffs.in_force(session, tenant_id=tenant_id, at=moment)
            found.append(f"{step.tariff.price_list} {step.tariff.version}" if step else "")
    return found


def rows(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        return session.scalar(select(func.count()).select_from(TariffRow)) or 0


def account(gate: Gate, tenant_id: TenantId) -> Account:
    with gate.open(Scope.system(tenant_id)) as session:
        return accounts.find(session, tenant_id=tenant_id)


def test_from_that_moment_on_it_pays_by_the_other_list(gate: Gate, alice: TenantId, gold: Published) -> None:
    planned = plan(gate, alice)
    assert (planned.price_list, planned.next_price_list, planned.next_price_list_at) == (
        "uk-standard",
        "uk-gold",
        DECEMBER,
    )
    assert held(gate, alice, TODAY, DECEMBER - TICK, DECEMBER) == [
        "uk-standard 1",
        "uk-standard 1",
        "uk-gold 1",
    ]
    with gate.open(Scope.system(alice)) as session:
        for name, at, nano in (("before", DECEMBER - DAY, 72_500_000), ("after", DECEMBER, 10_000_000)):
            rated = usage.record(session, tenant_id=alice, usage=stock.usage(name, at=at)).rated
            assert rated
            assert rated.amount_nano == nano
    with gate.open(Scope.system(alice)) as session:
        (entry,) = evidence.page(session, tenant_id=alice, limit=9, action="company-prices.planned").entries
    assert entry.fact.details == {"was": "uk-standard", "now": "uk-gold", "since": "2026-12-01"}


def test_when_the_day_has_come_it_follows_that_list(gate: Gate, alice: TenantId, gold: Published) -> None:
    plan(gate, alice)
    with clock.hold(DECEMBER):
        now = account(gate, alice)
        assert (now.price_list, now.next_price_list, now.next_price_list_at) == ("uk-gold", "", None)
        assert come_out(gate, alice, "uk-gold", JANUARY, mobile=20_000_000)
        assert not come_out(gate, alice, "uk-standard", JANUARY, mobile=90_000_000)
        assert held(gate, alice, JANUARY) == ["uk-gold 2"]
        # and back again, as from any list
        kept, versions = published(gate, "uk-gold"), published(gate, "uk-standard")
        with gate.open(Scope.system(alice)) as session:
            following.plan(
                session,
                tenant_id=alice,
                kept="uk-gold",
                kept_versions=kept,
                to="uk-standard",
                versions=versions,
                start=DECEMBER + DAY,
            )
        assert held(gate, alice, DECEMBER, DECEMBER + DAY, JANUARY) == [
            "uk-gold 1",
            "uk-standard 1",
            "uk-standard 2",
        ]


def test_versions_that_come_out_meanwhile_reach_it_where_they_belong(
    gate: Gate, alice: TenantId, gold: Published
) -> None:
    plan(gate, alice)
    assert come_out(gate, alice, "uk-standard", NOVEMBER, mobile=80_000_000)
    assert not come_out(gate, alice, "uk-standard", JANUARY, mobile=90_000_000), (
        "it has left that list by then"
    )
    assert come_out(gate, alice, "uk-gold", MID_NOVEMBER, mobile=20_000_000)
    assert come_out(gate, alice, "uk-gold", JANUARY, mobile=30_000_000)
    moments = (TODAY, NOVEMBER, MID_NOVEMBER, DECEMBER - TICK, DECEMBER, JANUARY)
    assert held(gate, alice, *moments) == [
        "uk-standard 1",
        "uk-standard 2",
        "uk-standard 2",
        "uk-standard 2",
        "uk-gold 2",
        "uk-gold 3",
    ]
    # told again nothing changes
    before = rows(gate, alice)
    for code in ("uk-gold", "uk-standard"):
        versions = published(gate, code)
        for version in versions:
            with gate.open(Scope.system(alice)) as session:
                following.hand_over(session, tenant_id=alice, code=code, versions=versions, version=version)
    assert held(gate, alice, NOVEMBER, DECEMBER, JANUARY) == ["uk-standard 2", "uk-gold 2", "uk-gold 3"]
    assert rows(gate, alice) == before


@pytest.mark.parametrize("start", [NOVEMBER, JANUARY], ids=["sooner", "later"])
def test_a_planned_change_is_replaced(
    gate: Gate, alice: TenantId, gold: Published, start: dt.datetime
) -> None:
    stock.publish(gate, code="uk-silver", of=stock.rates(mobile=40_000_000))
    come_out(gate, alice, "uk-standard", MID_NOVEMBER, mobile=80_000_000)
    plan(gate, alice)
    plan(gate, alice, "uk-silver", start=start)
    before = "uk-standard 2" if start > MID_NOVEMBER else "uk-standard 1"
    assert held(gate, alice, start - TICK, start, DECEMBER + 99 * DAY) == [
        before,
        "uk-silver 1",
        "uk-silver 1",
    ]
    assert held(gate, alice, DECEMBER) == ["uk-silver 1" if start < DECEMBER else "uk-standard 2"]
    # and by the first again, on the very day it was planned for
    plan(gate, alice)
    assert held(gate, alice, DECEMBER - TICK, DECEMBER, JANUARY) == [
        "uk-standard 2",
        "uk-gold 1",
        "uk-gold 1",
    ]


def test_a_planned_change_is_taken_back(gate: Gate, alice: TenantId, gold: Published) -> None:
    plan(gate, alice)
    stock.publish(gate, effective_from=JANUARY, of=stock.rates(mobile=90_000_000))
    kept = keep(gate, alice)
    assert (kept.price_list, kept.next_price_list, kept.next_price_list_at) == ("uk-standard", "", None)
    assert held(gate, alice, DECEMBER, JANUARY) == ["uk-standard 1", "uk-standard 2"]
    with pytest.raises(PriceListChangeError) as caught:
        keep(gate, alice)
    assert caught.value.details["reason"] == NoChange.NOTHING.value
    plan(gate, alice)
    assert held(gate, alice, DECEMBER, JANUARY) == ["uk-gold 1", "uk-gold 1"]
    with gate.open(Scope.system(alice)) as session:
        (entry,) = evidence.page(session, tenant_id=alice, limit=9, action="company-prices.kept").entries
    assert entry.fact.details == {"was": "uk-gold", "now": "uk-standard"}


def test_who_pays_a_part_goes_on_paying_it(
    gate: Gate, alice: TenantId, charlie: TenantId, gold: Published
) -> None:
    with gate.open(Scope.system(alice)) as session:
        for start, shares in ((NOVEMBER, (Share("voice.outbound", 40),)), (JANUARY, ())):
            sharing.agree(
                session,
                tenant_id=alice,
                other_id=charlie,
                other_name="Harbour",
                agreed=shares,
                start=start,
                by=charlie,
            )
    plan(gate, alice)
    plan(gate, alice, start=MID_NOVEMBER)
    moments = (TODAY, NOVEMBER, MID_NOVEMBER, DECEMBER, JANUARY)
    with gate.open(Scope.system(alice)) as session:
        timeline = tariffs.timeline(session, tenant_id=alice)
        found = [timeline.at(moment) for moment in moments]
    assert [(one.tariff.price_list, one.tariff.split is not None) for one in found if one] == [
        ("uk-standard", False),
        ("uk-standard", True),
        ("uk-gold", True),
        ("uk-gold", True),
        ("uk-gold", False),
    ]


def test_what_cannot_be_is_refused_and_changes_nothing(gate: Gate, alice: TenantId, gold: Published) -> None:
    stock.publish(gate, code="eu", currency="EUR")
    stock.publish(gate, code="uk-soon", effective_from=JANUARY)
    before = rows(gate, alice)
    for to, start, reason in (
        ("uk-standard", DECEMBER, NoChange.SAME),
        ("uk-gold", TODAY, NoChange.STARTED),
        ("uk-gold", TODAY - DAY, NoChange.STARTED),
        ("uk-soon", DECEMBER, NoChange.UNPRICED),
        ("eu", DECEMBER, NoChange.CURRENCY),
    ):
        with pytest.raises(PriceListChangeError) as caught:
            plan(gate, alice, to, start=start)
        assert caught.value.details["reason"] == reason.value
    plan(gate, alice)
    with clock.hold(DECEMBER), pytest.raises(PriceListChangeError) as caught:
        plan(gate, alice, start=JANUARY)  # it follows another list by now than who asked saw
    assert caught.value.details["reason"] == NoChange.MOVED.value
    assert rows(gate, alice) == before + 1


def test_an_account_that_is_changed_keeps_its_plan(gate: Gate, alice: TenantId, gold: Published) -> None:
    planned = plan(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        accounts.open_account(session, account=planned)
    assert account(gate, alice) == planned
    with clock.hold(DECEMBER):
        with gate.open(Scope.system(alice)) as session:
            accounts.open_account(session, account=account(gate, alice))
        assert account(gate, alice).price_list == "uk-gold"
