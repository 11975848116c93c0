"""Rating a stretch again: looked at piece by piece, approved, then applied piece by piece.

A run is the operator's. It keeps for each piece of at most 50,000 events where it begins and ends and the
digest of its changes, so that what is applied is what was looked at and nothing else. Above the limit of
credit notes whoever asked for it does not approve it. All functions run in the operator's context.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import safety
from billing.errors import RatingChangedError, RerunNotFoundError, SecondPersonError
from billing.events import RerunApproved, RerunAsked
from billing.models import RerunRow
from billing.rerating import Difference, Part, Place
from billing.safety import Safety
from core import clock
from core.events import announce
from core.ids import OPERATOR, TenantId, new_id
from core.money import NANO
from security import evidence

PIECE = 50_000
"""Events of one piece."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some events of one company, and what was to change of them."""

    number: int
    company_id: TenantId
    tariff_id: UUID | None
    part: Part
    changes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Moved:
    """What moves in one company by one meter and rated prefix; amounts in nano-units.

    Attributes:
        up_nano: what open bills rise by.
        down_nano: what they fall by, as a positive amount.
        billed_nano: what finalised invoices lack (negative: have too much); never changed by this.
    """

    company_id: UUID
    currency: str
    meter: str
    prefix: str
    events: int
    up_nano: int
    down_nano: int
    billed_nano: int


@dataclass(frozen=True, slots=True)
class Total:
    """What a run moves in one currency, as `Moved` has it; nano-units."""

    currency: str
    up_nano: int
    down_nano: int
    billed_nano: int


@dataclass(frozen=True, slots=True)
class Rerun:
    """One run.

    Attributes:
        company_id: None: every company.
        price_list: with `version` by which all is rated; empty: each event by its own tariff.
        state: `looking`, `looked`, `applying`, `done` or `gone`.
        looked: events looked at.
        changes: those that would cost something else and may change.
        applied: those that have been changed; `stale`: pieces that had changed meanwhile and were left.
        cursor: the company that is being looked at, and where in it.
    """

    rerun_id: UUID
    company_id: TenantId | None
    start: dt.datetime
    end: dt.datetime
    price_list: str
    version: int | None
    state: str
    asked_by: UUID
    asked_at: dt.datetime
    approved_by: UUID | None
    apply_id: UUID
    looked: int
    changes: int
    applied: int
    stale: int
    cursor: Mapping[str, Any]
    pieces: tuple[Piece, ...]
    moves: tuple[Moved, ...]

    def needs_second(self, safety: Safety) -> bool:
        """Return whether somebody else has to approve it, by what holds for everybody."""
        moved: dict[str, int] = {}
        for one in self.moves:
            moved[one.currency] = moved.get(one.currency, 0) + one.up_nano + one.down_nano
        return any(nano > safety.limit(self.asked_by) * NANO for nano in moved.values())

    def totals(self) -> tuple[Total, ...]:
        """Return what rises, what falls and what finalised invoices lack, by currency."""
        sums: dict[str, list[int]] = {}
        for one in self.moves:
            of = sums.setdefault(one.currency, [0, 0, 0])
            of[0] += one.up_nano
            of[1] += one.down_nano
            of[2] += one.billed_nano
        return tuple(Total(currency, *amounts) for currency, amounts in sorted(sums.items()))

    def after(self, company_id: UUID) -> Place | None:
        """Return where looking goes on in a company; None at its beginning."""
        if self.cursor.get("company") != str(company_id) or not self.cursor.get("after"):
            return None
        at, usage_id = self.cursor["after"]
        return dt.datetime.fromisoformat(at), UUID(usage_id)


def ask(
    session: Session,
    *,
    start: dt.datetime,
    end: dt.datetime,
    by: UUID,
    company_id: TenantId | None = None,
    price_list: str = "",
    version: int | None = None,
) -> UUID:
    """Have a stretch looked at; nothing changes before somebody approves. Return the run's id."""
    rerun_id = new_id()
    session.add(
        RerunRow(
            tenant_id=OPERATOR,
            id=rerun_id,
            company_id=company_id,
            start_at=start,
            end_at=end,
            price_list=price_list,
            version=version,
            state="looking",
            asked_by=by,
            asked_at=clock.now(),
            apply_id=new_id(),
            looked=0,
            changes=0,
            cursor={},
            pieces=[],
            moves={},
            settled={},
        )
    )
    session.flush()
    announce(session, RerunAsked(tenant_id=OPERATOR, rerun_id=rerun_id))
    return rerun_id


def find(session: Session, *, rerun_id: UUID) -> Rerun:
    """Return a run.

    Raises:
        RerunNotFoundError: there is none of that id.
    """
    return _rerun(_row(session, rerun_id))


