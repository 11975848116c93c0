"""The conductor: hears the switch, moves each call's machine, carries out what follows.

One asyncio loop, nothing in it waits for a disk: routing reserves in memory, the INVITE leaves at once,
rows are written beside it by `books`, facts go to the `spool`. The bridge alone waits, for the call's facts
to be on disk and its row to be durable.
"""

import asyncio
import datetime as dt
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import clock, log
from core.errors import NotFound, SeatlineError
from core.ids import (
    OPERATOR,
    AgentId,
    CallId,
    NumberId,
    OfferId,
    QueueId,
    RecordingId,
    TenantId,
    new_id,
    public,
)
from core.phone import E164
from core.realtime import Realtime
from customers import lookup
from security.gate import Gate, Scope
from security.vault import SealError, Vault
from telephony import calls, drafts, numbers, queue_hours, queues, recording
from telephony.calls import Answerer, Arrival, Ending, Stage
from telephony.conductor import machine, outgoing, transfer
from telephony.conductor.books import Books
from telephony.conductor.desk import Desk
from telephony.conductor.directory import (
    Directory,
    Line,
    Speak,
    announcement,
    caller_number,
    nobody_free,
)
from telephony.conductor.flow_runner import Ask, FlowRunner
from telephony.conductor.machine import Action, Cause, Dial, Fact, LiveCall, Lost, Offer, Outside, Phase
from telephony.conductor.spool import Spool
from telephony.conductor.supervision import Supervision
from telephony.events import DialOutcome
from telephony.flows import store
from telephony.flows.trace import Outcome
from telephony.outbound import dialling, longer
from telephony.outbound import gate as outbound
from telephony.outbound.gate import RefusalReason
from telephony.queue_hours import Opening
from telephony.routing import trail
from telephony.routing.floor import FREE, Agent, Floor, InQueue
from telephony.routing.settings import RoutingSettings, tier_of
from telephony.switch import port
from telephony.switch.clearance import Clearance, ClearanceExpiredError
from telephony.switch.port import ChannelGoneError, Speech, Switch, SwitchError
from tenants import alarms

_ROW_PATIENCE_S = 2.0  # how long a bridge waits for the row while its facts stand in the spool
_KNOWN_WITHIN_S = 0.3  # how long a call without a greeting waits to learn who calls, where routing asks
_DISK_PATIENCE_S = 5.0  # how long a call out waits to be on disk before it is given up
_CLOCKS_APART = dt.timedelta(minutes=1)  # so far the switch's clock may be ahead of ours
_ODD_EVERY = dt.timedelta(minutes=1)
_OF_CALLED = port.CalledRinging | port.CalledAnswered | port.Detected
_OF_AGENTS = port.AgentRinging | port.AgentAnswered
LENGTHENED_BEFORE = dt.timedelta(seconds=90)
WARNED_BEFORE = dt.timedelta(minutes=1)  # the longest a call may last is reached
PARKED_S = 45.0  # how long a caller whose agent's line broke is kept
_BLIP_S = 2.0  # a line that is back so soon has cost no word
_RETURN_RING_S = 10
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the customer's rows say for routing: their tier, and who served them last."""

    tier: str = ""
    last_agent: AgentId | None = None


@dataclass(slots=True)
class _Held:
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
    known: _Known = _Known()
    widens_at: dt.datetime | None = None  # when more agents may serve who waits
    longest: dt.timedelta | None = None  # of a call out that was lengthened since its clearance
    asks_for_longer: bool = False
    has_asked: bool = False  # since this process has it


