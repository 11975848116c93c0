"""One request, one transaction, one tenant.

The transaction is opened when the principal is recognised (a session or an API key is read inside its own
tenant's walls) and goes on to serve the view; the doorway commits it when the view has succeeded and
rolls it back on any error. Views say `scope.session()` and never commit.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from flask import current_app, g
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import log
from core.ids import TenantId
from security.gate import Gate, Kind, NoScopeError, Scope
from web.services import KEY, Services

_log = log.get(__name__)


@dataclass(slots=True)
class _Open:
    stack: contextlib.ExitStack
    session: Session


@dataclass(slots=True)
class _State:
    scope: Scope | None = None
    opened: _Open | None = None
    afterwards: list[Callable[[], object]] = field(default_factory=list)


def services() -> Services:
    """Return the services of this process."""
    found: Services = current_app.extensions[KEY]
    return found


def gate() -> Gate:
    """Return the gate, for transactions beside the request's own (sign-in, idempotency claims)."""
    return services().gate


def enter(scope: Scope) -> Session:
    """Open the request's transaction inside `scope`; whatever stood open before is rolled back."""
    rollback()
    state = _state()
    stack = contextlib.ExitStack()
    session = stack.enter_context(gate().open(scope))
    state.scope, state.opened = scope, _Open(stack, session)
    return session


def session() -> Session:
    """Return the request's session; opened again when it was committed already.

    Raises:
        NoScopeError: nobody is signed in, so there is no tenant whose walls to stand in.
    """
    state = _state()
    if state.opened is not None:
        return state.opened.session
    if state.scope is None:
        raise NoScopeError
    return enter(state.scope)


def commit() -> None:
    """Commit what stands open, then do what waited for it. The doorway calls this."""
    state = _state()
    if state.opened is not None:
        opened, state.opened = state.opened, None
        opened.stack.__exit__(None, None, None)
    afterwards, state.afterwards = state.afterwards, []
    for act in afterwards:
        try:
            act()
        except Exception:  # noqa: BLE001 - the commit stands; what follows it is only a wake-up
            _log.exception("after-commit-failed")


def rollback() -> None:
    """Undo what stands open. The doorway calls this on every error and at the end of every request."""
    state = _state()
    state.afterwards.clear()
    if state.opened is not None:
        opened, state.opened = state.opened, None
        cause = _RolledBackError()
        # a connection that is gone has rolled itself back
        with contextlib.suppress(_RolledBackError, SQLAlchemyError):
            opened.stack.__exit__(type(cause), cause, None)


def leave() -> None:
    """Roll back and forget whose walls we stood in (sign-out, a session that is over)."""
    rollback()
    _state().scope = None


def after_commit(act: Callable[[], object]) -> None:
    """Do something once the request's transaction is durable; live pages are told this way."""
    _state().afterwards.append(act)


@contextlib.contextmanager
def within(tenant_id: TenantId, *, principal_id: UUID, kind: Kind = Kind.SYSTEM) -> Iterator[Session]:
    """Yield a session inside another tenant's walls, in a transaction of its own."""
    with gate().open(Scope(tenant_id, principal_id, kind)) as other:
        yield other


class _RolledBackError(Exception):
    """Travels into the gate's context manager so that it rolls back; never seen outside."""


def _state() -> _State:
    if not hasattr(g, "seatline_scope"):
        g.seatline_scope = _State()
    state: _State = g.seatline_scope
    return state