def newest(session: Session, *, limit: int = 20) -> Sequence[Rerun]:
    """Return the latest runs."""
    rows = session.scalars(
        select(RerunRow)
        .where(RerunRow.tenant_id == OPERATOR)
        .order_by(RerunRow.id.desc())
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return [_rerun(row) for row in rows]


def note(
    session: Session,
    *,
    rerun_id: UUID,
    company_id: TenantId,
    tariff_id: UUID | None,
    after: Place | None,
    found: Difference,
) -> bool:
    """Write down a piece that was looked at; False when the run was given up or another worker was there."""
    row = _row(session, rerun_id, is_locked=True)
    if row.state != "looking" or _rerun(row).after(company_id) != after:
        return False
    if found.changes and found.last is not None:
        piece = {
            "company": str(company_id),
            "tariff": str(tariff_id) if tariff_id else None,
            "after": _text(after),
            "until": _text(found.last),
            "changes": len(found.changes),
            "sha256": found.sha256.hex(),
        }
        row.pieces = [*row.pieces, piece]
    moves = dict(row.moves)
    for changes, is_billed in ((found.changes, False), (found.billed, True)):
        for one in changes:
            key = f"{company_id} {one.currency} {one.meter} {one.prefix}"
            events, up, down, billed = moves.get(key, (0, 0, 0, 0))
            more = (one.after_nano or 0) - (one.before_nano or 0)
            if is_billed:
                billed += more
            else:
                up, down = up + max(more, 0), down + max(-more, 0)
            moves[key] = [events + 1, up, down, billed]
    row.moves = moves
    row.cursor = {"company": str(company_id), "after": _text(found.last or after)}
    row.looked += found.looked
    row.changes += len(found.changes)
    session.flush()
    return True


def looked(session: Session, *, rerun_id: UUID) -> None:
    """Say that everything has been looked at."""
    row = _row(session, rerun_id, is_locked=True)
    if row.state == "looking":
        row.state = "looked"
        session.flush()


def give_up(session: Session, *, rerun_id: UUID) -> bool:
    """Give up a run that nobody has approved; return whether it was one."""
    row = _row(session, rerun_id, is_locked=True)
    if row.state not in {"looking", "looked"}:
        return False
    row.state = "gone"
    session.flush()
    return True


def approve(session: Session, *, rerun_id: UUID, by: UUID) -> Rerun:
    """Have what was looked at applied; a second time changes nothing.

    Raises:
        RatingChangedError: it is still being looked at, or was given up.
        SecondPersonError: it moves more than one person may decide about.
    """
    row = _row(session, rerun_id, is_locked=True)
    if row.state in {"applying", "done"}:
        return _rerun(row)
    if row.state != "looked":
        raise RatingChangedError
    found = _rerun(row)
    if found.needs_second(safety.usual(session)) and row.asked_by == by:
        raise SecondPersonError
    row.approved_by, row.approved_at = by, clock.now()
    row.state = "applying" if found.pieces else "done"
    session.flush()
    for piece in found.pieces:
        announce(session, RerunApproved(tenant_id=piece.company_id, rerun_id=rerun_id, number=piece.number))
    evidence.record(session, "usage.rerun-approved", "rrt", rerun_id, events=found.changes)
    return _rerun(row)


def settle(session: Session, *, rerun_id: UUID, number: int, is_stale: bool) -> Rerun:
    """Write down that a piece was applied, or left because it had changed; the last one ends the run."""
    row = _row(session, rerun_id, is_locked=True)
    row.settled = {**row.settled, str(number): 0 if is_stale else row.pieces[number]["changes"]}
    if len(row.settled) == len(row.pieces):
        row.state = "done"
    session.flush()
    return _rerun(row)


def _row(session: Session, rerun_id: UUID, *, is_locked: bool = False) -> RerunRow:
    row = session.get(
        RerunRow, (OPERATOR, rerun_id), with_for_update=True if is_locked else None, populate_existing=True
    )
    if row is None:
        raise RerunNotFoundError
    return row


def _text(place: Place | None) -> list[str] | None:
    return None if place is None else [place[0].isoformat(), str(place[1])]


def _place(text: Sequence[str] | None) -> Place | None:
    return None if text is None else (dt.datetime.fromisoformat(text[0]), UUID(text[1]))


def _rerun(row: RerunRow) -> Rerun:
    pieces = tuple(
        Piece(
            number,
            TenantId(UUID(one["company"])),
            UUID(one["tariff"]) if one["tariff"] else None,
            Part(after=_place(one["after"]), until=_place(one["until"])),
            one["changes"],
            bytes.fromhex(one["sha256"]),
        )
        for number, one in enumerate(row.pieces)
    )
    moves = []
    for key, (events, up, down, billed) in row.moves.items():
        company, currency, meter, prefix = key.split(" ")
        moves.append(Moved(UUID(company), currency, meter, prefix, events, up, down, billed))
    return Rerun(
        row.id,
        TenantId(row.company_id) if row.company_id else None,
        row.start_at,
        row.end_at,
        row.price_list,
        row.version,
        row.state,
        row.asked_by,
        row.asked_at,
        row.approved_by,
        row.apply_id,
        row.looked,
        row.changes,
        sum(row.settled.values()),
        sum(not changes for changes in row.settled.values()),
        row.cursor,
        pieces,
        tuple(sorted(moves, key=lambda one: (-(one.up_nano + one.down_nano), one.meter, one.prefix))),
    )
