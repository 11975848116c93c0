"""The gate: the only way to a transaction, and a transaction is always inside one tenant's walls.

A doorway opens the gate for a `Scope`; the engine's `begin` event then mints a short-lived signed token
and enters the tenant's context in the database (`sec.enter`), where it is bound to this backend and this
transaction. Nothing is kept in context variables or in session settings, so a pooled connection carries
nothing over to its next borrower. Source: docs/adr/0003-walls.md; attacks in tests/security/.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import Conflict, Refused, SeatlineError
from core.ids import OPERATOR, TenantId

_OPTION = "seatline_scope"
_TOKEN_LIFETIME_S = 10
_APP_KID = 1
_UNSIGNED = "agreement not signed"  # what sec.enter says then


class Kind(StrEnum):
    """In what quality somebody enters a tenant's context."""

    USER = "user"
    AGENT = "agent"
    API = "api"
    SYSTEM = "system"
    BREAKGLASS = "breakglass"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose walls a transaction stands in, and who asked."""

    tenant_id: TenantId
    principal_id: UUID
    kind: Kind

    @classmethod
    def system(cls, tenant_id: TenantId) -> "Scope":
        """Return the scope of our own work for a tenant (loops, jobs, the switchboard)."""
        return cls(tenant_id, OPERATOR, Kind.SYSTEM)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory knows of a hashed key."""

    tenant_id: TenantId
    ref_id: UUID


class NoScopeError(SeatlineError):
    """A transaction was begun outside the gate: a bug, never a user's doing."""

    code = "no-scope"


class ForkedConnectionError(SeatlineError):
    """A connection made before a fork was used after it; sharing it would mix two tenants' rows."""

    code = "forked-connection"


class UnsignedError(Refused):
    """An agent has not signed what the company or the operator asks for, or it was revoked."""

    code = "agreement-not-signed"


class KeyTakenError(Conflict):
    """The key (sign-in name, number…) belongs to somebody already."""

    code = "key-taken"


_OUTSIDE = object()  # directory look-ups need no tenant; the option must still be set on purpose


