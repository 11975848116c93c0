"""Deliveries: one event owed to one webhook, tried over days until it is taken.

A delivery is a duty of the ledger (`WebhookOwed`). `begin` writes the try down and hands out what to send;
the caller sends with no transaction open; `finish` writes down what came of it. A worker that dies between
the two leaves a try without an end, and the delivery is made again under the same `webhook-id`: at least
once, in no promised order. Form: Standard Webhooks 1.0.0.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from standardwebhooks import Webhook as Signer

from core import clock, ids
from core.events import announce
from core.ids import DeliveryId, TenantId, WebhookId, new_id
from security.egress import Answer
from security.vault import Field, Vault
from tenants.errors import (
    DeliveryMissingError,
    DeliveryWaitingError,
    TooMuchToReplayError,
    WebhookOffError,
)
from tenants.events import WebhookOwed
from tenants.models import AttemptRow, DeliveryRow, WebhookEventRow, WebhookRow
from tenants.webhooks import endpoints
from tenants.webhooks.endpoints import State, Webhook

TEST = "webhook.test"
# Waits between tries: ten tries over three days and three hours.
SCHEDULE = tuple(
    dt.timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
LONGEST = sum(SCHEDULE, dt.timedelta())
KEPT = dt.timedelta(days=30)
MOST_REPLAYED = 10_000
_REPLAY_SHOWN = dt.timedelta(days=1)
USER_AGENT = "Seatline-Webhooks/1"
_GONE = 410
_OK = range(200, 300)
_SHOWN = 500  # signs of an answer that are kept


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"  # every try was in vain
    MISSED = "missed"  # the webhook was off; a replay sends it


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `error` is a code of `security.egress`, or `interrupted`; the answer is cut short."""

    number: int
    began_at: dt.datetime
    duration_ms: int | None
    status: int | None
    error: str
    answer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replaying:
    """How far a replay has come: deliveries in all, those that arrived, those not taken at the first try."""

    total: int
    delivered: int
    refused: int

    @property
    def tried(self) -> int:
        """Those that have been sent at least once."""
        return self.delivered + self.refused


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event owed to one webhook; `status` and `error` are those of the last try."""

    id: DeliveryId
    webhook_id: WebhookId
    event_id: UUID
    type: str
    state: DeliveryState
    created_at: dt.datetime
    attempts: int
    next_at: dt.datetime | None
    settled_at: dt.datetime | None
    status: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent now."""

    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    number: int


def gives_up_at(hook: Webhook) -> dt.datetime | None:
    """Return when a webhook that goes on failing is switched off; None while it does not fail."""
    if hook.state is not State.ON or hook.failing_since is None:
        return None
    return hook.failing_since + LONGEST


def tell(
    session: Session,
    *,
    tenant_id: TenantId,
    event_type: str,
    data: Mapping[str, str],
) -> int:
    """Owe an event to every webhook that hears its type; return how many deliveries wait.

    A webhook that is off gets it as missed, so that a replay can fetch it up. Without a webhook nothing is
    kept.

    Args:
        session: in the company's own context; the event counts once with this transaction.
        tenant_id: the company.
        event_type: as it stands in `wiring.outgoing`.
        data: ids, in their outside form.
    """
    found = session.execute(
        select(WebhookRow.id, WebhookRow.types, WebhookRow.state).where(WebhookRow.tenant_id == tenant_id)
    ).all()
    hearing = {row.id: row.state == State.ON for row in found if event_type in row.types.split()}
    if not hearing:
        return 0
    event_id = _keep_event(session, tenant_id, event_type, data)
    return _owe(session, tenant_id, event_id, hearing)


def send_test(session: Session, *, tenant_id: TenantId, webhook_id: WebhookId) -> DeliveryId:
    """Owe one webhook an event that tells nothing but that it works; return the delivery.

    Raises:
        WebhookMissingError: not in this company.
        WebhookOffError: it is off.
    """
    row = endpoints.row_of(session, tenant_id, webhook_id)
    if row.state != State.ON:
        raise WebhookOffError
    data = {"webhook": ids.public("whk", webhook_id)}
    event_id = _keep_event(session, tenant_id, TEST, data)
    _owe(session, tenant_id, event_id, {webhook_id: True})
    made = session.execute(
        select(DeliveryRow.id).where(DeliveryRow.tenant_id == tenant_id, DeliveryRow.event_id == event_id)
    ).scalar_one()
    return DeliveryId(made)


