"""One call that goes out as a state machine, beside `machine`: the same facts, actions and live call.

    dialling -> ringing -> (detecting) -> offered -> announcing -> talking -> ended
                                          ^    |
                              seeking ----+<---+    that agent's phone is gone: another one, in what is left
                                 |             |
                                 +-------------+-> apologising -> ended    no agent in time: abandoned

The agent is reserved before the number is dialled, so whoever picks up has an agent. Two seconds after the
answer somebody must be there; else the person hears who called, and the call is abandoned. The two seconds
run from the answer, or, with machine detection, from the end of the called person's greeting, as 16 CFR
310.4(b)(1)(iv) has it: that is as long before the word of the detection as it waits for silence. Hearing a
greeting out takes longer than two seconds from the answer; who calls under a rule that counts from there
(Ofcom's) leaves detection off. Pure.
"""

import dataclasses
import datetime as dt
from typing import Final

from telephony.calls import Arrival
from telephony.conductor import actions, at_telephone, facts, in_flow, in_room, machine, phases, transfer
from telephony.conductor.actions import (
    DIALLING,
    TALKING,
    WRAP_UP,
    Action,
    Agent,
    Apologise,
    Connect,
    Detect,
    Finish,
    HangUpCaller,
    Mark,
    Notice,
    Originate,
    Ring,
    Seek,
    StopRinging,
)
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Dial, Offer
from telephony.conductor.phases import Cause, Lost, Phase
from telephony.events import DialOutcome
from telephony.switch.port import SILENCE_OF_A_PERSON

ANSWER_WITHIN: Final = dt.timedelta(seconds=2)
_SHORTEST_RING: Final = dt.timedelta(milliseconds=500)  # in less no browser answers
_NORMAL = 16  # Q.850
_UNANSWERED = {Phase.DIALLING, Phase.RINGING}


