"""The usage explorer: any id, every state, the way to the line and back, and no customer."""

import datetime as dt
import html
import re
from collections.abc import Iterator, Mapping

import pytest

from billing import explorer, figures, invoices, periods, rentals, rerating_runs, staging, tariffs, usage
from billing.events import RerunApproved, RerunAsked
from billing.explorer import Wanted
from billing.figures import Figures
from billing.rating.rentals import RentalPrice, Span
from billing.rentals import PaidHour
from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, TestServices, found
from wiring import rerating
from wiring.prepare import DatabaseUrls

NOW = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
RENTAL = new_id()
OCTOBER = periods.month(2026, 10, zone="Europe/London")
ROW = re.compile(r'<tr><th scope="row">.*?</tr>', re.DOTALL)


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
    assert "447700900" not in page  # the call's digits
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


def test_a_month_kept_open_by_agents_without_a_price_says_so_and_what_to_do(
    dana: Browser, gate: Gate, used: TenantId
) -> None:
    worked = [PaidHour(new_id(), OCTOBER.start + dt.timedelta(hours=n), 3_600_000) for n in (9, 10)]
    with gate.open(Scope.system(used)) as session:
        rentals.charge_agents(session, tenant_id=used, hours=worked)
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
    company, paper = ids.public("ten", used), ids.public("inv", draft.invoice_id)
    here = f"/operator/companies/{company}/invoices/{paper}"
    page = dana.get(here).text
    for words in (
        "The month cannot be closed yet",
        "2 events: Agents by the hour",
        "1 event: Short codes",
        "The price list has no price for it.",
        "Add it to the next version of the price list.",
    ):
        assert words in page
    listed = dana.get("/operator/invoices?month=2026-10").text
    assert "Pelican Parcel: the month cannot be closed yet." in listed
    assert f'href="{here}"' in listed
    assert "waits for a price" in dana.get(dana.post(f"{here}/finalise").location).text
    soon = NOW + dt.timedelta(days=1)
    newer = stock.publish(
        gate,
        code="renting",
        effective_from=soon,
        rentals=(
            RentalPrice("number.short", "seats", 15 * NANO),
            RentalPrice("agent.hour", "seats", 12 * NANO, step_s=0),
        ),
    )
    with gate.open(Scope.system(used)) as session:
        tariffs.take(session, tenant_id=used, version=newer)
    with clock.hold(soon):
        dana.sign_in("dana@seatline.example")
        form = {"month": "2026-10", "company": company, "price": "1"}
        page = dana.get(dana.post("/operator/invoices/draft", form).location).text
    assert "3 got a price, 0 still wait" in page
    assert "The draft is made." in page
    assert "Agents by the hour" in page
    assert "cannot be closed yet" not in page


def test_only_what_waits_is_counted_among_what_waits(dana: Browser, used: TenantId) -> None:
    page = dana.get(f"/operator/usage?company={ids.public('ten', used)}").text
    waits = page.partition('id="u-q"')[2].partition("</section>")[0]
    assert re.findall(r"<dd[^>]*>(\d+)</dd>", waits) == ["1", "0", "0", "0"]
    assert "2 events have their price" in waits


def test_days_and_filters_narrow_what_is_shown(dana: Browser, used: TenantId) -> None:
    company = ids.public("ten", used)
    both = dana.get(f"/operator/usage?company={company}&from=2026-10-01&to=2026-10-31").text
    assert "Calls out" in both
    assert "Events a day" in both
    none = dana.get(f"/operator/usage?company={company}&from=2026-10-20&to=2026-10-31").text
    assert "No usage fits" in none
    for odd in ("from=x&to=y", "line=abc", "before=zzz", "state=everything", "id=call_x"):
        assert dana.get(f"/operator/usage?company={company}&{odd}").status_code in {200, 422}


@pytest.mark.parametrize("line", ["²", "٣", "-1", "9" * 5000, "x"])
def test_a_line_that_is_no_number_narrows_nothing(dana: Browser, used: TenantId, line: str) -> None:
    page = dana.get(f"/operator/usage?company={ids.public('ten', used)}&line={line}")
    assert page.status_code == 200
    assert "447700900" in page.text


