"""The usage explorer: any id, every state, the way to the line and back, and no customer."""

import datetime as dt
from collections.abc import Iterator

import pytest

from billing import explorer, invoices, periods, rentals, tariffs, usage
from billing.explorer import Wanted
from billing.rating.rentals import RentalPrice, Span
from core import clock, ids
from core.ids import TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
RENTAL = new_id()
OCTOBER = periods.month(2026, 10, zone="Europe/London")


@pytest.fixture(autouse=True)
def monday() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def used(gate: Gate, cast: Cast) -> TenantId:
    """Alice's company with a call, a month of a seat, a short code without a price, and a draft."""
    tenant_id = cast.a.tenant_id
    version = stock.publish(gate, code="renting", rentals=(RentalPrice("seat.month", "seats", 96 * NANO),))
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, price_list="renting")
        usage.record(session, tenant_id=tenant_id, usage=stock.usage("call-1"))
        start = OCTOBER.start
        spans = [
            Span(rental_id=RENTAL, meter="seat.month", starts_at=start, ends_at=None),
            Span(rental_id=new_id(), meter="number.short", starts_at=start, ends_at=None),
        ]
        rentals.charge(session, tenant_id=tenant_id, spans=spans, until=NOW)
    return tenant_id


@pytest.fixture
def dana(browser: Browsers, people: People, cast: Cast) -> Browser:
    people.operator()
    made = browser()
    made.sign_in(scene.staff(people, "operator_billing").email)
    return made


def test_usage_is_found_by_any_id_and_leads_to_its_line_and_back(
    dana: Browser, gate: Gate, used: TenantId
) -> None:
    with gate.open(Scope.system(used)) as session:
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
        (seat,) = explorer.find(session, tenant_id=used, wanted=Wanted(reference=RENTAL))
    company = ids.public("ten", used)
    page = dana.get(f"/operator/usage?company={company}&id={ids.public('lease', RENTAL)}").text
    assert "Seats by the month" in page
    assert "£96.00" in page
    assert "call-1" not in page
    one = dana.get(f"/operator/usage/{company}/{ids.public('use', seat.usage_id)}").text
    for words in ("As reported", "On line", str(RENTAL)):
        assert words in one
    invoice = ids.public("inv", draft.invoice_id)
    back = dana.get(f"/operator/usage?company={company}&id={invoice}&line={seat.line_no}").text
    assert ids.public("use", seat.usage_id) in back
    assert back.count("/operator/usage/") == page.count("/operator/usage/")
    paper = dana.get(f"/operator/companies/{company}/invoices/{invoice}").text
    assert f"id={invoice}&amp;line={seat.line_no}" in paper


def test_what_waits_is_counted_and_priced_once_there_is_a_price(
    dana: Browser, gate: Gate, used: TenantId
) -> None:
    company = ids.public("ten", used)
    page = dana.get(f"/operator/usage?company={company}&state=unrated").text
    assert "Short codes" in page
    assert "Seats by the month" not in page.partition("<table")[2].partition("Exact amount")[2]
    still = dana.get(dana.post(f"/operator/usage/{company}/rate-again").location).text
    assert "0 got a price, 1 still wait" in still
    with gate.open(Scope.system(used)) as session:
        assert explorer.counts(session, tenant_id=used).unrated == 1
    soon = NOW + dt.timedelta(days=1)
    newer = stock.publish(
        gate, code="renting", effective_from=soon, rentals=(RentalPrice("number.short", "seats", 15 * NANO),)
    )
    with gate.open(Scope.system(used)) as session:
        tariffs.take(session, tenant_id=used, version=newer)
    with clock.hold(soon):
        dana.sign_in("dana@seatline.example")
        done = dana.get(dana.post(f"/operator/usage/{company}/rate-again").location).text
    assert "1 got a price, 0 still wait" in done
    with gate.open(Scope.system(used)) as session:
        counted = explorer.counts(session, tenant_id=used)
        (short,) = explorer.find(session, tenant_id=used, wanted=Wanted(meter="number.short"))
        ratings = explorer.history(session, tenant_id=used, usage_id=short.usage_id)
    assert (counted.unrated, short.amount_nano) == (0, 15 * NANO)
    assert [(seq, outcome) for seq, outcome, _why, _amount in ratings] == [(1, "unrated"), (2, "rated")]


def test_days_and_filters_narrow_what_is_shown(dana: Browser, used: TenantId) -> None:
    company = ids.public("ten", used)
    both = dana.get(f"/operator/usage?company={company}&from=2026-10-01&to=2026-10-31").text
    assert "Calls out" in both
    assert "Events a day" in both
    none = dana.get(f"/operator/usage?company={company}&from=2026-10-20&to=2026-10-31").text
    assert "No usage fits" in none
    for odd in ("from=x&to=y", "line=abc", "before=zzz", "state=everything", "id=call_x"):
        assert dana.get(f"/operator/usage?company={company}&{odd}").status_code in {200, 422}


def test_the_clients_own_line_of_rentals_shows_each(
    browser: Browsers, cast: Cast, gate: Gate, used: TenantId
) -> None:
    with gate.open(Scope.system(used)) as session:
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
    line = next(one for one in draft.bill.lines if one.meter == "seat.month")
    alice = browser()
    alice.sign_in(cast.alice.email)
    paper = f"/portal/invoices/{ids.public('inv', draft.invoice_id)}"
    assert "1 × month" in alice.get(paper).text
    page = alice.get(f"{paper}/lines/{line.line_no}").text
    for words in ("Seats", "£96.00", "rounded sum of these exact amounts"):
        assert words in page


def test_the_explorer_is_for_billing_only_and_one_company_at_a_time(
    browser: Browsers, cast: Cast, used: TenantId, dana: Browser
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get("/operator/usage").status_code == 403
    theirs = ids.public("ten", cast.b.tenant_id)
    page = dana.get(f"/operator/usage?company={theirs}&id={ids.public('lease', RENTAL)}").text
    assert "No usage fits" in page
    assert dana.get(f"/operator/usage/{theirs}/{ids.public('use', new_id())}").status_code == 404
    assert dana.get("/operator/usage?company=ten_x").status_code == 404
