"""The stock of seats and numbers, and who rents them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import flash, redirect, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, NumberId, QueueId, SeatId, TenantId
from core.phone import LineKind, international
from seats import desk, inventory
from seats import stock as seating
from seats.rules import Activity, activity
from seats.stock import RentalKind
from telephony import number_rentals, numbers, orders, queues, rights, shared_codes
from telephony.errors import NumberNotFoundError
from telephony.numbers import StockNumber
from telephony.orders import OrderKind
from telephony.rights import Right
from tenants.companies import Company
from web import identity, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import rights as shown_rights
from web.shown import wording
from web.shown.rights import RightShown

_HERE = "/operator/stock"
_NUMBERS = "/operator/stock/numbers"
_LONGEST_NAME = 80
_LONGEST_GREETING = 500
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_OF_KIND = {"ok": "stand", "warn": "soon", "off": "barred", "bad": "barred"}  # of a pill
SHOWN = {
    Activity.TALKING: "on-call",
    Activity.RINGING: "ringing",
    Activity.RESERVED: "ringing",
    Activity.DIALLING: "ringing",
    Activity.HOLDING: "hold",
    Activity.WRAP_UP: "wrap-up",
    Activity.AVAILABLE: "ready",
}


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One seat in stock; see templates/operator/stock.html."""

    id: str
    label: str
    kind: str
    renter: str
    agent: str
    state: str
    to_at: dt.datetime | None
    rental: str


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One number in stock."""

    id: str
    number: str
    kind: str
    renter: str
    rests_until: dt.datetime | None
    held_for: str
    held_until: dt.datetime | None
    stray_calls: int
    code: str = ""  # "shared", "alone", or "" of what is no short code
    papers: RightShown | None = None

    @property
    def is_rented(self) -> bool:
        """Whether one company rents it, or several share it."""
        return bool(self.renter) or self.code == "shared"

    @property
    def standing(self) -> str:
        """Return how its papers stand, as the filter names it; empty of a short code: it is never shown."""
        if self.code:
            return ""
        return _OF_KIND[self.papers.kind] if self.papers else "missing"


@dataclass(frozen=True, slots=True)
class Total:
    """How many there are, are rented and are free."""

    all: int
    rented: int

    @property
    def free(self) -> int:
        """How many nobody rents."""
        return self.all - self.rented


class StockFormError(SeatlineError):
    """A field of a form does not fit."""

    code = "stock-form"
    kind = "invalid"


def _held_words() -> tables.Words:
    return [("free", gettext("free")), ("rented", gettext("rented"))]


def _papers_words() -> tables.Words:
    return [
        ("missing", gettext("not stated")),
        ("barred", gettext("may not be shown")),
        ("soon", gettext("run out soon")),
        ("stand", gettext("may be shown")),
    ]


SEATS: tables.Table[SeatRow] = tables.Table(
    "stock-seats",
    (
        tables.Column("seat", _l("Seat"), lambda row: row.label, sorts=True),
        tables.Column("renter", _l("Rented by"), lambda row: row.renter, sorts=True),
        tables.Column("charged", _l("Charged"), lambda row: row.kind, cls="hide-s"),
        tables.Column("agent", _l("Agent"), lambda row: row.agent, cls="hide-s"),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("action", _l("Action"), hidden=True),
    ),
    filters=(
        tables.Search("q", _l("Find a seat"), _l("Label or company")),
        tables.Choice("held", _l("Rented"), _held_words),
    ),
    order="seat",
)
NUMBERS: tables.Table[NumberRow] = tables.Table(
    "stock-numbers",
    (
        tables.Column("number", _l("Number"), lambda row: row.number, sorts=True),
        tables.Column("kind", _l("Kind"), lambda row: row.kind, sorts=True),
        tables.Column("renter", _l("Rented by"), lambda row: row.renter, sorts=True),
        tables.Column("rests", _l("Rests until"), lambda row: row.rests_until, cls="hide-s"),
        tables.Column(
            "holder",
            _l("Holder of record"),
            lambda row: row.papers.holder if row.papers else "",
            sorts=True,
            cls="hide-s",
        ),
        tables.Column(
            "papers", _l("Papers"), lambda row: row.papers.standing if row.papers else "", sorts=True
        ),
        tables.Column(
            "until",
            _l("Papers until"),
            lambda row: row.papers.ends_at if row.papers else None,
            sorts=True,
            cls="hide-s",
        ),
        tables.Column("action", _l("Action"), hidden=True),
    ),
    filters=(
        tables.Search("q", _l("Find a number"), _l("Digits or company")),
        tables.Choice("held", _l("Rented"), _held_words),
        tables.Choice("papers", _l("Papers"), _papers_words),
    ),
    order="number",
)


@pages.get("/stock")
@permission("stock.read")
def stock() -> str | Response:
    """Show the seats, who rents each, and who sits where."""
    rows = _seats()
    states: dict[str, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + 1

    def fetch(asked: tables.Asked) -> tables.Slice[SeatRow]:
        kept = [row for row in rows if _fits(asked, is_rented=bool(row.rental))]
        return tables.of_list(SEATS, asked, kept, text=lambda row: f"{row.label} {row.renter}")

    return tables.show(
        SEATS,
        "operator/stock.html",
        fetch,
        total=Total(len(rows), sum(bool(row.rental) for row in rows)),
        seat_states=states,
        rental_kinds=[(kind.value, wording.rental_kind(kind.value)) for kind in RentalKind],
        **_common(),
    )


@pages.get("/stock/numbers")
@permission("stock.read")
def number_stock() -> str | Response:
    """Show the numbers, and who rents each."""
    rows = _numbers()

    def fetch(asked: tables.Asked) -> tables.Slice[NumberRow]:
        kept = [
            row
            for row in rows
            if _fits(asked, is_rented=row.is_rented) and asked.get("papers") in {"", row.standing}
        ]
        return tables.of_list(
            NUMBERS, asked, kept, text=lambda row: f"{row.number} {international(row.number)} {row.renter}"
        )

    return tables.show(
        NUMBERS,
        "operator/stock_numbers.html",
        fetch,
        total=Total(len(rows), sum(row.is_rented for row in rows)),
        papers={
            standing: sum(row.is_rented and row.standing == standing for row in rows)
            for standing in ("missing", "barred", "soon")
        },
        number_kinds=[(kind, wording.number_kind(kind)) for kind in wording.NUMBER_KINDS],
        **_common(),
    )


@pages.post("/stock/numbers")
@permission("stock.write")
def add_number() -> Response:
    """Take a number into stock."""
    kind, region = request.form.get("kind", ""), request.form.get("region", "").strip()
    try:
        if kind not in {"", *wording.NUMBER_KINDS} or len(region) > _LONGEST_NAME or not region.isprintable():
            raise StockFormError(field="kind")
        with scope.session().begin_nested():
            made = numbers.stock(
                scope.session(),
                digits=request.form.get("number", ""),
                kind=kind,
                region=region,
            )
    except SeatlineError as error:
        return _refused(error, _NUMBERS)
    except IntegrityError:
        flash(gettext("That number is in stock already."), "bad")
        return redirect(_NUMBERS, 303)
    flash(gettext("%(number)s is in stock.", number=international(made.digits)), "ok")
    return redirect(_NUMBERS, 303)


@pages.post("/stock/seats")
@permission("stock.write")
def add_seat() -> Response:
    """Take a seat into stock."""
    label = request.form.get("label", "").strip()
    try:
        if not 0 < len(label) <= _LONGEST_NAME or not label.isprintable():
            raise StockFormError(field="label")
        seating.add(scope.session(), label=label)
    except SeatlineError as error:
        return _refused(error)
    flash(gettext("Seat %(label)s is in stock.", label=label), "ok")
    return redirect(_HERE, 303)


@pages.post("/stock/seats/<seat_id>/rent")
@permission("stock.write")
def rent_seat(seat_id: str) -> Response:
    """Rent a seat to a company, from now on."""
    company = rounds.one(request.form.get("company", ""))
    try:
        kind = RentalKind(request.form.get("kind", ""))
    except ValueError:
        return _refused(StockFormError(field="kind"))
    try:
        seating.rent(
            scope.session(),
            seat_id=SeatId(ids.parse("seat", seat_id)),
            renter_tenant_id=company.tenant_id,
            kind=kind,
            starts_at=clock.now(),
        )
    except SeatlineError as error:
        return _refused(error)
    _reload()
    flash(gettext("%(company)s rents the seat from now on.", company=company.name), "ok")
    return redirect(_HERE, 303)


@pages.post("/stock/rentals/<uuid:rental_id>/release")
@permission("stock.write")
def release_seat(rental_id: UUID) -> Response:
    """End a seat's rental now; the time that has passed stays rented."""
    try:
        seating.release(scope.session(), rental_id=rental_id, at=clock.now())
    except SeatlineError as error:
        return _refused(error)
    _reload()
    flash(gettext("The seat is free again."), "ok")
    return redirect(_HERE, 303)


