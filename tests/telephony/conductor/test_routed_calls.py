"""Calls routed by their company's settings: regions, tiers, the agent of last time; and why, afterwards."""

import asyncio
import datetime as dt

import pytest

from core.ids import OPERATOR, CallId, CustomerId
from core.phone import parse_e164
from customers import lookup
from seats import roster
from seats.roster import Station
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, erasure
from telephony.routing import history, trail
from telephony.routing import settings as routing
from telephony.routing.settings import KeptFor, Region, RoutingSettings, TierSettings
from telephony.routing.strategy import Circle, Model
from telephony.routing.trail import Entry
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre, hire

pytestmark = pytest.mark.slow

_NORTH, _SOUTH = Region("north", "North", ("+44161",)), Region("south", "South", ("+447",))
_STRANGER = "+441614960000"


def perform(stage: Theatre, script: str) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down()

    asyncio.run(whole())


def settle_on(stage: Theatre, settings: RoutingSettings) -> None:
    with stage.gate.open(stage.scope) as session:
        routing.write(session, tenant_id=stage.company.tenant_id, settings=settings)


def put_in_tier(stage: Theatre, tier: str) -> CustomerId:
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        card = lookup.by_phone(session, tenant_id=tenant_id, vault=stage.vault, phone=parse_e164(CALLER))
        assert card is not None
        routing.put_in_tier(session, tenant_id=tenant_id, customer_id=card.id, tier=tier)
        return card.id


def explained(stage: Theatre) -> list[list[Entry]]:
    """Return the course of each call's wait, the first call first."""
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        found = reversed(calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls)
        return [
            trail.explain(calls.timeline(session, tenant_id=tenant_id, call_id=CallId(one.call_id)))
            for one in found
        ]


def test_a_call_goes_on_to_another_regions_agent_when_it_has_waited_and_says_so(theatre: Theatre) -> None:
    settle_on(theatre, RoutingSettings(Model.PROGRESSIVE, regions=(_NORTH, _SOUTH)))
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        roster.station(
            session, client_tenant_id=theatre.company.tenant_id, stations={1001: Station(region="north")}
        )
    perform(
        theatre,
        """
        0   caller calls
        5   routing looks again
        7   routing looks again
        9   bob answers
        20  caller hangs up
        """,
    )
    ((waits, widened, offered),) = explained(theatre)
    assert (waits.kind, waits.circle, waits.serving, waits.region) == ("waits", Circle.HOME, 0, "south")
    assert (widened.kind, widened.circle, widened.serving) == ("widened", Circle.QUEUE, 1)
    assert (offered.kind, offered.circle, offered.able, offered.waited_s) == ("offered", Circle.QUEUE, 1, 7.0)


def test_an_agent_kept_for_a_better_tier_takes_who_has_waited_too_long_and_it_says_why(
    theatre: Theatre,
) -> None:
    bob = theatre.people["bob"].agent_id
    settle_on(
        theatre,
        RoutingSettings(
            tiers=(TierSettings("vip", "VIP"),), kept=(KeptFor(bob, tier="vip"),), kept_opens_s=10
        ),
    )
    perform(
        theatre,
        """
        0   caller calls
        9   routing looks again
        10  routing looks again
        12  bob answers
        20  caller hangs up
        """,
    )
    ((waits, widened, offered),) = explained(theatre)
    assert (waits.kind, waits.serving, waits.kept, waits.opened) == ("waits", 0, 1, 0)
    assert (widened.kind, widened.serving, widened.kept, widened.opened) == ("widened", 1, 0, 1)
    assert (offered.kind, offered.waited_s, offered.is_kept, offered.is_opened) == (
        "offered",
        10.0,
        False,
        True,
    )


def test_a_better_tier_goes_ahead_of_who_came_before(theatre: Theatre) -> None:
    settle_on(theatre, RoutingSettings(tiers=(TierSettings("vip", "VIP", target_s=5),)))
    put_in_tier(theatre, "vip")

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break")
        theatre.sim.arrive(DIALLED, _STRANGER)
        await theatre.settle()
        await theatre.play(
            """
            3   caller calls
            8   bob is available
            10  bob answers
            20  caller hangs up
            """
        )
        await theatre.down()

    asyncio.run(whole())
    strangers, vips = explained(theatre)
    assert [one.kind for one in strangers] == ["waits"]
    assert [(one.kind, one.tier) for one in vips] == [("waits", "vip"), ("offered", "vip")]
    assert vips[0].ahead == 0


def test_a_caller_goes_to_the_agent_who_served_them_last_though_another_is_idle_for_longer(
    theatre: Theatre, gate: Gate, vault: Vault
) -> None:
    settle_on(theatre, RoutingSettings(sticky_s=10))
    theatre.people["dan"] = hire(gate, vault, theatre.company, number=1002)
    perform(
        theatre,
        """
        0   dan is break
        1   caller calls
        3   bob answers
        20  caller hangs up
        21  dan is available
        25  bob wraps up
        31  caller calls
        34  bob answers
        50  caller hangs up
        """,
    )
    first, again = explained(theatre)
    assert [one.is_last_agent for one in (*first, *again)] == [False, True]
    assert (again[0].able, again[0].idle_s) == (2, 6.0)


def test_erasing_a_customer_takes_them_out_of_their_tier(theatre: Theatre) -> None:
    settle_on(theatre, RoutingSettings(tiers=(TierSettings("vip", "VIP"),)))
    customer_id, tenant_id = put_in_tier(theatre, "vip"), theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        erasure.forget_tier(session, tenant_id=tenant_id, customer_id=customer_id)
        assert routing.tier_of(session, tenant_id=tenant_id, customer_id=customer_id) == ""


def test_a_companys_past_is_read_to_be_simulated(theatre: Theatre) -> None:
    settle_on(theatre, RoutingSettings(regions=(_SOUTH,), tiers=(TierSettings("vip", "VIP", target_s=5),)))
    put_in_tier(theatre, "vip")
    perform(
        theatre,
        """
        0   caller calls
        3   bob answers
        20  caller hangs up
        21  bob is break
        22  bob wraps up
        30  caller calls
        50  caller hangs up
        """,
    )
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        answered, lost = history.read(
            session,
            tenant_id=tenant_id,
            vault=theatre.vault,
            settings=routing.read(session, tenant_id=tenant_id),
            since=START,
            until=START + dt.timedelta(hours=1),
        )
    assert (answered.region, answered.tier.code, lost.at_ms - answered.at_ms) == ("south", "vip", 30_000)
    # who gave up waited 20 s, and would have talked as long as the other did, wrap-up included
    assert (lost.patience_ms, lost.work_ms) == (20_000, answered.work_ms)
    assert answered.work_ms > 60_000
    assert answered.patience_ms > 5_000
