"""The customer's record: sealed in the database, in clear only as a `CustomerCard` in memory.

Each sealed value is bound to its row's version: a value put back from an older version, another row,
column or company does not open. So an update opens the record, seals all of it anew under the next version
and writes only if nobody else has (optimistic). The telephone number is found by a keyed index,
16 bytes that are unique per company and say nothing without its key (source: the walls' decision record).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.ids import CustomerId, TenantId, new_id
from core.phone import E164
from customers import indexing, masking
from customers.errors import (
    CustomerChangedError,
    CustomerDetailsError,
    CustomerExistsError,
    CustomerNotFoundError,
    DecoyOpenedError,
)
from customers.models import CustomerRow, DecoyRow
from security import evidence
from security.vault import Field, Mark, Vault

PHONE_INDEX = "customers.phone"
"""Which key version the phone index is made with; rotation writes the next beside it."""

_LONGEST = {"name": 200, "phone": 16, "email": 254, "postcode": 20, "notes": 10_000}
_LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDetails:
    """What is known of a customer, in clear; never in a log, so `repr` shows nothing of it."""

    name: str = field(repr=False)
    phone: E164 = field(repr=False)
    email: str | None = field(default=None, repr=False)
    postcode: str | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)

    @property
    def masked_name(self) -> str:
        """Initials, or the family name's first sign."""
        return masking.mask_name(self.name)

    @property
    def masked_phone(self) -> str:
        """The number without its last three digits."""
        return masking.mask_phone(self.phone)

    @property
    def masked_email(self) -> str | None:
        """The first letter and the domain."""
        return None if self.email is None else masking.mask_email(self.email)

    @property
    def masked_postcode(self) -> str | None:
        """The outward part."""
        return None if self.postcode is None else masking.mask_postcode(self.postcode)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerCard(CustomerDetails):
    """A stored customer; `version` goes back with an update."""

    id: CustomerId
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the list; `after` fetches the next, `before` the one before it, None where there is none."""

    customers: tuple[CustomerCard, ...]
    after: CustomerId | None
    before: CustomerId | None = None


def add(session: Session, *, tenant_id: TenantId, vault: Vault, details: CustomerDetails) -> CustomerCard:
    """Store a new customer.

    Raises:
        CustomerExistsError: the company has a customer with this number; the transaction goes on.
        CustomerDetailsError: a detail is empty or too long.
    """
    _check(details)
    now = clock.now()
    customer_id = CustomerId(new_id())
    if _stands_below(session, vault, tenant_id=tenant_id, phone=details.phone):
        raise CustomerExistsError
    made = session.execute(
        insert(CustomerRow)
        .values(
            tenant_id=tenant_id,
            id=customer_id,
            row_version=1,
            created_at=now,
            updated_at=now,
            **_sealed(session, vault, tenant_id, customer_id, 1, details),
        )
        .on_conflict_do_nothing(
            index_elements=[
                CustomerRow.tenant_id,
                CustomerRow.index_version,
                CustomerRow.phone_index,
            ]
        )
        .returning(CustomerRow.id)
    ).scalar()
    if made is None:
        raise CustomerExistsError
    evidence.record(session, "customer.added", "cus", customer_id)
    return _card(details, customer_id, version=1, created_at=now, updated_at=now)


def get(session: Session, *, tenant_id: TenantId, vault: Vault, customer_id: CustomerId) -> CustomerCard:
    """Return a customer.

    Raises:
        CustomerNotFoundError: not there, or another company's.
        DecoyOpenedError: nobody has a reason to open this one (`customers.decoys`).
        security.vault.SealError: the record was tampered with.
    """
    found = session.execute(
        sa.select(CustomerRow, is_decoy())
        .where(CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id)
        .execution_options(populate_existing=True)
    ).first()
    if found is None:
        raise CustomerNotFoundError
    if found[1]:
        raise DecoyOpenedError(tenant_id=str(tenant_id), customer_id=str(customer_id))
    return opened(vault, found[0])


def insist(session: Session, *, tenant_id: TenantId, customer_id: CustomerId) -> None:
    """Insist that a customer is there, without opening anything of them.

    Raises:
        CustomerNotFoundError: not there, or another company's.
        DecoyOpenedError: nobody has a reason to do anything with this one (`customers.decoys`).
    """
    found = session.execute(
        sa.select(CustomerRow.id, is_decoy()).where(
            CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id
        )
    ).first()
    if found is None:
        raise CustomerNotFoundError
    if found[1]:
        raise DecoyOpenedError(tenant_id=str(tenant_id), customer_id=str(customer_id))


def is_decoy() -> sa.ColumnElement[bool]:
    """Return the condition that a customer's row is a decoy's; for this room's own queries."""
    return sa.exists().where(
        DecoyRow.tenant_id == CustomerRow.tenant_id, DecoyRow.customer_id == CustomerRow.id
    )


