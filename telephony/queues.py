"""ACD queues: where callers wait, for how long at most, how an agent's phone rings, how wrap-up goes.

A queue is never removed, because past calls point at it: it is closed, and can be opened again. One that
numbers lead to, or in which a call goes on, stays open.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, QueueId, TenantId, new_id
from core.taken import refused_as
from security import evidence
from telephony import recording_policy
from telephony.errors import (
    QueueChangedError,
    QueueInUseError,
    QueueNameTakenError,
    QueueNotFoundError,
    QueueSettingError,
)
from telephony.models import CallRow, NumberRow, QueueHoursRow, QueueRow
from telephony.recording_policy import RECORDED_PERCENT, RecordingPolicy

LANGUAGES = ("en", "zh")
LONGEST_NAME, LONGEST_MESSAGE, LONGEST_SCRIPT = 80, 500, 8000
_RANDOM = (1 << 48) - 1  # bits of a UUIDv7 that are chance, and nothing else
SURVEYED_PERCENT, RATINGS = (0, 100), (2, 9)
RINGS_S, WRAPS_UP_S, TARGETS_S, WAITS_S = (5, 120), (0, 3600), (1, 3600), (10, 7200)


class WrapUp(StrEnum):
    """What is asked of an agent when an answered call of the queue is over."""

    NONE = "none"  # nothing: they are free at once; what they wrote while talking is kept
    OPTIONAL = "optional"  # they may leave it with one press, without an outcome
    MANDATORY = "mandatory"  # until they have saved it, however long that takes
    TIMED = "timed"  # until they have saved it, or the time is up


class TimeUp(StrEnum):
    """What becomes of an agent who has given no outcome when the time of a wrap-up that needs one is up."""

    FREE = "free"  # they are free; the call is listed for them, to be completed
    STAY = "stay"  # they stay, overdue, until they have given it; their leader sees it


@dataclass(frozen=True, slots=True)
class Settings:
    """What a company decides about a queue; times in seconds.

    Attributes:
        name: of 1 to 80 signs, one of a kind in the company.
        ring_timeout_s: how long an agent's phone rings, 5 to 120.
        wrap_up_s: how long an optional or a timed wrap-up may take, up to 3600; 0 is no limit.
        target_s: the answer time of its service level, 1 to 3600.
        is_recorded: whether calls are recorded; `record_percent` says how many of a hundred, 1 to 100.
        tells_callers: whether a caller who will be recorded hears so before they wait; who could not be told
            is not recorded. Off, the number's own greeting has to say it where the law asks.
        records_as_company: these three are as the company has them (`recording_policy`), whatever they say.
        longest_wait_s: after which a caller hears `wait_message` and the call ends, 10 to 7200; None: never.
        wait_message: up to 500 signs on one line; empty: a sentence of ours.
        language: in which it is spoken, one of `LANGUAGES`.
        wrap_up: what is asked of an agent after a call.
        needs_disposition: whether a wrap-up is saved with an outcome only.
        time_up: what happens when the time of a timed one is up and the outcome is missing.
        script: what its agents see while they talk with a caller, up to 8000 signs; empty: none.
        survey_percent: how many callers of a hundred are asked for a rating when their agent has hung up, 0
            to 100; 0: nobody.
        survey_prompt: what they are asked, up to 500 signs on one line; empty: a sentence of ours.
        survey_most: the best rating, 2 to 9; 1 is the worst.
    """

    name: str
    ring_timeout_s: int = 20
    wrap_up_s: int = 60
    target_s: int = 20
    is_recorded: bool = True
    longest_wait_s: int | None = None
    wait_message: str = ""
    language: str = "en"
    wrap_up: WrapUp = WrapUp.TIMED
    needs_disposition: bool = True
    time_up: TimeUp = TimeUp.FREE
    record_percent: int = 100
    tells_callers: bool = False
    script: str = ""
    records_as_company: bool = False
    survey_percent: int = 0
    survey_prompt: str = ""
    survey_most: int = 5


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of a tenant; times in seconds, `target_s` is the answer time of its service level.

    What it says of recording is what counts for its calls, be that its own or its company's.
    """

    tenant_id: TenantId
    queue_id: QueueId
    name: str
    ring_timeout_s: int
    wrap_up_s: int
    target_s: int
    is_recorded: bool
    longest_wait_s: int | None = None
    wait_message: str = ""
    language: str = "en"
    wrap_up: WrapUp = WrapUp.TIMED
    needs_disposition: bool = True
    time_up: TimeUp = TimeUp.FREE
    record_percent: int = 100
    tells_callers: bool = False
    script: str = ""
    records_as_company: bool = False
    survey_percent: int = 0
    survey_prompt: str = ""
    survey_most: int = 5
    revision: int = 1
    is_open: bool = True

    @property
    def settings(self) -> Settings:
        """Return what its company has decided about it."""
        return Settings(
            self.name,
            self.ring_timeout_s,
            self.wrap_up_s,
            self.target_s,
            self.is_recorded,
            self.longest_wait_s,
            self.wait_message,
            self.language,
            self.wrap_up,
            self.needs_disposition,
            self.time_up,
            self.record_percent,
            self.tells_callers,
            self.script,
            self.records_as_company,
            self.survey_percent,
            self.survey_prompt,
            self.survey_most,
        )

    def records(self, call_id: CallId) -> bool:
        """Return whether a call is one of those the queue records: the same answer, whoever asks and when.

        Of a hundred calls `record_percent` are: the random bits of the call's own id decide, so that nothing
        has to be kept for it, and a call given from one queue to another is drawn once.
        """
        return self.is_recorded and (call_id.int & _RANDOM) % 100 < self.record_percent

    def surveys(self, call_id: CallId) -> bool:
        """Return whether the caller of a call is one of those the queue asks for a rating.

        Drawn from the call's id as `records` does, but from another part of it: whether a call is recorded
        says nothing of whether its caller is asked.
        """
        return (call_id.int & _RANDOM) // 100 % 100 < self.survey_percent

    @property
    def wraps_for(self) -> dt.timedelta | None:
        """How long a wrap-up may take; None: until its agent closes it."""
        if self.wrap_up is WrapUp.NONE:
            return dt.timedelta()
        if self.wrap_up is WrapUp.MANDATORY or not self.wrap_up_s:
            return None
        return dt.timedelta(seconds=self.wrap_up_s)

    @property
    def holds_over(self) -> bool:
        """Whether a timed wrap-up goes on, overdue, when its time is up and the outcome is missing."""
        return (
            self.time_up is TimeUp.STAY
            and self.needs_disposition
            and self.wrap_up is WrapUp.TIMED
            and self.wraps_for is not None
        )


