"""Sealing anew what an older key sealed: column by column, a batch in each transaction.

What a value is bound to does not change, its row's version neither, so whoever reads sees nothing of it. Rows
that somebody has locked are passed over and come up again; a value that does not open is left as it is and
counted, never overwritten. What was sealed is opened again, and compared, before it is written.
Source: reference: security 2.5; docs/adr/0003-walls.md.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.ids import TenantId
from security.vault import Field, SealError, Vault

_KEY_ID = "substring({column} FROM 3 FOR 4)"  # of a sealed value's header; see security.vault


@dataclass(frozen=True, slots=True)
class Place:
    """A sealed column, and what its values are bound to.

    Attributes:
        table: without its schema, and as values name it.
        column: as the database names it.
        purpose: which key seals it.
        bound_as: the column's name as values are bound to it, where it is another.
        row: SQL for the row id they are bound to.
        version: SQL for the row version they are bound to.
        key: the table's key behind the tenant; rows are walked in its order.
    """

    table: str
    column: str
    purpose: str = "pii"
    bound_as: str = ""
    row: str = "id"
    version: str = "1"
    key: tuple[str, ...] = ("id",)

    def field(self, tenant_id: TenantId, *, row_id: UUID, version: int) -> Field:
        """Return what a row's value is bound to."""
        return Field(tenant_id, self.table, self.bound_as or self.column, row_id, version, self.purpose)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one batch came to; `after` is where the next begins, None at the end."""

    made: int
    failed: int
    after: tuple[Any, ...] | None


def counts(session: Session, place: Place, *, tenant_id: TenantId) -> Counter[int]:
    """Return how many values of a tenant each key has sealed in a column, by key id."""
    key_id = _KEY_ID.format(column=place.column)
    found = session.execute(
        text(
            f"SELECT {key_id} AS key_id, count(*) AS many FROM app.{place.table}"  # noqa: S608 - places are ours
            f" WHERE tenant_id = :tenant AND {place.column} IS NOT NULL GROUP BY 1"
        ),
        {"tenant": tenant_id},
    )
    return Counter({int.from_bytes(row.key_id): row.many for row in found})


def reseal(
    session: Session,
    vault: Vault,
    place: Place,
    *,
    tenant_id: TenantId,
    key_id: int,
    after: Sequence[Any] | None = None,
    limit: int = 500,
) -> Piece:
    """Seal one batch of a column's values anew that are not under `key_id`, which is the active key.

    Raises:
        SealError: another key is active here; nothing is written.
    """
    key = ", ".join(place.key)
    past = f" AND ({key}) > ({', '.join(f':k{n}' for n in range(len(place.key)))})" if after else ""
    rows = session.execute(
        text(
            f"SELECT {key}, {place.row} AS bound_row, {place.version} AS bound_version,"  # noqa: S608 - as above
            f" {place.column} AS sealed FROM app.{place.table}"
            f" WHERE tenant_id = :tenant AND {place.column} IS NOT NULL"
            f" AND {_KEY_ID.format(column=place.column)} <> :wanted{past}"
            f" ORDER BY {key} LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {
            "tenant": tenant_id,
            "wanted": key_id.to_bytes(4),
            "limit": limit,
            **{f"k{n}": one for n, one in enumerate(after or ())},
        },
    ).mappings()
    changes, failed, last = [], 0, None
    for row in rows:
        last = tuple(row[name] for name in place.key)
        field = place.field(tenant_id, row_id=row["bound_row"], version=row["bound_version"])
        try:
            plain = vault.open(field, row["sealed"])
        except SealError:
            failed += 1
            continue
        changes.append(
            {
                "tenant": tenant_id,
                "sealed": _sealed(vault, field, plain, key_id),
                **{f"k{n}": one for n, one in enumerate(last)},
            }
        )
    if changes:
        where = " AND ".join(f"{name} = :k{n}" for n, name in enumerate(place.key))
        target = f"app.{place.table} SET {place.column} = :sealed"
        session.execute(text(f"UPDATE {target} WHERE tenant_id = :tenant AND {where}"), changes)
    return Piece(len(changes), failed, last if len(changes) + failed == limit else None)


def _sealed(vault: Vault, field: Field, plain: str, key_id: int) -> bytes:
    sealed = vault.seal(field, plain)
    if vault.key_id(sealed) != key_id or vault.open(field, sealed) != plain:
        raise SealError
    return sealed
