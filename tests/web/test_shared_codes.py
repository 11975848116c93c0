"""Short codes that companies share: the operator's page, and a company's share on its Numbers page."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import OPERATOR, NumberId, TenantId
from security.gate import Gate, Scope
from telephony import number_rentals, numbers, orders, shared_codes
from telephony.errors import ChoiceTakenError, CodeSharedError
from tenants.companies import Company
from tests.factories import telephony
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW, Scene, staff
from wiring import rentals

_DESK = Scope.system(OPERATOR)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def omar(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    made.sign_in(staff(people, "operator_inventory").email)
    return made


@pytest.fixture
def here(gate: Gate) -> str:
    number = telephony.stocked(gate, "1252")
    return f"/operator/stock/numbers/{ids.public('num', number.number_id)}/code"


def share(omar: Browser, here: str, *on_it: tuple[TenantId, str, str]) -> str:
    """Share the code, put companies on it, and return what the page then says."""
    page = omar.get(omar.post(here, {"greeting": "Welcome to 1252.", "language": "en"}).location).text
    for tenant_id, keys, name in on_it:
        asked = {"company": ids.public("ten", tenant_id), "keys": keys, "name": name, "spoken": "on"}
        page = omar.get(omar.post(f"{here}/companies", asked).location).text
    return page


def choices(gate: Gate) -> tuple[shared_codes.Choice, ...]:
    with gate.open(_DESK) as session:
        (code,) = shared_codes.every(session)
        return code.choices


def follow(gate: Gate) -> None:
    """Let the companies' own rows follow what was announced last, as the relay does."""
    with gate.open(_DESK) as session:
        found = session.execute(
            text("SELECT id, renter_tenant_id FROM app.shared_code_choices ORDER BY id")
        ).all()
    for choice_id, tenant_id in found:
        with gate.open(_DESK) as session:
            event = shared_codes.announced(session, choice_id=NumberId(choice_id))
        with gate.open(Scope.system(tenant_id)) as session:
            numbers.follow(session, tenant_id=tenant_id, event=event)


def test_the_operator_shares_a_code_and_reads_what_callers_hear(
    omar: Browser, here: str, cast: Cast, gate: Gate
) -> None:
    assert "short code, not shared" in omar.get(here).text
    page = share(omar, here, (cast.a.tenant_id, "1", "Pelican"), (cast.b.tenant_id, "27", ""))
    for words in (
        "shared by 2 companies",
        "“Welcome to 1252. For Pelican, press 1. For Harbour Hotels, press 2 7.”",
        "presses nothing for 7 seconds",
        "after 3 times goodbye",
        "hung up before they chose",
    ):
        assert words in page
    stock = omar.get("/operator/stock/numbers").text
    assert "shared" in stock
    assert "Rent out 1252" not in stock
    with gate.open(_DESK) as session:
        assert {one.kind.value for one in orders.waiting(session)} == {"reload"}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("1", "These keys are taken"),
        ("12", "These keys are taken"),
        ("2", "These keys are taken"),
        ("", "That cannot be so"),
        ("1234567", "That cannot be so"),
        ("1a", "That cannot be so"),
        ("３", "That cannot be so"),
        ("*", "That cannot be so"),
    ],
)
def test_keys_that_begin_alike_or_are_none_are_refused(
    omar: Browser, here: str, cast: Cast, gate: Gate, people: People, keys: str, said: str
) -> None:
    share(omar, here, (cast.a.tenant_id, "1", "Pelican"))
    with gate.open(_DESK) as session:
        other = people.company("Kite Bikes")
        code_id = NumberId(ids.parse("num", here.split("/")[4]))
        shared_codes.add(
            session,
            code_id=code_id,
            renter_tenant_id=other.tenant_id,
            keys="27",
            name="Kite",
            is_spoken=True,
        )
    asked = {"company": ids.public("ten", cast.b.tenant_id), "keys": keys, "name": "Harbour", "spoken": "on"}
    assert said in omar.get(omar.post(f"{here}/companies", asked).location).text
    assert {one.keys for one in choices(gate)} == {"1", "27"}


def test_a_company_is_on_a_code_once(omar: Browser, here: str, cast: Cast) -> None:
    page = share(omar, here, (cast.a.tenant_id, "1", "Pelican"), (cast.a.tenant_id, "5", "Pelican again"))
    assert "The company is on this code already" in page


def test_a_shared_code_is_rented_by_nobody_and_a_rented_one_is_not_shared(
    omar: Browser, here: str, cast: Cast, gate: Gate
) -> None:
    share(omar, here)
    number_id = NumberId(ids.parse("num", here.split("/")[4]))
    with gate.open(_DESK) as session:
        assert number_rentals.search(session, renter_tenant_id=cast.a.tenant_id, digits="1252") == []
    with pytest.raises(CodeSharedError), gate.open(_DESK) as session:
        numbers.let(session, number_id=number_id, renter=cast.a.tenant_id)
    assert "shared no longer" in omar.get(omar.post(f"{here}/end").location).text
    with gate.open(_DESK) as session:
        numbers.let(session, number_id=number_id, renter=cast.a.tenant_id)
    refused = omar.get(omar.post(here, {"greeting": "", "language": "en"}).location).text
    assert "The number is rented already" in refused
    assert "A company rents it alone" in refused


