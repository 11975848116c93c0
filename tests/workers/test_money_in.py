"""A month is closed, and the money comes in by itself: finalised, charged by a duty, booked, told."""

from collections.abc import Iterator

import pytest

from billing import invoices, ledger, periods, usage
from billing.payments import attempts
from billing.payments.standing import Paid, Standing
from core.config import Settings
from core.ids import OPERATOR, InvoiceId, TenantId
from security.gate import Scope
from standin.server import Server
from tests.billing import stock
from tests.factories import payments
from tests.tenants.people import People
from tests.workers.conftest import duties
from tests.workers.test_webhooks import run
from wiring import House, closing, collecting
from workers.relay import Relay

COLLECT, POST = "payments.collect", "ledger.invoice"


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def settings(settings: Settings, standin: Server) -> Settings:
    return settings.model_copy(update={"stripe_api_key": payments.KEY, "stripe_base_url": standin.base})


@pytest.fixture
def drafted(house: House) -> tuple[TenantId, InvoiceId]:
    """A company that has used 2000 minutes, and the draft of them: £174.00 with tax."""
    tenant_id = People(house.gate, house.vault).company().tenant_id
    version = stock.publish(house.gate)
    with house.gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        usage.record(session, tenant_id=tenant_id, usage=stock.usage("call_1", seconds=60 * 2000))
        period = periods.month(2026, 10, zone="Europe/London")
        return tenant_id, invoices.draft(session, tenant_id=tenant_id, period=period).invoice_id


def stands(house: House, tenant_id: TenantId, invoice_id: InvoiceId) -> Standing:
    with house.gate.open(Scope.system(tenant_id)) as session:
        invoice = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
        found = attempts.standing_of(session, tenant_id=tenant_id, invoice=invoice)
    assert found is not None
    return found


def receivable(house: House, tenant_id: TenantId) -> int:
    with house.gate.open(Scope.system(tenant_id)) as session:
        found = ledger.trial_balance(session, tenant_id=tenant_id)
    assert sum(one.balance_minor for one in found) == 0
    return {one.account: one.balance_minor for one in found}["receivable"]


def test_a_finalised_invoice_is_charged_to_the_saved_card_by_its_duty(
    house: House, relay: Relay, standin: Server, drafted: tuple[TenantId, InvoiceId]
) -> None:
    tenant_id, invoice_id = drafted
    payments.saved(standin, collecting.know_payer(house, tenant_id=tenant_id))
    collecting.refresh_methods(house, tenant_id=tenant_id)
    closing.finalise_one(house.gate, tenant_id=tenant_id, invoice_id=invoice_id, by=OPERATOR)
    assert stands(house, tenant_id, invoice_id).state is Paid.OPEN  # nobody has charged it yet
    run(house, relay)
    for handler in (COLLECT, POST):
        (duty,) = duties(house, handler)
        assert duty.settled_at is not None, (handler, duty.error)
    assert stands(house, tenant_id, invoice_id).state is Paid.PAID
    assert receivable(house, tenant_id) == 0
    collecting.sweep(house)  # what the provider tells of it
    run(house, relay)
    (charged,) = payments.client(standin).v1.payment_intents.list().data
    assert (charged.amount, charged.currency, charged.status) == (17400, "gbp", "succeeded")
    assert stands(house, tenant_id, invoice_id).state is Paid.PAID
    assert receivable(house, tenant_id) == 0


def test_without_a_saved_card_the_duty_is_done_and_the_invoice_waits_for_a_person(
    house: House, relay: Relay, standin: Server, drafted: tuple[TenantId, InvoiceId]
) -> None:
    tenant_id, invoice_id = drafted
    closing.finalise_one(house.gate, tenant_id=tenant_id, invoice_id=invoice_id, by=OPERATOR)
    run(house, relay)
    (duty,) = duties(house, COLLECT)
    assert duty.settled_at is not None
    assert stands(house, tenant_id, invoice_id).state is Paid.OPEN
    assert receivable(house, tenant_id) == 17400
    assert not payments.client(standin).v1.payment_intents.list().data
