"""One-off charges: set-up, training, an integration; ordered by the operator, charged once.

An item is a use like any other (`billing.usage`): priced by the company's price list when it is ordered, seen
in the explorer, on the month's invoice and in its proof. Its key is that of the form it was ordered with, so
a form that is sent twice orders once.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from billing import accounts, tariffs, usage
from billing.errors import ItemInvalidError, ItemUnpricedError
from billing.rating.rentals import METERS
from billing.usage import Receipt, Recorded, Usage
from core import clock, ids
from core.ids import TenantId, UsageId
from security import evidence

SOURCE = "items"
_PREFIX = "item."
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be ordered, and what one costs (nano-units); None: it has no price."""

    meter: str
    unit_nano: int | None
    currency: str


def offered(session: Session, *, tenant_id: TenantId) -> tuple[Item, ...]:
    """Return what can be ordered for a company, with the prices in force."""
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=clock.now())
    if in_force is None:
        return ()
    made = []
    for meter in METERS:
        price = in_force.tariff.rental_price(meter) if meter.startswith(_PREFIX) else None
        if price is not None:
            unit_nano = in_force.tariff.unit_nano(meter=meter, destination=price.destination)
            made.append(Item(meter, unit_nano, in_force.tariff.currency))
    return tuple(made)


def order(session: Session, *, tenant_id: TenantId, meter: str, count: int, order_id: UsageId) -> Recorded:
    """Charge a company for items, once for `order_id`.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        meter: one of those `offered`.
        count: how many, 1 to 10,000.
        order_id: of the form; becomes the use's own.

    Raises:
        ItemInvalidError: no such number of them.
        ItemUnpricedError: the company's prices have none for it.
    """
    if not 1 <= count <= MOST:
        raise ItemInvalidError
    if meter not in {one.meter for one in offered(session, tenant_id=tenant_id)}:
        raise ItemUnpricedError(meter=meter)
    accounts.lock(session, tenant_id=tenant_id)
    there = usage.current_charge(session, tenant_id=tenant_id, usage_id=order_id)
    if there is not None:  # a form that is sent later again would say another time
        return Recorded(order_id, Receipt.DUPLICATE, there)
    now = clock.now()
    done = usage.record(
        session,
        tenant_id=tenant_id,
        usage=Usage(
            source=SOURCE,
            event_id=ids.public("use", order_id),
            usage_id=order_id,
            meter=meter,
            subject_ref=order_id,
            occurred_at=now,
            ended_at=now,
            quantity_ms=count * 1000,
            prefix="",
        ),
    )
    if done.outcome is Receipt.ACCEPTED:
        evidence.record(session, "item.ordered", "use", done.usage_id, source=meter, number=str(count))
    return done