def test_the_clients_own_line_of_rentals_shows_each(
    browser: Browsers, cast: Cast, gate: Gate, used: TenantId
) -> None:
    with gate.open(Scope.system(used)) as session:
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
    line = next(one for one in draft.bill.lines if one.meter == "seat.month")
    alice = browser()
    alice.sign_in(cast.alice.email)
    paper = f"/portal/invoices/{ids.public('inv', draft.invoice_id)}"
    assert "1 month" in alice.get(paper).text
    page = alice.get(f"{paper}/lines/{line.line_no}").text
    for words in ("Seats", "£96.00", "rounded sum of these exact amounts"):
        assert words in page


def test_the_clients_own_line_of_rentals_goes_on_page_by_page(
    browser: Browsers, cast: Cast, gate: Gate, used: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    # with the fixture's seat three, of which two began at the same instant
    begun = (OCTOBER.start, OCTOBER.start + dt.timedelta(days=9))
    with gate.open(Scope.system(used)) as session:
        seats = [
            Span(rental_id=new_id(), meter="seat.month", starts_at=start, ends_at=None) for start in begun
        ]
        rentals.charge(session, tenant_id=used, spans=seats, until=NOW)
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
    line = next(one for one in draft.bill.lines if one.meter == "seat.month")
    alice = browser()
    alice.sign_in(cast.alice.email)
    paper = f"/portal/invoices/{ids.public('inv', draft.invoice_id)}/lines/{line.line_no}"
    whole = ROW.findall(alice.get(paper).text)
    assert len(whole) == 3
    monkeypatch.setattr("web.portal.invoices._USES", 1)
    first = page = alice.get(paper).text
    paged = ROW.findall(page)
    while older := re.search(r'href="([^"]*before=[^"]*)"', page):
        page = alice.get(html.unescape(older[1])).text
        paged += ROW.findall(page)
        assert len(paged) <= 3
    assert paged == whole
    assert f'href="{paper}"' in page
    assert f'href="{paper}"' not in first
    # an address that was cut off shows the line from its beginning
    assert ROW.findall(alice.get(f"{paper}?before=2026-10").text) == paged[:1]


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


def stands(company: TenantId, *, unrated: int) -> Figures:
    return Figures(
        company_id=company,
        currency="GBP",
        first_on=NOW.date().replace(day=1),
        last_on=NOW.date().replace(day=30),
        days_minor=(0,),
        running_minor=0,
        unrated=unrated,
        conflicts=0,
        rejects=0,
        drafts=0,
        failed=0,
        overdue=0,
        owed_minor=0,
        aged_minor=(),
        on_account_minor=0,
        is_held=False,
        taken_at=NOW,
    )


def test_who_comes_without_a_question_sees_what_waits_and_what_to_do(
    dana: Browser, gate: Gate, cast: Cast, used: TenantId
) -> None:
    def put(unrated: Mapping[TenantId, int]) -> str:
        with gate.open(Scope.system(OPERATOR)) as session:
            for company, events in unrated.items():
                figures.put(session, figures=stands(company, unrated=events))
        return found(r'value="(ten_[^"]+)" selected', dana.get("/operator/usage").text)

    assert put({cast.a.tenant_id: 0, cast.b.tenant_id: 1}) == ids.public("ten", cast.b.tenant_id)
    assert put({cast.a.tenant_id: 1, cast.b.tenant_id: 0}) == ids.public("ten", cast.a.tenant_id)
    with gate.open(Scope.system(used)) as session:
        (bare,) = explorer.find(session, tenant_id=used, wanted=Wanted(state="unrated"))
    page = dana.get(f"/operator/usage/{ids.public('ten', used)}/{ids.public('use', bare.usage_id)}").text
    assert "Add it to the next version of the price list" in page


@pytest.fixture
def conflict(gate: Gate, used: TenantId) -> str:
    """The call is reported again, twice as long; the address of the page that compares both."""
    with gate.open(Scope.system(used)) as session:
        usage.record(session, tenant_id=used, usage=stock.usage("call-1", seconds=120))
        (kept,) = explorer.kept(session, tenant_id=used)[0]
    return f"/operator/usage/{ids.public('ten', used)}/conflicts/{ids.public('con', kept.id)}"


def billed(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        bill = invoices.preview(session, tenant_id=tenant_id, period=OCTOBER)
    return sum(line.amount_nano for line in bill.lines if line.meter == "voice.outbound")


def test_the_operator_compares_two_reports_takes_the_later_and_the_bill_follows(
    dana: Browser, gate: Gate, used: TenantId, conflict: str
) -> None:
    where = f"/operator/usage?company={ids.public('ten', used)}"
    assert conflict in dana.get(where).text
    page = dana.get(conflict).text
    for words in ("1:00", "2:00", "+£0.0725", "Take the later report over?", "This is not taken back."):
        assert words in page
    before = billed(gate, used)
    refused = dana.post(conflict, {"verdict": "take-new", "reason": " "})
    assert "A decision needs a reason" in dana.get(refused.location).text
    done = dana.post(conflict, {"verdict": "take-new", "reason": "The switch’s own log has two minutes"})
    after = dana.get(done.location).text
    assert "The later report stands" in after
    assert "The switch’s own log has two minutes" in after
    assert billed(gate, used) == 2 * before
    page = dana.get(conflict).text
    assert "took the later report over" in page
    assert "Take the later report over?" not in page
    again = dana.post(conflict, {"verdict": "keep-old", "reason": "No, the first"})
    assert "Somebody has decided about it already" in dana.get(again.location).text


def test_the_first_report_is_kept_and_the_bill_is_as_it_was(
    dana: Browser, gate: Gate, used: TenantId, conflict: str
) -> None:
    before = billed(gate, used)
    done = dana.post(conflict, {"verdict": "keep-old", "reason": "A test of the sender’s"})
    assert "The first report stands" in dana.get(done.location).text
    assert billed(gate, used) == before


def test_on_a_draft_it_says_that_the_draft_has_to_be_made_anew(
    dana: Browser, gate: Gate, used: TenantId, conflict: str
) -> None:
    with gate.open(Scope.system(used)) as session:
        draft = invoices.draft(session, tenant_id=used, period=OCTOBER)
    page = dana.get(conflict).text
    assert "has to be made anew" in page
    assert ids.public("inv", draft.invoice_id) in page


def test_support_looks_and_decides_nothing(
    browser: Browsers, people: People, cast: Cast, used: TenantId, conflict: str
) -> None:
    people.operator()
    omar = browser()
    omar.sign_in(scene.staff(people, "operator_support").email)
    page = omar.get(conflict)
    assert page.status_code == 200
    assert "Take the later" not in page.text
    assert omar.post(conflict, {"verdict": "take-new", "reason": "x"}).status_code == 403
    company = f"/operator/usage/{ids.public('ten', used)}"
    assert omar.post(f"{company}/rejects/{ids.public('rej', new_id())}", {"reason": "x"}).status_code == 403
    assert omar.post(f"{company}/rate-again").status_code == 403
    theirs = conflict.replace(ids.public("ten", used), ids.public("ten", cast.b.tenant_id))
    assert omar.get(theirs).status_code == 404


def test_a_rejected_row_is_corrected_and_billed_once(
    dana: Browser, gate: Gate, used: TenantId, database: DatabaseUrls
) -> None:
    company = ids.public("ten", used)
    batch = staging.stage(database.bill, tenant_id=used, usages=[stock.usage("bad-1", quantity_ms=-1)])
    with gate.open(Scope.system(used)) as session:
        staging.take_in(session, tenant_id=used, batch_id=batch)
    page = dana.get(f"/operator/usage?company={company}").text
    path = found(rf'action="(/operator/usage/{company}/rejects/[^"]+/correct)"', page)
    given = {
        "meter": "voice.inbound",
        "at": "2026-10-05T10:00:00",
        "seconds": "90",
        "prefix": "44808157",
        "reason": "The trunk's own record says so",
    }
    for wrong in (
        {"at": "soon"},
        {"at": "2199-01-01T00:00"},
        {"seconds": "-1"},
        {"meter": "x"},
        {"prefix": "a"},
    ):
        assert "This cannot be usage" in dana.get(dana.post(path, given | wrong).location).text
    assert "A decision needs a reason" in dana.get(dana.post(path, given | {"reason": " "}).location).text
    after = dana.get(dana.post(path, given).location).text
    assert "The row is corrected" in after
    assert "corrected the row, and billed it" in after
    dana.post(path, given)
    with gate.open(Scope.system(used)) as session:
        mine = [
            entry
            for entry in explorer.find(session, tenant_id=used, wanted=Wanted(meter="voice.inbound"))
            if entry.source == "decided"
        ]
        assert explorer.counts(session, tenant_id=used).rejects == 0
    assert len(mine) == 1
    # London is an hour ahead of UTC until the end of October
    assert (mine[0].occurred_at, mine[0].prefix) == (dt.datetime(2026, 10, 5, 9, tzinfo=dt.UTC), "44808157")


def test_a_rejected_row_is_thrown_away_with_a_reason(
    dana: Browser, gate: Gate, used: TenantId, database: DatabaseUrls
) -> None:
    batch = staging.stage(database.bill, tenant_id=used, usages=[stock.usage("bad-1", quantity_ms=-1)])
    with gate.open(Scope.system(used)) as session:
        staging.take_in(session, tenant_id=used, batch_id=batch)
    company = ids.public("ten", used)
    page = dana.get(f"/operator/usage?company={company}").text
    assert "less than nothing was used" in page
    path = found(rf'action="(/operator/usage/{company}/rejects/[^"/]+)"', page)
    done = dana.get(dana.post(path, {"reason": "The sender’s clock was wrong"}).location).text
    assert "stays on record" in done
    assert "Somebody has to decide" not in done
    assert "The sender’s clock was wrong" in done


def test_a_stretch_is_rated_again_on_the_page_once_somebody_has_seen_what_moves(
    dana: Browser, gate: Gate, used: TenantId, services: TestServices
) -> None:
    with clock.hold(NOW - dt.timedelta(hours=1)):
        dearer = stock.publish(
            gate,
            code="renting",
            effective_from=NOW + dt.timedelta(days=20),
            of=stock.rates(inbound=100_000_000, mobile=145_000_000),
        )
    with gate.open(Scope.system(used)) as session:
        tariffs.take(session, tenant_id=used, version=dearer)
    page = dana.get("/operator/rerating").text
    assert "renting@2" in page
    form = {"company": ids.public("ten", used), "from_on": "2026-10-01", "to_on": "2026-10-31"}
    assert dana.post("/operator/rerating", {**form, "prices": "renting@9"}).location == "/operator/rerating"
    assert dana.post("/operator/rerating", {**form, "to_on": "x"}).location == "/operator/rerating"
    here = dana.post("/operator/rerating", {**form, "prices": "renting@2"}).location
    assert "under way" in dana.get(here).text
    with gate.open(Scope.system(OPERATOR)) as session:
        (run,) = rerating_runs.newest(session)
    rerating.look(services, RerunAsked(tenant_id=OPERATOR, rerun_id=run.rerun_id))
    page = dana.get(here).text
    for words in ("Looked at", "What moves", "Change ", "renting v2"):
        assert words in page
    run_id = ids.public("rrt", run.rerun_id)
    lines = dana.get(f"/operator/rerating/{run_id}/csv").text.splitlines()
    assert lines[1] == "Pelican Parcel,seat.month,,1,0,96,0,GBP"  # the new version rents no seats
    assert lines[2].startswith("Pelican Parcel,voice.outbound,447,1,0.0725,0,0")
    assert dana.post(f"/operator/rerating/{run_id}/approve").location == here
    assert "hx-trigger" in dana.get(here).text
    with gate.open(Scope.system(OPERATOR)) as session:
        (run,) = rerating_runs.newest(session)
    for piece in run.pieces:
        event = RerunApproved(tenant_id=used, rerun_id=run.rerun_id, number=piece.number)
        rerating.apply(services, event)
    page = dana.get(here).text
    assert f"Changed: {run.changes}." in page
    assert f"/operator/rerating/{run_id}/cancel" not in page
    other = dana.post("/operator/rerating", form).location
    gone = found(r"run=(rrt_\w+)", str(other))
    dana.post(f"/operator/rerating/{gone}/cancel")
    assert "Given up" in dana.get(other).text
