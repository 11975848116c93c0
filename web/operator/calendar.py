"""The stock over time: who holds which seat when, how many are free each hour, and what was before."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids
from core.ids import OPERATOR, NumberId, SeatId
from core.phone import international
from seats import inventory, renting
from seats.stock import Rental, Seat
from telephony import number_rentals, numbers, rights
from telephony.numbers import StockNumber
from telephony.rights import Right
from tenants import companies
from web import identity, parts, scope, tables
from web.guards import permission
from web.operator import papers, rounds
from web.operator.views import pages
from web.shown import rights as shown_rights
from web.shown import wording

_DAYS = 14
_PLOTTED = 7
_DAY = dt.timedelta(days=1)
_HOURS = range(24)
_SCARCE = 10  # percent of all seats


@dataclass(frozen=True, slots=True)
class FreeDay:
    """How many seats are free in each hour of a local day."""

    on: dt.date
    hours: Sequence[int]


@dataclass(frozen=True, slots=True)
class SeatDays:
    """One seat of the calendar: a drawing of who holds it when, and the same in words."""

    id: str
    label: str
    now: str
    words: str
    track: Markup


@dataclass(frozen=True, slots=True)
class Held:
    """One rental of a seat's or a number's past."""

    name: str
    href: str
    kind: str
    from_at: dt.datetime
    to_at: dt.datetime | None


SEATS: tables.Table[SeatDays] = tables.Table(
    "seat-calendar",
    (
        tables.Column("seat", _l("Seat"), lambda row: row.label, sorts=True),
        tables.Column("days", _l("Fourteen days"), lambda row: row.words),
        tables.Column("now", _l("Now"), lambda row: row.now, sorts=True, cls="hide-s"),
    ),
    filters=(
        tables.Search("q", _l("Find a seat"), _l("Label or company")),
        tables.Day("from", _l("From")),
    ),
    order="seat",
)


@pages.get("/stock/calendar")
@permission("stock.read")
def seat_calendar() -> str | BaseResponse:
    """Show who holds which seat for fourteen days, and the free seats of each hour of the first seven."""
    zone = zoneinfo.ZoneInfo(companies.read(scope.session(), tenant_id=OPERATOR).zone)
    now = clock.now()
    first = tables.day_of(request.args.get("from", "")) or now.astimezone(zone).date()
    days = [first + n * _DAY for n in range(_DAYS)]
    start, end = (dt.datetime.combine(one, dt.time(), tzinfo=zone) for one in (days[0], days[-1] + _DAY))
    found = inventory.calendar(scope.session(), start=start, end=end)
    names = {one.tenant_id: one.name for one in rounds.clients()}

    def fetch(asked: tables.Asked) -> tables.Slice[SeatDays]:
        rows = [_row(seat, held, names, start, end, now) for seat, held in found]
        return tables.of_list(SEATS, asked, rows, text=lambda row: f"{row.label} {row.words} {row.now}")

    return tables.show(
        SEATS,
        "operator/stock_calendar.html",
        fetch,
        days=days,
        plot=_free(days[:_PLOTTED], zone),
        hours=_HOURS,
        seats_all=len(found),
        few=max(1, len(found) * _SCARCE // 100),
        zone=str(zone),
        legend=_legend(found, names),
    )


@pages.get("/stock/seats/<seat_id>")
@permission("stock.read")
def seat_history(seat_id: str) -> str:
    """Show everybody who rents or rented a seat."""
    seat, held = inventory.history(scope.session(), seat_id=SeatId(ids.parse("seat", seat_id)))
    names = {one.tenant_id: one.name for one in rounds.clients()}
    return render_template(
        "operator/stock_history.html",
        title=gettext("Seat %(label)s", label=seat.label),
        kind="",
        rests_until=None,
        rests_for="",
        held=[
            Held(
                names.get(one.renter_tenant_id, ""),
                f"/operator/companies/{ids.public('ten', one.renter_tenant_id)}",
                wording.rental_kind(one.kind.value),
                one.starts_at,
                one.ends_at,
            )
            for one in held
        ],
        now=clock.now(),
    )


@pages.get("/stock/numbers/<number_id>")
@permission("stock.read")
def number_history(number_id: str) -> str:
    """Show everybody who rents or rented a number, and until when it rests for others."""
    wanted, now = NumberId(ids.parse("num", number_id)), clock.now()
    one = numbers.of_stock(scope.session(), number_id=wanted)
    held = number_rentals.history(scope.session(), number_id=wanted)
    names = {client.tenant_id: client.name for client in rounds.clients()}
    rests = one.quarantined_until is not None and one.quarantined_until > now
    return render_template(
        "operator/stock_history.html",
        title=international(one.digits),
        kind=wording.number_kind(one.kind),
        rests_until=one.quarantined_until if rests else None,
        rests_for=names.get(held[0].renter_tenant_id, "") if rests and held else "",
        held=[
            Held(
                names.get(rental.renter_tenant_id, ""),
                f"/operator/companies/{ids.public('ten', rental.renter_tenant_id)}",
                "",
                rental.starts_at,
                rental.ends_at,
            )
            for rental in held
        ],
        now=now,
        **_papers(one),
    )


def _papers(one: StockNumber) -> dict[str, Any]:
    """Return what the page says of a number's papers, and what its form begins with."""
    every = rights.history(scope.session(), number_id=one.number_id)
    names = {client.tenant_id: client.name for client in rounds.clients()}

    def shown(each: Right) -> shown_rights.RightShown:
        return shown_rights.right(each, holder=names.get(each.holder_tenant_id or OPERATOR, ""))

    newest = every[0] if every else None
    renter = one.renter_tenant_id
    return {
        "number_id": ids.public("num", one.number_id),
        "papers": [shown(each) for each in every],
        "given": newest,
        "version": newest.version if newest else 0,
        "today": papers.today(),
        "holders": [(each.value, word) for each, word in shown_rights.HOLDERS.items()],
        "paper_kinds": [(each.value, word) for each, word in shown_rights.PAPERS.items()],
        "attestations": [(each.value, word) for each, word in shown_rights.ATTESTATIONS.items()],
        "companies": [
            (ids.public("ten", each), name) for each, name in names.items() if renter in {None, each}
        ],
        "may_write": "stock.write" in identity.current().permissions,
    }