def open_queue(
    session: Session,
    *,
    tenant_id: TenantId,
    name: str,
    ring_timeout_s: int = 20,
    wrap_up_s: int = 60,
    target_s: int = 20,
    is_recorded: bool = True,
    wrap_up: WrapUp = WrapUp.TIMED,
    needs_disposition: bool = True,
) -> Queue:
    """Make a queue; agents join it through `seats.roster`.

    Raises:
        QueueSettingError, QueueNameTakenError: see `make`.
    """
    wanted = Settings(
        name,
        ring_timeout_s,
        wrap_up_s,
        target_s,
        is_recorded,
        wrap_up=wrap_up,
        needs_disposition=needs_disposition,
    )
    return make(session, tenant_id=tenant_id, settings=wanted)


def make(session: Session, *, tenant_id: TenantId, settings: Settings) -> Queue:
    """Make a queue; agents join it through `seats.roster`.

    Raises:
        QueueSettingError: `field` names what cannot stand.
        QueueNameTakenError: another queue has the name; perhaps one that is closed.
    """
    _check(settings)
    row = QueueRow(tenant_id=tenant_id, id=new_id(), revision=1, created_at=clock.now())
    _write(row, settings)
    _insist_on_name(session, tenant_id, row)
    with refused_as(session, QueueNameTakenError):
        session.add(row)
    evidence.record(session, "queue.made", "que", row.id)
    return _queue(row, _policy(session, row))


