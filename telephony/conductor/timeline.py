"""What the timeline of a call says of each fact: its word, and the details beside it."""

from core.ids import public
from telephony.conductor import machine
from telephony.conductor.machine import Fact


def name(fact: Fact) -> str:
    """Return the timeline's word of a fact: AgentAnswered -> agent-answered."""
    word = type(fact).__name__
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in word).removeprefix("-")


def details(fact: Fact) -> dict[str, object]:
    """Return what stands with a fact in the timeline: numbers and words, nothing personal."""
    match fact:
        case machine.FlowEntered(flow_id=flow_id, version=version):
            return {"flow": public("flow", flow_id), "version": version}
        case machine.FlowMoved(node=node, kind=kind, title=title, way=way):
            return {"node": node, "kind": kind, "title": title, "way": way}
        case machine.FlowLed(queue_name=queue):
            return {"queue": queue}
        case machine.FlowFailed(why=why):
            return {"why": why}
        case machine.Transferred(offer=to, queue_name=queue):
            return {"queue": queue, "agent": to.agent_number if to else None}
        case machine.Consulted(offer=offer):
            return {"agent": offer.agent_number, "seat": offer.seat_label}
        case machine.SentBack(queue_name=queue):
            return {"queue": queue}
        case machine.NoRoom(whose=whose, is_spoken=is_spoken, calls=calls, limit=limit):
            return {"whose": whose, "spoken": is_spoken, "calls": calls, "limit": limit}
        case machine.Moved(queue_name=queue, leader=leader):
            return {"queue": queue, "leader": leader}
        case machine.SentOutside(outside=outside) | machine.OutsideAsked(outside=outside):
            return {"call": public("call", outside.offer_id)}
        case machine.RecordingStopped(is_by_rule=is_by_rule):
            return {"by_rule": is_by_rule}
        case machine.Offered(offer=offer):
            return {"offer_id": str(offer.offer_id), "agent": offer.agent_number, "seat": offer.seat_label}
        case machine.OfferLost(why=why):
            return {"why": why.value}
        case (
            machine.CallerGone(cause=cause)
            | machine.AgentGone(cause=cause)
            | machine.AskedGone(cause=cause)
            | machine.OutsideGone(cause=cause)
        ):
            return {"cause": int(cause)}
        case machine.Held(on=on) | machine.RecordingPaused(on=on):
            return {"on": on}
        case machine.Heard(is_machine=is_machine):
            return {"machine": is_machine}
        case machine.Bridged(recording_id=recording_id):
            return {"recorded": recording_id is not None}
        case machine.Vanished(cause=cause) | machine.Cut(cause=cause):
            return {"cause": cause.value}
        case _:
            return {}
