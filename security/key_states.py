"""What becomes of keys: `pending → active → decrypt_only → disabled → destroyed`, and which there are.

A new version is made *pending* first, so that every process can open what it seals before any seals with it
(Tink's rule: there is no atomic switch across machines); then it is promoted, and the one before it only
opens from there on. A destroyed key leaves its row, without the key, with the SHA-256 of its wrapped form and
the time. The database enforces the order, refuses to remove rows, and raises the epoch with each change
(`sql/keystore.sql`). Source: docs/adr/0003-walls.md, and reference: security 2.2 and 2.5.
"""

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from core.errors import Conflict, Refused
from core.ids import OPERATOR
from security.keys import KEY_BYTES, wrap
from security.keystore import EPOCH_S, Keystore, wrapping_context
from security.vault import INDEX

SETTLES_S = 2 * EPOCH_S
"""How long after a change of state no process can still act on what was before it."""


class KeyState(StrEnum):
    """What a key may be used for."""

    PENDING = "pending"  # opens; does not seal yet
    ACTIVE = "active"  # seals and opens; one of each purpose
    DECRYPT_ONLY = "decrypt_only"  # opens
    DISABLED = "disabled"  # neither, and can be brought back
    DESTROYED = "destroyed"  # gone for good


class KeyStateError(Conflict):
    """The key is not in a state from which that is possible; it may have moved on meanwhile."""

    code = "key-state"


class TooEarlyError(Conflict):
    """Not every process can be certain to know the new key yet; wait a few seconds."""

    code = "key-too-early"


class BuiltUponError(Refused):
    """Marks are made with every version of the index key, one upon the other; none goes alone."""

    code = "key-built-upon"


class OperatorKeysError(Refused):
    """The operator's own keys hold up every company's sign-in; they are rotated, never destroyed."""

    code = "operator-keys"


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One purpose key, or with purpose `tk` the tenant's own: everything about it but the key.

    Attributes:
        key_id: what sealed values name it by; None for the tenant's own.
        changed_at: when it came into its state.
        fingerprint: of a destroyed key: SHA-256 of its wrapped form.
    """

    tenant_id: UUID
    purpose: str
    version: int
    key_id: int | None
    state: KeyState
    created_at: dt.datetime
    changed_at: dt.datetime
    fingerprint: bytes | None


def versions(keystore: Keystore, *, tenant_id: UUID) -> Sequence[KeyVersion]:
    """Return every key a tenant has or had: its own first, then by purpose and version."""
    with keystore.reading() as (connection, _epoch):
        return _versions(connection, tenant_id)


def prepare(keystore: Keystore, *, tenant_id: UUID, purpose: str) -> KeyVersion:
    """Make the next version of a purpose key, pending; return the one that is pending already.

    Raises:
        KeyStateError: the tenant has no key of that purpose that could be followed.
        UnknownKeyError: the tenant's own key is disabled or destroyed.
    """
    with keystore.changing() as connection:
        there = _locked(connection, tenant_id, purpose)
        if not there or all(one.state is KeyState.DESTROYED for one in there):
            raise KeyStateError(purpose=purpose)
        if there[-1].state is not KeyState.PENDING:
            version = there[-1].version + 1
            parent = keystore.tenant_key(connection, tenant_id)
            wrapped = wrap(parent, os.urandom(KEY_BYTES), wrapping_context(tenant_id, purpose, version))
            connection.execute(
                text(
                    "INSERT INTO keys.purpose_key (tenant_id, purpose, version, wrapped, state)"
                    " VALUES (:tenant, :purpose, :version, :wrapped, 'pending')"
                ),
                {"tenant": tenant_id, "purpose": purpose, "version": version, "wrapped": wrapped},
            )
        return _locked(connection, tenant_id, purpose)[-1]


def promote(
    keystore: Keystore, *, tenant_id: UUID, purpose: str, version: int, settles_s: float = SETTLES_S
) -> KeyVersion:
    """Seal with a pending version from now on; the one before it only opens. Promoted already, it stays so.

    Processes that had opened the one before seal with it for up to `EPOCH_S` more.

    Raises:
        TooEarlyError: it was made less than `settles_s` ago.
        KeyStateError: it is past being active, or not there.
    """
    with keystore.changing() as connection:
        found = _found(_locked(connection, tenant_id, purpose), version)
        if found.state is KeyState.ACTIVE:
            return found
        if found.state is not KeyState.PENDING:
            raise KeyStateError(purpose=purpose, version=version, state=found.state.value)
        if _age_s(connection, found.created_at) < settles_s:
            raise TooEarlyError(purpose=purpose, version=version)
        connection.execute(
            text(
                "UPDATE keys.purpose_key SET state = 'decrypt_only'"
                " WHERE tenant_id = :tenant AND purpose = :purpose AND state = 'active'"
            ),
            {"tenant": tenant_id, "purpose": purpose},
        )
        _set(connection, tenant_id, purpose, version, KeyState.ACTIVE)
        return _found(_locked(connection, tenant_id, purpose), version)


def age_s(keystore: Keystore, key: KeyVersion) -> float:
    """Return how long a key has been in its state, by the keystore's own clock."""
    with keystore.reading() as (connection, _epoch):
        return _age_s(connection, key.changed_at)


