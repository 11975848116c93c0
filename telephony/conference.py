"""Conference rooms: who has called in and knows the PIN talks with all others who have.

A flow's step leads callers into one (`flows.model.ToRoom`); who is in it now are the calls that are
(`calls.room_id`). PINs are kept as customers' are: an Argon2id hash, and that sealed. A dozen wrong ones in a
row close a room for a quarter of an hour to whoever is not in it, however many calls they came in: at four
digits a guesser needs four days of that on the average, and everybody sees it on the room's page.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import CallId, RoomId, TenantId, new_id
from core.taken import refused_as
from customers import pins
from security import evidence, passwords
from security.vault import Field, Vault
from telephony.errors import (
    NotInRoomError,
    RoomChangedError,
    RoomEmptyError,
    RoomInUseError,
    RoomNameTakenError,
    RoomNotFoundError,
    RoomSettingError,
    TooManyRoomsError,
)
from telephony.flows.model import Admitted
from telephony.flows.used import in_use
from telephony.models import CallRow, ConferenceRoomRow

MOST_ROOMS: Final = 100
MOST_PEOPLE: Final = (2, 20)
LONGEST_NAME: Final = 80
IN_A_ROW: Final = 12
CLOSED_FOR: Final = dt.timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a room is to be.

    Attributes:
        name: for the company's people, up to 80 signs on one line.
        most: how many may be in it at once, 2 to 20.
        announces: whether those in it hear a tone when somebody joins.
        pin: of members, 4 to 8 digits; empty: as it is.
        leader_pin: of leaders; empty: as it is. While there is one, members hear music until a leader is in.
        has_leaders: False: the PIN of leaders is taken away.
    """

    name: str
    most: int = 10
    announces: bool = True
    pin: str = field(default="", repr=False)
    leader_pin: str = field(default="", repr=False)
    has_leaders: bool = True


@dataclass(frozen=True, slots=True)
class Room:
    """A conference room as its people see it; never its PINs.

    `is_barred`: after too many wrong PINs nobody gets in, until `barred_until` or a new PIN.
    """

    tenant_id: TenantId
    room_id: RoomId
    name: str
    most: int
    announces: bool
    has_leaders: bool
    barred_until: dt.datetime | None
    revision: int
    is_open: bool

    @property
    def ref(self) -> str:
        """Return the id flows name it by."""
        return ids.public("room", self.room_id)


def make(session: Session, *, tenant_id: TenantId, vault: Vault, wanted: Wanted) -> Room:
    """Make a room. No caller is led into it until a flow is.

    Raises:
        TooManyRoomsError: the company has `MOST_ROOMS`.
        RoomSettingError: a setting, or both PINs, cannot be so.
        PinError: no such digits.
        RoomNameTakenError: another one has the name.
    """
    there = session.scalar(
        select(func.count()).where(
            ConferenceRoomRow.tenant_id == tenant_id, ConferenceRoomRow.closed_at.is_(None)
        )
    )
    if (there or 0) >= MOST_ROOMS:
        raise TooManyRoomsError(most=MOST_ROOMS)
    row = ConferenceRoomRow(
        tenant_id=tenant_id, id=new_id(), pin_version=0, wrong=0, revision=1, created_at=clock.now()
    )
    with refused_as(session, RoomNameTakenError):
        _write(session, row, wanted, vault)
        session.add(row)
    evidence.record(session, "room.made", "room", row.id, most=row.most)
    return _room(row)


def change(
    session: Session, *, tenant_id: TenantId, room_id: RoomId, vault: Vault, revision: int, wanted: Wanted
) -> Room:
    """Change a room, if nobody has since `revision`; who is in it stays. New PINs open it to guesses again.

    Raises:
        RoomNotFoundError: not this company's, or closed.
        RoomChangedError: somebody has.
        RoomSettingError, PinError, RoomNameTakenError: as for `make`.
    """
    row = _row(session, tenant_id, room_id, for_update=True)
    if row.revision != revision:
        raise RoomChangedError(revision=row.revision)
    with refused_as(session, RoomNameTakenError):
        _write(session, row, wanted, vault)
        row.revision += 1
    has_new_pin = bool(wanted.pin or wanted.leader_pin)
    evidence.record(session, "room.changed", "room", room_id, most=row.most, has_new_pin=has_new_pin)
    return _room(row)


