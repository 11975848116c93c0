"""One call as a state machine: a fact in, the call's next phase and what to do about it out.

Pure and deterministic: no clock, no switch, no database. The conductor carries the actions out; after a
crash the same facts, read back from the spool, lead to the same phase.

A call that comes in; one that goes out is moved by `outgoing`, with the same facts and actions:

    greeting -> queued -> offered -> announcing -> talking -> ended
                  ^          |                      |
                  +----------+----------------------+
                     the agent did not answer, or their line broke for good: back to the head of the queue

    talking -> survey -> ended    the agent hung up, and the caller is asked for a rating

A number may lead into a flow first (`in_flow`), which may lead into a conference room (`in_room`), or
forward its callers to the client's own phone: greeting -> forwarding -> `reaching` -> `outside`; to the queue
when that phone does not answer. A queue that is closed, or in which the caller has waited as long as they
may, turns them away: a message, and the call ends. So does a company that pays beforehand and has nothing
left.

While an agent talks they may give the call to somebody else, or ask a second one about it: `transfer`. A call
given to a number outside goes on without an agent, from `reaching` to `outside`.

A fact that cannot happen in a phase is late or repeated, and changes nothing: switches repeat themselves.
"""

import datetime as dt
from dataclasses import replace

from core.ids import OfferId
from telephony.calls import Arrival, Left
from telephony.conductor.actions import (
    HOLDING,
    RESERVED,
    RINGING,
    TALKING,
    WRAP_UP,
    Action,
    Agent,
    Announce,
    Answer,
    CameBack,
    Connect,
    EndTalk,
    Finish,
    Forward,
    GoOn,
    HangUpCaller,
    KeepLegs,
    LeaveQueue,
    LeaveRoom,
    Mark,
    Move,
    Music,
    Noted,
    Rated,
    Refuse,
    Ring,
    StopRinging,
    Survey,
    TurnAway,
    Wait,
    Warn,
)
from telephony.conductor.facts import (
    AgentAnswered,
    AgentGone,
    AgentRinging,
    AgentStaysAway,
    AnnouncementEnded,
    ApologyEnded,
    Bridged,
    CallerGone,
    Cut,
    EndsSoon,
    Fact,
    Forwards,
    GreetingEnded,
    Held,
    LegLost,
    Moved,
    NoRoom,
    NotForwarded,
    NotPaid,
    Offered,
    OfferLost,
    OutsideHours,
    RecordingPaused,
    RecordingStopped,
    Rejoined,
    SurveyAnswered,
    SurveyEnded,
    Vanished,
    WaitedTooLong,
)
from telephony.conductor.live_call import LiveCall, end_leg, end_outside, end_telephones, leg_of
from telephony.conductor.parties import Offer
from telephony.conductor.phases import NORMAL, Cause, Lost, Phase


