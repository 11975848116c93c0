"""The operator sees who is late, puts them off, leaves steps out and sets a company's own."""

import datetime as dt
from collections.abc import Iterator

import pytest

from billing import dunning
from billing.dunning import Deed, Step
from core import clock, ids
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import Scene
from wiring import figures

LATE = dt.datetime(2026, 12, 24, 12, tzinfo=dt.UTC)


@pytest.fixture
def dana(people: People, browser: Browsers, gate: Gate, cast: Cast, day: Scene) -> Iterator[Browser]:
    with clock.hold(LATE):
        figures.take(gate, tenant_id=cast.a.tenant_id)
        made = browser()
        made.sign_in(scene.staff(people, "operator_billing").email)
        yield made


def home(cast: Cast) -> str:
    return f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}/dunning"


def test_who_is_late_is_listed_and_leads_to_the_company(dana: Browser, cast: Cast, day: Scene) -> None:
    page = dana.get("/operator/dunning").text
    assert day.number in page
    assert f'href="{home(cast)}"' in page
    assert day.number in dana.get(home(cast)).text


def test_a_company_that_is_not_late_has_a_page_as_well(dana: Browser, cast: Cast) -> None:
    with clock.hold(scene.NOW):
        assert "Nobody is late" in dana.get(home(cast)).text


def test_putting_off_wants_a_reason_and_is_ended(dana: Browser, cast: Cast, gate: Gate, day: Scene) -> None:
    dana.post(f"{home(cast)}/pause", {"invoice": "", "reason": " "})
    assert "A reason is missing" in dana.get(home(cast)).text
    dana.post(f"{home(cast)}/pause", {"invoice": "", "reason": "pays in parts"})
    assert "pays in parts" in dana.get(home(cast)).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (pause,) = dunning.paused(session, tenant_id=cast.a.tenant_id, on=LATE.date())
    dana.post(f"{home(cast)}/go-on", {"pause": ids.public("dpa", pause.pause_id)})
    assert "pays in parts" not in dana.get(home(cast)).text


def test_a_step_is_left_out_with_its_reason_shown(dana: Browser, cast: Cast, day: Scene) -> None:
    invoice = ids.public("inv", day.invoice.invoice_id)
    dana.post(f"{home(cast)}/skip", {"invoice": invoice, "reason": "rang them"})
    assert "rang them" in dana.get(home(cast)).text


def test_steps_are_set_and_given_back(dana: Browser, cast: Cast, gate: Gate, day: Scene) -> None:
    def steps() -> tuple[Step, ...]:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            return dunning.settings(session, tenant_id=cast.a.tenant_id).steps

    dana.post(f"{home(cast)}/steps", {"days": ["5", "", "9"], "deed": ["remind", "remind", "suspend"]})
    assert steps() == (Step(5, Deed.REMIND), Step(9, Deed.SUSPEND))
    dana.post(f"{home(cast)}/steps", {"days": ["9", "5"], "deed": ["remind", "remind"]})
    assert "These steps cannot be" in dana.get(home(cast)).text
    assert steps() == (Step(5, Deed.REMIND), Step(9, Deed.SUSPEND))
    dana.post(f"{home(cast)}/steps", {"usual": "1"})
    assert steps() == dunning.DEFAULT
