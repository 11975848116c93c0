"""Giving a call on, and asking a second agent about it, as facts of the same state machine.

To a queue, to a free agent, to a number outside, or after the two have talked:

    talking -> queued                        transferred to a queue: at its head, waiting from now on
    talking -> greeting -> queued            sent back to the entry of a number, as if they had just called
    talking -> offered                       transferred to an agent; back to the queue if they do not answer
    talking -> reaching -> outside           transferred to a number outside; back to the queue likewise
    forwarding -> reaching -> outside        forwarded by the number dialled or by its flow, before any agent
    talking -> ringing -> private <-> aside  asked: the caller hears music, or the one asked does
                             |         |
                             +-> together    all three
    private, aside, together -> talking      the first agent leaves, or lets the second one go
                             -> outside      the first agent leaves, and a number outside was asked

Whoever gives a call away wraps up at once: their part of it is over, and what they wrote goes with it. The
call goes on as one call, with one CDR, metered once. A number outside has books of its own beside it. Pure.
"""

import dataclasses
import datetime as dt
from typing import Final

from telephony.calls import Left, Leg, Stage
from telephony.conductor import live_call, machine, phases
from telephony.conductor.actions import (
    HOLDING,
    RESERVED,
    RINGING,
    TALKING,
    WRAP_UP,
    Action,
    Agent,
    Arrange,
    Greet,
    HandOn,
    HangUpCaller,
    KeepLegs,
    KeepOutside,
    LeaveFlow,
    Mark,
    Music,
    Noted,
    Reach,
    Ring,
    StopRecording,
    StopRinging,
    Wait,
)
from telephony.conductor.facts import (
    AgentAnswered,
    AgentGone,
    AgentLeft,
    AgentRinging,
    AgentStaysAway,
    AskedGone,
    CallerGone,
    Consulted,
    ConsultEnded,
    Cut,
    EndedForAll,
    Fact,
    Forwarded,
    Held,
    LegLost,
    Merged,
    OfferLost,
    OutsideAnswered,
    OutsideAsked,
    OutsideGone,
    RecordingStopped,
    SentBack,
    SentOutside,
    Swapped,
    Transferred,
    Vanished,
)
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Consult, Offer, Outside
from telephony.conductor.phases import Cause, Lost, Phase
from telephony.events import DialOutcome
from telephony.flows.trace import Outcome

_BEGINNINGS: Final = (Transferred, Consulted, Forwarded, SentOutside, OutsideAsked, SentBack)
# while somebody is asked, these are not what they are in a call of two
_OF_THREE: Final = (
    AgentRinging,
    AgentAnswered,
    OfferLost,
    Held,
    Swapped,
    Merged,
    AskedGone,
    OutsideAnswered,
    OutsideGone,
    ConsultEnded,
    AgentLeft,
    AgentGone,
    AgentStaysAway,
    LegLost,
    EndedForAll,
    CallerGone,
    Cut,
    Vanished,
)
_APART: Final = frozenset({Stage.PRIVATE, Stage.ASIDE})
_CONNECTED: Final = frozenset({*_APART, Stage.TOGETHER})
WITHOUT_AGENT: Final = frozenset({Phase.REACHING, Phase.OUTSIDE})
"""Where a call stands that was given to a number outside."""


def can_be_given(call: LiveCall) -> bool:
    """Whether the agent may give the call away now, or ask somebody: they talk, to the caller alone."""
    return (
        call.phase is Phase.TALKING
        and call.offer is not None
        and call.consult is None
        and not call.is_parked
        and not call.is_paused
    )


