"""Runs flows on live calls: what the interpreter asks for is said, looked up and asked here.

What a caller types stays in the state of their flow, in memory; of a webhook's address and answer nothing is
logged. Whatever does not come in time, or fails, is an event like any: the interpreter knows the way on, and
where it knows none the call comes to its number's own queue.
"""

import asyncio
import collections
import datetime as dt
import json
import statistics
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from core import clock, ids, log
from core.errors import SeatlineError
from core.ids import AgentId, CallId, QueueId, RoomId, TenantId
from core.phone import E164
from customers import lookup, pins
from security.egress import Answer
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import conference
from telephony.conductor import facts, in_flow
from telephony.conductor.directory import FlowLine, Line, Speak
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Phase
from telephony.conference import Room
from telephony.flows import interpreter
from telephony.flows.interpreter import State, World
from telephony.flows.model import Admitted, Prompt, ToQueue, Voicemail
from telephony.routing.floor import Floor
from telephony.routing.settings import tier_of
from telephony.speech import beep
from telephony.switch.port import Speech, Switch, SwitchError

# a web address and a body -> what it answered; bounded in time and size, and never into our own network
Ask = Callable[[str, bytes], Answer]
_LONGEST_VALUE = 80
_MOST_VALUES = 20
_REMEMBERED = 20  # waits of a queue that the announced one is the median of
_OK = range(200, 300)
_log = log.get(__name__)


class Calls(Protocol):
    """What the runner needs of the conductor."""

    def feed(self, call_id: CallId, fact: Fact) -> None:
        """Move a call on by one fact."""

    def command(self, call_id: CallId, work: Coroutine[Any, Any, None]) -> None:
        """Run a command to the switch after all earlier ones of this call."""

    async def record_message(self, call_id: CallId) -> None:
        """Record what the caller says, from now to the call's end."""

    async def promise(
        self, tenant_id: TenantId, call_id: CallId, queue_id: QueueId, *, since: dt.datetime | None = None
    ) -> None:
        """Keep a place in a queue for who calls, who may hang up; `since` they wait there already."""

    def wish(self, call_id: CallId, agent_id: AgentId) -> None:
        """Offer the call to this agent first, when it comes to its queue."""

    def people_in(self, tenant_id: TenantId, room_id: RoomId) -> int:
        """Return how many are in a conference room of a company now."""

    def is_room_locked(self, tenant_id: TenantId, room_id: RoomId) -> bool:
        """Return whether a conference room of a company takes nobody but its leaders now."""

    def remark(self, call_id: CallId, kind: str, **details: object) -> None:
        """Write a line into the timeline of a call in progress."""

    def is_unpaid(self, call_id: CallId) -> bool:
        """Whether a call's company pays beforehand, and had nothing for it."""

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while the call goes on."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What somebody who waits is told, in which language each, and how often."""

    texts: Sequence[tuple[str, str]]
    every: dt.timedelta


@dataclass(slots=True)
class _Run:
    """One call in its flow."""

    call: LiveCall
    line: Line
    there: FlowLine
    world: World
    state: State
    room: Room | None = None  # into which the caller knows a PIN


