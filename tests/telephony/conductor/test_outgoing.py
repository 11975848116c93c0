"""The machine of calls out, by itself: what is late or cannot be changes nothing; every way has an end."""

import dataclasses
import datetime as dt
import random

import pytest

from core.ids import AgentId, CallId, NumberId, OfferId, QueueId, RecordingId, TenantId, new_id
from telephony.calls import OUTBOUND, Arrival
from telephony.conductor import actions, facts, outgoing
from telephony.conductor.actions import Action
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Dial, Offer
from telephony.conductor.phases import Cause, Lost, Phase
from telephony.events import DialOutcome

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)


def later(seconds: float) -> dt.datetime:
    return AT + dt.timedelta(seconds=seconds)


def dialled(*, detects_machines: bool = False) -> tuple[LiveCall, list[Action], OfferId]:
    offer_id = OfferId(new_id())
    offer = Offer(offer_id, AgentId(new_id()), 1001, None, "A-1", "ep1", "agent-1", later(10))
    arrival = Arrival(
        TenantId(new_id()),
        CallId(new_id()),
        NumberId(new_id()),
        "+442079460134",
        QueueId(new_id()),
        "+447700900123",
        AT,
        OUTBOUND,
    )
    dial = Dial(arrival.call_id, None, detects_machines, offer)
    call, asked = outgoing.begin(arrival, "dial-1", dial)
    return call, asked, offer_id


def another_offer(call: LiveCall) -> Offer:
    assert call.offer is not None
    return dataclasses.replace(call.offer, offer_id=OfferId(new_id()), agent_id=AgentId(new_id()))


def kinds(asked: list[Action]) -> list[str]:
    return [type(one).__name__ for one in asked]


def test_the_agent_is_reserved_before_the_number_is_dialled() -> None:
    _, asked, _ = dialled()
    assert kinds(asked) == ["Agent", "Originate"]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (17, DialOutcome.BUSY),
        (18, DialOutcome.NO_ANSWER),
        (19, DialOutcome.NO_ANSWER),
        (1, DialOutcome.UNALLOCATED),
        (28, DialOutcome.UNALLOCATED),
        (21, DialOutcome.REJECTED),
        (34, DialOutcome.FAILED),
        (127, DialOutcome.FAILED),
    ],
)
def test_a_call_nobody_picked_up_ends_by_its_cause_and_frees_the_agent(
    cause: int, outcome: DialOutcome
) -> None:
    call, _, _ = dialled()
    asked = outgoing.step(call, facts.CallerGone(later(1), cause))
    assert kinds(asked) == ["Agent", "Finish"]
    assert (call.outcome, call.phase) == (outcome, Phase.ENDED)
    assert "picked_up_at" not in call.instants


def test_the_bridge_waits_for_the_notice_and_for_the_agent_whichever_is_last() -> None:
    for agent_first in (True, False):
        call, _, offer_id = dialled()
        assert kinds(outgoing.step(call, facts.PickedUp(later(1)))) == ["Mark", "Agent", "Ring", "Notice"]
        said: list[Fact] = [
            facts.AgentAnswered(later(1.5), offer_id),
            facts.AnnouncementEnded(later(2)),
        ]
        first, second = said if agent_first else said[::-1]
        assert "Connect" not in kinds(outgoing.step(call, first))
        assert "Connect" in kinds(outgoing.step(call, second))


def test_the_agents_phone_rings_for_two_seconds() -> None:
    call, _, _ = dialled()
    outgoing.step(call, facts.PickedUp(later(5)))
    assert call.offer is not None
    assert call.offer.expires_at == later(7)


def test_with_detection_the_two_seconds_run_from_the_end_of_the_greeting() -> None:
    call, _, _ = dialled(detects_machines=True)
    outgoing.step(call, facts.PickedUp(later(5)))
    outgoing.step(call, facts.Heard(later(7), is_machine=False))  # who had been silent for 0.8 s
    assert call.offer is not None
    assert call.offer.expires_at == later(8.2)