def _free(days: Sequence[dt.date], zone: dt.tzinfo) -> list[FreeDay]:
    hours = [
        dt.datetime.combine(day, dt.time(hour), tzinfo=zone).astimezone(dt.UTC)
        for day in days
        for hour in _HOURS
    ]
    free = renting.free_by_hour(scope.session(), hours=hours)
    width = len(_HOURS)
    return [FreeDay(day, free[at * width : (at + 1) * width]) for at, day in enumerate(days)]


def _row(
    seat: Seat,
    held: Sequence[Rental],
    names: Mapping[ids.TenantId, str],
    start: dt.datetime,
    end: dt.datetime,
    now: dt.datetime,
) -> SeatDays:
    words, pieces, here = [], [], ""
    length = (end - start).total_seconds()
    for one in held:
        name = names.get(one.renter_tenant_id, "")
        until = parts.minute(one.ends_at) if one.ends_at else gettext("open end")
        words.append(f"{name} {parts.minute(one.starts_at)} – {until}")
        if one.starts_at <= now and (one.ends_at is None or one.ends_at > now):
            here = name
        begins = max(0.0, (one.starts_at - start).total_seconds() / length)
        ends = min(1.0, (one.ends_at - start).total_seconds() / length) if one.ends_at else 1.0
        pieces.append((100 * begins, 100 * (ends - begins), name))
    at = 100 * (now - start).total_seconds() / length
    said = "; ".join(words) or gettext("free")
    track = parts.track(pieces, steps=_DAYS, mark=at if 0 <= at <= 100 else None, label=said)  # noqa: PLR2004 - percent
    return SeatDays(ids.public("seat", seat.id), seat.label, here, said, track)


def _legend(found: Sequence[tuple[Seat, Sequence[Rental]]], names: Mapping[ids.TenantId, str]) -> list[str]:
    """Return the companies of the calendar by name."""
    return sorted({names.get(one.renter_tenant_id, "") for _seat, held in found for one in held} - {""})
