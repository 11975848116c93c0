"""Giving a call on, and asking a second agent about it, as facts of the same state machine.

To a queue, to a free agent, or after the two agents have talked:

    talking -> queued                        transferred to a queue: at its head, waiting from now on
    talking -> offered                       transferred to an agent; back to the queue if they do not answer
    talking -> ringing -> private <-> aside  asked: the caller hears music, or the one asked does
                             |         |
                             +-> together    all three
    private, aside, together -> talking      the first agent leaves, or lets the second one go

Whoever gives a call away wraps up at once: their part of it is over, and what they wrote goes with it. The
call goes on as one call, with one CDR, metered once. Pure.
"""

import dataclasses
import datetime as dt
from typing import Final

from telephony.calls import Left, Stage
from telephony.conductor import machine
from telephony.conductor.machine import (
    HOLDING,
    RESERVED,
    RINGING,
    TALKING,
    WRAP_UP,
    Action,
    Agent,
    AgentAnswered,
    AgentGone,
    AgentLeft,
    AgentRinging,
    AgentStaysAway,
    Arrange,
    AskedGone,
    CallerGone,
    Cause,
    Consult,
    Consulted,
    ConsultEnded,
    Cut,
    EndedForAll,
    Fact,
    HandOn,
    HangUpCaller,
    Held,
    KeepLegs,
    LegLost,
    LiveCall,
    Lost,
    Mark,
    Merged,
    Music,
    Noted,
    Offer,
    OfferLost,
    Phase,
    Ring,
    StopRinging,
    Swapped,
    Transferred,
    Vanished,
    Wait,
)
from telephony.events import DialOutcome

_BEGINNINGS: Final = (Transferred, Consulted)
# while somebody is asked, these are not what they are in a call of two
_OF_THREE: Final = (
    AgentRinging,
    AgentAnswered,
    OfferLost,
    Held,
    Swapped,
    Merged,
    AskedGone,
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
    return isinstance(fact, _BEGINNINGS) or (call.consult is not None and isinstance(fact, _OF_THREE))


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` it; see `machine.step`."""
    offer = call.offer
    if call.phase is Phase.ENDED or offer is None:
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
            music: list[Action] = [] if call.is_held else [Music(on=True)]
            call.is_held = True
            call.consult = Consult(asked, Stage.RINGING)
            call.legs.append(machine.leg_of(call, asked, fact.at, Stage.RINGING))
            return [
                KeepLegs(),
                *music,
                _state(offer, HOLDING, fact.at),
                Agent(asked.agent_id, RESERVED, fact.at, asked.offer_id, "offered"),
                Ring(asked),
            ]
        case _:
            return []


def _transferred(call: LiveCall, offer: Offer, fact: Transferred) -> list[Action]:
    machine.end_leg(call, offer, fact.at, Left.TRANSFERRED)
    call.arrival = dataclasses.replace(call.arrival, queue_id=fact.queue_id)
    call.queued_at, call.is_held = fact.at, False
    _is_met(call)
    given: list[Action] = [
        Agent(offer.agent_id, WRAP_UP, fact.at, offer.offer_id, "wrap_up"),
        HandOn(offer),
    ]
    if fact.offer is None:
        call.phase, call.offer = Phase.QUEUED, None
        return [*given, Wait(fact.at, is_at_head=True)]
    to = fact.offer
    call.phase, call.offer, call.offers = Phase.OFFERED, to, call.offers + 1
    return [
        *given,
        Music(on=True),
        Agent(to.agent_id, RESERVED, fact.at, to.offer_id, "offered"),
        Ring(to),
    ]


def _of_three(call: LiveCall, offer: Offer, consult: Consult, fact: Fact) -> list[Action]:
    asked, stage = consult.offer, consult.stage
    is_ringing = stage is Stage.RINGING
    match fact:
        case AgentRinging() if is_ringing and fact.offer_id == asked.offer_id:
            return [Agent(asked.agent_id, RINGING, fact.at, asked.offer_id, "ringing")]
        case AgentAnswered() if is_ringing and fact.offer_id == asked.offer_id:
            return [
                Agent(asked.agent_id, TALKING, fact.at, asked.offer_id, "talking"),
                *_stage(call, consult, Stage.PRIVATE),
            ]
        case OfferLost() if is_ringing and fact.offer_id == asked.offer_id:
            item = {Lost.DECLINED: "declined", Lost.NO_ANSWER: "missed"}.get(fact.why, "lost")
            gone = Agent(asked.agent_id, None, fact.at, asked.offer_id, item, fact.why)
            machine.end_leg(call, asked, fact.at, Left.NOT_THERE)
            return [StopRinging(asked), gone, *_alone_again(call, offer, fact.at)]
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
            return [_state(offer, TALKING, fact.at), *_stage(call, consult, Stage.TOGETHER)]
        case AgentLeft() | AgentGone() if stage in _CONNECTED and not call.is_paused:
            wraps = Agent(offer.agent_id, WRAP_UP, fact.at, offer.offer_id, "wrap_up")
            return _leaves(call, offer, consult, fact.at, Left.LEFT, wraps)
        case AgentStaysAway() if call.is_parked and stage in _CONNECTED:
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
    cause = Cause.CALLED_HUNG_UP if call.dial else Cause.CALLER_HUNG_UP
    return [StopRinging(offer), *released, *_over(call, at, cause)]


def _leaves(
    call: LiveCall, offer: Offer, consult: Consult, at: dt.datetime, how: Left, agent: Agent
) -> list[Action]:
    """The first agent is out, and the one they had asked has the call."""
    asked = consult.offer
    machine.end_leg(call, offer, at, how)
    call.offer, call.consult = asked, None
    call.is_held = call.is_parked = False
    call.legs = [
        dataclasses.replace(leg, stage=Stage.TALKING) if leg.leg_id == asked.offer_id else leg
        for leg in call.legs
    ]
    _is_met(call)
    return [
        agent,
        HandOn(offer),
        Mark({}, asked),
        Agent(asked.agent_id, TALKING, at, asked.offer_id, "talking"),
        Arrange(),
    ]


def _let_go(call: LiveCall, consult: Consult, at: dt.datetime) -> list[Action]:
    """The agent who was asked is free again."""
    asked, is_ringing = consult.offer, consult.stage is Stage.RINGING
    machine.end_leg(call, asked, at, Left.NOT_THERE if is_ringing else Left.ASKED_ONLY)
    call.consult = None
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
    call.legs = [
        dataclasses.replace(leg, stage=stage) if leg.leg_id == consult.offer.offer_id else leg
        for leg in call.legs
    ]
    return [KeepLegs(), Arrange()]


def _over(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    _is_met(call)
    return machine.over(call, at, cause)


def _is_met(call: LiveCall) -> None:
    """Of a call out: somebody has talked, whoever has it at its end."""
    if call.dial:
        call.outcome = DialOutcome.CONNECTED


def _state(offer: Offer, state: str, at: dt.datetime) -> Action:
    return Agent(offer.agent_id, state, at, offer.offer_id, "talking")
