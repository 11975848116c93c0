"""A call in a conference room as a state machine, beside `machine`: the same facts, actions and live call.

    flow -> room -> ended    its flow has let it in by a PIN; it ends when the caller hangs up, when
                             somebody of the company sends them out, or as any call that lasts too long

It talks from then on, and costs what a call in does, alone or not. Who else is in the room are the calls that
are, and whether it is locked is what each of them says: nothing is kept of it beside them, so that after a
crash it is what its calls say, and a room that was left by all is locked no more. Pure.
"""

from collections.abc import Sequence
from dataclasses import replace

from telephony.conductor.actions import Action, EnterRoom, HangUpCaller, LeaveFlow, Mark, MuteInRoom, Noted
from telephony.conductor.facts import Fact, MutedInRoom, RoomJoined, RoomLocked, SentOutOfRoom
from telephony.conductor.live_call import LiveCall
from telephony.conductor.machine import finish
from telephony.conductor.parties import InRoom
from telephony.conductor.phases import Cause, Phase
from telephony.flows.trace import Outcome


def concerns(fact: Fact) -> bool:
    """Whether this fact is about a conference room."""
    return isinstance(fact, RoomJoined | SentOutOfRoom | MutedInRoom | RoomLocked)


def may_talk(inside: Sequence[InRoom]) -> bool:
    """Whether those in a room hear each other: there are two, and a leader where one is waited for."""
    has_leader = any(one.leads for one in inside)
    return len(inside) > 1 and (has_leader or not any(one.awaits_leader for one in inside))


def is_locked(inside: Sequence[InRoom]) -> bool:
    """Whether a room is locked: if one of its calls says so, a crash has kept the others from it."""
    return any(one.is_locked for one in inside)


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` a conference room; see `machine.step`."""
    call.proven_at = max(call.proven_at, fact.at) if call.phase is not Phase.ENDED else call.proven_at
    match fact:
        case RoomJoined() if call.phase is Phase.FLOW and call.flow and call.recording_id is None:
            call.phase = Phase.ROOM
            call.flow = replace(call.flow, ended_at=fact.at, outcome=Outcome.ROOM)
            call.room = InRoom(
                fact.room_id,
                fact.name,
                fact.at,
                fact.leads,
                fact.awaits_leader,
                fact.announces,
                is_locked=fact.is_locked,
            )
            call.instants |= {"bridged_at": fact.at}
            return [LeaveFlow(), Mark({"bridged_at": fact.at}), EnterRoom()]
        case SentOutOfRoom() if call.phase is Phase.ROOM:
            return [HangUpCaller(), *finish(call, fact.at, Cause.SENT_OUT)]
        case MutedInRoom() if call.phase is Phase.ROOM and call.room:
            before, on = call.room, fact.on
            call.room = replace(before, mutes_self=on) if fact.is_own else replace(before, is_muted=on)
            return [MuteInRoom()] if call.room != before else []
        case RoomLocked() if call.phase is Phase.ROOM and call.room and call.room.is_locked is not fact.on:
            call.room = replace(call.room, is_locked=fact.on)
            return [Noted()]
        case _:
            return []
