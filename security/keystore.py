"""The keystore: wrapped keys in a database of their own.

The data database holds only key ids inside sealed values' headers, so no data backup carries a key, and
destroying a tenant's row here makes its data unreadable wherever copies lie. A tenant's key is wrapped by
the root, purpose keys by the tenant's key. What states a key goes through: `security.key_states`.

Unwrapped keys live in this process for five minutes at most, and only while the keystore's *epoch* is the
one they were read in: every change of a state raises it, and each process looks at least every five seconds
before it uses a key, so a key that was destroyed is gone from all of them by then. When the keystore is
away nothing changes in it that could be missed: what is open goes on to serve until its five minutes are
over, what is not is refused (`KeystoreAwayError`, 503).
"""

import contextlib
import hmac
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.errors import SeatlineError, Unavailable
from security.gate import make_engine
from security.keys import KEY_BYTES, RootKey, RootKeyAwayError, UnwrapError, unwrap, wrap

EPOCH_S = 5.0
"""No process uses an opened key for longer than this without asking whether states have changed."""
_TTL_S = 300
_MOST = 1024
_BREATHER_S = 2.0  # after a failure the keystore is left alone for that long: callers do not queue up for it


class UnknownKeyError(SeatlineError):
    """No usable key of that id belongs to this tenant."""

    code = "unknown-key"


class DestroyedKeyError(UnknownKeyError):
    """The key was destroyed; what it sealed can never be read again."""

    code = "destroyed-key"


class KeystoreAwayError(Unavailable):
    """The keystore does not answer, and this key is not open here. Try again; nothing is lost."""

    code = "keystore-away"


@dataclass(frozen=True, slots=True)
class DataKey:
    """An unwrapped purpose key and the id that sealed values name it by.

    Keys that are derived from it again and again are kept with it, and are let go of with it.
    """

    key_id: int
    key: bytes
    derived: dict[str, bytes] = field(default_factory=dict, init=False, compare=False)

    def __repr__(self) -> str:
        return f"DataKey({self.key_id})"


