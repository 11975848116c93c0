"""Fields stay masked until somebody needs one; each look is written into the client's own access log.

The value and its log entry come in one transaction: no entry, no value.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from core import clock
from core.ids import CustomerId, TenantId, new_id
from customers import budgets, records
from customers.errors import CustomerNotFoundError, LookPurposeError, NumbersHiddenError
from customers.models import RevealRow
from security import evidence
from security.vault import Vault

FIELDS = ("name", "phone", "email", "postcode", "notes")
# why an agent looks: the words stand in `web.words.LOOKS`
PURPOSES = ("identify", "contact", "correct", "asked")


@dataclass(frozen=True, slots=True)
class Reveal:
    """One look: which field of whom, who looked, about which call, and why (agents alone say it)."""

    id: UUID
    customer_id: CustomerId
    field: str
    principal_id: UUID
    subject_ref: UUID | None
    at: dt.datetime
    purpose: str


def reveal(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId,
    field: str,
    principal_id: UUID,
    subject_ref: UUID | None = None,
    purpose: str = "",
) -> str:
    """Return one field of a customer in full, and write down who asked.

    Raises:
        CustomerNotFoundError: not this company's, or no such field.
        DecoyOpenedError: nobody has a reason to look at this one.
    """
    if field not in FIELDS:
        raise CustomerNotFoundError
    card = records.get(session, tenant_id=tenant_id, vault=vault, customer_id=customer_id)
    session.add(
        RevealRow(
            tenant_id=tenant_id,
            id=new_id(),
            customer_id=customer_id,
            field=field,
            principal_id=principal_id,
            subject_ref=subject_ref,
            at=clock.now(),
            purpose=purpose,
        )
    )
    session.flush()
    evidence.record(session, "customer.revealed", "cus", customer_id, purpose, field=field)
    value: str | None = getattr(card, field)
    return value or ""


def reveal_to_agent(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId,
    field: str,
    principal_id: UUID,
    call_id: UUID,
    purpose: str,
) -> str:
    """Return one field in full to an agent, within what the company allows them in an hour.

    Raises:
        CustomerNotFoundError: not this company's, or no such field.
        LookPurposeError: they did not say why.
        NumbersHiddenError: the company shows its agents no number.
        LooksUsedUpError: the hour's looks are used.
        DecoyOpenedError: nobody has a reason to look at this one.
    """
    if purpose not in PURPOSES:
        raise LookPurposeError(field="purpose")
    if field == "phone" and budgets.allowed(session, tenant_id=tenant_id).hides_numbers:
        raise NumbersHiddenError
    budgets.spend(session, tenant_id=tenant_id, principal_id=principal_id)
    return reveal(
        session,
        tenant_id=tenant_id,
        vault=vault,
        customer_id=customer_id,
        field=field,
        principal_id=principal_id,
        subject_ref=call_id,
        purpose=purpose,
    )


def of_customer(
    session: Session,
    *,
    tenant_id: TenantId,
    customer_id: CustomerId,
    after: tuple[dt.datetime, UUID] | None = None,
    limit: int | None = None,
) -> list[Reveal]:
    """Return looks at a customer's fields, newest first; `after` is (when, id): those before it."""
    query = select(RevealRow).where(RevealRow.tenant_id == tenant_id, RevealRow.customer_id == customer_id)
    if after is not None:
        query = query.where(tuple_(RevealRow.at, RevealRow.id) < after)
    rows = session.scalars(query.order_by(RevealRow.at.desc(), RevealRow.id.desc()).limit(limit))
    return [
        Reveal(
            row.id,
            CustomerId(row.customer_id),
            row.field,
            row.principal_id,
            row.subject_ref,
            row.at,
            row.purpose,
        )
        for row in rows
    ]
