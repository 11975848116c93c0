"""Being woken when an order has been left: a thread that hears Redis for a loop that must not wait for it.

It has a connection of its own, which it closes itself: another thread that closes it meanwhile leaves
redis-py waiting at a socket that is none any more (a ValueError).
"""

import asyncio
import threading

import redis

from core.ids import OPERATOR
from core.realtime import Realtime, channel
from telephony.orders import WAKE_UP

_PAUSE_S = 1.0
_LOOKS_S = 0.5  # so long it takes at most until it ends when told to


class Waking:
    """Sets an event of a loop whenever somebody says that there is an order, until told to end."""

    def __init__(self, realtime: Realtime, loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
        self._realtime, self._loop, self._woken = realtime, loop, woken
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="wake-up", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Have it end soon; nothing is woken from now on."""
        self._ended.set()

    def join(self, *, within_s: float = 3.0) -> bool:
        """Wait until it has ended; return whether it has."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _listen(self) -> None:
        while not (self._ended.is_set() or self._loop.is_closed()):
            try:
                for message in self._realtime.listen(channel(OPERATOR, WAKE_UP), timeout_s=_LOOKS_S):
                    if self._ended.is_set() or self._loop.is_closed():
                        break
                    if message is not None:
                        self._loop.call_soon_threadsafe(self._woken.set)
            except redis.RedisError:  # without Redis the loop looks every second
                self._ended.wait(_PAUSE_S)
        self._realtime.redis.close()
