"""Conference rooms, for programs: made, changed, closed; who is in one now."""

from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from core import ids
from core.ids import CallId, RoomId
from telephony import conference
from telephony.conference import LONGEST_NAME, Room, Wanted
from telephony.errors import RoomSettingError
from web import identity, scope
from web.api import preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward, Text
from web.guards import permission
from web.shown import rooms as shown

_TAG = "Conference rooms"
_ID = "room_01jd3x5k8f7r6q2w9v4t0n1m3c"
_MEMBERS = "Of members: 4 to 8 digits, not all the same and not a run. Left out: as it is."
_LEADERS = (
    "Of leaders: while there is one, members hear music until a leader is in. Left out: as it is; empty:"
    " there is none."
)

Digits = Annotated[str, Field(pattern=r"^[0-9]{4,8}$")]


class RoomSettings(Inward):
    """How a conference room is to be."""

    name: Text = Field(min_length=1, max_length=LONGEST_NAME, examples=["Monday meeting"])
    most: int = Field(default=10, ge=2, le=20, description="How many may be in it, leaders too.")
    announces: bool = Field(default=True, description="Whether those in it hear a tone when somebody joins.")
    pin: Digits | None = Field(default=None, description=_MEMBERS, examples=["407195"], repr=False)
    leader_pin: Annotated[str, Field(pattern=r"^([0-9]{4,8})?$")] | None = Field(
        default=None, description=_LEADERS, examples=["864203"], repr=False
    )


class RoomShown(Outward):
    """A conference room. Its PINs are shown to nobody."""

    id: str = Field(examples=[_ID])
    name: str
    most: int
    announces: bool
    has_leaders: bool = Field(description="Whether members wait for a leader.")
    barred_until: Instant | None = Field(
        description="Nobody gets in until then, or a new PIN: too many wrong ones came in a row."
    )
    people: int = Field(description="How many are in it now.", examples=[3])


class RoomPerson(Outward):
    """Somebody who is in a conference room now."""

    call: str = Field(examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    joined_at: Instant
    leads: bool = Field(description="Whether they came with the PIN of leaders.")
    waits: bool | None = Field(
        description="Whether they hear music: alone, or without their leader. Null: not known at the moment."
    )
    mutes_self: bool | None = Field(
        description="Whether they have muted themselves (`*6`); only they can be heard again by it."
    )
    is_muted: bool | None = Field(description="Whether the company has muted them.")


class RoomWhole(RoomShown):
    """A conference room and who is in it."""

    inside: list[RoomPerson]
    is_locked: bool | None = Field(
        description="Whether nobody but leaders gets in. Null: not known at the moment."
    )
    as_of: Instant | None = Field(description="When the switchboard said so; null: it is silent.")


class RoomsList(Outward):
    """Every open conference room of the company, by name."""

    data: list[RoomShown]


class RoomSentOut(Inward):
    """Whose call ends."""

    call: Text = Field(max_length=40, examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])


class RoomDeed(Inward):
    """What is done in a room; `call`: whom it is about, of `mute` and `unmute`."""

    deed: Literal["mute", "unmute", "lock", "unlock"]
    call: Text | None = Field(default=None, max_length=40, examples=["call_01jd3x5k8f7r6q2w9v4t0n1m3c"])