def update(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    customer_id: CustomerId,
    version: int,
    details: CustomerDetails,
) -> CustomerCard:
    """Store new details if the customer still is at `version`; all of it is sealed anew.

    Raises:
        CustomerNotFoundError: not there, or another company's.
        CustomerChangedError: somebody saved it since; nothing was written.
        CustomerExistsError: another customer has this number; nothing was written.
        CustomerDetailsError: a detail is empty or too long.
    """
    _check(details)
    now = clock.now()
    if _stands_below(session, vault, tenant_id=tenant_id, phone=details.phone, beside=customer_id):
        raise CustomerExistsError
    try:
        with session.begin_nested():
            created_at = session.execute(
                sa.update(CustomerRow)
                .where(
                    CustomerRow.tenant_id == tenant_id,
                    CustomerRow.id == customer_id,
                    CustomerRow.row_version == version,
                )
                .values(
                    row_version=version + 1,
                    updated_at=now,
                    **_sealed(session, vault, tenant_id, customer_id, version + 1, details),
                )
                .returning(CustomerRow.created_at)
                .execution_options(synchronize_session=False)
            ).scalar()
    except IntegrityError as error:
        raise CustomerExistsError from error
    if created_at is None:
        present = session.execute(
            sa.select(CustomerRow.row_version).where(
                CustomerRow.tenant_id == tenant_id, CustomerRow.id == customer_id
            )
        ).scalar()
        if present is None:
            raise CustomerNotFoundError
        raise CustomerChangedError(version=present)
    evidence.record(session, "customer.changed", "cus", customer_id, version=version + 1)
    return _card(details, customer_id, version=version + 1, created_at=created_at, updated_at=now)


