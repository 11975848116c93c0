"""The telephone of an agent as facts of the state machine: an offer that rings at a number outside.

    offered -> called -> picked up -> (the key is pressed: the agent has answered) -> announcing -> talking
                 |           |                                                                        |
                 +-----------+-- gone: the offer is lost, the caller is back at the head      gone: wrap-up

The offer itself goes its usual way through `machine` and `transfer`. Here is only what its leg is beside
that: a call out with books of its own, part of the call, begun when it is placed, metered from the moment it
is picked up, and over at the latest with the call. Pure.
"""

import dataclasses

from telephony.conductor import phases
from telephony.conductor.actions import Action, AskAtTelephone, CallTelephone, KeepOutside
from telephony.conductor.facts import Fact, TelephoneCalled, TelephoneGone, TelephonePickedUp
from telephony.conductor.live_call import LiveCall, end_telephones
from telephony.conductor.parties import Outside
from telephony.conductor.phases import Cause, Phase


def concerns(fact: Fact) -> bool:
    """Whether this fact is about the leg to an agent's telephone."""
    return isinstance(fact, TelephoneCalled | TelephonePickedUp | TelephoneGone)


def step(call: LiveCall, fact: Fact) -> list[Action]:
    """Move a call on by one fact that `concerns` it; see `machine.step`."""
    if call.phase is Phase.ENDED:
        return []
    match fact:
        case TelephoneCalled(telephone=telephone) if _is_offered(call, telephone):
            call.telephones.append(telephone)
            due: list[Action] = [KeepOutside(), CallTelephone(telephone)]
        case TelephonePickedUp(offer_id=offer_id) if (one := _open(call, offer_id)) and not one.picked_up_at:
            picked_up = dataclasses.replace(one, picked_up_at=max(fact.at, one.began_at))
            call.telephones[call.telephones.index(one)] = picked_up
            due = [KeepOutside()]
            if call.phase is Phase.OFFERED and call.telephone:
                due.append(AskAtTelephone(picked_up))
        case TelephoneGone(offer_id=offer_id) if one := _open(call, offer_id):
            end_telephones(call, fact.at, _cause(call, one, fact.cause), offer_id)
            due = [KeepOutside()]
        case _:
            return []
    call.proven_at = max(call.proven_at, fact.at)
    return due


def _is_offered(call: LiveCall, telephone: Outside) -> bool:
    """Whether the call is offered to the agent whose telephone it is, and that was not called for it yet."""
    offer = call.offer
    return (
        call.phase is Phase.OFFERED
        and offer is not None
        and offer.is_at_telephone
        and offer.offer_id == telephone.offer_id
        and all(one.offer_id != telephone.offer_id for one in call.telephones)
    )


def _open(call: LiveCall, offer_id: object) -> Outside | None:
    found = (one for one in call.telephones if one.offer_id == offer_id and one.ended_at is None)
    return next(found, None)


def _cause(call: LiveCall, one: Outside, cause: int) -> Cause:
    """Return how the call to that telephone ended: hung up there, not reached, or not needed any more."""
    is_wanted = call.offer is not None and call.offer.offer_id == one.offer_id
    if one.picked_up_at:
        return Cause.CALLED_HUNG_UP if is_wanted else Cause.AGENT_HUNG_UP
    if not is_wanted:
        return Cause.CANCELLED
    return phases.BY_CAUSE.get(cause, phases.FAILED)[1]
