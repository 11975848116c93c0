"""Why agents are away, in a company's own words, beside those everybody has (break, meal, training…).

The rows are the client company's. An agent is offered those of every company they serve; what they choose is
written as any other: `away:<code>`. Nobody pays for such time. A code is never deleted, because agent time
tells of it; one that is no longer wanted is retired.
"""

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import TenantId
from seats.errors import StatusCodeError, StatusNotFoundError
from seats.models import AgentStatusRow
from security import evidence

COMMON = ("break", "meal", "training", "meeting", "back-office", "offline")
"""Why anybody may be away."""
_OURS = frozenset({*COMMON, "missed", "declined", "signed-in", "supervising", "sent-home"})
_CODE = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True)
class Status:
    """One reason to be away; shown by `position`."""

    code: str
    label_en: str
    label_zh: str
    position: int = 0

    def label(self, language: str) -> str:
        """Return the label in Chinese for `zh…`, else in English."""
        return self.label_zh if language.startswith("zh") else self.label_en


def define(session: Session, *, tenant_id: TenantId, status: Status) -> None:
    """Add a status, or change the labels and the place of one; a retired one comes back.

    Raises:
        StatusCodeError: the code is malformed or one of ours, or a label is empty or too long.
    """
    labels = (status.label_en.strip(), status.label_zh.strip())
    is_labelled = all(one and len(one) <= LONGEST_LABEL and one.isprintable() for one in labels)
    if not _CODE.fullmatch(status.code) or status.code in _OURS or not is_labelled:
        raise StatusCodeError
    put = insert(AgentStatusRow).values(
        tenant_id=tenant_id,
        code=status.code,
        label_en=labels[0],
        label_zh=labels[1],
        position=status.position,
        is_active=True,
    )
    columns = ("label_en", "label_zh", "position", "is_active")
    session.execute(
        put.on_conflict_do_update(
            index_elements=[AgentStatusRow.tenant_id, AgentStatusRow.code],
            set_={name: getattr(put.excluded, name) for name in columns},
        )
    )
    evidence.record(session, "status.defined", code=status.code)


def retire(session: Session, *, tenant_id: TenantId, code: str) -> None:
    """Offer a status no longer; who is in it stays in it.

    Raises:
        StatusNotFoundError: the company has none of this code.
    """
    found = session.execute(
        sa.update(AgentStatusRow)
        .where(AgentStatusRow.tenant_id == tenant_id, AgentStatusRow.code == code)
        .values(is_active=False)
        .returning(AgentStatusRow.code)
        .execution_options(synchronize_session=False)
    ).scalar()
    if found is None:
        raise StatusNotFoundError
    evidence.record(session, "status.retired", code=code)


def offered(session: Session, *, tenant_id: TenantId) -> list[Status]:
    """Return the company's own statuses in use, in the order they are shown."""
    rows = session.scalars(
        sa.select(AgentStatusRow)
        .where(AgentStatusRow.tenant_id == tenant_id, AgentStatusRow.is_active)
        .order_by(AgentStatusRow.position, AgentStatusRow.code)
    )
    return [Status(row.code, row.label_en, row.label_zh, row.position) for row in rows]
