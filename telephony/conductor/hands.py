"""What is done to the switch, one thing after another per call, and what goes on beside calls.

A call's commands run in the order in which they were decided; what is spawned runs beside them. An error of
the switch ends no call: its channel is gone, and its end says so, or it goes on without.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from core import log
from core.errors import SeatlineError
from telephony.conductor.live import Held
from telephony.switch import port
from telephony.switch.port import ChannelGoneError, Switch, SwitchError

_log = log.get(__name__)


class Hands:
    """All commands to the switch, and all tasks of the conductor."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self.tasks: set[asyncio.Task[None]] = set()

    def command(
        self, held: Held, work: Coroutine[Any, Any, None], *, otherwise: Callable[[], None] | None = None
    ) -> None:
        """Run a command to the switch after all earlier ones of this call.

        `otherwise`: how the call goes on when the switch refuses it (a greeting that cannot be played).
        """
        before = held.tail

        async def run() -> None:
            await asyncio.sleep(0)  # a ring decided in the same turn leaves first
            if before:
                await asyncio.wait({before})
            try:
                await work
            except ChannelGoneError:
                pass  # its end is on the way, and says so
            except SeatlineError as error:
                _log.warning("command-failed", error=error.code)
                if otherwise:
                    otherwise()

        held.tail = self.spawn(run())
        # told to end before its turn came, it never began the work
        held.tail.add_done_callback(lambda _done: work.close())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something beside the calls; an error in it is logged, and ends nothing else."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("task-failed", error=type(error).__name__, exc_info=error)

    async def refuse(self, channel: str, cause: port.Cause) -> None:
        """End a channel with a Q.850 cause, which the far side is told."""
        try:
            await self._switch.hang_up(channel, cause=cause)
        except SwitchError as error:
            _log.warning("refusal-failed", error=error.code)

    async def hang_up(self, channel: str) -> None:
        """End a channel as a person who hangs up does."""
        await self.refuse(channel, port.Cause.NORMAL)

    def let_go(self, channel: str) -> None:
        """End a channel beside what goes on."""
        self.spawn(self.hang_up(channel))
