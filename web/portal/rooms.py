"""Conference rooms: made, changed, closed; who is in one now."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import SeatlineError
from core.ids import CallId, RoomId
from customers.errors import PinError
from telephony import conference
from telephony.conference import Room, Wanted
from telephony.errors import (
    NotInRoomError,
    RoomChangedError,
    RoomEmptyError,
    RoomInUseError,
    RoomNameTakenError,
    RoomSettingError,
    TooManyRoomsError,
)
from web import edits, identity, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import rooms as shown

_INVALID = 422
_WRONG = (RoomSettingError, RoomNameTakenError, PinError)


@pages.get("/rooms")
@permission("queues.read")
def room_list() -> str:
    """Show the company's conference rooms, and how many are in each now."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    counts = conference.counts(session, tenant_id=tenant_id)
    return render_template(
        "portal/rooms.html",
        rooms=[
            _row(one) | {"people": counts.get(one.room_id, 0)}
            for one in conference.all_of(session, tenant_id=tenant_id)
        ],
        may_write=_may_write(),
    )


@pages.get("/rooms/new")
@permission("queues.write")
def new_room() -> str:
    """Show the form of a new conference room."""
    return _form({"name": "", "most": "10", "announces": "yes"}, revision=0)


@pages.post("/rooms")
@permission("queues.write")
def add_room() -> BaseResponse:
    """Make a conference room."""
    given = edits.given(_fields(), request.form)
    try:
        made = conference.make(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            vault=scope.services().vault,
            wanted=replace(
                _wanted(given),
                pin=request.form.get("pin", ""),
                leader_pin=request.form.get("leader_pin", ""),
            ),
        )
    except _WRONG as error:
        scope.session().expire_all()
        return make_response(_form(given, revision=0, errors=_faults(error)), _INVALID)
    except TooManyRoomsError as error:
        said.why(error)
        return redirect(url_for("portal.room_list"), 303)
    said.done(gettext("The room is made. Lead callers into it by a step of a flow."))
    return redirect(_path(made.room_id), 303)


@pages.get("/rooms/<room_id>")
@permission("queues.read")
def one_room(room_id: str) -> str:
    """Show one conference room and who is in it now."""
    return _page(shown.find(room_id))


@pages.get("/live/rooms/<room_id>")
@permission("queues.read")
def live_room(room_id: str) -> str:
    """Return the card of who is in a room anew."""
    return render_template("portal/_room.html", **_now(shown.find(room_id)))


@pages.get("/rooms/<room_id>/edit")
@permission("queues.write")
def edit_room(room_id: str) -> str:
    """Show the form with the room's settings."""
    found = shown.find(room_id)
    return _form(_typed(found), revision=found.revision, room=found)


@pages.post("/rooms/<room_id>")
@permission("queues.write")
def save_room(room_id: str) -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    found, fields = shown.find(room_id), _fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    try:
        _change(found, revision, _wanted(given))
    except RoomChangedError:
        now = shown.find(room_id)
        return edits.conflicting(
            now.name,
            edits.differences(fields, yours=given, theirs=_typed(now)),
            action=_path(now.room_id),
            revision=now.revision,
            back=_path(now.room_id),
            nav="queues",
        )
    except _WRONG as error:
        scope.session().expire_all()
        return make_response(_form(given, revision=revision, room=found, errors=_faults(error)), _INVALID)
    said.done(gettext("Saved. It counts from the next caller on."))
    return redirect(_path(found.room_id), 303)


@pages.post("/rooms/<room_id>/pins")
@permission("queues.write")
def save_room_pins(room_id: str) -> BaseResponse:
    """Set a room's PINs anew, or take that of its leaders away."""
    found = shown.find(room_id)
    wanted = Wanted(
        found.name,
        found.most,
        found.announces,
        pin=request.form.get("pin", ""),
        leader_pin=request.form.get("leader_pin", ""),
        has_leaders="away" not in request.form,
    )
    try:
        _change(found, found.revision, wanted)
    except _WRONG as error:
        scope.session().expire_all()
        return make_response(_page(shown.find(room_id), _faults(error)), _INVALID)
    said.done(
        gettext("Saved. Who calls from now on needs it.")
        if wanted.has_leaders
        else gettext("The leaders’ PIN is removed. Members talk as soon as there are two.")
    )
    return redirect(_path(found.room_id), 303)


@pages.post("/rooms/<room_id>/send-out")
@permission("queues.write")
def send_out_of_room(room_id: str) -> BaseResponse:
    """End the call of somebody who is in a room."""
    found = shown.find(room_id)
    try:
        shown.send_out(found, CallId(ids.parse("call", request.form.get("call", ""))))
    except NotInRoomError as error:
        said.why(error)
    else:
        said.done(gettext("They are sent out: their call ends in a moment."))
    return redirect(_path(found.room_id), 303)


