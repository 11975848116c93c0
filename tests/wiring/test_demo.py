"""The demo: whole, only into an empty database, only on this machine; with a month behind it at any date."""

import datetime as dt
import itertools
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from billing import invoices, usage
from billing.bill import Kind
from billing.invoices import InvoiceSummary
from core import clock
from core.config import Settings
from core.ids import OPERATOR, TenantId
from seats import limits, stock
from security.gate import Gate, Scope
from telephony import number_rentals, numbers
from tenants import companies
from wiring import demo, demo_past
from wiring.demo_past import month_to_close


def test_the_demo_is_whole_and_seeded_once(settings: Settings, gate: Gate) -> None:
    sign_ins = demo.seed(settings)
    assert len(sign_ins) == 10
    assert len({one.password for one in sign_ins}) == len(sign_ins)
    with gate.open(Scope.system(OPERATOR)) as session:
        clients = {one.name: one.tenant_id for one in companies.clients(session)}
    assert set(clients) == {"Pelican Parcel", "明湖旅行"}
    entry = gate.resolve(numbers.DIRECTORY, numbers.directory_key("+448081570142"))
    assert entry is not None
    assert entry.tenant_id == clients["Pelican Parcel"]
    assert demo.seed(settings) == []


def test_of_everything_that_can_be_rented_some_is_free(settings: Settings, gate: Gate) -> None:
    demo.seed(settings)
    with gate.open(Scope.system(OPERATOR)) as session:
        (pelican,) = (one for one in companies.clients(session) if one.name == "Pelican Parcel")
        for kind in ("short", "local", "national", "mobile", "tollfree"):
            assert number_rentals.search(session, renter_tenant_id=pelican.tenant_id, kind=kind), kind
        free = stock.free(session, starts_at=clock.now(), ends_at=None)
        most = limits.of(session, renter_tenant_id=pelican.tenant_id).most_seats
    assert len(free) >= most // 2


def test_demo_passwords_are_refused_off_loopback(settings: Settings, gate: Gate) -> None:
    outside = settings.model_copy(update={"public_url": "https://calls.example.com"})
    with pytest.raises(demo.DemoRefusedError):
        demo.seed(outside)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert not companies.clients(session)


def clients_of(gate: Gate) -> dict[str, TenantId]:
    with gate.open(Scope.system(OPERATOR)) as session:
        return {one.name: one.tenant_id for one in companies.clients(session)}


def invoices_of(gate: Gate, tenant_id: TenantId) -> list[InvoiceSummary]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(invoices.every(session, tenant_id=tenant_id))


@given(
    st.integers(1_577_836_800, 2_208_988_800).map(lambda s: dt.datetime.fromtimestamp(s, dt.UTC)),
    st.sampled_from(["Europe/London", "Asia/Shanghai", "America/St_Johns", "Pacific/Apia"]),
)
def test_the_month_is_the_newest_that_can_have_been_closed(now: dt.datetime, zone: str) -> None:
    month = month_to_close(now, zone=zone)
    assert month.end <= now - demo_past.CLOSES_AFTER
    following = month.end.astimezone(zoneinfo.ZoneInfo(zone)) + dt.timedelta(days=32)
    assert now - demo_past.CLOSES_AFTER < following  # no later one was over


@pytest.mark.parametrize(
    ("now", "months"),
    [
        (dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC), ("2026-09", "2026-09")),  # in Shanghai it is the first
        (
            dt.datetime(2026, 11, 1, 0, 30, tzinfo=dt.UTC),
            ("2026-09", "2026-10"),
        ),  # too early for London's clerks
        (dt.datetime(2026, 4, 15, 12, tzinfo=dt.UTC), ("2026-03", "2026-03")),  # the clocks went on
        (dt.datetime(2024, 3, 1, 6, tzinfo=dt.UTC), ("2024-02", "2024-02")),  # a leap year
        (dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC), ("2025-12", "2025-12")),
    ],
)
def test_at_any_date_each_company_has_a_closed_month(
    settings: Settings, gate: Gate, now: dt.datetime, months: tuple[str, str]
) -> None:
    with clock.hold(now):
        demo.seed(settings)
        clients = clients_of(gate)
        for client, month in zip((demo.PELICAN, demo.MINGHU), months, strict=True):
            (one,) = invoices_of(gate, clients[client.name])
            first = one.period.start.astimezone(zoneinfo.ZoneInfo(client.zone))
            assert (one.state, f"{first:%Y-%m}") == ("finalised", month)
            assert one.issued_on is not None
            assert one.due_on is not None
            assert one.issued_on <= now.astimezone(zoneinfo.ZoneInfo("Europe/London")).date() < one.due_on


def test_all_four_kinds_of_use_are_on_the_invoice_and_nothing_waits(settings: Settings, gate: Gate) -> None:
    demo.seed(settings)
    for client in (demo.PELICAN, demo.MINGHU):
        tenant_id = clients_of(gate)[client.name]
        (one,) = invoices_of(gate, tenant_id)
        with gate.open(Scope.system(tenant_id)) as session:
            paper = invoices.find(session, tenant_id=tenant_id, invoice_id=one.invoice_id)
            events = list(invoices.events(session, tenant_id=tenant_id, invoice_id=one.invoice_id))
            bill = invoices.running_bill(session, tenant_id=tenant_id, now=clock.now())
            closed = usage.closed_until(session, tenant_id=tenant_id)
        lines = paper.bill.lines
        assert {"voice.inbound", "voice.outbound", "seat.month", "agent.hour"} <= {
            line.meter for line in lines
        }
        assert {line.kind for line in lines} == {Kind.METERED}
        assert not any(line.is_late for line in lines)
        assert all(line.amount_minor > 0 for line in lines)
        seats = next(line for line in lines if line.meter == "seat.month")
        assert seats.quantity == client.seats  # whole months, not a day more
        assert {event.source for event in events} == {"demo", "rentals", "agents"}
        assert bill.waiting == 0
        assert closed == one.period.end


def test_no_agent_has_two_calls_at_once_nor_one_at_a_meal(settings: Settings, gate: Gate) -> None:
    demo.seed(settings)
    tenant_id = clients_of(gate)[demo.PELICAN.name]
    with gate.open(Scope.system(tenant_id)) as session:
        rows = session.execute(
            text("SELECT agent_ref, occurred_at, ended_at FROM app.usage_events WHERE source = 'demo'")
        ).all()
    assert len(rows) > 40
    local = zoneinfo.ZoneInfo(demo.PELICAN.zone)
    for agent in {row.agent_ref for row in rows}:
        calls = sorted((row.occurred_at, row.ended_at) for row in rows if row.agent_ref == agent)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(calls))
        for start, end in calls:
            begun, over = start.astimezone(local).time(), end.astimezone(local).time()
            assert dt.time(9) <= begun
            assert over <= dt.time(11) or dt.time(11, 30) <= begun
            assert over <= dt.time(13)
