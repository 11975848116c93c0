"""Conference rooms as pages and programs see them: who is in one now, who is heard, muted, sent out.

Who is in one stands in the calls' rows; whether they are heard, and whether it is locked, is said by the
switchboard's pulse, and nothing is made up while that is silent.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from core import ids
from core.ids import OPERATOR, CallId, RoomId
from customers import glance
from telephony import calls, conference, orders
from telephony.conductor import pulse
from telephony.conference import Room
from telephony.orders import OrderKind
from web import identity, scope, tampered
from web.shown import calls as rows


@dataclass(frozen=True, slots=True)
class Inside:
    """Somebody in a room now.

    Attributes:
        who: masked as in every list of calls.
        waits: they hear music, being alone or without their leader; None: the pulse does not say.
        mutes_self: by a key of theirs, and heard again by it alone.
        is_muted: by the company.
    """

    call: str
    who: str
    joined_at: dt.datetime
    leads: bool
    waits: bool | None = None
    mutes_self: bool | None = None
    is_muted: bool | None = None


@dataclass(frozen=True, slots=True)
class RoomNow:
    """A room as it is; `at` is when the switchboard said so, None: it has not spoken lately."""

    inside: Sequence[Inside]
    at: dt.datetime | None
    is_locked: bool | None


def find(room_id: str) -> Room:
    """Return a room of the company by the id in an address.

    Raises:
        RoomNotFoundError: not the company's, or closed.
    """
    return conference.get(
        scope.session(), tenant_id=identity.current().tenant_id, room_id=RoomId(ids.parse("room", room_id))
    )


def now(room: Room) -> RoomNow:
    """Return who is in a room now, in the order in which they came, and how they are in it."""
    services = scope.services()
    session, vault = scope.session(), services.vault
    snapshot = pulse.now_of(services.realtime, room.tenant_id)
    live = (snapshot or {}).get("rooms", {}).get(str(room.room_id), {})
    people = live.get("people", {})
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
    found = []
    for one in there:
        call = ids.public("call", one.call_id)
        said = people.get(call)
        found.append(
            Inside(
                call,
                rows.who(one, names.get(one.customer_id) if one.customer_id else None),
                one.bridged_at or one.arrived_at,
                one.leads_room,
                waits=None if said is None else not live["talks"],
                mutes_self=None if said is None else said["self"],
                is_muted=None if said is None else said["muted"],
            )
        )
    return RoomNow(
        found,
        dt.datetime.fromisoformat(snapshot["at"]) if snapshot else None,
        bool(live.get("locked")) if snapshot else None,
    )


def send_out(room: Room, call_id: CallId) -> None:
    """End a call that is in a room: the switchboard does it in a moment.

    Raises:
        NotInRoomError: it is not in this room, or not any more.
    """
    conference.send_out(scope.session(), tenant_id=room.tenant_id, room_id=room.room_id, call_id=call_id)
    _order(OrderKind.SEND_OUT, room, call_id=call_id)


def mute(room: Room, call_id: CallId, *, on: bool) -> None:
    """Mute somebody in a room, or let them be heard again: the switchboard does it in a moment.

    Raises:
        NotInRoomError: it is not in this room, or not any more.
    """
    conference.mute(scope.session(), tenant_id=room.tenant_id, room_id=room.room_id, call_id=call_id, on=on)
    _order(OrderKind.MUTE_IN_ROOM, room, call_id=call_id, on=on)


def lock(room: Room, *, on: bool) -> None:
    """Let nobody but leaders into a room any more, or everybody again: the switchboard does it in a moment.

    Raises:
        RoomEmptyError: nobody is in it.
    """
    conference.lock(scope.session(), tenant_id=room.tenant_id, room_id=room.room_id, on=on)
    _order(OrderKind.LOCK_ROOM, room, on=on)


def _order(kind: OrderKind, room: Room, **about: object) -> None:
    """Leave an order about a room for the switchboard."""
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as desk:
        orders.leave(desk, kind, tenant_id=room.tenant_id, room_id=room.room_id, **about)
    realtime = scope.services().realtime
    scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))
