"""A call in its number's flow as a state machine, beside `machine`: the same facts, actions and live call.

    flow -> greeting -> queued    led to a queue, or failed: then it is the number's own
       +--> ended                 served: nobody was needed, or the caller hung up
       +--> forwarding -> reaching -> outside    given to a number outside; not reached: the flow goes on
    queued -> flow    who waits has pressed a key that their flow goes on by; back in the same queue, they
                      stand where they stood

What happens inside the flow is `telephony.flows.interpreter`'s; here it is a path of nodes. It is in the
spool, so that after a crash the call goes on at the node where it stood. Pure.
"""

from dataclasses import replace
from typing import Final

from core.clock import elapsed_ms
from telephony.conductor.actions import (
    Action,
    Belong,
    Enter,
    Forward,
    GoOn,
    HangUpCaller,
    LeaveFlow,
    LeaveQueue,
    Music,
    Noted,
    RunFlow,
)
from telephony.conductor.facts import (
    Fact,
    FlowEntered,
    FlowFailed,
    FlowLed,
    FlowLedOutside,
    FlowMoved,
    FlowServed,
    MessageBegan,
    WaitLeft,
)
from telephony.conductor.live_call import LiveCall
from telephony.conductor.machine import finish
from telephony.conductor.parties import InFlow
from telephony.conductor.phases import Cause, Phase
from telephony.flows.trace import Outcome, Passed

_OF_FLOWS = (
    FlowEntered | FlowMoved | FlowLed | FlowLedOutside | WaitLeft | MessageBegan | FlowServed | FlowFailed
)


CALLBACK: Final = "callback"


def concerns(fact: Fact) -> bool:
    """Whether this fact is about a flow."""
    return isinstance(fact, _OF_FLOWS)


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` a flow; see `machine.step`."""
    call.proven_at = max(call.proven_at, fact.at) if call.phase is not Phase.ENDED else call.proven_at
    flow = call.flow
    match fact:
        case FlowEntered() if call.phase is Phase.GREETING and flow is None:
            call.phase, call.flow = Phase.FLOW, InFlow(fact.flow_id, fact.version, fact.at, tier=fact.tier)
            return [RunFlow()]
        case FlowMoved() if call.phase is Phase.FLOW and flow:
            passed = Passed(fact.node, fact.way, elapsed_ms(flow.began_at, fact.at))
            call.flow = replace(
                flow,
                path=(*flow.path, passed),
                onwards="",
                kind=fact.kind,
                is_promised=flow.is_promised or (flow.kind == CALLBACK and fact.way == "next"),
            )
            return [Noted()]
        case FlowLedOutside() if call.phase is Phase.FLOW and flow:
            call.phase, call.forwards = Phase.FORWARDING, True
            return [Music(on=True), Forward()]
        case FlowLed() if call.phase is Phase.FLOW and flow:
            call.phase, call.flow = Phase.GREETING, _over(flow, fact, Outcome.QUEUED)
            if fact.queue_id != call.arrival.queue_id:  # to which they come last
                call.queued_at = None
            call.arrival = replace(call.arrival, queue_id=fact.queue_id)
            return [LeaveFlow(), Belong(fact.queue_id), Enter()]
        case FlowFailed() if call.phase is Phase.FLOW and flow:
            call.phase, call.flow = Phase.GREETING, _over(flow, fact, Outcome.FAILED)
            return [LeaveFlow(), Enter()]
        case FlowServed() if call.phase is Phase.FLOW and flow:
            call.flow = _over(flow, fact, Outcome.SERVED)
            cause = Cause.LEFT_MESSAGE if call.recording_id else Cause.SERVED
            return [LeaveFlow(), HangUpCaller(), *finish(call, fact.at, cause)]
        case WaitLeft() if call.phase is Phase.QUEUED and flow and may_leave(call):
            call.phase = Phase.FLOW
            call.flow = replace(flow, ended_at=None, outcome=None, onwards=fact.way)
            return [LeaveQueue(), Music(on=False), GoOn(fact.way)]
        case MessageBegan() if call.phase is Phase.FLOW and call.recording_id is None:
            call.recording_id = fact.recording_id
            return [Noted()]
        case _:
            return []


def may_leave(call: LiveCall) -> bool:
    """Whether keys mean something to who waits: no agent has had them, and their flow led them here."""
    return call.flow is not None and call.flow.outcome is Outcome.QUEUED and not call.is_shared


def is_led_by_tier(call: LiveCall) -> bool:
    """Whether the flow of its caller's tier has led it to where it waits."""
    return call.flow is not None and call.flow.outcome is Outcome.QUEUED and bool(call.flow.tier)


def _over(flow: InFlow, fact: Fact, outcome: Outcome) -> InFlow:
    return replace(flow, ended_at=fact.at, outcome=outcome)
