"""Conference rooms as pages and programs see them: who is in one now, and who is sent out."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from core import ids
from core.ids import OPERATOR, CallId, RoomId
from customers import glance
from telephony import calls, conference, orders
from telephony.conference import Room
from telephony.orders import OrderKind
from web import identity, scope, tampered
from web.shown import calls as rows


@dataclass(frozen=True, slots=True)
class Inside:
    """Somebody in a room now: `who` is masked as in every list of calls."""

    call: str
    who: str
    joined_at: dt.datetime
    leads: bool


def find(room_id: str) -> Room:
    """Return a room of the company by the id in an address.

    Raises:
        RoomNotFoundError: not the company's, or closed.
    """
    return conference.get(
        scope.session(), tenant_id=identity.current().tenant_id, room_id=RoomId(ids.parse("room", room_id))
    )


def inside(room: Room) -> Sequence[Inside]:
    """Return who is in a room now, in the order in which they came."""
    session, vault = scope.session(), scope.services().vault
    there = [
        calls.get(session, tenant_id=room.tenant_id, call_id=call_id, vault=vault)
        for call_id in conference.inside(session, tenant_id=room.tenant_id, room_id=room.room_id)
    ]
    names = glance.masked_names(
        session,
        tenant_id=room.tenant_id,
        vault=vault,
        customer_ids={one.customer_id for one in there if one.customer_id is not None},
        broken=tampered.tell,
    )
    return [
        Inside(
            ids.public("call", one.call_id),
            rows.who(one, names.get(one.customer_id) if one.customer_id else None),
            one.bridged_at or one.arrived_at,
            one.leads_room,
        )
        for one in there
    ]


def send_out(room: Room, call_id: CallId) -> None:
    """End a call that is in a room: the switchboard does it in a moment.

    Raises:
        NotInRoomError: it is not in this room, or not any more.
    """
    conference.send_out(scope.session(), tenant_id=room.tenant_id, room_id=room.room_id, call_id=call_id)
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as desk:
        orders.leave(
            desk, OrderKind.SEND_OUT, tenant_id=room.tenant_id, room_id=room.room_id, call_id=call_id
        )
    realtime = scope.services().realtime
    scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))
