"""The machine of calls given on, by itself: what cannot be changes nothing; whoever came in is let go."""

import dataclasses
import datetime as dt
import random
from collections import Counter

import pytest

from core.ids import AgentId, CallId, NumberId, OfferId, QueueId, RecordingId, TenantId, new_id
from telephony.calls import Arrival, Left, Stage
from telephony.conductor import actions, facts, machine, outgoing, phases, transfer
from telephony.conductor.actions import Action
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer, Outside
from telephony.conductor.phases import Cause, Lost, Phase
from telephony.events import DialOutcome

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
        facts.GreetingEnded(AT),
        facts.Offered(AT, first),
        facts.AgentAnswered(later(2), first.offer_id),
        facts.AnnouncementEnded(later(4)),
        facts.Bridged(later(4), RecordingId(new_id())),
    ):
        outgoing.step(call, fact)
    assert call.phase is Phase.TALKING
    return call


def kinds(asked: list[Action]) -> list[str]:
    return [type(one).__name__ for one in asked]


def asked(call: LiveCall, stage: Stage = Stage.PRIVATE) -> Offer:
    second = offer(1002)
    outgoing.step(call, facts.Consulted(later(10), second))
    if stage is not Stage.RINGING:
        outgoing.step(call, facts.AgentAnswered(later(12), second.offer_id))
    if stage is Stage.ASIDE:
        outgoing.step(call, facts.Swapped(later(13)))
    if stage is Stage.TOGETHER:
        outgoing.step(call, facts.Merged(later(13)))
    assert call.consult is not None
    assert call.consult.stage is stage
    return second


def outside(at: dt.datetime = AT) -> Outside:
    offer_id = OfferId(new_id())
    return Outside(offer_id, f"dial-{offer_id}", dt.timedelta(hours=2), at)


def asked_outside(call: LiveCall, stage: Stage = Stage.PRIVATE) -> Outside:
    number = outside(later(10))
    outgoing.step(call, facts.OutsideAsked(later(10), number))
    if stage is not Stage.RINGING:
        outgoing.step(call, facts.OutsideAnswered(later(12), number.offer_id))
    if stage is Stage.ASIDE:
        outgoing.step(call, facts.Swapped(later(13)))
    if stage is Stage.TOGETHER:
        outgoing.step(call, facts.Merged(later(13)))
    assert call.consult is not None
    assert call.consult.stage is stage
    return number


def test_given_outside_the_agent_wraps_up_and_the_number_is_called_once() -> None:
    call, number = talking(), outside(later(9))
    given = outgoing.step(call, facts.SentOutside(later(9), number))
    assert kinds(given) == ["Agent", "HandOn", "Music", "KeepOutside", "KeepLegs", "Reach"]
    assert (call.phase, call.offer, call.outside) == (Phase.REACHING, None, number)
    assert outgoing.step(call, facts.SentOutside(later(10), outside())) == []
    answered = outgoing.step(call, facts.OutsideAnswered(later(12), number.offer_id))
    assert kinds(answered) == ["KeepOutside", "StopRecording", "KeepLegs", "Arrange"]
    assert outgoing.step(call, facts.OutsideAnswered(later(13), number.offer_id)) == []
    assert kinds(outgoing.step(call, facts.CallerGone(later(30), 16))) == ["Finish"]
    (done,) = call.outsides
    assert (done.picked_up_at, done.ended_at, done.outcome) == (later(12), later(30), DialOutcome.CONNECTED)


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [
        (17, DialOutcome.BUSY),
        (19, DialOutcome.NO_ANSWER),
        (1, DialOutcome.UNALLOCATED),
        (21, DialOutcome.REJECTED),
        (34, DialOutcome.FAILED),
    ],
)
def test_a_number_outside_that_is_not_reached_leaves_the_caller_at_the_head(
    cause: int, outcome: DialOutcome
) -> None:
    call, number = talking(), outside(later(9))
    outgoing.step(call, facts.SentOutside(later(9), number))
    gone = outgoing.step(call, facts.OutsideGone(later(20), number.offer_id, cause))
    wait, told = gone[-2:]
    assert wait == actions.Wait(later(20), is_at_head=True)
    assert isinstance(told, actions.CameBack)
    assert isinstance(told.why, phases.Cause)
    assert told.why.value == outcome.value
    assert (call.phase, call.outside) == (Phase.QUEUED, None)
    assert [one.outcome for one in call.outsides] == [outcome]
    assert [leg.how for leg in call.legs] == [Left.TRANSFERRED, Left.NOT_THERE]


