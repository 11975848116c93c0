"""The provider's news, kept by its id for ever: told twice it is one row, and nothing is done from its words.

The rows are the operator's: a piece of news comes before we know whose it is. A duty asks the provider
what stands behind it and records that in the client company's own walls.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.errors import PaymentNotFoundError
from billing.events import ProviderNewsCame
from billing.models import ProviderEventRow
from billing.payments.port import News
from core import clock
from core.events import announce
from core.ids import OPERATOR, PaymentId, TenantId, new_id

WAITING, DONE, IGNORED, UNMATCHED, FAILED = "waiting", "done", "ignored", "unmatched", "failed"
WEBHOOK, SWEEP = "webhook", "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of news, and what became of it."""

    news_id: UUID
    event_id: str
    kind: str
    subject: str
    happened_at: dt.datetime
    received_at: dt.datetime
    source: str
    times: int
    state: str
    outcome: str
    for_tenant: TenantId | None
    payment_id: PaymentId | None
    handled_at: dt.datetime | None


def take(session: Session, *, account: str, news: News, source: str) -> bool:
    """Keep a piece of news and have it looked into; return False when it was known.

    Args:
        session: in the operator's context.
        account: of the provider.
        news: what it says.
        source: `webhook` or `sweep`.
    """
    now = clock.now()
    row = session.execute(
        insert(ProviderEventRow)
        .values(
            tenant_id=OPERATOR,
            id=new_id(),
            account=account,
            event_id=news.event_id,
            kind=news.kind,
            subject=news.subject,
            happened_at=news.happened_at,
            received_at=now,
            source=source,
            times=1,
            state=WAITING,
            outcome="",
        )
        .on_conflict_do_nothing(
            index_elements=[
                ProviderEventRow.tenant_id,
                ProviderEventRow.account,
                ProviderEventRow.event_id,
            ]
        )
        .returning(ProviderEventRow.id)
    ).scalar()
    if row is not None:
        announce(session, ProviderNewsCame(tenant_id=OPERATOR, news_id=row))
        return True
    if source == WEBHOOK:
        session.execute(
            update(ProviderEventRow)
            .where(
                ProviderEventRow.tenant_id == OPERATOR,
                ProviderEventRow.account == account,
                ProviderEventRow.event_id == news.event_id,
            )
            .values(times=ProviderEventRow.times + 1)
        )
    return False


def known(session: Session, *, account: str, event_ids: Iterable[str]) -> set[str]:
    """Return which of these have been kept."""
    rows = session.scalars(
        select(ProviderEventRow.event_id).where(
            ProviderEventRow.tenant_id == OPERATOR,
            ProviderEventRow.account == account,
            ProviderEventRow.event_id.in_(list(event_ids)),
        )
    )
    return set(rows)


def replay(session: Session, *, news_id: UUID) -> None:
    """Have a piece of news looked into once more.

    Raises:
        PaymentNotFoundError: no such news.
    """
    row = session.get(ProviderEventRow, (OPERATOR, news_id), with_for_update=True)
    if row is None:
        raise PaymentNotFoundError
    row.state, row.outcome = WAITING, ""
    session.flush()
    announce(session, ProviderNewsCame(tenant_id=OPERATOR, news_id=news_id))


def settle(
    session: Session,
    *,
    news_id: UUID,
    state: str,
    outcome: str = "",
    for_tenant: TenantId | None = None,
    payment_id: PaymentId | None = None,
) -> None:
    """Write down what came of a piece of news."""
    row = session.get_one(ProviderEventRow, (OPERATOR, news_id))
    row.state, row.outcome, row.handled_at = state, outcome[:200], clock.now()
    row.for_tenant, row.payment_id = for_tenant, payment_id
    session.flush()


def find(session: Session, *, news_id: UUID) -> Piece:
    """Return a piece of news.

    Raises:
        PaymentNotFoundError: no such news.
    """
    row = session.get(ProviderEventRow, (OPERATOR, news_id))
    if row is None:
        raise PaymentNotFoundError
    return _piece(row)


def every(
    session: Session,
    *,
    states: Iterable[str] = (),
    payment_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> tuple[Piece, ...]:
    """Return news, newest first; `before` goes on after the last of a page."""
    asked = select(ProviderEventRow).where(ProviderEventRow.tenant_id == OPERATOR)
    if wanted := list(states):
        asked = asked.where(ProviderEventRow.state.in_(wanted))
    if payment_id:
        asked = asked.where(ProviderEventRow.payment_id == payment_id)
    if before:
        asked = asked.where(ProviderEventRow.id < before)
    rows = session.scalars(asked.order_by(ProviderEventRow.id.desc()).limit(limit))
    return tuple(_piece(row) for row in rows)


def _piece(row: ProviderEventRow) -> Piece:
    return Piece(
        news_id=row.id,
        event_id=row.event_id,
        kind=row.kind,
        subject=row.subject,
        happened_at=row.happened_at,
        received_at=row.received_at,
        source=row.source,
        times=row.times,
        state=row.state,
        outcome=row.outcome,
        for_tenant=TenantId(row.for_tenant) if row.for_tenant else None,
        payment_id=PaymentId(row.payment_id) if row.payment_id else None,
        handled_at=row.handled_at,
    )
