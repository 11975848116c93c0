"""Tombstones: whom companies had us forget, kept in the keystore's database.

There, because a restore of the data does not reach it: what was erased after the backup would be back
otherwise. Ids and keyed hashes only; the keys of the hashes end with the tenant's. Written before anything
is removed, so that no erasure is ever without one.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from security.keystore import Keystore


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One erasure: of a record, of a number (its keyed hashes by the index's name), or of both."""

    tenant_id: UUID
    erasure_id: UUID
    customer_id: UUID | None
    marks: Mapping[str, bytes]
    asked_by: UUID
    asked_at: dt.datetime


def write(keystore: Keystore, stone: Tombstone) -> None:
    """Keep one; the same again changes nothing.

    Raises:
        KeystoreAwayError: the keystore does not answer; nothing may be removed yet.
    """
    with keystore.reading() as (connection, _epoch):
        connection.execute(
            text(
                "INSERT INTO keys.tombstone (tenant_id, erasure_id, customer_id, marks, asked_by, asked_at)"
                " VALUES (:tenant_id, :erasure_id, :customer_id, CAST(:marks AS jsonb), :asked_by, :asked_at)"
                " ON CONFLICT DO NOTHING"
            ),
            {
                "tenant_id": stone.tenant_id,
                "erasure_id": stone.erasure_id,
                "customer_id": stone.customer_id,
                "marks": json.dumps({name: mark.hex() for name, mark in stone.marks.items()}),
                "asked_by": stone.asked_by,
                "asked_at": stone.asked_at,
            },
        )


def every(keystore: Keystore) -> Sequence[Tombstone]:
    """Return all of them, oldest first.

    Raises:
        KeystoreAwayError: the keystore does not answer.
    """
    with keystore.reading() as (connection, _epoch):
        rows = connection.execute(
            text(
                "SELECT tenant_id, erasure_id, customer_id, marks, asked_by, asked_at FROM keys.tombstone"
                " ORDER BY asked_at, erasure_id"
            )
        ).all()
    return [
        Tombstone(
            row.tenant_id,
            row.erasure_id,
            row.customer_id,
            {name: bytes.fromhex(mark) for name, mark in row.marks.items()},
            row.asked_by,
            row.asked_at,
        )
        for row in rows
    ]