def close(session: Session, *, tenant_id: TenantId, room_id: RoomId) -> Room:
    """Close a room for good.

    Raises:
        RoomNotFoundError: not this company's, or closed already.
        RoomInUseError: a flow's draft, or what its callers go through, leads into it, or somebody is in it.
    """
    row = _row(session, tenant_id, room_id, for_update=True)
    ref = ids.public("room", room_id)
    if any(ref in flow.rooms() for flow in in_use(session, tenant_id=tenant_id)):
        raise RoomInUseError(by="flow")
    if counts(session, tenant_id=tenant_id).get(room_id):
        raise RoomInUseError(by="callers")
    row.closed_at = clock.now()
    session.flush()
    evidence.record(session, "room.closed", "room", room_id)
    return _room(row)


def get(session: Session, *, tenant_id: TenantId, room_id: RoomId) -> Room:
    """Return a room that is open.

    Raises:
        RoomNotFoundError: not this company's, or closed.
    """
    return _room(_row(session, tenant_id, room_id))


def all_of(session: Session, *, tenant_id: TenantId) -> list[Room]:
    """Return a company's open rooms by name."""
    rows = session.scalars(
        select(ConferenceRoomRow)
        .where(ConferenceRoomRow.tenant_id == tenant_id, ConferenceRoomRow.closed_at.is_(None))
        .order_by(ConferenceRoomRow.name, ConferenceRoomRow.id)
    )
    return [_room(row) for row in rows]


def counts(session: Session, *, tenant_id: TenantId) -> dict[RoomId, int]:
    """Return how many people are in each room now; empty ones are left out."""
    rows = session.execute(
        select(CallRow.room_id, func.count())
        .where(CallRow.tenant_id == tenant_id, CallRow.room_id.is_not(None), CallRow.ended_at.is_(None))
        .group_by(CallRow.room_id)
    )
    return {RoomId(room_id): int(count) for room_id, count in rows if room_id}


def inside(session: Session, *, tenant_id: TenantId, room_id: RoomId) -> list[CallId]:
    """Return the calls that are in a room now, in the order in which they came."""
    rows = session.scalars(
        select(CallRow.id)
        .where(CallRow.tenant_id == tenant_id, CallRow.room_id == room_id, CallRow.ended_at.is_(None))
        .order_by(CallRow.bridged_at, CallRow.id)
    )
    return [CallId(one) for one in rows]


def enter(session: Session, *, tenant_id: TenantId, call_id: CallId, room_id: RoomId, leads: bool) -> None:
    """Write in which room a call is; the first one stands."""
    session.execute(
        update(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id == call_id, CallRow.room_id.is_(None))
        .values(room_id=room_id, leads_room=leads)
    )


def admit(
    session: Session, *, tenant_id: TenantId, vault: Vault, room_id: RoomId, digits: str
) -> tuple[Admitted, Room | None]:
    """Return as whom these digits let a caller into a room, and the room; count them if they do not.

    To be committed whatever it returns. A room that is closed, barred or another company's takes as long to
    answer, and refuses in the same words. No row is locked while the digits are checked: a whole meeting may
    come at once.
    """
    row = session.get(ConferenceRoomRow, (tenant_id, room_id), populate_existing=True)
    is_open = row is not None and row.closed_at is None and not _is_barred(row, clock.now())
    member = leader = None
    if row is not None and is_open:
        member = vault.open(_place(row, "pin_ct"), row.pin_ct)
        if row.leader_pin_ct:
            leader = vault.open(_place(row, "leader_pin_ct"), row.leader_pin_ct)
    is_member, is_leader = passwords.verify(member, digits), passwords.verify(leader, digits)
    if row is None or not is_open:
        return Admitted.REFUSED, None
    if (is_member and member) or (is_leader and leader):
        if row.wrong:
            _count(session, row, 0, None)
        return (Admitted.LEADER if is_leader and leader else Admitted.MEMBER), _room(row)
    session.refresh(row, with_for_update=True)
    wrong = row.wrong + 1
    if wrong < IN_A_ROW:
        _count(session, row, wrong, row.closed_until)
    else:
        _count(session, row, 0, clock.now() + CLOSED_FOR)
        evidence.record(session, "room.barred", "room", room_id)
    return Admitted.REFUSED, None


def send_out(session: Session, *, tenant_id: TenantId, room_id: RoomId, call_id: CallId) -> None:
    """Write in the log that somebody ends a call that is in a room; the switchboard does it.

    Raises:
        NotInRoomError: it is not in this room, or not any more.
    """
    _insist_on(session, tenant_id, room_id, call_id)
    evidence.record(session, "room.caller-sent-out", "room", room_id, call=ids.public("call", call_id))


def mute(session: Session, *, tenant_id: TenantId, room_id: RoomId, call_id: CallId, on: bool) -> None:
    """Write in the log that somebody in a room is muted, or may be heard again; the switchboard does it.

    Who has muted themselves stays so: nobody else lets a room hear them.

    Raises:
        NotInRoomError: it is not in this room, or not any more.
    """
    _insist_on(session, tenant_id, room_id, call_id)
    what = "room.caller-muted" if on else "room.caller-unmuted"
    evidence.record(session, what, "room", room_id, call=ids.public("call", call_id))


