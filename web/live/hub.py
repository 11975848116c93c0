"""One Redis subscription per process, fanned out to the streams that are open here.

A stream is woken, not told: messages carry ids and counts, and the page fetches what it shows. So a lost
message costs little, and a lost subscription is answered by closing the streams: the browser comes back
by itself and its page fetches everything anew.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import redis

from core import log
from core.realtime import PREFIX, Message, Realtime

_log = log.get(__name__)
_EVERYTHING = f"{PREFIX}:t:*:live:*"
_DEEPEST = 256  # a reader that far behind is closed and starts afresh
_PAUSE_S = 1.0

Address = tuple[UUID, str]  # tenant, topic


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream ends here; the browser comes back by itself."""


@dataclass(eq=False, slots=True)
class Listener:
    """One open stream's queue."""

    addresses: frozenset[Address]
    inbox: "queue.Queue[Message | Closed]" = field(default_factory=lambda: queue.Queue(_DEEPEST))

    def put(self, item: Message | Closed) -> bool:
        """Hand an item over; return False when the reader is too far behind."""
        try:
            self.inbox.put_nowait(item)
        except queue.Full:
            return False
        return True

    def shut(self) -> None:
        """End the stream at once, whatever waits in its queue."""
        while not self.put(Closed()):
            try:
                self.inbox.get_nowait()
            except queue.Empty:
                continue


class Hub:
    """Hears every live message and hands each to the streams it concerns."""

    def __init__(self, realtime: Realtime) -> None:
        self._realtime = realtime
        self._lock = threading.Lock()
        self._by_address: dict[Address, set[Listener]] = defaultdict(set)
        self._per_session: dict[str, int] = defaultdict(int)
        self._thread: threading.Thread | None = None
        self._heard = threading.Event()
        self._stopping = threading.Event()

    def join(self, addresses: Iterable[Address]) -> Listener:
        """Return a listener for messages of these tenants and topics; begins to hear at the first one."""
        listener = Listener(frozenset(addresses))
        with self._lock:
            for address in listener.addresses:
                self._by_address[address].add(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-hub", daemon=True)
                self._thread.start()
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
        if self._thread is not None:
            self._thread.join(timeout=5)

    def size(self) -> int:
        """Return how many streams are open."""
        with self._lock:
            return len({one for known in self._by_address.values() for one in known})

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

    def _close_all(self) -> None:
        with self._lock:
            everybody = {one for known in self._by_address.values() for one in known}
        for listener in everybody:
            listener.shut()
