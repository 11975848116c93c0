"""Storage is charged by gigabyte and day, once a day, and only where it has a price."""

import datetime as dt

import pytest

from billing import invoices, stored
from billing.rating.rentals import RentalPrice
from core.ids import TenantId
from core.money import NANO
from security.gate import Gate, Scope
from tests.billing import stock

AFTER_MIDNIGHT = dt.datetime(2026, 10, 14, 0, 30, tzinfo=dt.UTC)  # half past one in London


@pytest.fixture
def keeps(gate: Gate, tenant_a: TenantId) -> TenantId:
    """A company that pays 0.02 for a gigabyte and day."""
    version = stock.publish(
        gate, code="keeps", rentals=(RentalPrice("recording.gb_day", "seats", NANO // 50),)
    )
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


def charged(gate: Gate, tenant_id: TenantId, kept_bytes: int, now: dt.datetime) -> bool:
    with gate.open(Scope.system(tenant_id)) as session:
        return stored.charge(session, tenant_id=tenant_id, kept_bytes=kept_bytes, now=now)


def test_each_day_is_charged_once_for_what_is_kept_when_it_ends(gate: Gate, keeps: TenantId) -> None:
    assert charged(gate, keeps, 123_456_000_000, AFTER_MIDNIGHT)
    assert not charged(gate, keeps, 999_000_000_000, AFTER_MIDNIGHT + dt.timedelta(hours=9))
    assert charged(gate, keeps, 100_000_000_000, AFTER_MIDNIGHT + dt.timedelta(days=1))
    with gate.open(Scope.system(keeps)) as session:
        bill = invoices.running_bill(session, tenant_id=keeps, now=AFTER_MIDNIGHT).bill
    (line,) = bill.lines
    assert (line.unit, float(line.quantity), line.events) == ("gb_day", 223.456, 2)
    assert line.amount_minor == 447  # 223.456 at 0.02 is 4.46912


def test_without_a_price_or_without_recordings_nothing_is_charged(
    gate: Gate, keeps: TenantId, charlie: TenantId
) -> None:
    assert not charged(gate, charlie, 10**12, AFTER_MIDNIGHT)
    assert not charged(gate, keeps, 499_999, AFTER_MIDNIGHT)
    with gate.open(Scope.system(charlie)) as session:
        assert invoices.running_bill(session, tenant_id=charlie, now=AFTER_MIDNIGHT).waiting == 0