def test_only_short_codes_have_the_page_and_only_stock_keepers_change_it(
    omar: Browser, here: str, cast: Cast, gate: Gate, browser: Browsers, people: People
) -> None:
    long = telephony.stocked(gate, "+448081570177")
    there = f"/operator/stock/numbers/{ids.public('num', long.number_id)}/code"
    assert omar.get(there).status_code == 404
    assert (
        "Only a short code is shared"
        in omar.get(omar.post(there, {"greeting": "", "language": "en"}).location.replace(there, here)).text
    )
    assert omar.post(here, {"greeting": "a\nb", "language": "en"}).status_code == 303
    assert "That cannot be so" in omar.get(here).text
    sam = browser()
    sam.sign_in(staff(people, "operator_support", name="sam").email)
    assert sam.get(here).status_code == 200
    assert sam.post(here, {"greeting": "", "language": "en"}).status_code == 403
    assert "Share it</button>" not in sam.get(here).text
    with gate.open(_DESK) as session:
        assert shared_codes.every(session) == []


def test_a_company_sets_up_its_share_and_goes_out_of_it(
    omar: Browser, here: str, cast: Cast, day: Scene, gate: Gate, browser: Browsers
) -> None:
    share(omar, here, (cast.a.tenant_id, "1", "Pelican"), (cast.b.tenant_id, "27", "Harbour"))
    follow(gate)
    entry = gate.resolve(numbers.DIRECTORY, numbers.directory_key("1252*1"))
    assert entry
    assert entry.tenant_id == cast.a.tenant_id
    assert gate.resolve(numbers.DIRECTORY, numbers.directory_key("1252")) is None, "the code is nobody's"
    alice = browser()
    alice.sign_in(cast.alice.email)
    page = alice.get("/portal/numbers").text
    for words in ("then 1", "a share of a short code", "the seconds before are not yours to pay", "Leave it"):
        assert words in page
    assert "then 27" not in page, "another company's keys are nobody else's business"
    mine = next(one for one in choices(gate) if one.renter_tenant_id == cast.a.tenant_id)
    number = ids.public("num", mine.choice_id)
    theirs = ids.public("num", next(one for one in choices(gate) if one != mine).choice_id)
    assert alice.post(f"/portal/numbers/{theirs}/release").status_code == 404
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        row = numbers.get(session, tenant_id=cast.a.tenant_id, number_id=mine.choice_id)
    alice.post(
        f"/portal/numbers/{number}",
        {
            "queue": ids.public("que", day.line.queue_id),
            "greeting": "Pelican here.",
            "language": "en",
            "revision": str(row.revision),
        },
    )
    assert "Pelican here." in alice.get("/portal/numbers").text
    left = alice.get(alice.post(f"/portal/numbers/{number}/release").location).text
    assert "Nobody reaches you by 1252 any more" in left
    assert "then 1" not in left
    assert gate.resolve(numbers.DIRECTORY, numbers.directory_key("1252*1")) is None
    assert [one.keys for one in choices(gate)] == ["27"]
    with pytest.raises(ChoiceTakenError), gate.open(_DESK) as session:
        shared_codes.add(
            session,
            code_id=NumberId(ids.parse("num", here.split("/")[4])),
            renter_tenant_id=OPERATOR,
            keys="1",
            name="Somebody else",
            is_spoken=True,
        )
    with clock.hold(NOW + number_rentals.QUARANTINE), gate.open(_DESK) as session:
        shared_codes.add(
            session,
            code_id=NumberId(ids.parse("num", here.split("/")[4])),
            renter_tenant_id=OPERATOR,
            keys="1",
            name="Somebody else",
            is_spoken=True,
        )


def test_the_operator_takes_a_company_off(omar: Browser, here: str, cast: Cast, gate: Gate) -> None:
    share(omar, here, (cast.a.tenant_id, "1", "Pelican"))
    follow(gate)
    in_use = omar.get(omar.post(f"{here}/end").location).text
    assert "Companies are still reached by this code" in in_use
    number = ids.public("num", choices(gate)[0].choice_id)
    page = omar.get(omar.post(f"{here}/companies/{number}/end").location).text
    assert "Nobody is reached by 1 any more; the keys rest." in page
    assert "Nobody is on it yet" in page
    assert omar.post(f"{here}/companies/{number}/end").status_code == 404
    follow(gate)
    assert gate.resolve(numbers.DIRECTORY, numbers.directory_key("1252*1")) is None
    again = share(omar, here, (cast.a.tenant_id, "1", "Pelican"))
    assert "shared by 1 company" in again, "its own keys do not rest for the company itself"


def test_a_company_that_is_deleted_is_on_no_code(omar: Browser, here: str, cast: Cast, gate: Gate) -> None:
    share(omar, here, (cast.a.tenant_id, "1", "Pelican"))
    with gate.open(_DESK) as session:
        rentals.end_all(session, tenant_id=cast.a.tenant_id)
    assert choices(gate) == ()
