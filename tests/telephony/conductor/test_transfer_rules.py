"""The machine of calls given on, by itself: what cannot be changes nothing; whoever came in is let go."""

import dataclasses
import datetime as dt
import random
from collections import Counter

import pytest

from core.ids import AgentId, CallId, NumberId, OfferId, QueueId, RecordingId, TenantId, new_id
from telephony.calls import Arrival, Left, Stage
from telephony.conductor import machine, outgoing, transfer
from telephony.conductor.machine import Action, Cause, Fact, LiveCall, Lost, Offer, Phase

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
BILLING = QueueId(new_id())


def later(seconds: float) -> dt.datetime:
    return AT + dt.timedelta(seconds=seconds)


def offer(number: int = 1001) -> Offer:
    offer_id = OfferId(new_id())
    return Offer(
        offer_id,
        AgentId(new_id()),
        number,
        None,
        f"A-{number}",
        f"ep{number}",
        f"agent-{offer_id}",
        later(20),
    )


def talking() -> LiveCall:
    arrival = Arrival(
        TenantId(new_id()),
        CallId(new_id()),
        NumberId(new_id()),
        "+442079460134",
        QueueId(new_id()),
        "+447700900123",
        AT,
    )
    call, _ = machine.begin(arrival, "in-1")
    first = offer()
    for fact in (
        machine.GreetingEnded(AT),
        machine.Offered(AT, first),
        machine.AgentAnswered(later(2), first.offer_id),
        machine.AnnouncementEnded(later(4)),
        machine.Bridged(later(4), RecordingId(new_id())),
    ):
        outgoing.step(call, fact)
    assert call.phase is Phase.TALKING
    return call


def kinds(actions: list[Action]) -> list[str]:
    return [type(one).__name__ for one in actions]


def asked(call: LiveCall, stage: Stage = Stage.PRIVATE) -> Offer:
    second = offer(1002)
    outgoing.step(call, machine.Consulted(later(10), second))
    if stage is not Stage.RINGING:
        outgoing.step(call, machine.AgentAnswered(later(12), second.offer_id))
    if stage is Stage.ASIDE:
        outgoing.step(call, machine.Swapped(later(13)))
    if stage is Stage.TOGETHER:
        outgoing.step(call, machine.Merged(later(13)))
    assert call.consult is not None
    assert call.consult.stage is stage
    return second


def test_given_to_a_queue_the_agent_wraps_up_and_the_caller_waits_at_its_head() -> None:
    call = talking()
    given = outgoing.step(call, machine.Transferred(later(9), BILLING, "Billing", None))
    assert kinds(given) == ["Agent", "HandOn", "Wait"]
    assert given[-1] == machine.Wait(later(9), is_at_head=True)
    assert (call.phase, call.offer, call.arrival.queue_id) == (Phase.QUEUED, None, BILLING)
    assert [leg.how for leg in call.legs] == [Left.TRANSFERRED]


@pytest.mark.parametrize("what", ["parked", "paused", "asking", "over", "queued"])
def test_a_call_that_cannot_be_given_on_stays_as_it_is(what: str) -> None:
    call = talking()
    match what:
        case "parked":
            outgoing.step(call, machine.LegLost(later(5)))
        case "paused":
            outgoing.step(call, machine.RecordingPaused(later(5), on=True))
        case "asking":
            asked(call)
        case "over":
            outgoing.step(call, machine.AgentGone(later(5), 16))
        case _:
            outgoing.step(call, machine.Transferred(later(5), BILLING, "Billing", None))
    before = dataclasses.replace(call, legs=list(call.legs))
    assert not transfer.can_be_given(call)
    for fact in (
        machine.Transferred(later(20), BILLING, "Billing", None),
        machine.Consulted(later(20), offer(1003)),
    ):
        assert outgoing.step(call, fact) == []
    assert dataclasses.replace(call, proven_at=before.proven_at) == before


