"""The operator's front page and the stock over time: what needs a person, who holds what when."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pytest

from billing import credit, usage
from core import clock, ids, long_jobs
from core.ids import OPERATOR, SeatId, TenantId, new_id
from seats import inventory
from seats import stock as seating
from seats.stock import RentalKind
from security.gate import Gate, Scope
from telephony import number_rentals, numbers
from tenants.companies import Company
from tests.billing import stock
from tests.factories import payments, telephony
from tests.seats.factory import ON_FLOOR, stocked
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, found
from tests.web.scene import NOW, Scene
from tests.web.test_operator_machine import owe
from wiring import figures

FRONT = "/operator/"


@dataclass(frozen=True)
class Means:
    gate: Gate


class Enter(Protocol):
    def __call__(self, role: str) -> Browser: ...


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def enter(browser: Browsers, people: People, head: Company) -> Enter:
    def make(role: str) -> Browser:
        made = browser()
        assert made.sign_in(scene.staff(people, role, name=role).email).location == FRONT
        return made

    return make


def test_what_needs_a_person_stands_first_and_leads_to_its_page(
    enter: Enter, cast: Cast, day: Scene, gate: Gate
) -> None:
    a = cast.a.tenant_id
    company = ids.public("ten", a)
    with gate.open(Scope.system(a)) as session:
        for seconds in (60, 120):
            twice = stock.usage("twice", seconds=seconds, at=clock.now())
            usage.record(session, tenant_id=a, usage=twice)
        unpriced = stock.usage("nowhere", prefix="99912345", at=clock.now())
        usage.record(session, tenant_id=a, usage=unpriced)
        credit.hold(session, tenant_id=a, reason="Two invoices are open", by=new_id())
    owe(gate, "webhooks.deliver", attempts=8, error="host-away")
    figures.refresh(Means(gate))
    page = enter("operator_billing").get(FRONT).text
    for words in (
        "1 use has no price",
        "1 report of usage wants a decision",
        "1 company is on credit hold",
        "1 job was given up",
        f'href="/operator/usage?company={company}&amp;state=unrated"',
        f'href="/operator/companies/{company}"',
        "Running bills, November 2026, GBP",
    ):
        assert words in page
    for secret in ("Ines", "I. C.", "7700"):
        assert secret not in page


def test_an_overdue_invoice_leads_to_where_it_stands_whatever_month_it_is_of(
    enter: Enter, cast: Cast, gate: Gate
) -> None:
    invoice = payments.owing(gate, cast.a.tenant_id)  # of October, due in 28 days
    with clock.hold(NOW + dt.timedelta(days=60)):
        figures.refresh(Means(gate))
        dana = enter("operator_billing")
        page = dana.get(FRONT).text
        where = found(r'href="([^"]+)">Look<span class="sr"> 1 invoice is overdue', page)
        assert where == f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"
        assert str(invoice.number) in dana.get(where).text


def test_nothing_to_do_is_said(enter: Enter, cast: Cast) -> None:
    page = enter("operator_billing").get(FRONT).text
    assert "Nothing waits for a person" in page
    assert "No figures yet" in page


def test_each_role_sees_what_it_may_open(enter: Enter, cast: Cast, day: Scene, gate: Gate) -> None:
    figures.refresh(Means(gate))
    omar = enter("operator_inventory").get(FRONT).text
    assert "£" not in omar
    assert "Running bills" not in omar
    assert "Calls now" in omar
    assert "Numbers, freephone" in omar


def test_the_front_page_is_for_staff(browser: Browsers, cast: Cast) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    assert alice.get(FRONT).status_code == 403


def test_jobs_that_run_are_on_the_front_page_with_their_rate(enter: Enter, cast: Cast, gate: Gate) -> None:
    job_id = new_id()

    def note(done: int) -> None:
        with gate.open(Scope.system(OPERATOR)) as session:
            long_jobs.note(
                session,
                job_id=job_id,
                kind="leads.read",
                done=done,
                total=1000,
                company_id=cast.a.tenant_id,
            )

    note(0)
    clock.advance(dt.timedelta(seconds=10))
    note(400)
    dana = enter("operator_billing")
    for path in (FRONT, "/operator/jobs", f"/operator/jobs/{ids.public('job', job_id)}"):
        page = dana.get(path).text
        for words in (
            "Reading a lead file: Pelican Parcel",
            "400 of 1,000",
            "40 a second",
            "about 0:15 left",
        ):
            assert words in page, path
    assert dana.get(f"/operator/jobs/{ids.public('job', new_id())}").status_code == 404
    clock.advance(dt.timedelta(minutes=6))
    assert (
        "Nothing has been heard of it since" in dana.get(f"/operator/jobs/{ids.public('job', job_id)}").text
    )


def rent(gate: Gate, seat_id: SeatId, renter: TenantId, start: dt.datetime, hours: int) -> None:
    with gate.open(ON_FLOOR) as session:
        seating.rent(
            session,
            seat_id=seat_id,
            renter_tenant_id=renter,
            kind=RentalKind.HOUR,
            starts_at=start,
            ends_at=start + dt.timedelta(hours=hours),
        )


def test_the_calendar_shows_who_holds_which_seat_when_and_what_is_free(
    enter: Enter, cast: Cast, gate: Gate
) -> None:
    for place in range(3):
        stocked(gate, label=f"R-{place}")
    with gate.open(ON_FLOOR) as session:
        (first, *_others) = seating.free(session, starts_at=NOW, ends_at=None)
    tomorrow = NOW.replace(hour=13, minute=0, second=0) + dt.timedelta(days=1)
    rent(gate, first.id, cast.b.tenant_id, tomorrow, 5)
    omar = enter("operator_inventory")
    page = omar.get("/operator/stock/calendar").text
    assert "Harbour Hotels 20 Nov, 13:00 – 20 Nov, 18:00" in page
    row = page.partition('<th scope="row"><span class="wd">Fri</span> 20 Nov</th>')[2].partition("</tr>")[0]
    assert [one[-1] for one in row.split("</td>")[:-1]] == ["3"] * 13 + ["2"] * 5 + ["3"] * 6
    assert "R-0" in omar.get("/operator/stock/calendar?q=harbour").text
    assert "R-1" not in omar.get("/operator/stock/calendar?q=harbour").text
    later = omar.get("/operator/stock/calendar?from=2026-12-24").text
    assert "Harbour Hotels" not in later
    one = omar.get(f"/operator/stock/seats/{ids.public('seat', first.id)}").text
    for words in ("Seat R-0", "Harbour Hotels", "20 Nov, 13:00", "by the hour", "not yet"):
        assert words in one
    assert omar.get(f"/operator/stock/seats/{ids.public('seat', new_id())}").status_code == 404
    with gate.open(ON_FLOOR) as session:
        found = inventory.calendar(session, start=tomorrow, end=tomorrow + dt.timedelta(hours=1))
    held = {seat.label: rentals for seat, rentals in found}
    assert [len(held[f"R-{at}"]) for at in range(3)] == [1, 0, 0]


def test_a_numbers_past_says_who_held_it_and_until_when_it_rests(
    enter: Enter, cast: Cast, gate: Gate
) -> None:
    number = telephony.stocked(gate, "+448081570177")
    with gate.open(Scope.system(OPERATOR)) as session:
        numbers.let(session, number_id=number.number_id, renter=cast.b.tenant_id)
    clock.advance(dt.timedelta(days=2))
    with gate.open(Scope.system(OPERATOR)) as session:
        (rental,) = number_rentals.held_by(session, renter_tenant_id=cast.b.tenant_id)
        number_rentals.release(session, rental_id=rental.id)
    omar = enter("operator_inventory")
    page = omar.get(f"/operator/stock/numbers/{ids.public('num', number.number_id)}").text
    for words in (
        "+44 808 157 0177",
        "Harbour Hotels",
        "19 Nov, 12:03",
        "21 Nov, 12:03",
        "It rests until Monday 21 December 2026.",
        "Harbour Hotels may take it again meanwhile.",
    ):
        assert words in page
    assert omar.get(f"/operator/stock/numbers/{ids.public('num', new_id())}").status_code == 404
