"""What the timeline of a call says of each fact: its word, and the details beside it."""

from core.ids import public
from telephony.conductor import facts
from telephony.conductor.facts import Fact


def name(fact: Fact) -> str:
    """Return the timeline's word of a fact: AgentAnswered -> agent-answered."""
    word = type(fact).__name__
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in word).removeprefix("-")


def details(fact: Fact) -> dict[str, object]:
    """Return what stands with a fact in the timeline: numbers and words, nothing personal."""
    match fact:
        case facts.FlowEntered(flow_id=flow_id, version=version, tier=tier):
            entered: dict[str, object] = {"flow": public("flow", flow_id), "version": version}
            return entered | {"tier": tier} if tier else entered
        case facts.FlowMoved(node=node, kind=kind, title=title, way=way):
            return {"node": node, "kind": kind, "title": title, "way": way}
        case facts.FlowLed(queue_name=queue):
            return {"queue": queue}
        case facts.FlowFailed(why=why):
            return {"why": why}
        case facts.RoomJoined(room_id=room_id, name=room, leads=leads):
            return {"room": public("room", room_id), "name": room, "leader": leads}
        case facts.MutedInRoom(on=on, is_own=is_own):
            return {"on": on, "own": is_own}
        case facts.RoomLocked(on=on):
            return {"on": on}
        case facts.WaitLeft(way=way):
            return {"way": way}
        case facts.Transferred(offer=to, queue_name=queue):
            return {"queue": queue, "agent": to.agent_number if to else None}
        case facts.Consulted(offer=offer):
            return {"agent": offer.agent_number, "seat": offer.seat_label}
        case facts.SentBack(queue_name=queue):
            return {"queue": queue}
        case facts.NoRoom(whose=whose, is_spoken=is_spoken, calls=calls, limit=limit):
            return {"whose": whose, "spoken": is_spoken, "calls": calls, "limit": limit}
        case facts.Moved(queue_name=queue, leader=leader):
            return {"queue": queue, "leader": leader}
        case facts.Forwards(is_closed=is_closed):
            return {"closed": is_closed}
        case facts.NotForwarded(why=why):
            return {"why": why}
        case (
            facts.Forwarded(outside=outside)
            | facts.SentOutside(outside=outside)
            | facts.OutsideAsked(outside=outside)
        ):
            return {"call": public("call", outside.offer_id)}
        case facts.TelephoneCalled(telephone=telephone):
            return {"call": public("call", telephone.offer_id)}
        case facts.RecordingStopped(is_by_rule=is_by_rule):
            return {"by_rule": is_by_rule}
        case facts.Offered(offer=offer):
            return {"offer_id": str(offer.offer_id), "agent": offer.agent_number, "seat": offer.seat_label}
        case facts.OfferLost(why=why):
            return {"why": why.value}
        case (
            facts.CallerGone(cause=cause)
            | facts.AskedGone(cause=cause)
            | facts.OutsideGone(cause=cause)
            | facts.TelephoneGone(cause=cause)
        ):
            return {"cause": int(cause)}
        case facts.AgentGone(cause=cause, survey_most=most):
            return {"cause": int(cause), "survey": most} if most else {"cause": int(cause)}
        case facts.SurveyAnswered(rating=rating):
            return {"rating": rating}
        case facts.SurveyEnded(why=why):
            return {"why": why}
        case facts.Held(on=on) | facts.RecordingPaused(on=on):
            return {"on": on}
        case facts.Heard(is_machine=is_machine):
            return {"machine": is_machine}
        case facts.Bridged(recording_id=recording_id):
            return {"recorded": recording_id is not None}
        case facts.Vanished(cause=cause) | facts.Cut(cause=cause):
            return {"cause": cause.value}
        case _:
            return {}
