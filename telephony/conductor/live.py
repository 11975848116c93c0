"""The calls in progress, as all parts of the conductor share them: one memory, in one thread."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

from core.ids import AgentId, CallId
from telephony.conductor.directory import Line
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.switch.clearance import Clearance

ROW_PATIENCE_S: Final = 2.0  # how long a bridge waits for the row while its facts stand in the spool


class Feed(Protocol):
    """How every part says what has happened to a call: the conductor moves it on."""

    def __call__(self, call_id: CallId, fact: Fact, *, because: Mapping[str, object] | None = None) -> None:
        """Move a call on by one fact; `because` stands with it in the timeline."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the customer's rows say for routing: their tier, and who served them last."""

    tier: str = ""
    last_agent: AgentId | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """What writing a call's row has shown: who calls, where routing asks, and what is paid of its talk.

    `paid` is None where it is not paid beforehand, and nothing (0) where there was no money.
    """

    known: Known | None = None
    paid: dt.timedelta | None = None


class AtRoom(Enum):
    """Where a caller stands who is in a conference room."""

    NOWHERE = auto()  # not in it yet, or not any more
    DOOR = auto()  # in it since now, and has heard nothing yet
    TOLD = auto()  # is told that they are alone, or that a leader is waited for
    WAITING = auto()  # has heard it
    MUSIC = auto()
    BRIDGED = auto()  # with the others


@dataclass(slots=True)
class Held:
    """A live call and what this process keeps beside its machine."""

    call: LiveCall
    line: Line
    on_disk: asyncio.Future[None]
    row: asyncio.Future[Any]
    tail: asyncio.Task[None] | None = None  # commands of one call run in order
    clearance: Clearance | None = None  # of a call out, or a number brought in, until it has been placed
    is_placed: bool = True  # the switch holds it, as far as we know
    next_line: Line | None = None  # what it is in from the moment it is given on
    returning: str = ""  # the channel on which the agent is being brought back into the call
    patience: asyncio.TimerHandle | None = None  # how long a parked caller waits for them
    known: Known = Known()
    wished: AgentId | None = None  # its flow named them: the first to be offered the call
    is_told: bool = False  # a caller has heard that they are recorded; a switchboard that died does not know
    widens_at: dt.datetime | None = None  # when more agents may serve who waits
    longest: dt.timedelta | None = None  # of a call out that was lengthened since its clearance
    asks_for_longer: bool = False
    has_asked: bool = False  # since this process has it
    paid: dt.timedelta | None = None  # of a call in that is paid beforehand: for so much talk
    is_unpaid: bool = False  # and there was no money for it when it came
    trunk: str = ""  # over which it came in, or goes out
    tells_at: dt.datetime | None = None  # when who waits is told again where they stand
    telling: str = ""  # what they are being told, by its playback
    asks_until: dt.datetime | None = None  # its caller is asked for a rating, and for no longer
    at_room: AtRoom = AtRoom.NOWHERE
    star_at: dt.datetime | None = None  # when somebody in a room has pressed *, which begins two keys
    is_silent: bool = False  # no music was played because the switch was full
    agent_seen_at: dt.datetime | None = None  # a heartbeat found the agent's leg on the switch
    is_alone: bool = False  # the last one did not

    @property
    def channels(self) -> set[str]:
        """Return the channels this call has to do with: its own, and those of everybody brought into it."""
        call = self.call
        offers = {one.channel for one in (call.offer, call.asked) if one}
        outside = {one.channel for one in (*call.outsides, *call.telephones)}
        return {call.channel, self.returning} | offers | outside

    async def durable(self) -> None:
        """Wait until the call survives a crash: its facts on disk, and its row committed.

        While one of the two is away the other is proof enough: the row will be written from the spool, and
        without a spool the row says whose call it is and when it came.
        """
        both: set[asyncio.Future[Any]] = {self.on_disk, self.row}
        done, waiting = await asyncio.wait(both, timeout=ROW_PATIENCE_S)
        if not done:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


@dataclass(slots=True)
class Live:
    """All calls in progress, and the channels of their legs."""

    calls: dict[CallId, Held] = field(default_factory=dict)
    by_channel: dict[str, CallId] = field(default_factory=dict)
    dialled: set[CallId] = field(default_factory=set)
    """Calls out whose books are not closed: never to be placed again."""
    at_menu: dict[str, str] = field(default_factory=dict)
    """Channels of callers of a shared code who have not chosen yet, with their trunk: no calls of anybody."""
    boot: str = ""
    """The start of the switch that holds them."""
    is_connected: bool = False

    @property
    def in_use(self) -> int:
        """Return for how many calls the switch works: those in progress, and callers who are to choose."""
        return len(self.calls) + len(self.at_menu)

    @property
    def in_progress(self) -> list[LiveCall]:
        """Return the calls themselves."""
        return [held.call for held in self.calls.values()]

    def of(self, channel: str) -> Held | None:
        """Return the call one of whose legs is on this channel."""
        call_id = self.by_channel.get(channel)
        return self.calls.get(call_id) if call_id else None
