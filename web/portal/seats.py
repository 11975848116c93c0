"""Seats: what the company rents, renting more by the month, the day or the hour, and giving back."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from billing import accounts, credit, rentals
from billing.accounts import PPM
from billing.errors import BillingAccountNotFoundError
from billing.rentals import Quote
from core import clock, ids
from core.errors import SeatlineError
from core.ids import new_id
from core.money import NANO, Money, exponent, nano_to_minor, round_half_up
from seats import leases
from seats.errors import NotEnoughSeatsError, RentalLimitError, RentalNotFoundError
from seats.leases import Lease
from seats.stock import UNDO, RentalKind
from web import identity, refusals, renting, said, scope, tables, words
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.renting import MOST_AT_ONCE, Offer, RentalSpanError, Wish
from web.shown import bills, floors, wallets, wording

_HERE = "/portal/seats"
_OPENS, _SHUTS = 8, 22  # hours of the day the calendar shows
_LATE = dt.time(17)  # from then on the form begins with tomorrow
_BUSINESS = frozenset({"refused", "conflict", "invalid", "not-found"})
_WEEK = 7


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One rented seat; see templates/portal/seats.html."""

    id: str
    label: str
    kind: str
    from_at: dt.datetime
    to_at: dt.datetime | None
    is_now: bool


@dataclass(frozen=True, slots=True)
class KindRow:
    """One way to rent, with its price for one seat (None: it has none)."""

    code: str
    name: str
    unit: str
    unit_nano: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class Price:
    """What a wish costs; see templates/portal/rent.html."""

    count: int
    unit: str
    unit_nano: int
    currency: str
    units: float
    net: Money
    tax: Money
    tax_percent: str
    total: Money
    price_list: str
    version: int
    bill_now: Money | None
    bill_then: Money | None


@dataclass(frozen=True, slots=True)
class FreeDay:
    """One day of the calendar: how many seats are free in each hour, and whether the wish takes it."""

    on: dt.date
    hours: tuple[tuple[int, bool], ...]


@pages.get("/seats")
@permission("seats.read")
def seats() -> str:
    """Show what the company rents: seats by state, now and to come."""
    who, session, now = identity.current(), scope.session(), clock.now()
    floor = floors.now(session, tenant_id=who.tenant_id, realtime=scope.services().realtime)
    held = leases.held(session, tenant_id=who.tenant_id, start=now)
    ended = leases.held(session, tenant_id=who.tenant_id, start=now - UNDO, end=now)
    return render_template(
        "portal/seats.html",
        seat_use=floor.seat_use,
        is_fresh=floor.is_fresh,
        seats_list=[_row(one, now) for one in held],
        released=[_row(one, now) for one in ended if one.ends_at is not None and one.ends_at <= now],
        may_rent="seats.rent" in who.permissions,
    )


@pages.get("/seats/rent")
@permission("seats.rent")
def rent_form() -> str:
    """Show what seats would cost and how many are free, before anything is rented."""
    return _form(request.args)


@pages.post("/seats/rent")
@permission("seats.rent")
def rent_seats() -> Response | tuple[str, int]:
    """Rent what was shown; the same form sent twice rents once."""
    form = request.form
    try:
        wish = _wish(form)
        made = renting.rent_seats(
            scope.session(),
            wish,
            request_key=_key(form.get("request_key", "")),
            shown_unit_nano=form.get("unit_nano", type=int),
        )
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        scope.rollback()
        refusals.note(error, error.code)
        return _form(form, error=_said(error)), 409 if error.kind == "conflict" else 422
    labels = ", ".join(one.seat.label for one in made)
    said.done(
        ngettext(
            "%(num)s seat is yours: %(labels)s.",
            "%(num)s seats are yours: %(labels)s.",
            len(made),
            labels=labels,
        )
    )
    return redirect(_HERE, 303)


