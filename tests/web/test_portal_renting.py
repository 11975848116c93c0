"""A company rents and gives back by itself: the price before, all or none, and a way back."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from billing import ledger, wallets
from billing.rating.rentals import RentalPrice
from core import clock, ids
from core.ids import TenantId
from core.money import NANO
from seats import leases, limits
from seats import stock as seating
from seats.limits import Limits
from seats.stock import RentalKind
from security.gate import Gate, Scope
from telephony import number_rentals, numbers, queues
from telephony.errors import NumberHeldError
from tenants import alarms, tampering
from tests.billing import stock
from tests.factories import telephony
from tests.seats.factory import ON_FLOOR, stocked
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import staff
from tests.web.test_portal_queues import GIVEN as QUEUE

# a Friday, a quarter past nine in London
NOW = dt.datetime(2026, 11, 20, 9, 15, tzinfo=dt.UTC)
PRICES = (
    RentalPrice("seat.month", "seats", 96 * NANO),
    RentalPrice("seat.hour", "seats", 4_200_000_000),
    RentalPrice("number.tollfree", "seats", 12_500_000_000),
)
AFTERNOON = {"kind": "hour", "count": "2", "day": "2026-11-27", "from": "13:00", "until": "18:00"}


@pytest.fixture(autouse=True)
def friday() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def renter(gate: Gate, cast: Cast) -> TenantId:
    """Alice's company with prices for seats and freephone numbers, and three seats in stock."""
    version = stock.publish(gate, code="renting", rentals=PRICES)
    tenant_id = cast.a.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, price_list="renting")
        queues.open_queue(session, tenant_id=tenant_id, name="Parcels")
    for place in range(3):
        stocked(gate, label=f"R-{place}")
    return tenant_id


@pytest.fixture
def alice(browser: Browsers, cast: Cast, renter: TenantId) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


def asked(**fields: str) -> str:
    return "/portal/seats/rent?" + "&".join(
        f"{name}={text}" for name, text in {**AFTERNOON, **fields}.items()
    )


def test_an_address_that_says_little_is_the_next_afternoon(alice: Browser, cast: Cast) -> None:
    for hour, ahead in ((12, 0), (18, 1)):
        with clock.hold(NOW.replace(hour=hour)):
            assert alice.sign_in(cast.alice.email).status_code == 303
            page = alice.get("/portal/seats/rent?kind=hour").text
        day = (NOW.date() + dt.timedelta(days=ahead)).isoformat()
        assert f'name="day" type="date" min="{NOW.date()}"' in page
        assert re.search(rf'name="day" type="date"[^>]*value="{day}"', page)
        assert "Total" in page


def test_a_month_that_cannot_be_says_from_when_the_seats_are_booked(
    alice: Browser, cast: Cast, gate: Gate
) -> None:
    """Free now, but not for good: the form says so, and what can be rented instead."""
    with gate.open(ON_FLOOR) as session:
        for seat in seating.free(session, starts_at=NOW, ends_at=None)[:2]:
            seating.rent(
                session,
                seat_id=seat.id,
                renter_tenant_id=cast.b.tenant_id,
                kind=RentalKind.DAY,
                starts_at=NOW + dt.timedelta(days=3),
                ends_at=NOW + dt.timedelta(days=4),
            )
    page = alice.get(asked(kind="month", count="2")).text
    for words in (
        "1 seat is free all the time you ask for.",
        "When it begins 3 are free, but some of them are booked from 23 Nov, 09:15 on.",
        "Until then you can rent by the day or by the hour.",
    ):
        assert words in page
    assert "booked from" not in alice.get(asked(kind="month", count="1")).text
    assert "booked from" not in alice.get(asked(count="3")).text


def form(page: str) -> dict[str, str]:
    """Return the hidden fields of the form that rents."""
    inside = re.search(
        r'action="/portal/seats/rent"(?!.*action="/portal/seats/rent")(.*?)</form>', page, re.DOTALL
    )
    assert inside
    return dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', inside[1]))


