"""What comparing our books with the provider's has found: runs, and differences that somebody answers for.

A run goes day by day and can be taken up where it was cut off. A difference is one row, however often it is
found: *open* until somebody explains it (it stays, and is no trouble) or settles it (it has been put right).
One that is gone when its day is looked at again *agrees* by itself; one that comes back, or whose figures are
others, is open again. The rows are the operator's.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.errors import DifferenceNotFoundError, DifferenceReasonError
from billing.events import ReconciliationAsked
from billing.models import DifferenceRow, ReconciliationRow
from billing.payments.books import Balance, Differs, Found
from billing.payments.port import Moved
from core import clock
from core.events import announce
from core.ids import OPERATOR, PaymentId, TenantId, new_id
from security import evidence

OVERLAP = dt.timedelta(days=3)  # news may come so late
FIRST = dt.timedelta(days=35)
GRACE = dt.timedelta(hours=1)  # what is younger may be on its way
OLD = dt.timedelta(days=3)  # then it is an alarm
_MOST = 1000
# compared on their own, see `lay`
_APART = (Moved.INVOICE.value, Moved.BALANCE.value)
_LONGEST = 1000


_BALANCES = TypeAdapter(tuple[Balance, ...])


class Standing(StrEnum):
    """Where a difference stands."""

    OPEN = "open"
    EXPLAINED = "explained"
    SETTLED = "settled"
    AGREES = "agrees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One comparison over `[start, end)`; it has come to `cursor`."""

    run_id: UUID
    account: str
    start: dt.datetime
    end: dt.datetime
    cursor: dt.datetime
    looked: int
    found: int
    started_at: dt.datetime
    started_by: UUID | None
    ended_at: dt.datetime | None
    balances: tuple[Balance, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether all of it has been compared."""
        return self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference and what people have made of it."""

    difference_id: UUID
    account: str
    found: Found
    standing: Standing
    owner: UUID | None
    reason: str
    first_at: dt.datetime
    last_at: dt.datetime
    decided_by: UUID | None
    decided_at: dt.datetime | None


def begin(session: Session, *, account: str, by: UUID | None = None, until: dt.datetime | None = None) -> Run:
    """Begin a comparison, or take up the one that was cut off.

    It goes from three days before the end of the last one; the first looks five weeks back.

    Args:
        session: in the operator's context.
        account: of the provider.
        by: who wants it; None: the night.
        until: what is younger is left out; an hour ago unless given.
    """
    going = _going(session, account)
    if going is not None:
        return _run(going)
    now = clock.now()
    last = session.scalar(
        select(func.max(ReconciliationRow.end_at)).where(
            ReconciliationRow.tenant_id == OPERATOR, ReconciliationRow.account == account
        )
    )
    end = min(until or now - GRACE, now)
    start = min(last or end - FIRST + OVERLAP, end) - OVERLAP
    made = session.execute(
        insert(ReconciliationRow)
        .values(
            tenant_id=OPERATOR,
            id=new_id(),
            account=account,
            start_at=start,
            end_at=end,
            cursor_at=start,
            looked=0,
            found=0,
            started_at=now,
            started_by=by,
        )
        .on_conflict_do_nothing()
        .returning(ReconciliationRow.id)
    ).scalar()
    row = _going(session, account) if made is None else session.get(ReconciliationRow, (OPERATOR, made))
    if row is None:  # the other one has ended in this moment
        return begin(session, account=account, by=by, until=until)
    if made is not None:
        announce(session, ReconciliationAsked(tenant_id=OPERATOR, run_id=row.id))
    return _run(row)


def note(
    session: Session,
    *,
    run: Run,
    until: dt.datetime,
    looked: int,
    found: Iterable[Found],
) -> Run:
    """Write down what a stretch of a run has come to, from its cursor on; once.

    Args:
        session: in the operator's context.
        run: as it was when the stretch was begun; another worker's stretch is not written down again.
        until: the stretch's end.
        looked: how many lines of the provider's were looked at.
        found: where they differ.
    """
    row = session.get_one(
        ReconciliationRow, (OPERATOR, run.run_id), with_for_update=True, populate_existing=True
    )
    if row.cursor_at != run.cursor or row.ended_at is not None:
        return _run(row)
    every = list(found)
    for one in every:
        _meet(session, run.account, one)
    _agree(session, run, until, {(one.moved, one.remote_id, one.differs) for one in every})
    row.cursor_at = until
    row.looked += looked
    row.found += len(every)
    if until >= row.end_at:
        row.ended_at = clock.now()
    session.flush()
    return _run(row)


def weigh(
    session: Session,
    *,
    run: Run,
    ours: Mapping[str, int],
    theirs: Mapping[str, int],
    coming: Mapping[str, int],
) -> tuple[Balance, ...]:
    """Write down what the provider holds at the end of a run beside our clearing account, by currency.

    What neither the differences known so far nor what is on its way explains is a difference of its own.

    Args:
        session: in the operator's context.
        run: that has come to its end.
        ours: what is on the clearing account, over everybody's books.
        theirs: what the provider says it holds.
        coming: what the provider has booked since the run's end, and we have not.
    """
    known: dict[str, int] = {}
    rows = session.scalars(
        select(DifferenceRow.effects).where(
            DifferenceRow.tenant_id == OPERATOR,
            DifferenceRow.account == run.account,
            DifferenceRow.moved.not_in(_APART),
            DifferenceRow.standing.in_((Standing.OPEN.value, Standing.EXPLAINED.value)),
        )
    )
    for effects in rows:
        for currency, minor in effects.items():
            known[currency] = known.get(currency, 0) + minor
    found = tuple(
        Balance(
            currency=currency,
            ours_minor=ours.get(currency, 0),
            theirs_minor=theirs.get(currency, 0),
            known_minor=known.get(currency, 0),
            coming_minor=coming.get(currency, 0),
        )
        for currency in sorted(ours.keys() | theirs.keys() | known.keys() | coming.keys())
    )
    for one in found:
        differing = [_unexplained(one, run)] if one.unexplained_minor else []
        lay(session, account=run.account, moved=Moved.BALANCE, about=one.currency, found=differing)
    row = session.get_one(ReconciliationRow, (OPERATOR, run.run_id))
    row.balances = _BALANCES.dump_python(found, mode="json")
    session.flush()
    return found


def _unexplained(one: Balance, run: Run) -> Found:
    """Return a difference whose figures stay while what is unexplained does, whatever moves meanwhile."""
    return Found(
        moved=Moved.BALANCE,
        remote_id=one.currency,
        differs=Differs.AMOUNT,
        at=run.end,
        tenant_id=OPERATOR,
        payment_id=None,
        ours_minor=None,
        ours="",
        theirs_minor=one.unexplained_minor,
        theirs="",
        currency=one.currency,
    )


def lay(session: Session, *, account: str, moved: Moved, about: str, found: Iterable[Found]) -> None:
    """Write down what a single comparison has come to, outside of any run; what is gone agrees.

    Args:
        session: in the operator's context.
        account: of the provider.
        moved: what was compared.
        about: its name, the differences' `remote_id`.
        found: where it differs; none: nowhere.
    """
    every = list(found)
    for one in every:
        _meet(session, account, one)
    there = {one.differs.value for one in every}
    rows = session.scalars(
        select(DifferenceRow).where(
            DifferenceRow.tenant_id == OPERATOR,
            DifferenceRow.account == account,
            DifferenceRow.moved == moved.value,
            DifferenceRow.remote_id == about,
            DifferenceRow.standing != Standing.AGREES.value,
        )
    )
    for row in rows:
        if row.differs not in there and row.standing != Standing.SETTLED:
            row.standing = Standing.AGREES.value
    session.flush()


def runs(session: Session, *, limit: int = 20) -> tuple[Run, ...]:
    """Return the latest runs, newest first."""
    rows = session.scalars(
        select(ReconciliationRow)
        .where(ReconciliationRow.tenant_id == OPERATOR)
        .order_by(ReconciliationRow.id.desc())
        .limit(limit)
    )
    return tuple(_run(row) for row in rows)


def every(
    session: Session, *, standings: Sequence[Standing] = (Standing.OPEN,), limit: int = _MOST
) -> tuple[Difference, ...]:
    """Return differences, those first that have stood longest."""
    rows = session.scalars(
        select(DifferenceRow)
        .where(DifferenceRow.tenant_id == OPERATOR, DifferenceRow.standing.in_(standings))
        .order_by(DifferenceRow.first_at, DifferenceRow.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return tuple(_difference(row) for row in rows)


def find(session: Session, *, difference_id: UUID) -> Difference:
    """Return a difference.

    Raises:
        DifferenceNotFoundError: there is none of that id.
    """
    return _difference(_row(session, difference_id))


def give(session: Session, *, difference_id: UUID, owner: UUID | None) -> None:
    """Let somebody of the staff answer for a difference; None: nobody.

    Raises:
        DifferenceNotFoundError: there is none of that id.
    """
    row = _row(session, difference_id, lock=True)
    row.owner = owner
    session.flush()
    evidence.record(session, "reconciliation.assigned", "dif", row.id)


def decide(session: Session, *, difference_id: UUID, standing: Standing, reason: str, by: UUID) -> Difference:
    """Explain or settle a difference, or open it again, with a reason.

    Raises:
        DifferenceNotFoundError: there is none of that id.
        DifferenceReasonError: no reason, a very long one, or it agrees by itself.
    """
    row = _row(session, difference_id, lock=True)
    said = reason.strip()
    if not said or len(said) > _LONGEST or standing is Standing.AGREES or row.standing == Standing.AGREES:
        raise DifferenceReasonError
    row.standing, row.reason, row.decided_by, row.decided_at = standing.value, said, by, clock.now()
    session.flush()
    evidence.record(
        session, f"reconciliation.{standing.value}", "dif", row.id, differs=row.differs, moved=row.moved
    )
    return _difference(row)


def old(session: Session) -> int:
    """Return how many differences have been open for longer than they may."""
    asked = (
        select(func.count())
        .select_from(DifferenceRow)
        .where(
            DifferenceRow.tenant_id == OPERATOR,
            DifferenceRow.standing == Standing.OPEN.value,
            DifferenceRow.first_at < clock.now() - OLD,
        )
    )
    return int(session.scalar(asked) or 0)


def _meet(session: Session, account: str, found: Found) -> None:
    """Keep a difference: new, seen again, or come back."""
    now = clock.now()
    row = session.scalar(
        select(DifferenceRow)
        .where(
            DifferenceRow.tenant_id == OPERATOR,
            DifferenceRow.account == account,
            DifferenceRow.moved == found.moved.value,
            DifferenceRow.remote_id == found.remote_id,
            DifferenceRow.differs == found.differs.value,
        )
        .with_for_update()
    )
    figures = {
        "ours_minor": found.ours_minor,
        "theirs_minor": found.theirs_minor,
        "ours": found.ours,
        "theirs": found.theirs,
        "currency": found.currency,
        "effects": dict(found.effects),
    }
    if row is None:
        session.add(
            DifferenceRow(
                tenant_id=OPERATOR,
                id=new_id(),
                account=account,
                moved=found.moved.value,
                remote_id=found.remote_id,
                differs=found.differs.value,
                happened_at=found.at,
                for_tenant=found.tenant_id,
                payment_id=found.payment_id,
                standing=Standing.OPEN.value,
                owner=None,
                reason="",
                first_at=now,
                last_at=now,
                **figures,
            )
        )
    else:
        is_other = any(getattr(row, name) != value for name, value in figures.items())
        if row.standing in {Standing.SETTLED, Standing.AGREES} or is_other:
            if row.standing != Standing.OPEN:
                row.first_at = now
            row.standing, row.decided_by, row.decided_at = Standing.OPEN.value, None, None
        for name, value in figures.items():
            setattr(row, name, value)
        row.last_at = now
    session.flush()


def _agree(session: Session, run: Run, until: dt.datetime, there: set[tuple[Moved, str, Differs]]) -> None:
    """Let differences of a stretch agree that are not there any more."""
    rows = session.scalars(
        select(DifferenceRow).where(
            DifferenceRow.tenant_id == OPERATOR,
            DifferenceRow.account == run.account,
            DifferenceRow.moved.not_in(_APART),
            DifferenceRow.standing != Standing.AGREES.value,
            DifferenceRow.happened_at >= run.cursor,
            DifferenceRow.happened_at < until,
        )
    )
    for row in rows:
        if (row.moved, row.remote_id, row.differs) not in there and row.standing != Standing.SETTLED:
            row.standing = Standing.AGREES.value


def _going(session: Session, account: str) -> ReconciliationRow | None:
    return session.scalar(
        select(ReconciliationRow)
        .where(
            ReconciliationRow.tenant_id == OPERATOR,
            ReconciliationRow.account == account,
            ReconciliationRow.ended_at.is_(None),
        )
        .execution_options(populate_existing=True)
    )


def _row(session: Session, difference_id: UUID, *, lock: bool = False) -> DifferenceRow:
    row = session.get(
        DifferenceRow, (OPERATOR, difference_id), with_for_update=lock or None, populate_existing=True
    )
    if row is None:
        raise DifferenceNotFoundError
    return row


def _run(row: ReconciliationRow) -> Run:
    return Run(
        run_id=row.id,
        account=row.account,
        start=row.start_at,
        end=row.end_at,
        cursor=row.cursor_at,
        looked=row.looked,
        found=row.found,
        started_at=row.started_at,
        started_by=row.started_by,
        ended_at=row.ended_at,
        balances=_BALANCES.validate_python(row.balances),
    )


def _difference(row: DifferenceRow) -> Difference:
    return Difference(
        difference_id=row.id,
        account=row.account,
        found=Found(
            moved=Moved(row.moved),
            remote_id=row.remote_id,
            differs=Differs(row.differs),
            at=row.happened_at,
            tenant_id=TenantId(row.for_tenant) if row.for_tenant else None,
            payment_id=PaymentId(row.payment_id) if row.payment_id else None,
            ours_minor=row.ours_minor,
            ours=row.ours,
            theirs_minor=row.theirs_minor,
            theirs=row.theirs,
            currency=row.currency,
            effects=row.effects,
        ),
        standing=Standing(row.standing),
        owner=row.owner,
        reason=row.reason,
        first_at=row.first_at,
        last_at=row.last_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
