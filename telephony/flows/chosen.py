"""What a caller has chosen in the menus of a flow: why they call, as far as they have said."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import CallId, TenantId
from telephony.models import CallEventRow

_MOST = 3  # of a deep menu the last choices say most
_KEY = "key-"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A key a caller has pressed, and the node it led to: its kind, and its title if it has one."""

    key: str
    kind: str
    title: str


def of_call(session: Session, *, tenant_id: TenantId, call_id: CallId) -> list[Chosen]:
    """Return the last choices of a call's caller, the oldest of them first."""
    moves = session.scalars(
        select(CallEventRow.details)
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id == call_id,
            CallEventRow.kind == "flow-moved",
        )
        .order_by(CallEventRow.at, CallEventRow.position)
    )
    return [
        Chosen(str(one["way"]).removeprefix(_KEY), str(one.get("kind", "")), str(one.get("title") or ""))
        for one in moves
        if str(one.get("way", "")).startswith(_KEY)
    ][-_MOST:]
