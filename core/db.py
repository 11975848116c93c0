"""What all tables share.

Tables live in schema `app`; each begins with `tenant_id` (or stands on the platform list of
`security.catalogue`). Sessions come from `security.gate`, never from here: a transaction without a
tenant's context is not possible.
"""

import datetime as dt
from typing import Annotated
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, LargeBinary, MetaData, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "app"

Instant = Annotated[dt.datetime, mapped_column(DateTime(timezone=True))]
OptionalInstant = Annotated[dt.datetime | None, mapped_column(DateTime(timezone=True))]
Nano = Annotated[int, mapped_column(BigInteger)]
Minor = Annotated[int, mapped_column(BigInteger)]
Milliseconds = Annotated[int, mapped_column(BigInteger)]
Sealed = Annotated[bytes, mapped_column(LargeBinary, info={"sealed": True})]
OptionalSealed = Annotated[bytes | None, mapped_column(LargeBinary, info={"sealed": True})]
Key = Annotated[UUID, mapped_column(Uuid, primary_key=True)]


class Base(DeclarativeBase):
    """The declarative base of every room's tables."""

    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )


class TenantOwned:
    """Mixin: the tenant's id is the first column of the key."""

    tenant_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, sort_order=-10)