class Conductor:
    """Everything that happens to live calls of one switch."""

    def __init__(
        self,
        *,
        switch: Switch,
        gate: Gate,
        vault: Vault,
        realtime: Realtime,
        books: Books,
        spool: Spool,
        speak: Speak,
        ask: Ask,
    ) -> None:
        self.floor = Floor()
        self.directory = Directory(gate, speak)
        self._switch, self._gate, self._vault, self._realtime = switch, gate, vault, realtime
        self._books, self._spool, self._speak = books, spool, speak
        self._calls: dict[CallId, _Held] = {}
        self._by_channel: dict[str, CallId] = {}
        self._recordings: dict[str, tuple[_Held, RecordingId]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._boot = ""
        self._recovered: list[LiveCall] = []
        self._dialled: set[CallId] = set()  # calls out whose books are not closed: never to be placed again
        self._is_connected = False
        self._odd_told_until = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.desk = Desk(
            switch=switch,
            gate=gate,
            vault=vault,
            realtime=realtime,
            books=books,
            floor=self.floor,
            calls=self,
        )
        self.flows = FlowRunner(
            calls=self, switch=switch, speak=speak, gate=gate, vault=vault, floor=self.floor, ask=ask
        )
        self.supervision = Supervision(
            switch=switch, floor=self.floor, desk=self.desk, calls=self, spawn=self._spawn
        )

    # --- start ------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Read back what an earlier run left: open calls from the spool, agents from the seats room."""
        remembered = await asyncio.to_thread(self._spool.recover)
        self._recovered, self._boot = list(remembered.calls), remembered.switch_boot
        self._dialled = {call.call_id for call in self._recovered if call.dial}
        self._dialled |= {CallId(one.offer_id) for call in self._recovered for one in call.outsides}
        await self.desk.load()

    @property
    def live(self) -> list[LiveCall]:
        """Return the calls in progress."""
        return [held.call for held in self._calls.values()]

    async def carry_out_orders(self) -> int:
        """Carry out what doorways have asked; return how many orders there were."""
        return await self.desk.carry_out_orders()

    # --- the switch -------------------------------------------------------------------------------

    def on_event(self, event: port.Event) -> None:
        """Take one event of the switch; called in the loop, never blocks.

        The switch is believed, within what can be: nothing happens after now, a channel arrives once, each
        leg does what such a leg does. What cannot be changes no call and no bill, and is told (`_odd`).
        """
        if event.at > clock.now() + _CLOCKS_APART:
            self._odd("after-now", event)
            event = replace(event, at=clock.now())
        if self.supervision.takes(event):
            return
        match event:
            case port.Arrived() if event.channel in self._by_channel:
                self._odd("arrived-twice", event)
            case port.Arrived():
                line = self.directory.remembered(event.dnis)
                if line:
                    self._take_in(event, line)
                else:
                    self._spawn(self._arrive(event))
            case port.Connected():
                self._spawn(self._connected(event))
            case port.Disconnected():
                self._is_connected = False
                _log.warning("switch-away", reason=event.reason)
            case port.EndpointChanged():
                self.desk.phone_changed(event.endpoint, is_online=event.online, at=event.at)
                self._line_changed(event.endpoint, is_online=event.online)
                self.route()
            case port.RecordingDone():
                self._recording_done(event.name)
            case port.DialRequested():
                # dialling out passes the one gate; until it is built, no phone may start a call
                self._spawn(self._refuse(event.channel, port.Cause.REJECTED))
            case (
                port.PlaybackFinished()
                | port.AgentRinging()
                | port.AgentAnswered()
                | port.CalledRinging()
                | port.CalledAnswered()
                | port.Detected()
                | port.Ended()
            ):
                held = self._calls.get(self._by_channel.get(event.channel, CallId(new_id())))
                if held:
                    self._leg_event(held, event)
                    if isinstance(event, port.Ended):
                        self._by_channel.pop(event.channel, None)
                elif isinstance(event, port.CalledRinging | port.CalledAnswered):
                    self._odd("not-placed", event)
                    # given up when the switch did not say in time whether it placed it
                    self._spawn(self._hang_up(event.channel))
            case port.Digit(channel=channel, digit=digit):
                held = self._calls.get(self._by_channel.get(channel, CallId(new_id())))
                if held and held.call.channel == channel:
                    self.flows.pressed(held.call.call_id, digit, event.at)

    def _leg_event(
        self,
        held: _Held,
        event: port.PlaybackFinished
        | port.AgentRinging
        | port.AgentAnswered
        | port.CalledRinging
        | port.CalledAnswered
        | port.Detected
        | port.Ended,
    ) -> None:
        call, at = held.call, event.at
        is_caller = event.channel == call.channel
        asked = call.asked
        if asked and event.channel == asked.channel:
            self._asked_event(call, asked, event)
            return
        outside = next((one for one in call.outsides if one.channel == event.channel), None)
        if outside:
            self._outside_event(call, outside, event)
            return
        offer_id = call.offer.offer_id if call.offer else None
        if event.channel == held.returning:
            self._returns(held, event)
            return
        if isinstance(event, _OF_CALLED) and not (is_caller and call.dial):
            self._odd("another-leg", event)
            return
        if isinstance(event, _OF_AGENTS) and is_caller:
            self._odd("another-leg", event)
            return
        match event:
            case port.PlaybackFinished(playback=playback, ok=ok) if call.phase is Phase.FLOW:
                self.flows.played(call.call_id, playback, at, ok=ok)
            case port.PlaybackFinished(playback=playback) if playback == f"greeting-{call.call_id}":
                self.feed(held.call.call_id, machine.GreetingEnded(at))
            case port.PlaybackFinished(playback=playback) if offer_id and playback == f"agent-{offer_id}":
                self.feed(call.call_id, machine.AnnouncementEnded(at))
            case port.PlaybackFinished(playback=playback) if playback == f"notice-{call.call_id}":
                self.feed(call.call_id, machine.AnnouncementEnded(at))
            case port.PlaybackFinished(playback=playback) if playback == f"apology-{call.call_id}":
                self.feed(call.call_id, machine.ApologyEnded(at))
            case port.CalledRinging():
                self.feed(call.call_id, machine.CalledRinging(at))
            case port.CalledAnswered():
                self.feed(call.call_id, machine.PickedUp(at))
            case port.Detected(is_machine=is_machine):
                self.feed(call.call_id, machine.Heard(at, is_machine))
            case port.AgentRinging() if offer_id:
                self.feed(call.call_id, machine.AgentRinging(at, offer_id))
            case port.AgentAnswered() if offer_id:
                self.feed(call.call_id, machine.AgentAnswered(at, offer_id))
            case port.Ended(cause=cause) if is_caller:
                self.feed(call.call_id, machine.CallerGone(at, cause))
            case port.Ended(cause=cause) if call.offer and event.channel == call.offer.channel:
                if call.phase is Phase.OFFERED:
                    self.feed(call.call_id, machine.OfferLost(at, call.offer.offer_id, _why(cause)))
                elif call.phase is Phase.TALKING and (held.returning or cause != port.Cause.NORMAL):
                    self._park(held, at)
                elif call.is_parked:
                    pass  # what was left of the broken leg
                else:
                    self.feed(call.call_id, machine.AgentGone(at, cause))
            case _:
                pass

    def _odd(self, what: str, event: port.Event) -> None:
        """Tell the operator of an event that cannot be: a switch gone wrong, or somebody who speaks as it."""
        kind = type(event).__name__
        _log.warning("odd-event", what=what, kind=kind)
        now = clock.now()
        if now < self._odd_told_until:
            return
        self._odd_told_until = now + _ODD_EVERY
        self._books.enter(
            OPERATOR,
            Scope.system(OPERATOR),
            lambda session: alarms.raise_alarm(
                session, "switch-odd-event", tenant_id=OPERATOR, why=what, event=kind
            ),
        )

    def _asked_event(self, call: LiveCall, asked: Offer, event: port.Event) -> None:
        """Take what happened to the leg of an agent who is asked about a call."""
        match event:
            case port.AgentRinging(at=at):
                self.feed(call.call_id, machine.AgentRinging(at, asked.offer_id))
            case port.AgentAnswered(at=at):
                self.feed(call.call_id, machine.AgentAnswered(at, asked.offer_id))
            case port.Ended(at=at, cause=cause) if call.consult and call.consult.stage is Stage.RINGING:
                self.feed(call.call_id, machine.OfferLost(at, asked.offer_id, _why(cause)))
            case port.Ended(at=at, cause=cause):
                self.feed(call.call_id, machine.AskedGone(at, cause))
            case _:
                pass

    def _outside_event(self, call: LiveCall, outside: Outside, event: port.Event) -> None:
        """Take what happened to the leg of a number outside; what comes after its end changes nothing."""
        match event:
            case port.CalledAnswered(at=at):
                self.feed(call.call_id, machine.OutsideAnswered(at, outside.offer_id))
            case port.Ended(at=at, cause=cause):
                waits = call.offer if call.consult and call.consult.stage is Stage.RINGING else None
                self.feed(call.call_id, machine.OutsideGone(at, outside.offer_id, cause))
                became = call.outsides[-1].cause
                if waits and became and not call.consult:
                    self.desk.say_refused(waits.agent_id, became.value)
            case _:
                pass

    async def _arrive(self, event: port.Arrived) -> None:
        try:
            line = await asyncio.to_thread(self.directory.find, event.dnis)
        except Exception as error:  # noqa: BLE001 - a caller must get an answer, whatever failed
            _log.warning("number-not-resolved", error=type(error).__name__)
            await self._refuse(event.channel, port.Cause.SWITCH_CONGESTION)
            return
        if line is None:
            _log.warning("unknown-number-dialled", trunk=event.trunk, digits=len(event.dnis))
            await self._refuse(event.channel, port.Cause.UNALLOCATED)
            return
        self._take_in(event, line)

    def _take_in(self, event: port.Arrived, line: Line) -> None:
        """Take a call in, or turn it away at the door of a company that is suspended."""
        if not line.is_open:
            _log.warning("company-not-open", trunk=event.trunk)
            self._spawn(self._refuse(event.channel, port.Cause.REJECTED))
            return
        self._begin(event, line)

    def _begin(self, event: port.Arrived, line: Line) -> None:
        """Take a call in; no step here waits, so that with an agent free the ring leaves in this turn."""
        if self.directory.is_ageing(event.dnis):
            self._books.write(line.number.number_id, lambda: self.directory.renew(event.dnis))
        # a flow looks itself what is open
        there = line if line.flow else line.at(event.at)
        line = there or line
        arrival = Arrival(
            tenant_id=line.number.tenant_id,
            call_id=CallId(new_id()),
            number_id=line.number.number_id,
            dialled=line.number.digits,
            queue_id=line.queue.queue_id,
            caller="",
            arrived_at=event.at,
        )

        @functools.cache
        def with_caller() -> Arrival:
            # read after the ring has left: the numbering plan's rules take longer than the decision to ring
            call.arrival = replace(arrival, caller=caller_number(event.ani, dialled=arrival.dialled))
            return call.arrival

        call, actions = machine.begin(arrival, event.channel)
        on_disk = self._spool.begin(arrival, event.channel, with_caller)
        held = _Held(call, line, on_disk, self._write_begin(arrival, with_caller, routing=line.routing))
        if line.routing.asks_who_calls:
            held.row.add_done_callback(functools.partial(self._learn, held))
        if line.routing.needs_region or line.flow:
            with_caller()
        self._calls[call.call_id] = held
        self._by_channel[event.channel] = call.call_id
        self._note(held, event.at, "arrived", {"trunk": event.trunk})
        # before anything is played: while it plays, Asterisk lets whoever sets a channel's variable wait
        self._command(held, self._switch.bound(event.channel, longest=line.longest + port.SPARE))
        if there is None:
            self.feed(call.call_id, machine.OutsideHours(event.at))
            return
        if line.flow:
            self._command(held, self._switch.answer(event.channel))
            self.feed(call.call_id, machine.FlowEntered(event.at, line.flow.flow_id, line.flow.version))
            return
        for action in actions:
            self._carry_out(held, action)

    def feed(self, call_id: CallId, fact: Fact, *, because: Mapping[str, object] | None = None) -> None:
        """Move a call on by one fact: the machine decides, the spool keeps it, the actions follow.

        `because` stands with it in the timeline.
        """
        held = self._calls.get(call_id)
        if held is None:
            return
        call, before = held.call, held.call.phase
        actions = outgoing.step(call, fact)
        if not actions and call.phase is before:
            return
        self._note(held, fact.at, _name(fact), _details(fact) | dict(because or {}))
        held.on_disk = self._spool.fact(call_id, fact, call.position)
        for action in actions:
            self._carry_out(held, action)
        self.supervision.follow(call)
        self.desk.stir()

    def route(self) -> None:
        """Offer waiting calls to free agents until one of the two runs out."""
        now = clock.now()
        for made in self.floor.match(now):
            held = self._calls.get(CallId(made.call))
            agent = self.floor.agents.get(AgentId(made.agent))
            if held is None or agent is None:
                continue
            offer = _offer_to(agent, expires_at=now + dt.timedelta(seconds=held.line.queue.ring_timeout_s))
            agent.call_id = held.call.call_id
            self.feed(held.call.call_id, machine.Offered(now, offer), because=trail.reasons(made.why))

    def command(self, call_id: CallId, work: Coroutine[Any, Any, None]) -> None:
        """Run a command to the switch after all earlier ones of a call; of one that is over never."""
        held = self._calls.get(call_id)
        if held is None:
            work.close()
            return
        self._command(held, work)

    async def record_message(self, call_id: CallId) -> None:
        """Record what a caller says who leaves a message: alone in the call's bridge, until its end."""
        held = self._calls.get(call_id)
        if held is None or held.call.phase is not Phase.FLOW:
            return
        call = held.call
        await self._durable(held)
        await self._switch.bridge(call.bridge)
        await self._switch.join(call.bridge, [call.channel])
        recording_id = RecordingId(new_id())
        name = recording.scratch_name(call.arrival.tenant_id, recording_id)
        self._recordings[name] = (held, recording_id)
        await self._switch.record(call.bridge, name=name)
        now = clock.now()
        self.feed(call_id, machine.MessageBegan(now, recording_id))
        self._write_recording(call, recording_id, now)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while calls go on."""
        self._spawn(work)

    async def widen(self) -> None:
        """Look again for those whom more agents may serve by now; to be called every second."""
        now = clock.now()
        self.flows.look()
        for call_id in list(self.floor.waiting):
            held = self._calls.get(call_id)
            if held and held.widens_at and held.widens_at <= now:
                self._tell_standing(held, trail.WIDENED)
        self.route()

    def _wait(self, held: _Held, since: dt.datetime, *, is_at_head: bool) -> None:
        """Put a call among those that wait, with what is known of who calls."""
        call, routing = held.call, held.line.routing
        tier, queue_id = routing.tier(held.known.tier)
        region = routing.region_of(call.arrival.caller) if routing.needs_region else ""
        self.floor.wait(
            InQueue(
                call.call_id,
                call.arrival.tenant_id,
                # who was given on waits where they were given to
                call.arrival.queue_id if call.is_shared or call.was_moved or queue_id is None else queue_id,
                since,
                is_at_head,
                region,
                tier,
                held.known.last_agent,
            ),
            routing.policy,
        )

    def _tell_standing(self, held: _Held, kind: str) -> None:
        """Keep where a caller stands who has found nobody free."""
        now = clock.now()
        standing = self.floor.standing(held.call.call_id, now)
        if standing is None:
            return
        held.widens_at = _at(standing.widens_ms)
        waiting = self.floor.waiting[held.call.call_id]
        self._note(held, now, kind, trail.place(standing, tier=waiting.tier.code, region=waiting.region))

    def _learn(self, held: _Held, written: asyncio.Future[Any]) -> None:
        """Take in what the caller's rows say; a call that waits already is put in its place."""
        if written.cancelled() or written.exception() or not isinstance(written.result(), _Known):
            return
        held.known = written.result()
        waiting = self.floor.waiting.get(held.call.call_id)
        if waiting and held.known != _Known():
            self._wait(held, waiting.since, is_at_head=waiting.is_at_head)
            self._tell_standing(held, trail.WIDENED)
            self.route()

    async def pause_recording(self, call_id: CallId, *, on: bool) -> bool:
        """Keep what is said out of a call's recording, or in again; return whether that is so now.

        Fails closed: a recording that the switch does not pause is ended, and what was recorded until then
        is kept. When the switch cannot do that either, the answer is no, and the agent must not take the
        card's details.
        """
        held = self._calls.get(call_id)
        if held is None or held.call.recording_id is None or held.call.phase is not Phase.TALKING:
            return False
        name = recording.scratch_name(held.call.arrival.tenant_id, held.call.recording_id)
        try:
            await self._switch.pause_recording(name, on=on)
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("recording-not-paused", error=error.code)
            if not on or not await self._stop_recording(name):
                return False
            self.feed(call_id, machine.RecordingStopped(clock.now()))
        else:
            self.feed(call_id, machine.RecordingPaused(clock.now(), on=on))
        # the console asks as soon as it is told: what it asks for is behind what is being written
        await self._books.write(call_id, lambda: None)
        return True

    async def _stop_recording(self, name: str) -> bool:
        try:
            await self._switch.stop_recording(name)
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("recording-not-stopped", error=error.code)
            return False
        return True

    # --- given on, and a second agent asked ---------------------------------------------------------

    async def transfer(
        self, call_id: CallId, *, queue_id: QueueId | None = None, agent_id: AgentId | None = None
    ) -> str:
        """Give a call to a queue of its company, or to a free agent of it; return what became of that.

        To an agent it stays in its queue, and goes back there when they do not answer.

        Raises:
            QueueNotFoundError: no such queue of this company.
        """
        held = self._calls.get(call_id)
        if held is None:
            return "no-call-in-hand"
        queue = held.line.queue
        if queue_id:
            queue, opening = await asyncio.to_thread(self._queue_of, held.call.arrival.tenant_id, queue_id)
            if not opening.is_open(clock.now()):  # nobody would come for them
                return "queue-closed"
        if not transfer.can_be_given(held.call):
            return "not-now"
        offer = None
        if agent_id:
            offer = self._reserve(held, agent_id)
            if offer is None:
                return "agent-busy"
        held.next_line = replace(held.line, queue=queue)
        self.feed(call_id, machine.Transferred(clock.now(), queue.queue_id, queue.name, offer))
        # the order counts as carried out when a crash would not undo it
        await asyncio.wait({held.on_disk}, timeout=_ROW_PATIENCE_S)
        return "done"

    async def consult(self, call_id: CallId, *, agent_id: AgentId) -> str:
        """Ask a free agent about a call, while the caller hears music; return what became of that."""
        held = self._calls.get(call_id)
        if held is None or not transfer.can_be_given(held.call):
            return "not-now"
        offer = self._reserve(held, agent_id)
        if offer is None:
            return "agent-busy"
        self.feed(call_id, machine.Consulted(clock.now(), offer))
        return "done"

    async def send_back(self, call_id: CallId, *, number_id: NumberId) -> str:
        """Give the caller back to the entry of one of the company's numbers; return what became of that.

        Raises:
            NumberNotFoundError: the company does not rent it.
        """
        held = self._calls.get(call_id)
        if held is None:
            return "no-call-in-hand"
        found = await asyncio.to_thread(self._entry, held.call.arrival.tenant_id, number_id)
        there = found.at(clock.now()) if found else None
        if there is None:  # the caller would be turned away, after having been let in
            return "entry-closed"
        if not transfer.can_be_given(held.call):
            return "not-now"
        held.next_line = replace(held.line, queue=there.queue, greeting=there.greeting)
        self.feed(call_id, machine.SentBack(clock.now(), there.queue.queue_id, there.queue.name))
        await asyncio.wait({held.on_disk}, timeout=_ROW_PATIENCE_S)
        return "done"

    async def move(self, call_id: CallId, *, queue_id: QueueId, leader: int) -> str:
        """Let a caller who waits wait in another queue of their company; return what became of that.

        Raises:
            QueueNotFoundError: no such queue of this company.
        """
        held = self._calls.get(call_id)
        if held is None:
            return "not-waiting"
        queue, opening = await asyncio.to_thread(self._queue_of, held.call.arrival.tenant_id, queue_id)
        if held.call.phase is not Phase.QUEUED or held.call.arrival.queue_id == queue_id:
            return "not-waiting"
        if not opening.is_open(clock.now()):
            return "queue-closed"
        held.line = replace(held.line, queue=queue)
        self.feed(call_id, machine.Moved(clock.now(), queue_id, queue.name, leader))
        self.route()
        return "done"

    def remark(self, call_id: CallId, kind: str, **details: object) -> None:
        """Write a line into the timeline of a call in progress; one that is over has its last line."""
        held = self._calls.get(call_id)
        if held:
            self._note(held, clock.now(), kind, details)

    def _entry(self, tenant_id: TenantId, number_id: NumberId) -> Line | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            number = numbers.get(session, tenant_id=tenant_id, number_id=number_id)
        return self.directory.find(number.digits)

    async def _bring_in(self, clearance: Clearance, call_id: CallId) -> str:
        """Call a number outside into a call in hand; once ever, as `dial`."""
        now, held = clock.now(), self._calls.get(call_id)
        tenant_id, attempt_id = clearance.tenant_id, clearance.attempt_id
        if now > clearance.expires_at:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED)
        if not self._is_connected:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED)
        offer = held.call.offer if held and transfer.can_be_given(held.call) else None
        if held is None or offer is None or offer.agent_id != clearance.by_agent_id:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.NO_AGENT)
        outside = Outside(
            OfferId(attempt_id), channel=f"dial-{attempt_id}", longest=clearance.longest, began_at=now
        )
        self._dialled.add(CallId(attempt_id))
        self._by_channel[outside.channel] = call_id
        held.clearance = clearance
        brought = machine.SentOutside if clearance.is_given else machine.OutsideAsked
        self.feed(call_id, brought(now, outside))
        await asyncio.wait({held.on_disk}, timeout=2 * _DISK_PATIENCE_S)
        return "dialled"

    async def _reach(self, held: _Held, outside: Outside) -> None:
        """Call the number outside, once that is on disk: after a crash it is not called again."""
        call, clearance = held.call, held.clearance
        done, _ = await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        if clearance and self._is_in(call, outside):
            try:
                if done:
                    await self._switch.originate(outside.channel, clearance=clearance)
            except (SwitchError, ClearanceExpiredError) as error:
                _log.warning("call-not-placed", error=error.code)
                done = set()
            if not done:
                gone = machine.OutsideGone(clock.now(), outside.offer_id, port.Cause.CONGESTION)
                self.feed(call.call_id, gone)
            if not self._is_in(call, outside):
                await self._hang_up(
                    outside.channel
                )  # who has gone meanwhile, or may have been called after all
        held.clearance = None

    @staticmethod
    def _is_in(call: LiveCall, outside: Outside) -> bool:
        return call.outside is not None and call.outside.offer_id == outside.offer_id

    def _reserve(self, held: _Held, agent_id: AgentId) -> Offer | None:
        """Promise the call to this agent, who must be free and serve its company; nothing waits after it."""
        agent, call = self.floor.agents.get(agent_id), held.call
        if agent is None or not agent.is_free or call.arrival.tenant_id not in agent.clients:
            return None
        agent.call_id = call.call_id
        rings_s = held.line.queue.ring_timeout_s
        return _offer_to(agent, expires_at=clock.now() + dt.timedelta(seconds=rings_s))

    def _queue_of(self, tenant_id: TenantId, queue_id: QueueId) -> tuple[queues.Queue, Opening]:
        with self._gate.open(Scope.system(tenant_id)) as session:
            return (
                queues.get(session, tenant_id=tenant_id, queue_id=queue_id),
                queue_hours.read(session, tenant_id=tenant_id, queue_id=queue_id),
            )

    def _hand_on(self, held: _Held, leg_id: OfferId) -> None:
        """Write that an agent's part is over, what they wrote, and where the call belongs now."""
        call = held.call
        held.line, held.next_line = held.next_line or held.line, None
        tenant_id, call_id, queue_id, legs = (
            call.arrival.tenant_id,
            call.call_id,
            call.arrival.queue_id,
            tuple(call.legs),
        )

        def write(session: Session) -> None:
            calls.keep_legs(session, tenant_id=tenant_id, call_id=call_id, legs=legs)
            calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id)
            drafts.hand_on(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault)

        self._books.enter(
            call_id, Scope.system(tenant_id), write, is_urgent=True, then=lambda: self._tell(call, "live")
        )

    async def _let_out(self, held: _Held, channel: str) -> None:
        """End the leg of an agent who has given the call away, once a crash cannot end the call with it."""
        await asyncio.wait({held.on_disk}, timeout=_ROW_PATIENCE_S)
        await self._hang_up(channel)

    def _keep_legs(self, held: _Held) -> None:
        call, legs = held.call, tuple(held.call.legs)
        tenant_id, told = call.arrival.tenant_id, self._in_it(call)
        self._books.enter(
            call.call_id,
            Scope.system(tenant_id),
            lambda session: calls.keep_legs(session, tenant_id=tenant_id, call_id=call.call_id, legs=legs),
            then=lambda: self.desk.say_to(told),
        )

    @staticmethod
    def _in_it(call: LiveCall) -> list[AgentId]:
        return [leg.agent_id for leg in call.legs if leg.agent_id and not leg.is_over]

    async def _arrange(self, held: _Held) -> None:
        """Put caller and agents where the stage of the conversation wants them; again changes nothing."""
        call = held.call
        if call.phase is Phase.OUTSIDE and call.outside:
            await self._switch.hold_music(call.outside.channel, on=False)
            await self._switch.close_bridge(call.side_bridge)
            await self._switch.hold_music(call.channel, on=False)
            await self._switch.join(call.bridge, [call.outside.channel])
            return
        if call.phase is not Phase.TALKING or call.offer is None:
            return
        mine = call.offer.channel
        asked = call.consult.offer.channel if call.consult else ""
        match call.consult.stage if call.consult else Stage.TALKING:
            case Stage.PRIVATE:
                await self._switch.bridge(call.side_bridge)
                await self._switch.hold_music(asked, on=False)
                await self._switch.leave(call.bridge, mine)
                await self._switch.join(call.side_bridge, [mine, asked])
                await self._switch.hold_music(call.channel, on=True)
            case Stage.ASIDE:
                await self._switch.leave(call.side_bridge, mine)
                await self._switch.hold_music(asked, on=True)
                await self._switch.hold_music(call.channel, on=False)
                await self._switch.join(call.bridge, [mine])
            case Stage.TOGETHER:
                await self._switch.hold_music(asked, on=False)
                await self._switch.close_bridge(call.side_bridge)
                await self._switch.hold_music(call.channel, on=False)
                await self._switch.join(call.bridge, [mine, asked])
            case Stage.RINGING:
                await self._switch.hold_music(call.channel, on=True)
            case _:
                await self._switch.hold_music(mine, on=False)
                await self._switch.close_bridge(call.side_bridge)
                await self._switch.hold_music(call.channel, on=call.is_held)
                await self._switch.join(call.bridge, [mine])

    # --- calls out --------------------------------------------------------------------------------

    async def dial(self, tenant_id: TenantId, attempt_id: UUID) -> str:
        """Place a cleared call, once ever: an order that comes again after a crash finds it known or closed.

        With no free agent for its queue nothing is dialled, and neither after its clearance has expired. It
        returns when the call's beginning is on disk; only then does the number ring.
        """
        call_id = CallId(attempt_id)
        if call_id in self._dialled:
            return "known"
        try:
            handed = await asyncio.to_thread(self._redeem, tenant_id, attempt_id)
        except outbound.ForbiddenSinceError as forbidden:
            why = forbidden.reason.value
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED, why)
        except (NotFound, SealError) as error:
            # its number or its queue is gone meanwhile, or what was sealed does not open
            _log.warning("dial-not-redeemed", error=error.code)
            why = RefusalReason.CALLER_NOT_OURS.value if isinstance(error, NotFound) else ""
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED, why)
        if handed is None:
            return "closed"
        clearance, line = handed
        if clearance.part_of:
            return await self._bring_in(clearance, clearance.part_of)
        now = clock.now()
        if now > clearance.expires_at:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED)
        if not self._is_connected:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED)
        # from the choice of the agent to their reservation nothing may wait
        agent = (
            self.floor.ready_to_dial(clearance.by_agent_id)
            if clearance.by_agent_id
            else self.floor.pick(clearance.queue_id, tenant_id=tenant_id)
        )
        if agent is None:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.NO_AGENT)
        agent.call_id = call_id
        if agent.state != FREE and agent.next_state is None:
            agent.next_state = agent.state  # who dials while away is away afterwards
        offer = _offer_to(agent, expires_at=clearance.expires_at)
        arrival = Arrival(
            tenant_id=tenant_id,
            call_id=call_id,
            number_id=clearance.caller_number_id,
            dialled=clearance.caller,
            queue_id=clearance.queue_id,
            caller=clearance.to,
            arrived_at=now,
            direction=calls.OUTBOUND,
        )
        placed = Dial(
            attempt_id,
            clearance.customer_id,
            clearance.detects_machines,
            offer,
            is_by_hand=clearance.by_agent_id is not None,
            longest=clearance.longest,
        )
        self._dialled.add(call_id)
        call, actions = outgoing.begin(arrival, f"dial-{attempt_id}", placed)
        on_disk = self._spool.begin(arrival, call.channel, dial=placed)
        row = self._write_begin(arrival, lambda: arrival, placed)
        held = _Held(call, line, on_disk, row, clearance=clearance, is_placed=False)
        self._calls[call_id] = held
        self._by_channel[call.channel] = call_id
        self._by_channel[offer.channel] = call_id
        self._note(held, now, "dialled", {"agent": agent.number, "seat": agent.seat_label})
        for action in actions:
            self._carry_out(held, action)
        await asyncio.wait({on_disk}, timeout=2 * _DISK_PATIENCE_S)
        return "dialled"

    def _redeem(self, tenant_id: TenantId, attempt_id: UUID) -> tuple[Clearance, Line] | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            clearance = outbound.redeem(
                session, tenant_id=tenant_id, attempt_id=attempt_id, vault=self._vault
            )
            if clearance is None:
                return None
            line = self.directory.outgoing(
                session,
                tenant_id=tenant_id,
                number_id=clearance.caller_number_id,
                queue_id=clearance.queue_id,
            )
            return clearance, line

    async def _not_dialled(
        self, tenant_id: TenantId, attempt_id: UUID, outcome: DialOutcome, why: str = ""
    ) -> str:
        """Close a dial that was not placed, and tell the agent who waits for it, in the gate's word."""
        at = clock.now()

        def write(session: Session) -> tuple[AgentId | None, bool]:
            dialling.close(
                session,
                tenant_id=tenant_id,
                attempt_id=attempt_id,
                outcome=outcome,
                started_at=at,
                ended_at=at,
            )
            return dialling.dialled_by(session, tenant_id=tenant_id, attempt_id=attempt_id)

        agent_id, is_brought_in = await self._books.enter(
            attempt_id, Scope.system(tenant_id), write, is_urgent=True
        )
        if agent_id and is_brought_in:
            self.desk.say_refused(agent_id, why or outcome.value)
        elif agent_id:
            self.desk.say_dialled(agent_id, attempt_id, outcome.value, why)
        return outcome.value

    async def _place(self, held: _Held) -> None:
        """Place a call out, once its beginning is on disk: after a crash it is not placed again."""
        call, clearance = held.call, held.clearance
        done, _ = await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        if call.phase is not Phase.DIALLING or clearance is None:
            return
        held.clearance = None
        if not done:
            _log.error("call-not-on-disk")
            self.feed(call.call_id, machine.NotPlaced(clock.now()))
            return
        try:
            await self._switch.originate(call.channel, clearance=clearance)
        except (SwitchError, ClearanceExpiredError) as error:
            _log.warning("call-not-placed", error=error.code)
            self.feed(call.call_id, machine.NotPlaced(clock.now()))
        held.is_placed = True

    def _seek(self, held: _Held) -> None:
        """Reserve another free agent for who has picked up; nothing waits between the choice and the ring."""
        call, now = held.call, clock.now()
        agent = self.floor.pick(call.arrival.queue_id, tenant_id=call.arrival.tenant_id)
        if agent is None or call.due_at is None:
            self.feed(call.call_id, machine.NobodyFree(now))
            return
        agent.call_id = call.call_id
        offer = _offer_to(agent, expires_at=call.due_at)
        self.feed(call.call_id, machine.Offered(now, offer))

    async def _listen(self, held: _Held) -> None:
        try:
            await self._switch.detect(held.call.channel)
        except SwitchError as error:  # without an ear for machines everybody is a person
            _log.warning("machine-detection-failed", error=error.code)
            self.feed(held.call.call_id, machine.Heard(clock.now(), is_machine=False))

    async def _say(self, held: _Held, sound: Path | None, playback: str, fact: Callable[[], Fact]) -> None:
        """Play something to the called person; `fact` follows at once when it cannot be."""
        try:
            if sound is not None:
                await self._switch.play(held.call.channel, [Speech(sound)], playback=playback)
                return
        except SwitchError as error:
            _log.warning("not-said", error=error.code)
        self.feed(held.call.call_id, fact())

    # --- an agent whose line broke ----------------------------------------------------------------

    def _line_changed(self, endpoint: str, *, is_online: bool) -> None:
        """Park the caller of an agent whose line stays away; bring the agent back when it returns."""
        held = next(
            (
                one
                for one in self._calls.values()
                if one.call.phase is Phase.TALKING and one.call.offer and one.call.offer.endpoint == endpoint
            ),
            None,
        )
        if held is None:
            return
        if not is_online:
            asyncio.get_running_loop().call_later(_BLIP_S, self._park_if_away, held, endpoint)
        elif held.call.is_parked:
            self._spawn(self.rejoin(held.call.call_id))

    def _park_if_away(self, held: _Held, endpoint: str) -> None:
        agent = self.floor.by_endpoint(endpoint)
        if (agent is None or not agent.is_online) and not held.returning:
            self._park(held, clock.now())

    def _park(self, held: _Held, at: dt.datetime) -> None:
        """Give the caller music, and their agent time to come back."""
        call = held.call
        if call.phase is not Phase.TALKING or call.is_parked:
            return
        self.feed(call.call_id, machine.LegLost(at))
        self._be_patient(held)

    def _be_patient(self, held: _Held) -> None:
        held.patience = asyncio.get_running_loop().call_later(PARKED_S, self._give_up, held)

    def _give_up(self, held: _Held) -> None:
        if not held.call.is_parked:
            return
        now, call_id = clock.now(), held.call.call_id
        if held.returning:
            self._spawn(self._hang_up(held.returning))
            self._stays_away(held)
        if held.call.leads_out and not held.call.consult:
            self.feed(call_id, machine.AgentGone(now, port.Cause.INTERWORKING))
        else:
            self.feed(call_id, machine.AgentStaysAway(now))

    async def rejoin(self, call_id: CallId) -> None:
        """Ring the phone of the agent who has this call once more; their console answers by itself."""
        held = self._calls.get(call_id)
        if held is None or held.call.phase is not Phase.TALKING or held.returning or not held.call.offer:
            return
        offer = held.call.offer
        channel = f"agent-{offer.offer_id}-{new_id().hex[-8:]}"
        held.returning, self._by_channel[channel] = channel, call_id
        try:
            await self._switch.ring(
                channel,
                offer.endpoint,
                caller=held.line.number.digits,
                timeout_s=_RETURN_RING_S,
                headers={"X-Seatline-Offer": public("off", offer.offer_id)},
            )
        except (SwitchError, ChannelGoneError) as error:
            _log.info("agent-not-brought-back", error=error.code)
            self._stays_away(held)

    def _returns(self, held: _Held, event: object) -> None:
        match event:
            case port.AgentAnswered():
                self._command(held, self._join_again(held, held.returning))
            case port.Ended():
                self._stays_away(held)

    def _stays_away(self, held: _Held) -> None:
        self._by_channel.pop(held.returning, None)
        held.returning = ""

    async def _join_again(self, held: _Held, channel: str) -> None:
        call = held.call
        broken = call.offer.channel if call.offer else ""
        self._by_channel.pop(broken, None)
        await self._switch.join(call.bridge, [channel])
        if held.patience:
            held.patience.cancel()
        held.returning = ""
        self.feed(call.call_id, machine.Rejoined(clock.now(), channel))
        if call.consult:
            await self._arrange(held)
        self.desk.stir()
        await self._hang_up(broken)

    def reload(self) -> None:
        """Read numbers and queues anew: somebody has changed them."""
        self.directory.forget()

    # --- actions ----------------------------------------------------------------------------------

    def _carry_out(self, held: _Held, action: Action) -> None:
        call = held.call
        match action:
            case machine.Answer():
                self._greet(held)
            case machine.RunFlow():
                self.flows.run(call, held.line, tier=held.known.tier)
            case machine.LeaveFlow():
                self.flows.leave(call.call_id)
                self._keep_run(call)
            case machine.Belong(queue_id=queue_id):
                self._belong(held, queue_id)
            case machine.Enter():
                self._enter(held)
            case machine.Wait(since=since, is_at_head=is_at_head):
                self._wait(held, since, is_at_head=is_at_head)
                self.route()
                if call.call_id in self.floor.waiting:
                    self._tell_standing(held, trail.WAITS)
                self._command(held, self._switch.hold_music(call.channel, on=True))
                if longest_s := held.line.queue.longest_wait_s:
                    left_s = longest_s - clock.elapsed_ms(since, clock.now()) / 1000
                    asyncio.get_running_loop().call_later(max(0.0, left_s), self._end_long_waits)
            case machine.LeaveQueue():
                self.floor.leave(call.call_id)
            case machine.Ring(offer=offer):
                self._by_channel[offer.channel] = call.call_id
                self._spawn(self._ring(held, offer))
            case machine.Originate():
                self._spawn(self._place(held))
            case machine.Detect():
                self._command(held, self._listen(held))
            case machine.Notice():
                ended = lambda: machine.AnnouncementEnded(clock.now())  # noqa: E731 - two of a kind
                self._command(held, self._say(held, held.line.notice, f"notice-{call.call_id}", ended))
            case machine.Seek():
                self._seek(held)
            case machine.Apologise():
                over = lambda: machine.ApologyEnded(clock.now())  # noqa: E731
                self._command(held, self._say(held, held.line.apology, f"apology-{call.call_id}", over))
            case machine.TurnAway():
                self._command(held, self._turn_away(held))
            case machine.Announce(offer=offer):
                self._command(held, self._announce(held, offer))
            case machine.Connect(offer=offer):
                self._command(held, self._connect(held, offer))
            case machine.Music(on=on):
                self._command(held, self._switch.hold_music(call.channel, on=on))
            case machine.StopRinging(offer=offer):
                self._spawn(self._hang_up(offer.channel))
            case machine.HangUpCaller():
                self._spawn(self._hang_up(call.channel))
            case machine.Agent():
                self.desk.follow(action, call=call, queue=held.line.queue)
            case machine.Mark(instants=instants, offer=offer):
                self._write_marks(call, instants, offer)
            case machine.Warn():
                self.desk.say_ends_soon(call)
            case machine.KeepLegs():
                if call.is_shared:
                    self._keep_legs(held)
            case machine.HandOn(offer=offer):
                self._hand_on(held, offer.offer_id)
                # its fact is handed to the spool in the turn in which this is decided
                self._spawn(self._let_out(held, offer.channel))
            case machine.Arrange():
                self._command(held, self._arrange(held))
            case machine.Reach(outside=outside):
                self._spawn(self._reach(held, outside))
            case machine.KeepOutside():
                self._keep_outsides(call)
            case machine.CameBack(agent_id=agent_id, cause=cause):
                self.desk.say_came_back(agent_id, call.call_id, cause.value)
            case machine.StopRecording():
                self._command(held, self._end_recording(held))
            case machine.Greet():
                self._play_greeting(held)
            case machine.Move():
                self._write_move(call)
            case machine.Noted():
                pass
            case machine.Finish(at=at, cause=cause):
                self._finish(held, at, cause)

    def _greet(self, held: _Held) -> None:
        call = held.call
        self._command(held, self._switch.answer(call.channel))
        self._play_greeting(held)

    def _play_greeting(self, held: _Held) -> None:
        call = held.call
        if held.line.greeting is None and held.line.routing.asks_who_calls:
            self._spawn(self._until_known(held))
            return
        if held.line.greeting is None:
            self.feed(call.call_id, machine.GreetingEnded(clock.now()))
            return
        sound = Speech(held.line.greeting)
        self._command(
            held, self._switch.play(call.channel, [sound], playback=f"greeting-{call.call_id}"), needed=True
        )

    def _keep_run(self, call: LiveCall) -> None:
        """Keep how a call went through its flow, whether it came to a queue or its caller hung up."""
        flow = call.flow
        if flow is None:
            return
        tenant_id, call_id = call.arrival.tenant_id, call.call_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: store.keep_run(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                flow_id=flow.flow_id,
                version=flow.version,
                began_at=flow.began_at,
                ended_at=flow.ended_at or call.ended_at or clock.now(),
                outcome=flow.outcome or (Outcome.SERVED if call.recording_id else Outcome.LEFT),
                path=flow.path,
            ),
        )

    def _belong(self, held: _Held, queue_id: QueueId) -> None:
        """Let a call belong to the queue its flow has chosen."""
        call, line = held.call, held.line
        entries = line.flow.entries.values() if line.flow else ()
        chosen = next((one for one in entries if one.queue.queue_id == queue_id), None)
        if chosen:
            held.line = replace(
                chosen, is_open=line.is_open, longest=line.longest, routing=line.routing, flow=line.flow
            )
        self._write_queue(call)

    def _write_queue(self, call: LiveCall) -> None:
        tenant_id, call_id, queue_id = call.arrival.tenant_id, call.call_id, call.arrival.queue_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id),
        )

    def _enter(self, held: _Held) -> None:
        """Let a call that has left its flow into its queue, as one that came by a number without any."""
        now = clock.now()
        there = held.line.at(now)
        if there is None:
            self.feed(held.call.call_id, machine.OutsideHours(now))
            return
        held.line = there
        self._play_greeting(held)

    async def _until_known(self, held: _Held) -> None:
        """Let a caller whose tier or agent of last time decides wait for their row, as a greeting would."""
        await asyncio.wait({held.row}, timeout=_KNOWN_WITHIN_S)
        self.feed(held.call.call_id, machine.GreetingEnded(clock.now()))

    async def _turn_away(self, held: _Held) -> None:
        call, queue = held.call, held.line.queue
        sound = held.line.told
        if call.cause is Cause.WAITED_TOO_LONG:
            language = queue.language if queue.wait_message else held.line.number.language
            sound = await asyncio.to_thread(
                self._speak, queue.wait_message or nobody_free(language), language
            )
        else:
            await self._switch.answer(call.channel)
        await self._say(held, sound, f"apology-{call.call_id}", lambda: machine.ApologyEnded(clock.now()))

    async def _ring(self, held: _Held, offer: Offer) -> None:
        timeout_s: float = held.line.queue.ring_timeout_s
        headers = {"X-Seatline-Offer": public("off", offer.offer_id)}
        if held.call.leads_out:
            # somebody is on the line already: the console answers by itself, within what the law allows
            timeout_s = max(0.1, (offer.expires_at - clock.now()).total_seconds())
            headers |= {"X-Seatline-Auto": "1"}
        try:
            await self._switch.ring(
                offer.channel,
                offer.endpoint,
                caller=held.line.number.digits,  # the agent never sees the caller's number in SIP
                timeout_s=timeout_s,
                headers=headers,
            )
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("ring-failed", error=error.code)
            self.feed(held.call.call_id, machine.OfferLost(clock.now(), offer.offer_id, Lost.PHONE_GONE))

    async def _announce(self, held: _Held, offer: Offer) -> None:
        call, language = held.call, held.line.number.language
        await self._switch.hold_music(call.channel, on=False)
        file = await asyncio.to_thread(self._speak, announcement(offer.agent_number, language), language)
        sound = Speech(file) if file else port.Digits(str(offer.agent_number))
        await self._switch.play(call.channel, [sound], playback=f"agent-{offer.offer_id}")

    async def _connect(self, held: _Held, offer: Offer) -> None:
        call = held.call
        await self._durable(held)
        await self._switch.bridge(call.bridge)
        # who has talked before waits in the bridge: left empty it would end the recording
        is_there = "bridged_at" in call.instants
        await self._switch.join(call.bridge, [offer.channel] if is_there else [call.channel, offer.channel])
        now = clock.now()
        # nobody who was called is recorded without having been told
        is_recorded = held.line.queue.is_recorded and (call.dial is None or held.line.notice is not None)
        # a call given to another agent has its recording already, and only one
        is_new = is_recorded and call.recording_id is None
        recording_id = RecordingId(new_id()) if is_new else call.recording_id
        self.feed(call.call_id, machine.Bridged(now, recording_id))
        if recording_id and not is_recorded and not call.has_stopped:
            # the queue it was given to records nothing
            self.feed(call.call_id, machine.RecordingStopped(now, is_by_rule=True))
            await self._stop_recording(recording.scratch_name(call.arrival.tenant_id, recording_id))
        if recording_id and is_new and call.phase is Phase.TALKING:
            name = recording.scratch_name(call.arrival.tenant_id, recording_id)
            self._recordings[name] = (held, recording_id)
            self._write_recording(call, recording_id, now)
            await self._switch.record(call.bridge, name=name)

    async def _end_recording(self, held: _Held) -> None:
        """End a recording before the call does, by rule."""
        call = held.call
        if call.recording_id:
            self._note(held, clock.now(), "recording-stopped", {"by_rule": True, "for_outside": True})
            await self._stop_recording(recording.scratch_name(call.arrival.tenant_id, call.recording_id))

    async def _durable(self, held: _Held) -> None:
        """Wait until the call survives a crash: its facts on disk, and its row committed.

        While one of the two is away the other is proof enough: the row will be written from the spool, and
        without a spool the row says whose call it is and when it came.
        """
        both: set[asyncio.Future[Any]] = {held.on_disk, held.row}
        done, waiting = await asyncio.wait(both, timeout=_ROW_PATIENCE_S)
        if not done:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    def _finish(self, held: _Held, at: dt.datetime, cause: Cause) -> None:
        call = held.call
        self.floor.leave(call.call_id)
        if call.flow and call.flow.outcome is None:
            self.flows.leave(call.call_id)
            self._keep_run(call)
        if held.patience:
            held.patience.cancel()
        if held.returning:
            self._spawn(self._hang_up(held.returning))
        for channel in (call.channel, call.offer.channel if call.offer else "", held.returning):
            self._by_channel.pop(channel, None)
        for outside in call.outsides:
            if self._by_channel.pop(outside.channel, None):
                self._spawn(self._hang_up(outside.channel))
        self._calls.pop(call.call_id, None)
        self._spawn(self._close(held))
        if call.dial and call.dial.is_by_hand:
            self.desk.say_dialled(
                call.dial.offer.agent_id, call.call_id, (call.outcome or DialOutcome.LOST).value
            )
        ending = Ending(call.arrival.tenant_id, call.call_id, at, cause.value, self._boot)
        written = self._write_ending(call, ending)
        written.add_done_callback(lambda future: self._finished(call, future))

    async def _close(self, held: _Held) -> None:
        """Close the bridge of an ended call; the switch closes its recording with it."""
        call = held.call
        if call.recording_id:
            name = recording.scratch_name(call.arrival.tenant_id, call.recording_id)
            try:
                await self._switch.stop_recording(name)
            except SwitchError as error:
                _log.info("recording-left-to-the-sweep", error=error.code)
        has_bridge = "answered_at" in call.instants or call.recording_id is not None
        bridges = [call.bridge] if has_bridge else []
        for bridge in [*bridges, call.side_bridge] if call.is_shared else bridges:
            try:
                await self._switch.close_bridge(bridge)
            except SwitchError as error:
                _log.info("bridge-left", error=error.code)

    def _finished(self, call: LiveCall, written: asyncio.Future[Any]) -> None:
        if written.cancelled() or written.exception():
            return  # not written: the spool keeps the call, and the next start tries again
        self._spool.done(call.call_id)
        self._dialled -= {call.call_id, *(CallId(one.offer_id) for one in call.outsides)}
        self._books.write(call.call_id, lambda: self._tell(call, "ended"))

    def _recording_done(self, name: str) -> None:
        known = self._recordings.pop(name, None)
        if known is None:
            return
        held, recording_id = known
        tenant_id, call_id = held.call.arrival.tenant_id, held.call.call_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: recording.captured(
                session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id
            ),
        )

    # --- after a loss of the switch, or of ourselves ------------------------------------------------

    async def _connected(self, event: port.Connected) -> None:
        """Stand again where the calls stand, after a start, a lost line or a new start of the switch."""
        is_new_switch = event.boot_id != self._boot
        self.supervision.forget()
        there = {one.channel: one for one in event.channels}
        for call in self._recovered:
            await self._adopt(call)
        self._recovered = []
        before, self._boot = self._boot, event.boot_id
        self._spool.switch_boot(event.boot_id)
        known = set(self._by_channel)  # before some of these calls end, whose channels go in a moment
        for held in list(self._calls.values()):
            if held.call.channel not in there:
                lost = Cause.SWITCH_LOST if is_new_switch and before else Cause.LOST_WHILE_AWAY
                self._forget_recording(held)
                self.feed(held.call.call_id, machine.Vanished(held.call.proven_at, lost))
            else:
                self._stand_again(held, there)
        await self.desk.switch_is_back()
        for one in event.channels:
            if one.channel not in known:
                await self._strange(one)
        self._is_connected = True
        _log.info("switch-connected", calls=len(self._calls), agents=len(self.floor.agents))
        self.route()

    async def _adopt(self, call: LiveCall) -> None:
        """Take over a call an earlier run left open."""
        if call.phase is Phase.ENDED:
            # its hang-up transaction was not confirmed: write it again, it is written once
            ending = Ending(
                call.arrival.tenant_id,
                call.call_id,
                call.ended_at or call.proven_at,
                (call.cause or Cause.LOST_WHILE_AWAY).value,
                self._boot,
            )
            self._write_begin(call.arrival, lambda: call.arrival, call.dial)
            self._write_marks(call, call.instants, call.offer)
            self._write_parts(call)
            written = self._write_ending(call, ending)
            written.add_done_callback(lambda future: self._finished(call, future))
            return
        line = await asyncio.to_thread(self._line_of, call)
        if line is None and call.dial:
            # its number was given back meanwhile: nobody can conduct it, and its books are to be closed
            outgoing.step(call, machine.Vanished(call.proven_at, Cause.LOST_WHILE_AWAY))
            await self._adopt(call)
            return
        if line is None:
            return
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        on_disk.set_result(None)
        row = self._write_begin(call.arrival, lambda: call.arrival, call.dial, routing=line.routing)
        if call.instants:
            self._write_marks(call, call.instants, call.offer)
        self._write_parts(call)
        held = _Held(call, line, on_disk, row)
        row.add_done_callback(functools.partial(self._learn, held))
        self._calls[call.call_id] = held
        self._by_channel[call.channel] = call.call_id
        for offer in (call.offer, call.asked):
            if offer:
                self._by_channel[offer.channel] = call.call_id
                self.desk.takes_over(call, offer)
        if call.outside:
            self._by_channel[call.outside.channel] = call.call_id
        self._keep_outsides(call)
        if call.recording_id:
            name = recording.scratch_name(call.arrival.tenant_id, call.recording_id)
            self._recordings[name] = (held, call.recording_id)

    def _write_parts(self, call: LiveCall) -> None:
        """Write again what its flow and its agents have made of a call, where the last run may not have."""
        if call.flow and (call.flow.outcome or call.phase is Phase.ENDED):
            self._keep_run(call)
            self._write_queue(call)
        if not call.is_shared:
            return
        arrival, legs = call.arrival, tuple(call.legs)
        over = [leg.leg_id for leg in legs if leg.how in calls.GIVEN_AWAY]

        def write(session: Session) -> None:
            tenant_id, call_id = arrival.tenant_id, arrival.call_id
            calls.keep_legs(session, tenant_id=tenant_id, call_id=call_id, legs=legs)
            calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=arrival.queue_id)
            for leg_id in over:
                drafts.hand_on(
                    session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault
                )

        self._books.enter(arrival.call_id, Scope.system(arrival.tenant_id), write)

    def _line_of(self, call: LiveCall) -> Line | None:
        arrival = call.arrival
        if call.dial is None:
            line = self.directory.find(arrival.dialled)
            if line is None or line.queue.queue_id == arrival.queue_id:
                return line
            queue, _ = self._queue_of(arrival.tenant_id, arrival.queue_id)
            return replace(line, queue=queue)
        try:
            with self._gate.open(Scope.system(arrival.tenant_id)) as session:
                return self.directory.outgoing(
                    session,
                    tenant_id=arrival.tenant_id,
                    number_id=arrival.number_id,
                    queue_id=arrival.queue_id,
                )
        except NotFound:
            return None

    def _stand_again(self, held: _Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call whose caller is still on the line."""
        call, now = held.call, clock.now()
        leg = there.get(call.offer.channel) if call.offer else None
        if call.leads_out and not call.is_noticed and call.phase in {Phase.OFFERED, Phase.ANNOUNCING}:
            self.feed(call.call_id, machine.AnnouncementEnded(now))
        match call.phase:
            case Phase.DIALLING | Phase.RINGING if there[call.channel].state is port.ChannelState.UP:
                self.feed(call.call_id, machine.PickedUp(now))
            case Phase.DETECTING:
                self._command(held, self._listen(held))
            case Phase.APOLOGISING:
                self.feed(call.call_id, machine.ApologyEnded(now))
            case Phase.SEEKING:
                self.feed(call.call_id, machine.NobodyFree(now))
            case Phase.TURNED_AWAY:
                self.feed(call.call_id, machine.ApologyEnded(now))
            case Phase.FLOW:
                self.flows.run(call, held.line, tier=held.known.tier)
            case Phase.GREETING if call.flow:
                self._enter(held)
            case Phase.GREETING if held.line.at(call.arrival.arrived_at) is None:
                self.feed(call.call_id, machine.OutsideHours(now))
            case Phase.GREETING:
                self.feed(call.call_id, machine.GreetingEnded(now))
            case Phase.QUEUED:
                self._wait(held, call.queued_at or now, is_at_head=call.offers > 0)
                self._command(held, self._switch.hold_music(call.channel, on=True))
            case Phase.OFFERED if call.offer:
                if leg is None:
                    lost = machine.OfferLost(now, call.offer.offer_id, Lost.PHONE_GONE)
                    self.feed(call.call_id, lost)
                elif leg.state is port.ChannelState.UP:
                    self.feed(call.call_id, machine.AgentAnswered(now, call.offer.offer_id))
            case Phase.ANNOUNCING if leg is not None:
                self.feed(call.call_id, machine.AnnouncementEnded(now))
            case Phase.REACHING | Phase.OUTSIDE:
                self._stand_with_outside(held, there)
            case Phase.TALKING if call.consult:
                self._stand_with_asked(held, there)
            case Phase.TALKING if call.is_parked:
                self._be_patient(held)
                self._spawn(self.rejoin(call.call_id))
            case Phase.ANNOUNCING | Phase.TALKING if leg is None:
                self.feed(call.call_id, machine.AgentGone(call.proven_at, port.Cause.INTERWORKING))
            case _:
                pass

    def _stand_with_asked(self, held: _Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call about which a second agent is asked."""
        call, now = held.call, clock.now()
        if call.consult is None or call.offer is None:
            return
        asked, is_ringing = call.consult.offer, call.consult.stage is Stage.RINGING
        leg = there.get(asked.channel)
        if isinstance(asked, Outside):
            self._stand_with_outside(held, there)
        elif leg is None and is_ringing:
            self.feed(call.call_id, machine.OfferLost(now, asked.offer_id, Lost.PHONE_GONE))
        elif leg is None:
            self.feed(call.call_id, machine.AskedGone(now, port.Cause.INTERWORKING))
        elif is_ringing and leg.state is port.ChannelState.UP:
            self.feed(call.call_id, machine.AgentAnswered(now, asked.offer_id))
        if call.is_parked:
            self._be_patient(held)
            self._spawn(self.rejoin(call.call_id))
        elif call.offer.channel not in there:
            self.feed(call.call_id, machine.AgentGone(call.proven_at, port.Cause.INTERWORKING))
        else:
            self._command(held, self._arrange(held))

    def _stand_with_outside(self, held: _Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call in which there is a number outside, or was when nobody listened."""
        call, now, outside = held.call, clock.now(), held.call.outside
        if outside is None:
            return
        leg = there.get(outside.channel)
        if leg is None:
            # billed to its last proven second; who was never heard to answer rang until now
            at = call.proven_at if outside.picked_up_at else now
            self.feed(call.call_id, machine.OutsideGone(at, outside.offer_id, port.Cause.INTERWORKING))
        elif leg.state is port.ChannelState.UP and outside.picked_up_at is None:
            self.feed(call.call_id, machine.OutsideAnswered(now, outside.offer_id))
        elif call.phase is Phase.OUTSIDE:
            self._command(held, self._arrange(held))

    async def _strange(self, channel: port.LiveChannel) -> None:
        """A channel of ours that no call knows: a caller who came while nobody listened, or a leftover."""
        if channel.channel in self._by_channel:
            return
        if channel.is_inbound:
            await self._arrive(
                port.Arrived(
                    at=clock.now(),
                    channel=channel.channel,
                    dnis=channel.dnis,
                    ani=channel.ani,
                    trunk=channel.endpoint,
                )
            )
        else:
            await self._hang_up(channel.channel)

    def _forget_recording(self, held: _Held) -> None:
        """The switch that wrote it is gone: seal what there is."""
        call = held.call
        if call.recording_id:
            self._recording_done(recording.scratch_name(call.arrival.tenant_id, call.recording_id))

    async def heartbeat(self) -> None:
        """Ask the switch which calls are alive: the proof that a call was billed for no second too many.

        And end those that have lasted as long as they may.
        """
        self._end_long_ones()
        self._end_long_waits()
        if not self._is_connected:
            return
        await self.desk.renew_phones()
        asked_at = clock.now()
        try:
            there = {one.channel for one in await self._switch.live_channels()}
        except SwitchError:
            return
        proven = []
        for held in list(self._calls.values()):
            self._look_outside(held, there, asked_at)
            if held.call.channel in there:
                held.call.proven_at = max(held.call.proven_at, asked_at)
                proven.append(held.call.call_id)
            elif not held.is_placed:
                continue
            elif held.call.arrival.arrived_at < asked_at and held.call.proven_at < asked_at:
                self.feed(held.call.call_id, machine.CallerGone(held.call.proven_at, port.Cause.INTERWORKING))
        if proven:
            self._spool.proof(asked_at, proven)
        if self._spool.is_large():
            self._spool.compact(self.live, self._boot)

    def _look_outside(self, held: _Held, there: set[str], asked_at: dt.datetime) -> None:
        """End the leg of a number outside that the switch does not have any more."""
        outside = held.call.outside
        if outside is None or held.clearance or outside.channel in there or outside.began_at >= asked_at:
            return
        gone = machine.OutsideGone(held.call.proven_at, outside.offer_id, port.Cause.INTERWORKING)
        self.feed(held.call.call_id, gone)

    def _end_long_ones(self) -> None:
        """Warn the agents of calls that are as long as they may be in a minute, and end those that are."""
        now = clock.now()
        for held in list(self._calls.values()):
            call = held.call
            outside = call.outside
            if outside and outside.picked_up_at and outside.picked_up_at + outside.longest <= now:
                self._end_outside(call, Cause.TOO_LONG)
            began_at = call.instants.get("picked_up_at") if call.dial else call.arrival.arrived_at
            if began_at is None:
                continue
            left = began_at + (held.longest or (call.dial.longest if call.dial else held.line.longest)) - now
            is_over = left <= dt.timedelta()
            wants = call.dial is not None and left <= LENGTHENED_BEFORE and not held.asks_for_longer
            if call.dial and wants and not (is_over and held.has_asked):
                held.asks_for_longer = True
                self._spawn(self._lengthen(held, call.dial, began_at))
            if call.dial and not held.has_asked:
                continue  # a top-up, or what was granted before a crash, may let it go on
            if is_over:
                self.feed(call.call_id, machine.Cut(now, Cause.TOO_LONG))
            elif left <= WARNED_BEFORE:
                self.feed(call.call_id, machine.EndsSoon(now))

    async def _lengthen(self, held: _Held, dial: Dial, began_at: dt.datetime) -> None:
        """Ask whether a call out may go on longer than it was cleared for: it may where it is paid for."""
        try:
            longest = await asyncio.to_thread(self._longer, held.call.arrival.tenant_id, dial.attempt_id)
            if longest and longest > (held.longest or dial.longest):
                held.longest = longest
                ends_in = began_at + longest - clock.now() + port.SPARE
                self._command(held, self._switch.bound(held.call.channel, longest=ends_in))
        except (SeatlineError, SQLAlchemyError) as error:  # it ends when what it has paid for is over
            _log.warning("call-not-lengthened", error=type(error).__name__)
        finally:
            held.asks_for_longer, held.has_asked = False, True

    def _longer(self, tenant_id: TenantId, attempt_id: UUID) -> dt.timedelta | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            return longer.lengthen(session, tenant_id=tenant_id, attempt_id=attempt_id)

    def _end_long_waits(self) -> None:
        """Turn callers away who have waited as long as their queue lets them."""
        now = clock.now()
        for held in list(self._calls.values()):
            longest_s, since = held.line.queue.longest_wait_s, held.call.queued_at
            if held.call.phase is not Phase.QUEUED or longest_s is None or since is None:
                continue
            if now - since >= dt.timedelta(seconds=longest_s):
                self.feed(held.call.call_id, machine.WaitedTooLong(now))

    def end_calls_out(self, tenant_id: TenantId | None) -> int:
        """End the calls out of a company, or of all, at once; return how many there were."""
        found = [
            held.call.call_id
            for held in self._calls.values()
            if held.call.dial and tenant_id in {None, held.call.arrival.tenant_id}
        ]
        for call_id in found:
            self.feed(call_id, machine.Cut(clock.now(), Cause.STOPPED))
        brought_in = [
            held.call
            for held in self._calls.values()
            if held.call.outside and tenant_id in {None, held.call.arrival.tenant_id}
        ]
        for call in brought_in:
            self._end_outside(call, Cause.STOPPED)
        return len(found) + len(brought_in)

    def _end_outside(self, call: LiveCall, cause: Cause) -> None:
        """Let the number outside go: who talks to it alone has nobody left, everybody else goes on."""
        now, outside = clock.now(), call.outside
        if outside is None:
            return
        if call.phase is Phase.OUTSIDE:
            self.feed(call.call_id, machine.Cut(now, cause))
        elif call.phase is Phase.REACHING:
            self.feed(call.call_id, machine.OutsideGone(now, outside.offer_id, port.Cause.NORMAL))
            self._spawn(self._hang_up(outside.channel))
        else:
            self.feed(call.call_id, machine.ConsultEnded(now))

    # --- rows -------------------------------------------------------------------------------------

    def _write_begin(
        self,
        known: Arrival,
        with_caller: Callable[[], Arrival],
        dial: Dial | None = None,
        routing: RoutingSettings | None = None,
    ) -> asyncio.Future[Any]:
        """Write a call's row; the future's result is what routing learns of who calls, if it asks."""

        def write(session: Session) -> _Known | None:
            arrival = with_caller()
            customer_id = dial.customer_id if dial else None
            if arrival.caller and customer_id is None:
                card = lookup.by_phone(
                    session, tenant_id=arrival.tenant_id, vault=self._vault, phone=E164(arrival.caller)
                )
                customer_id = card.id if card else None
            calls.begin(session, arrival=arrival, customer_id=customer_id, vault=self._vault)
            if dial or customer_id is None or routing is None or not routing.asks_who_calls:
                return None
            tenant_id, days = arrival.tenant_id, dt.timedelta(days=routing.sticky_days)
            return _Known(
                tier_of(session, tenant_id=tenant_id, customer_id=customer_id),
                calls.last_agent(
                    session, tenant_id=tenant_id, customer_id=customer_id, since=arrival.arrived_at - days
                )
                if routing.sticky_s
                else None,
            )

        # the pop and the bridge wait for this row
        return self._books.enter(known.call_id, Scope.system(known.tenant_id), write, is_urgent=True)

    def _write_marks(self, call: LiveCall, instants: dict[str, dt.datetime], offer: Offer | None) -> None:
        # once somebody has talked, the call is theirs until somebody else does
        talked = (leg.answerer for leg in reversed(call.legs) if leg.answerer)
        of = Answerer(offer.agent_id, offer.agent_number, offer.seat_id, offer.seat_label) if offer else None
        answerer = next(talked, of)
        self._books.enter(
            call.call_id,
            Scope.system(call.arrival.tenant_id),
            lambda session: calls.mark(
                session,
                tenant_id=call.arrival.tenant_id,
                call_id=call.call_id,
                instants=instants,
                answerer=answerer,
            ),
            then=lambda: self._tell(call, "live"),
        )

    def _write_move(self, call: LiveCall) -> None:
        tenant_id, call_id, queue_id = call.arrival.tenant_id, call.call_id, call.arrival.queue_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id),
            then=lambda: self._tell(call, "live"),
        )

    def _write_recording(self, call: LiveCall, recording_id: RecordingId, at: dt.datetime) -> None:
        tenant_id = call.arrival.tenant_id
        self._books.enter(
            call.call_id,
            Scope.system(tenant_id),
            lambda session: recording.begin(
                session, tenant_id=tenant_id, recording_id=recording_id, call_id=call.call_id, started_at=at
            ),
            then=lambda: self.desk.say_anew(call),
        )

    def _keep_outsides(self, call: LiveCall) -> None:
        """Write what is known of the numbers outside, behind the beginning of the call they are part of."""
        if not call.outsides:
            return
        tenant_id, call_id, outsides = call.arrival.tenant_id, call.call_id, tuple(call.outsides)
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: self._write_outsides(session, tenant_id, call_id, outsides),
            then=lambda: self._tell(call, "live"),
        )

    def _write_outsides(
        self, session: Session, tenant_id: TenantId, part_of: CallId, outsides: Sequence[Outside]
    ) -> None:
        """Write the books of numbers outside as far as they go; may be repeated: each is billed once."""
        for one in outsides:
            call_id = CallId(one.offer_id)
            dialling.begin_part(
                session,
                tenant_id=tenant_id,
                attempt_id=call_id,
                part_of=part_of,
                at=one.began_at,
                vault=self._vault,
            )
            if one.picked_up_at:
                instants = {"picked_up_at": one.picked_up_at, "bridged_at": one.picked_up_at}
                calls.mark(session, tenant_id=tenant_id, call_id=call_id, instants=instants)
            if one.ended_at and one.cause:
                ending = Ending(tenant_id, call_id, one.ended_at, one.cause.value, self._boot)
                calls.finish(session, ending=ending)
                dialling.close(
                    session,
                    tenant_id=tenant_id,
                    attempt_id=call_id,
                    outcome=one.outcome,
                    started_at=one.began_at,
                    answered_at=one.picked_up_at,
                    ended_at=one.ended_at,
                    call_id=call_id,
                )

    def _write_ending(self, call: LiveCall, ending: Ending) -> asyncio.Future[Any]:
        outsides = tuple(call.outsides)

        def write(session: Session) -> None:
            self._write_outsides(session, ending.tenant_id, ending.call_id, outsides)
            calls.finish(session, ending=ending)
            if call.dial:
                was_bridged = "bridged_at" in call.instants and call.offer is not None
                dialling.close(
                    session,
                    tenant_id=ending.tenant_id,
                    attempt_id=call.dial.attempt_id,
                    outcome=call.outcome or DialOutcome.LOST,
                    started_at=call.arrival.arrived_at,
                    answered_at=call.instants.get("picked_up_at"),
                    ended_at=ending.ended_at,
                    call_id=call.call_id,
                    agent_id=call.offer.agent_id if was_bridged and call.offer else None,
                )

        return self._books.enter(ending.call_id, Scope.system(ending.tenant_id), write, is_urgent=True)

    def _note(self, held: _Held, at: dt.datetime, kind: str, details: dict[str, object]) -> None:
        call = held.call
        call.position += 1
        position = call.position
        self._books.enter(
            call.call_id,
            Scope.system(call.arrival.tenant_id),
            lambda session: calls.note(
                session,
                tenant_id=call.arrival.tenant_id,
                call_id=call.call_id,
                position=position,
                at=at,
                kind=kind,
                details=details,
            ),
        )

    def _tell(self, call: LiveCall, state: str) -> None:
        """Tell the client's live pages; from a thread, because Redis may keep us waiting."""
        self._realtime.publish(
            call.arrival.tenant_id, "calls", {"call_id": public("call", call.call_id), "state": state}
        )

    # --- small things -----------------------------------------------------------------------------

    def _command(self, held: _Held, work: Coroutine[Any, Any, None], *, needed: bool = False) -> None:
        """Run a command to the switch after all earlier ones of this call.

        `needed`: when the switch refuses it, the call goes on without (a greeting that cannot be played).
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
                if needed:
                    self.feed(held.call.call_id, machine.GreetingEnded(clock.now()))

        held.tail = self._spawn(run())
        # told to end before its turn came, it never began the work
        held.tail.add_done_callback(lambda _done: work.close())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("task-failed", error=type(error).__name__, exc_info=error)

    async def _refuse(self, channel: str, cause: port.Cause) -> None:
        try:
            await self._switch.hang_up(channel, cause=cause)
        except SwitchError as error:
            _log.warning("refusal-failed", error=error.code)

    async def _hang_up(self, channel: str) -> None:
        await self._refuse(channel, port.Cause.NORMAL)


def _offer_to(agent: Agent, *, expires_at: dt.datetime) -> Offer:
    offer_id = OfferId(new_id())
    return Offer(
        offer_id=offer_id,
        agent_id=agent.agent_id,
        agent_number=agent.number,
        seat_id=agent.seat_id,
        seat_label=agent.seat_label,
        endpoint=agent.endpoint,
        channel=f"agent-{offer_id}",
        expires_at=expires_at,
    )


def _at(ms: int | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC) if ms is not None else None


def _why(cause: int) -> Lost:
    """Return why a phone that was rung was not answered, by the cause of its end."""
    match cause:
        case port.Cause.REJECTED:
            return Lost.DECLINED
        case port.Cause.NO_ANSWER:
            return Lost.NO_ANSWER
        case _:
            return Lost.PHONE_GONE


def _name(fact: Fact) -> str:
    """Return the timeline's word of a fact: AgentAnswered -> agent-answered."""
    name = type(fact).__name__
    return "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in name).removeprefix("-")


def _details(fact: Fact) -> dict[str, object]:
    match fact:
        case machine.FlowEntered(flow_id=flow_id, version=version):
            return {"flow": public("flow", flow_id), "version": version}
        case machine.FlowMoved(node=node, kind=kind, title=title, way=way):
            return {"node": node, "kind": kind, "title": title, "way": way}
        case machine.FlowLed(queue_name=queue):
            return {"queue": queue}
        case machine.FlowFailed(why=why):
            return {"why": why}
        case machine.Transferred(offer=to, queue_name=queue):
            return {"queue": queue, "agent": to.agent_number if to else None}
        case machine.Consulted(offer=offer):
            return {"agent": offer.agent_number, "seat": offer.seat_label}
        case machine.SentBack(queue_name=queue):
            return {"queue": queue}
        case machine.Moved(queue_name=queue, leader=leader):
            return {"queue": queue, "leader": leader}
        case machine.SentOutside(outside=outside) | machine.OutsideAsked(outside=outside):
            return {"call": public("call", outside.offer_id)}
        case machine.RecordingStopped(is_by_rule=is_by_rule):
            return {"by_rule": is_by_rule}
        case machine.Offered(offer=offer):
            return {"offer_id": str(offer.offer_id), "agent": offer.agent_number, "seat": offer.seat_label}
        case machine.OfferLost(why=why):
            return {"why": why.value}
        case (
            machine.CallerGone(cause=cause)
            | machine.AgentGone(cause=cause)
            | machine.AskedGone(cause=cause)
            | machine.OutsideGone(cause=cause)
        ):
            return {"cause": int(cause)}
        case machine.Held(on=on) | machine.RecordingPaused(on=on):
            return {"on": on}
        case machine.Heard(is_machine=is_machine):
            return {"machine": is_machine}
        case machine.Bridged(recording_id=recording_id):
            return {"recorded": recording_id is not None}
        case machine.Vanished(cause=cause) | machine.Cut(cause=cause):
            return {"cause": cause.value}
        case _:
            return {}