def concerns(call: LiveCall, fact: Fact) -> bool:
    """Whether this fact is about giving the call on, in the state the call is in."""
    return (
        isinstance(fact, _BEGINNINGS)
        or (call.consult is not None and isinstance(fact, _OF_THREE))
        or call.phase in WITHOUT_AGENT
    )


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` it; see `machine.step`."""
    offer, outside = call.offer, call.outside
    if call.phase is Phase.ENDED:
        return []
    if call.phase in WITHOUT_AGENT and outside:
        call.proven_at = max(call.proven_at, fact.at)
        return _without_agent(call, outside, fact)
    if isinstance(fact, Forwarded) and call.phase is Phase.FORWARDING:
        call.proven_at = max(call.proven_at, fact.at)
        call.phase = Phase.REACHING
        return _reaches(call, fact.outside)
    if offer is None:
        return []
    call.proven_at = max(call.proven_at, fact.at)
    if call.consult is None:
        return _begins(call, offer, fact)
    return _of_three(call, offer, call.consult, fact)


def _begins(call: LiveCall, offer: Offer, fact: Fact) -> list[Action]:
    if not can_be_given(call):
        return []
    match fact:
        case Transferred():
            return _transferred(call, offer, fact)
        case Consulted(offer=asked):
            call.legs.append(live_call.leg_of(call, asked, fact.at, Stage.RINGING))
            return [
                *_asks(call, offer, asked, fact.at),
                Agent(asked.agent_id, RESERVED, fact.at, asked.offer_id, "offered"),
                Ring(asked),
            ]
        case SentOutside(outside=outside):
            given = _gives_away(call, offer, fact.at)
            call.phase, call.offer = Phase.REACHING, None
            return [*given, Music(on=True), *_reaches(call, outside)]
        case OutsideAsked(outside=outside):
            return [*_reaches(call, outside), *_asks(call, offer, outside, fact.at)]
        case SentBack():
            call.arrival = dataclasses.replace(call.arrival, queue_id=fact.queue_id)
            given = _gives_away(call, offer, fact.at)
            call.phase, call.offer, call.queued_at = Phase.GREETING, None, None
            return [*given, Greet()]
        case _:
            return []


def _asks(call: LiveCall, offer: Offer, asked: Offer | Outside, at: dt.datetime) -> list[Action]:
    music: list[Action] = [] if call.is_held else [Music(on=True)]
    call.is_held = True
    call.consult = Consult(asked, Stage.RINGING)
    return [KeepLegs(), *music, _state(offer, HOLDING, at)]


def _reaches(call: LiveCall, outside: Outside) -> list[Action]:
    """Call a number outside: its part of the call, and its own books, begin."""
    call.outsides.append(outside)
    call.legs.append(
        Leg(
            leg_id=outside.offer_id,
            queue_id=call.arrival.queue_id,
            agent_id=None,
            agent_number=None,
            seat_id=None,
            seat_label="",
            joined_at=outside.began_at,
            stage=Stage.RINGING,
        )
    )
    return [KeepOutside(), KeepLegs(), Reach(outside)]


def _gives_away(call: LiveCall, offer: Offer, at: dt.datetime) -> list[Action]:
    """The agent's part of the call is over; they wrap up."""
    live_call.end_leg(call, offer, at, Left.TRANSFERRED)
    call.is_held = False
    _is_met(call)
    return [Agent(offer.agent_id, WRAP_UP, at, offer.offer_id, "wrap_up"), HandOn(offer)]


def _transferred(call: LiveCall, offer: Offer, fact: Transferred) -> list[Action]:
    call.arrival = dataclasses.replace(call.arrival, queue_id=fact.queue_id)
    call.queued_at = fact.at
    given = _gives_away(call, offer, fact.at)
    if fact.offer is None:
        call.phase, call.offer = Phase.QUEUED, None
        return [*given, Wait(fact.at, is_at_head=True)]
    to = fact.offer
    call.given_to = to.offer_id
    call.phase, call.offer, call.offers = Phase.OFFERED, to, call.offers + 1
    return [
        *given,
        Music(on=True),
        Agent(to.agent_id, RESERVED, fact.at, to.offer_id, "offered"),
        Ring(to),
    ]


def _without_agent(call: LiveCall, outside: Outside, fact: Fact) -> list[Action]:
    """The call was given to a number outside: it is being called, or talks to the caller."""
    is_theirs = isinstance(fact, OutsideAnswered | OutsideGone) and fact.offer_id == outside.offer_id
    is_ringing = call.phase is Phase.REACHING
    match fact:
        case OutsideAnswered() if is_theirs and is_ringing:
            call.phase = Phase.OUTSIDE
            _set_stage(call, outside, Stage.TALKING)
            met = _met(call, fact.at) if call.forwards else []
            if call.flow and call.is_in_flow:
                call.flow = dataclasses.replace(call.flow, ended_at=fact.at, outcome=Outcome.OUTSIDE)
                met.append(LeaveFlow())
            return [*_picked_up(call, outside, fact.at), *met, *_untold(call), KeepLegs(), Arrange()]
        case OutsideGone() if is_theirs and is_ringing and call.forwards:
            _not_reached(call, outside, fact)
            return [
                KeepOutside(),
                KeepLegs(),
                *_noted(call, machine.not_forwarded(call, fact.at, call.outsides[-1].cause)),
            ]
        case OutsideGone() if is_theirs and is_ringing:
            _not_reached(call, outside, fact)
            call.phase, call.queued_at = Phase.QUEUED, fact.at
            return [KeepOutside(), KeepLegs(), Wait(fact.at, is_at_head=True), *_told(call)]
        case OutsideGone() if is_theirs:
            return [HangUpCaller(), *machine.finish(call, fact.at, Cause.OUTSIDE_HUNG_UP)]
        case RecordingStopped() if call.recording_id and not call.has_stopped:
            call.has_stopped = True
            return [Noted()]
        case CallerGone() if is_ringing and call.forwards:
            return machine.finish(call, fact.at, machine.left_unreached(call))
        case CallerGone():
            return machine.finish(call, fact.at, _cause_of_caller(call))
        case Cut():
            return machine.cut(call, fact, machine.finish(call, fact.at, fact.cause))
        case Vanished():
            return machine.finish(call, fact.at, fact.cause)
        case _:
            return []


def _met(call: LiveCall, at: dt.datetime) -> list[Action]:
    """The caller and the phone they were forwarded to hear each other: it is metered from here on."""
    return _noted(call, [Mark({"answered_at": at, "bridged_at": at})])


def _noted(call: LiveCall, actions: list[Action]) -> list[Action]:
    for action in actions:
        if isinstance(action, Mark):
            call.instants |= action.instants
    return actions


def _picked_up(call: LiveCall, outside: Outside, at: dt.datetime) -> list[Action]:
    call.outsides = [
        dataclasses.replace(one, picked_up_at=at) if one.offer_id == outside.offer_id else one
        for one in call.outsides
    ]
    return [KeepOutside()]


def _not_reached(call: LiveCall, outside: Outside, fact: OutsideGone) -> None:
    live_call.end_outside(call, fact.at, phases.BY_CAUSE.get(fact.cause, phases.FAILED)[1])
    live_call.end_leg(call, outside, fact.at, Left.NOT_THERE)


def _told(call: LiveCall) -> list[Action]:
    """Tell who gave the call away last that the number outside was not reached."""
    became = call.outsides[-1].cause
    return machine.came_back(call, became) if became else []


def _untold(call: LiveCall) -> list[Action]:
    """End the recording: somebody outside joins, who was not told that there is one."""
    if call.recording_id is None or call.has_stopped:
        return []
    call.has_stopped, call.is_paused = True, False
    return [StopRecording()]


def _of_three(call: LiveCall, offer: Offer, consult: Consult, fact: Fact) -> list[Action]:
    asked, stage = consult.offer, consult.stage
    is_ringing, is_outside = stage is Stage.RINGING, isinstance(asked, Outside)
    match fact:
        case AgentRinging() if is_ringing and isinstance(asked, Offer) and fact.offer_id == asked.offer_id:
            return [Agent(asked.agent_id, RINGING, fact.at, asked.offer_id, "ringing")]
        case AgentAnswered() if is_ringing and isinstance(asked, Offer) and fact.offer_id == asked.offer_id:
            return [
                Agent(asked.agent_id, TALKING, fact.at, asked.offer_id, "talking"),
                *_stage(call, consult, Stage.PRIVATE),
            ]
        case OfferLost() if is_ringing and isinstance(asked, Offer) and fact.offer_id == asked.offer_id:
            item = {Lost.DECLINED: "declined", Lost.NO_ANSWER: "missed"}.get(fact.why, "lost")
            gone = Agent(asked.agent_id, None, fact.at, asked.offer_id, item, fact.why)
            live_call.end_leg(call, asked, fact.at, Left.NOT_THERE)
            return [StopRinging(asked), gone, *_alone_again(call, offer, fact.at)]
        case OutsideAnswered() if (
            is_ringing and isinstance(asked, Outside) and fact.offer_id == asked.offer_id
        ):
            return [*_picked_up(call, asked, fact.at), *_stage(call, consult, Stage.PRIVATE)]
        case OutsideGone() if isinstance(asked, Outside) and fact.offer_id == asked.offer_id:
            if is_ringing:
                _not_reached(call, asked, fact)
            else:
                live_call.end_outside(call, fact.at, Cause.CALLED_HUNG_UP)
                live_call.end_leg(call, asked, fact.at, Left.ASKED_ONLY)
            return [KeepOutside(), *_alone_again(call, offer, fact.at)]
        case AskedGone() if not is_ringing:
            return [*_let_go(call, consult, fact.at)[1:], *_alone_again(call, offer, fact.at)]
        case ConsultEnded():
            return [*_let_go(call, consult, fact.at), *_alone_again(call, offer, fact.at)]
        case Swapped() if stage in _APART:
            call.is_held = stage is Stage.ASIDE
            return [
                _state(offer, HOLDING if call.is_held else TALKING, fact.at),
                *_stage(call, consult, Stage.PRIVATE if call.is_held else Stage.ASIDE),
            ]
        case Merged() if stage in _APART:
            call.is_held = False
            untold = _untold(call) if is_outside else []
            return [_state(offer, TALKING, fact.at), *untold, *_stage(call, consult, Stage.TOGETHER)]
        case AgentLeft() | AgentGone() if stage in _CONNECTED and not call.is_paused:
            wraps = Agent(offer.agent_id, WRAP_UP, fact.at, offer.offer_id, "wrap_up")
            return _leaves(call, offer, consult, fact.at, Left.LEFT, wraps)
        case AgentStaysAway() if (
            # a number outside that has not met the caller yet is not left alone with them
            call.is_parked and stage in (_CONNECTED if not is_outside else {Stage.TOGETHER})
        ):
            gone = Agent(offer.agent_id, None, fact.at, offer.offer_id, "closed", Lost.PHONE_GONE)
            return _leaves(call, offer, consult, fact.at, Left.LINE_LOST, gone)
        case AgentStaysAway() if call.is_parked:
            return [*_let_go(call, consult, fact.at), *machine.step(call, fact)]
        case LegLost() if stage is Stage.TOGETHER and not call.is_parked:
            call.is_parked = True  # the other two go on talking
            return [Noted()]
        case AgentGone() | EndedForAll():
            released = _let_go(call, consult, fact.at)
            return [HangUpCaller(), StopRinging(offer), *released, *_over(call, fact.at, Cause.AGENT_HUNG_UP)]
        case CallerGone():
            return _caller_gone(call, offer, consult, fact.at)
        case Cut():
            return machine.cut(call, fact, _caller_gone(call, offer, consult, fact.at))
        case Vanished():
            lost: list[Action] = [
                Agent(one.agent_id, None, fact.at, one.offer_id, "closed", Lost.SWITCH_LOST)
                for one in (offer, asked)
                if isinstance(one, Offer)
            ]
            call.consult = None
            _is_met(call)
            return [*lost, *machine.finish(call, fact.at, fact.cause)]
        case LegLost():
            return machine.step(call, fact)
        case _:
            return []


def _caller_gone(call: LiveCall, offer: Offer, consult: Consult, at: dt.datetime) -> list[Action]:
    """Two agents are left, with nobody to talk for."""
    released = _let_go(call, consult, at)
    return [StopRinging(offer), *released, *_over(call, at, _cause_of_caller(call))]


def _cause_of_caller(call: LiveCall) -> Cause:
    return Cause.CALLED_HUNG_UP if call.dial else Cause.CALLER_HUNG_UP


def _leaves(
    call: LiveCall, offer: Offer, consult: Consult, at: dt.datetime, how: Left, agent: Agent
) -> list[Action]:
    """The first agent is out, and the one they had asked has the call."""
    asked = consult.offer
    live_call.end_leg(call, offer, at, how)
    call.consult = None
    call.is_held = call.is_parked = False
    _set_stage(call, asked, Stage.TALKING)
    _is_met(call)
    if isinstance(asked, Outside):
        call.phase, call.offer = Phase.OUTSIDE, None
        return [agent, HandOn(offer), *_untold(call), Arrange()]
    call.offer = asked
    return [
        agent,
        HandOn(offer),
        Mark({}, asked),
        Agent(asked.agent_id, TALKING, at, asked.offer_id, "talking"),
        Arrange(),
    ]


def _let_go(call: LiveCall, consult: Consult, at: dt.datetime) -> list[Action]:
    """Who was asked is free again."""
    asked, is_ringing = consult.offer, consult.stage is Stage.RINGING
    live_call.end_leg(call, asked, at, Left.NOT_THERE if is_ringing else Left.ASKED_ONLY)
    call.consult = None
    if isinstance(asked, Outside):
        live_call.end_outside(call, at, Cause.CANCELLED if is_ringing else Cause.AGENT_HUNG_UP)
        return [StopRinging(asked), KeepOutside(), KeepLegs()]
    item = "lost" if is_ringing else "closed"
    return [
        StopRinging(asked),
        Agent(asked.agent_id, None, at, asked.offer_id, item, Lost.NOT_NEEDED),
        KeepLegs(),
    ]


def _alone_again(call: LiveCall, offer: Offer, at: dt.datetime) -> list[Action]:
    """The first agent and the caller hear each other."""
    call.consult, call.is_held = None, False
    return [_state(offer, TALKING, at), KeepLegs(), Arrange()]


def _stage(call: LiveCall, consult: Consult, stage: Stage) -> list[Action]:
    call.consult = dataclasses.replace(consult, stage=stage)
    _set_stage(call, consult.offer, stage)
    return [KeepLegs(), Arrange()]


def _set_stage(call: LiveCall, of: Offer | Outside, stage: Stage) -> None:
    call.legs = [
        dataclasses.replace(leg, stage=stage) if leg.leg_id == of.offer_id else leg for leg in call.legs
    ]


def _over(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    _is_met(call)
    return machine.over(call, at, cause)


def _is_met(call: LiveCall) -> None:
    """Of a call out: somebody has talked, whoever has it at its end."""
    if call.dial:
        call.outcome = DialOutcome.CONNECTED


def _state(offer: Offer, state: str, at: dt.datetime) -> Action:
    return Agent(offer.agent_id, state, at, offer.offer_id, "talking")
