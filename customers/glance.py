"""What a list shows of customers: masked names, many at once."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.ids import CustomerId, TenantId
from customers.models import CustomerRow
from customers.records import opened
from security.vault import Vault


def masked_names(
    session: Session, *, tenant_id: TenantId, vault: Vault, customer_ids: Collection[CustomerId]
) -> dict[CustomerId, str]:
    """Return the masked names of some customers, in one statement; ids that are not there are left out.

    Raises:
        security.vault.SealError: a record was tampered with.
    """
    if not customer_ids:
        return {}
    rows = session.scalars(
        sa.select(CustomerRow).where(
            CustomerRow.tenant_id == tenant_id, CustomerRow.id.in_(list(customer_ids))
        )
    )
    return {CustomerId(row.id): opened(vault, row).masked_name for row in rows}
