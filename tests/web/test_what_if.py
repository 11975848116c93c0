"""What a month would have cost: the portal's page, the operator's, and the program's answer are one."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from billing.price_lists import PriceList
from core import clock, ids
from tests.web.conftest import Cast, Programs
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import Enter, enter, path, uk

__all__ = ["enter", "uk"]  # fixtures


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def amounts(page: str) -> list[str]:
    """The amounts of the last row: as it was, as supposed, the difference."""
    foot = re.search(r"<tfoot>(.*?)</tfoot>", page, re.DOTALL)
    assert foot
    return re.findall(r'<td class="r num">([^<]+)</td>', foot[1])


def test_the_operator_asks_of_a_company_under_any_price_list(
    enter: Enter, cast: Cast, day: Scene, uk: PriceList
) -> None:
    dana, where = enter(), f"{path(cast.a)}/what-if"
    assert f'href="{where}"' in dana.get(path(cast.a)).text
    page = dana.get(f"{where}?month=2026-11").text
    was, would, more = amounts(page)
    assert was == would
    assert more == "—"
    same = dana.get(f"{where}?month=2026-11&prices={ids.public('pl', uk.price_list_id)}").text
    assert amounts(same)[:2] == [was, would]
    by_day = dana.get(f"{where}?month=2026-11&seats=day").text
    assert "by the day" in by_day


@pytest.mark.parametrize("month", ["", "2026-13", "99999-01", "²-1", "x"])
def test_a_month_that_is_none_is_the_last_one(enter: Enter, cast: Cast, day: Scene, month: str) -> None:
    page = enter().get(f"{path(cast.a)}/what-if?month={quote(month)}").text
    assert re.search(r'<option value="2026-10" selected>', page)


def test_who_may_not_see_money_asks_nothing(enter: Enter, cast: Cast, day: Scene) -> None:
    assert enter("operator_inventory").get(f"{path(cast.a)}/what-if").status_code == 403


def test_a_program_that_names_prices_or_a_month_that_cannot_be_is_told(program: Programs, cast: Cast) -> None:
    ours = program(cast.a)
    assert ours.get("/what-if?prices=4711").status_code == 404
    for month in ("2026-13", "soon", "1999-01"):
        assert ours.get(f"/what-if?month={month}").status_code == 422
