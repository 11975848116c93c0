"""A call in a conference room as a state machine, beside `machine`: the same facts, actions and live call.

    flow -> room -> ended    its flow has let it in by a PIN; it ends when the caller hangs up, when
                             somebody of the company sends them out, or as any call that lasts too long

It talks from then on, and costs what a call in does, alone or not. Who else is in the room are the calls that
are: nothing is kept of it beside them, so that after a crash it is what its calls say. Pure.
"""

from dataclasses import replace

from telephony.conductor.actions import Action, EnterRoom, HangUpCaller, LeaveFlow, Mark
from telephony.conductor.facts import Fact, RoomJoined, SentOutOfRoom
from telephony.conductor.live_call import LiveCall
from telephony.conductor.machine import finish
from telephony.conductor.parties import InRoom
from telephony.conductor.phases import Cause, Phase
from telephony.flows.trace import Outcome


def concerns(fact: Fact) -> bool:
    """Whether this fact is about a conference room."""
    return isinstance(fact, RoomJoined | SentOutOfRoom)


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` a conference room; see `machine.step`."""
    call.proven_at = max(call.proven_at, fact.at) if call.phase is not Phase.ENDED else call.proven_at
    match fact:
        case RoomJoined() if call.phase is Phase.FLOW and call.flow and call.recording_id is None:
            call.phase = Phase.ROOM
            call.flow = replace(call.flow, ended_at=fact.at, outcome=Outcome.ROOM)
            call.room = InRoom(
                fact.room_id, fact.name, fact.at, fact.leads, fact.awaits_leader, fact.announces
            )
            call.instants |= {"bridged_at": fact.at}
            return [LeaveFlow(), Mark({"bridged_at": fact.at}), EnterRoom()]
        case SentOutOfRoom() if call.phase is Phase.ROOM:
            return [HangUpCaller(), *finish(call, fact.at, Cause.SENT_OUT)]
        case _:
            return []