def begin(session: Session, *, vault: Vault, owed: WebhookOwed) -> Due | None:
    """Write a try down and return what to send; None when nothing is (any more)."""
    row = session.get(DeliveryRow, (owed.tenant_id, owed.delivery_id), with_for_update=True)
    if row is None or row.state != DeliveryState.WAITING or row.round != owed.round:
        return None
    hook = endpoints.row_of(session, owed.tenant_id, WebhookId(row.webhook_id))
    event = session.get_one(WebhookEventRow, (owed.tenant_id, row.event_id))
    now = clock.now()
    if hook.state != State.ON:
        _settle(row, DeliveryState.MISSED, now)
        session.flush()
        return None
    row.tries += 1
    row.attempts += 1
    row.next_at = None
    session.add(
        AttemptRow(
            tenant_id=owed.tenant_id,
            delivery_id=row.id,
            number=row.attempts,
            began_at=now,
            duration_ms=None,
            status=None,
            error=None,
            answer=None,
        )
    )
    session.flush()
    message_id = ids.public("evt", event.id)
    signatures = [
        Signer(secret).sign(message_id, now, event.body)
        for secret in endpoints.secrets_of(vault, hook, at=now)
    ]
    return Due(
        url=endpoints.opened(vault, hook).url,
        body=event.body.encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        },
        number=row.attempts,
    )


def finish(
    session: Session, *, vault: Vault, owed: WebhookOwed, due: Due, answer: Answer
) -> dt.timedelta | None:
    """Write down what came of a try; return how long to wait for the next, or None when it was the last.

    2xx is success; everything else, redirects included, is not. 410 switches the webhook off at once; a
    delivery that was never taken switches it off when nothing else was taken meanwhile either.
    """
    row = session.get(DeliveryRow, (owed.tenant_id, owed.delivery_id))
    if row is None:  # the webhook was removed meanwhile
        return None
    # the webhook before its deliveries, in the order in which it is removed
    hook = endpoints.row_of(session, owed.tenant_id, WebhookId(row.webhook_id), for_update=True)
    session.refresh(row, with_for_update=True)
    attempt = session.get_one(AttemptRow, (owed.tenant_id, owed.delivery_id, due.number))
    now = clock.now()
    attempt.duration_ms, attempt.status, attempt.error = answer.duration_ms, answer.status, answer.error
    shown = answer.head.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")[:_SHOWN]
    attempt.answer = vault.seal(_field(attempt), shown) if shown else None
    pause: dt.timedelta | None = None
    if answer.status in _OK:
        hook.succeeded_at, hook.failing_since = now, None
        _settle(row, DeliveryState.DELIVERED, now)
    else:
        hook.failing_since = hook.failing_since or now
        if answer.status == _GONE:
            hook.state = State.GONE.value
            _settle(row, DeliveryState.FAILED, now)
        elif row.tries > len(SCHEDULE):
            _settle(row, DeliveryState.FAILED, now)
            if hook.succeeded_at is None or hook.succeeded_at < row.round_began_at:
                hook.state = State.FAILING.value
        else:
            pause = SCHEDULE[row.tries - 1]
            row.next_at = now + pause
    session.flush()
    return pause


def replay(session: Session, *, tenant_id: TenantId, delivery_id: DeliveryId) -> Delivery:
    """Make a delivery again, from the first try, under the same `webhook-id`.

    Raises:
        DeliveryMissingError: not in this company.
        DeliveryWaitingError: it is still being tried.
        WebhookOffError: its webhook is off.
    """
    row = session.get(DeliveryRow, (tenant_id, delivery_id), with_for_update=True)
    if row is None:
        raise DeliveryMissingError
    if endpoints.row_of(session, tenant_id, WebhookId(row.webhook_id)).state != State.ON:
        raise WebhookOffError
    if row.state == DeliveryState.WAITING:
        raise DeliveryWaitingError
    _again(session, [row])
    return read(session, tenant_id=tenant_id, delivery_id=delivery_id)


def replay_range(
    session: Session,
    *,
    tenant_id: TenantId,
    webhook_id: WebhookId,
    since: dt.datetime,
    until: dt.datetime,
    states: Collection[DeliveryState] = (DeliveryState.FAILED, DeliveryState.MISSED),
) -> int:
    """Make again what was owed to a webhook in `[since, until)` and is in one of `states`; return how many.

    Raises:
        WebhookMissingError: not in this company.
        WebhookOffError: it is off.
        TooMuchToReplayError: more than `MOST_REPLAYED`; nothing is replayed.
    """
    if endpoints.row_of(session, tenant_id, webhook_id).state != State.ON:
        raise WebhookOffError
    wanted = {state.value for state in states} - {DeliveryState.WAITING.value}
    rows = session.scalars(
        select(DeliveryRow)
        .where(
            DeliveryRow.tenant_id == tenant_id,
            DeliveryRow.webhook_id == webhook_id,
            DeliveryRow.created_at >= since,
            DeliveryRow.created_at < until,
            DeliveryRow.state.in_(wanted),
        )
        .order_by(DeliveryRow.id)
        .limit(MOST_REPLAYED + 1)
        .with_for_update()
    ).all()
    if len(rows) > MOST_REPLAYED:
        raise TooMuchToReplayError
    _again(session, rows)
    return len(rows)


