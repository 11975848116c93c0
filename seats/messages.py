"""What is written to a client's agents, all or one queue's: seen at the console until each has read it.

The rows are the client company's, the text is sealed. For whom a message is, is decided when it is written:
who joins later is not told of it. After `KEPT` it is shown no more, and goes with the next one written.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import clock
from core.errors import Invalid, NotFound
from core.ids import QueueId, TenantId, new_id
from seats.models import TeamMessageRow, TeamReaderRow
from security.vault import Field, Vault

KEPT = dt.timedelta(days=30)
LONGEST = 500


class MessageTextError(Invalid):
    """No text, one that is too long, or nobody it could be for."""

    code = "message-text"


class MessageNotFoundError(NotFound):
    """No such message to this agent."""

    code = "message-not-found"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a team, for how many it is and how many of them have read it."""

    message_id: UUID
    queue_id: QueueId | None
    from_agent: int | None
    sent_at: dt.datetime
    text: str = field(repr=False)
    readers: int = 0
    have_read: int = 0


def write(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    text: str,
    queue_id: QueueId | None,
    to: Iterable[int],
    from_agent: int | None,
) -> UUID:
    """Write to agents by their numbers; return the message's id.

    Raises:
        MessageTextError: no text, more than `LONGEST` characters, or nobody to read it.
    """
    told, message_id, now = sorted(set(to)), new_id(), clock.now()
    if not told or not 0 < len(text := text.strip()) <= LONGEST:
        raise MessageTextError
    _forget_old(session, tenant_id, now)
    sealed = vault.seal(_field(tenant_id, message_id), text)
    session.execute(
        sa.insert(TeamMessageRow).values(
            tenant_id=tenant_id,
            id=message_id,
            queue_id=queue_id,
            from_agent=from_agent,
            text_ct=sealed,
            sent_at=now,
        )
    )
    session.execute(
        sa.insert(TeamReaderRow),
        [{"tenant_id": tenant_id, "message_id": message_id, "agent_number": number} for number in told],
    )
    return message_id


def unread(session: Session, *, tenant_id: TenantId, vault: Vault, agent_number: int) -> list[Message]:
    """Return what an agent has not read yet, oldest first."""
    rows = session.scalars(
        sa.select(TeamMessageRow)
        .join(
            TeamReaderRow,
            sa.and_(
                TeamReaderRow.tenant_id == TeamMessageRow.tenant_id,
                TeamReaderRow.message_id == TeamMessageRow.id,
            ),
        )
        .where(
            TeamReaderRow.tenant_id == tenant_id,
            TeamReaderRow.agent_number == agent_number,
            TeamReaderRow.read_at.is_(None),
            TeamMessageRow.sent_at > clock.now() - KEPT,
        )
        .order_by(TeamMessageRow.sent_at, TeamMessageRow.id)
    )
    return [_message(row, vault) for row in rows]


def recent(session: Session, *, tenant_id: TenantId, vault: Vault, limit: int = 20) -> list[Message]:
    """Return a client's last messages, newest first, and how far each has been read."""
    rows = session.execute(
        sa.select(TeamMessageRow, sa.func.count(), sa.func.count(TeamReaderRow.read_at))
        .join(
            TeamReaderRow,
            sa.and_(
                TeamReaderRow.tenant_id == TeamMessageRow.tenant_id,
                TeamReaderRow.message_id == TeamMessageRow.id,
            ),
        )
        .where(TeamMessageRow.tenant_id == tenant_id, TeamMessageRow.sent_at > clock.now() - KEPT)
        .group_by(TeamMessageRow.tenant_id, TeamMessageRow.id)
        .order_by(TeamMessageRow.sent_at.desc(), TeamMessageRow.id.desc())
        .limit(limit)
    )
    return [_message(row, vault, readers, have_read) for row, readers, have_read in rows]


def has_read(session: Session, *, tenant_id: TenantId, message_id: UUID, agent_number: int) -> None:
    """Note that an agent has read a message; again changes nothing.

    Raises:
        MessageNotFoundError: it is not for them.
    """
    found = session.get(TeamReaderRow, (tenant_id, message_id, agent_number))
    if found is None:
        raise MessageNotFoundError
    found.read_at = found.read_at or clock.now()
    session.flush()


def _forget_old(session: Session, tenant_id: TenantId, now: dt.datetime) -> None:
    session.execute(
        sa.delete(TeamMessageRow)
        .where(TeamMessageRow.tenant_id == tenant_id, TeamMessageRow.sent_at <= now - KEPT)
        .execution_options(synchronize_session=False)
    )


def _message(row: TeamMessageRow, vault: Vault, readers: int = 0, have_read: int = 0) -> Message:
    tenant_id = TenantId(row.tenant_id)
    return Message(
        row.id,
        None if row.queue_id is None else QueueId(row.queue_id),
        row.from_agent,
        row.sent_at,
        vault.open(_field(tenant_id, row.id), row.text_ct),
        readers,
        have_read,
    )


def _field(tenant_id: TenantId, message_id: UUID) -> Field:
    return Field(tenant_id, "team_messages", "text_ct", message_id, 1)