class FlowRunner:
    """All calls that are in a flow now."""

    def __init__(
        self, *, calls: Calls, switch: Switch, speak: Speak, gate: Gate, vault: Vault, floor: Floor, ask: Ask
    ) -> None:
        self._calls, self._switch, self._speak = calls, switch, speak
        self._gate, self._vault, self._floor, self._ask = gate, vault, floor, ask
        self._runs: dict[CallId, _Run] = {}
        self._waits: dict[QueueId, collections.deque[float]] = {}

    def run(self, call: LiveCall, line: Line, *, tier: str = "") -> None:
        """Let a call begin its flow, or go on at the node where it stood when it was lost sight of."""
        now, flow, there = clock.now(), call.flow, line.flow
        if flow is None:
            return
        if there is None or (there.flow_id, there.version) != (flow.flow_id, flow.version):
            self._calls.feed(call.call_id, facts.FlowFailed(now, "another-version"))
            return
        node, world = _node_of(call), self._world(call, line, there, tier)
        state, commands = (
            interpreter.go_on(there.flow, world, now, node=node, way=flow.onwards)
            if flow.onwards
            else interpreter.begin(
                there.flow, world, now, node=node, is_recording=call.recording_id is not None
            )
        )
        made = _Run(call, line, there, world, state)
        self._runs[call.call_id] = made
        self._carry_out(made, commands)

    def go_on(self, call: LiveCall, line: Line, way: str, *, tier: str = "") -> None:
        """Let a call go on by this way whose number outside was not reached, or who waits no longer."""
        if call.call_id in self._runs:
            self._hear(call.call_id, interpreter.Onwards(clock.now(), way))
        else:
            self.run(call, line, tier=tier)

    def leave(self, call_id: CallId) -> None:
        """Think no more of a call that has left its flow, unless it may come back out of its queue."""
        run = self._runs.get(call_id)
        if run and not (in_flow.may_leave(run.call) and _waits_at(run)):
            del self._runs[call_id]

    def forget(self, call_id: CallId) -> None:
        """Think no more of a call: it has ended."""
        self._runs.pop(call_id, None)

    def wait_again(self, call: LiveCall, line: Line, *, tier: str = "") -> None:
        """Know again by which keys a call may leave its queue, of which a start knows nothing yet.

        Another version of its flow has been published meanwhile: then they mean nothing any more.
        """
        flow, there = call.flow, line.flow
        is_same = flow and there and (there.flow_id, there.version) == (flow.flow_id, flow.version)
        if there and is_same and in_flow.may_leave(call):
            run = _Run(call, line, there, self._world(call, line, there, tier), State(_node_of(call)))
            if _waits_at(run):
                self._runs[call.call_id] = run

    def pressed(self, call_id: CallId, key: str, at: dt.datetime) -> None:
        """Take a key the caller has pressed; outside a flow, and a queue with keys, it means nothing."""
        run, way = self._runs.get(call_id), f"key-{key}"
        if run and run.call.phase is Phase.QUEUED:
            node = _waits_at(run)
            if node and in_flow.may_leave(run.call) and way in node.ways():
                self._calls.feed(call_id, facts.WaitLeft(at, way))
            return
        self._hear(call_id, interpreter.Pressed(at, key))

    def telling(self, call: LiveCall) -> Telling | None:
        """Return what a caller who waits is told now; None: nothing, they hear music alone."""
        run = self._runs.get(call.call_id)
        node = _waits_at(run) if run and in_flow.may_leave(call) else None
        if run is None or node is None or not node.tells:
            return None
        language, texts = run.there.flow.language, []
        stands = self._floor.standing(call.call_id, clock.now())
        if node.announces and stands:
            texts.append(
                (standing(stands.ahead, self._usual_wait(call.arrival.queue_id), language), language)
            )
        if node.prompt.text:
            texts.append((node.prompt.text, node.prompt.language or language))
        return Telling(texts, dt.timedelta(seconds=node.every_s))

    def played(self, call_id: CallId, playback: str, at: dt.datetime, *, ok: bool) -> None:
        """Take that something of ours has been played."""
        if playback.startswith(_playback(call_id, "")):
            turn = playback.rpartition("-")[2]
            self._hear(call_id, interpreter.Played(at, int(turn), ok))

    def look(self) -> None:
        """Move on whoever has waited as long as their node lets them; to be called every second."""
        now = clock.now()
        for call_id, run in list(self._runs.items()):
            if run.state.until is not None and run.state.until <= now:
                self._hear(call_id, interpreter.TimedOut(now))

    def waited(self, queue_id: QueueId, seconds: float) -> None:
        """Remember how long a caller has waited in a queue until an agent took them."""
        self._waits.setdefault(queue_id, collections.deque(maxlen=_REMEMBERED)).append(seconds)

    def _hear(self, call_id: CallId, event: interpreter.Event) -> None:
        run = self._runs.get(call_id)
        if run is None or run.call.phase is not Phase.FLOW:  # meanwhile a number outside is called
            return
        run.state, commands = interpreter.step(run.there.flow, run.world, run.state, event)
        self._carry_out(run, commands)

    def _carry_out(self, run: _Run, commands: list[interpreter.Command]) -> None:
        call_id, now = run.call.call_id, clock.now()
        for command in commands:
            if self._runs.get(call_id) is not run:
                return
            match command:
                case interpreter.Enter(node=node, kind=kind, title=title, way=way):
                    self._calls.feed(call_id, facts.FlowMoved(now, node, kind, title, way))
                case interpreter.Play(turn=turn, prompt=prompt):
                    is_message = isinstance(run.there.flow.nodes.get(run.state.node), Voicemail)
                    self._calls.command(call_id, self._say(run, turn, prompt, then_beep=is_message))
                case interpreter.PlaySound(turn=turn, sound=name):
                    self._calls.command(call_id, self._play_sound(run, turn, name))
                case interpreter.StopPlaying(turn=turn):
                    self._calls.command(call_id, self._switch.stop_playback(_playback(call_id, turn)))
                case interpreter.AnnouncePlace(turn=turn, queue=queue):
                    text = self._place_in(run, queue)
                    self._calls.command(call_id, self._say(run, turn, Prompt(text=text)))
                case interpreter.FindCustomer(turn=turn):
                    self._calls.beside(self._find_customer(run, turn))
                case interpreter.CheckPin(turn=turn, keys=keys):
                    self._calls.beside(self._check_pin(run, turn, keys))
                case interpreter.CheckRoomPin(turn=turn, room=room, keys=keys):
                    self._calls.beside(self._check_room_pin(run, turn, room, keys))
                case interpreter.JoinRoom(leads=leads):
                    self._join_room(run, now, leads=leads)
                case interpreter.AskProgram(turn=turn, url=url, values=values):
                    self._calls.beside(self._ask_program(run, turn, url, values))
                case interpreter.PromiseCall(turn=turn, queue=queue):
                    self._calls.beside(self._promise(run, turn, queue))
                case interpreter.SeekPerson(turn=turn, agent=number):
                    self._calls.beside(self._seek_person(run, turn, number))
                case interpreter.CallOutside():
                    self._calls.feed(call_id, facts.FlowLedOutside(now))
                case interpreter.Record():
                    self._calls.command(call_id, self._calls.record_message(call_id))
                case interpreter.Enqueue(queue=name):
                    self._lead(run, name, now)
                case interpreter.End():
                    self._calls.feed(call_id, facts.FlowServed(now))
                case interpreter.Fail(why=why):
                    _log.warning("flow-failed", why=why)
                    self._calls.feed(call_id, facts.FlowFailed(now, why))
        if run.state.until is not None:
            left_s = (run.state.until - now).total_seconds()
            asyncio.get_running_loop().call_later(max(0.0, left_s), self.look)

    def _lead(self, run: _Run, name: str, now: dt.datetime) -> None:
        entry = run.there.entries.get(name)
        if entry is None:  # it was closed for good after the flow was published
            self._calls.feed(run.call.call_id, facts.FlowFailed(now, "queue-gone"))
            return
        self._calls.feed(run.call.call_id, facts.FlowLed(now, entry.queue.queue_id, entry.queue.name))

    async def _say(self, run: _Run, turn: int, prompt: Prompt, *, then_beep: bool = False) -> None:
        call_id, is_played = run.call.call_id, False
        language = prompt.language or run.there.flow.language
        try:
            sound = await asyncio.to_thread(self._speak, prompt.text, language)
            if sound is not None and run.state.turn == turn:
                sounds = [Speech(sound)]
                if then_beep:
                    sounds.append(Speech(await asyncio.to_thread(beep, sound.parent)))
                await self._switch.play(run.call.channel, sounds, playback=_playback(call_id, turn))
                is_played = True
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
        if not is_played:
            self._hear(call_id, interpreter.Played(clock.now(), turn, ok=False))

    async def _play_sound(self, run: _Run, turn: int, name: str) -> None:
        call_id, sound, is_played = run.call.call_id, run.there.sounds.get(name), False
        try:
            if sound is not None and run.state.turn == turn:
                await self._switch.play(run.call.channel, [Speech(sound)], playback=_playback(call_id, turn))
                is_played = True
        except SwitchError as error:
            _log.warning("sound-not-played", error=error.code)
        if not is_played:
            self._hear(call_id, interpreter.Played(clock.now(), turn, ok=False))

    def _place_in(self, run: _Run, name: str) -> str:
        entry = run.there.entries.get(name)
        language = run.there.flow.language
        if entry is None:
            return standing(0, None, language)
        queue_id = entry.queue.queue_id
        ahead = sum(one.queue_id == queue_id for one in self._floor.waiting.values())
        return standing(ahead, self._usual_wait(queue_id), language)

    def _usual_wait(self, queue_id: QueueId) -> float | None:
        waits = self._waits.get(queue_id)
        return statistics.median(waits) if waits else None

    @staticmethod
    def _world(call: LiveCall, line: Line, there: FlowLine, tier: str) -> World:
        arrival = call.arrival
        return World(
            number=arrival.dialled,
            caller=arrival.caller,
            region=line.routing.region_of(arrival.caller) if arrival.caller else "",
            tier=tier or (call.flow.tier if call.flow else ""),
            hours={name: entry.hours for name, entry in there.entries.items()},
        )

    async def _find_customer(self, run: _Run, turn: int) -> None:
        def find() -> str | None:
            arrival = run.call.arrival
            if not arrival.caller:
                return None
            with self._gate.open(Scope.system(arrival.tenant_id)) as session:
                return self._tier(session, run.call)

        try:
            tier = await asyncio.to_thread(find)
        except Exception as error:  # noqa: BLE001 - whatever failed, the caller goes on as somebody unknown
            _log.warning("customer-not-looked-up", error=type(error).__name__)
            tier = None
        values = {"tier": tier} if tier else {}
        self._hear(
            run.call.call_id, interpreter.Answered(clock.now(), turn, found=tier is not None, values=values)
        )

    async def _seek_person(self, run: _Run, turn: int, number: int) -> None:
        arrival = run.call.arrival
        person = next(
            (
                one
                for one in self._floor.agents.values()
                if one.number == number and one.is_free and one.may_be_rung(arrival.tenant_id)
            ),
            None,
        )
        if person:
            self._calls.wish(arrival.call_id, person.agent_id)
        self._hear(arrival.call_id, interpreter.Answered(clock.now(), turn, found=person is not None))

    async def _check_pin(self, run: _Run, turn: int, keys: str) -> None:
        arrival = run.call.arrival

        def check() -> bool:
            with self._gate.open(Scope.system(arrival.tenant_id)) as session:
                return pins.fits(
                    session,
                    tenant_id=arrival.tenant_id,
                    vault=self._vault,
                    phone=E164(arrival.caller) if arrival.caller else None,
                    digits=keys,
                )

        try:
            is_right = await asyncio.to_thread(check)
        except Exception as error:  # noqa: BLE001 - whatever failed, nobody is let in by it
            _log.warning("pin-not-checked", error=type(error).__name__)
            is_right = False
        self._hear(arrival.call_id, interpreter.Answered(clock.now(), turn, found=is_right))

    async def _check_room_pin(self, run: _Run, turn: int, name: str, keys: str) -> None:
        """See whether a caller may be let into a conference room; who is refused does not learn why."""
        arrival = run.call.arrival

        def check() -> tuple[Admitted, Room | None]:
            with self._gate.open(Scope.system(arrival.tenant_id)) as session:
                room_id = RoomId(ids.parse("room", name))
                tenant_id = arrival.tenant_id
                return conference.admit(
                    session, tenant_id=tenant_id, vault=self._vault, room_id=room_id, digits=keys
                )

        try:
            became, run.room = await asyncio.to_thread(check)
        except Exception as error:  # noqa: BLE001 - whatever failed, nobody is let in by it
            _log.warning("room-pin-not-checked", error=type(error).__name__)
            became, run.room = Admitted.REFUSED, None
        if run.room and self._calls.people_in(arrival.tenant_id, run.room.room_id) >= run.room.most:
            became = Admitted.FULL
        elif run.room and became is Admitted.MEMBER and self._is_locked(arrival.tenant_id, run.room):
            became = Admitted.LOCKED
            self._calls.remark(arrival.call_id, "room-was-locked", name=run.room.name)
        # from the count to the joining nothing waits: a room is never fuller than it may be
        self._hear(arrival.call_id, interpreter.PinOfRoom(clock.now(), turn, became))

    def _is_locked(self, tenant_id: TenantId, room: Room) -> bool:
        return self._calls.is_room_locked(tenant_id, room.room_id)

    def _join_room(self, run: _Run, now: dt.datetime, *, leads: bool) -> None:
        call_id, room = run.call.call_id, run.room
        if room is None or self._calls.is_unpaid(call_id):  # who waits in the queue then is told
            self._calls.feed(call_id, facts.FlowFailed(now, "not-paid" if room else "room-gone"))
            return
        joined = facts.RoomJoined(
            now,
            room.room_id,
            room.name,
            leads,
            room.has_leaders,
            room.announces,
            self._is_locked(run.call.arrival.tenant_id, room),
        )
        self._calls.feed(call_id, joined)

    async def _promise(self, run: _Run, turn: int, name: str) -> None:
        arrival, entry = run.call.arrival, run.there.entries.get(name)
        is_promised = False
        if arrival.caller and entry:
            try:
                queue_id = entry.queue.queue_id
                since = run.call.queued_at if queue_id == arrival.queue_id else None
                await self._calls.promise(arrival.tenant_id, arrival.call_id, queue_id, since=since)
                is_promised = True
            except Exception as error:  # noqa: BLE001 - whatever failed, the caller goes the other way
                _log.warning("call-not-promised", error=type(error).__name__)
        self._hear(arrival.call_id, interpreter.Answered(clock.now(), turn, found=is_promised))

    def _tier(self, session: Session, call: LiveCall) -> str | None:
        tenant_id = call.arrival.tenant_id
        card = lookup.by_phone(
            session, tenant_id=tenant_id, vault=self._vault, phone=E164(call.arrival.caller)
        )
        return tier_of(session, tenant_id=tenant_id, customer_id=card.id) if card else None

    async def _ask_program(self, run: _Run, turn: int, url: str, values: Mapping[str, str]) -> None:
        asked = {
            "call": ids.public("call", run.call.call_id),
            "flow": ids.public("flow", run.there.flow_id),
            "number": run.call.arrival.dialled,
            "values": dict(values),
        }
        said: Mapping[str, str] | None = None
        try:
            answer = await asyncio.to_thread(self._ask, url, json.dumps(asked).encode())
            said = read_answer(answer)
        except (SeatlineError, OSError, RuntimeError) as error:
            _log.warning("program-not-asked", error=type(error).__name__)
        self._hear(
            run.call.call_id,
            interpreter.Answered(clock.now(), turn, found=said is not None, values=said or {}),
        )


