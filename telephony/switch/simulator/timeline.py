"""Time for the simulator: virtual, moved by the test, or real.

Virtual time *is* `core.clock`, held by the test, so that everything that asks for the time agrees.
"""

import asyncio
import datetime as dt
import heapq
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from core import clock

_TURNS = 50  # of the event loop: enough for a chain of awaits that wait for nothing


@dataclass(order=True, slots=True)
class Alarm:
    """Something that will happen, unless it is called off."""

    at: dt.datetime
    order: int
    act: Callable[[], None] = field(compare=False)
    is_off: bool = field(default=False, compare=False)

    def call_off(self) -> None:
        """See to it that it does not happen."""
        self.is_off = True


class Timeline(Protocol):
    """What the simulator needs to know of time."""

    def after(self, ms: int, act: Callable[[], None]) -> Alarm:
        """Have something happen so many milliseconds from now."""


class VirtualTime:
    """Stands still until `advance`. Needs `clock.hold(...)` around the test.

    Args:
        settle: waits until everybody has reacted; the default lets all ready tasks run. Pass your
        own
            when the listener works in threads.
    """

    def __init__(self, settle: Callable[[], Awaitable[None]] | None = None) -> None:
        self._settle = settle or run_ready_tasks
        self._alarms: list[Alarm] = []
        self._order = itertools.count()

    def after(self, ms: int, act: Callable[[], None]) -> Alarm:
        """See `Timeline.after`; alarms of one instant go off in the order they were set."""
        alarm = Alarm(clock.now() + dt.timedelta(milliseconds=ms), next(self._order), act)
        heapq.heappush(self._alarms, alarm)
        return alarm

    async def advance(self, ms: int) -> None:
        """Let time pass; what is due happens in its order, and everybody may react in between."""
        end = clock.now() + dt.timedelta(milliseconds=ms)
        await self._settle()
        while self._alarms and self._alarms[0].at <= end:
            alarm = heapq.heappop(self._alarms)
            if alarm.is_off:
                continue
            clock.advance(max(alarm.at - clock.now(), dt.timedelta()))
            alarm.act()
            await self._settle()
        clock.advance(end - clock.now())
        await self._settle()


class RealTime:
    """Passes by itself, in the running event loop."""

    def __init__(self) -> None:
        self._order = itertools.count()

    def after(self, ms: int, act: Callable[[], None]) -> Alarm:
        """See `Timeline.after`."""
        alarm = Alarm(clock.now() + dt.timedelta(milliseconds=ms), next(self._order), act)

        def ring() -> None:
            if not alarm.is_off:
                alarm.act()

        asyncio.get_running_loop().call_later(ms / 1000, ring)
        return alarm


async def run_ready_tasks() -> None:
    """Let every task that can run do so."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
