"""Sealing anew what an older key sealed: column by column, a batch in each transaction.

What a value is bound to does not change, its row's version neither, so whoever reads sees nothing of it. Rows
that somebody has locked are passed over and come up again; a value that does not open is left as it is and
counted, never overwritten. What was sealed is opened again, and compared, before it is written.
Source: reference: security 2.5; docs/adr/0003-walls.md.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.ids import TenantId
from core.storage import Storage
from security.vault import Field, SealedFile, SealError, Vault

_HEAD = 8  # bytes of a sealed file: as far as the key's id
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
class Marked:
    """A column of marks (`security.vault.Mark`) of the index of that name, beside it `index_version`."""

    table: str
    column: str
    index: str


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


def marks(session: Session, marked: Marked, *, tenant_id: TenantId) -> Counter[int]:
    """Return how many marks of a tenant each version of the index key has made in a column."""
    found = session.execute(
        text(
            f"SELECT index_version, count(*) AS many FROM app.{marked.table}"  # noqa: S608 - places are ours
            f" WHERE tenant_id = :tenant AND {marked.column} IS NOT NULL GROUP BY 1"
        ),
        {"tenant": tenant_id},
    )
    return Counter({row.index_version: row.many for row in found})


def lift(
    session: Session,
    vault: Vault,
    marked: Marked,
    *,
    tenant_id: TenantId,
    after: UUID | None = None,
    limit: int = 500,
) -> Piece:
    """Lift one batch of a column's marks to the version that is written now; nothing is opened for it.

    A row that cannot be lifted, because another holds the same value already, stays where it is and is found
    all the same.
    """
    version, _every = vault.index_versions(tenant_id)
    rows = session.execute(
        text(
            f"SELECT id, index_version, {marked.column} AS mark FROM app.{marked.table}"  # noqa: S608 - as above
            f" WHERE tenant_id = :tenant AND {marked.column} IS NOT NULL AND index_version < :version"
            f"{' AND id > :after' if after else ''} ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"tenant": tenant_id, "version": version, "after": after, "limit": limit},
    ).all()
    changes = [
        {
            "tenant": tenant_id,
            "id": row.id,
            "version": version,
            "mark": vault.raised(tenant_id, marked.index, row.mark, version=row.index_version),
        }
        for row in rows
    ]
    failed = _lifted(session, marked, changes) if changes else 0
    return Piece(len(changes) - failed, failed, (rows[-1].id,) if len(rows) == limit else None)


def _lifted(session: Session, marked: Marked, changes: list[dict[str, Any]]) -> int:
    """Write a batch, or when one is in the way each by itself; return how many could not be."""
    change = text(
        f"UPDATE app.{marked.table} SET {marked.column} = :mark, index_version = :version"  # noqa: S608 - as above
        " WHERE tenant_id = :tenant AND id = :id"
    )
    try:
        with session.begin_nested():
            session.execute(change, changes)
    except IntegrityError:
        return 1 if len(changes) == 1 else sum(_lifted(session, marked, [one]) for one in changes)
    return 0


def reseal_object(
    vault: Vault, storage: Storage, *, name: str, field: Field, key_id: int
) -> SealedFile | None:
    """Seal an object anew unless it is under `key_id`; the old one stays until the new one is whole.

    Raises:
        SealError: it does not open.
        ObjectMissingError: it is not there.
    """
    with contextlib.closing(storage.open(name)) as before:
        if vault.key_id(before.read(_HEAD)) == key_id:
            return None
        with vault.open_file(field, before).stream() as clear, storage.put(name) as sink:
            return vault.seal_file(field, clear, sink)


def object_key(vault: Vault, storage: Storage, *, name: str) -> int:
    """Return the id of the key an object is under.

    Raises:
        ObjectMissingError: it is not there.
    """
    with contextlib.closing(storage.open(name)) as sealed:
        return vault.key_id(sealed.read(_HEAD))


def _sealed(vault: Vault, field: Field, plain: str, key_id: int) -> bytes:
    sealed = vault.seal(field, plain)
    if vault.key_id(sealed) != key_id or vault.open(field, sealed) != plain:
        raise SealError
    return sealed
