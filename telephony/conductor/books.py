"""The books: what the switchboard writes to the database, in order per subject, again until it stands.

Rooms are synchronous, so a few threads carry the writing; everything about one call (or one agent) goes
through one thread, so it is written in order. What waits for the same tenant is written in one transaction,
but for what somebody waits for. While PostgreSQL is away the writing waits and live calls go on; every piece
of work is idempotent, because an outage leaves its outcome unknown.

The switch comes first: threads are told a few milliseconds after the commands decided in the same turn of the
loop have left, because a thread that is woken takes the interpreter from the loop and a processor from the
switch.
"""

import asyncio
import collections
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from core import log
from core.errors import Unavailable
from security.gate import Gate, Scope

_THREADS = 4
_SWITCH_NEEDS_S = 0.004
_PAUSE_S = 0.3
_TOGETHER = 32  # pieces of work in one transaction at most
# other work stands aside for urgent work so long at most, and looks so often for some of its own
_ASIDE_S, _LISTEN_S = 0.1, 0.005
_log = log.get(__name__)

Work = Callable[[], Any]
Within = Callable[[Session], Any]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One piece of work; with a scope it gets a session, in a transaction it may share."""

    subject: UUID
    work: Callable[..., Any]
    scope: Scope | None
    is_urgent: bool
    then: Work | None
    future: "asyncio.Future[Any]"

    def shares_with(self, other: "_Entry | None") -> bool:
        """Whether the other may be written in the same transaction, right behind this one."""
        return (
            other is not None
            and self.scope is not None
            and self.scope == other.scope
            and not self.is_urgent
            and not other.is_urgent
        )


_Lane = queue.SimpleQueue[_Entry | None]


class Books:
    """Runs pieces of work on threads, ordered by subject, retried while the database is away."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._lanes: list[_Lane] = [queue.SimpleQueue() for _ in range(_THREADS)]
        self._due: list[tuple[_Lane, _Entry]] = []
        self._counting = threading.Lock()
        self._urgent = 0  # pieces on their way to a thread or in one
        self._is_calm = threading.Event()
        self._is_calm.set()
        self._is_closing = threading.Event()
        self._is_away = False
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"books-{n}", daemon=True)
            for n, lane in enumerate(self._lanes)
        ]
        for thread in self._threads:
            thread.start()

    def write(self, subject: UUID, work: Work) -> asyncio.Future[Any]:
        """Do a piece of work after all earlier work of the same subject; the future is its result.

        A failure that is not an outage is logged and set on the future, and later work goes on.
        """
        return self._put(subject, work, scope=None, is_urgent=False, then=None)

    def enter(
        self,
        subject: UUID,
        scope: Scope,
        work: Within,
        *,
        is_urgent: bool = False,
        then: Work | None = None,
    ) -> asyncio.Future[Any]:
        """Do a piece of work inside a tenant's walls, after all earlier work of the same subject.

        Args:
            subject: the call or the agent it is about.
            scope: whose walls; what waits for the same ones may share the transaction.
            work: gets the session; what it returns is the future's result, once it is committed.
            is_urgent: somebody waits for it: it is committed by itself, not with what stands behind it.
            then: done after the commit, before anything else of this subject.
        """
        return self._put(subject, work, scope=scope, is_urgent=is_urgent, then=then)

    def close(self, *, timeout_s: float) -> None:
        """Finish what waits, at most so long; what is left stands in the spool. From any thread."""
        self._hand_over()
        for lane in self._lanes:
            lane.put(None)
        for thread in self._threads:
            thread.join(timeout=timeout_s / _THREADS)
        self._is_closing.set()

    def _put(
        self,
        subject: UUID,
        work: Callable[..., Any],
        *,
        scope: Scope | None,
        is_urgent: bool,
        then: Work | None,
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(_seen)
        if not self._due:
            after_commands(self._loop, self._hand_over)
        entry = _Entry(subject, work, scope, is_urgent, then, future)
        self._due.append((self._lanes[subject.int % _THREADS], entry))
        return future

    def _hand_over(self) -> None:
        due, self._due = self._due, []
        if any(entry.is_urgent for _, entry in due):
            self._count_urgent(sum(entry.is_urgent for _, entry in due))
        for lane, entry in due:
            lane.put(entry)

    def _count_urgent(self, step: int) -> None:
        with self._counting:
            self._urgent += step
            if self._urgent > 0:
                self._is_calm.clear()
            else:
                self._is_calm.set()

    def _run(self, lane: _Lane) -> None:
        ahead: collections.deque[_Entry | None] = collections.deque()
        while True:
            if not ahead:
                ahead.append(lane.get())
            _gather(lane, ahead)
            self._stand_aside(lane, ahead)
            entry = _first(ahead)
            if entry is None:
                return
            together = [entry]
            while ahead and len(together) < _TOGETHER and (other := ahead[0]) and entry.shares_with(other):
                together.append(other)
                ahead.popleft()
            if len(together) == 1 or not self._do_in_one(together):
                for each in together:
                    self._do(each)
            if entry.is_urgent:
                self._count_urgent(-1)

    def _stand_aside(self, lane: _Lane, ahead: collections.deque[_Entry | None]) -> None:
        """While another thread has urgent work, wait a little, unless some comes in here as well."""
        until = time.monotonic() + _ASIDE_S
        while not any(entry and entry.is_urgent for entry in ahead):
            if self._is_calm.wait(_LISTEN_S) or time.monotonic() > until:
                return
            _gather(lane, ahead)

    def _do_in_one(self, entries: list[_Entry]) -> bool:
        """Write several pieces in one transaction; False: one of them failed, so each goes by itself."""
        try:
            results = self._insist(lambda: self._transact(entries))
        except Exception as error:  # noqa: BLE001 - whichever it was is found out one by one
            _log.info("books-apart", error=type(error).__name__, pieces=len(entries))
            return False
        for entry, result in zip(entries, results, strict=True):
            self._finish(entry, result)
        return True

    def _do(self, entry: _Entry) -> None:
        try:
            if entry.scope is None:
                result = self._insist(entry.work)
            else:
                result = self._insist(lambda: self._transact([entry]))[0]
        except Exception as error:  # noqa: BLE001 - the doorway of a thread: recorded, later work goes on
            _log.exception("books-failed", error=type(error).__name__)
            self._tell(entry.future, error=error)
        else:
            self._finish(entry, result)

    def _transact(self, entries: Sequence[_Entry]) -> list[Any]:
        scope = entries[0].scope
        if scope is None:
            message = "work without walls shares no transaction"
            raise RuntimeError(message)
        with self._gate.open(scope) as session:
            return [entry.work(session) for entry in entries]

    def _finish(self, entry: _Entry, result: object) -> None:
        if entry.then:
            try:
                entry.then()
            except Exception as error:  # noqa: BLE001 - the commit stands; what follows it is only a wake-up
                _log.exception("books-after-failed", error=type(error).__name__)
        self._tell(entry.future, result=result)

    def _insist(self, work: Work) -> Any:  # noqa: ANN401 - whatever the work returns
        while True:
            try:
                result = work()
            except Exception as error:
                if self._is_closing.is_set() or not is_outage(error):
                    raise
                if not self._is_away:
                    self._is_away = True
                    _log.warning("database-away", error=type(error).__name__)
                self._is_closing.wait(_PAUSE_S)
            else:
                if self._is_away:
                    self._is_away = False
                    _log.info("database-back")
                return result

    def _tell(
        self, future: asyncio.Future[Any], *, result: object = None, error: Exception | None = None
    ) -> None:
        def settle() -> None:
            if future.done():
                return
            if error:
                future.set_exception(error)
            else:
                future.set_result(result)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle)


