"""What service was promised, counted and given back, as the company sees it on its page and over the API."""

import datetime as dt
from collections.abc import Iterator

import pytest

from billing import promises, service_levels
from billing.agreed import Count
from billing.rating.terms import Credit, ServiceLevel, Terms
from core import clock, ids
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import inbound
from tests.billing.test_invoices import AFTER, drafted, finalised, use
from tests.web.conftest import Browser, Cast, Programs
from tests.web.test_payments import well_made

MONTH = dt.date(2026, 10, 1)
HERE = "/portal/service-levels"
NAMES = {"quick": {"en": "80 % within 20 seconds", "zh": "20 秒内接听 80%"}}
QUICK = ServiceLevel(
    "quick", (Credit(800_000, 50_000), Credit(700_000, 100_000)), ("voice.inbound",), most_nano=40 * NANO
)


@pytest.fixture(autouse=True)
def in_november() -> Iterator[None]:
    with clock.hold(AFTER):
        yield


@pytest.fixture
def promised(gate: Gate, cast: Cast) -> TenantId:
    """A company that is promised 80 % in time, and used calls for 10.00 in October."""
    version = stock.publish(gate, terms=Terms(service=(QUICK,)), names=NAMES)
    tenant_id = cast.a.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
    use(gate, tenant_id, inbound("call", 12_000))  # 200 minutes at 0.05
    return tenant_id


def counted(gate: Gate, tenant_id: TenantId, queue: str, offered: int, in_time: int) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        count = Count("quick", queue, offered, in_time)
        promises.give(session, tenant_id=tenant_id, month_on=MONTH, count=count, by=stock.new_id_of("dana"))


def test_before_anybody_has_counted_the_promise_stands_alone(
    alice: Browser, program: Programs, cast: Cast, promised: TenantId
) -> None:
    page = alice.get(HERE).text  # the last month that is over
    well_made(page)
    assert "80 % within 20 seconds" in page
    assert "below 80%: 5% back" in page
    assert "£40.00 at most" in page
    assert "nobody has said yet how it was" in page
    (one,) = program(cast.a).get("/service-levels").get_json()["promises"]
    assert (one["counts"], one["kept"], one["credit"]) == ([], None, None)
    assert one["steps"][1] == {"below_ppm": 700_000, "back_ppm": 100_000}
    assert one["most"] == {"minor": 4000, "currency": "GBP"}


def test_counts_target_and_credit_are_those_of_the_bill_first_as_an_estimate_then_final(
    alice: Browser, program: Programs, cast: Cast, promised: TenantId, gate: Gate
) -> None:
    counted(gate, promised, "Sales", 600, 390)
    counted(gate, promised, "Support", 400, 360)
    page = alice.get(f"{HERE}?month=2026-10").text
    well_made(page)
    for said in ("75% in time: 750 of 1,000", "£0.50", "fell short", "an estimate", "65%", "90%", "Support"):
        assert said in page, said
    ask = program(cast.a).get
    found = ask("/service-levels?month=2026-10").get_json()
    (one,) = found["promises"]
    assert (found["month"], found["is_final"], found["invoice_id"]) == ("2026-10", False, None)
    assert (one["offered"], one["answered_in_time"], one["kept"]) == (1000, 750, False)
    assert one["credit"] == {"minor": 50, "currency": "GBP"}
    assert [each["queue"] for each in one["counts"]] == ["Sales", "Support"]

    invoice = finalised(gate, promised, drafted(gate, promised))
    page = alice.get(f"{HERE}?month=2026-10").text
    assert "an estimate" not in page
    assert f"/portal/invoices/{ids.public('inv', invoice.invoice_id)}" in page
    assert "750 of 1,000 in time (75%), 80% promised: 5% of £10.00 back" in page
    found = ask("/service-levels?month=2026-10").get_json()
    assert (found["is_final"], found["invoice_id"]) == (True, ids.public("inv", invoice.invoice_id))
    assert found["promises"][0]["credit"] == {"minor": 50, "currency": "GBP"}


@pytest.mark.parametrize(("in_time", "is_kept"), [(800, True), (799, False), (1000, True)])
def test_a_promise_is_kept_to_the_last_call(
    gate: Gate, promised: TenantId, in_time: int, *, is_kept: bool
) -> None:
    counted(gate, promised, "Sales", 1000, in_time)
    with gate.open(Scope.system(promised)) as session:
        (one,) = service_levels.of(session, tenant_id=promised, month_on=MONTH).promises
    assert one.is_kept is is_kept
    assert (one.credit is None) is is_kept


def test_a_month_in_which_nobody_called_is_kept_and_gives_nothing_back(
    alice: Browser, gate: Gate, promised: TenantId
) -> None:
    counted(gate, promised, "Sales", 0, 0)
    page = alice.get(HERE).text
    assert "nobody asked for it" in page
    assert "as promised" in page


def test_a_company_without_promises_is_told_where_they_would_stand(
    alice: Browser, program: Programs, cast: Cast, gate: Gate
) -> None:
    assert program(cast.a).get("/service-levels").status_code == 404  # nobody to bill yet
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        stock.customer(session, tenant_id=cast.a.tenant_id, version=stock.publish(gate))
    page = alice.get(HERE).text
    well_made(page)
    assert "No service was promised for this month" in page
    assert program(cast.a).get("/service-levels?month=2026-13").status_code == 422
    assert f'href="{HERE}"' in alice.get("/portal/invoices").text


def test_the_page_speaks_chinese_and_is_for_who_reads_invoices(
    alice: Browser, gate: Gate, promised: TenantId
) -> None:
    counted(gate, promised, "销售", 1000, 600)
    alice.post("/language", {"language": "zh_Hans_CN", "next": HERE})
    page = alice.get(HERE).text
    well_made(page)
    assert "20 秒内接听 80%" in page
    assert "未达承诺" in page
