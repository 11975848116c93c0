"""What use brought, by whom it was for: every way of looking at a month comes to the same minor unit."""

import datetime as dt
import random

import pytest

from billing import credit_notes, invoices, ledger, periods, revenue
from billing.credit_notes import Part
from billing.documents.document import InvoiceDocument
from billing.errors import PeriodInvalidError
from billing.ledger import REVENUE
from billing.rating.terms import Discount, Terms
from billing.revenue import By, Revenue
from billing.usage import Usage
from core import clock
from core.ids import TenantId, UserId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_agreed import TEN_MINUTES, company, counted
from tests.billing.test_invoices import AFTER, NOVEMBER, OCTOBER, drafted, finalised, use

BOTH = periods.Period(OCTOBER.start, NOVEMBER.end)
CAMPAIGNS, AGENTS, NUMBERS = ([new_id() for _ in range(4)] for _ in range(3))
IN_NOVEMBER = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


def calls(how_many: int, *, at: dt.datetime = stock.NOON, mark: str = "") -> list[Usage]:
    """Calls of odd lengths, some for no campaign and by nobody; the same ones whenever they are made."""
    chance = random.Random(f"{how_many}{mark}")  # noqa: S311 - which call is whose
    return [
        stock.usage(
            f"call-{n}{mark}",
            seconds=chance.randrange(1, 4000),
            at=at + dt.timedelta(minutes=n),
            prefix=chance.choice(["447700900", "44113496"]),
            campaign_ref=chance.choice([*CAMPAIGNS, None]),
            agent_ref=chance.choice([*AGENTS, None]),
            number_id=chance.choice([*NUMBERS, None]),
        )
        for n in range(how_many)
    ]


def look(gate: Gate, tenant_id: TenantId, period: periods.Period, by: By) -> Revenue:
    with gate.open(Scope.system(tenant_id)) as session:
        return revenue.of(session, tenant_id=tenant_id, period=period, by=by)


def booked(gate: Gate, tenant_id: TenantId, *documents: InvoiceDocument) -> int:
    """Book the invoices, and return what the ledger has as earned."""
    with gate.open(Scope.system(tenant_id)) as session:
        for one in documents:
            ledger.post_invoice(session, tenant_id=tenant_id, invoice=one)
        balances = ledger.trial_balance(session, tenant_id=tenant_id)
    return -sum(one.balance_minor for one in balances if one.account.startswith(REVENUE))


@pytest.mark.parametrize("by", list(By))
def test_a_closed_month_comes_to_what_the_ledger_has_as_earned(
    gate: Gate, tenant_a: TenantId, by: By
) -> None:
    loyal = Discount("loyalty", off_ppm=77_777)
    alice = company(gate, tenant_a, Terms(allowances=(TEN_MINUTES,), discounts=(loyal,)))
    use(gate, alice, *calls(40), counted("texts", 33, meter="message.sms"))
    october = finalised(gate, alice, drafted(gate, alice))
    earned = booked(gate, alice, october)
    found = look(gate, alice, OCTOBER, by)
    assert earned == october.bill.net_minor
    assert found.total_minor == found.booked_minor == earned
    assert found.agreed_minor == sum(one.amount_minor for one in october.bill.lines if one.kind != "metered")
    assert found.agreed_minor < 0
    assert found.open_minor == 0
    assert sum(one.events for one in found.parts) == 41
    assert len(found.parts) == 5  # four of each, and none


def test_every_way_of_looking_comes_to_the_same(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *calls(25))
    booked(gate, alice, finalised(gate, alice, drafted(gate, alice)))
    use(gate, alice, *calls(25, at=IN_NOVEMBER, mark="-november"))
    # of October, but reported when that was closed: on November's bill
    use(gate, alice, *calls(5, mark="-late"))
    with gate.open(Scope.system(alice)) as session:
        running = invoices.running_bill(session, tenant_id=alice, now=IN_NOVEMBER)
    found = [look(gate, alice, BOTH, by) for by in By]
    assert len({one.total_minor for one in found}) == 1
    for one in found:
        assert one.open_minor == running.bill.net_minor
        assert one.total_minor == one.booked_minor + one.open_minor
        assert sum(part.events for part in one.parts) == 55
    months = [look(gate, alice, month, By.AGENT) for month in (OCTOBER, NOVEMBER)]
    assert sum(one.total_minor for one in months) == found[0].total_minor


def test_what_a_credit_note_took_back_is_said_beside_it(gate: Gate, alice: TenantId) -> None:
    use(gate, alice, *calls(10))
    october = finalised(gate, alice, drafted(gate, alice))
    booked(gate, alice, october)
    before = look(gate, alice, OCTOBER, By.AGENT)
    with clock.hold(AFTER), gate.open(Scope.system(alice)) as session:
        credit_notes.ask(
            session,
            tenant_id=alice,
            invoice_id=october.invoice_id,
            parts=[Part(1, 40)],
            reason="Billed twice",
            by=UserId(new_id()),
        )
    after = look(gate, alice, OCTOBER, By.AGENT)
    assert after.credited_minor == 40
    assert after.parts == before.parts
    assert after.total_minor == after.booked_minor + after.credited_minor
    assert after.booked_minor == booked(gate, alice)


def test_one_part_is_what_its_own_calls_cost(gate: Gate, alice: TenantId) -> None:
    mine = calls(1, mark="-mine")[0]
    agent_ref, campaign_ref = new_id(), new_id()
    use(
        gate,
        alice,
        # a minute at 7.25 pence, and two
        stock.usage("one", seconds=60, agent_ref=agent_ref, campaign_ref=campaign_ref),
        stock.usage("two", seconds=120, agent_ref=agent_ref),
        mine,
    )
    by_agent = {one.ref: one for one in look(gate, alice, OCTOBER, By.AGENT).parts}
    assert (by_agent[agent_ref].events, by_agent[agent_ref].billed_seconds) == (2, 180)
    assert by_agent[agent_ref].amount_minor in {21, 22}  # 21.75, and the line has one rounding
    by_campaign = {one.ref: one for one in look(gate, alice, OCTOBER, By.CAMPAIGN).parts}
    assert (by_campaign[campaign_ref].events, by_campaign[campaign_ref].billed_seconds) == (1, 60)


def test_only_whole_months_are_looked_at(gate: Gate, alice: TenantId) -> None:
    half = periods.Period(OCTOBER.start, OCTOBER.start + dt.timedelta(days=15))
    with pytest.raises(PeriodInvalidError):
        look(gate, alice, half, By.AGENT)


def test_another_company_sees_nothing_of_it(gate: Gate, alice: TenantId, charlie: TenantId) -> None:
    use(gate, alice, *calls(3))
    found = look(gate, charlie, OCTOBER, By.AGENT)
    assert (found.parts, found.total_minor, found.booked_minor) == ((), 0, 0)