@pages.get("/rooms")
@permission("queues.read")
@operation(tag=_TAG, answers={200: RoomsList}, operation_id="listRooms")
def list_rooms() -> RoomsList:
    """List the company's conference rooms."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    counts = conference.counts(session, tenant_id=tenant_id)
    found = conference.all_of(session, tenant_id=tenant_id)
    return RoomsList(data=[_shown(one, counts.get(one.room_id, 0)) for one in found])


@pages.post("/rooms")
@permission("queues.write")
@operation(tag=_TAG, answers={201: RoomWhole}, errors=(409,), operation_id="makeRoom")
def make_room(json: RoomSettings) -> tuple[RoomWhole, int, dict[str, str]]:
    """Make a conference room. Lead callers into it by a `room` node of a flow."""
    made = conference.make(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        wanted=_wanted(json),
    )
    return (
        _whole(made),
        201,
        {"Location": f"/api/v1/rooms/{made.ref}", **preconditions.tag(made.revision)},
    )


@pages.get("/rooms/<room_id>")
@permission("queues.read")
@operation(tag=_TAG, answers={200: RoomWhole}, errors=(404,), operation_id="getRoom")
def one_room(room_id: str) -> tuple[RoomWhole, int, dict[str, str]]:
    """Look at one conference room and who is in it now."""
    found = _find(room_id)
    return _whole(found), 200, preconditions.tag(found.revision)


@pages.put("/rooms/<room_id>")
@permission("queues.write")
@operation(tag=_TAG, answers={200: RoomWhole}, errors=(404, 409), operation_id="changeRoom", conditional=True)
def change_room(room_id: str, json: RoomSettings) -> tuple[RoomWhole, int, dict[str, str]]:
    """Replace a room's settings, unless somebody has changed them since; who is in it stays."""
    found = _find(room_id)
    preconditions.insist(found.revision)
    saved = conference.change(
        scope.session(),
        tenant_id=found.tenant_id,
        room_id=found.room_id,
        vault=scope.services().vault,
        revision=found.revision,
        wanted=_wanted(json),
    )
    return _whole(saved), 200, preconditions.tag(saved.revision)


@pages.post("/rooms/<room_id>/send-out")
@permission("queues.write")
@operation(tag=_TAG, answers={204: None}, errors=(404, 409), operation_id="sendOutOfRoom")
def send_out_of_room(room_id: str, json: RoomSentOut) -> Response:
    """End the call of somebody who is in a room, in a moment."""
    shown.send_out(_find(room_id), CallId(ids.parse("call", json.call)))
    return Response(status=204)


@pages.post("/rooms/<room_id>/lead")
@permission("queues.write")
@operation(tag=_TAG, answers={204: None}, errors=(404, 409), operation_id="leadRoom")
def lead_room(room_id: str, json: RoomDeed) -> Response:
    """Mute somebody in a room, or let only leaders into it until it is unlocked or empty.

    Members who come to a locked room go on in their flow by the way `full`. An empty one cannot be locked.
    """
    found = _find(room_id)
    if json.deed in {"lock", "unlock"}:
        shown.lock(found, on=json.deed == "lock")
    elif json.call:
        shown.mute(found, CallId(ids.parse("call", json.call)), on=json.deed == "mute")
    else:
        raise RoomSettingError(field="call")
    return Response(status=204)


@pages.post("/rooms/<room_id>/close")
@permission("queues.write")
@operation(tag=_TAG, answers={204: None}, errors=(404, 409), operation_id="closeRoom")
def close_room(room_id: str) -> Response:
    """Close a room for good. Refused (409) while a flow leads into it, or somebody is in it."""
    found = _find(room_id)
    conference.close(scope.session(), tenant_id=found.tenant_id, room_id=found.room_id)
    return Response(status=204)


def _find(room_id: str) -> Room:
    return conference.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        room_id=RoomId(id_in_path("room", room_id)),
    )


def _wanted(json: RoomSettings) -> Wanted:
    return Wanted(
        json.name,
        json.most,
        json.announces,
        pin=json.pin or "",
        leader_pin=json.leader_pin or "",
        has_leaders=json.leader_pin != "",
    )


def _shown(room: Room, people: int) -> RoomShown:
    return RoomShown(
        id=room.ref,
        name=room.name,
        most=room.most,
        announces=room.announces,
        has_leaders=room.has_leaders,
        barred_until=room.barred_until,
        people=people,
    )


def _whole(room: Room) -> RoomWhole:
    now = shown.now(room)
    return RoomWhole(
        **_shown(room, len(now.inside)).model_dump(),
        inside=[
            RoomPerson(
                call=one.call,
                joined_at=one.joined_at,
                leads=one.leads,
                waits=one.waits,
                mutes_self=one.mutes_self,
                is_muted=one.is_muted,
            )
            for one in now.inside
        ],
        is_locked=now.is_locked,
        as_of=now.at,
    )
