"""What a list shows of customers: masked names, many at once."""

from collections.abc import Callable, Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import CustomerId, TenantId
from customers.models import CustomerRow
from customers.records import opened
from security.vault import SealError, Vault


def masked_names(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_ids: Collection[CustomerId],
    broken: Callable[[SealError], None],
) -> dict[CustomerId, str]:
    """Return the masked names of some customers, in one statement; ids that are not there are left out.

    So is who was tampered with: `broken` hears of it, and one row takes no list of a hundred down.
    """
    if not customer_ids:
        return {}
    rows = session.scalars(
        sa.select(CustomerRow).where(
            CustomerRow.tenant_id == tenant_id, CustomerRow.id.in_(list(customer_ids))
        )
    )
    names = {}
    for row in rows:
        try:
            names[CustomerId(row.id)] = opened(vault, row).masked_name
        except SealError as error:
            broken(error)
    return names
