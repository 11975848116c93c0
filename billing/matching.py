"""Comparing an invoice with what its company counted itself: which calls differ, and how.

The classes are the trade's (missing, extra, duration, price; two seconds either way are one call told by
two clocks). Rows find each other by our event id where the file has it, else by the number without its last
four digits and the nearest beginning within the tolerance. Pure: no database, and of their rows nothing is
kept but differences.
"""

import csv
import datetime as dt
import zoneinfo
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.documents.document import BilledEvent
from billing.errors import ClaimsInvalidError
from billing.rating.rentals import METERS
from billing.rating.tariff import HIDDEN_DIGITS
from core.money import NANO, typed

TOLERANCE_MS = 2000
MOST_ROWS = 200_000
COLUMNS = ("started_at", "number", "duration_s", "amount", "event_id")
_NEEDED = {"started_at", "duration_s"}
_MILLISECOND = dt.timedelta(milliseconds=1)
_LONGEST_S = 10**7
# what a company that rounded to the cent itself may be off by: half of the smallest cent there is
_HALF_CENT = NANO // 200


class Kind(StrEnum):
    """How a call differs."""

    MISSING = "missing"  # they counted it, the invoice has it not
    EXTRA = "extra"  # the invoice has it, they did not count it
    DURATION = "duration"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Claim:
    """A call as the company counted it; `digits` of its number, nano-units before tax."""

    started_at: dt.datetime
    duration_ms: int
    digits: str = ""
    event_id: str = ""
    amount_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One call that differs; what is ours is None where the invoice has it not, and the other way round."""

    kind: Kind
    started_at: dt.datetime
    line_no: int | None = None
    event_id: str = ""
    ours_ms: int | None = None
    theirs_ms: int | None = None
    ours_nano: int | None = None
    theirs_nano: int | None = None

    @property
    def in_question_nano(self) -> int:
        """What the invoice asks for beyond what they counted; nothing for a call that it has not."""
        if self.kind is Kind.MISSING or self.ours_nano is None:
            return 0
        if self.kind is Kind.EXTRA:
            return self.ours_nano
        theirs = self.theirs_nano
        if theirs is None:  # they told no price: by the time
            theirs = self.ours_nano * min(self.theirs_ms or 0, self.ours_ms or 0) // max(1, self.ours_ms or 0)
        return max(0, self.ours_nano - theirs)


def read(text: Iterable[str], *, zone: str) -> list[Claim]:
    """Return the calls of a CSV with a head: `started_at` and `duration_s`, and any of the other `COLUMNS`.

    The CSV of an invoice reads as well (`dialled` counts as `number`). Instants without an offset are local.

    Raises:
        ClaimsInvalidError: a column is missing, or a row cannot be; `row` names it, 1 below the head.
    """
    rows = csv.DictReader(text)
    names = {name.strip().casefold(): name for name in rows.fieldnames or () if name}
    if not set(names) >= _NEEDED:
        raise ClaimsInvalidError(missing=sorted(_NEEDED - set(names)))
    local = zoneinfo.ZoneInfo(zone)
    found = []
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS:
            raise ClaimsInvalidError(row=number)

        def cell(name: str, row: dict[str, str | None] = row) -> str:
            return (row.get(names.get(name, "")) or "").strip().removeprefix("'")

        try:
            found.append(_claim(cell, local))
        except (ValueError, OverflowError) as error:
            raise ClaimsInvalidError(row=number) from error
    return found


def compare(ours: Iterable[BilledEvent], theirs: Iterable[Claim]) -> list[Difference]:
    """Return how an invoice's calls differ from those a company counted, by their beginning.

    Args:
        ours: events of the invoice; what was rented is left out.
        theirs: the company's, in any order; each matches one event at most.
    """
    calls = [event for event in ours if event.meter not in METERS]
    by_id = {event.event_id: event for event in calls}
    pairs: list[tuple[BilledEvent, Claim]] = []
    unnamed: list[Claim] = []
    for claim in theirs:
        event = by_id.pop(claim.event_id, None) if claim.event_id else None
        if event is None:
            unnamed.append(claim)
        else:
            pairs.append((event, claim))
    left = _ByNumber(by_id.values())
    missing = []
    for claim in sorted(unnamed, key=lambda one: one.started_at):
        event = left.take(claim)
        if event is None:
            missing.append(claim)
        else:
            pairs.append((event, claim))
    differences = [
        *(one for event, claim in pairs if (one := _difference(event, claim))),
        *(
            Difference(Kind.MISSING, one.started_at, theirs_ms=one.duration_ms, theirs_nano=one.amount_nano)
            for one in missing
        ),
        *(
            Difference(
                Kind.EXTRA,
                event.occurred_at,
                event.line_no,
                event.event_id,
                ours_ms=event.quantity_ms,
                ours_nano=event.amount_nano,
            )
            for event in left.rest()
        ),
    ]
    return sorted(differences, key=lambda one: (one.started_at, one.event_id))


class _ByNumber:
    """Events that wait for a claim, by their number and then by their beginning."""

    def __init__(self, events: Iterable[BilledEvent]) -> None:
        self._waiting: dict[str, list[BilledEvent]] = {}
        self._all: list[BilledEvent] = sorted(events, key=lambda one: (one.occurred_at, one.event_id))
        for event in self._all:
            self._waiting.setdefault(event.dialled_prefix, []).append(event)
        self._taken: set[str] = set()

    def take(self, claim: Claim) -> BilledEvent | None:
        """Return the free event nearest to a claim within the tolerance, and take it."""
        numbers = _readings(claim.digits) if claim.digits else self._waiting
        near = [event for number in numbers for event in self._near(number, claim.started_at)]
        if not near:
            return None
        found = min(near, key=lambda one: (abs(one.occurred_at - claim.started_at), one.event_id))
        self._taken.add(found.event_id)
        return found

    def rest(self) -> Iterator[BilledEvent]:
        """Yield what nobody has claimed."""
        return (event for event in self._all if event.event_id not in self._taken)

    def _near(self, number: str, at: dt.datetime) -> Iterator[BilledEvent]:
        events = self._waiting.get(number, [])
        reach = TOLERANCE_MS * _MILLISECOND
        for event in events[bisect_left(events, at - reach, key=lambda one: one.occurred_at) :]:
            if event.occurred_at > at + reach:
                return
            if event.event_id not in self._taken:
                yield event


def _difference(event: BilledEvent, claim: Claim) -> Difference | None:
    theirs = claim.amount_nano
    if abs(event.quantity_ms - claim.duration_ms) > TOLERANCE_MS:
        kind = Kind.DURATION
    elif theirs is not None and abs(event.amount_nano - theirs) > _HALF_CENT:
        kind = Kind.PRICE
    else:
        return None
    return Difference(
        kind,
        event.occurred_at,
        event.line_no,
        event.event_id,
        event.quantity_ms,
        claim.duration_ms,
        event.amount_nano,
        theirs,
    )


def _readings(digits: str) -> tuple[str, ...]:
    """Return what billing may know of a number: without four digits; whole when short, or masked already."""
    return (digits[:-HIDDEN_DIGITS], digits)


def _number(text: str) -> Decimal:
    number = typed(text)
    if number is None:
        raise ValueError(text)
    return number


def _claim(cell: Callable[[str], str], local: zoneinfo.ZoneInfo) -> Claim:
    at = dt.datetime.fromisoformat(cell("started_at"))
    at = at if at.tzinfo else at.replace(tzinfo=local)
    seconds = _number(cell("duration_s"))
    if not 0 <= seconds <= _LONGEST_S:
        raise ValueError(seconds)
    amount = _number(cell("amount")) if cell("amount") else None
    if amount is not None and abs(amount) > NANO:
        raise ValueError(amount)
    digits = "".join(filter(str.isdigit, cell("number") or cell("dialled")))
    return Claim(
        at.astimezone(dt.UTC),
        int(seconds * 1000),
        digits,
        cell("event_id"),
        None if amount is None else int(amount * NANO),
    )
