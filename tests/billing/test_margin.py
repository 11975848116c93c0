"""What calls out leave after the carrier: costs by the rating kernel, from decks of the operator's own."""

import datetime as dt
import random

import pytest
from sqlalchemy import select, text

from billing import margin, price_lists, tariffs
from billing.errors import PriceListNotFoundError
from billing.margin import Deck, Margin
from billing.rating.rules import Outcome, half_up
from billing.rating.shares import Share
from billing.rating.tariff import DatedRate
from core import clock
from core.events import OutboxRow
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import OCTOBER, use
from tests.billing.test_sharing import agree, amounts, hear

CHEAP, DEAR = 10_000_000, 90_000_000
LATER = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)


def deck(gate: Gate, *, mobile: int = DEAR, currency: str = "GBP", later: int | None = None) -> Deck:
    """A carrier that takes a penny for landlines, by begun half minutes, and as much as said for mobiles."""
    with clock.hold(stock.LONG_AGO), gate.open(Scope.system(OPERATOR)) as session:
        made = price_lists.create(
            session,
            tenant_id=OPERATOR,
            code="northern",
            name="Northern Telecom",
            currency=currency,
            zone="Europe/London",
            carrier="Northern Telecom",
        )
        for at, nano in ((stock.LONG_AGO, mobile), (LATER, later)):
            if nano is None:
                continue
            version = price_lists.draft(
                session,
                tenant_id=OPERATOR,
                price_list_id=made.price_list_id,
                effective_from=at,
                destinations=stock.NAMES,
                rates=(
                    DatedRate("voice.outbound", "44", "gb-local", stock.per_minute(CHEAP, increment_s=30)),
                    DatedRate("voice.outbound", "447", "gb-mobile", stock.per_minute(nano)),
                ),
            )
            price_lists.publish(session, tenant_id=OPERATOR, version_id=version.version_id)
        return margin.decks(session, tenant_id=OPERATOR)[0]


def look(gate: Gate, tenant_id: TenantId, of: Deck) -> Margin:
    with gate.open(Scope.system(tenant_id)) as session:
        return margin.of(session, tenant_id=tenant_id, period=OCTOBER, deck=of)


def test_each_route_has_what_it_earned_and_what_it_cost(gate: Gate, alice: TenantId) -> None:
    use(
        gate,
        alice,
        stock.usage("mobile", seconds=60),  # 7.25 pence, and costs 9
        stock.usage("landline", seconds=31, prefix="44113496"),  # half a minute begun: a whole one
        stock.usage("in", meter="voice.inbound", prefix="44113496"),
    )
    found = look(gate, alice, deck(gate))
    assert [(one.prefix, one.destination, one.calls) for one in found.routes] == [
        ("447", "gb-mobile", 1),
        ("44", "gb-local", 1),
    ]
    mobile, landline = found.routes
    assert (mobile.earned_nano, mobile.cost_nano, mobile.margin_nano) == (72_500_000, DEAR, -17_500_000)
    assert (landline.cost_nano, landline.seconds) == (CHEAP, 60)
    assert found.uncosted == 0


def test_costs_are_those_of_the_scalar_kernel_and_no_penny_is_lost(gate: Gate, alice: TenantId) -> None:
    chance = random.Random(7)  # noqa: S311 - lengths of calls
    calls = [
        stock.usage(
            f"call-{n}",
            seconds=chance.randrange(1, 2000),
            prefix=chance.choice(["447700900", "44113496", "44203496"]),
            at=stock.NOON + dt.timedelta(hours=6 * n),
        )
        for n in range(60)
    ]
    calls = [one for one in calls if one.occurred_at < OCTOBER.end]
    use(gate, alice, *calls)
    of = deck(gate, later=30_000_000)
    found = look(gate, alice, of)
    cost = 0
    for one in calls:
        step = of.timeline.at(one.occurred_at)
        assert step is not None
        rated = step.tariff.rate(
            meter=one.meter,
            prefix=one.prefix,
            duration_s=one.quantity_ms // 1000,
            answered_at=one.occurred_at,
        )
        assert rated.outcome is Outcome.RATED
        cost += rated.amount_nano or 0
    assert sum(one.cost_nano for one in found.routes) == cost
    with gate.open(Scope.system(alice)) as session:
        earned = session.execute(text("SELECT sum(amount_nano) FROM app.rated_charges")).scalar_one()
    assert sum(one.earned_nano for one in found.routes) + found.uncosted_nano == earned


def test_a_shared_call_earned_its_whole_price_and_the_other_payers_part_is_not_counted_twice(
    gate: Gate, alice: TenantId, charlie: TenantId
) -> None:
    agree(gate, alice, charlie, (Share("voice.outbound", 33, "gb-mobile"),))
    use(
        gate,
        alice,
        *(stock.usage(f"mobile-{n}", seconds=61 + n) for n in range(5)),
        stock.usage("landline", seconds=31, prefix="44113496"),  # Alice's company pays it alone
    )
    hear(gate, alice)
    of = deck(gate)
    found = {one.prefix: one for one in look(gate, alice, of).routes}
    both = [one or 0 for tenant_id in (alice, charlie) for one in amounts(gate, tenant_id)]
    assert len(both) == 6 + 5
    assert sum(one.earned_nano for one in found.values()) == sum(both)
    assert found["447"].earned_nano == sum(half_up(72_500_000 * (61 + n), 60) for n in range(5))
    assert look(gate, charlie, of) == Margin("GBP", (), 0, 0)


def test_what_the_carrier_has_no_price_for_is_counted_and_never_free(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, stock.usage("mobile"))
    found = look(gate, alice, deck(gate, currency="EUR"))  # no cost in pounds
    assert (found.routes, found.uncosted, found.uncosted_nano) == ((), 1, 72_500_000)


def test_no_company_can_have_or_see_a_cost_deck(gate: Gate, alice: TenantId) -> None:
    of = deck(gate)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert "northern" not in [one.code for one in price_lists.every(session, tenant_id=OPERATOR)]
        with pytest.raises(PriceListNotFoundError):
            price_lists.published(session, tenant_id=OPERATOR, code="northern")
        told = session.scalars(select(OutboxRow)).all()
    assert all("northern" not in str(one.payload) for one in told)
    with gate.open(Scope.system(alice)) as session:
        assert session.execute(text("SELECT count(*) FROM app.price_lists")).scalar_one() == 0
        steps = tariffs.timeline(session, tenant_id=alice).by_id.values()
        bought = {step.tariff.price_list for step in steps}
    assert bought == {"uk-standard"}
    assert of.price_list.carrier == "Northern Telecom"


def test_an_ordinary_list_is_no_deck(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        (ordinary,) = price_lists.every(session, tenant_id=OPERATOR)
        assert margin.decks(session, tenant_id=OPERATOR) == ()
        with pytest.raises(PriceListNotFoundError):
            price_lists.published_deck(session, tenant_id=OPERATOR, price_list_id=ordinary.price_list_id)