@pages.post("/stock/numbers/<number_id>/release")
@permission("stock.write")
def release_number(number_id: str) -> Response:
    """End a number's rental now; it rests from then on."""
    number = NumberId(ids.parse("num", number_id))
    try:
        rental = number_rentals.in_force(scope.session()).get(number)
        if rental is None:
            raise NumberNotFoundError
        gone = number_rentals.release(scope.session(), rental_id=rental.id)
    except SeatlineError as error:
        return _refused(error, _NUMBERS)
    _reload()
    flash(
        gettext("%(number)s is given back and rests for thirty days.", number=international(gone.digits)),
        "ok",
    )
    return redirect(_NUMBERS, 303)


@pages.post("/stock/numbers/<number_id>/wake")
@permission("stock.write")
def end_quarantine(number_id: str) -> Response:
    """Let everybody rent a number that rests."""
    number_rentals.end_quarantine(scope.session(), number_id=NumberId(ids.parse("num", number_id)))
    flash(gettext("Everybody can rent the number again."), "ok")
    return redirect(_NUMBERS, 303)


@pages.post("/stock/numbers/<number_id>/rent")
@permission("stock.write")
def rent_number(number_id: str) -> Response:
    """Rent a number to a company: from the commit on callers of it reach the company's queue."""
    company = rounds.one(request.form.get("company", ""))
    queue_name = request.form.get("queue", "").strip()
    greeting = request.form.get("greeting", "").strip()
    language = request.form.get("language", "en")
    try:
        if not 0 < len(queue_name) <= _LONGEST_NAME or not queue_name.isprintable():
            raise StockFormError(field="queue")
        if len(greeting) > _LONGEST_GREETING or not greeting.isprintable() or language not in {"en", "zh"}:
            raise StockFormError(field="greeting")
        let = numbers.let(
            scope.session(), number_id=NumberId(ids.parse("num", number_id)), renter=company.tenant_id
        )
        _hand_over(company, let, queue_name=queue_name, greeting=greeting, language=language)
    except SeatlineError as error:
        return _refused(error, _NUMBERS)
    _reload()
    flash(
        gettext(
            "%(number)s rings at %(company)s now.",
            number=international(let.digits),
            company=company.name,
        ),
        "ok",
    )
    return redirect(_NUMBERS, 303)


