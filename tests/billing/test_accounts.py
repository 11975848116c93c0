"""Who is billed, how, and by whom."""

from typing import Any

import pytest

from billing import accounts
from billing.errors import BillingAccountInvalidError, BillingAccountNotFoundError
from core.ids import TenantId
from security.gate import Gate, Scope
from tests.billing import stock


def test_an_account_comes_back_as_it_was_opened(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        opened = accounts.open_account(session, account=stock.account(tenant_a))
    with gate.open(Scope.system(tenant_a)) as session:
        assert accounts.find(session, tenant_id=tenant_a) == opened


def test_an_account_that_was_never_opened_is_not_there(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(BillingAccountNotFoundError), gate.open(Scope.system(tenant_a)) as session:
        accounts.find(session, tenant_id=tenant_a)


UNBILLABLE: list[dict[str, Any]] = [
    {"currency": "XQX"},
    {"zone": "Mars/Olympus"},
    {"language": "tlh"},
    {"tax_category": "B"},
    {"tax_category": "Z"},  # the zero rate with 20 %
    {"tax_rate_ppm": -1},
    {"terms_days": -1},
    {"buyer": accounts.Party("")},
]


def test_an_account_we_cannot_bill_is_refused(gate: Gate, tenant_a: TenantId) -> None:
    for changes in UNBILLABLE:
        with pytest.raises(BillingAccountInvalidError), gate.open(Scope.system(tenant_a)) as session:
            accounts.open_account(session, account=stock.account(tenant_a, **changes))


def test_an_account_keeps_its_currency(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        accounts.open_account(session, account=stock.account(tenant_a))
        with pytest.raises(BillingAccountInvalidError) as caught:
            accounts.open_account(session, account=stock.account(tenant_a, currency="EUR"))
    assert caught.value.details["fields"] == ["currency"]