def change(
    session: Session, *, tenant_id: TenantId, queue_id: QueueId, revision: int, settings: Settings
) -> Queue:
    """Write new settings if the queue still is at `revision`.

    Raises:
        QueueNotFoundError: not this company's, or closed.
        QueueChangedError: somebody saved it since; nothing was written.
        QueueSettingError, QueueNameTakenError: see `make`.
    """
    row = _locked(session, tenant_id, queue_id)
    if row.closed_at is not None:
        raise QueueNotFoundError
    if row.revision != revision:
        raise QueueChangedError(revision=row.revision)
    _check(settings)
    with refused_as(session, QueueNameTakenError):
        _write(row, settings)
        _insist_on_name(session, tenant_id, row)
        row.revision += 1
    evidence.record(session, "queue.changed", "que", row.id, revision=row.revision)
    return _queue(row, _policy(session, row))


def close(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Close a queue: nobody is sent to it any more, and its past stays. Twice changes nothing.

    Raises:
        QueueNotFoundError: not this company's.
        QueueInUseError: callers wait or talk in it (`calls`), numbers lead to it
            (`numbers`), or other queues outside their hours (`queues`).
    """
    row = _locked(session, tenant_id, queue_id)
    if row.closed_at is not None:
        return _queue(row, _policy(session, row))
    calls = session.scalar(
        select(func.count())
        .select_from(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.queue_id == queue_id, CallRow.ended_at.is_(None))
    )
    led = session.scalars(
        select(NumberRow.digits).where(
            NumberRow.tenant_id == tenant_id,
            NumberRow.queue_id == queue_id,
            NumberRow.released_at.is_(None),
            ~NumberRow.is_elsewhere,
        )
    ).all()
    shut = session.scalars(
        select(QueueRow.name)
        .join(
            QueueHoursRow,
            and_(QueueHoursRow.tenant_id == QueueRow.tenant_id, QueueHoursRow.queue_id == QueueRow.id),
        )
        .where(QueueRow.tenant_id == tenant_id, QueueHoursRow.leads_to == queue_id)
    ).all()
    if calls or led or shut:
        raise QueueInUseError(calls=calls or 0, numbers=sorted(led), queues=sorted(shut))
    row.closed_at = clock.now()
    row.revision += 1
    session.flush()
    evidence.record(session, "queue.closed", "que", row.id)
    return _queue(row, _policy(session, row))


def hold(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Keep an open queue as it is until the transaction ends.

    Raises:
        QueueNotFoundError: not this company's, or closed.
    """
    row = _locked(session, tenant_id, queue_id)
    if row.closed_at is not None:
        raise QueueNotFoundError
    return _queue(row, _policy(session, row))


def reopen(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Open a closed queue again, as it was. Twice changes nothing.

    Raises:
        QueueNotFoundError: not this company's.
    """
    row = _locked(session, tenant_id, queue_id)
    if row.closed_at is not None:
        row.closed_at = None
        row.revision += 1
        session.flush()
        evidence.record(session, "queue.reopened", "que", row.id)
    return _queue(row, _policy(session, row))


def get(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Return one queue, closed or open: past calls name it.

    Raises:
        QueueNotFoundError: not there, or not this tenant's.
    """
    row = session.get(QueueRow, (tenant_id, queue_id))
    if row is None:
        raise QueueNotFoundError
    return _queue(row, _policy(session, row))


def insist_open(session: Session, *, tenant_id: TenantId, queue_id: QueueId) -> Queue:
    """Return a queue that somebody can be sent to.

    Raises:
        QueueNotFoundError: not there, not this tenant's, or closed.
    """
    found = get(session, tenant_id=tenant_id, queue_id=queue_id)
    if not found.is_open:
        raise QueueNotFoundError
    return found


def all_of(session: Session, *, tenant_id: TenantId) -> list[Queue]:
    """Return the tenant's open queues by name."""
    return [one for one in ever(session, tenant_id=tenant_id) if one.is_open]


def ever(session: Session, *, tenant_id: TenantId) -> list[Queue]:
    """Return the tenant's queues by name, open or closed."""
    rows = session.scalars(select(QueueRow).where(QueueRow.tenant_id == tenant_id).order_by(QueueRow.name))
    policy = recording_policy.read(session, tenant_id=tenant_id)
    return [_queue(row, policy) for row in rows]


def _locked(session: Session, tenant_id: TenantId, queue_id: QueueId) -> QueueRow:
    row = session.get(QueueRow, (tenant_id, queue_id), with_for_update=True, populate_existing=True)
    if row is None:
        raise QueueNotFoundError
    return row


def _check(wanted: Settings) -> None:
    def is_line(text: str, longest: int) -> bool:
        return len(text) <= longest and text.isprintable()

    def within(value: int, bounds: tuple[int, int]) -> bool:
        return bounds[0] <= value <= bounds[1]

    stands = {
        "name": bool(wanted.name.strip()) and is_line(wanted.name, LONGEST_NAME),
        "ring_timeout_s": within(wanted.ring_timeout_s, RINGS_S),
        "wrap_up_s": within(wanted.wrap_up_s, WRAPS_UP_S),
        "target_s": within(wanted.target_s, TARGETS_S),
        "longest_wait_s": wanted.longest_wait_s is None or within(wanted.longest_wait_s, WAITS_S),
        "wait_message": is_line(wanted.wait_message, LONGEST_MESSAGE),
        "language": wanted.language in LANGUAGES,
        "record_percent": within(wanted.record_percent, RECORDED_PERCENT),
        "script": len(wanted.script) <= LONGEST_SCRIPT,
        "survey_percent": within(wanted.survey_percent, SURVEYED_PERCENT),
        "survey_prompt": is_line(wanted.survey_prompt, LONGEST_MESSAGE),
        "survey_most": within(wanted.survey_most, RATINGS),
    }
    for field, is_right in stands.items():
        if not is_right:
            raise QueueSettingError(field=field)


def _write(row: QueueRow, wanted: Settings) -> None:
    row.name = wanted.name.strip()
    row.ring_timeout_s, row.wrap_up_s, row.target_s = wanted.ring_timeout_s, wanted.wrap_up_s, wanted.target_s
    row.is_recorded, row.longest_wait_s = wanted.is_recorded, wanted.longest_wait_s
    row.wait_message, row.language = wanted.wait_message.strip(), wanted.language
    row.wrap_up, row.needs_disposition = wanted.wrap_up.value, wanted.needs_disposition
    row.time_up = wanted.time_up.value
    row.record_percent, row.tells_callers = wanted.record_percent, wanted.tells_callers
    row.script = wanted.script.strip()
    row.records_as_company = wanted.records_as_company
    row.survey_percent, row.survey_most = wanted.survey_percent, wanted.survey_most
    row.survey_prompt = wanted.survey_prompt.strip()


def _insist_on_name(session: Session, tenant_id: TenantId, row: QueueRow) -> None:
    with session.no_autoflush:
        other = session.scalar(
            select(QueueRow.id).where(
                QueueRow.tenant_id == tenant_id, QueueRow.name == row.name, QueueRow.id != row.id
            )
        )
    if other is not None:
        raise QueueNameTakenError


def _policy(session: Session, row: QueueRow) -> RecordingPolicy | None:
    if not row.records_as_company:
        return None
    return recording_policy.read(session, tenant_id=TenantId(row.tenant_id))


def _queue(row: QueueRow, policy: RecordingPolicy | None) -> Queue:
    counts = policy if policy and row.records_as_company else row
    return Queue(
        tenant_id=TenantId(row.tenant_id),
        queue_id=QueueId(row.id),
        name=row.name,
        ring_timeout_s=row.ring_timeout_s,
        wrap_up_s=row.wrap_up_s,
        target_s=row.target_s,
        is_recorded=counts.is_recorded,
        longest_wait_s=row.longest_wait_s,
        wait_message=row.wait_message,
        language=row.language,
        wrap_up=WrapUp(row.wrap_up),
        needs_disposition=row.needs_disposition,
        time_up=TimeUp(row.time_up),
        script=row.script,
        record_percent=counts.record_percent,
        tells_callers=counts.tells_callers,
        records_as_company=row.records_as_company,
        survey_percent=row.survey_percent,
        survey_prompt=row.survey_prompt,
        survey_most=row.survey_most,
        revision=row.revision,
        is_open=row.closed_at is None,
    )