def held(gate: Gate, tenant_id: TenantId) -> list[leases.Lease]:
    with gate.open(Scope.system(tenant_id)) as session:
        return leases.held(session, tenant_id=tenant_id)


def test_the_price_is_shown_before_and_charged_after(alice: Browser, gate: Gate, renter: TenantId) -> None:
    page = alice.get(asked()).text
    # 2 seats x 5 h x 4.20, 20 % tax
    for words in ("£42.00", "£8.40", "Rent 2 seats for £50.40", "renting v1"):
        assert words in page
    done = alice.post("/portal/seats/rent", form(page))
    assert "2 seats are yours: R-0, R-1." in alice.get(done.location).text
    first = held(gate, renter)[0]
    assert (first.kind, first.starts_at.hour, first.ends_at) == (
        RentalKind.HOUR,
        13,
        dt.datetime(2026, 11, 27, 18, tzinfo=dt.UTC),
    )
    with gate.open(ON_FLOOR) as session:
        assert len(seating.rentals(session, renter_tenant_id=renter)) == 2


def test_a_form_sent_twice_rents_once(alice: Browser, gate: Gate, renter: TenantId) -> None:
    sent = form(alice.get(asked()).text)
    for _ in range(2):
        assert alice.post("/portal/seats/rent", sent).status_code == 303
    assert len(held(gate, renter)) == 2


def test_a_month_is_shown_by_its_part_and_what_it_does_to_the_bill(alice: Browser) -> None:
    page = alice.get("/portal/seats/rent?kind=month&count=1").text
    # 10 days and 14.75 hours of 30 at 96.00
    assert "£33.97" in page
    assert "rises from £0.00 to £33.97" in page
    assert "from now on, by the month" in page


def test_the_bill_expects_what_is_rented_to_go_on(alice: Browser) -> None:
    alice.post("/portal/seats/rent", form(alice.get("/portal/seats/rent?kind=month&count=1").text))
    with clock.hold(NOW + dt.timedelta(minutes=10)):
        home = alice.get("/portal/").text
    assert re.search(r"Forecast for 30 Nov</p><p[^>]*>£33\.97", home)


def test_who_comes_too_late_is_told_and_gets_the_next_best_hour(
    alice: Browser, gate: Gate, renter: TenantId, cast: Cast
) -> None:
    sent = form(alice.get(asked(count="3")).text)
    with gate.open(ON_FLOOR) as session:
        seat = seating.free(session, starts_at=NOW, ends_at=None)[0]
        seating.rent(
            session,
            seat_id=seat.id,
            renter_tenant_id=cast.b.tenant_id,
            kind=RentalKind.HOUR,
            starts_at=dt.datetime(2026, 11, 27, 14, tzinfo=dt.UTC),
            ends_at=dt.datetime(2026, 11, 27, 16, tzinfo=dt.UTC),
        )
    late = alice.post("/portal/seats/rent", sent)
    assert late.status_code == 409
    assert "Nothing was rented: somebody else was faster." in late.text
    assert "2 seats are free all the time you ask for." in late.text
    assert "booked from 27 Nov, 14:00 on." in late.text
    assert "3 are free from 27 Nov, 16:00 on." in late.text
    assert held(gate, renter) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"day": "2026-11-19"}, "That day or time cannot be rented"),
        ({"day": "", "kind": "day"}, "That day or time cannot be rented"),
        ({"from": "25:00"}, "That day or time cannot be rented"),
        ({"day": "2031-01-01"}, "That day or time cannot be rented"),
        ({"kind": "season"}, "That day or time cannot be rented"),
        ({"kind": "day"}, "no price for this"),
    ],
)
def test_a_wish_that_cannot_be_says_why(alice: Browser, fields: dict[str, str], words: str) -> None:
    assert words in alice.get(asked(**fields)).text
    refused = alice.post("/portal/seats/rent", {**AFTERNOON, **fields})
    assert refused.status_code == 422
    assert words in refused.text