@pytest.mark.parametrize("stage", [Stage.PRIVATE, Stage.ASIDE, Stage.TOGETHER])
def test_who_leaves_wraps_up_and_the_other_has_the_call(stage: Stage) -> None:
    call = talking()
    second = asked(call, stage)
    acts = outgoing.step(call, machine.AgentLeft(later(20)))
    states = [(one.agent_id == second.agent_id, one.state) for one in acts if isinstance(one, machine.Agent)]
    assert states == [(False, "wrap_up"), (True, "talking")]
    assert (call.offer, call.consult, call.is_held) == (second, None, False)
    assert transfer.can_be_given(call)


def test_nothing_is_swapped_or_merged_before_the_phone_is_answered() -> None:
    call = talking()
    asked(call, Stage.RINGING)
    for fact in (machine.Swapped(later(11)), machine.Merged(later(11)), machine.AgentLeft(later(11))):
        assert outgoing.step(call, fact) == []


def test_a_paused_recording_keeps_the_agent_in_the_conversation_of_three() -> None:
    call = talking()
    asked(call, Stage.TOGETHER)
    outgoing.step(call, machine.RecordingPaused(later(15), on=True))
    assert outgoing.step(call, machine.AgentLeft(later(16))) == []


def test_a_call_cut_in_a_conversation_of_three_lets_everybody_go() -> None:
    call = talking()
    asked(call, Stage.TOGETHER)
    acts = outgoing.step(call, machine.Cut(later(30), Cause.TOO_LONG))
    assert kinds(acts).count("StopRinging") == 2
    assert call.cause is Cause.TOO_LONG
    assert [leg.how for leg in call.legs] == [None, Left.ASKED_ONLY]


def test_whatever_comes_in_whatever_order_everybody_who_came_in_is_let_go_once() -> None:
    dice = random.Random(11)  # noqa: S311 - a die for a test, thrown the same way each time
    for _ in range(3000):
        call = talking()
        into = Counter([call.offer.agent_id] if call.offer else [])
        out: Counter[AgentId] = Counter()
        ended = 0
        for turn in range(30):
            at = later(10 + turn)
            ids = [one.offer_id for one in (call.offer, call.consult and call.consult.offer) if one]
            one_of = dice.choice(ids) if ids else OfferId(new_id())
            new = offer(1002 + turn)
            could: list[Fact] = [
                machine.Transferred(at, BILLING, "Billing", None),
                machine.Transferred(at, call.arrival.queue_id, "", new),
                machine.Consulted(at, new),
                machine.Swapped(at),
                machine.Merged(at),
                machine.AskedGone(at, 16),
                machine.ConsultEnded(at),
                machine.AgentLeft(at),
                machine.AgentAnswered(at, one_of),
                machine.OfferLost(at, one_of, dice.choice(list(Lost))),
                machine.Offered(at, new),
                machine.AnnouncementEnded(at),
                machine.Bridged(at, None),
                machine.Held(at, dice.random() < 0.5),
                machine.LegLost(at),
                machine.Rejoined(at, f"again-{turn}"),
                machine.AgentStaysAway(at),
            ]
            if dice.random() < 0.1:
                could += [machine.AgentGone(at, 16), machine.EndedForAll(at), machine.CallerGone(at, 16)]
            actions = outgoing.step(call, dice.choice(could))
            ended += kinds(actions).count("Finish")
            for action in actions:
                if isinstance(action, machine.Ring):
                    into[action.offer.agent_id] += 1
                if isinstance(action, machine.Agent) and action.state in {None, "wrap_up"}:
                    out[action.agent_id] += 1
        for action in outgoing.step(call, machine.Vanished(later(100), Cause.SWITCH_LOST)):
            ended += isinstance(action, machine.Finish)
            out.update([action.agent_id] if isinstance(action, machine.Agent) else [])
        assert call.phase is Phase.ENDED
        assert ended == 1
        assert out == into, "somebody was let go of twice, or never"
