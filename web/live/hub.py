"""One Redis subscription per process, fanned out to the streams that are open here.

A stream is woken, not told: messages carry ids and counts, and the page fetches what it shows. So a lost
message costs little, and a lost subscription is answered by closing the streams: the browser comes back
by itself and its page fetches everything anew.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import redis
from sqlalchemy.exc import SQLAlchemyError

from core import log
from core.realtime import PREFIX, Message, Realtime

_log = log.get(__name__)
_EVERYTHING = f"{PREFIX}:t:*:live:*"
_DEEPEST = 256  # a reader that far behind is closed and starts afresh
_PAUSE_S = 1.0
RECHECK_S = 30.0
_LOOK_S = 0.5
_MOST_AT_ONCE = 200

Address = tuple[UUID, str]  # tenant, topic
Living = Callable[[Sequence[bytes]], set[bytes]]  # of these sessions (digests), those that still stand


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream ends here; the browser comes back by itself, unless its session is over."""

    is_signed_out: bool = False


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream, and what waits to be sent on it.

    One flag and a list instead of a `queue.Queue`: a third of what a console weighed beyond its greenlet.
    """

    addresses: frozenset[Address]
    session: bytes
    checked_at: float = field(default_factory=time.monotonic)
    _waits: list[Message | Closed] = field(default_factory=list)
    _stirred: threading.Event = field(default_factory=threading.Event)

    def put(self, item: Message | Closed) -> bool:
        """Hand an item over; return False when the reader is too far behind."""
        if len(self._waits) >= _DEEPEST:
            return False
        self._waits.append(item)
        self._stirred.set()
        return True

    def shut(self, why: Closed = Closed()) -> None:
        """End the stream at once, whatever waits."""
        self._waits[:] = [why]
        self._stirred.set()

    def take(self, *, timeout_s: float) -> Message | Closed | None:
        """Return the next item for the only reader; None when there was none for so long."""
        if not self._waits:
            self._stirred.wait(timeout_s)
        # before the list is looked at: who puts something afterwards sets it again
        self._stirred.clear()
        return self._waits.pop(0) if self._waits else None


class Hub:
    """Hears every live message and hands each to the streams it concerns; ends those whose session is over.

    Sessions are asked after together, some hundred in one question: a stream that asked for itself would
    keep a thousand others waiting behind it.
    """

    def __init__(self, realtime: Realtime, living: Living) -> None:
        self._realtime, self._living = realtime, living
        self._lock = threading.Lock()
        self._by_address: dict[Address, set[Listener]] = defaultdict(set)
        self._per_session: dict[str, int] = defaultdict(int)
        self._threads: list[threading.Thread] = []
        self._heard = threading.Event()
        self._stopping = threading.Event()

    def join(self, addresses: Iterable[Address], *, session: bytes) -> Listener:
        """Return a listener for messages of these tenants and topics; begins to hear at the first one.

        Args:
            addresses: tenants and topics.
            session: digest of the session the stream belongs to, and ends with.
        """
        listener = Listener(frozenset(addresses), session)
        with self._lock:
            for address in listener.addresses:
                self._by_address[address].add(listener)
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._run, name="live-hub", daemon=True),
                    threading.Thread(target=self._recheck, name="live-sessions", daemon=True),
                ]
                for thread in self._threads:
                    thread.start()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; leaving twice is no error."""
        with self._lock:
            for address in listener.addresses:
                known = self._by_address.get(address)
                if known is not None:
                    known.discard(listener)
                    if not known:
                        del self._by_address[address]

    def count(self, session_id: str, step: int) -> int:
        """Count a session's open streams up or down; return how many it has."""
        with self._lock:
            self._per_session[session_id] += step
            now = self._per_session[session_id]
            if now <= 0:
                del self._per_session[session_id]
        return now

    def is_hearing(self, *, within_s: float) -> bool:
        """Wait until the subscription stands; return whether it does."""
        return self._heard.wait(within_s)

    def stop(self) -> None:
        """End the subscription and every stream."""
        self._stopping.set()
        self._close_all()
        for thread in self._threads:
            thread.join(timeout=5)

    def size(self) -> int:
        """Return how many streams are open."""
        with self._lock:
            return len(self._everybody())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for message in self._realtime.listen(_EVERYTHING, timeout_s=1.0):
                    self._heard.set()
                    if self._stopping.is_set():
                        return
                    if message is not None:
                        self._deliver(message)
            except redis.RedisError as error:
                _log.warning("live-subscription-lost", error=type(error).__name__)
                self._heard.clear()
                self._close_all()
                time.sleep(_PAUSE_S)

    def _deliver(self, message: Message) -> None:
        with self._lock:
            concerned = list(self._by_address.get((message.tenant_id, message.topic), ()))
        for listener in concerned:
            if not listener.put(message):
                listener.shut()

    def _recheck(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            now = time.monotonic()
            with self._lock:
                due = [one for one in self._everybody() if now - one.checked_at >= RECHECK_S]
            due = sorted(due, key=lambda one: one.checked_at)[:_MOST_AT_ONCE]
            if not due:
                continue
            try:
                standing = self._living([one.session for one in due])
            except SQLAlchemyError:
                continue  # the database is away; the streams are told nothing of it and may stay
            for listener in due:
                listener.checked_at = now
                if listener.session not in standing:
                    listener.shut(Closed(is_signed_out=True))

    def _close_all(self) -> None:
        with self._lock:
            everybody = self._everybody()
        for listener in everybody:
            listener.shut()

    def _everybody(self) -> set[Listener]:
        return {one for known in self._by_address.values() for one in known}
