"""A team leader in a call: listening, whispering to its agent, speaking to both.

The leader's leg is no part of the call: it moves no state, is in no CDR and on no bill, and when this process
dies it is simply let go. Listening and whispering go by an ear on the agent's leg, so that a caller can never
hear them; who barges in is put into the call's own bridge. A leader hears one call at a time, of one agent:
when that agent's part of it ends, so does the ear. Each beginning, change and end is in the call's timeline.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from core import log
from core.errors import SeatlineError
from core.ids import AgentId, CallId, new_id
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Phase
from telephony.routing.floor import Agent, Floor
from telephony.switch import port
from telephony.switch.port import Switch

RING_S: Final = 10
HEADER: Final = "X-Seatline-Watch"
_log = log.get(__name__)


class Ear(StrEnum):
    """How a leader is in a call."""

    LISTEN = "listen"  # nobody hears them
    WHISPER = "whisper"  # its agent alone hears them
    BARGE = "barge"  # everybody hears them


class States(Protocol):
    """What supervision asks of agents' states."""

    def supervises(self, agent: Agent, call_id: CallId) -> None:
        """Let an agent's state say that they are in another's call."""
        ...

    def supervised(self, agent: Agent) -> None:
        """Let an agent become what they were, or have wished to be since."""
        ...


class Telling(Protocol):
    """What supervision has consoles told."""

    def say_watch(self, agent_id: AgentId, call_id: CallId, ear: str, why: str = "") -> None:
        """Tell a leader's console how they are in which call; no ear: not any more."""
        ...

    def say_overheard(self, agent_id: AgentId, call_id: CallId) -> None:
        """Tell an agent's console to look who is in their call, behind the line in its timeline."""
        ...


class Calls(Protocol):
    """What supervision asks of the conductor."""

    @property
    def live(self) -> list[LiveCall]:
        """Return the calls in progress."""
        ...

    def remark(self, call_id: CallId, kind: str, **details: object) -> None:
        """Write a line into a call's timeline."""
        ...


@dataclass(slots=True)
class _Watch:
    leader: Agent
    call_id: CallId
    agent_id: AgentId
    of: str  # the agent's leg
    ear: Ear
    channel: str  # the leader's leg
    is_up: bool = False
    overhearing: str = ""  # the channel that hears the agent's leg
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one ear at a time is given or taken

    @property
    def bridge(self) -> str:
        return f"br-{self.channel}"