def _gather(lane: _Lane, ahead: collections.deque[_Entry | None]) -> None:
    """Take over all that has come in."""
    with contextlib.suppress(queue.Empty):
        while True:
            ahead.append(lane.get_nowait())


def _first(ahead: collections.deque[_Entry | None]) -> _Entry | None:
    """Take what is next: something urgent, if nothing of the same subject stands before it."""
    before = set()
    for place, entry in enumerate(ahead):
        if entry is None:
            break
        if entry.is_urgent and entry.subject not in before:
            del ahead[place]
            return entry
        before.add(entry.subject)
    return ahead.popleft()


def after_commands(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    """Do something when the commands to the switch decided in this turn of the loop have been carried out.

    They leave within two turns; the switch then needs a processor for some milliseconds to make an INVITE of
    a ring, and whatever is woken now, here or in the database, would contend with it for one.
    """
    loop.call_later(_SWITCH_NEEDS_S, work)


def is_outage(error: Exception) -> bool:
    """Return whether trying again later can help: the database is away, starting, or ran out of room."""
    if isinstance(error, (OperationalError, PoolTimeoutError, Unavailable, psycopg.OperationalError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _seen(future: asyncio.Future[Any]) -> None:
    """Take note of an exception nobody awaits; it was logged where it happened."""
    if not future.cancelled():
        future.exception()