def page(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    limit: int = 50,
    after: CustomerId | None = None,
    before: CustomerId | None = None,
    newest_first: bool = False,
) -> Page:
    """Return customers in the order they were added (or the other way round), at most `limit` (1 to 200).

    `after` goes on where a page ended, `before` goes back to what came before it.
    """
    limit = min(max(limit, 1), _LARGEST_PAGE)
    query = sa.select(CustomerRow).where(CustomerRow.tenant_id == tenant_id)
    falls = newest_first != (before is not None)
    edge = before or after
    if edge is not None:
        query = query.where(CustomerRow.id < edge if falls else CustomerRow.id > edge)
    rows = (
        session.execute(
            query.order_by(CustomerRow.id.desc() if falls else CustomerRow.id)
            .limit(limit + 1)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    has_more = len(rows) > limit
    cards = tuple(opened(vault, row) for row in rows[:limit])
    if before is not None:
        cards = cards[::-1]
    has_later = True if before is not None else has_more
    has_earlier = has_more if before is not None else after is not None
    return Page(
        cards,
        cards[-1].id if cards and has_later else None,
        cards[0].id if cards and has_earlier else None,
    )


def count(session: Session, *, tenant_id: TenantId, most: int = 10_000) -> int:
    """Return how many customers the company has; counting stops at `most`."""
    some = sa.select(CustomerRow.id).where(CustomerRow.tenant_id == tenant_id).limit(most).subquery()
    return session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def opened(vault: Vault, row: Any) -> CustomerCard:  # noqa: ANN401 - an ORM row or a Core row of the same columns
    """Return a row in clear; for this room's own queries.

    Raises:
        security.vault.SealError: a value was moved, rolled back or damaged.
    """
    tenant_id, row_id, version = row.tenant_id, row.id, row.row_version  # each once: a pop is waited for
    clear = {
        name: vault.open(_field(tenant_id, row_id, name, version), sealed)
        for name in _LONGEST
        if (sealed := getattr(row, f"{name}_ct")) is not None
    }
    phone = E164(clear.pop("phone"))
    return CustomerCard(
        **clear,
        phone=phone,
        id=CustomerId(row_id),
        version=version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def value(vault: Vault, row: Any, name: str) -> str:  # noqa: ANN401 - as above, or a part of it
    """Return one value of a row in clear; it has one of that name."""
    return vault.open(_field(row.tenant_id, row.id, name, row.row_version), getattr(row, f"{name}_ct"))


def _stands_below(
    session: Session, vault: Vault, *, tenant_id: TenantId, phone: E164, beside: CustomerId | None = None
) -> bool:
    """Whether a number stands in a row of another version, of which the unique index knows nothing."""
    mark = vault.mark(tenant_id, PHONE_INDEX, phone)
    if len(mark.levels) == 1:
        return False
    found = sa.select(CustomerRow.id).where(
        CustomerRow.tenant_id == tenant_id,
        has_mark(mark),
        CustomerRow.index_version != mark.version,
        CustomerRow.id != beside if beside else sa.true(),
    )
    return session.scalar(found.limit(1)) is not None


def has_mark(mark: Mark) -> sa.ColumnElement[bool]:
    """Return the condition that a row's number is the one with this mark; for this room's own queries."""
    versions = list(range(1, len(mark.levels) + 1))
    return sa.and_(CustomerRow.index_version.in_(versions), CustomerRow.phone_index.in_(mark.levels))


def _sealed(
    session: Session, vault: Vault, tenant_id: UUID, customer_id: UUID, version: int, details: CustomerDetails
) -> Mapping[str, object]:
    mark = vault.mark(tenant_id, PHONE_INDEX, details.phone)
    columns: dict[str, object] = {
        "index_version": mark.version,
        "phone_index": mark.value,
        **indexing.columns(
            session,
            vault,
            tenant_id=TenantId(tenant_id),
            row_id=customer_id,
            phone=details.phone,
            name=details.name,
        ),
    }
    for name in _LONGEST:
        text: str | None = getattr(details, name)
        columns[f"{name}_ct"] = (
            None if text is None else vault.seal(_field(tenant_id, customer_id, name, version), text)
        )
    return columns


def _field(tenant_id: UUID, customer_id: UUID, name: str, version: int) -> Field:
    purpose = "notes" if name == "notes" else "pii"
    return Field(tenant_id, "customers", f"{name}_ct", customer_id, version, purpose)


def _card(
    details: CustomerDetails,
    customer_id: CustomerId,
    *,
    version: int,
    created_at: dt.datetime,
    updated_at: dt.datetime,
) -> CustomerCard:
    return CustomerCard(
        name=details.name,
        phone=details.phone,
        email=details.email,
        postcode=details.postcode,
        notes=details.notes,
        id=customer_id,
        version=version,
        created_at=created_at,
        updated_at=updated_at,
    )


def _check(details: CustomerDetails) -> None:
    for name, longest in _LONGEST.items():
        text: str | None = getattr(details, name)
        if text is not None and not (text.strip() and len(text) <= longest):
            raise CustomerDetailsError(field=name)