def read_answer(answer: Answer) -> Mapping[str, str] | None:
    """Return the values a company's program gives names; None: it did not answer as it should.

    `{"values": {"balance": "low"}}`: names as in a flow, short texts; anything else is not an answer.
    """
    if answer.error or answer.status not in _OK:
        return None
    try:
        body = json.loads(answer.head or b"{}")
    except ValueError:
        return None
    values = body.get("values", {}) if isinstance(body, dict) else None
    if not isinstance(values, dict) or len(values) > _MOST_VALUES:
        return None
    if any(not isinstance(one, str) or len(one) > _LONGEST_VALUE for one in values.values()):
        return None
    return values


def standing(ahead: int, wait_s: float | None, language: str) -> str:
    """Return how many wait before a caller, and how long that is likely to take, as it is said."""
    minutes = None if wait_s is None else max(1, round(wait_s / 60))
    if language == "zh":
        place = f"您前面还有{ahead}位来电者。" if ahead else "您是下一位。"
        return place + (f"预计等待约{minutes}分钟。" if minutes and ahead else "")
    place = f"There are {ahead} callers before you." if ahead > 1 else "There is one caller before you."
    place = place if ahead else "You are next."
    unit = "minute" if minutes == 1 else "minutes"
    return place + (f" The wait is about {minutes} {unit}." if minutes and ahead else "")


def _node_of(call: LiveCall) -> str:
    return call.flow.path[-1].node if call.flow and call.flow.path else ""


def _waits_at(run: _Run) -> ToQueue | None:
    """Return the node by whose keys who waits may go on, if its flow led the call to a queue."""
    node = run.there.flow.nodes.get(run.state.node)
    return node if isinstance(node, ToQueue) and run.state.is_over else None


def _playback(call_id: CallId, turn: int | str) -> str:
    return f"flow-{call_id}-{turn}"
