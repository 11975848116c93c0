"""A company's price list on the operator's page: what holds and comes, another one from a day on."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from billing import accounts, tariffs
from core import clock
from security.gate import Gate, Scope
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import Enter, enter, path

__all__ = ["enter"]  # a fixture
CHANGE = {"list": "uk-gold", "from": "2026-12-01"}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def dana(enter: Enter, day: Scene, gate: Gate) -> Browser:
    stock.publish(gate, code="uk-gold", of=stock.rates(mobile=10_000_000))
    return enter()


def planned(gate: Gate, cast: Cast) -> tuple[str, dt.datetime | None]:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found = accounts.find(session, tenant_id=cast.a.tenant_id)
    return found.next_price_list, found.next_price_list_at


def test_another_price_list_is_chosen_from_a_day_on(dana: Browser, cast: Cast, gate: Gate) -> None:
    here = f"{path(cast.a)}/price-list"
    assert f'href="{here}">uk-standard</a>' in dana.get(path(cast.a)).text
    page = dana.get(here).text
    assert "It pays by uk-standard." in page
    assert 'value="2026-12-01"' in page, "the first of the next month"
    assert 'min="2026-11-20"' in page
    assert '<option value="uk-standard"' not in page
    done = dana.post(here, CHANGE)
    assert done.location == here
    page = dana.get(here).text
    assert "From 1 Dec 2026 on it pays by uk-gold." in page
    assert "Keep uk-standard" in page
    assert re.search(
        r"uk-gold v1</span></td>.*?Coming.*?uk-standard v1</span></td>.*?In force", page, re.DOTALL
    )
    assert "from 1 Dec 2026: uk-gold" in dana.get(path(cast.a)).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        there = tariffs.in_force(session, tenant_id=cast.a.tenant_id, at=NOW.replace(month=12))
    assert there
    assert there.tariff.price_list == "uk-gold"
    with clock.hold(NOW.replace(month=12)):
        later = dana
        later.sign_in("dana@seatline.example")  # the session lay idle
        page = later.get(here).text
        assert "It pays by uk-gold." in page
        assert "Keep uk" not in page
        assert "uk-gold" in later.get("/operator/companies").text


def test_what_is_planned_is_replaced_and_taken_back(dana: Browser, cast: Cast, gate: Gate) -> None:
    here = f"{path(cast.a)}/price-list"
    dana.post(here, CHANGE)
    dana.post(here, CHANGE | {"from": "2026-11-20"})
    assert planned(gate, cast) == ("uk-gold", dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
    back = dana.post(f"{here}/keep")
    assert "The change is taken back; its price list stays." in dana.get(back.location).text
    assert planned(gate, cast) == ("", None)
    again = dana.post(f"{here}/keep")
    assert "No change is planned any more." in dana.get(again.location).text
    page = dana.get(here).text
    assert "Coming" not in page
    assert page.count("uk-standard v1</span>") == 1, "what was planned and never held is no line"


def test_the_company_reads_of_it_in_its_log(dana: Browser, cast: Cast, browser: Browsers, gate: Gate) -> None:
    dana.post(f"{path(cast.a)}/price-list", CHANGE)
    dana.post(f"{path(cast.a)}/price-list/keep")
    alice = browser()
    assert alice.sign_in(cast.alice.email).status_code == 303
    page = alice.get("/portal/evidence").text
    assert "Chose another price list from a day on" in page
    assert "Took a change of the price list back" in page
    assert "2026-12-01" in page


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"list": ""}, "Choose a price list"),
        ({"list": "nobody"}, "Choose a price list"),
        ({"list": "uk-standard"}, "It follows this list already"),
        ({"list": "eu"}, "in another currency"),
        ({"list": "uk-soon"}, "no prices yet on that day"),
        ({"from": ""}, "Choose a day."),
        ({"from": "soon"}, "Choose a day."),
        ({"from": "2026-11-19"}, "Choose a day from tomorrow on"),
        ({"from": "0001-01-01"}, "Choose a day."),
        ({"from": "2027-11-21"}, "Choose a day within a year"),
        ({"from": "9999-12-31"}, "Choose a day."),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    dana: Browser, cast: Cast, gate: Gate, wrong: dict[str, str], says: str
) -> None:
    stock.publish(gate, code="eu", currency="EUR")
    stock.publish(gate, code="uk-soon", effective_from=dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    answer = dana.post(f"{path(cast.a)}/price-list", CHANGE | wrong)
    assert answer.status_code == 422
    assert re.search(rf'class="error"[^>]*>.*{says}', answer.text)
    assert planned(gate, cast) == ("", None)


def test_who_may_not_see_money_sees_none_of_it(
    browser: Browsers, people: People, dana: Browser, cast: Cast
) -> None:
    ivy = browser()
    ivy.sign_in(scene.staff(people, "operator_inventory", name="Ivy").email)
    here = f"{path(cast.a)}/price-list"
    assert ivy.get(here).status_code == 403
    assert ivy.post(here, CHANGE).status_code == 403
    assert ivy.post(f"{here}/keep").status_code == 403
    assert here not in ivy.get(path(cast.a)).text


def test_where_there_is_no_other_list_one_is_made(enter: Enter, cast: Cast, day: Scene) -> None:
    page = enter().get(f"{path(cast.a)}/price-list").text
    assert "There is no other published price list in GBP" in page
    assert 'href="/operator/prices/new"' in page


def test_a_company_without_an_account_has_no_prices_to_change(dana: Browser, people: People) -> None:
    here = f"{path(people.company('Quiet Ltd'))}/price-list"
    page = dana.get(here).text
    assert "It has no prices" in page
    assert "Change the price list" not in page
    assert dana.post(here, CHANGE).status_code == 404
