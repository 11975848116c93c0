"""The keystore: wrapped keys in a database of their own.

The data database holds only key ids inside sealed values' headers, so no data backup carries a key, and
destroying a tenant's row here makes its data unreadable wherever copies lie. A tenant's key is wrapped by
the root, purpose keys by the tenant's key. Unwrapped keys live in this process for five minutes.
"""

import os
import struct
import threading
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from core.errors import SeatlineError
from security.gate import make_engine
from security.keys import KEY_BYTES, RootKey, unwrap, wrap

_TTL_S = 300
_MOST = 1024


class UnknownKeyError(SeatlineError):
    """No usable key of that id belongs to this tenant."""

    code = "unknown-key"


@dataclass(frozen=True, slots=True)
class DataKey:
    """An unwrapped purpose key and the id that sealed values name it by."""

    key_id: int
    key: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.key_id})"


class Keystore:
    """Hands out purpose keys; makes them the first time a tenant needs one."""

    def __init__(self, url: str, root: RootKey) -> None:
        """Connect lazily as role `seatline_keys`."""
        self._engine = make_engine(url, pool_size=2)
        self._root = root
        self._cache: dict[tuple[UUID, str | int], tuple[float, DataKey]] = {}
        self._lock = threading.Lock()

    def active(self, tenant_id: UUID, purpose: str) -> DataKey:
        """Return the key new values of this purpose are sealed with."""
        held = self._held((tenant_id, purpose))
        if held:
            return held
        with self._lock, self._engine.begin() as connection:
            found = self._active(connection, tenant_id, purpose) or self._make(connection, tenant_id, purpose)
        self._keep((tenant_id, purpose), found)
        self._keep((tenant_id, found.key_id), found)
        return found

    def by_id(self, tenant_id: UUID, key_id: int) -> DataKey:
        """Return the key a sealed value names.

        Raises:
            UnknownKeyError: no such key of this tenant, or it is disabled or destroyed.
        """
        held = self._held((tenant_id, key_id))
        if held:
            return held
        with self._engine.begin() as connection:
            row = connection.execute(
                text(
                    "SELECT purpose, version, wrapped FROM keys.purpose_key WHERE tenant_id = :tenant"
                    " AND key_id = :id AND state IN ('active', 'decrypt_only')"
                ),
                {"tenant": tenant_id, "id": key_id},
            ).first()
            if row is None:
                raise UnknownKeyError
            parent = self._tenant_key(connection, tenant_id)
            key = unwrap(parent, row.wrapped, _context(tenant_id, row.purpose, row.version))
        found = DataKey(key_id, key)
        self._keep((tenant_id, key_id), found)
        return found

    def close(self) -> None:
        """Give connections back and forget every key."""
        self._cache.clear()
        self._engine.dispose()

    def after_fork(self) -> None:
        """Forget the parent's connections and keys."""
        self._cache.clear()
        self._engine.dispose(close=False)

    def _active(self, connection: Connection, tenant_id: UUID, purpose: str) -> DataKey | None:
        row = connection.execute(
            text(
                "SELECT key_id, version, wrapped FROM keys.purpose_key"
                " WHERE tenant_id = :tenant AND purpose = :purpose AND state = 'active'"
            ),
            {"tenant": tenant_id, "purpose": purpose},
        ).first()
        if row is None:
            return None
        parent = self._tenant_key(connection, tenant_id)
        return DataKey(row.key_id, unwrap(parent, row.wrapped, _context(tenant_id, purpose, row.version)))

    def _make(self, connection: Connection, tenant_id: UUID, purpose: str) -> DataKey:
        parent = self._tenant_key(connection, tenant_id)
        wrapped = wrap(parent, os.urandom(KEY_BYTES), _context(tenant_id, purpose, 1))
        # two processes may be first at the same moment: one row wins, both read it
        connection.execute(
            text(
                "INSERT INTO keys.purpose_key (tenant_id, purpose, version, wrapped)"
                " VALUES (:tenant, :purpose, 1, :wrapped) ON CONFLICT DO NOTHING"
            ),
            {"tenant": tenant_id, "purpose": purpose, "wrapped": wrapped},
        )
        found = self._active(connection, tenant_id, purpose)
        if found is None:  # every version is retired
            raise UnknownKeyError
        return found

    def _tenant_key(self, connection: Connection, tenant_id: UUID) -> bytes:
        context = _context(tenant_id, "tk", 1)
        connection.execute(
            text(
                "INSERT INTO keys.tenant_key (tenant_id, version, wrapped) VALUES (:tenant, 1, :wrapped)"
                " ON CONFLICT DO NOTHING"
            ),
            {"tenant": tenant_id, "wrapped": self._root.wrap(os.urandom(KEY_BYTES), context)},
        )
        wrapped = connection.execute(
            text("SELECT wrapped FROM keys.tenant_key WHERE tenant_id = :tenant AND version = 1"),
            {"tenant": tenant_id},
        ).scalar_one()
        return self._root.unwrap(wrapped, context)

    def _held(self, name: tuple[UUID, str | int]) -> DataKey | None:
        entry = self._cache.get(name)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    def _keep(self, name: tuple[UUID, str | int], key: DataKey) -> None:
        if len(self._cache) >= _MOST:
            self._cache.clear()
        self._cache[name] = (time.monotonic() + _TTL_S, key)


def _context(tenant_id: UUID, purpose: str, version: int) -> bytes:
    label = purpose.encode()
    return tenant_id.bytes + struct.pack(">I", len(label)) + label + struct.pack(">I", version)
