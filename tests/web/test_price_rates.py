"""One rate of a draft on its own page: bands with holidays, slots from a second on, bounds."""

import re
from collections.abc import Iterator

import pytest

from billing import price_drafts
from billing.price_lists import PriceList
from billing.rating.rules import ALL_DAYS, HOLIDAY, Band, Ceiling, Rate, Slot
from billing.rating.tariff import DatedRate
from core import clock
from core.ids import OPERATOR
from core.money import NANO
from security.gate import Gate, Scope
from tests.web.scene import NOW
from tests.web.test_operator_pages import Enter, enter, prices_path, uk

__all__ = ["enter", "uk"]  # fixtures

MOBILE = "voice.outbound.447"
CHEAP, DEAR, AFTER = NANO // 100, NANO // 20, NANO // 50
FORM = {
    "id": MOBILE,
    "calendar": "gb-eng",
    "initial_s": "30",
    "grace_s": "3",
    "minimum": "0.02",
    "maximum": "5",
    "above": "refuse",
    "row.0.days": "1-5",
    "row.0.from": "08:00",
    "row.0.rate": "0.05",
    "row.0.step_s": "6",
    "row.0.connect": "0.03",
    "row.1.days": "1-5",
    "row.1.from": "08:00",
    "row.1.second": "600",
    "row.1.rate": "0.02",
    "row.1.step_s": "60",
    "row.1.connect": "0.03",
    "row.2.days": "6,7,H",
    "row.2.rate": "0.01",
    "row.3.days": "1-5",
    "row.3.from": "20:00",
    "row.3.rate": "0.01",
}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def rates(gate: Gate, uk: PriceList) -> dict[str, DatedRate]:
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_drafts.contents(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id, number=2)
    return {f"{one.meter}.{one.prefix}": one for one in found.rates}


def test_bands_slots_and_bounds_are_typed_saved_and_shown_again(
    enter: Enter, uk: PriceList, gate: Gate
) -> None:
    dana, here = enter(), f"{prices_path(uk)}/versions/2"
    dana.post(f"{prices_path(uk)}/versions")
    before = rates(gate, uk)
    assert f"/versions/2/rate?id={MOBILE}" in dana.get(f"{here}?kind=voice.outbound").text
    page = dana.get(f"{here}/rate?id={MOBILE}").text
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision
    answer = dana.post(f"{here}/rate", data={**FORM, "revision": revision[1]})
    assert answer.status_code == 303, answer.text
    after = rates(gate, uk)
    assert {name: one for name, one in after.items() if name != MOBILE} == {
        name: one for name, one in before.items() if name != MOBILE
    }
    evening = Band(slots=(Slot(0, CHEAP),), days_iso=ALL_DAYS[:5], from_s=72_000)
    assert after[MOBILE].rate == Rate(
        bands=(
            Band(
                slots=(Slot(0, DEAR, 60, 6), Slot(600, AFTER, 60, 60)),
                connect=3 * NANO // 100,
                days_iso=ALL_DAYS[:5],
                from_s=28_800,
            ),
            Band(slots=(Slot(0, CHEAP),), days_iso=(6, 7, HOLIDAY)),
            evening,
        ),
        initial_s=30,
        minimum=AFTER,
        maximum=5 * NANO,
        ceiling=Ceiling.REFUSE,
        grace_s=3,
    )
    again = dana.get(f"{here}/rate?id={MOBILE}").text
    for value in ("6,7,H", "08:00", "600", "GB-ENG", "0.0200"):
        assert f'value="{value}"' in again
    stale = dana.post(f"{here}/rate", data={**FORM, "revision": revision[1]})
    assert stale.status_code == 422
    assert "Somebody else has changed this draft" in stale.text


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("row.0.days", "0-8", "days from 1 (Monday) to 7"),
        ("row.0.from", "late", "a time of day like 08:00"),
        ("row.0.rate", "dear", "is an amount like"),
        ("row.1.second", "603", "begins inside an increment"),
        ("row.1.from", "09:00", "no row before it for second 0"),
        ("grace_s", "soon", "whole number of seconds"),
        ("maximum", "0.01", "contradict each other"),
        ("maximum", "", "refuses above a maximum it does not have"),
        ("calendar", "", "names no calendar"),
        ("calendar", "XX", "no calendar of holidays for XX"),
    ],
)
def test_a_rate_that_does_not_fit_says_why_and_nothing_is_saved(
    enter: Enter, uk: PriceList, gate: Gate, field: str, value: str, says: str
) -> None:
    dana, here = enter(), f"{prices_path(uk)}/versions/2"
    dana.post(f"{prices_path(uk)}/versions")
    before = rates(gate, uk)
    answer = dana.post(f"{here}/rate", data={**FORM, field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="6,7,H"' in answer.text  # what was typed is not lost
    assert rates(gate, uk) == before


def test_what_is_published_or_not_there_cannot_be_changed(enter: Enter, uk: PriceList) -> None:
    dana = enter()
    page = dana.get(f"{prices_path(uk)}/versions/1/rate?id={MOBILE}")
    assert page.status_code == 200
    assert "readonly" in page.text
    answer = dana.post(f"{prices_path(uk)}/versions/1/rate", data=FORM)
    assert answer.status_code == 422
    assert dana.get(f"{prices_path(uk)}/versions/1/rate?id=voice.outbound.1").status_code == 404


def test_who_does_not_set_prices_changes_no_rate(enter: Enter, uk: PriceList) -> None:
    omar = enter("operator_inventory")
    assert omar.post(f"{prices_path(uk)}/versions/1/rate", data=FORM).status_code == 403
