"""What a price list agrees beyond single prices, on the operator's pages; and what is charged once."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from billing import explorer, invoices, periods, price_drafts, promises, rentals, safety, tariffs
from billing.agreed import Count
from billing.price_lists import PriceList
from billing.rating.labour import Labour
from billing.rating.rentals import RentalPrice
from billing.rating.terms import (
    Allowance,
    ChargeModel,
    Commitment,
    Credit,
    Discount,
    Model,
    ServiceLevel,
    Step,
    Terms,
)
from billing.safety import Outside, Reason
from core import clock, ids
from core.ids import OPERATOR
from core.money import NANO
from security.gate import Gate, Scope
from tenants.companies import Company
from tests.billing import stock
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browsers, Cast
from tests.web.scene import NOW, Scene
from tests.web.test_operator_pages import Enter, enter, path, prices_path, uk

__all__ = ["enter", "uk"]  # fixtures

NOVEMBER = periods.month(2026, 11, zone="Europe/London")
FORM = {
    "allowance.0.name_en": "500 minutes",
    "allowance.0.name_zh": "五百分钟",
    "allowance.0.calls": "both",
    "allowance.0.minutes": "500",
    "allowance.0.keep": "2",
    "model.0.meter": "item.training",
    "model.0.model": "graduated",
    "model.0.tiers": "10: 40; 35.50 + 5",
    "discount.0.name_en": "Loyalty",
    "discount.0.area": "voice",
    "discount.0.percent": "7.5",
    "commitment.0.name_en": "At least",
    "commitment.0.amount": "2000",
    "commitment.0.months": "3",
    "labour.0.row": "1",
    "labour.0.overtime": "150",
    "labour.0.daily": "8",
    "labour.0.weekly": "37.5",
    "labour.0.night": "125 %",
    "labour.0.from": "22:00",
    "labour.0.to": "06:00",
    "service.0.name_en": "In 20 seconds",
    "service.0.steps": "80: 5; 70: 10",
    "service.0.area": "voice",
    "service.0.most": "500",
}
PRICES = {"rental.item.training": "40", "rental.agent.hour": "14.50", "revision": "1"}


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def test_what_is_agreed_is_typed_saved_and_shown_again(enter: Enter, uk: PriceList, gate: Gate) -> None:
    dana = enter()
    dana.post(f"{prices_path(uk)}/versions")
    here = f"{prices_path(uk)}/versions/2"
    dana.post(here, data=PRICES)
    page = dana.get(f"{here}?kind=terms").text
    for heading in (
        "Included minutes",
        "Prices of a whole month",
        "Discounts",
        "Minimum spend",
        "Promises of service",
    ):
        assert heading in page
    revision = re.search(r'name="revision" value="(\d+)"', page)
    assert revision
    assert dana.post(f"{here}/terms", data={**FORM, "revision": revision[1]}).status_code == 303
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_drafts.contents(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id, number=2)
    calls = ("voice.inbound", "voice.outbound")
    assert found.terms.allowances == (Allowance("allowance-1", calls, 30_000, rollover=2),)
    assert found.terms.models == (
        ChargeModel(
            "item.training",
            Model.GRADUATED,
            steps=(Step(40 * NANO, up_to_milli=10_000), Step(35_500_000_000, flat_nano=5 * NANO)),
        ),
    )
    assert found.terms.discounts == (Discount("discount-1", calls, off_ppm=75_000),)
    assert found.terms.commitments == (Commitment("commitment-1", 2000 * NANO, months=3),)
    assert found.terms.labour == Labour(
        overtime_ppm=1_500_000,
        daily_s=8 * 3600,
        weekly_s=135_000,
        night_ppm=1_250_000,
        night_from_s=22 * 3600,
        night_to_s=6 * 3600,
    )
    steps = (Credit(800_000, 50_000), Credit(700_000, 100_000))
    assert found.terms.service == (ServiceLevel("service-1", steps, calls, most_nano=500 * NANO),)
    assert found.destinations["allowance-1"] == {"en": "500 minutes", "zh": "五百分钟"}
    again = dana.get(f"{here}?kind=terms").text
    assert 'value="10: 40.00; 35.50 + 5.00"' in again
    assert 'value="500 minutes"' in again
    for name, value in (("weekly", "37.5"), ("night", "125"), ("from", "22:00"), ("overtime", "150")):
        assert re.search(rf'name="labour.0.{name}" value="{value}"', again)
    assert 'value="80: 5; 70: 10"' in again


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("allowance.0.minutes", "many", "no whole number"),
        ("model.0.tiers", "10: cheap", "Write tiers like"),
        ("model.0.tiers", "10: 4; 20: 3", "the last tier must be open"),
        ("discount.0.percent", "101", "no percentage"),
        ("commitment.0.amount", "£20", "no amount"),
        ("commitment.0.months", "5", "1, 3, 6 or 12"),
        ("labour.0.overtime", "half", "no multiplier"),
        ("labour.0.overtime", "1,250 %", "may be meant two ways"),
        ("discount.0.percent", "1,250%", "may be meant two ways"),
        ("labour.0.weekly", "1,250", "may be meant two ways"),
        ("commitment.0.amount", "1,250", "may be meant two ways"),
        ("labour.0.weekly", "169", "no number of hours"),
        ("labour.0.from", "late", "no time of day"),
        ("labour.0.to", "06:10", "quarter of an hour"),
        ("labour.0.holiday", "200", "names no calendar"),
        ("service.0.steps", "80", "what is promised like"),
        ("service.0.steps", "70: 5; 80: 10", "less and less"),
    ],
)
def test_a_field_that_does_not_fit_is_named_and_nothing_is_saved(
    enter: Enter, uk: PriceList, gate: Gate, field: str, value: str, says: str
) -> None:
    dana = enter()
    dana.post(f"{prices_path(uk)}/versions")
    here = f"{prices_path(uk)}/versions/2"
    dana.post(here, data=PRICES)
    answer = dana.post(f"{here}/terms", data={**FORM, field: value, "kind": "terms"})
    assert answer.status_code == 422
    assert says in answer.text
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_drafts.contents(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id, number=2)
    assert not found.terms


@pytest.fixture
def with_items(cast: Cast, day: Scene, gate: Gate) -> Company:
    """Company A on prices that have a set-up fee and a monthly fee."""
    version = stock.publish(
        gate,
        code="with-items",
        effective_from=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        rentals=(
            RentalPrice("item.setup", "seats", 250 * NANO),
            RentalPrice("fee.platform", "seats", 60 * NANO),
        ),
    )
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        tariffs.take(session, tenant_id=cast.b.tenant_id, version=version)
    return cast.b


def test_a_set_up_is_charged_once_however_often_the_form_is_sent(
    enter: Enter, with_items: Company, gate: Gate
) -> None:
    dana, where = enter(), path(with_items)
    page = dana.get(where).text
    assert "Charge once" in page
    order = re.search(r'name="order" value="(use_\w+)"', page)
    assert order
    form = {"order": order[1], "meter": "item.setup", "count": "2"}
    for later in (0, 5):
        with clock.hold(NOW + dt.timedelta(minutes=later)):
            assert dana.post(f"{where}/items", data=form).status_code == 303
    assert dana.post(f"{where}/items", data={**form, "count": "0"}).status_code == 422
    assert dana.post(f"{where}/items", data={**form, "meter": "item.other"}).status_code == 403
    with gate.open(Scope.system(with_items.tenant_id)) as session:
        bill = invoices.running_bill(session, tenant_id=with_items.tenant_id, now=NOW).bill
        assert not explorer.counts(session, tenant_id=with_items.tenant_id).conflicts
    assert [(line.meter, line.amount_minor) for line in bill.lines] == [("item.setup", 50000)]


def test_who_does_not_do_the_billing_charges_nothing(enter: Enter, with_items: Company) -> None:
    omar = enter("operator_inventory")
    assert "Charge once" not in omar.get(path(with_items)).text
    assert omar.post(f"{path(with_items)}/items", data={}).status_code == 403


def test_a_monthly_fee_goes_on_while_the_prices_say_so(with_items: Company, gate: Gate) -> None:
    tenant_id = with_items.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        fees = rentals.fees(session, tenant_id=tenant_id)
        assert [(one.meter, one.ends_at) for one in fees] == [("fee.platform", None)]
        accruals = rentals.accruing(session, tenant_id=tenant_id, spans=fees, now=NOW)
        bill = invoices.running_bill(session, tenant_id=tenant_id, now=NOW, accruals=accruals).bill
    assert [(line.meter, line.is_estimate) for line in bill.lines] == [("fee.platform", True)]
    with gate.open(Scope.system(tenant_id)) as session:
        assert rentals.fees(session, tenant_id=tenant_id) == fees


def test_bounds_and_a_blocked_prefix_are_typed_on_the_page(enter: Enter, uk: PriceList, gate: Gate) -> None:
    dana = enter()
    dana.post(f"{prices_path(uk)}/versions")
    here = f"{prices_path(uk)}/versions/2"
    page = dana.get(f"{here}?kind=voice.outbound").text
    assert 'name="rate.voice.outbound.447.grace" value="0"' in page
    field = "rate.voice.outbound.447"
    bounds = {f"{field}.grace": "3", f"{field}.least": "0.01", f"{field}.most": "5", f"{field}.blocked": "1"}
    for name, value, says in (
        ("grace", "soon", "no number of seconds"),
        ("least", "6", "contradict each other"),
        ("most", "dear", "no amount"),
    ):
        answer = dana.post(here, data={**bounds, f"{field}.{name}": value})
        assert answer.status_code == 422
        assert says in answer.text
    assert dana.post(here, data=bounds).status_code == 303
    with gate.open(Scope.system(OPERATOR)) as session:
        found = price_drafts.contents(session, tenant_id=OPERATOR, price_list_id=uk.price_list_id, number=2)
    (rate,) = [one for one in found.rates if (one.meter, one.prefix) == ("voice.outbound", "447")]
    assert (rate.rate.grace_s, rate.rate.minimum, rate.rate.maximum) == (3, NANO // 100, 5 * NANO)
    assert rate.is_blocked


@pytest.fixture
def with_promises(cast: Cast, day: Scene, gate: Gate) -> Company:
    """Company B on prices that promise service."""
    version = stock.publish(
        gate,
        code="with-promises",
        effective_from=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        terms=Terms(service=(ServiceLevel("quick", (Credit(800_000, 50_000),)),)),
        names={"quick": {"en": "In 20 seconds", "zh": "20 秒内接听"}},
    )
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        tariffs.take(session, tenant_id=cast.b.tenant_id, version=version)
    return cast.b


def test_how_the_service_was_is_said_queue_by_queue(enter: Enter, with_promises: Company, gate: Gate) -> None:
    dana, where = enter(), f"{path(with_promises)}/closing"
    page = dana.get(f"{where}?month=2026-11").text
    assert "In 20 seconds" in page
    assert "nobody has said yet how it was" in page
    form = {"month": "2026-11", "code": "quick", "queue": "Sales", "offered": "1000", "in_time": "750"}

    def after(**odd: str) -> str:
        assert dana.post(f"{where}/service", data={**form, **odd}).status_code == 303
        return dana.get(f"{where}?month=2026-11").text

    assert "75% in time, 80% promised" in after()
    for odd in ({"in_time": "1001"}, {"queue": ""}, {"offered": "many"}, {"month": "soon"}):
        assert "This count cannot be" in after(**odd)
    assert "Nothing of this name" in after(code="slow")
    with gate.open(Scope.system(with_promises.tenant_id)) as session:
        month_on = dt.date(2026, 11, 1)
        found = promises.of_month(session, tenant_id=with_promises.tenant_id, month_on=month_on)
    assert found == (Count("quick", "Sales", 1000, 750),)
    dana.post(f"{where}/service/back", data=form)
    assert "nobody has said yet" in dana.get(f"{where}?month=2026-11").text
    assert "No service is promised" in dana.get(f"{where}?month=2026-10").text


def test_who_does_not_do_the_billing_says_nothing_of_the_service(
    enter: Enter, with_promises: Company
) -> None:
    omar = enter("operator_inventory")
    assert omar.post(f"{path(with_promises)}/closing/service", data={}).status_code == 403
    assert omar.get(f"{path(with_promises)}/closing").status_code == 403


def test_a_bill_that_is_held_is_released_by_two_people(
    enter: Enter, browser: Browsers, people: People, cast: Cast, day: Scene, gate: Gate
) -> None:
    dana, priya, where = enter(), browser(), f"{path(cast.b)}/closing"
    priya.sign_in(scene.staff(people, "operator_billing", name="Priya").email)
    for odd in (
        {"times": "0.5"},
        *({"most": "much"}, {"most": "1,250"}, {"second": "-1"}),
        *({"lines": "0"}, {"lines": "1.5"}, {"lines": "1001"}, {"lines": "many"}),
    ):
        dana.post("/operator/safety", {"second": "0", "times": "10", "most": "", **odd})
        assert "These bounds cannot be" in dana.get("/operator/safety").text
    assert dana.post("/operator/safety", {"second": "0", "times": "2.5", "most": ""}).status_code == 303
    assert 'value="2.5"' in dana.get("/operator/safety").text
    assert dana.post(f"{where}/bounds", {"times": "4", "most": "50"}).status_code == 303
    assert 'value="50"' in dana.get(where).text
    assert lines_field(dana.get(where).text) == "15"
    assert dana.post(f"{where}/bounds", {"times": "4", "most": "50", "lines": "40"}).status_code == 303
    assert lines_field(dana.get(where).text) == "40"
    assert lines_field(dana.get("/operator/safety").text) == "15"
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        draft = invoices.draft(session, tenant_id=cast.b.tenant_id, period=NOVEMBER)
        outside = Outside(Reason.ABOVE_MOST, 6000, 5000)
        safety.hold(session, tenant_id=cast.b.tenant_id, invoice_id=draft.invoice_id, outside=outside)
    page = dana.get(where).text
    assert "It is above the most that was set" in page
    assert "£60.00, and the bound is £50.00." in page
    form = {"invoice": ids.public("inv", draft.invoice_id), "why": "A fair"}
    dana.post(f"{where}/release", {**form, "why": " "})
    assert "A reason is missing" in dana.get(where).text
    dana.post(f"{where}/release", form)
    page = dana.get(where).text
    assert "Somebody else has to decide about it now." in page
    assert f"{where}/release" not in page
    assert "“A fair”" in priya.get(where).text
    priya.post(f"{where}/release", form)
    assert "It is released" in priya.get(where).text
    dana.post(f"{where}/release", form)
    assert "This bill is not held" in dana.get(where).text


def test_a_bill_that_is_held_for_its_lines_says_so_and_what_to_do(
    enter: Enter, cast: Cast, day: Scene, gate: Gate
) -> None:
    dana, where = enter(), f"{path(cast.b)}/closing"
    with gate.open(Scope.system(cast.b.tenant_id)) as session:
        draft = invoices.draft(session, tenant_id=cast.b.tenant_id, period=NOVEMBER)
        outside = Outside(Reason.TOO_MANY_LINES, 6000, 0, lines=1451, most_lines=450)
        safety.hold(session, tenant_id=cast.b.tenant_id, invoice_id=draft.invoice_id, outside=outside)
    page = dana.get(where).text
    assert "It has more lines than was set: 1,451 lines over £60.00, and the bound is 450." in page
    assert "Look in the draft for what stands there again and again." in page
    assert f"{where}/release" in page


def lines_field(page: str) -> str:
    (value,) = re.findall(r'name="lines"[^>]* value="([^"]*)"', page)
    return str(value)


def test_who_does_not_do_the_billing_sets_no_bounds(enter: Enter, cast: Cast, day: Scene) -> None:
    omar = enter("operator_inventory")
    for address in ("/operator/safety", f"{path(cast.b)}/closing/bounds", f"{path(cast.b)}/closing/release"):
        assert omar.post(address, {}).status_code == 403
