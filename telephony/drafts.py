"""What an agent has written about a call so far: kept as they type, sealed, until the wrap-up is saved.

A reload, another machine or a wrap-up that runs out of time loses nothing: `settle` writes the draft as the
agent left it.
"""

import datetime as dt
import json
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, OfferId, TenantId
from customers import dispositions, interactions
from customers.cards import holds_card_number
from customers.errors import CardNumberError, SubCodeNeededError, UnknownDispositionError
from security.vault import Field, Vault
from telephony import calls
from telephony.models import CallDraftRow


@dataclass(frozen=True, slots=True)
class Draft:
    """An outcome, notes and a promised call back, as far as the agent has come."""

    disposition: str | None = None
    notes: str = field(default="", repr=False)
    callback_at: dt.datetime | None = None
    saved_at: dt.datetime | None = None


def save(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    draft: Draft,
    vault: Vault,
    leg_id: OfferId | None = None,
) -> dt.datetime:
    """Keep a draft in place of the one before; return when.

    Of an agent who has given the call away (`leg_id`), their own line is kept; the draft belongs to whoever
    has the call now. A call back they promise is kept when they save.

    Raises:
        CardNumberError: the notes hold a card's number, which is kept nowhere.
    """
    if holds_card_number(draft.notes):
        raise CardNumberError
    now = clock.now()
    if leg_id and calls.handed_over(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id):
        kept = replace(draft, callback_at=None)
        _write(session, tenant_id=tenant_id, call_id=call_id, draft=kept, vault=vault, leg_id=leg_id)
        return now
    row = session.get(CallDraftRow, (tenant_id, call_id), with_for_update=True)
    version = row.row_version + 1 if row else 1
    body = json.dumps(
        {
            "disposition": draft.disposition,
            "notes": draft.notes,
            "callback_at": draft.callback_at.isoformat() if draft.callback_at else None,
        }
    )
    sealed = vault.seal(_field(tenant_id, call_id, version), body)
    if row:
        row.row_version, row.body_ct, row.saved_at = version, sealed, now
    else:
        session.add(
            CallDraftRow(
                tenant_id=tenant_id, call_id=call_id, row_version=version, body_ct=sealed, saved_at=now
            )
        )
    session.flush()
    return now


def read(
    session: Session, *, tenant_id: TenantId, call_id: CallId, vault: Vault, leg_id: OfferId | None = None
) -> Draft:
    """Return the draft of a call, or what an agent wrote who has given it away; empty: nothing."""
    if leg_id and calls.handed_over(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id):
        line = interactions.of_subject(
            session, tenant_id=tenant_id, vault=vault, subject_ref=leg_id, kind=calls.HANDED_OVER
        )
        return Draft(line.disposition, line.note or "") if line else Draft()
    row = session.get(CallDraftRow, (tenant_id, call_id), populate_existing=True)
    if row is None:
        return Draft()
    body = json.loads(vault.open(_field(tenant_id, call_id, row.row_version), row.body_ct))
    due = body["callback_at"]
    return Draft(
        disposition=body["disposition"],
        notes=body["notes"],
        callback_at=dt.datetime.fromisoformat(due) if due else None,
        saved_at=row.saved_at,
    )


def has_outcome(
    session: Session, *, tenant_id: TenantId, call_id: CallId, vault: Vault, leg_id: OfferId | None = None
) -> bool:
    """Whether the agent has chosen an outcome that can be saved, with its sub-code where it has some."""
    code = read(session, tenant_id=tenant_id, call_id=call_id, vault=vault, leg_id=leg_id).disposition
    if not code:
        return False
    try:
        dispositions.require(session, tenant_id=tenant_id, code=code)
        dispositions.require_whole(session, tenant_id=tenant_id, code=code)
    except (UnknownDispositionError, SubCodeNeededError):
        return False
    return True


def drop(session: Session, *, tenant_id: TenantId, call_id: CallId) -> None:
    """Forget the draft: the wrap-up has been saved."""
    session.execute(
        delete(CallDraftRow).where(CallDraftRow.tenant_id == tenant_id, CallDraftRow.call_id == call_id)
    )


def settle(
    session: Session, *, tenant_id: TenantId, call_id: CallId, vault: Vault, leg_id: OfferId | None = None
) -> None:
    """Close a call with what its agent had written when the time was up; an outcome not given stays none.

    Of an agent who has given the call away nothing is left to do: their line was written then.

    Raises:
        CallNotOverError: the call still goes on, or its end is not written yet.
    """
    if leg_id and calls.handed_over(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id):
        return
    draft = read(session, tenant_id=tenant_id, call_id=call_id, vault=vault)
    if draft.saved_at is None:
        calls.leave_open(session, tenant_id=tenant_id, call_id=call_id)
        return
    _write(session, tenant_id=tenant_id, call_id=call_id, draft=draft, vault=vault)
    drop(session, tenant_id=tenant_id, call_id=call_id)


def hand_on(session: Session, *, tenant_id: TenantId, call_id: CallId, leg_id: OfferId, vault: Vault) -> None:
    """Write what an agent had noted when they gave the call away, as a line of its own; once.

    The draft is empty for whoever has the call next. A second time, after a crash, leaves theirs alone.
    """
    line = interactions.of_subject(
        session, tenant_id=tenant_id, vault=vault, subject_ref=leg_id, kind=calls.HANDED_OVER
    )
    if line is not None:
        return
    calls.close_leg(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id)
    draft = read(session, tenant_id=tenant_id, call_id=call_id, vault=vault)
    if draft.saved_at is not None:
        _write(session, tenant_id=tenant_id, call_id=call_id, draft=draft, vault=vault, leg_id=leg_id)
        drop(session, tenant_id=tenant_id, call_id=call_id)


def _write(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    draft: Draft,
    vault: Vault,
    leg_id: OfferId | None = None,
) -> None:
    disposition = draft.disposition
    if disposition:
        try:
            dispositions.require(session, tenant_id=tenant_id, code=disposition)
        except UnknownDispositionError:  # retired since
            disposition = None
    due = draft.callback_at
    calls.wrap_up(
        session,
        tenant_id=tenant_id,
        call_id=call_id,
        disposition=disposition,
        notes=draft.notes,
        callback_at=due if due and due > clock.now() else None,
        vault=vault,
        leg_id=leg_id,
    )


def _field(tenant_id: TenantId, call_id: UUID, version: int) -> Field:
    return Field(tenant_id, "call_drafts", "body_ct", call_id, version, "notes")