@pytest.mark.parametrize("why", [phases.Lost.NO_ANSWER, phases.Lost.DECLINED, phases.Lost.PHONE_GONE])
def test_who_gave_the_call_to_a_colleague_is_told_that_they_did_not_take_it(why: phases.Lost) -> None:
    call, second = talking(), offer(1002)
    giver = call.offer
    assert giver is not None
    outgoing.step(call, facts.Transferred(later(9), call.arrival.queue_id, "Deliveries", second))
    lost = outgoing.step(call, facts.OfferLost(later(20), second.offer_id, why))
    assert lost[-1] == actions.CameBack(giver.agent_id, why)
    # the next agent who does not answer was found by the queue: that is nobody's gift
    third = offer(1003)
    outgoing.step(call, facts.Offered(later(21), third))
    assert "CameBack" not in kinds(outgoing.step(call, facts.OfferLost(later(30), third.offer_id, why)))


@pytest.mark.parametrize("stage", [Stage.PRIVATE, Stage.ASIDE, Stage.TOGETHER])
def test_who_leaves_a_number_outside_with_the_caller_wraps_up(stage: Stage) -> None:
    call = talking()
    asked_outside(call, stage)
    acts = outgoing.step(call, facts.AgentLeft(later(20)))
    assert [one.state for one in acts if isinstance(one, actions.Agent)] == ["wrap_up"]
    assert (call.phase, call.offer, call.consult) == (Phase.OUTSIDE, None, None)
    assert kinds(acts).count("StopRecording") == (0 if stage is Stage.TOGETHER else 1)


@pytest.mark.parametrize("stage", [Stage.RINGING, Stage.PRIVATE, Stage.ASIDE])
def test_a_caller_is_not_left_to_a_stranger_when_the_agents_line_breaks(stage: Stage) -> None:
    call = talking()
    asked_outside(call, stage)
    outgoing.step(call, facts.LegLost(later(15)))
    outgoing.step(call, facts.AgentStaysAway(later(60)))
    assert (call.phase, call.outside, call.consult) == (Phase.QUEUED, None, None)


def test_what_is_said_of_another_number_outside_changes_nothing() -> None:
    call = talking()
    asked_outside(call, Stage.RINGING)
    other = OfferId(new_id())
    for fact in (facts.OutsideAnswered(later(11), other), facts.OutsideGone(later(11), other, 16)):
        assert outgoing.step(call, fact) == []


def test_a_switch_that_is_lost_leaves_an_unanswered_number_outside_lost() -> None:
    call, number = talking(), outside(later(9))
    outgoing.step(call, facts.SentOutside(later(9), number))
    outgoing.step(call, facts.Vanished(later(9), Cause.SWITCH_LOST))
    assert [one.outcome for one in call.outsides] == [DialOutcome.LOST]


def test_sent_back_the_caller_hears_the_greeting_and_waits_behind_the_others() -> None:
    call = talking()
    sent = outgoing.step(call, facts.SentBack(later(9), BILLING, "Billing"))
    assert kinds(sent) == ["Agent", "HandOn", "Greet"]
    assert (call.phase, call.offer, call.arrival.queue_id) == (Phase.GREETING, None, BILLING)
    waits = outgoing.step(call, facts.GreetingEnded(later(12)))
    assert actions.Wait(later(12), is_at_head=False) in waits


def test_given_to_a_queue_the_agent_wraps_up_and_the_caller_waits_at_its_head() -> None:
    call = talking()
    given = outgoing.step(call, facts.Transferred(later(9), BILLING, "Billing", None))
    assert kinds(given) == ["Agent", "HandOn", "Wait"]
    assert given[-1] == actions.Wait(later(9), is_at_head=True)
    assert (call.phase, call.offer, call.arrival.queue_id) == (Phase.QUEUED, None, BILLING)
    assert [leg.how for leg in call.legs] == [Left.TRANSFERRED]


@pytest.mark.parametrize("what", ["parked", "paused", "asking", "over", "queued"])
def test_a_call_that_cannot_be_given_on_stays_as_it_is(what: str) -> None:
    call = talking()
    match what:
        case "parked":
            outgoing.step(call, facts.LegLost(later(5)))
        case "paused":
            outgoing.step(call, facts.RecordingPaused(later(5), on=True))
        case "asking":
            asked(call)
        case "over":
            outgoing.step(call, facts.AgentGone(later(5), 16))
        case _:
            outgoing.step(call, facts.Transferred(later(5), BILLING, "Billing", None))
    before = dataclasses.replace(call, legs=list(call.legs))
    assert not transfer.can_be_given(call)
    for fact in (
        facts.Transferred(later(20), BILLING, "Billing", None),
        facts.Consulted(later(20), offer(1003)),
        facts.SentOutside(later(20), outside()),
        facts.OutsideAsked(later(20), outside()),
        facts.SentBack(later(20), BILLING, "Billing"),
    ):
        assert outgoing.step(call, fact) == []
    assert dataclasses.replace(call, proven_at=before.proven_at) == before


