"""Seats and numbers through the API: quoted, rented once, set up, given back."""

import datetime as dt
from collections.abc import Iterator

import pytest

from billing import credit, ledger, wallets
from billing.rating.rentals import RentalPrice
from core import clock, ids
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from telephony import queues
from tests.billing import stock
from tests.factories import telephony
from tests.seats.factory import stocked
from tests.web.conftest import Cast, Programs
from tests.web.test_api import code_of

NOW = dt.datetime(2026, 11, 20, 9, 15, tzinfo=dt.UTC)
AFTERNOON = {
    "kind": "hour",
    "count": 2,
    "starts_at": "2026-11-27T13:00:00Z",
    "ends_at": "2026-11-27T18:00:00Z",
}


@pytest.fixture(autouse=True)
def friday() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def renter(gate: Gate, cast: Cast) -> TenantId:
    """Alice's company with prices, a queue, and three seats in stock."""
    prices = (
        RentalPrice("seat.month", "seats", 96 * NANO),
        RentalPrice("seat.hour", "seats", 4_200_000_000),
        RentalPrice("number.tollfree", "seats", 12_500_000_000),
    )
    version = stock.publish(gate, code="renting", rentals=prices)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        stock.customer(session, tenant_id=cast.a.tenant_id, version=version, price_list="renting")
        queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Parcels")
    for place in range(3):
        stocked(gate, label=f"R-{place}")
    return cast.a.tenant_id


def test_seats_are_quoted_rented_once_and_given_back(program: Programs, cast: Cast, renter: TenantId) -> None:
    key = program(cast.a)
    offer = key.post("/seats/quote", AFTERNOON).get_json()
    assert (offer["quote"]["amount"], offer["free"], offer["held"]) == (
        {"minor": 4200, "currency": "GBP"},
        3,
        0,
    )
    once = {"Idempotency-Key": "afternoon-1"}
    made = [key.post("/seats", AFTERNOON, headers=once) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].get_json() == made[1].get_json()
    assert [one["seat"] for one in key.get("/seats").get_json()["data"]] == ["R-0", "R-1"]
    lease = made[0].get_json()["data"][0]["id"]
    for _ in range(2):
        gone = key.call("DELETE", f"/seats/{lease}")
        assert gone.get_json()["ends_at"] == gone.get_json()["starts_at"]  # cancelled before it began
    assert [one["seat"] for one in key.get("/seats").get_json()["data"]] == ["R-1"]
    assert program(cast.b).call("DELETE", f"/seats/{lease}").status_code == 404


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"count": 4}, 409, "not-enough-seats"),
        ({"ends_at": "2026-11-20T09:00:00Z"}, 422, "rental-period"),
        ({"ends_at": None}, 422, "rental-period"),
        ({"kind": "month"}, 422, "rental-period"),
        ({"ends_at": "2031-01-01T00:00:00Z"}, 422, "rental-period"),
        ({"kind": "day"}, 403, "not-priced"),
        ({"count": 0}, 422, "invalid-request"),
    ],
)
def test_what_cannot_be_rented_says_why(
    program: Programs, cast: Cast, renter: TenantId, changes: dict[str, object], status: int, code: str
) -> None:
    answer = program(cast.a).post("/seats", {**AFTERNOON, **changes})
    assert code_of(answer) == (status, code)


def test_a_program_reads_how_many_it_asked_for_and_how_many_there_are(
    program: Programs, cast: Cast, renter: TenantId
) -> None:
    problem = program(cast.a).post("/seats", {**AFTERNOON, "count": 4}).get_json()
    assert (problem["asked"], problem["free"]) == (4, 3)


