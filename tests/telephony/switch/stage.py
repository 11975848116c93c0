"""One stage for both drivers: who may call, answer, press and hang up, whatever stands behind."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from telephony.switch.port import Event, Switch

E = TypeVar("E")

DNIS = "+15551000"
ANI = "+447700900123"
DESK = "desk"


class Caller(Protocol):
    """Somebody who called through the trunk."""

    async def result(self) -> int:
        """The final SIP code of the call."""

    async def press(self, keys: str) -> None: ...

    async def hang_up(self) -> None:
        """End the call, or give up before it was answered."""


class Stage(Protocol):
    """A switch with a trunk, and one agent's phone called `DESK`."""

    switch: Switch
    heard: list[Event]
    recording_dir: Path
    is_real: bool

    async def arrive(self, dnis: str = DNIS, ani: str = ANI) -> Caller: ...

    async def desk(self, *, refuses_with: int | None = None) -> None:
        """Register the desk phone; it rings until `desk_answers`."""

    async def desk_answers(self) -> None: ...

    async def desk_hangs_up(self) -> None: ...

    async def desk_falls_silent(self) -> None:
        """Let nothing more come from the desk phone, as when its machine died; its call stays."""

    async def desk_dials(self, digits: str) -> Caller: ...

    async def phone_registers(self, endpoint: str, *, password: str) -> int: ...

    async def public(self) -> None:
        """Let there be a public network; what a number does stands in its last digit."""

    async def drop_connection(self) -> None: ...

    async def restart(self) -> None: ...

    async def pause(self, ms: int) -> None:
        """Let this much time pass."""


@dataclass
class Ear:
    """What came up from the switch."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)


async def told(
    stage: Stage,
    kind: type[E],
    *,
    since: int = 0,
    within_s: float = 15.0,
    where: Callable[[E], bool] = lambda _: True,
) -> E:
    """Return the first event of a kind after the `since`-th event, waiting for it."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for event in stage.heard[since:]:
            if isinstance(event, kind) and where(event):
                return event
        await stage.pause(10)
    message = f"{kind.__name__} was not told; heard {[type(e).__name__ for e in stage.heard[since:]]}"
    raise AssertionError(message)


async def comes_true(
    stage: Stage, condition: Callable[[], Awaitable[bool]], *, what: str, within_s: float = 15.0
) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, what
        await stage.pause(20)


async def stand(stage: Stage, wanted: Mapping[str, str | None]) -> None:
    """Wait until exactly these channels are there, each in its bridge."""

    async def is_so() -> bool:
        return {one.channel: one.bridge for one in await stage.switch.live_channels()} == wanted

    await comes_true(stage, is_so, what=f"channels in their bridges: {wanted}")


def every(stage: Stage, kind: type[E], **fields: Any) -> list[E]:
    """Return all events of a kind with these fields."""
    return [
        event
        for event in stage.heard
        if isinstance(event, kind) and all(getattr(event, k) == v for k, v in fields.items())
    ]