def last_replay(session: Session, *, tenant_id: TenantId, webhook_id: WebhookId) -> Replaying | None:
    """Return how far the newest replay of a webhook has come; None: there was none within a day."""
    of_hook = (
        DeliveryRow.tenant_id == tenant_id,
        DeliveryRow.webhook_id == webhook_id,
        DeliveryRow.round > 1,
        DeliveryRow.round_began_at > clock.now() - _REPLAY_SHOWN,
    )
    began = select(func.max(DeliveryRow.round_began_at)).where(*of_hook).scalar_subquery()
    row = session.execute(
        select(
            func.count(),
            func.count().filter(DeliveryRow.state == DeliveryState.DELIVERED.value),
            func.count().filter(DeliveryRow.state == DeliveryState.WAITING.value, DeliveryRow.tries == 0),
        ).where(*of_hook, DeliveryRow.round_began_at == began)
    ).one()
    total, delivered, untried = row
    return Replaying(total, delivered, total - delivered - untried) if total else None


def read(session: Session, *, tenant_id: TenantId, delivery_id: DeliveryId) -> Delivery:
    """Return one delivery.

    Raises:
        DeliveryMissingError: not in this company.
    """
    row = session.get(DeliveryRow, (tenant_id, delivery_id))
    if row is None:
        raise DeliveryMissingError
    return _deliveries(session, tenant_id, [row])[0]


def body_of(session: Session, *, tenant_id: TenantId, event_id: UUID) -> str:
    """Return what is sent for an event, as JSON.

    Raises:
        DeliveryMissingError: no such event in this company.
    """
    row = session.get(WebhookEventRow, (tenant_id, event_id))
    if row is None:
        raise DeliveryMissingError
    return row.body


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    webhook_id: WebhookId,
    limit: int,
    state: DeliveryState | None = None,
    event_type: str | None = None,
    after: DeliveryId | None = None,
) -> Sequence[Delivery]:
    """Return up to `limit` deliveries of a webhook, newest first, beginning after one.

    Raises:
        WebhookMissingError: not in this company.
    """
    endpoints.row_of(session, tenant_id, webhook_id)
    query = select(DeliveryRow).where(
        DeliveryRow.tenant_id == tenant_id, DeliveryRow.webhook_id == webhook_id
    )
    if state is not None:
        query = query.where(DeliveryRow.state == state.value)
    if event_type is not None:
        query = query.join(
            WebhookEventRow,
            (WebhookEventRow.tenant_id == DeliveryRow.tenant_id)
            & (WebhookEventRow.id == DeliveryRow.event_id),
        ).where(WebhookEventRow.type == event_type)
    if after is not None:
        query = query.where(DeliveryRow.id < after)
    rows = session.scalars(query.order_by(DeliveryRow.id.desc()).limit(limit)).all()
    return _deliveries(session, tenant_id, rows)


def attempts(
    session: Session, *, tenant_id: TenantId, vault: Vault, delivery_id: DeliveryId
) -> Sequence[Attempt]:
    """Return the tries of a delivery, newest first."""
    rows = session.scalars(
        select(AttemptRow)
        .where(AttemptRow.tenant_id == tenant_id, AttemptRow.delivery_id == delivery_id)
        .order_by(AttemptRow.number.desc())
    )
    return [
        Attempt(
            row.number,
            row.began_at,
            row.duration_ms,
            row.status,
            _error_of(row),
            vault.open(_field(row), row.answer) if row.answer else "",
        )
        for row in rows
    ]


def old(session: Session, *, tenant_id: TenantId, before: dt.datetime) -> int:
    """Return how many deliveries were settled before an instant."""
    return session.execute(
        select(func.count())
        .select_from(DeliveryRow)
        .where(DeliveryRow.tenant_id == tenant_id, DeliveryRow.settled_at < before)
    ).scalar_one()


