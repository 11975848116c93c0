"""A customer's PIN: set, checked, closed after wrong ones; never readable, never another company's."""

import datetime as dt

import pytest
import sqlalchemy as sa

from core import clock
from core.ids import TenantId
from core.phone import E164
from customers import pins, records
from customers.errors import CustomerNotFoundError, PinError
from customers.records import CustomerCard
from security.gate import Gate, Scope
from security.vault import Vault
from tests.customers.factory import INES, stored

NOON = dt.datetime(2026, 11, 19, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def ines(gate: Gate, vault: Vault, tenant_a: TenantId) -> CustomerCard:
    return stored(gate, vault, tenant_a)


def put(gate: Gate, vault: Vault, tenant_id: TenantId, card: CustomerCard, digits: str = "4071") -> None:
    with clock.hold(NOON), gate.open(Scope.system(tenant_id)) as session:
        pins.put(session, tenant_id=tenant_id, vault=vault, customer_id=card.id, digits=digits)


def fits(
    gate: Gate,
    vault: Vault,
    tenant_id: TenantId,
    digits: str,
    *,
    at: dt.datetime = NOON,
    phone: E164 | None = INES,
) -> bool:
    with clock.hold(at), gate.open(Scope.system(tenant_id)) as session:
        return pins.fits(session, tenant_id=tenant_id, vault=vault, phone=phone, digits=digits)


def test_the_right_pin_fits_and_no_other(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines)
    assert fits(gate, vault, tenant_a, "4071")
    assert not fits(gate, vault, tenant_a, "4072")
    assert not fits(gate, vault, tenant_a, "40710")
    assert not fits(gate, vault, tenant_a, "")


def test_nobody_known_and_nobody_with_a_pin_fit_nothing(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    assert not fits(gate, vault, tenant_a, "4071"), ines.id
    assert not fits(gate, vault, tenant_a, "4071", phone=E164("+447700900499"))
    assert not fits(gate, vault, tenant_a, "4071", phone=None)


def test_another_companys_pin_is_nobodys_here(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines)
    theirs = stored(gate, vault, tenant_b)
    assert not fits(gate, vault, tenant_b, "4071")
    with gate.open(Scope.system(tenant_b)) as session:
        with pytest.raises(CustomerNotFoundError):
            pins.put(session, tenant_id=tenant_b, vault=vault, customer_id=ines.id, digits="9038")
        assert pins.of(session, tenant_id=tenant_b, customer_id=ines.id) is None
        assert pins.of(session, tenant_id=tenant_b, customer_id=theirs.id) is None


def test_three_wrong_in_a_row_close_it_for_an_hour_even_for_the_right_one(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines)
    for wrong in ("1111", "2222", "3333"):
        assert not fits(gate, vault, tenant_a, wrong)
    assert not fits(gate, vault, tenant_a, "4071", at=NOON + dt.timedelta(minutes=59))
    assert fits(gate, vault, tenant_a, "4071", at=NOON + dt.timedelta(hours=1))


def test_the_right_one_between_begins_the_count_anew(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines)
    for digits in ("1111", "2222", "4071", "1111", "2222"):
        fits(gate, vault, tenant_a, digits)
    assert fits(gate, vault, tenant_a, "4071")


def test_nine_wrong_close_it_until_it_is_set_anew(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines)
    for hour in range(3):
        for _ in range(3):
            assert not fits(gate, vault, tenant_a, "1111", at=NOON + dt.timedelta(hours=hour))
    assert not fits(gate, vault, tenant_a, "4071", at=NOON + dt.timedelta(days=400))
    put(gate, vault, tenant_a, ines, "5180")
    assert fits(gate, vault, tenant_a, "5180")


@pytest.mark.parametrize("digits", ["", "407", "407140714", "40a1", "٤٠٧١", "1111", "1234", "8765", "7890"])
def test_what_is_no_pin_or_guessed_at_once_is_refused(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard, digits: str
) -> None:
    with pytest.raises(PinError):
        put(gate, vault, tenant_a, ines, digits)


def test_it_stands_nowhere_in_clear_and_goes_with_the_customer(
    gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard
) -> None:
    put(gate, vault, tenant_a, ines, "40719")
    with gate.open(Scope.system(tenant_a)) as session:
        kept = bytes(session.execute(sa.text("SELECT pin_ct FROM app.customer_pins")).scalar_one())
        assert b"40719" not in kept
        assert b"argon2" not in kept, "the hash is sealed"
        told = session.execute(sa.text("SELECT to_jsonb(e)::text FROM app.evidence e")).scalars()
        assert not any("40719" in one for one in told)
        assert "40719" not in repr(pins.of(session, tenant_id=tenant_a, customer_id=ines.id))


def test_it_may_be_taken_away(gate: Gate, vault: Vault, tenant_a: TenantId, ines: CustomerCard) -> None:
    put(gate, vault, tenant_a, ines)
    with gate.open(Scope.system(tenant_a)) as session:
        pins.take(session, tenant_id=tenant_a, customer_id=ines.id)
    assert not fits(gate, vault, tenant_a, "4071")
    with gate.open(Scope.system(tenant_a)) as session:
        assert records.get(session, tenant_id=tenant_a, vault=vault, customer_id=ines.id).id == ines.id