@pages.post("/rooms/<room_id>/mute")
@permission("queues.write")
def mute_in_room(room_id: str) -> BaseResponse:
    """Mute somebody who is in a room, or let them be heard again."""
    found, on = shown.find(room_id), request.form.get("on") == "yes"
    try:
        shown.mute(found, CallId(ids.parse("call", request.form.get("call", ""))), on=on)
    except NotInRoomError as error:
        said.why(error)
    else:
        said.done(
            gettext("They are muted in a moment, and told so.")
            if on
            else gettext("They are heard again in a moment, and told so.")
        )
    return redirect(_path(found.room_id), 303)


@pages.post("/rooms/<room_id>/lock")
@permission("queues.write")
def lock_room(room_id: str) -> BaseResponse:
    """Let nobody but leaders into a room any more, or everybody again."""
    found, on = shown.find(room_id), request.form.get("on") == "yes"
    try:
        shown.lock(found, on=on)
    except RoomEmptyError as error:
        said.why(error)
    else:
        said.done(
            gettext("The room is locked in a moment, until you open it or all have left.")
            if on
            else gettext("The room is open again in a moment.")
        )
    return redirect(_path(found.room_id), 303)


@pages.post("/rooms/<room_id>/close")
@permission("queues.write")
def close_room(room_id: str) -> BaseResponse:
    """Close a room, unless a flow leads into it or somebody is in it."""
    found = shown.find(room_id)
    try:
        conference.close(scope.session(), tenant_id=found.tenant_id, room_id=found.room_id)
    except RoomInUseError as error:
        said.why(error)
        return redirect(_path(found.room_id), 303)
    said.done(gettext("%(name)s is closed.", name=found.name))
    return redirect(url_for("portal.room_list"), 303)


def _change(room: Room, revision: int, wanted: Wanted) -> None:
    conference.change(
        scope.session(),
        tenant_id=room.tenant_id,
        room_id=room.room_id,
        vault=scope.services().vault,
        revision=revision,
        wanted=wanted,
    )


def _page(room: Room, errors: Mapping[str, str] | None = None) -> str:
    return render_template("portal/room.html", **_now(room), errors=errors or {})


def _now(room: Room) -> dict[str, Any]:
    found = shown.now(room)
    return {
        "meeting": _row(room),
        "people": len(found.inside),
        "inside": found.inside if "calls.read" in identity.current().permissions else None,
        "at": found.at,
        "is_locked": found.is_locked,
        "may_write": _may_write(),
    }


def _form(
    given: Mapping[str, str],
    *,
    revision: int,
    room: Room | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    here = _path(room.room_id) if room else url_for("portal.room_list")
    return render_template(
        "portal/room_edit.html",
        given=given,
        errors=errors or {},
        bounds=conference.MOST_PEOPLE,
        longest_name=conference.LONGEST_NAME,
        action=here,
        back=here,
        revision=revision,
        is_new=room is None,
    )


def _fields() -> list[edits.Field]:
    return [
        edits.Field("name", gettext("Name")),
        edits.Field("most", gettext("People at most")),
        edits.Field("announces", gettext("A tone when somebody joins")),
    ]


def _typed(room: Room) -> dict[str, str]:
    return {"name": room.name, "most": str(room.most), "announces": "yes" if room.announces else ""}


def _wanted(given: Mapping[str, str]) -> Wanted:
    """Return what the form says, without PINs.

    Raises:
        RoomSettingError: how many people is no number.
    """
    most = whole(given["most"], longest=4)
    if most is None:
        raise RoomSettingError(field="most")
    return Wanted(given["name"], most, given["announces"] == "yes")


def _faults(error: SeatlineError) -> dict[str, str]:
    """Return what is wrong, by field."""
    if isinstance(error, RoomNameTakenError):
        return {"name": gettext("Another room has this name.")}
    if isinstance(error, PinError):
        field = "leader_pin" if error.details.get("of") else "pin"
        return {field: gettext("A PIN is four to eight digits, not all the same and not a run like 1234.")}
    words = {
        "name": gettext("A name has 1 to 80 signs."),
        "most": gettext("From 2 to 20 people."),
        "leader_pin": gettext("Leaders need another PIN than members."),
    }
    field = str(error.details.get("field", ""))
    return {field: words.get(field, gettext("This cannot be."))}


def _row(room: Room) -> dict[str, Any]:
    return {
        "id": room.ref,
        "name": room.name,
        "most": room.most,
        "announces": room.announces,
        "has_leaders": room.has_leaders,
        "barred_until": room.barred_until,
    }


def _path(room_id: RoomId) -> str:
    return url_for("portal.one_room", room_id=ids.public("room", room_id))


def _may_write() -> bool:
    return "queues.write" in identity.current().permissions
