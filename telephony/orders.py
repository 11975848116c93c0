"""Orders to the switchboard: what doorways may ask, since only the switchboard speaks to the switch.

An order is a row in the operator's tables, carried out once and in order; a pub/sub message merely wakes
the switchboard, which looks by itself every second as well.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, new_id
from telephony.models import SwitchOrderRow

WAKE_UP = "switch-orders"
_KEPT = dt.timedelta(days=7)


class OrderKind(StrEnum):
    """What can be asked; `details` carry ids and values as text."""

    SIGN_IN = "sign-in"  # agent_id
    SIGN_OUT = "sign-out"  # agent_id
    RINGS_AT = "rings-at"  # agent_id, telephone: their calls ring at their own telephone, or in their browser
    STATUS = "status"  # agent_id, status, reason
    DECLINE = "decline"  # agent_id, offer_id
    ANSWER = "answer"  # agent_id, offer_id: only where the simulator stands in for the phone
    HANG_UP = "hang-up"  # agent_id, call_id
    HOLD = "hold"  # agent_id, call_id, on
    WRAPPED = "wrapped"  # agent_id, call_id
    DIAL = "dial"  # tenant_id, attempt_id: of a call that has passed the gate
    END_CALLS_OUT = "end-calls-out"  # tenant_id, empty: of everybody
    EXTEND = "extend"  # agent_id, call_id: more time for the wrap-up
    REJOIN = "rejoin"  # agent_id, call_id: the phone has lost its call, by a reload
    PAUSE = "pause"  # agent_id, call_id, on: keep card details out of the recording
    TRANSFER = "transfer"  # agent_id, call_id, and queue_id, to_agent_id, or number_id: of an entry
    CONSULT = "consult"  # agent_id, call_id, to_agent_id: who is asked about it
    CONFER = "confer"  # agent_id, call_id, deed: see `Deed`
    WATCH = "watch"  # agent_id (of the leader), tenant_id, call_id, ear: of `supervision.Ear`; empty: leave
    TAKE_OVER = "take-over"  # agent_id (of the leader), tenant_id, call_id
    MOVE = "move"  # agent_id (of the leader), tenant_id, call_id, queue_id: where they wait from now on
    SEND_OUT = "send-out"  # tenant_id, call_id, room_id: the call is in this conference room, and ends
    MUTE_IN_ROOM = "mute-in-room"  # tenant_id, call_id, room_id, on
    LOCK_ROOM = "lock-room"  # tenant_id, room_id, on
    FORCE = "force"  # agent_id (of the leader), tenant_id, to_agent_id, status, reason
    SIMULATE = "simulate"  # dnis, ani (fictitious): only with the simulator
    SERVES = "serves"  # agent_id: whom they may serve has changed; a call they talk in goes on
    RELOAD = "reload"  # numbers, queues or agents have changed


class Deed(StrEnum):
    """What an agent may do who has asked a second one about a call."""

    SWAP = "swap"  # talk to the other of the two
    MERGE = "merge"  # all three together
    LEAVE = "leave"  # the two others stay
    DROP = "drop"  # let the second agent go
    END = "end"  # for everybody


@dataclass(frozen=True, slots=True)
class Order:
    """One order."""

    order_id: UUID
    kind: OrderKind
    details: dict[str, Any]
    created_at: dt.datetime


def leave(session: Session, kind: OrderKind, **details: object) -> UUID:
    """Leave an order in the operator's own transaction; it is carried out after the commit."""
    order_id = new_id()
    session.add(
        SwitchOrderRow(
            tenant_id=OPERATOR,
            id=order_id,
            kind=kind.value,
            details={
                name: value if isinstance(value, bool) else str(value) for name, value in details.items()
            },
            created_at=clock.now(),
        )
    )
    session.flush()
    return order_id


def waiting(session: Session, *, limit: int = 100) -> list[Order]:
    """Return orders not carried out yet, oldest first."""
    rows = session.scalars(
        select(SwitchOrderRow)
        .where(SwitchOrderRow.tenant_id == OPERATOR, SwitchOrderRow.done_at.is_(None))
        .order_by(SwitchOrderRow.id)
        .limit(limit)
    )
    return [Order(row.id, OrderKind(row.kind), row.details, row.created_at) for row in rows]


def done(session: Session, *, order_id: UUID, outcome: str) -> None:
    """Mark an order as carried out (or refused: `outcome` says which)."""
    session.execute(
        update(SwitchOrderRow)
        .where(SwitchOrderRow.tenant_id == OPERATOR, SwitchOrderRow.id == order_id)
        .values(done_at=clock.now(), outcome=outcome)
    )


def forget_old(session: Session) -> int:
    """Remove orders carried out more than a week ago; return how many."""
    result = session.execute(
        delete(SwitchOrderRow)
        .where(SwitchOrderRow.tenant_id == OPERATOR, SwitchOrderRow.done_at < clock.now() - _KEPT)
        .returning(SwitchOrderRow.id)
    )
    return len(result.all())