@pages.post("/seats/<lease_id>/release")
@permission("seats.rent")
def release_seat(lease_id: str) -> Response:
    """Give one seat back now."""
    rental_id = _parse(lease_id)
    try:
        gone = renting.release_seat(scope.session(), rental_id)
    except SeatlineError as error:
        return _refused(error)
    said.done(
        gettext("Seat %(label)s is given back.", label=gone.seat.label), undo=f"{_HERE}/{lease_id}/restore"
    )
    return redirect(_HERE, 303)


@pages.post("/seats/<lease_id>/restore")
@permission("seats.rent")
def restore_seat(lease_id: str) -> Response:
    """Take a release back."""
    try:
        back = renting.restore_seat(scope.session(), _parse(lease_id))
    except SeatlineError as error:
        return _refused(error)
    said.done(gettext("Seat %(label)s is yours again.", label=back.seat.label))
    return redirect(_HERE, 303)


def _form(given: Mapping[str, str], *, error: str = "") -> str:
    who, session, now = identity.current(), scope.session(), clock.now()
    zone = who.company.zone
    local = now.astimezone(zoneinfo.ZoneInfo(zone))
    today = local.date()
    # what an address leaves out is what the form shows at first: the next afternoon
    first = today if local.time() < _LATE else today + dt.timedelta(days=1)
    given = {"day": first.isoformat(), "from": "13:00", "until": "18:00", **given}
    offer: Offer | None = None
    trouble = error
    try:
        wish = _wish(given)
        offer = renting.look(session, wish)
    except RentalSpanError as fault:
        trouble = trouble or _said(fault)
    except BillingAccountNotFoundError:
        trouble = gettext("Your company has no billing account yet; the operator opens it.")
    kind = given.get("kind", RentalKind.MONTH.value)
    day = tables.day_of(given.get("day", "")) or today
    return render_template(
        "portal/rent.html",
        kinds=_kinds(now),
        kind=kind,
        count=_count(given),
        day=day.isoformat(),
        begins=given["from"],
        ends=given["until"],
        today=today.isoformat(),
        latest=(today + renting.FURTHEST).isoformat(),
        most=MOST_AT_ONCE,
        zone=zone,
        wish=offer.wish if offer else None,
        price=_price(offer.quote, who.company.currency) if offer and offer.quote else None,
        is_priced=offer is None or offer.quote is not None,
        availability=offer.availability if offer else None,
        instead=offer.instead.astimezone(zoneinfo.ZoneInfo(zone)) if offer and offer.instead else None,
        request_key=given.get("request_key") or str(new_id()),
        week=_week(day, zone, offer.wish if offer else None),
        hours=range(_OPENS, _SHUTS),
        error=trouble,
        is_on_hold=credit.held(session, tenant_id=who.tenant_id) is not None,
    )


def _wish(given: Mapping[str, str]) -> Wish:
    try:
        kind = RentalKind(given.get("kind", RentalKind.MONTH.value))
    except ValueError as error:
        raise RentalSpanError from error
    zone = identity.current().company.zone
    day = tables.day_of(given.get("day", ""))
    if day is not None and day > clock.now().date() + renting.FURTHEST:
        raise RentalSpanError
    starts_at, ends_at = renting.span(
        kind, day=day, begins=_time(given.get("from", "")), ends=_time(given.get("until", "")), zone=zone
    )
    return Wish(kind, _count(given), starts_at, ends_at)


def _count(given: Mapping[str, str]) -> int:
    return min(max(whole(given.get("count", ""), longest=4) or 1, 1), MOST_AT_ONCE)


def _time(text: str) -> dt.time | None:
    try:
        found = dt.time.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is None else None


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return new_id()