def retire(keystore: Keystore, *, tenant_id: UUID, purpose: str, version: int) -> None:
    """Let a key open only: an active one without a successor, or one that was disabled.

    Raises:
        KeyStateError: it is pending or destroyed, or not there.
    """
    _move(keystore, tenant_id, purpose, version, KeyState.DECRYPT_ONLY, {KeyState.ACTIVE, KeyState.DISABLED})


def disable(keystore: Keystore, *, tenant_id: UUID, purpose: str, version: int) -> None:
    """Let a key neither seal nor open, until it is retired again.

    Raises:
        KeyStateError: it is pending or destroyed, or not there.
        BuiltUponError: it is a key of search indexes.
    """
    _move(keystore, tenant_id, purpose, version, KeyState.DISABLED, {KeyState.ACTIVE, KeyState.DECRYPT_ONLY})


def destroy(keystore: Keystore, *, tenant_id: UUID, purpose: str, version: int) -> KeyVersion:
    """Destroy one version for good; what is still sealed with it can never be read again.

    Returns what is left of it: its id, fingerprint and time. Destroyed already, it stays so.

    Raises:
        KeyStateError: it is the active one, which is followed first; or it is not there.
        BuiltUponError: it is a key of search indexes.
    """
    before = {KeyState.PENDING, KeyState.DECRYPT_ONLY, KeyState.DISABLED}
    _move(keystore, tenant_id, purpose, version, KeyState.DESTROYED, before)
    _scrub(keystore)
    with keystore.reading() as (connection, _epoch):
        return _found(_locked(connection, tenant_id, purpose), version)


def disable_tenant(keystore: Keystore, *, tenant_id: UUID) -> None:
    """Lock everything a tenant has sealed, so that it neither opens nor grows, until `enable_tenant`.

    Raises:
        OperatorKeysError: it is the operator.
    """
    _move_tenant(keystore, tenant_id, "disabled", "active")


def enable_tenant(keystore: Keystore, *, tenant_id: UUID) -> None:
    """Unlock what `disable_tenant` locked."""
    _move_tenant(keystore, tenant_id, "active", "disabled")


def destroy_tenant(keystore: Keystore, *, tenant_id: UUID) -> Sequence[KeyVersion]:
    """Destroy every key of a tenant for good; return what is left of them. May run again.

    Within `EPOCH_S` no process opens or seals anything of this tenant any more, and none ever makes it
    new keys. What copies of the keystore hold is unreadable once those copies are gone.

    Raises:
        OperatorKeysError: it is the operator.
    """
    _not_the_operator(tenant_id)
    with keystore.changing() as connection:
        # a tenant without keys gets a row as well, so that none is made for it later
        connection.execute(
            text(
                "INSERT INTO keys.tenant_key (tenant_id, version, wrapped) VALUES (:tenant, 1, :nothing)"
                " ON CONFLICT DO NOTHING"
            ),
            {"tenant": tenant_id, "nothing": b""},
        )
        for table in ("tenant_key", "purpose_key"):
            connection.execute(
                text(
                    f"UPDATE keys.{table} SET state = 'destroyed'"  # noqa: S608 - two literals
                    " WHERE tenant_id = :tenant AND state <> 'destroyed'"
                ),
                {"tenant": tenant_id},
            )
        left = _versions(connection, tenant_id)
    _scrub(keystore)
    return left