def sweep(session: Session, *, tenant_id: TenantId, before: dt.datetime | None = None) -> int:
    """Remove deliveries settled before an instant, by itself a month ago, and the events nobody is owed.

    Returns how many.
    """
    before = before or clock.now() - KEPT
    settled = select(DeliveryRow.id).where(
        DeliveryRow.tenant_id == tenant_id, DeliveryRow.settled_at < before
    )
    session.execute(
        delete(AttemptRow).where(AttemptRow.tenant_id == tenant_id, AttemptRow.delivery_id.in_(settled))
    )
    gone = session.execute(
        delete(DeliveryRow)
        .where(DeliveryRow.tenant_id == tenant_id, DeliveryRow.settled_at < before)
        .returning(DeliveryRow.id)
    ).all()
    owed = select(DeliveryRow.id).where(
        DeliveryRow.tenant_id == tenant_id, DeliveryRow.event_id == WebhookEventRow.id
    )
    session.execute(
        delete(WebhookEventRow).where(
            WebhookEventRow.tenant_id == tenant_id, WebhookEventRow.created_at < before, ~owed.exists()
        )
    )
    return len(gone)


def _keep_event(session: Session, tenant_id: TenantId, event_type: str, data: Mapping[str, str]) -> UUID:
    event_id, now = new_id(), clock.now()
    told = {
        "type": event_type,
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "company": ids.public("ten", tenant_id),
        "data": dict(data),
    }
    session.add(
        WebhookEventRow(
            tenant_id=tenant_id,
            id=event_id,
            type=event_type,
            body=json.dumps(told, separators=(",", ":")),
            created_at=now,
        )
    )
    session.flush()
    return event_id


def _owe(session: Session, tenant_id: TenantId, event_id: UUID, hearing: Mapping[UUID, bool]) -> int:
    now = clock.now()
    rows = [
        {
            "tenant_id": tenant_id,
            "id": new_id(),
            "webhook_id": webhook_id,
            "event_id": event_id,
            "state": (DeliveryState.WAITING if is_on else DeliveryState.MISSED).value,
            "created_at": now,
            "round": 1,
            "round_began_at": now,
            "tries": 0,
            "attempts": 0,
            "next_at": now if is_on else None,
            "settled_at": None if is_on else now,
        }
        for webhook_id, is_on in hearing.items()
    ]
    session.execute(insert(DeliveryRow).values(rows))
    waiting = [row for row in rows if row["settled_at"] is None]
    for row in waiting:
        owed = WebhookOwed(tenant_id=tenant_id, delivery_id=DeliveryId(row["id"]), round=1)  # type: ignore[arg-type] # a row of our own making
        announce(session, owed)
    return len(waiting)


def _again(session: Session, rows: Sequence[DeliveryRow]) -> None:
    now = clock.now()
    if rows:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.tenant_id == rows[0].tenant_id, DeliveryRow.id.in_([row.id for row in rows]))
            .values(
                state=DeliveryState.WAITING.value,
                round=DeliveryRow.round + 1,
                round_began_at=now,
                tries=0,
                next_at=now,
                settled_at=None,
            )
            .execution_options(synchronize_session=False)
        )
    for row in rows:
        announce(
            session,
            WebhookOwed(
                tenant_id=TenantId(row.tenant_id), delivery_id=DeliveryId(row.id), round=row.round + 1
            ),
        )
    session.flush()
    session.expire_all()


def _settle(row: DeliveryRow, state: DeliveryState, at: dt.datetime) -> None:
    row.state, row.settled_at, row.next_at = state.value, at, None


def _deliveries(session: Session, tenant_id: TenantId, rows: Sequence[DeliveryRow]) -> list[Delivery]:
    if not rows:
        return []
    told = session.execute(
        select(WebhookEventRow.id, WebhookEventRow.type).where(
            WebhookEventRow.tenant_id == tenant_id, WebhookEventRow.id.in_({row.event_id for row in rows})
        )
    ).all()
    types = {row.id: row.type for row in told}
    newest = [(row.id, row.attempts) for row in rows]
    last = {
        one.delivery_id: one
        for one in session.scalars(
            select(AttemptRow).where(
                AttemptRow.tenant_id == tenant_id,
                tuple_(AttemptRow.delivery_id, AttemptRow.number).in_(newest),
            )
        )
    }
    return [
        Delivery(
            DeliveryId(row.id),
            WebhookId(row.webhook_id),
            row.event_id,
            types[row.event_id],
            DeliveryState(row.state),
            row.created_at,
            row.attempts,
            row.next_at,
            row.settled_at,
            last[row.id].status if row.id in last else None,
            _error_of(last[row.id]) if row.id in last else "",
        )
        for row in rows
    ]


def _error_of(row: AttemptRow) -> str:
    """Return a try's error; one without an end is under way, or its worker died."""
    if row.duration_ms is None:
        is_lost = clock.now() - row.began_at > dt.timedelta(minutes=2)
        return "interrupted" if is_lost else "under-way"
    return row.error or ""


def _field(row: AttemptRow) -> Field:
    return Field(row.tenant_id, "webhook_attempts", "answer", row.delivery_id, row.number, "integration")