def _kinds(now: dt.datetime) -> list[KindRow]:
    session, tenant_id = scope.session(), identity.current().tenant_id
    rows = []
    for kind in RentalKind:
        try:
            quote = rentals.quote(
                session, tenant_id=tenant_id, meter=f"seat.{kind.value}", starts_at=now, ends_at=now + UNDO
            )
        except BillingAccountNotFoundError:
            quote = None
        rows.append(
            KindRow(
                kind.value,
                wording.rental_kind(kind.value),
                wording.unit_price(kind.value),
                quote.unit_nano if quote else None,
                quote.currency if quote else "",
            )
        )
    return rows


def _price(quote: Quote, currency: str) -> Price:
    session, tenant_id = scope.session(), identity.current().tenant_id
    account = accounts.find(session, tenant_id=tenant_id)
    net = nano_to_minor(quote.now_nano, currency=quote.currency)
    tax = round_half_up(Fraction(net * account.tax_rate_ppm, PPM))
    bill = bills.running(session, tenant_id=tenant_id)
    before = (bill.forecast or bill.total) if bill else None
    return Price(
        count=quote.count,
        unit=quote.unit.value,
        unit_nano=quote.unit_nano,
        currency=currency,
        units=round(quote.units_nano / NANO / quote.count, exponent("GBP") + 2),
        net=Money(net, quote.currency),
        tax=Money(tax, quote.currency),
        tax_percent=f"{account.tax_rate_ppm / 10_000:g}",
        total=Money(net + tax, quote.currency),
        price_list=quote.price_list,
        version=quote.version,
        bill_now=before,
        bill_then=before + Money(net, quote.currency) if before else None,
    )


def _week(day: dt.date, zone: str, wish: Wish | None) -> Sequence[FreeDay]:
    """Return seven days from the one wished for, with the free seats of each hour shown."""
    local = zoneinfo.ZoneInfo(zone)
    days = [day + dt.timedelta(days=n) for n in range(_WEEK)]
    hours = [
        dt.datetime.combine(one, dt.time(hour), tzinfo=local).astimezone(dt.UTC)
        for one in days
        for hour in range(_OPENS, _SHUTS)
    ]
    free = renting.free_by_hour(hours)
    width = _SHUTS - _OPENS
    found = []
    for place, one in enumerate(days):
        cells = [(free[place * width + n], _taken(wish, hours[place * width + n])) for n in range(width)]
        found.append(FreeDay(one, tuple(cells)))
    return found


def _taken(wish: Wish | None, hour: dt.datetime) -> bool:
    if wish is None or wish.ends_at is None:
        return False
    return wish.starts_at < hour + dt.timedelta(hours=1) and hour < wish.ends_at


def _row(one: Lease, now: dt.datetime) -> SeatRow:
    return SeatRow(
        id=ids.public("lease", one.id),
        label=one.seat_label,
        kind=wording.rental_kind(one.kind.value),
        from_at=one.starts_at,
        to_at=one.ends_at,
        is_now=one.starts_at <= now,
    )


def _parse(lease_id: str) -> UUID:
    try:
        return ids.parse("lease", lease_id)
    except SeatlineError as error:
        raise RentalNotFoundError from error


def _said(error: SeatlineError) -> str:
    """Return why not, with the figures that help to choose otherwise."""
    told = words.problem(error.code, error.kind)
    text = f"{told.title}. {told.advice}"
    if isinstance(error, NotEnoughSeatsError):
        text = gettext("Nothing was rented: somebody else was faster.")
    if isinstance(error, renting.RentUnpaidError):
        text = wallets.lacking(error.minor, error.currency)
    if isinstance(error, RentalLimitError):
        text = gettext(
            "You may rent up to %(most)s seats by yourself and hold %(held)s then. Ask the operator.",
            most=error.details["most"],
            held=error.details["held"],
        )
    return text


def _refused(error: SeatlineError) -> Response:
    if error.kind not in _BUSINESS or isinstance(error, RentalNotFoundError):
        raise error
    scope.rollback()
    refusals.note(error, error.code)
    said.refused(_said(error))
    return redirect(_HERE, 303)