class Gate:
    """Opens transactions inside one tenant's walls."""

    def __init__(self, url: str, *, context_key: bytes, pool_size: int = 10) -> None:
        """Connect lazily as role `seatline_app`; `context_key` signs the tokens (32 bytes)."""
        self._key = context_key
        self._size = pool_size
        self._engine = make_engine(url, pool_size=pool_size)
        event.listen(self._engine, "begin", self._enter)

    @contextlib.contextmanager
    def open(self, scope: Scope) -> Iterator[Session]:
        """Yield a session inside the tenant's context; commit at the end, roll back on an error.

        Used afterwards it raises: it would begin a transaction that nobody ends.
        """
        engine = self._engine.execution_options(**{_OPTION: scope})
        with (
            Session(engine, expire_on_commit=False, close_resets_only=False) as session,
            session.begin(),
        ):
            yield session

    @contextlib.contextmanager
    def snapshot(self, scope: Scope) -> Iterator[Session]:
        """Yield a session that only reads, and sees all of it as it stood when it was opened.

        Old rows stay while it is open: end it within minutes.
        """
        engine = self._engine.execution_options(
            **{_OPTION: scope}, isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        with Session(engine, close_resets_only=False) as session, session.begin():
            yield session

    def resolve(self, kind: str, key: bytes) -> Entry | None:
        """Return who a hashed key belongs to, or None. Needs no context: this is how one is found."""
        with self.outside() as connection:
            row = connection.execute(
                text("SELECT tenant_id, ref_id FROM sec.resolve(:kind, :key)"), {"kind": kind, "key": key}
            ).first()
        return Entry(TenantId(row.tenant_id), row.ref_id) if row else None

    def resolve_any(self, kind: str, keys: Sequence[bytes]) -> Entry | None:
        """Return who one of these hashed keys belongs to; one question, whichever of them is there."""
        with self.outside() as connection:
            row = connection.execute(
                text(
                    "SELECT found.tenant_id, found.ref_id"
                    " FROM unnest(CAST(:keys AS bytea[])) AS key, sec.resolve(:kind, key) AS found"
                ),
                {"kind": kind, "keys": list(keys)},
            ).first()
        return Entry(TenantId(row.tenant_id), row.ref_id) if row else None

    def known(self, kind: str, keys: Sequence[bytes]) -> set[bytes]:
        """Return which of these hashed keys the directory knows; one question for all of them."""
        with self.outside() as connection:
            return set(
                connection.scalars(
                    text("SELECT key FROM unnest(CAST(:keys AS bytea[])) AS key, sec.resolve(:kind, key)"),
                    {"kind": kind, "keys": list(keys)},
                )
            )

    @contextlib.contextmanager
    def outside(self) -> Iterator[Connection]:
        """Yield a connection without a context: platform tables only, the fences refuse the rest.

        It commits even where it only reads: after a rollback the driver has every prepared statement of the
        connection forgotten, and the next transactions plan all of theirs anew.
        """
        engine = self._engine.execution_options(**{_OPTION: _OUTSIDE})
        with engine.begin() as connection:
            yield connection

    def ping(self) -> bool:
        """Return whether the database answers."""
        with self.outside() as connection:
            return bool(connection.execute(text("SELECT true")).scalar_one())

    def warm(self) -> None:
        """Make the pool's connections before anybody waits for one.

        Each is a process to be started that has to read the catalogue: when the first calls of a switchboard
        end together, they would wait for all of that at once.
        """
        with contextlib.ExitStack() as lent:
            for _ in range(self._size):
                lent.enter_context(self.open(Scope.system(OPERATOR))).connection()

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Forget connections inherited from the parent without closing them."""
        self._engine.dispose(close=False)

    def _enter(self, connection: Connection) -> None:
        scope = connection.get_execution_options().get(_OPTION)
        if scope is _OUTSIDE:
            return
        if not isinstance(scope, Scope):
            raise NoScopeError
        try:
            connection.exec_driver_sql(
                "SELECT sec.enter(%s)", (mint(scope, self._key, backend=backend_of(connection)),)
            )
        except ProgrammingError as error:
            diagnosis = getattr(error.orig, "diag", None)
            if scope.kind is Kind.AGENT and getattr(diagnosis, "message_primary", "") == _UNSIGNED:
                raise UnsignedError from error
            raise


def register(session: Session, *, kind: str, key: bytes, ref_id: UUID) -> None:
    """Enter a hashed key into the directory for the session's tenant.

    Raises:
        KeyTakenError: it stands there already, for whichever tenant. The transaction goes on.
    """
    try:
        with session.begin_nested():
            session.execute(
                text("SELECT sec.register(:kind, :key, :ref)"), {"kind": kind, "key": key, "ref": ref_id}
            )
    except IntegrityError as error:
        raise KeyTakenError(kind=kind) from error


def registered(session: Session, *, kind: str, keys: Sequence[bytes]) -> set[bytes]:
    """Return which of these hashed keys stand in the directory, for whichever tenant."""
    return set(
        session.scalars(
            text("SELECT key FROM unnest(CAST(:keys AS bytea[])) AS key, sec.resolve(:kind, key)"),
            {"kind": kind, "keys": list(keys)},
        )
    )


def unregister(session: Session, *, kind: str, key: bytes) -> bool:
    """Remove a key of the session's own tenant; return whether it was there."""
    return bool(
        session.execute(text("SELECT sec.unregister(:kind, :key)"), {"kind": kind, "key": key}).scalar_one()
    )


def admit(session: Session, *, tenant_id: TenantId, status: str = "active") -> None:
    """Open, suspend or close a tenant's door; only inside the operator's own context."""
    session.execute(text("SELECT sec.admit(:tenant, :status)"), {"tenant": tenant_id, "status": status})


def backend_of(connection: Connection) -> int:
    """Return the process that serves a connection, as it said when it was made: no question is asked."""
    driver: Any = connection.connection.driver_connection
    return int(driver.info.backend_pid)


def mint(scope: Scope, key: bytes, *, backend: int) -> str:
    """Return a signed token that opens `scope` on one connection within ten seconds."""
    expires = int(time.time()) + _TOKEN_LIFETIME_S
    body = (
        f"v2.{_APP_KID}.{scope.tenant_id}.{scope.principal_id}.{scope.kind.value}"
        f".{expires}.{backend}.{secrets.token_hex(8)}"
    )
    return f"{body}.{hmac.new(key, body.encode(), hashlib.sha256).hexdigest()}"


def make_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Return an engine with the guards every engine of ours has.

    `prepare_threshold=0` keeps every statement on the extended protocol, which refuses stacked
    statements; `hide_parameters` keeps values out of exceptions; connections are checked on loan, reset
    on return and refused after a fork.
    """
    engine = create_engine(
        _with_driver(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={"prepare_threshold": 0, "connect_timeout": 5, "application_name": "seatline"},
    )
    engine.dialect.do_ping = _ping  # type: ignore[method-assign,assignment] # there is no event for it
    event.listen(engine, "connect", _remember_process)
    event.listen(engine, "checkout", _refuse_after_fork)
    event.listen(engine, "checkin", _reset)
    return engine


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _ping(connection: Any) -> bool:  # noqa: ANN401 - psycopg's own connection
    """Ask a connection that is lent whether it is alive, and leave nothing prepared behind.

    SQLAlchemy's own question would be prepared for every loan and forgotten by psycopg, which keeps no
    statement without a result: 3.4 kB in the server's process for each transaction (psycopg 3.3).
    """
    connection.autocommit = True
    try:
        connection.execute(";", prepare=False)
    finally:
        if not connection.closed:
            connection.autocommit = False
    return True


def _remember_process(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info["pid"] = os.getpid()


def _refuse_after_fork(_connection: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
    if entry.info.get("pid") != os.getpid():
        raise ForkedConnectionError


def _reset(connection: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - psycopg's own connection
    if connection is None or connection.closed:
        return
    with contextlib.suppress(Exception):
        connection.rollback()
        connection.autocommit = True
        connection.execute("RESET ALL")
        connection.autocommit = False
        return
    connection.close()