def test_an_agent_whose_phone_is_gone_is_replaced_while_there_is_time() -> None:
    call, _, offer_id = dialled()
    outgoing.step(call, facts.PickedUp(later(1)))
    assert call.offer is not None
    lost = outgoing.step(call, facts.OfferLost(later(1.1), offer_id, Lost.PHONE_GONE))
    assert kinds(lost) == ["StopRinging", "Agent", "Seek"]
    other = dataclasses.replace(call.offer, offer_id=OfferId(new_id()), agent_id=AgentId(new_id()))
    assert kinds(outgoing.step(call, facts.Offered(later(1.1), other))) == ["Agent", "Ring"]
    assert outgoing.step(call, facts.AgentAnswered(later(1.2), offer_id)) == []  # the first one's, late
    outgoing.step(call, facts.AnnouncementEnded(later(1.2)))
    assert "Connect" in kinds(outgoing.step(call, facts.AgentAnswered(later(1.3), other.offer_id)))


def test_without_another_agent_they_hear_at_once_who_called() -> None:
    call, _, offer_id = dialled()
    outgoing.step(call, facts.PickedUp(later(1)))
    outgoing.step(call, facts.OfferLost(later(1.1), offer_id, Lost.PHONE_GONE))
    assert kinds(outgoing.step(call, facts.NobodyFree(later(1.1)))) == ["Apologise"]


def test_who_is_left_alone_hears_who_called_and_then_it_ends() -> None:
    call, _, offer_id = dialled()
    outgoing.step(call, facts.PickedUp(later(1)))
    lost = outgoing.step(call, facts.OfferLost(later(3), offer_id, Lost.NO_ANSWER))
    assert kinds(lost) == ["StopRinging", "Agent", "Apologise"]
    assert kinds(outgoing.step(call, facts.ApologyEnded(later(8)))) == ["HangUpCaller", "Finish"]
    assert (call.outcome, call.cause) == (DialOutcome.ABANDONED, Cause.ABANDONED)


def test_a_call_that_was_talked_in_is_connected_however_it_ends() -> None:
    ends: tuple[Fact, ...] = (
        facts.CallerGone(later(60), 16),
        facts.AgentGone(later(60), 16),
        facts.Vanished(later(60), Cause.SWITCH_LOST),
    )
    for end in ends:
        call, _, offer_id = dialled()
        said: tuple[Fact, ...] = (
            facts.PickedUp(later(1)),
            facts.AnnouncementEnded(later(1)),
            facts.AgentAnswered(later(2), offer_id),
            facts.Bridged(later(2), RecordingId(new_id())),
            end,
        )
        for fact in said:
            outgoing.step(call, fact)
        assert call.outcome is DialOutcome.CONNECTED


def test_whatever_comes_in_whatever_order_it_ends_once_with_an_outcome() -> None:
    dice = random.Random(7)  # noqa: S311 - a die for a test, thrown the same way each time
    for _ in range(3000):
        call, asked, offer_id = dialled(detects_machines=dice.random() < 0.5)
        freed = ended = 0
        seconds = 0.0
        for _ in range(40):
            if call.offer:
                offer_id = call.offer.offer_id
            seconds += 0.5
            at = later(seconds)
            could: list[Fact] = [
                facts.CalledRinging(at),
                facts.PickedUp(at),
                facts.Heard(at, dice.random() < 0.5),
                facts.AgentRinging(at, offer_id),
                facts.AgentAnswered(at, offer_id),
                facts.OfferLost(at, offer_id, dice.choice(list(Lost))),
                facts.AnnouncementEnded(at),
                facts.Bridged(at, None),
                facts.Held(at, dice.random() < 0.5),
                facts.Offered(at, another_offer(call)),
                facts.NobodyFree(at),
                facts.ApologyEnded(at),
                facts.NotPlaced(at),
                facts.AgentGone(at, 16),
                facts.CallerGone(at, dice.choice([1, 16, 17, 19, 34])),
            ]
            asked = outgoing.step(call, dice.choice(could))
            ended += kinds(asked).count("Finish")
            freed += sum(isinstance(one, actions.Agent) and one.state in {None, "wrap_up"} for one in asked)
            freed -= "Ring" in kinds(asked) and call.offers > 1  # another agent, to be let go of too
        outgoing.step(call, facts.Vanished(later(100), Cause.SWITCH_LOST))
        assert call.phase is Phase.ENDED
        assert call.outcome is not None
        assert ended <= 1
        assert freed <= 1, "an agent was let go of twice"
