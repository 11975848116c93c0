"""One line per contact, by any channel: who, when, how long, how it ended.

Written in the transaction that ends a call (`append`, idempotent), completed in the wrap-up (`dispose`),
read when the customer calls again (`recent`). The agent's note is sealed like the record it belongs to.
"""

import dataclasses
import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import CustomerId, InteractionId, TenantId, new_id
from customers import dispositions
from customers.cards import holds_card_number
from customers.errors import CardNumberError, InteractionDetailsError, InteractionNotFoundError
from customers.models import CustomerRow, InteractionRow
from security.vault import Field, Vault

CALL = "call"
"""The kind of the one line every call leaves."""

_LONGEST_NOTE = 10_000
_MOST_RECENT = 101  # a page of the API and whether more follow


class Channel(StrEnum):
    """By what the contact came."""

    VOICE = "voice"
    VOICEMAIL = "voicemail"
    SMS = "sms"
    EMAIL = "email"
    CHAT = "chat"


class Direction(StrEnum):
    """Who began it."""

    INBOUND = "in"
    OUTBOUND = "out"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One contact. `subject_ref` is the call (or message) it is about."""

    id: InteractionId
    customer_id: CustomerId | None
    kind: str
    channel: Channel
    direction: Direction
    started_at: dt.datetime
    duration_ms: int
    subject_ref: UUID
    agent_number: int | None
    disposition: str | None
    note: str | None = field(default=None, repr=False)


def append(
    session: Session,
    *,
    tenant_id: TenantId,
    subject_ref: UUID,
    started_at: dt.datetime,
    duration_ms: int,
    direction: Direction,
    channel: Channel = Channel.VOICE,
    kind: str = CALL,
    customer_id: CustomerId | None = None,
    agent_number: int | None = None,
) -> InteractionId:
    """Leave one line per (subject, kind); the same again returns the line that stands.

    Args:
        session: inside the company's own context; the transaction that ends the contact.
        tenant_id: the company.
        subject_ref: the call's id.
        started_at: when it began (aware).
        duration_ms: how long it took, milliseconds.
        direction: who began it.
        channel: by what it came.
        kind: what sort of line, when one subject leaves several.
        customer_id: None when the person is not known.
        agent_number: the number that was announced; None when no agent took part.

    Raises:
        InteractionDetailsError: a negative duration.
    """
    if duration_ms < 0:
        raise InteractionDetailsError
    made = session.execute(
        insert(InteractionRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            row_version=1,
            # somebody erased while they were calling is nobody's customer any more
            customer_id=sa.select(CustomerRow.id)
            .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id)
            .scalar_subquery()
            if customer_id
            else None,
            kind=kind,
            channel=channel.value,
            direction=direction.value,
            started_at=started_at,
            duration_ms=duration_ms,
            subject_ref=subject_ref,
            agent_number=agent_number,
        )
        .on_conflict_do_nothing(
            index_elements=[
                InteractionRow.tenant_id,
                InteractionRow.subject_ref,
                InteractionRow.kind,
            ]
        )
        .returning(InteractionRow.id)
    ).scalar()
    if made is None:
        made = session.execute(
            sa.select(InteractionRow.id).where(
                InteractionRow.tenant_id == tenant_id,
                InteractionRow.subject_ref == subject_ref,
                InteractionRow.kind == kind,
            )
        ).scalar_one()
    return InteractionId(made)


def dispose(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    subject_ref: UUID,
    disposition: str | None,
    note: str | None = None,
    kind: str = CALL,
) -> InteractionId:
    """Say how a contact ended, in the wrap-up; again overwrites, so a correction needs no other way.

    Raises:
        InteractionNotFoundError: no line stands for this subject (yet).
        UnknownDispositionError: not one of the company's dispositions in use.
        InteractionDetailsError: the note is too long.
        CardNumberError: it holds a card's number.
    """
    if note is not None and len(note) > _LONGEST_NOTE:
        raise InteractionDetailsError
    if note is not None and holds_card_number(note):
        raise CardNumberError
    if disposition is not None:
        dispositions.require(session, tenant_id=tenant_id, code=disposition)
    found = session.execute(
        sa.select(InteractionRow.id, InteractionRow.row_version)
        .where(
            InteractionRow.tenant_id == tenant_id,
            InteractionRow.subject_ref == subject_ref,
            InteractionRow.kind == kind,
        )
        .with_for_update(key_share=True)
    ).first()
    if found is None:
        raise InteractionNotFoundError
    version = found.row_version + 1
    sealed = vault.seal(_note_field(tenant_id, found.id, version), note) if note else None
    session.execute(
        sa.update(InteractionRow)
        .where(InteractionRow.tenant_id == tenant_id, InteractionRow.id == found.id)
        .values(row_version=version, disposition=disposition, note_ct=sealed)
        .execution_options(synchronize_session=False)
    )
    return InteractionId(found.id)


def recent(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId,
    limit: int = 10,
    after: tuple[dt.datetime, InteractionId] | None = None,
) -> list[Interaction]:
    """Return a customer's last contacts, newest first, notes in clear; at most 101.

    `after` is when a contact began, and its id: those before it.
    """
    query = sa.select(InteractionRow).where(
        InteractionRow.tenant_id == tenant_id, InteractionRow.customer_id == customer_id
    )
    if after is not None:
        query = query.where(sa.tuple_(InteractionRow.started_at, InteractionRow.id) < after)
    rows = session.execute(
        query.order_by(InteractionRow.started_at.desc(), InteractionRow.id.desc())
        .limit(min(max(limit, 1), _MOST_RECENT))
        .execution_options(populate_existing=True)
    )
    return [_opened(vault, row) for row in rows.scalars()]


def latest(session: Session, *, tenant_id: TenantId, limit: int) -> list[Interaction]:
    """Return a company's last contacts, newest first, without their notes; at most 101."""
    rows = session.scalars(
        sa.select(InteractionRow)
        .where(InteractionRow.tenant_id == tenant_id)
        .order_by(InteractionRow.started_at.desc(), InteractionRow.id.desc())
        .limit(min(max(limit, 1), _MOST_RECENT))
    )
    return [_without_note(row) for row in rows]


def of_subject(
    session: Session, *, tenant_id: TenantId, vault: Vault, subject_ref: UUID, kind: str = CALL
) -> Interaction | None:
    """Return the line of a call, note in clear, or None."""
    row = session.execute(
        sa.select(InteractionRow)
        .where(
            InteractionRow.tenant_id == tenant_id,
            InteractionRow.subject_ref == subject_ref,
            InteractionRow.kind == kind,
        )
        .execution_options(populate_existing=True)
    ).scalar()
    return None if row is None else _opened(vault, row)


def _opened(vault: Vault, row: InteractionRow) -> Interaction:
    if row.note_ct is None:
        return _without_note(row)
    note = vault.open(_note_field(row.tenant_id, row.id, row.row_version), row.note_ct)
    return dataclasses.replace(_without_note(row), note=note)


def _without_note(row: InteractionRow) -> Interaction:
    return Interaction(
        id=InteractionId(row.id),
        customer_id=None if row.customer_id is None else CustomerId(row.customer_id),
        kind=row.kind,
        channel=Channel(row.channel),
        direction=Direction(row.direction),
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        subject_ref=row.subject_ref,
        agent_number=row.agent_number,
        disposition=row.disposition,
    )


def _note_field(tenant_id: UUID, interaction_id: UUID, version: int) -> Field:
    return Field(tenant_id, "interactions", "note_ct", interaction_id, version, "notes")