def lock(session: Session, *, tenant_id: TenantId, room_id: RoomId, on: bool) -> None:
    """Write in the log that a room takes nobody but leaders any more, or everybody; the switchboard does it.

    Raises:
        RoomEmptyError: nobody is in it.
    """
    if not inside(session, tenant_id=tenant_id, room_id=room_id):
        raise RoomEmptyError
    evidence.record(session, "room.locked" if on else "room.unlocked", "room", room_id)


def _insist_on(session: Session, tenant_id: TenantId, room_id: RoomId, call_id: CallId) -> None:
    if call_id not in inside(session, tenant_id=tenant_id, room_id=room_id):
        raise NotInRoomError


def _write(session: Session, row: ConferenceRoomRow, wanted: Wanted, vault: Vault) -> None:
    name = " ".join(wanted.name.split())
    if not (name and len(name) <= LONGEST_NAME and name.isprintable()):
        raise RoomSettingError(field="name")
    least, most = MOST_PEOPLE
    if not least <= wanted.most <= most:
        raise RoomSettingError(field="most")
    with session.no_autoflush:
        other = session.scalar(
            select(ConferenceRoomRow.id).where(
                ConferenceRoomRow.tenant_id == row.tenant_id,
                ConferenceRoomRow.name == name,
                ConferenceRoomRow.closed_at.is_(None),
                ConferenceRoomRow.id != row.id,
            )
        )
    if other is not None:
        raise RoomNameTakenError
    row.name, row.most, row.announces = name, wanted.most, wanted.announces
    _write_pins(row, wanted, vault)


def _write_pins(row: ConferenceRoomRow, wanted: Wanted, vault: Vault) -> None:
    """Seal what is new anew, and what stays under the new version; both PINs differ."""
    if wanted.pin or not row.pin_version:
        pins.insist_on_digits(wanted.pin)
    if wanted.leader_pin:
        pins.insist_on_digits(wanted.leader_pin, of="leaders")
    member = vault.open(_place(row, "pin_ct"), row.pin_ct) if row.pin_version else None
    leader = vault.open(_place(row, "leader_pin_ct"), row.leader_pin_ct) if row.leader_pin_ct else None
    leads = wanted.has_leaders and (wanted.leader_pin or leader)
    is_same = wanted.pin and wanted.pin == wanted.leader_pin
    if leads and not is_same:
        is_same = bool(wanted.leader_pin and not wanted.pin and passwords.verify(member, wanted.leader_pin))
        is_same |= bool(
            wanted.pin and not wanted.leader_pin and leader and passwords.verify(leader, wanted.pin)
        )
    if leads and is_same:
        raise RoomSettingError(field="leader_pin")
    if row.pin_version and not (wanted.pin or wanted.leader_pin or (leader and not wanted.has_leaders)):
        return
    row.pin_version += 1
    member = passwords.hash_digits(wanted.pin) if wanted.pin else member
    leader = passwords.hash_digits(wanted.leader_pin) if wanted.leader_pin else leader
    row.pin_ct = vault.seal(_place(row, "pin_ct"), member or "")
    row.leader_pin_ct = vault.seal(_place(row, "leader_pin_ct"), leader) if leads and leader else None
    row.wrong, row.closed_until = 0, None


def _count(session: Session, row: ConferenceRoomRow, wrong: int, closed_until: dt.datetime | None) -> None:
    row.wrong, row.closed_until = wrong, closed_until
    session.flush()


def _row(
    session: Session, tenant_id: TenantId, room_id: RoomId, *, for_update: bool = False
) -> ConferenceRoomRow:
    row = session.get(
        ConferenceRoomRow, (tenant_id, room_id), with_for_update=for_update, populate_existing=True
    )
    if row is None or row.closed_at is not None:
        raise RoomNotFoundError
    return row


def _is_barred(row: ConferenceRoomRow, now: dt.datetime) -> bool:
    return row.closed_until is not None and now < row.closed_until


def _room(row: ConferenceRoomRow) -> Room:
    return Room(
        TenantId(row.tenant_id),
        RoomId(row.id),
        row.name,
        row.most,
        row.announces,
        row.leader_pin_ct is not None,
        row.closed_until if _is_barred(row, clock.now()) else None,
        row.revision,
        row.closed_at is None,
    )


def _place(row: ConferenceRoomRow, column: str) -> Field:
    return Field(row.tenant_id, "conference_rooms", column, row.id, row.pin_version)
