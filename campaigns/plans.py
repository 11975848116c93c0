"""Campaigns themselves: made, changed, started, paused, stopped.

Each change carries the revision that was read; of two people who edit one campaign the second is told, and
nothing is written. A campaign dials from the commit in which it was started, and not after that in which
it was paused: the pacer locks the row while it claims.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from campaigns import imports, leads, rules
from campaigns.errors import (
    CampaignChangedError,
    CampaignNotFoundError,
    CampaignNotReadyError,
    CampaignSettingError,
    CampaignStateError,
)
from campaigns.events import CampaignTurned
from campaigns.models import AttemptRow, CampaignRow, RoundRow
from campaigns.rules import Outcome, Settings, State
from core import clock
from core.events import announce
from core.ids import OPERATOR, CampaignId, NumberId, QueueId, TenantId, new_id
from security import evidence
from telephony import numbers, queues
from telephony.errors import NumberNotFoundError, QueueNotFoundError
from telephony.outbound import dialling
from telephony.outbound.hours import Window


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign; `revision` goes back with a change. `zones` are where its leads live."""

    tenant_id: TenantId
    campaign_id: CampaignId
    revision: int
    state: State
    settings: Settings
    queue_id: QueueId
    number_id: NumberId
    zones: tuple[str, ...]
    created_at: dt.datetime
    changed_at: dt.datetime
    changed_by: UUID
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    held_reason: str | None
    held_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Round:
    """A campaign that is being dialled, as the operator's list has it."""

    tenant_id: TenantId
    campaign_id: CampaignId
    queue_id: QueueId


def create(
    session: Session,
    *,
    tenant_id: TenantId,
    settings: Settings,
    queue_id: QueueId,
    number_id: NumberId,
    by: UUID,
) -> Campaign:
    """Make a campaign, as a draft.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        settings: what it decided.
        queue_id: whose agents speak.
        number_id: the number it rents that the called see.
        by: who makes it.

    Raises:
        CampaignSettingError: `field` names what cannot stand.
    """
    _check(session, tenant_id, settings, queue_id, number_id)
    now = clock.now()
    row = CampaignRow(
        tenant_id=tenant_id,
        id=new_id(),
        revision=1,
        state=State.DRAFT.value,
        zones=[],
        files=0,
        created_at=now,
        changed_at=now,
        changed_by=by,
    )
    _write(row, settings, queue_id, number_id)
    session.add(row)
    session.flush()
    evidence.record(session, "campaign.made", "cmp", row.id)
    return _campaign(row)


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    revision: int,
    settings: Settings,
    queue_id: QueueId,
    number_id: NumberId,
    by: UUID,
) -> Campaign:
    """Write new settings if the campaign still is at `revision`.

    Raises:
        CampaignNotFoundError: not this company's.
        CampaignChangedError: somebody saved it since; nothing was written.
        CampaignStateError: it has been stopped.
        CampaignSettingError: `field` names what cannot stand.
    """
    row = _row(session, tenant_id, campaign_id, lock=True)
    if row.revision != revision:
        raise CampaignChangedError(revision=row.revision)
    if State(row.state) not in rules.OPEN:
        raise CampaignStateError(present=row.state)
    _check(session, tenant_id, settings, queue_id, number_id, present=NumberId(row.number_id))
    moved = row.queue_id != queue_id
    _write(row, settings, queue_id, number_id)
    _touch(session, row, by)
    evidence.record(session, "campaign.changed", "cmp", row.id, revision=row.revision)
    if moved and row.state == State.RUNNING:
        _announce(session, row)
    return _campaign(row)


def turn(
    session: Session,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    to: State,
    by: UUID,
    revision: int | None = None,
) -> Campaign:
    """Start, pause, stop or finish a campaign. Where it stands already, nothing happens.

    From a pause or a stop on nobody more is dialled: calls cleared and not placed yet are taken back.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        campaign_id: theirs.
        to: the state it shall have.
        by: who wants it; the operator's id for ourselves.
        revision: insist on this one; None: whatever it is now.

    Raises:
        CampaignNotFoundError: not this company's.
        CampaignChangedError: it is no longer at that revision.
        CampaignStateError: its state does not lead there.
        CampaignNotReadyError: `no-leads`: there is nobody to call.
    """
    row = _row(session, tenant_id, campaign_id, lock=True)
    if revision is not None and row.revision != revision:
        raise CampaignChangedError(revision=row.revision)
    if row.state == to:
        return _campaign(row)
    rules.turn(State(row.state), to)
    if to is State.RUNNING and not _has_work(session, tenant_id, campaign_id):
        raise CampaignNotReadyError(reason="no-leads")
    now = clock.now()
    row.state, row.held_reason, row.held_until = to.value, None, None
    if to is State.RUNNING:
        row.started_at, row.ended_at = row.started_at or now, None
    elif to in {State.STOPPED, State.FINISHED}:
        row.ended_at = now
    if to is not State.RUNNING:
        dialling.recall(session, tenant_id=tenant_id, campaign_id=campaign_id)
    _touch(session, row, by)
    _announce(session, row)
    evidence.record(session, f"campaign.{to.value}", "cmp", row.id)
    return _campaign(row)