def test_a_company_on_credit_hold_rents_nothing_more(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    key = program(cast.a)
    number = {
        "number": ids.public("num", free.number_id),
        "kind": "tollfree",
        "queue": key.get("/queues").get_json()["data"][0]["id"],
    }
    with gate.open(Scope.system(renter)) as session:
        credit.hold(session, tenant_id=renter, reason="unpaid", by=renter)
    assert code_of(key.post("/seats", AFTERNOON)) == (403, "on-hold")
    assert code_of(key.post("/numbers", number)) == (403, "on-hold")
    assert key.get("/seats").get_json()["data"] == []
    with gate.open(Scope.system(renter)) as session:
        credit.release(session, tenant_id=renter, by=renter)
    assert key.post("/numbers", number).status_code == 201


def test_a_number_is_found_rented_set_up_and_given_back(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    key = program(cast.a)
    (found,) = key.get("/numbers/free?digits=70190").get_json()["data"]
    assert (found["id"], found["month"]) == (
        ids.public("num", free.number_id),
        {"minor": 1250, "currency": "GBP"},
    )
    queue = key.get("/queues").get_json()["data"][0]["id"]
    made = key.post("/numbers", {"number": found["id"], "kind": "tollfree", "queue": queue})
    assert (made.status_code, made.get_json()["number"]) == (201, "+448081570190")
    mine = f"/numbers/{found['id']}"
    settings = {"queue": queue, "greeting": "Good day.", "language": "en", "revision": 1}
    assert key.call("PUT", mine, json=settings).get_json()["revision"] == 2
    late = key.call("PUT", mine, json=settings)
    assert code_of(late) == (409, "number-changed")
    assert [one["greeting"] for one in key.get("/numbers").get_json()["data"]] == ["Good day."]
    assert key.call("DELETE", mine).status_code == 200
    assert key.get("/numbers").get_json()["data"] == []
    assert key.call("DELETE", mine).status_code == 404


def test_a_number_is_held_and_let_go_and_what_was_given_back_rests(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    number = ids.public("num", free.number_id)
    key, other = program(cast.a), program(cast.b)
    made = key.post("/numbers/holds", {"number": number})
    assert (made.status_code, [one["id"] for one in made.get_json()["data"]]) == (201, [number])
    assert key.get("/numbers/holds").get_json() == made.get_json()
    assert other.get("/numbers/holds").get_json()["data"] == []
    assert code_of(other.post("/numbers/holds", {"number": number})) == (409, "number-held")
    assert code_of(other.call("DELETE", f"/numbers/holds/{number}")) == (404, "not-found")
    assert key.call("DELETE", f"/numbers/holds/{number}").get_json()["data"] == []
    assert code_of(key.post("/numbers/holds", {"number": number})) == (403, "hold-again")
    queue = key.get("/queues").get_json()["data"][0]["id"]
    key.post("/numbers", {"number": number, "kind": "tollfree", "queue": queue})
    key.call("DELETE", f"/numbers/{number}")
    (rests,) = key.get("/numbers/resting").get_json()["data"]
    assert (rests["number"], rests["stray_calls"]) == ("+448081570190", 0)
    assert other.get("/numbers/resting").get_json()["data"] == []


def test_a_number_forwards_and_no_more(program: Programs, cast: Cast, gate: Gate, renter: TenantId) -> None:
    line = telephony.line(gate, renter, digits="+448081570190", queue="Returns")
    number = f"/numbers/{ids.public('num', line.number_id)}/forwarding"
    key = program(cast.a)
    wish = {"to": "+44 7700 900120", "when": "closed", "revision": 1}
    made = key.call("PUT", number, json=wish).get_json()
    assert (made["forwards"], made["forward_to"], made["revision"]) == ("closed", "+447700900120", 2)
    assert code_of(key.call("PUT", number, json=wish)) == (409, "number-changed")
    own = {"to": "+448081570190", "revision": 2}
    assert code_of(key.call("PUT", number, json=own)) == (422, "forward-target")
    assert code_of(program(cast.b).call("PUT", number, json=wish))[0] == 404
    gone = key.post(f"{number}/end", {"revision": 2}).get_json()
    assert (gone["forwards"], gone["forward_to"]) == (None, None)


def test_a_release_is_taken_back_within_ten_minutes(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    key = program(cast.a)
    queue = key.get("/queues").get_json()["data"][0]["id"]
    key.post("/numbers", {"number": ids.public("num", free.number_id), "kind": "tollfree", "queue": queue})
    number = f"/numbers/{ids.public('num', free.number_id)}"
    (lease,) = key.post("/seats", {"kind": "month", "count": 1}).get_json()["data"]
    seat = f"/seats/{lease['id']}"
    for path in (number, seat):
        assert code_of(key.post(f"{path}/restore")) == (403, "restore-too-late")  # nothing was released
        assert program(cast.b).post(f"{path}/restore").status_code == 404
        assert key.call("DELETE", path).status_code == 200
        assert key.post(f"{path}/restore").status_code == 200
    assert key.get("/seats").get_json()["data"] == [lease]
    assert [one["number"] for one in key.get("/numbers").get_json()["data"]] == ["+448081570190"]
    key.call("DELETE", seat)
    with clock.hold(NOW + dt.timedelta(minutes=11)):
        assert code_of(key.post(f"{seat}/restore")) == (403, "restore-too-late")


def test_a_price_that_changed_since_the_quote_rents_nothing(
    program: Programs, cast: Cast, renter: TenantId
) -> None:
    key = program(cast.a)
    quoted = key.post("/seats/quote", AFTERNOON).get_json()["quote"]["unit_nano"]
    assert code_of(key.post("/seats", {**AFTERNOON, "unit_nano": quoted - 1})) == (409, "price-changed")
    assert key.post("/seats", {**AFTERNOON, "unit_nano": quoted}).status_code == 201


def test_free_seats_are_told_by_the_hour(program: Programs, cast: Cast, renter: TenantId) -> None:
    key = program(cast.a)
    key.post("/seats", AFTERNOON)
    hours = key.get("/seats/free?since=2026-11-27T12:20:00Z&hours=3").get_json()["data"]
    assert [(one["hour"][11:16], one["free"]) for one in hours] == [("12:00", 3), ("13:00", 1), ("14:00", 1)]
    assert len(key.get("/seats/free").get_json()["data"]) == 24
    for query in ("hours=0", "hours=169", "since=2026-11-20T07:00:00Z", "since=2031-01-01T00:00:00Z"):
        assert key.get(f"/seats/free?{query}").status_code == 422


def test_the_numbers_in_stock_come_in_pages(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    for last in range(4):
        telephony.stocked(gate, f"+44808157019{last}")
    key, seen, cursor = program(cast.a), list[str](), ""
    while True:
        page = key.get(f"/numbers/free?limit=2{cursor}").get_json()
        seen += [one["number"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['next']}"
    assert seen == [f"+44808157019{last}" for last in range(4)]


def pays_beforehand(gate: Gate, renter: TenantId, minor: int, key: str = "top-up") -> None:
    with gate.open(Scope.system(renter)) as session:
        wallets.open_wallet(session, tenant_id=renter)
        wallets.top_up(
            session, tenant_id=renter, key=key, amount_minor=minor, source=ledger.BANK, at=clock.now()
        )


def test_seats_that_the_wallet_cannot_pay_are_refused_and_nothing_is_rented(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    """Two seats for five hours at 4.20 and 20 % are 50.40."""
    key = program(cast.a)
    pays_beforehand(gate, renter, 5039)
    assert code_of(key.post("/seats", AFTERNOON)) == (403, "rent-unpaid")
    assert key.get("/seats").get_json()["data"] == []
    assert key.post("/seats/quote", AFTERNOON).get_json()["free"] == 3  # nor is one kept from others
    assert key.get("/wallet").get_json()["rent"]["minor"] == 0
    pays_beforehand(gate, renter, 1, "a penny")
    once = {"Idempotency-Key": "afternoon-1"}
    made = [key.post("/seats", AFTERNOON, headers=once) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    wallet = key.get("/wallet").get_json()
    assert (wallet["rent"]["minor"], wallet["reserved"]["minor"], wallet["available"]["minor"]) == (
        5040,
        5040,
        0,
    )
    another = {**AFTERNOON, "count": 1}
    assert code_of(key.post("/seats", another)) == (403, "rent-unpaid")
    lease = made[0].get_json()["data"][0]["id"]
    key.call("DELETE", f"/seats/{lease}")
    assert key.get("/wallet").get_json()["available"]["minor"] == 2520
    key.post(f"/seats/{lease}/restore")
    assert key.get("/wallet").get_json()["available"]["minor"] == 0


def test_a_number_that_the_wallet_cannot_pay_is_refused(
    program: Programs, cast: Cast, gate: Gate, renter: TenantId
) -> None:
    free = telephony.stocked(gate, "+448081570190")
    key = program(cast.a)
    number = {
        "number": ids.public("num", free.number_id),
        "kind": "tollfree",
        "queue": key.get("/queues").get_json()["data"][0]["id"],
    }
    pays_beforehand(gate, renter, 500)  # the rest of November is 10.61 of 30 days of 15.00
    assert code_of(key.post("/numbers", number)) == (403, "rent-unpaid")
    assert key.get("/numbers").get_json()["data"] == []
    pays_beforehand(gate, renter, 500, "more")
    made = key.post("/numbers", number)
    assert made.status_code == 201
    assert key.get("/wallet").get_json()["rent"]["minor"] == 531
    key.call("DELETE", f"/numbers/{made.get_json()['id']}")
    assert key.get("/wallet").get_json()["rent"]["minor"] == 0