class Supervision:
    """The leaders who are in others' calls."""

    def __init__(
        self,
        *,
        switch: Switch,
        floor: Floor,
        states: States,
        telling: Telling,
        calls: Calls,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._switch, self._floor, self._calls, self._spawn = switch, floor, calls, spawn
        self._states, self._telling = states, telling
        self._watches: dict[AgentId, _Watch] = {}
        self._by_channel: dict[str, AgentId] = {}

    async def watch(self, leader: Agent, call_id: CallId, ear: Ear) -> str:
        """Put a leader into a call, or change how they are in it; return what became of that."""
        watch = self._watches.get(leader.agent_id)
        if watch and watch.call_id == call_id:
            return await self._change(watch, ear)
        if watch:
            await self.leave(leader.agent_id)
        call = next((one for one in self._calls.live if one.call_id == call_id), None)
        if call is None or call.phase is not Phase.TALKING or call.offer is None or call.is_parked:
            return "not-talking"
        if call.is_paused:  # card details are being given: nobody else hears them
            return "paused"
        if call.offer.agent_id == leader.agent_id or (call.asked and call.asked.agent_id == leader.agent_id):
            return "own-call"
        if self._floor.ready_to_dial(leader.agent_id) is None:
            return "not-free"
        channel = f"watch-{new_id()}"
        watch = _Watch(leader, call_id, call.offer.agent_id, call.offer.channel, ear, channel)
        self._watches[leader.agent_id] = watch
        self._by_channel[channel] = leader.agent_id
        self._states.supervises(leader, call_id)
        try:
            await self._switch.ring(
                channel, leader.endpoint, caller="", timeout_s=RING_S, headers={HEADER: str(call_id)}
            )
        except SeatlineError as error:
            _log.warning("leader-not-rung", error=error.code)
            self._end(watch, "phone-gone")
            return "phone-gone"
        return "done"

    async def leave(self, leader_id: AgentId) -> str:
        """Take a leader out of the call they are in."""
        watch = self._watches.get(leader_id)
        if watch is None:
            return "not-in-a-call"
        self._end(watch)
        return "done"

    def takes(self, event: port.Event) -> bool:
        """Take an event of a leader's leg, or of an ear; return whether it was one."""
        leader_id = self._by_channel.get(getattr(event, "channel", ""))
        watch = self._watches.get(leader_id) if leader_id else None
        match event:
            case port.AgentAnswered(channel=channel) if watch and channel == watch.channel:
                self._spawn(self._open(watch))
            case port.Ended(channel=channel) if leader_id:
                del self._by_channel[channel]
                if watch and channel in {watch.channel, watch.overhearing}:
                    self._end(watch, "" if watch.is_up else "not-answered")
            case _:
                pass
        return leader_id is not None

    def follow(self, call: LiveCall) -> None:
        """End the ear on a call whose agent does not talk in it any more, or takes card details in it."""
        for watch in [one for one in self._watches.values() if one.call_id == call.call_id]:
            is_there = call.phase is Phase.TALKING and call.offer and call.offer.channel == watch.of
            if not is_there or call.is_paused:
                self._end(watch, "over" if not is_there else "paused")

    def forget(self) -> None:
        """Let everybody go: the line to the switch was lost, or the switch has been started anew."""
        for watch in list(self._watches.values()):
            self._end(watch, "switch-lost")
        self._by_channel.clear()  # what ended meanwhile is not told any more

    async def _open(self, watch: _Watch) -> None:
        watch.is_up = True
        if not await self._arrange(watch):
            self._end(watch, "over")
            return
        self._told(watch)

    async def _change(self, watch: _Watch, ear: Ear) -> str:
        if watch.ear is ear:
            return "done"
        watch.ear = ear
        if watch.is_up:
            if not await self._arrange(watch):
                self._end(watch, "over")
                return "not-talking"
            self._told(watch)
        return "done"

    async def _arrange(self, watch: _Watch) -> bool:
        """Give the leader the ear they want now; false when it cannot be, or they have gone meanwhile."""
        async with watch.turn:
            is_given = await self._give(watch)
        is_there = self._watches.get(watch.leader.agent_id) is watch
        if not is_given or not is_there:
            self._let_go(watch.overhearing)  # it may have come to be after they were let go
        if not is_there:
            self._spawn(self._close(watch.bridge))  # and so may this
        return is_given and is_there

    async def _give(self, watch: _Watch) -> bool:
        """Give the new ear before the old one goes; false when it cannot be."""
        before, watch.overhearing = watch.overhearing, ""
        try:
            if watch.ear is Ear.BARGE:
                call = next((one for one in self._calls.live if one.call_id == watch.call_id), None)
                if call is None:
                    return False
                await self._switch.join(call.bridge, [watch.channel])
            else:
                watch.overhearing = f"ear-{new_id()}"
                self._by_channel[watch.overhearing] = watch.leader.agent_id
                await self._switch.overhear(watch.overhearing, watch.of, whispers=watch.ear is Ear.WHISPER)
                await self._switch.bridge(watch.bridge)
                await self._switch.join(watch.bridge, [watch.channel, watch.overhearing])
        except SeatlineError as error:
            _log.warning("ear-not-given", error=error.code)
            self._let_go(before)
            return False
        self._let_go(before)
        return True

    def _told(self, watch: _Watch) -> None:
        self._calls.remark(watch.call_id, "overheard", leader=watch.leader.number, ear=watch.ear.value)
        self._telling.say_watch(watch.leader.agent_id, watch.call_id, watch.ear.value)
        self._telling.say_overheard(watch.agent_id, watch.call_id)

    def _end(self, watch: _Watch, why: str = "") -> None:
        if self._watches.get(watch.leader.agent_id) is not watch:
            return
        del self._watches[watch.leader.agent_id]
        self._let_go(watch.overhearing)
        self._let_go(watch.channel)
        if watch.is_up:
            self._spawn(self._close(watch.bridge))
            self._calls.remark(watch.call_id, "overheard-no-more", leader=watch.leader.number)
            self._telling.say_overheard(watch.agent_id, watch.call_id)
        self._telling.say_watch(watch.leader.agent_id, watch.call_id, "", why)
        self._states.supervised(watch.leader)

    def _let_go(self, channel: str) -> None:
        if channel:
            self._spawn(self._hang_up(channel))

    async def _hang_up(self, channel: str) -> None:
        try:
            await self._switch.hang_up(channel)
        except SeatlineError as error:
            _log.info("leader-left-to-the-switch", error=error.code)

    async def _close(self, bridge: str) -> None:
        try:
            await self._switch.close_bridge(bridge)
        except SeatlineError as error:
            _log.info("bridge-left", error=error.code)
