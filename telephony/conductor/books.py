"""The books: what the switchboard writes to the database, in order per subject, again until it stands.

Rooms are synchronous, so a few threads carry the writing; everything about one call (or one agent) goes
through one thread, so it is written in order. While PostgreSQL is away the writing waits and live calls go
on; every piece of work is idempotent, because an outage leaves its outcome unknown.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import log
from core.errors import Unavailable

_THREADS = 4
_PAUSE_S = 0.3
_log = log.get(__name__)

Work = Callable[[], Any]


class Books:
    """Runs pieces of work on threads, ordered by subject, retried while the database is away."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queues: list[queue.SimpleQueue[tuple[Work, asyncio.Future[Any]] | None]] = [
            queue.SimpleQueue() for _ in range(_THREADS)
        ]
        self._is_closing = threading.Event()
        self._is_away = False
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"books-{n}", daemon=True)
            for n, lane in enumerate(self._queues)
        ]
        for thread in self._threads:
            thread.start()

    def write(self, subject: UUID, work: Work) -> asyncio.Future[Any]:
        """Do a piece of work after all earlier work of the same subject; the future is its result.

        A failure that is not an outage is logged and set on the future, and later work goes on.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(_seen)
        self._queues[subject.int % _THREADS].put((work, future))
        return future

    def close(self, *, timeout_s: float) -> None:
        """Finish what waits, at most so long; what is left stands in the spool."""
        for lane in self._queues:
            lane.put(None)
        for thread in self._threads:
            thread.join(timeout=timeout_s / _THREADS)
        self._is_closing.set()

    def _run(self, lane: "queue.SimpleQueue[tuple[Work, asyncio.Future[Any]] | None]") -> None:
        while (entry := lane.get()) is not None:
            work, future = entry
            try:
                result = self._insist(work)
            except Exception as error:  # noqa: BLE001 - the doorway of a thread: recorded, later work goes on
                _log.exception("books-failed", error=type(error).__name__)
                self._tell(future, error=error)
            else:
                self._tell(future, result=result)

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


def is_outage(error: Exception) -> bool:
    """Return whether trying again later can help: the database is away, starting, or ran out of room."""
    if isinstance(error, (OperationalError, PoolTimeoutError, Unavailable, psycopg.OperationalError)):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _seen(future: asyncio.Future[Any]) -> None:
    """Take note of an exception nobody awaits; it was logged where it happened."""
    if not future.cancelled():
        future.exception()