@dataclass(frozen=True, slots=True)
class Series:
    """Every version of a purpose key, version 1 first; `active` is the version that is written with."""

    keys: tuple[DataKey, ...]
    active: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A key, or all of a purpose, in this process; `key` None: known to be destroyed."""

    key: DataKey | Series | None
    epoch: int
    until: float


class Keystore:
    """Hands out purpose keys; makes them the first time a tenant needs one."""

    def __init__(
        self, url: str, root: RootKey, *, epoch_s: float = EPOCH_S, tell: Callable[[], object] = lambda: None
    ) -> None:
        """Connect lazily as role `seatline_keys`.

        Args:
            url: the keystore's own database.
            root: wraps the tenants' keys.
            epoch_s: how long an answer about the epoch is good for.
            tell: called after a state was changed here; a hint to other processes, never relied on.
        """
        self._engine = make_engine(url, pool_size=2)
        self._root = root
        self._epoch_s = epoch_s
        self._tell = tell
        self._cache: dict[tuple[UUID, str | int], _Held] = {}
        self._epoch = 0
        self._checked_at = self._away_until = self._root_away_until = 0.0
        self._lock, self._looking = threading.Lock(), threading.Lock()

    def active(self, tenant_id: UUID, purpose: str) -> DataKey:
        """Return the key new values of this purpose are sealed with.

        Raises:
            UnknownKeyError: every version is retired; `DestroyedKeyError`: they are destroyed.
            KeystoreAwayError: the keystore does not answer.
        """
        held = self._held((tenant_id, purpose))
        if held and isinstance(held.key, DataKey):
            return held.key
        with self._lock, self.reading() as (connection, epoch):
            found = self._active(connection, tenant_id, purpose) or self._make(connection, tenant_id, purpose)
        self._keep((tenant_id, purpose), found, epoch)
        self._keep((tenant_id, found.key_id), found, epoch)
        return found

    def by_id(self, tenant_id: UUID, key_id: int) -> DataKey:
        """Return the key a sealed value names.

        Raises:
            UnknownKeyError: no such key of this tenant, or it is disabled; `DestroyedKeyError`: destroyed.
            KeystoreAwayError: the keystore does not answer.
        """
        held = self._held((tenant_id, key_id))
        if held and held.key is None:
            raise DestroyedKeyError
        if held and isinstance(held.key, DataKey):
            return held.key
        with self.reading() as (connection, epoch):
            row = connection.execute(
                text(
                    "SELECT purpose, version, wrapped, state FROM keys.purpose_key"
                    " WHERE tenant_id = :tenant AND key_id = :id AND state <> 'disabled'"
                ),
                {"tenant": tenant_id, "id": key_id},
            ).first()
            if row is None:
                raise UnknownKeyError
            if row.state == "destroyed":
                self._keep((tenant_id, key_id), None, epoch)
                raise DestroyedKeyError
            parent = self.tenant_key(connection, tenant_id)
            key = unwrap(parent, row.wrapped, wrapping_context(tenant_id, row.purpose, row.version))
        found = DataKey(key_id, key)
        self._keep((tenant_id, key_id), found, epoch)
        return found

    def series(self, tenant_id: UUID, purpose: str) -> Series:
        """Return all versions of a purpose key, also one that is pending, of those whose values build up.

        Raises:
            UnknownKeyError: one of them is disabled or destroyed.
            KeystoreAwayError: the keystore does not answer.
        """
        name = (tenant_id, f"{purpose}/*")
        held = self._held(name)
        if held and isinstance(held.key, Series):
            return held.key
        with self._lock, self.reading() as (connection, epoch):
            if self._active(connection, tenant_id, purpose) is None:
                self._make(connection, tenant_id, purpose)
            rows = connection.execute(
                text(
                    "SELECT key_id, version, wrapped, state FROM keys.purpose_key"
                    " WHERE tenant_id = :tenant AND purpose = :purpose ORDER BY version"
                ),
                {"tenant": tenant_id, "purpose": purpose},
            ).all()
            if any(row.state in {"disabled", "destroyed"} for row in rows):
                raise UnknownKeyError
            parent = self.tenant_key(connection, tenant_id)
            found = Series(
                tuple(
                    DataKey(
                        row.key_id,
                        unwrap(parent, row.wrapped, wrapping_context(tenant_id, purpose, row.version)),
                    )
                    for row in rows
                ),
                next(row.version for row in rows if row.state == "active"),
            )
        self._keep(name, found, epoch)
        return found

    def recheck(self) -> None:
        """Look at the epoch before the next use of a key: somebody said that a state has changed."""
        self._checked_at = 0.0

    def close(self) -> None:
        """Give connections back and forget every key."""
        self._forget()
        self._engine.dispose()

    def after_fork(self) -> None:
        """Forget the parent's connections and keys; a lock another thread held in it is not ours."""
        self._forget()
        self._engine.dispose(close=False)

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[Connection, int]]:
        """Yield a transaction, and the epoch it began in: what is read in it may be kept under that one."""
        asked_at = time.monotonic()
        if asked_at < self._away_until:
            raise KeystoreAwayError
        try:
            with self._engine.begin() as connection:
                epoch: int = connection.execute(text("SELECT epoch FROM keys.epoch")).scalar_one()
                self._note(epoch, asked_at)
                yield connection, epoch
        except (OperationalError, PoolTimeoutError) as error:
            self._away_until = time.monotonic() + _BREATHER_S
            raise KeystoreAwayError from error

    @contextlib.contextmanager
    def changing(self) -> Iterator[Connection]:
        """Yield a transaction that changes states; after its commit this process and others look again."""
        with self.reading() as (connection, _epoch):
            yield connection
        self.recheck()
        self._tell()

    def rewrite(self, *tables: str) -> None:
        """Write tables anew, without the dead rows that changes leave on disk; they are small."""
        engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"VACUUM FULL {', '.join(tables)}"))
        except (OperationalError, PoolTimeoutError) as error:
            raise KeystoreAwayError from error

    def tenant_key(self, connection: Connection, tenant_id: UUID) -> bytes:
        """Return the tenant's own key, made the first time.

        Raises:
            UnknownKeyError: it is disabled; `DestroyedKeyError`: it is destroyed.
        """
        context = wrapping_context(tenant_id, "tk", 1)
        row = connection.execute(_TENANT_KEY, {"tenant": tenant_id}).first()
        if row is None:
            key = os.urandom(KEY_BYTES)
            connection.execute(
                text(
                    "INSERT INTO keys.tenant_key (tenant_id, version, wrapped, proof)"
                    " VALUES (:tenant, 1, :wrapped, :proof) ON CONFLICT DO NOTHING"
                ),
                {"tenant": tenant_id, "wrapped": self._root.wrap(key, context), "proof": proof_of(key)},
            )
            row = connection.execute(_TENANT_KEY, {"tenant": tenant_id}).one()
        if row.state == "destroyed":
            raise DestroyedKeyError
        if row.state == "disabled":
            raise UnknownKeyError
        if time.monotonic() < self._root_away_until:
            raise RootKeyAwayError
        try:
            key = self._root.unwrap(row.wrapped, context)
        except RootKeyAwayError:
            self._root_away_until = time.monotonic() + _BREATHER_S
            raise
        # of another key nothing may ever be made: what it sealed could not be opened again
        if row.proof is not None and not hmac.compare_digest(row.proof, proof_of(key)):
            raise UnwrapError
        return key

    def rewrap(self, connection: Connection) -> int:
        """Wrap the tenants' own keys anew; return how many. Those that are destroyed are left."""
        rows = connection.execute(
            text(
                "SELECT tenant_id, version, wrapped FROM keys.tenant_key"
                " WHERE state <> 'destroyed' FOR UPDATE"
            )
        ).all()
        for row in rows:
            context = wrapping_context(row.tenant_id, "tk", row.version)
            connection.execute(
                text(
                    "UPDATE keys.tenant_key SET wrapped = :wrapped"
                    " WHERE tenant_id = :tenant AND version = :version"
                ),
                {
                    "wrapped": self._root.wrap(self._root.unwrap(row.wrapped, context), context),
                    "tenant": row.tenant_id,
                    "version": row.version,
                },
            )
        return len(rows)

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
        parent = self.tenant_key(connection, tenant_id)
        context = wrapping_context(tenant_id, purpose, row.version)
        return DataKey(row.key_id, unwrap(parent, row.wrapped, context))

    def _make(self, connection: Connection, tenant_id: UUID, purpose: str) -> DataKey:
        parent = self.tenant_key(connection, tenant_id)
        wrapped = wrap(parent, os.urandom(KEY_BYTES), wrapping_context(tenant_id, purpose, 1))
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

    def _held(self, name: tuple[UUID, str | int]) -> _Held | None:
        """Return what is known of a key here, after a look at the epoch if the last is too long ago."""
        entry = self._cache.get(name)
        if entry is None or entry.until < time.monotonic():
            return None
        if self._checked_at + self._epoch_s < time.monotonic():
            self._look()
        return entry if entry.epoch == self._epoch else None

    def _look(self) -> None:
        with self._looking:
            if self._checked_at + self._epoch_s >= time.monotonic():
                return  # another thread has just looked
            with contextlib.suppress(KeystoreAwayError), self.reading():
                pass

    def _note(self, epoch: int, asked_at: float) -> None:
        """Take an answer about the epoch, unless a later question has been answered, and drop older keys."""
        if asked_at < self._checked_at:
            return
        if epoch != self._epoch:
            self._epoch, self._cache = epoch, {}
        self._checked_at = asked_at

    def _keep(self, name: tuple[UUID, str | int], key: DataKey | Series | None, epoch: int) -> None:
        if len(self._cache) >= _MOST:
            self._cache.clear()
        self._cache[name] = _Held(key, epoch, time.monotonic() + _TTL_S)

    def _forget(self) -> None:
        self._cache = {}
        self._epoch = 0
        self._checked_at = self._away_until = self._root_away_until = 0.0
        self._lock, self._looking = threading.Lock(), threading.Lock()


def wrapping_context(tenant_id: UUID, purpose: str, version: int) -> bytes:
    """Return what a wrapped key is bound to, each part with its length before it."""
    label = purpose.encode()
    return tenant_id.bytes + struct.pack(">I", len(label)) + label + struct.pack(">I", version)


def proof_of(key: bytes) -> bytes:
    """Return 16 bytes by which a key is recognised, and from which it cannot be had."""
    return hmac.digest(key, b"seatline/proof/v1", "sha256")[:16]


_TENANT_KEY = text(
    "SELECT wrapped, state, proof FROM keys.tenant_key WHERE tenant_id = :tenant AND version = 1"
)
