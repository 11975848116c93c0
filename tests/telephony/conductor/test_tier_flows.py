"""Callers of a tier go through the tier's own flow: who does, who does not, and what is said of it."""

import asyncio
from collections.abc import Mapping

import pytest

from core import clock, ids
from core.ids import CallId, FlowId, QueueId, UserId, new_id
from core.phone import parse_e164
from customers import lookup
from telephony import calls, numbers, queues
from telephony.conductor import paying
from telephony.errors import FlowInUseError
from telephony.flows import store
from telephony.flows.model import Flow
from telephony.models import FlowRow, FlowRunRow, FlowVersionRow
from telephony.routing import settings as routing
from telephony.routing import trail
from telephony.routing.settings import RoutingSettings, TierSettings
from telephony.routing.trail import Through
from tests.telephony.conductor.test_forwarding import PHONE, forward
from tests.telephony.conductor.test_forwarding import found as forwarded
from tests.telephony.conductor.test_opening import AFTERNOONS, keep, speaks_for
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre

pytestmark = pytest.mark.slow

_STRANGER, _WITHHELD = "+441614960000", ""


@pytest.fixture
def theatre(theatre: Theatre) -> Theatre:
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        for name in ("Gold", "VIP"):
            theatre.queues[name] = queues.open_queue(
                session, tenant_id=tenant_id, name=name, ring_timeout_s=15
            ).queue_id
    return theatre


def published(stage: Theatre, queue_id: QueueId) -> FlowId:
    """Publish a flow that leads straight to a queue."""
    tenant_id, by = stage.company.tenant_id, UserId(new_id())
    nodes = {"start": {"kind": "queue", "queue": ids.public("que", queue_id)}}
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        made = store.make(
            session,
            tenant_id=tenant_id,
            name="A flow",
            draft=Flow.model_validate({"nodes": nodes}),
            vault=stage.vault,
        )
        store.publish(
            session, tenant_id=tenant_id, flow_id=made.flow_id, revision=1, by=by, vault=stage.vault
        )
    return made.flow_id


def lead_number(stage: Theatre, flow_id: FlowId) -> None:
    tenant_id = stage.company.tenant_id
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        number = numbers.get(session, tenant_id=tenant_id, number_id=stage.company.number_id)
        store.lead_number(
            session,
            tenant_id=tenant_id,
            number_id=number.number_id,
            flow_id=flow_id,
            revision=number.revision,
        )


def settle(stage: Theatre, *tiers: TierSettings) -> None:
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        routing.write(session, tenant_id=stage.company.tenant_id, settings=RoutingSettings(tiers=tiers))


def put_in_tier(stage: Theatre, tier: str) -> None:
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        card = lookup.by_phone(session, tenant_id=tenant_id, vault=stage.vault, phone=parse_e164(CALLER))
        assert card is not None
        routing.put_in_tier(session, tenant_id=tenant_id, customer_id=card.id, tier=tier)


def perform(stage: Theatre, caller: str = CALLER) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play("0 bob is break")
        stage.caller = stage.sim.arrive(DIALLED, caller)
        await stage.settle()
        await stage.play("5 caller hangs up")
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def came_to(stage: Theatre) -> tuple[QueueId, Through | None]:
    """Return to which queue the call belonged in the end, and what it went through."""
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        (call,) = (one for one in every if one.part_of is None)
        steps = calls.timeline(session, tenant_id=tenant_id, call_id=CallId(call.call_id))
    return call.queue_id, trail.through(steps)


# who calls, in which tier -> whose flow they go through; empty: the number's
TABLE: Mapping[str, tuple[str, str, str]] = {
    "a tier with a flow of its own": (CALLER, "vip", "vip"),
    "a level with a flow of its own": (CALLER, "vip-gold", "vip-gold"),
    "a level without one has that of its tier": (CALLER, "vip-silver", "vip"),
    "a tier without one has that of the number": (CALLER, "easy", ""),
    "a customer in no tier": (CALLER, "", ""),
    "a stranger": (_STRANGER, "vip", ""),
    "a number that is withheld": (_WITHHELD, "vip", ""),
}


@pytest.mark.parametrize("case", TABLE)
@pytest.mark.parametrize("has_flow", [True, False], ids=["number with a flow", "number without"])
def test_each_caller_goes_through_the_flow_of_their_level_tier_or_number(
    theatre: Theatre, case: str, *, has_flow: bool
) -> None:
    caller, tier, whose = TABLE[case]
    own = theatre.company.queue_id
    flows = {
        "": published(theatre, own),
        "vip": published(theatre, theatre.queues["VIP"]),
        "vip-gold": published(theatre, theatre.queues["Gold"]),
    }
    if has_flow:
        lead_number(theatre, flows[""])
    settle(
        theatre,
        TierSettings("vip", "VIP", flow_id=flows["vip"]),
        TierSettings("vip-gold", "Gold", "vip", flow_id=flows["vip-gold"]),
        TierSettings("vip-silver", "Silver", "vip"),
        TierSettings("easy", "Pay as you go"),
    )
    put_in_tier(theatre, tier)
    perform(theatre, caller)
    queue_id, through = came_to(theatre)
    assert queue_id == {"": own, "vip": theatre.queues["VIP"], "vip-gold": theatre.queues["Gold"]}[whose]
    if not whose and not has_flow:
        assert through is None
    else:
        told = tier if whose else ""
        assert through == Through(ids.public("flow", flows[whose]), 1, told)
    assert "caller-left-queue" in theatre.books_say()[0]
    assert theatre.timeline().count("flow-entered") == int(through is not None)