def rewrap(keystore: Keystore) -> int:
    """Wrap every tenant's own key with the root key that wraps now; return how many. May run again.

    Nothing that is sealed changes, and no purpose key: seconds for thousands of companies.
    """
    with keystore.changing() as connection:
        return keystore.rewrap(connection)


def _move(
    keystore: Keystore, tenant_id: UUID, purpose: str, version: int, to: KeyState, before: set[KeyState]
) -> None:
    with keystore.changing() as connection:
        found = _found(_locked(connection, tenant_id, purpose), version)
        if found.state is to:
            return
        if purpose == INDEX and to in {KeyState.DISABLED, KeyState.DESTROYED}:
            raise BuiltUponError(version=version)
        if found.state not in before:
            raise KeyStateError(purpose=purpose, version=version, state=found.state.value)
        _set(connection, tenant_id, purpose, version, to)


def _move_tenant(keystore: Keystore, tenant_id: UUID, to: str, before: str) -> None:
    _not_the_operator(tenant_id)
    with keystore.changing() as connection:
        connection.execute(
            text("UPDATE keys.tenant_key SET state = :to WHERE tenant_id = :tenant AND state = :before"),
            {"to": to, "tenant": tenant_id, "before": before},
        )


def _not_the_operator(tenant_id: UUID) -> None:
    if tenant_id == OPERATOR:
        raise OperatorKeysError


def _set(connection: Connection, tenant_id: UUID, purpose: str, version: int, state: KeyState) -> None:
    connection.execute(
        text(
            "UPDATE keys.purpose_key SET state = :state"
            " WHERE tenant_id = :tenant AND purpose = :purpose AND version = :version"
        ),
        {"state": state.value, "tenant": tenant_id, "purpose": purpose, "version": version},
    )


def _locked(connection: Connection, tenant_id: UUID, purpose: str) -> list[KeyVersion]:
    """Return a purpose's versions, oldest first, locked until the transaction ends."""
    rows = connection.execute(
        text(
            "SELECT tenant_id, purpose, version, key_id, state, created_at, changed_at, fingerprint"
            " FROM keys.purpose_key WHERE tenant_id = :tenant AND purpose = :purpose"
            " ORDER BY version FOR UPDATE"
        ),
        {"tenant": tenant_id, "purpose": purpose},
    )
    return [_version(row) for row in rows]


def _versions(connection: Connection, tenant_id: UUID) -> list[KeyVersion]:
    rows = connection.execute(
        text(
            "SELECT tenant_id, 'tk' AS purpose, version, NULL AS key_id, state, created_at, changed_at,"
            " fingerprint FROM keys.tenant_key WHERE tenant_id = :tenant"
            " UNION ALL SELECT tenant_id, purpose, version, key_id, state, created_at, changed_at,"
            " fingerprint FROM keys.purpose_key WHERE tenant_id = :tenant"
        ),
        {"tenant": tenant_id},
    )
    return sorted(
        (_version(row) for row in rows), key=lambda one: (one.key_id is not None, one.purpose, one.version)
    )


def _age_s(connection: Connection, since: dt.datetime) -> float:
    age = connection.execute(
        text("SELECT extract(epoch FROM clock_timestamp() - CAST(:since AS timestamptz))"), {"since": since}
    )
    return float(age.scalar_one())


def _version(row: Row[Any]) -> KeyVersion:
    return KeyVersion(
        row.tenant_id,
        row.purpose,
        row.version,
        row.key_id,
        KeyState(row.state),
        row.created_at,
        row.changed_at,
        bytes(row.fingerprint) if row.fingerprint else None,
    )


def _found(there: Sequence[KeyVersion], version: int) -> KeyVersion:
    for one in there:
        if one.version == version:
            return one
    raise KeyStateError(version=version)


def _scrub(keystore: Keystore) -> None:
    """Write the tables anew, so that no dead row still holds what was destroyed."""
    keystore.rewrite("keys.tenant_key", "keys.purpose_key")