@pytest.mark.parametrize("stage", [Stage.PRIVATE, Stage.ASIDE, Stage.TOGETHER])
def test_who_leaves_wraps_up_and_the_other_has_the_call(stage: Stage) -> None:
    call = talking()
    second = asked(call, stage)
    acts = outgoing.step(call, facts.AgentLeft(later(20)))
    states = [(one.agent_id == second.agent_id, one.state) for one in acts if isinstance(one, actions.Agent)]
    assert states == [(False, "wrap_up"), (True, "talking")]
    assert (call.offer, call.consult, call.is_held) == (second, None, False)
    assert transfer.can_be_given(call)


def test_nothing_is_swapped_or_merged_before_the_phone_is_answered() -> None:
    call = talking()
    asked(call, Stage.RINGING)
    for fact in (facts.Swapped(later(11)), facts.Merged(later(11)), facts.AgentLeft(later(11))):
        assert outgoing.step(call, fact) == []


def test_a_paused_recording_keeps_the_agent_in_the_conversation_of_three() -> None:
    call = talking()
    asked(call, Stage.TOGETHER)
    outgoing.step(call, facts.RecordingPaused(later(15), on=True))
    assert outgoing.step(call, facts.AgentLeft(later(16))) == []


def test_a_call_cut_in_a_conversation_of_three_lets_everybody_go() -> None:
    call = talking()
    asked(call, Stage.TOGETHER)
    acts = outgoing.step(call, facts.Cut(later(30), Cause.TOO_LONG))
    assert kinds(acts).count("StopRinging") == 2
    assert call.cause is Cause.TOO_LONG
    assert [leg.how for leg in call.legs] == [None, Left.ASKED_ONLY]


def test_whatever_comes_in_whatever_order_everybody_who_came_in_is_let_go_once() -> None:
    dice = random.Random(11)  # noqa: S311 - a die for a test, thrown the same way each time
    seen = 0
    for _ in range(3000):
        call = talking()
        into = Counter([call.offer.agent_id] if call.offer else [])
        out: Counter[AgentId] = Counter()
        ended = reached = rated = surveyed = called = 0
        for turn in range(30):
            at = later(10 + turn)
            ids = [one.offer_id for one in (call.offer, call.consult and call.consult.offer) if one]
            one_of = dice.choice(ids) if ids else OfferId(new_id())
            new, number = offer(1002 + turn), outside(at)
            new = dataclasses.replace(new, is_at_telephone=dice.random() < 0.5)
            their = Outside(one_of, f"agent-{one_of}", dt.timedelta(hours=2), at)
            is_out = call.outside.offer_id if call.outside else OfferId(new_id())
            could: list[Fact] = [
                facts.Transferred(at, BILLING, "Billing", None),
                facts.Transferred(at, call.arrival.queue_id, "", new),
                facts.Consulted(at, new),
                facts.Swapped(at),
                facts.Merged(at),
                facts.AskedGone(at, 16),
                facts.ConsultEnded(at),
                facts.AgentLeft(at),
                facts.AgentAnswered(at, one_of),
                facts.OfferLost(at, one_of, dice.choice(list(Lost))),
                facts.Offered(at, new),
                facts.AnnouncementEnded(at),
                facts.Bridged(at, None),
                facts.Held(at, dice.random() < 0.5),
                facts.LegLost(at),
                facts.Rejoined(at, f"again-{turn}"),
                facts.AgentStaysAway(at),
                facts.SentOutside(at, number),
                facts.OutsideAsked(at, number),
                facts.OutsideAnswered(at, is_out),
                facts.OutsideGone(at, is_out, dice.choice([16, 17, 19])),
                facts.SentBack(at, BILLING, ""),
                facts.GreetingEnded(at),
                *(facts.TelephoneCalled(at, their) for _ in range(3)),
                facts.TelephonePickedUp(at, one_of),
                facts.TelephoneGone(at, one_of, dice.choice([16, 17, 19])),
            ]
            if dice.random() < 0.1:
                could += [facts.AgentGone(at, 16), facts.EndedForAll(at), facts.CallerGone(at, 16)]
            if dice.random() < 0.3:
                could += [facts.AgentGone(at, 16, survey_most=5), facts.SurveyEnded(at, "silent")]
                could += [facts.SurveyAnswered(at, dice.randrange(-1, 8)) for _ in range(3)]
            asked = outgoing.step(call, dice.choice(could))
            assert call.phase is not Phase.SURVEY or (call.offer is None and call.talked_until)
            assert call.phase is Phase.SURVEY or call.talked_until is None or call.phase is Phase.ENDED
            assert 0 <= call.rating <= call.survey_most
            rated += kinds(asked).count("Rated")
            surveyed += kinds(asked).count("Survey")
            ended += kinds(asked).count("Finish")
            reached += kinds(asked).count("Reach")
            called += kinds(asked).count("CallTelephone")
            for action in asked:
                if isinstance(action, actions.Ring):
                    into[action.offer.agent_id] += 1
                if isinstance(action, actions.Agent) and action.state in {None, "wrap_up"}:
                    out[action.agent_id] += 1
        for action in outgoing.step(call, facts.Vanished(later(100), Cause.SWITCH_LOST)):
            ended += isinstance(action, actions.Finish)
            out.update([action.agent_id] if isinstance(action, actions.Agent) else [])
        assert call.phase is Phase.ENDED
        assert ended == 1
        assert rated <= surveyed <= 1
        assert (rated == 1) is (call.rating > 0)
        assert len(call.outsides) == reached
        assert all(one.ended_at for one in call.outsides), "a number outside outlives its call"
        assert called == len({one.offer_id for one in call.telephones}), "a telephone is called twice"
        assert all(one.ended_at and one.cause for one in call.telephones), "a telephone outlives its call"
        seen += called
        assert out == into, "somebody was let go of twice, or never"
    assert seen > 100