def test_the_queue_a_tiers_flow_leads_to_stands_before_the_one_the_tier_waits_in(theatre: Theatre) -> None:
    flow_id = published(theatre, theatre.queues["Gold"])
    settle(theatre, TierSettings("vip", "VIP", flow_id=flow_id, queue_id=theatre.queues["VIP"]))
    put_in_tier(theatre, "vip")
    waited: list[QueueId] = []

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break\n1 caller calls\n2 routing looks again")
        waited.extend(one.queue_id for one in theatre.conductor.floor.waiting.values())
        await theatre.play("5 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert waited == [theatre.queues["Gold"]]


def test_a_closed_queue_does_not_close_the_flow_of_a_tier(theatre: Theatre) -> None:
    keep(theatre, AFTERNOONS)
    settle(theatre, TierSettings("vip", "VIP", flow_id=published(theatre, theatre.queues["VIP"])))
    put_in_tier(theatre, "vip")
    perform(theatre)
    assert came_to(theatre)[0] == theatre.queues["VIP"]


def test_a_number_that_forwards_all_its_callers_forwards_those_of_a_tier_too(theatre: Theatre) -> None:
    settle(theatre, TierSettings("vip", "VIP", flow_id=published(theatre, theatre.queues["VIP"])))
    put_in_tier(theatre, "vip")
    forward(theatre, PHONE)
    perform(theatre)
    assert came_to(theatre)[1] is None
    assert len(forwarded(theatre)[1]) == 1, "their phone was called"


def test_a_killed_switchboard_goes_on_in_the_tiers_flow(theatre: Theatre) -> None:
    tenant_id, vip = theatre.company.tenant_id, ids.public("que", theatre.queues["VIP"])
    menu = {
        "start": {
            "kind": "menu",
            "prompt": {"text": "1."},
            "keys": {"1": {"to": "q"}},
            "otherwise": "end",
        },
        "q": {"kind": "queue", "queue": vip},
        "end": {"kind": "hang-up"},
    }
    flow_id = published(theatre, theatre.queues["VIP"])
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        draft, by = Flow.model_validate({"nodes": menu}), UserId(new_id())
        store.save(
            session,
            tenant_id=tenant_id,
            flow_id=flow_id,
            revision=2,
            name="A menu",
            draft=draft,
            vault=theatre.vault,
        )
        store.publish(session, tenant_id=tenant_id, flow_id=flow_id, revision=3, by=by, vault=theatre.vault)
    lead_number(theatre, published(theatre, theatre.company.queue_id))
    settle(theatre, TierSettings("vip", "VIP", flow_id=flow_id))
    put_in_tier(theatre, "vip")
    speaks_for(theatre, seconds=2)

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break\n1 caller calls\n2 routing looks again")
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        await theatre.play("3 caller presses 1\n6 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    queue_id, through = came_to(theatre)
    assert (queue_id, through) == (theatre.queues["VIP"], Through(ids.public("flow", flow_id), 2, "vip"))


def test_a_flow_that_cannot_be_read_leaves_the_number_its_own_way_and_says_so(theatre: Theatre) -> None:
    flow_id = published(theatre, theatre.queues["VIP"])
    settle(theatre, TierSettings("vip", "VIP", flow_id=flow_id))
    put_in_tier(theatre, "vip")
    tenant_id, by = theatre.company.tenant_id, new_id()
    with theatre.gate.open(theatre.scope) as session:  # as a later release may write it
        session.add(
            FlowVersionRow(
                tenant_id=tenant_id,
                flow_id=flow_id,
                version=2,
                body={"format": 9},
                published_at=START,
                published_by=by,
            )
        )
        row = session.get(FlowRow, (tenant_id, flow_id))
        assert row is not None
        row.version = 2
    perform(theatre)
    queue_id, through = came_to(theatre)
    assert (queue_id, through) == (theatre.company.queue_id, Through(missed="tier-flow-missing"))


def test_who_is_not_known_in_time_goes_the_numbers_own_way_and_it_is_said(
    theatre: Theatre, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(theatre, TierSettings("vip", "VIP", flow_id=published(theatre, theatre.queues["VIP"])))
    put_in_tier(theatre, "vip")
    monkeypatch.setattr(paying, "WITHIN_S", 0.0)
    perform(theatre)
    queue_id, through = came_to(theatre)
    assert (queue_id, through) == (theatre.company.queue_id, Through(missed="tier-unknown"))


def test_a_flow_callers_of_a_tier_go_through_is_not_removed(theatre: Theatre) -> None:
    tenant_id, flow_id = theatre.company.tenant_id, published(theatre, theatre.queues["VIP"])
    settle(theatre, TierSettings("vip", "VIP", flow_id=flow_id), TierSettings("gold", "Gold", "vip"))
    with theatre.gate.open(theatre.scope) as session, pytest.raises(FlowInUseError) as refused:
        store.remove(session, tenant_id=tenant_id, flow_id=flow_id, revision=2)
    assert refused.value.details["tiers"] == ["vip", "gold"]


def test_what_callers_did_in_the_flow_of_their_tier_is_counted_there(theatre: Theatre) -> None:
    flow_id = published(theatre, theatre.queues["VIP"])
    settle(theatre, TierSettings("vip", "VIP", flow_id=flow_id))
    put_in_tier(theatre, "vip")
    perform(theatre)
    with theatre.gate.open(theatre.scope) as session:
        (run,) = session.query(FlowRunRow).all()
        assert (run.flow_id, run.outcome) == (flow_id, "queued")