def begin(arrival: Arrival, channel: str, dial: Dial) -> tuple[LiveCall, list[Action]]:
    """Return a new call out and how it begins: its agent is reserved, then it is placed."""
    call = LiveCall(
        arrival,
        channel,
        phase=Phase.DIALLING,
        offer=dial.offer,
        dial=dial,
        proven_at=arrival.arrived_at,
    )
    offer = dial.offer
    return call, [
        Agent(
            offer.agent_id,
            DIALLING,
            arrival.arrived_at,
            offer.offer_id,
            "dialling" if dial.is_by_hand else "reserved",
        ),
        Originate(),
    ]


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move any call on by one fact, whichever way it goes; see `machine.step`."""
    if at_telephone.concerns(fact):
        return at_telephone.step(call, fact)
    if transfer.concerns(call, fact):
        return transfer.step(call, fact)
    if in_flow.concerns(fact):
        return in_flow.step(call, fact)
    if in_room.concerns(fact):
        return in_room.step(call, fact)
    if not call.leads_out:
        return machine.step(call, fact)
    if call.phase is Phase.ENDED or call.offer is None:
        return []
    call.proven_at = max(call.proven_at, fact.at)
    due = _follow(call, call.offer, fact)
    for action in due:
        if isinstance(action, Mark):
            call.instants |= action.instants
    return due


def _follow(call: LiveCall, offer: Offer, fact: Fact) -> list[Action]:
    match fact:
        case facts.CalledRinging() if call.phase is Phase.DIALLING:
            call.phase = Phase.RINGING
            if not _is_by_hand(call):
                return []
            return [Agent(offer.agent_id, DIALLING, fact.at, offer.offer_id, "alerting")]
        case facts.GivenUp() if call.phase in _UNANSWERED and _is_by_hand(call):
            return [
                HangUpCaller(),
                _free(call, offer, fact.at),
                *_finish(call, fact.at, DialOutcome.CANCELLED, Cause.CANCELLED),
            ]
        case facts.PickedUp() if call.phase in _UNANSWERED:
            return _picked_up(call, offer, fact.at)
        case facts.Heard(is_machine=True) if call.phase is Phase.DETECTING:
            return [
                HangUpCaller(),
                _free(call, offer, fact.at),
                *_finish(call, fact.at, DialOutcome.MACHINE, Cause.MACHINE),
            ]
        case facts.Heard() if call.phase is Phase.DETECTING:
            return _offer(call, offer, fact.at, silent_for=SILENCE_OF_A_PERSON)
        case facts.AgentRinging() if _is_offered(call, fact.offer_id):
            return [
                Mark({"ringing_at": fact.at}, offer),
                Agent(offer.agent_id, DIALLING, fact.at, offer.offer_id, "ringing"),
            ]
        case facts.AgentAnswered() if _is_offered(call, fact.offer_id):
            call.phase = Phase.ANNOUNCING
            return [
                Mark({"answered_at": fact.at}, offer),
                Agent(offer.agent_id, TALKING, fact.at, offer.offer_id, "talking"),
                *([Connect(offer)] if call.is_noticed else []),
            ]
        case facts.OfferLost() if _is_offered(call, fact.offer_id):
            item = {Lost.DECLINED: "declined", Lost.NO_ANSWER: "missed"}.get(fact.why, "lost")
            return _left_alone(
                call, offer, Agent(offer.agent_id, None, fact.at, offer.offer_id, item, fact.why)
            )
        case facts.Offered() if call.phase is Phase.SEEKING:
            call.phase, call.offer, call.offers = Phase.OFFERED, fact.offer, call.offers + 1
            return _ring(fact.offer, fact.at)
        case facts.NobodyFree() if call.phase is Phase.SEEKING:
            call.phase = Phase.APOLOGISING
            return [Apologise()]
        case facts.AnnouncementEnded() if not call.is_noticed:
            call.is_noticed = True
            return [Connect(offer)] if call.phase is Phase.ANNOUNCING else []
        case facts.Bridged() if call.phase is Phase.ANNOUNCING:
            call.phase, call.recording_id = Phase.TALKING, fact.recording_id
            return machine.joined(call, fact.at)
        case (
            facts.Held()
            | facts.RecordingPaused()
            | facts.RecordingStopped()
            | facts.LegLost()
            | facts.Rejoined()
        ):
            return machine.step(call, fact)  # a conversation is one, whoever began it
        case facts.AgentGone() if call.phase is Phase.ANNOUNCING:
            gone = Agent(offer.agent_id, None, fact.at, offer.offer_id, "lost", Lost.PHONE_GONE)
            return _left_alone(call, offer, gone)
        case facts.AgentGone() if call.phase is Phase.TALKING:
            return [HangUpCaller(), *_over(call, offer, fact.at, Cause.AGENT_HUNG_UP)]
        case facts.ApologyEnded() if call.phase is Phase.APOLOGISING:
            return [HangUpCaller(), *_finish(call, fact.at, DialOutcome.ABANDONED, Cause.ABANDONED)]
        case facts.NotPlaced() if call.phase in _UNANSWERED:
            return [HangUpCaller(), _free(call, offer, fact.at), *_finish(call, fact.at, *phases.FAILED)]
        case facts.EndsSoon() if not call.ends_soon:
            call.ends_soon = True
            return [actions.Warn()]
        case facts.Cut():
            return machine.cut(call, fact, _called_gone(call, offer, facts.CallerGone(fact.at, _NORMAL)))
        case facts.CallerGone():
            return _called_gone(call, offer, fact)
        case facts.Vanished():
            return _vanished(call, offer, fact)
        case _:
            return []


def _is_offered(call: LiveCall, offer_id: object) -> bool:
    return call.phase is Phase.OFFERED and call.offer is not None and call.offer.offer_id == offer_id


def _picked_up(call: LiveCall, offer: Offer, at: dt.datetime) -> list[Action]:
    mark = Mark({"picked_up_at": at})
    if call.dial and call.dial.detects_machines:
        call.phase = Phase.DETECTING
        return [mark, Detect()]
    return [mark, *_offer(call, offer, at, silent_for=dt.timedelta())]


def _offer(call: LiveCall, offer: Offer, at: dt.datetime, *, silent_for: dt.timedelta) -> list[Action]:
    """Somebody is there, and has been silent for a while already: ring the agent for what is left."""
    call.due_at = at - silent_for + ANSWER_WITHIN
    due = dataclasses.replace(offer, expires_at=call.due_at)
    call.phase, call.offer, call.offers = Phase.OFFERED, due, 1
    return [*_ring(due, at), Notice()]


def _ring(offer: Offer, at: dt.datetime) -> list[Action]:
    return [Agent(offer.agent_id, DIALLING, at, offer.offer_id, "offered"), Ring(offer)]


def _left_alone(call: LiveCall, offer: Offer, agent: Agent) -> list[Action]:
    """The agent is not there: look for another one while there is time, else say who called."""
    has_time = not _is_by_hand(call) and call.due_at is not None and call.due_at - agent.at >= _SHORTEST_RING
    call.phase = Phase.SEEKING if has_time else Phase.APOLOGISING
    return [StopRinging(offer), agent, Seek() if has_time else Apologise()]


def _called_gone(call: LiveCall, offer: Offer, fact: facts.CallerGone) -> list[Action]:
    match call.phase:
        case Phase.DIALLING | Phase.RINGING:
            return [
                _free(call, offer, fact.at),
                *_finish(call, fact.at, *phases.BY_CAUSE.get(fact.cause, phases.FAILED)),
            ]
        case Phase.DETECTING:
            return [
                _free(call, offer, fact.at),
                *_finish(call, fact.at, DialOutcome.HUNG_UP, Cause.CALLED_HUNG_UP),
            ]
        case Phase.OFFERED:
            return [
                StopRinging(offer),
                Agent(offer.agent_id, None, fact.at, offer.offer_id, "lost", Lost.CALLER_LEFT),
                *_finish(call, fact.at, DialOutcome.HUNG_UP, Cause.CALLED_HUNG_UP),
            ]
        case Phase.ANNOUNCING:
            return [
                StopRinging(offer),
                Agent(offer.agent_id, WRAP_UP, fact.at, offer.offer_id, "wrap_up"),
                *_finish(call, fact.at, DialOutcome.HUNG_UP, Cause.CALLED_HUNG_UP),
            ]
        case Phase.SEEKING:
            return _finish(call, fact.at, DialOutcome.HUNG_UP, Cause.CALLED_HUNG_UP)
        case Phase.APOLOGISING:
            return _finish(call, fact.at, DialOutcome.ABANDONED, Cause.ABANDONED)
        case _:
            return [StopRinging(offer), *_over(call, offer, fact.at, Cause.CALLED_HUNG_UP)]


def _vanished(call: LiveCall, offer: Offer, fact: facts.Vanished) -> list[Action]:
    """The switch has nothing left of the call: there is nobody to hang up on, and the agent is free."""
    outcome = DialOutcome.CONNECTED if call.phase is Phase.TALKING else DialOutcome.LOST
    if call.phase is Phase.APOLOGISING:
        return _finish(call, fact.at, DialOutcome.ABANDONED, fact.cause)
    if call.phase is Phase.SEEKING:  # whose agent has been let go already
        return _finish(call, fact.at, outcome, fact.cause)
    in_hand = {Phase.OFFERED: "lost", Phase.ANNOUNCING: "closed", Phase.TALKING: "closed"}
    item = in_hand.get(call.phase, _unreached(call))
    return [
        Agent(offer.agent_id, None, fact.at, offer.offer_id, item, Lost.SWITCH_LOST),
        *_finish(call, fact.at, outcome, fact.cause),
    ]


def _free(call: LiveCall, offer: Offer, at: dt.datetime) -> Agent:
    """The reserved agent is free again."""
    return Agent(offer.agent_id, None, at, offer.offer_id, _unreached(call), Lost.NOT_REACHED)


def _unreached(call: LiveCall) -> str:
    """Return what becomes of the work item: only who dials by hand has one before somebody picks up."""
    return "lost" if _is_by_hand(call) else "reserved"


def _is_by_hand(call: LiveCall) -> bool:
    return call.dial is not None and call.dial.is_by_hand


def _over(call: LiveCall, offer: Offer, at: dt.datetime, cause: Cause) -> list[Action]:
    """A conversation is over: its agent wraps up."""
    return [
        Agent(offer.agent_id, WRAP_UP, at, offer.offer_id, "wrap_up"),
        *_finish(call, at, DialOutcome.CONNECTED, cause),
    ]


def _finish(call: LiveCall, at: dt.datetime, outcome: DialOutcome, cause: Cause) -> list[Action]:
    call.phase, call.cause, call.ended_at, call.outcome = Phase.ENDED, cause, at, outcome
    return [Finish(at, cause)]