def _fits(asked: tables.Asked, *, is_rented: bool) -> bool:
    return asked.get("held") in {"", "rented" if is_rented else "free"}


def _common() -> dict[str, Any]:
    return {
        "companies": [
            (ids.public("ten", one.tenant_id), one.name) for one in rounds.clients() if one.status == "active"
        ],
        "may_write": "stock.write" in identity.current().permissions,
    }


def _seats() -> list[SeatRow]:
    session = scope.session()
    names = {one.tenant_id: one.name for one in rounds.clients()}
    sitting = {one.sitting.seat_id: one for one in desk.serving(session) if one.sitting and one.presence}
    rows = []
    for place in inventory.places(session, at=clock.now()):
        there, rental = sitting.get(place.seat.id), place.rental
        state = "empty"
        if there and there.presence:
            state = SHOWN.get(activity(there.presence.state), "away")
        rows.append(
            SeatRow(
                id=ids.public("seat", place.seat.id),
                label=place.seat.label,
                kind=wording.rental_kind(rental.kind.value) if rental else "",
                renter=names.get(rental.renter_tenant_id, "") if rental else "",
                agent=str(there.agent.number) if there else "",
                state=state,
                to_at=rental.ends_at if rental else None,
                rental=str(rental.id) if rental else "",
            )
        )
    return rows


def _numbers() -> list[NumberRow]:
    now = clock.now()
    names = {one.tenant_id: one.name for one in rounds.clients()}
    shared = {one.code_id for one in shared_codes.every(scope.session())}
    papers = rights.of_all(scope.session())
    return [
        NumberRow(
            ids.public("num", one.number_id),
            one.digits,
            wording.number_kind(one.kind),
            names.get(one.renter_tenant_id, "") if one.renter_tenant_id else "",
            one.quarantined_until if one.quarantined_until and one.quarantined_until > now else None,
            names.get(one.held_for, "") if one.held_for and one.held_until and one.held_until > now else "",
            one.held_until if one.held_until and one.held_until > now else None,
            one.stray_calls,
            "" if one.kind != LineKind.SHORT else "shared" if one.number_id in shared else "alone",
            _papers(papers.get(one.number_id), names),
        )
        for one in numbers.in_stock(scope.session())
    ]


def _papers(one: Right | None, names: Mapping[TenantId, str]) -> RightShown | None:
    return shown_rights.right(one, holder=names.get(one.holder_tenant_id or OPERATOR, "")) if one else None


def _hand_over(company: Company, let: StockNumber, *, queue_name: str, greeting: str, language: str) -> None:
    """Put the number into the renter's own rows; the stock's row is committed after it.

    Should that commit fail, the number works and the stock says it is free: renting it to the same company
    again sets that right.
    """

    def act(session: Session) -> None:
        tenant_id = company.tenant_id
        try:
            numbers.get(session, tenant_id=tenant_id, number_id=let.number_id)
        except NumberNotFoundError:
            numbers.rent(
                session,
                tenant_id=tenant_id,
                number=let,
                queue_id=_queue(session, company, queue_name),
                greeting=greeting,
                language=language,
            )

    rounds.visit(company, act)


def _queue(session: Session, company: Company, name: str) -> QueueId:
    """Return the company's queue of that name, made if there is none."""
    for one in queues.all_of(session, tenant_id=company.tenant_id):
        if one.name.casefold() == name.casefold():
            return one.queue_id
    return queues.open_queue(session, tenant_id=company.tenant_id, name=name).queue_id


def _reload() -> None:
    """Tell the switchboard that numbers or seats have changed."""
    orders.leave(scope.session(), OrderKind.RELOAD)
    realtime = scope.services().realtime
    scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))


def _refused(error: SeatlineError, back: str = _HERE) -> Response:
    """Say what stands in the way, back on the page; what is no business of the form goes on as an error."""
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(back, 303)