def begin(arrival: Arrival, channel: str) -> tuple[LiveCall, list[Action]]:
    """Return a new call and how it begins."""
    return LiveCall(arrival, channel, proven_at=arrival.arrived_at), [Answer()]


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move the call on by one fact and return what to do; nothing when the fact is late or repeated."""
    if call.phase is Phase.ENDED:
        return []
    call.proven_at = max(call.proven_at, fact.at)
    actions = _follow(call, fact)
    for action in actions:
        if isinstance(action, Mark):
            call.instants |= action.instants
    return actions


def _follow(call: LiveCall, fact: Fact) -> list[Action]:
    match fact:
        case Forwards() if call.phase is Phase.GREETING and not call.forwards:
            call.forwards, call.is_closed = True, fact.is_closed
            return [Noted()]
        case GreetingEnded() if call.phase is Phase.GREETING and call.forwards:
            call.phase = Phase.FORWARDING
            return [Mark({"greeting_ended_at": fact.at}), Music(on=True), Forward()]
        case NotForwarded() if call.phase is Phase.FORWARDING:
            return not_forwarded(call, fact.at, None)
        case GreetingEnded() if call.phase is Phase.GREETING and call.queued_at:  # back where they waited
            call.phase = Phase.QUEUED
            return [Wait(call.queued_at, is_at_head=False)]
        case GreetingEnded() if call.phase is Phase.GREETING:
            call.phase, call.queued_at = Phase.QUEUED, fact.at
            return [
                Mark({"greeting_ended_at": fact.at, "queued_at": fact.at}),
                Wait(fact.at, is_at_head=False),
            ]
        case OutsideHours() if call.phase is Phase.GREETING:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.OUTSIDE_HOURS
            return [TurnAway()]
        case NoRoom() if call.phase is Phase.GREETING and fact.is_spoken:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.NO_ROOM
            return [TurnAway()]
        case NoRoom() if call.phase is Phase.GREETING:
            return [Refuse(fact.cause), *finish(call, fact.at, Cause.NO_ROOM)]
        case NotPaid() if call.phase in {Phase.GREETING, Phase.QUEUED}:
            leaves: list[Action] = [LeaveQueue(), Music(on=False)] if call.phase is Phase.QUEUED else []
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.NOT_PAID
            return [*leaves, TurnAway()]
        case WaitedTooLong() if call.phase is Phase.QUEUED:
            call.phase, call.cause = Phase.TURNED_AWAY, Cause.WAITED_TOO_LONG
            return [LeaveQueue(), Music(on=False), TurnAway()]
        case Moved() if call.phase is Phase.QUEUED:
            call.arrival = replace(call.arrival, queue_id=fact.queue_id)
            call.was_moved = True
            return [Move(), Wait(call.queued_at or fact.at, is_at_head=False)]
        case ApologyEnded() if call.phase is Phase.TURNED_AWAY:
            return [HangUpCaller(), *finish(call, fact.at, call.cause or Cause.OUTSIDE_HOURS)]
        case Offered(offer=offer) if call.phase is Phase.QUEUED:
            call.phase, call.offer, call.offers = Phase.OFFERED, offer, call.offers + 1
            return [
                LeaveQueue(),
                Agent(offer.agent_id, RESERVED, fact.at, offer.offer_id, "offered"),
                Ring(offer),
            ]
        case AgentRinging() if _is_offered(call, fact.offer_id) and call.offer:
            return [
                Mark({"ringing_at": fact.at}, call.offer),
                Agent(call.offer.agent_id, RINGING, fact.at, call.offer.offer_id, "ringing"),
            ]
        case AgentAnswered() if _is_offered(call, fact.offer_id) and call.offer:
            call.phase = Phase.ANNOUNCING
            return [
                Mark({"answered_at": fact.at}, call.offer),
                Agent(call.offer.agent_id, TALKING, fact.at, call.offer.offer_id, "talking"),
                Announce(call.offer),
            ]
        case OfferLost() if _is_offered(call, fact.offer_id) and call.offer:
            return _back_to_the_head(call, call.offer, fact)
        case AnnouncementEnded() if call.phase is Phase.ANNOUNCING and call.offer:
            return [Music(on=False), Connect(call.offer)]
        case Bridged() if call.phase is Phase.ANNOUNCING:
            call.phase, call.recording_id = Phase.TALKING, fact.recording_id
            return joined(call, fact.at)
        case Held() if call.phase is Phase.TALKING and call.offer and call.is_held != fact.on:
            call.is_held = fact.on
            state = HOLDING if fact.on else TALKING
            return [
                Music(on=fact.on),
                Agent(call.offer.agent_id, state, fact.at, call.offer.offer_id, "talking"),
            ]
        case RecordingPaused() if _is_recorded(call) and call.is_paused != fact.on:
            call.is_paused = fact.on
            return [Noted()]
        case RecordingStopped() if _is_recorded(call):
            call.has_stopped, call.is_paused = True, False
            return [Noted()]
        case LegLost() if call.phase is Phase.TALKING and not call.is_parked:
            call.is_parked = True
            return [Noted()] if call.is_held else [Music(on=True)]
        case Rejoined() if call.phase is Phase.TALKING and call.offer:
            was_parked, call.is_parked = call.is_parked, False
            call.offer = replace(call.offer, channel=fact.channel)
            return [Music(on=False)] if was_parked and not call.is_held else [Noted()]
        case AgentStaysAway() if call.phase is Phase.TALKING and call.is_parked and call.offer:
            return _given_to_another(call, call.offer, fact.at)
        case EndsSoon() if not call.ends_soon:
            call.ends_soon = True
            return [Warn()]
        case Cut():
            return cut(call, fact, _caller_gone(call, CallerGone(fact.at, NORMAL)))
        case CallerGone():
            return _caller_gone(call, fact)
        case AgentGone() if fact.survey_most and call.offer and _may_be_asked(call):
            return _asks_for_rating(call, call.offer, fact)
        case SurveyAnswered() if call.phase is Phase.SURVEY and not call.rating:
            if not 1 <= fact.rating <= call.survey_most:
                return []
            call.rating = fact.rating
            return [Rated()]
        case SurveyEnded() if call.phase is Phase.SURVEY:
            return [HangUpCaller(), *finish(call, fact.at, Cause.AGENT_HUNG_UP)]
        case AgentGone() if call.phase in {Phase.ANNOUNCING, Phase.TALKING} and call.offer:
            return [HangUpCaller(), *over(call, fact.at, Cause.AGENT_HUNG_UP)]
        case Vanished():
            return _vanished(call, fact)
        case _:
            return []


def joined(call: LiveCall, at: dt.datetime) -> list[Action]:
    """The caller and the agent the call was offered to hear each other."""
    if call.offer:
        call.legs.append(leg_of(call, call.offer, at))
    return [Mark({"bridged_at": at}, call.offer), *([KeepLegs()] if call.is_shared else [])]


def not_forwarded(call: LiveCall, at: dt.datetime, became: Cause | None) -> list[Action]:
    """A phone has not taken the call: its flow goes on, or the caller waits, or is told that it is closed.

    `became`: of the call to that phone; None: it was not called at all.
    """
    call.forwards = False
    if call.flow and call.is_in_flow:
        way = {Cause.BUSY: "busy", Cause.NO_ANSWER: "no_answer"}.get(became or Cause.FAILED, "otherwise")
        call.phase, call.flow = Phase.FLOW, replace(call.flow, onwards=way)
        return [Music(on=False), GoOn(way)]
    if call.is_closed:
        call.phase, call.cause = Phase.TURNED_AWAY, Cause.OUTSIDE_HOURS
        return [Music(on=False), TurnAway()]
    call.phase, call.queued_at = Phase.QUEUED, at
    return [Mark({"queued_at": at}), Wait(at, is_at_head=False)]


def _is_recorded(call: LiveCall) -> bool:
    return call.phase is Phase.TALKING and call.recording_id is not None and not call.has_stopped


def _is_offered(call: LiveCall, offer_id: OfferId) -> bool:
    return call.phase is Phase.OFFERED and call.offer is not None and call.offer.offer_id == offer_id


def _back_to_the_head(call: LiveCall, offer: Offer, fact: OfferLost) -> list[Action]:
    item = {Lost.DECLINED: "declined", Lost.NO_ANSWER: "missed"}.get(fact.why, "lost")
    call.phase, call.offer = Phase.QUEUED, None
    return [
        StopRinging(offer),
        Agent(offer.agent_id, None, fact.at, offer.offer_id, item, fact.why),
        Wait(call.queued_at or fact.at, is_at_head=True),
        *(came_back(call, fact.why) if call.given_to == offer.offer_id else []),
    ]


def came_back(call: LiveCall, why: Cause | Lost) -> list[Action]:
    """Tell who gave the call away last that nobody took it: they wrap up, and would not hear of it."""
    givers = [leg.agent_id for leg in call.legs if leg.agent_id and leg.how is Left.TRANSFERRED]
    return [CameBack(givers[-1], why)] if givers else []


def _given_to_another(call: LiveCall, offer: Offer, at: dt.datetime) -> list[Action]:
    """Back to the head of the queue, waiting from now on; what the first agent has written stays with it."""
    call.phase, call.offer, call.queued_at = Phase.QUEUED, None, at
    call.is_parked = call.is_held = False
    end_leg(call, offer, at, Left.LINE_LOST)
    return [
        StopRinging(offer),
        Agent(offer.agent_id, None, at, offer.offer_id, "closed", Lost.PHONE_GONE),
        KeepLegs(),
        Wait(at, is_at_head=True),
    ]


def cut(call: LiveCall, fact: Cut, gone: list[Action]) -> list[Action]:
    """Return what ends a call that we end: what would follow if the other side had, with our cause."""
    call.cause = fact.cause
    named = [replace(one, cause=fact.cause) if isinstance(one, Finish) else one for one in gone]
    return [HangUpCaller(), *named]


def _caller_gone(call: LiveCall, fact: CallerGone) -> list[Action]:
    offer = call.offer
    match call.phase:
        case Phase.FLOW:
            return finish(call, fact.at, left_flow(call))
        case Phase.GREETING:
            return finish(call, fact.at, Cause.CALLER_LEFT_GREETING)
        case Phase.TURNED_AWAY:
            return finish(call, fact.at, call.cause or Cause.OUTSIDE_HOURS)
        case Phase.FORWARDING:
            return finish(call, fact.at, left_unreached(call))
        case Phase.ROOM:
            return finish(call, fact.at, Cause.LEFT_ROOM)
        case Phase.SURVEY:  # what ended the conversation was their agent's hanging up
            return finish(call, fact.at, Cause.AGENT_HUNG_UP)
        case Phase.QUEUED:
            return [LeaveQueue(), *finish(call, fact.at, Cause.CALLER_LEFT_QUEUE)]
        case Phase.OFFERED if offer:
            return [
                StopRinging(offer),
                Agent(offer.agent_id, None, fact.at, offer.offer_id, "lost", Lost.CALLER_LEFT),
                *finish(call, fact.at, Cause.CALLER_LEFT_QUEUE),
            ]
        case _ if offer:
            cause = Cause.CALLED_HUNG_UP if call.dial else Cause.CALLER_HUNG_UP
            return [StopRinging(offer), *over(call, fact.at, cause)]
        case _:
            return finish(call, fact.at, Cause.CALLER_HUNG_UP)


def left_flow(call: LiveCall) -> Cause:
    """Return why a call ended whose caller hung up in its flow; who had waited before has given up."""
    if call.recording_id:
        return Cause.LEFT_MESSAGE
    has_waited = call.queued_at is not None and not (call.flow and call.flow.is_promised)
    return Cause.CALLER_LEFT_QUEUE if has_waited else Cause.CALLER_LEFT_FLOW


def left_unreached(call: LiveCall) -> Cause:
    """Return why a call ended whose caller has not waited until a phone took it."""
    return left_flow(call) if call.is_in_flow else Cause.CALLER_LEFT_QUEUE


def _vanished(call: LiveCall, fact: Vanished) -> list[Action]:
    """The switch has nothing left of the call: there is nobody to hang up on, and the agent is free."""
    offer = call.offer
    if call.phase is Phase.QUEUED:
        return [LeaveQueue(), *finish(call, fact.at, fact.cause)]
    if offer is None:
        return finish(call, fact.at, fact.cause)
    item = "lost" if call.phase is Phase.OFFERED else "closed"
    return [
        Agent(offer.agent_id, None, fact.at, offer.offer_id, item, Lost.SWITCH_LOST),
        *finish(call, fact.at, fact.cause),
    ]


def over(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    """An answered call is over: its agent wraps up."""
    offer = call.offer
    agent = [Agent(offer.agent_id, WRAP_UP, at, offer.offer_id, "wrap_up")] if offer else []
    return [*agent, *finish(call, at, cause)]


def _may_be_asked(call: LiveCall) -> bool:
    """Whether the caller can be asked for a rating: they called, and talked until now."""
    return call.phase is Phase.TALKING and call.dial is None and not call.is_parked


def _asks_for_rating(call: LiveCall, offer: Offer, fact: AgentGone) -> list[Action]:
    """The conversation is over: its agent wraps up, free of the caller, who is asked how it was."""
    music: list[Action] = [Music(on=False)] if call.is_held else []
    call.phase, call.offer, call.is_held = Phase.SURVEY, None, False
    call.talked_until, call.survey_most = fact.at, fact.survey_most
    is_shared = call.is_shared
    if is_shared:
        end_leg(call, offer, fact.at, Left.ENDED)
    return [
        Agent(offer.agent_id, WRAP_UP, fact.at, offer.offer_id, "wrap_up"),
        *music,
        *([KeepLegs()] if is_shared else []),
        EndTalk(),
        Survey(),
    ]


def finish(call: LiveCall, at: dt.datetime, cause: Cause) -> list[Action]:
    """End the call, and with it those to a number outside and to an agent's telephone."""
    outside = call.outside
    is_seen = cause not in {Cause.SWITCH_LOST, Cause.LOST_WHILE_AWAY}
    for one in call.telephones:
        end_telephones(call, at, Cause.CANCELLED if is_seen and not one.picked_up_at else cause, one.offer_id)
    if outside:
        is_known = outside.picked_up_at or cause in {Cause.SWITCH_LOST, Cause.LOST_WHILE_AWAY}
        end_outside(call, at, cause if is_known else Cause.CANCELLED)
    leaves: list[Action] = [LeaveRoom(at)] if call.phase is Phase.ROOM else []
    call.phase, call.cause, call.ended_at = Phase.ENDED, cause, at
    return [*leaves, Finish(at, cause)]