def test_more_than_the_limit_is_the_operators_to_give(alice: Browser, gate: Gate, renter: TenantId) -> None:
    with gate.open(ON_FLOOR) as session:
        limits.put(session, renter_tenant_id=renter, limits=Limits(most_seats=1, most_numbers=0))
    page = alice.get(asked()).text
    assert "You may rent up to 1 seat by yourself" in page
    refused = alice.post("/portal/seats/rent", form(page))
    assert refused.status_code == 422
    assert held(gate, renter) == []


def test_a_price_that_changed_meanwhile_is_shown_again(alice: Browser, gate: Gate, renter: TenantId) -> None:
    sent = form(alice.get(asked()).text)
    again = alice.post("/portal/seats/rent", {**sent, "unit_nano": "1"})
    assert again.status_code == 409
    assert "The price has changed" in again.text
    assert held(gate, renter) == []


def test_a_seat_is_given_back_and_taken_back(alice: Browser, gate: Gate, renter: TenantId) -> None:
    alice.post("/portal/seats/rent", form(alice.get("/portal/seats/rent?kind=month&count=1").text))
    here = f"/portal/seats/{ids.public('lease', held(gate, renter)[0].id)}"
    assert "The time until now stays" in alice.get("/portal/seats").text
    with clock.hold(NOW + dt.timedelta(minutes=5)):
        alice.post(f"{here}/release")
        page = alice.get(alice.post(f"{here}/release").location).text
        assert "Seat R-0 is given back." in page
        assert "Given back just now" in page
        back = alice.get(alice.post(f"{here}/restore").location).text
    assert "Seat R-0 is yours again." in back
    assert held(gate, renter)[0].ends_at is None


