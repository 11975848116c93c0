"""May a company spend on this, now?"""

import datetime as dt

import pytest

from billing import credit
from billing.credit import NoCredit
from billing.errors import BillingAccountNotFoundError, CreditHoldReasonError
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from tests.billing import stock

DANA = new_id()


@pytest.fixture
def priced(gate: Gate, tenant_a: TenantId) -> TenantId:
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


def why_not(
    gate: Gate, tenant_id: TenantId, *, prefix: str = "44770090", at: dt.datetime = stock.NOON
) -> NoCredit | None:
    with gate.open(Scope.system(tenant_id)) as session:
        return credit.refusal(session, tenant_id=tenant_id, meter="voice.outbound", prefix=prefix, at=at)


def test_a_priced_destination_may_be_used(gate: Gate, priced: TenantId) -> None:
    assert why_not(gate, priced) is None


def test_without_an_account_nothing_may(gate: Gate, tenant_a: TenantId) -> None:
    assert why_not(gate, tenant_a) is NoCredit.NO_ACCOUNT


def test_what_has_no_price_is_not_begun(gate: Gate, priced: TenantId) -> None:
    assert why_not(gate, priced, prefix="1202555") is NoCredit.NOT_PRICED
    assert why_not(gate, priced, at=stock.LONG_AGO - dt.timedelta(days=1)) is NoCredit.NOT_PRICED


def test_what_the_tariff_blocks_is_not_begun(gate: Gate, priced: TenantId) -> None:
    assert why_not(gate, priced, prefix="44909879") is NoCredit.BLOCKED


def test_an_account_on_hold_spends_nothing_until_it_is_released(gate: Gate, priced: TenantId) -> None:
    with gate.open(Scope.system(priced)) as session:
        first = credit.hold(session, tenant_id=priced, reason="unpaid for 60 days", by=DANA)
        again = credit.hold(session, tenant_id=priced, reason="another", by=DANA)
        assert again == first
    assert why_not(gate, priced) is NoCredit.ON_HOLD
    with gate.open(Scope.system(priced)) as session:
        assert credit.release(session, tenant_id=priced, by=DANA)
        assert not credit.release(session, tenant_id=priced, by=DANA)
        assert credit.held(session, tenant_id=priced) is None
    assert why_not(gate, priced) is None


def test_a_hold_needs_an_account_and_a_reason(gate: Gate, priced: TenantId, tenant_b: TenantId) -> None:
    with gate.open(Scope.system(tenant_b)) as session, pytest.raises(BillingAccountNotFoundError):
        credit.hold(session, tenant_id=tenant_b, reason="unpaid", by=DANA)
    with gate.open(Scope.system(priced)) as session, pytest.raises(CreditHoldReasonError):
        credit.hold(session, tenant_id=priced, reason=" ", by=DANA)
