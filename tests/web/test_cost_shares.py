"""Calls with two payers: agreed by the operator, seen by both companies and their programs."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from billing import accounts, sharing, tariffs, wallets
from billing.events import CostShareAgreed
from core import clock, ids
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene
from web.shown import cost_shares as shown
from wiring import sharing as wired


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(people: People, browser: Browsers, day: Scene) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_billing").email)
    return made


@pytest.fixture
def priced(gate: Gate, cast: Cast, day: Scene) -> None:
    """Both companies are billed in pounds."""
    version = stock.publish(gate, code="shares")
    for company in (cast.a, cast.b):
        with gate.open(Scope.system(company.tenant_id)) as session:
            if tariffs.in_force(session, tenant_id=company.tenant_id, at=NOW) is None:
                stock.customer(session, tenant_id=company.tenant_id, version=version)


def home(cast: Cast) -> str:
    return f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}"


Fields = dict[str, str | Sequence[str]]


def form(cast: Cast, **changes: str | Sequence[str]) -> dict[str, Any]:
    return {
        "other": ids.public("ten", cast.b.tenant_id),
        "from": "2099-01-01",
        "calls": ["voice.inbound|", ""],
        "percent": ["40", ""],
        **changes,
    }


class House:
    """As much of the house as telling the other side takes."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate


def tell(gate: Gate, cast: Cast) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        newest, *_ = sharing.every(session, tenant_id=cast.a.tenant_id)
    event = CostShareAgreed(
        tenant_id=cast.a.tenant_id, cost_share_id=newest.cost_share_id, other_id=cast.b.tenant_id
    )
    wired.tell(House(gate), event)


def test_what_the_operator_agrees_both_companies_see(
    dana: Browser, browser: Browsers, program: Programs, cast: Cast, gate: Gate, priced: None
) -> None:
    page = dana.get(f"{home(cast)}/cost-shares")
    assert "It pays for its calls alone" in page.text
    assert f"{home(cast)}/cost-shares" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/cost-shares", form(cast))
    tell(gate, cast)
    again = dana.get(f"{home(cast)}/cost-shares").text
    assert "It is agreed; both companies see it." in again
    assert "agreed for later" in again
    for user, own, other, whose in ((cast.alice, 60, 40, "yours"), (cast.charlie, 40, 60, "theirs")):
        made = browser()
        made.sign_in(user.email)
        text = made.get("/portal/cost-shares").text
        assert f"{own}&nbsp;%" in text
        assert f"{other}&nbsp;%" in text
        assert "/portal/cost-shares" in made.get("/portal/invoices").text
        company = cast.a if whose == "yours" else cast.b
        (found,) = program(company).get("/cost-shares").get_json()["agreements"]
        assert found["whose_calls"] == whose
        (share,) = found["shares"]
        assert (share["meter"], share["destination"]) == ("voice.inbound", None)
        assert (share["own_percent"], share["other_percent"]) == (own, other)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        entries = evidence.page(session, tenant_id=cast.a.tenant_id, limit=9).entries
    assert "cost-share.agreed" in {one.fact.action for one in entries}


def test_it_is_ended_from_a_day_on(
    dana: Browser, browser: Browsers, cast: Cast, gate: Gate, priced: None
) -> None:
    dana.post(f"{home(cast)}/cost-shares", form(cast))
    dana.post(f"{home(cast)}/cost-shares", form(cast, end="1", **{"from": "2099-02-01"}))
    tell(gate, cast)
    told = dana.get(f"{home(cast)}/cost-shares").text
    assert "It is ended." in told
    # what was agreed before says when it ends, and of which year
    assert "from 1 Jan 2099 00:00 on · until 1 Feb 2099 00:00" in " ".join(told.split())
    assert told.count("until 1 Feb") == 1
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    assert "Nothing shared with" in charlie.get("/portal/cost-shares").text
    dana.post(f"{home(cast)}/cost-shares", form(cast, end="1", **{"from": "2099-03-01"}))
    assert "These shares cannot be agreed" in dana.get(f"{home(cast)}/cost-shares").text


WRONG: list[Fields] = [
    {"percent": ["0", ""]},
    {"percent": ["101", ""]},
    {"percent": ["x", ""]},
    {"percent": ["", ""]},
    {"calls": ["", ""]},
    {"calls": ["seat.month|seats", ""]},
    {"calls": ["voice.inbound|", "voice.inbound|"], "percent": ["40", "50"]},
    {"from": "2001-01-01"},
    {"from": "tomorrow"},
    {"from": "0001-01-01"},
]


@pytest.mark.parametrize("changes", WRONG)
def test_what_cannot_be_agreed_is_said(
    dana: Browser, cast: Cast, gate: Gate, priced: None, changes: Fields
) -> None:
    dana.post(f"{home(cast)}/cost-shares", form(cast, **changes))
    assert "These shares cannot be agreed" in dana.get(f"{home(cast)}/cost-shares").text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert sharing.every(session, tenant_id=cast.a.tenant_id) == ()


def test_who_pays_beforehand_cannot_pay_for_others_and_is_told(
    dana: Browser, cast: Cast, gate: Gate, priced: None
) -> None:
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=cast.b.tenant_id)
    dana.post(f"{home(cast)}/cost-shares", form(cast))
    assert "This company cannot pay a part of these calls" in dana.get(f"{home(cast)}/cost-shares").text


def test_who_pays_for_others_is_given_no_wallet(dana: Browser, cast: Cast, gate: Gate, priced: None) -> None:
    dana.post(f"{home(cast)}/cost-shares", form(cast))
    tell(gate, cast)
    other = f"/operator/companies/{ids.public('ten', cast.b.tenant_id)}/wallet"
    dana.post(f"{other}/terms", {"credit": "0", "low": ""})
    assert "The company pays a part of another’s calls" in dana.get(other).text


def test_who_may_only_look_is_offered_no_form(
    people: People, browser: Browsers, cast: Cast, priced: None
) -> None:
    sam = browser()
    sam.sign_in(scene.staff(people, "operator_support").email)
    page = sam.get(f"{home(cast)}/cost-shares")
    assert "It pays for its calls alone" in page.text
    assert "Agree on shares" not in page.text
    assert sam.post(f"{home(cast)}/cost-shares", form(cast)).status_code == 403


def test_what_is_shown_tells_now_from_later_and_over(cast: Cast, gate: Gate, priced: None) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert accounts.find(session, tenant_id=cast.a.tenant_id).currency == "GBP"
        assert shown.choices(session, tenant_id=cast.a.tenant_id)[0].code == "voice.inbound|"
        assert shown.shown(session, tenant_id=cast.a.tenant_id) == []