def at_telephone() -> tuple[LiveCall, Offer]:
    """Return a call offered to an agent at their telephone, which is being called."""
    call = talking()
    to = dataclasses.replace(offer(1002), is_at_telephone=True)
    outgoing.step(call, facts.Transferred(later(10), call.arrival.queue_id, "", to))
    telephone = Outside(to.offer_id, to.channel, dt.timedelta(hours=2), later(10))
    asked = outgoing.step(call, facts.TelephoneCalled(later(10), telephone))
    assert kinds(asked) == ["KeepOutside", "CallTelephone"]
    return call, to


def test_picking_a_telephone_up_is_not_answering() -> None:
    call, to = at_telephone()
    picked_up = facts.TelephonePickedUp(later(13), to.offer_id)
    assert kinds(outgoing.step(call, picked_up)) == ["KeepOutside", "AskAtTelephone"]
    assert outgoing.step(call, picked_up) == []
    assert call.telephone is not None
    assert call.telephone.picked_up_at == later(13)
    outgoing.step(call, facts.AgentAnswered(later(15), to.offer_id))
    assert call.phase is Phase.ANNOUNCING


def test_a_telephone_is_called_for_its_own_offer_once() -> None:
    call, to = at_telephone()
    again = Outside(to.offer_id, to.channel, dt.timedelta(hours=2), later(11))
    assert outgoing.step(call, facts.TelephoneCalled(later(11), again)) == []
    assert outgoing.step(call, facts.TelephoneCalled(later(11), outside())) == []
    in_browser = talking()
    mine = offer(1003)
    outgoing.step(in_browser, facts.Transferred(later(10), BILLING, "", mine))
    its = Outside(mine.offer_id, mine.channel, dt.timedelta(hours=2), later(10))
    assert outgoing.step(in_browser, facts.TelephoneCalled(later(11), its)) == []


@pytest.mark.parametrize(
    ("picked_up", "is_wanted", "cause"),
    [
        (False, True, Cause.BUSY),
        (False, False, Cause.CANCELLED),
        (True, True, Cause.CALLED_HUNG_UP),
        (True, False, Cause.AGENT_HUNG_UP),
    ],
)
def test_how_the_call_to_a_telephone_ended(*, picked_up: bool, is_wanted: bool, cause: Cause) -> None:
    call, to = at_telephone()
    if picked_up:
        outgoing.step(call, facts.TelephonePickedUp(later(12), to.offer_id))
    if not is_wanted:
        outgoing.step(call, facts.OfferLost(later(13), to.offer_id, Lost.DECLINED))
    gone = facts.TelephoneGone(later(14), to.offer_id, 17)
    assert kinds(outgoing.step(call, gone)) == ["KeepOutside"]
    assert outgoing.step(call, gone) == []
    (one,) = call.telephones
    assert (one.cause, one.ended_at, call.lines_out) == (cause, later(14), 0)