def test_nobody_gives_back_what_is_anothers(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    alice.post("/portal/seats/rent", form(alice.get("/portal/seats/rent?kind=month&count=1").text))
    lease = ids.public("lease", held(gate, renter)[0].id)
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    for path in (
        f"/portal/seats/{lease}/release",
        f"/portal/seats/{lease}/restore",
        "/portal/seats/x/release",
    ):
        assert charlie.post(path).status_code == 404
    assert held(gate, renter)[0].ends_at is None


def test_who_has_no_number_sees_the_free_ones_and_what_comes_before_renting_one(
    browser: Browsers, people: People, gate: Gate
) -> None:
    telephony.stocked(gate, "+448081570190")
    otters = people.company("Otter Optics")
    otto = browser()
    otto.sign_in(people.user(otters.tenant_id, "Otto", email="otto@otter.example").email)
    page = otto.get("/portal/numbers").text
    assert "+44 808 157 0190" in page
    assert "Make a queue first." in page
    otto.post("/portal/queues", QUEUE)
    assert "Make a queue first." not in otto.get("/portal/numbers").text


def test_a_number_is_found_rented_set_up_and_given_back(alice: Browser, gate: Gate, renter: TenantId) -> None:
    free = telephony.stocked(gate, "+448081570190")
    number = ids.public("num", free.number_id)
    page = alice.get("/portal/numbers?digits=70190").text
    for words in ("+44 808 157 0190", "£12.50", "for the rest of this month"):
        assert words in page
    queue = re.findall(r'<option value="(que_[^"]+)"', page)[0]
    key = re.findall(r'name="request_key" value="([^"]+)"', page)[0]
    wanted = {
        "number": number,
        "kind": "tollfree",
        "request_key": key,
        "queue": queue,
        "greeting": "Hello.",
        "language": "en",
    }
    for _ in range(2):
        assert alice.post("/portal/numbers/rent", wanted).status_code == 303
    page = alice.get("/portal/numbers").text
    assert "Hello." in page
    entry = gate.resolve(numbers.DIRECTORY, numbers.directory_key(free.digits))
    assert entry is not None
    assert entry.tenant_id == renter
    mine = {"queue": queue, "greeting": "Good day.", "language": "en", "revision": "1"}
    assert alice.post(f"/portal/numbers/{number}", mine).status_code == 303
    clash = alice.post(f"/portal/numbers/{number}", {**mine, "greeting": "Hi."})
    assert clash.status_code == 409
    for words in ("Good day.", "Hi."):
        assert words in clash.text
    too_long = alice.post(f"/portal/numbers/{number}", {**mine, "greeting": "x" * 501, "revision": "2"})
    assert "cannot be set up like this" in alice.get(too_long.location).text
    gone = alice.get(alice.post(f"/portal/numbers/{number}/release").location).text
    assert "is given back" in gone
    assert gate.resolve(numbers.DIRECTORY, numbers.directory_key(free.digits)) is None
    rental = re.findall(r"/portal/numbers/rentals/([^/]+)/restore", gone)[0]
    assert (
        "is yours again" in alice.get(alice.post(f"/portal/numbers/rentals/{rental}/restore").location).text
    )
    assert alice.post(f"/portal/numbers/{ids.public('num', renter)}/release").status_code == 404


def test_a_number_somebody_else_took_is_not_rented(
    alice: Browser, gate: Gate, renter: TenantId, cast: Cast
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    page = alice.get("/portal/numbers?digits=70190").text
    with gate.open(ON_FLOOR) as session:
        numbers.let(session, number_id=free.number_id, renter=cast.b.tenant_id)
    wanted = {
        "number": ids.public("num", free.number_id),
        "kind": "tollfree",
        "request_key": "",
        "queue": re.findall(r'<option value="(que_[^"]+)"', page)[0],
        "greeting": "",
        "language": "en",
    }
    refused = alice.get(alice.post("/portal/numbers/rent", wanted).location).text
    assert "The number is rented already" in refused
    bad_key = alice.post("/portal/numbers/rent", {**wanted, "request_key": "x"})
    assert "cannot be set up like this" in alice.get(bad_key.location).text


def test_a_number_is_held_while_the_company_decides(
    alice: Browser, gate: Gate, renter: TenantId, cast: Cast
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    number = ids.public("num", free.number_id)
    assert 'action="/portal/numbers/hold"' in alice.get("/portal/numbers?digits=70190").text
    page = alice.get(alice.post("/portal/numbers/hold", {"number": number}).location).text
    for words in (
        "is held for you for two hours",
        "Held for you",
        "until 20 Nov, 11:15",
        "Who calls it pays nothing",
    ):
        assert words in page
    assert "No free number fits" in alice.get("/portal/numbers?digits=70190").text
    with pytest.raises(NumberHeldError), gate.open(ON_FLOOR) as session:
        numbers.let(session, number_id=free.number_id, renter=cast.b.tenant_id)
    gone = alice.get(alice.post(f"/portal/numbers/holds/{number}/end").location).text
    assert "Held for you" not in gone
    again = alice.get(alice.post("/portal/numbers/hold", {"number": number}).location).text
    assert "You have held this number today" in again
    assert alice.post(f"/portal/numbers/holds/{number}/end").status_code == 404
    with gate.open(ON_FLOOR) as session:
        rented = numbers.let(session, number_id=free.number_id, renter=cast.b.tenant_id)
    taken = alice.get(alice.post("/portal/numbers/hold", {"number": number}).location).text
    assert rented.renter_tenant_id == cast.b.tenant_id
    assert "The number is rented already" in taken


def test_who_gave_a_number_back_sees_how_many_called_in_vain(
    alice: Browser, gate: Gate, renter: TenantId, browser: Browsers, cast: Cast
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    number = ids.public("num", free.number_id)
    page = alice.get("/portal/numbers?digits=70190").text
    queue = re.findall(r'<option value="(que_[^"]+)"', page)[0]
    wanted = {"number": number, "kind": "tollfree", "queue": queue, "greeting": "", "language": "en"}
    alice.post("/portal/numbers/rent", wanted)
    alice.post(f"/portal/numbers/{number}/release")
    assert "no call since" in alice.get("/portal/numbers").text
    with gate.open(ON_FLOOR) as session:
        number_rentals.stray(session, digits=free.digits)
    assert "1 call in vain since" in alice.get("/portal/numbers").text
    with clock.hold(NOW + number_rentals.QUARANTINE):
        charlie = browser()
        charlie.sign_in(cast.charlie.email)
        with gate.open(Scope.system(cast.b.tenant_id)) as session:
            stock.customer(
                session,
                tenant_id=cast.b.tenant_id,
                version=stock.publish(gate, code="theirs", rentals=PRICES),
                price_list="theirs",
            )
            queues.open_queue(session, tenant_id=cast.b.tenant_id, name="Trips")
        assert "1 call for them came since" in charlie.get("/portal/numbers?digits=70190").text


def test_a_number_forwards_its_callers_to_the_companys_own_phone(
    alice: Browser, gate: Gate, renter: TenantId, browser: Browsers, cast: Cast
) -> None:
    line = telephony.line(gate, renter, digits="+448081570190", queue="Returns")
    number = f"/portal/numbers/{ids.public('num', line.number_id)}"

    def forward(phone: str, when: str = "always", revision: str = "1") -> str:
        answer = alice.post(f"{number}/forward", {"phone": phone, "when": when, "revision": revision})
        return alice.get(answer.location).text if answer.location else answer.text

    page = forward("+44 7700 900120")
    assert "forwards its callers from the next call on" in page
    assert "forwarded to +44 7700 900120" in page
    sue = browser()
    sue.sign_in(cast.sue.email)
    seen = sue.get("/portal/numbers").text
    assert "forwarded to" in seen
    assert "900120" not in seen
    assert sue.post(f"{number}/forward", {"phone": "", "when": "always", "revision": "2"}).status_code == 403
    assert "Somebody else has changed this number" in forward("+44 7700 900121", revision="1")
    assert "Callers cannot be forwarded there" in forward("+44 808 157 0190", revision="2")
    assert "That is not a telephone number" in forward("12", revision="2")
    assert "cannot be set up like this" in forward("+44 7700 900120", when="x", revision="2")
    assert "when closed: forwarded to" in forward("+44 7700 900120", when="closed", revision="2")
    gone = forward("", revision="3")
    assert "forwards nobody any more" in gone
    assert "900120" not in gone


def test_a_forward_phone_that_does_not_open_leaves_the_page_standing_and_rings_the_alarm(
    alice: Browser, gate: Gate, renter: TenantId, program: Programs, cast: Cast
) -> None:
    damaged = telephony.line(gate, renter, digits="+448081570190", queue="Returns")
    sound = telephony.line(gate, renter, digits="+448081570191", queue="Deliveries")
    for line, phone in ((damaged, "+44 7700 900120"), (sound, "+44 7700 900121")):
        path = f"/portal/numbers/{ids.public('num', line.number_id)}/forward"
        alice.post(path, {"phone": phone, "when": "always", "revision": "1"})
    with gate.open(Scope.system(renter)) as session:
        flipped = sa.text(
            "UPDATE app.numbers SET forward_ct = set_byte(forward_ct, length(forward_ct) - 1,"
            " get_byte(forward_ct, length(forward_ct) - 1) # 1) WHERE id = :id"
        )
        session.execute(flipped, {"id": damaged.number_id})
    page = alice.get("/portal/numbers")
    assert page.status_code == 200
    assert "Forward phone cannot be read" in page.text
    assert "forwarded to +44 7700 900121" in page.text
    with gate.open(Scope.system(renter)) as session:
        assert [one.kind for one in alarms.page(session, tenant_id=renter, limit=10)] == [tampering.SEAL]
    answer = program(cast.a).get("/numbers")
    assert answer.status_code == 200
    told = {one["number"]: (one["forwards"], one["forward_to"]) for one in answer.get_json()["data"]}
    assert told["+448081570190"] == ("always", None)
    assert told["+448081570191"] == ("always", "+447700900121")
    number = f"/portal/numbers/{ids.public('num', damaged.number_id)}"
    mended = alice.post(f"{number}/forward", {"phone": "+44 7700 900122", "when": "always", "revision": "2"})
    assert "forwarded to +44 7700 900122" in alice.get(mended.location).text


def test_who_may_not_rent_sees_no_button_and_is_refused(
    browser: Browsers, cast: Cast, renter: TenantId
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert "Rent seats" not in sue.get("/portal/seats").text
    assert sue.get("/portal/seats/rent").status_code == 403
    assert sue.post("/portal/numbers/rent").status_code == 403


def test_the_operator_takes_a_number_back_ends_its_rest_and_sets_limits(
    browser: Browsers, cast: Cast, gate: Gate, people: object, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    number = ids.public("num", free.number_id)
    with gate.open(ON_FLOOR) as session:
        numbers.let(session, number_id=free.number_id, renter=renter)
    people.operator()  # type: ignore[attr-defined]
    omar = browser()
    omar.sign_in(staff(people, "operator_inventory").email)  # type: ignore[arg-type]
    gone = omar.get(omar.post(f"/operator/stock/numbers/{number}/release").location).text
    assert "rests for thirty days" in gone
    assert "rests until" in gone
    awake = omar.get(omar.post(f"/operator/stock/numbers/{number}/wake").location).text
    assert "rests until" not in awake
    company = f"/operator/companies/{ids.public('ten', renter)}"
    wrong = omar.post(f"{company}/limits", {"most_seats": "-1", "most_numbers": "x"})
    assert "A limit is a whole number" in omar.get(wrong.location).text
    with gate.open(ON_FLOOR) as session:
        number_rentals.hold(session, number_id=free.number_id, renter_tenant_id=renter)
    assert "held until" in omar.get("/operator/stock/numbers").text
    awake = omar.get(omar.post(f"/operator/stock/numbers/{number}/wake").location).text
    assert "held until" not in awake
    omar.post(f"{company}/limits", {"most_seats": "7", "most_numbers": "3"})
    with gate.open(ON_FLOOR) as session:
        assert limits.of(session, renter_tenant_id=renter) == Limits(7, 3)
        assert number_rentals.held_by(session, renter_tenant_id=renter) == []


def test_the_form_says_how_much_the_wallet_lacks(alice: Browser, gate: Gate, renter: TenantId) -> None:
    """Two seats for five hours at 4.20 and 20 % are 50.40."""
    with gate.open(Scope.system(renter)) as session:
        wallets.open_wallet(session, tenant_id=renter)
        wallets.top_up(session, tenant_id=renter, key="first", amount_minor=5000, source=ledger.BANK, at=NOW)
    page = alice.get(asked()).text
    answer = alice.post("/portal/seats/rent", {**AFTERNOON, **form(page)})
    assert answer.status_code == 422
    assert "£0.40 is lacking in the wallet" in answer.text
    assert held(gate, renter) == []
    free = telephony.stocked(gate, "+448081570190")
    with gate.open(Scope.system(renter)) as session:
        wallets.withdraw(session, tenant_id=renter, key="back", amount_minor=5000, source=ledger.BANK, at=NOW)
    wanted = {
        "number": ids.public("num", free.number_id),
        "kind": "tollfree",
        "queue": re.findall(r'<option value="(que_[^"]+)"', alice.get("/portal/numbers?digits=70190").text)[
            0
        ],
        "greeting": "",
        "language": "en",
    }
    assert alice.post("/portal/numbers/rent", wanted).status_code == 303
    assert "£5.31 is lacking in the wallet" in alice.get("/portal/numbers").text
    wallet = alice.get("/portal/wallet").text
    assert "Kept for rent" in wallet
