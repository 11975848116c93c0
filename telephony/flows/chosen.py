"""What a caller has chosen in the menus of a flow: why they call, as far as they have said."""

from collections.abc import Mapping, Sequence
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


def of_call(session: Session, *, tenant_id: TenantId, call_id: CallId) -> Sequence[Chosen]:
    """Return the last choices of a call's caller, the oldest of them first."""
    return of_calls(session, tenant_id=tenant_id, call_ids=[call_id]).get(call_id, ())


def of_calls(
    session: Session, *, tenant_id: TenantId, call_ids: Sequence[CallId]
) -> Mapping[CallId, Sequence[Chosen]]:
    """Return the last choices of some calls' callers; who has chosen nothing is left out."""
    moves = session.execute(
        select(CallEventRow.call_id, CallEventRow.details)
        .where(
            CallEventRow.tenant_id == tenant_id,
            CallEventRow.call_id.in_(call_ids),
            CallEventRow.kind == "flow-moved",
        )
        .order_by(CallEventRow.at, CallEventRow.position)
    )
    found: dict[CallId, list[Chosen]] = {}
    for call_id, one in moves:
        if str(one.get("way", "")).startswith(_KEY):
            chose = Chosen(
                str(one["way"]).removeprefix(_KEY), str(one.get("kind", "")), str(one.get("title") or "")
            )
            found.setdefault(CallId(call_id), []).append(chose)
    return {call_id: chose[-_MOST:] for call_id, chose in found.items()}