def get(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> Campaign:
    """Return one campaign.

    Raises:
        CampaignNotFoundError: not this company's.
    """
    return _campaign(_row(session, tenant_id, campaign_id))


def of_attempt(session: Session, *, tenant_id: TenantId, attempt_id: UUID) -> Campaign | None:
    """Return the campaign for which an attempt is, or was, made; None: for none."""
    row = session.execute(
        sa.select(CampaignRow)
        .join(
            AttemptRow,
            sa.and_(AttemptRow.tenant_id == CampaignRow.tenant_id, AttemptRow.campaign_id == CampaignRow.id),
        )
        .where(AttemptRow.tenant_id == tenant_id, AttemptRow.id == attempt_id)
    ).scalar()
    return _campaign(row) if row is not None else None


def lock_running(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> Campaign | None:
    """Return a campaign that is running and keep it so until the transaction ends; None: it is not."""
    row = session.execute(
        sa.select(CampaignRow)
        .where(CampaignRow.tenant_id == tenant_id, CampaignRow.id == campaign_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar()
    return _campaign(row) if row is not None and row.state == State.RUNNING else None


def hold(
    session: Session, *, tenant_id: TenantId, campaign_id: CampaignId, reason: str, until: dt.datetime
) -> None:
    """Dial nothing until an instant: the company as a whole may not call. Its pages say why."""
    row = _row(session, tenant_id, campaign_id, lock=True)
    row.held_reason, row.held_until = reason, until
    session.flush()


def go_on(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> None:
    """Forget why nothing was dialled for a while: calls are made again."""
    row = _row(session, tenant_id, campaign_id, lock=True)
    row.held_reason = row.held_until = None
    session.flush()


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the list, newest first; `following` begins the next."""

    campaigns: tuple[Campaign, ...]
    following: CampaignId | None


def page(session: Session, *, tenant_id: TenantId, after: CampaignId | None = None, limit: int = 25) -> Page:
    """Return campaigns, newest first; ids are in the order of making.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        after: `Page.following` of the page before.
        limit: at most so many, 1 to 100.
    """
    query = sa.select(CampaignRow).where(CampaignRow.tenant_id == tenant_id)
    if after is not None:
        query = query.where(CampaignRow.id < after)
    limit = min(max(limit, 1), 100)
    rows = session.scalars(
        query.order_by(CampaignRow.id.desc()).limit(limit + 1).execution_options(populate_existing=True)
    ).all()
    found = tuple(_campaign(row) for row in rows[:limit])
    return Page(found, found[-1].campaign_id if len(rows) > limit else None)


def led_to(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> list[str]:
    """Return the names of campaigns that are not over and whose agents are those of a queue."""
    rows = session.scalars(
        sa.select(CampaignRow.name)
        .where(
            CampaignRow.tenant_id == tenant_id,
            CampaignRow.queue_id == queue_id,
            CampaignRow.state.in_([state.value for state in rules.OPEN]),
        )
        .order_by(CampaignRow.name)
    )
    return list(rows)


def note_round(session: Session, *, event: CampaignTurned) -> None:
    """Put what has become of a campaign into the operator's list; in the operator's own transaction.

    Events come in any order: the one with the higher revision is right.
    """
    row = session.get(RoundRow, (OPERATOR, event.campaign_id), with_for_update=True, populate_existing=True)
    if row is None:
        row = RoundRow(
            tenant_id=OPERATOR,
            campaign_id=event.campaign_id,
            client_tenant_id=event.tenant_id,
            queue_id=event.queue_id,
            revision=0,
            is_running=False,
        )
        session.add(row)
    if event.revision > row.revision:
        row.revision, row.queue_id = event.revision, event.queue_id
        row.is_running = event.state == State.RUNNING
    session.flush()


def rounds(session: Session) -> list[Round]:
    """Return what is being dialled now, of all companies; in the operator's own transaction."""
    rows = session.scalars(
        sa.select(RoundRow)
        .where(RoundRow.tenant_id == OPERATOR, RoundRow.is_running)
        .order_by(RoundRow.campaign_id)
    )
    return [
        Round(TenantId(row.client_tenant_id), CampaignId(row.campaign_id), QueueId(row.queue_id))
        for row in rows
    ]


def end_rounds(session: Session, *, client_tenant_id: TenantId) -> None:
    """Dial no more for a company that is gone; in the operator's own transaction."""
    session.execute(
        sa.update(RoundRow)
        .where(RoundRow.tenant_id == OPERATOR, RoundRow.client_tenant_id == client_tenant_id)
        .values(is_running=False)
    )


def _has_work(session: Session, tenant_id: TenantId, campaign_id: CampaignId) -> bool:
    return leads.are_left(session, tenant_id=tenant_id, campaign_id=campaign_id) or imports.are_running(
        session, tenant_id=tenant_id, campaign_id=campaign_id
    )


def _check(
    session: Session,
    tenant_id: TenantId,
    settings: Settings,
    queue_id: QueueId,
    number_id: NumberId,
    *,
    present: NumberId | None = None,
) -> None:
    """Insist that the settings can stand; the number shown until now (`present`) may stay."""
    rules.check(settings)
    try:
        queues.insist_open(session, tenant_id=tenant_id, queue_id=queue_id)
    except QueueNotFoundError as error:
        raise CampaignSettingError(field="queue") from error
    try:
        number = numbers.get(session, tenant_id=tenant_id, number_id=number_id)
    except NumberNotFoundError as error:
        raise CampaignSettingError(field="number") from error
    if number_id != present and not number.may_be_shown(clock.now()):
        raise CampaignSettingError(field="number")


def _write(row: CampaignRow, settings: Settings, queue_id: QueueId, number_id: NumberId) -> None:
    row.name = settings.name.strip()
    row.queue_id, row.number_id = queue_id, number_id
    row.opens, row.closes = _minute(settings.window.opens), _minute(settings.window.closes)
    row.weekdays = sum(1 << (day - 1) for day in settings.window.days)
    row.ring_s, row.max_attempts = settings.ring_s, settings.max_attempts
    row.waits = {outcome.value: minutes for outcome, minutes in settings.waits.items()}
    row.max_per_second = settings.max_per_second
    row.detects_machines, row.script = settings.detects_machines, settings.script
    row.needs_consent = settings.needs_consent


def _window(row: CampaignRow) -> Window:
    days = frozenset(day for day in range(1, 8) if row.weekdays >> (day - 1) & 1)
    return Window(dt.time(*divmod(row.opens, 60)), dt.time(*divmod(row.closes, 60)), days)


def _minute(at: dt.time) -> int:
    return at.hour * 60 + at.minute


def _touch(session: Session, row: CampaignRow, by: UUID) -> None:
    row.revision += 1
    row.changed_at, row.changed_by = clock.now(), by
    session.flush()


def _announce(session: Session, row: CampaignRow) -> None:
    announce(
        session,
        CampaignTurned(
            tenant_id=TenantId(row.tenant_id),
            campaign_id=CampaignId(row.id),
            queue_id=QueueId(row.queue_id),
            revision=row.revision,
            state=row.state,
        ),
    )


def _row(
    session: Session, tenant_id: TenantId, campaign_id: CampaignId, *, lock: bool = False
) -> CampaignRow:
    row = session.get(
        CampaignRow, (tenant_id, campaign_id), with_for_update=lock or None, populate_existing=True
    )
    if row is None:
        raise CampaignNotFoundError
    return row


def _campaign(row: CampaignRow) -> Campaign:
    return Campaign(
        tenant_id=TenantId(row.tenant_id),
        campaign_id=CampaignId(row.id),
        revision=row.revision,
        state=State(row.state),
        settings=Settings(
            name=row.name,
            window=_window(row),
            ring_s=row.ring_s,
            max_attempts=row.max_attempts,
            waits={Outcome(outcome): minutes for outcome, minutes in row.waits.items()},
            max_per_second=row.max_per_second,
            detects_machines=row.detects_machines,
            needs_consent=row.needs_consent,
            script=row.script,
        ),
        queue_id=QueueId(row.queue_id),
        number_id=NumberId(row.number_id),
        zones=tuple(row.zones),
        created_at=row.created_at,
        changed_at=row.changed_at,
        changed_by=row.changed_by,
        started_at=row.started_at,
        ended_at=row.ended_at,
        held_reason=row.held_reason,
        held_until=row.held_until,
    )
