"""Every event of an invoice as CSV (RFC 4180): exact amounts, masked numbers, safe in a spreadsheet.

Amounts have nine decimals, so that the sum of a line's events rounds to the line. Numbers stand without
their last four digits, because that is all billing knows of them; who knows more may say it (`Numbers`):
the company's own file then has a column with the other party's number in full. A cell that a spreadsheet
would take for a formula begins with an apostrophe. What is rented has its part of a month, day or hour in
`units`.
"""

import csv
import datetime as dt
import io
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from uuid import UUID

from billing.documents.document import BilledEvent
from billing.rating.rentals import METERS
from core.money import NANO
from core.phone import is_short_code

COLUMNS = (
    *("line", "event_id", "source", "meter", "destination", "dialled", "started_at", "ended_at"),
    *("duration_s", "billed_s", "price_list", "version", "rated_prefix", "amount", "currency"),
    *("units", "unit"),
)
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
HIDDEN = "****"
IN_FULL = "other_party"
_ASKED_AT_ONCE = 500

Numbers = Callable[[Collection[UUID]], Mapping[UUID, str]]
"""The other party's number of each call, for some hundreds of calls; those not known are left out."""


def render_csv(events: Iterable[BilledEvent], *, zone: str, numbers: Numbers | None = None) -> Iterator[str]:
    """Yield the CSV line by line, head first; times in the account's zone with their offset.

    Args:
        events: by line and time.
        zone: of the account.
        numbers: adds a column `other_party` with what it knows; for the company itself alone.
    """
    local = zoneinfo.ZoneInfo(zone)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow((*COLUMNS, IN_FULL) if numbers else COLUMNS)
    for event, number in _with_numbers(events, numbers):
        yield _drain(buffer)
        writer.writerow(
            (
                event.line_no,
                harmless(event.event_id),
                harmless(event.source),
                harmless(event.meter),
                harmless(event.destination),
                "" if event.meter in METERS else masked(event.dialled_prefix),
                _instant(event.occurred_at, local),
                _instant(event.ended_at, local),
                f"{event.quantity_ms // 1000}.{event.quantity_ms % 1000:03d}",
                event.billed_seconds,
                harmless(event.price_list),
                event.version,
                event.rated_prefix,
                exact(event.amount_nano),
                event.currency,
                "" if event.units_nano is None else exact(event.units_nano),
                METERS[event.meter].value if event.meter in METERS else "",
                *([number] if numbers else []),
            )
        )
    yield _drain(buffer)


def _with_numbers(
    events: Iterable[BilledEvent], numbers: Numbers | None
) -> Iterator[tuple[BilledEvent, str]]:
    """Yield events, each with its number in full where that is wanted and known."""
    if numbers is None:
        yield from ((event, "") for event in events)
        return
    left = iter(events)
    while piece := list(islice(left, _ASKED_AT_ONCE)):
        known = numbers({event.subject_ref for event in piece if event.meter not in METERS})
        for event in piece:
            yield event, known.get(event.subject_ref, "")


def exact(amount_nano: int) -> str:
    """Return an amount with all nine decimals: 102708333 -> `0.102708333`."""
    sign = "-" if amount_nano < 0 else ""
    whole, part = divmod(abs(amount_nano), NANO)
    return f"{sign}{whole}.{part:09d}"


def harmless(cell: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) else cell


def masked(prefix: str) -> str:
    """Return a number as it may be shown: signs in the place of what billing does not know of it."""
    return prefix if is_short_code(prefix) else f"{prefix}{HIDDEN}"


def _instant(at: dt.datetime, local: zoneinfo.ZoneInfo) -> str:
    return at.astimezone(local).isoformat(timespec="milliseconds")


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
