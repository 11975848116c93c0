"""A stage for scenarios: a company with a number, agents, the simulator on a virtual clock, real books.

A scenario is a table: when, who does what. What comes of it is read back from the database as lines, so
that a person can see at a glance what a call became.
"""

import asyncio
import contextlib
import datetime as dt
import json
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from billing import invoices
from core import clock
from core.ids import OPERATOR, AgentId, CallId, NumberId, QueueId, SeatId, TenantId, UserId, new_id
from core.phone import E164, parse_e164
from core.realtime import Realtime
from customers import records
from customers.records import CustomerDetails
from seats import presence, roster, stock
from security.egress import Answer
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, endpoints, numbers, orders, queues
from telephony.admission import Bounds
from telephony.conductor.admitting import UNBOUNDED
from telephony.conductor.books import Books
from telephony.conductor.conductor import Conductor
from telephony.conductor.directory import Speak
from telephony.conductor.flow_runner import Ask
from telephony.conductor.spool import Spool
from telephony.numbers import Number
from telephony.orders import OrderKind
from telephony.outbound import by_hand, dialling
from telephony.outbound.gate import Clearance, DialRequest, Refusal, Window, clear
from telephony.switch import port
from telephony.switch.simulator import Simulation
from tests.billing import stock as prices
from tests.factories import agreements

START = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.UTC)
DIALLED, CALLER = "+442079460134", "+447700900123"
_DESK = Scope.system(OPERATOR)


@dataclass(frozen=True, slots=True)
class Person:
    """An agent on the stage."""

    agent_id: AgentId
    number: int
    endpoint: str


@dataclass(slots=True)
class Company:
    """Alice's company: one queue, one number, one customer."""

    tenant_id: TenantId
    queue_id: QueueId
    number_id: NumberId


ALL_DAY = Window(dt.time(0), dt.time(23, 59), frozenset(range(1, 8)))


def open_company(gate: Gate, vault: Vault, tenant_id: TenantId, *, greeting: str = "") -> Company:
    version = prices.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        prices.customer(session, tenant_id=tenant_id, version=version)
        queue = queues.open_queue(session, tenant_id=tenant_id, name="Deliveries", ring_timeout_s=15)
        records.add(
            session,
            tenant_id=tenant_id,
            vault=vault,
            details=CustomerDetails(name="Ines Carvalho", phone=parse_e164(CALLER)),
        )
    with gate.open(_DESK) as session:
        number = numbers.stock(session, digits=DIALLED, region="GB")
        number = numbers.let(session, number_id=number.number_id, renter=tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        numbers.rent(
            session,
            tenant_id=tenant_id,
            number=number,
            queue_id=queue.queue_id,
            greeting=greeting,
            language="en",
        )
    return Company(tenant_id, queue.queue_id, number.number_id)


def hire(gate: Gate, vault: Vault, company: Company, *, number: int, seat: str = "") -> Person:
    """Hire an agent, seat them (on a seat the company rents, or on none) and issue a phone."""
    with gate.open(_DESK) as session:
        agent = roster.hire(
            session, vault=vault, user_id=UserId(new_id()), number=number, name=f"Agent {number}"
        )
        roster.assign(session, agent_id=agent.id, client_tenant_id=company.tenant_id, starts_at=clock.now())
        roster.teach(
            session,
            agent_id=agent.id,
            client_tenant_id=company.tenant_id,
            queue_id=company.queue_id,
        )
        seat_id = None
        if seat:
            made = stock.add(session, label=seat)
            stock.rent(
                session,
                seat_id=made.id,
                renter_tenant_id=company.tenant_id,
                kind=stock.RentalKind.MONTH,
                starts_at=clock.now(),
            )
            seat_id = SeatId(made.id)
        presence.sign_in(session, agent_id=agent.id, at=clock.now(), seat_id=seat_id)
        phone = endpoints.issue(session, agent_id=agent.id, vault=vault)
        orders.leave(session, OrderKind.SIGN_IN, agent_id=agent.id)
    agreements.signed_by_agent(gate, agent.id, company.tenant_id)
    return Person(agent.id, number, phone.name)


@dataclass(slots=True)
class Theatre:
    """The stage while the curtain is up."""

    gate: Gate
    vault: Vault
    realtime: Realtime
    folder: Path
    company: Company
    people: dict[str, Person] = field(default_factory=dict)
    queues: dict[str, QueueId] = field(default_factory=dict)  # beside the company's first
    caller: str = ""
    lines: dict[str, str] = field(default_factory=dict)  # of callers who have a name, by it
    callers: list[str] = field(default_factory=list)  # who came with `callers call`
    usual: Bounds = UNBOUNDED  # how many calls the switch takes
    is_dark: bool = False  # the curtain is down, the switch goes on
    speak: Speak = lambda _text, _language: None  # digits, a half second each
    ask: Ask = lambda _url, _body: Answer(None, "unreachable", 1)
    hushes: Callable[[port.Event], bool] = lambda _event: False  # what the switch does not tell
    sim: Simulation = field(init=False)
    conductor: Conductor = field(init=False)
    books: Books = field(init=False)
    spool: Spool = field(init=False)

    async def up(self, *, sim: Simulation | None = None) -> None:
        """Raise the curtain: the switchboard starts, over a new switch or the one that stood."""
        recordings = self.folder / "recordings"
        recordings.mkdir(exist_ok=True)
        self.is_dark = False
        self.sim = sim or Simulation.virtual(recording_dir=recordings, settle=self.settle)
        self.books = Books(self.gate)
        self.spool = Spool(self.folder / "spool", self.vault)
        self.conductor = Conductor(
            switch=self.sim.switch,
            gate=self.gate,
            vault=self.vault,
            realtime=self.realtime,
            books=self.books,
            spool=self.spool,
            speak=self.speak,
            sounds=self.folder,
            ask=self.ask,
            usual=self.usual,
        )
        await self.conductor.recover()
        conductor = self.conductor

        def hear(event: port.Event) -> None:
            if not self.hushes(event):
                conductor.on_event(event)

        self.running = asyncio.create_task(self.sim.switch.run(hear))
        await self.settle()
        if sim is None:
            await self.conductor.carry_out_orders()
            await self.sim.advance(1000)  # the phones register
            for person in self.people.values():
                await self._order(OrderKind.STATUS, agent_id=person.agent_id, status="available", reason="")
        await self.settle()

    running: "asyncio.Task[None]" = field(init=False)

    async def down(self, *, killed: bool = False) -> None:
        """Drop the curtain; `killed`: nothing that waits is written any more, as after kill -9."""
        if killed:
            self.running.cancel()
            self._lose_what_waits()
        else:
            await self.settle()
            await self.sim.switch.close()
        await asyncio.gather(self.running, return_exceptions=True)
        await asyncio.to_thread(self.books.close, timeout_s=2)
        self.spool.close()
        self.is_dark = True

    def _lose_what_waits(self) -> None:
        """Forget what was neither written nor on disk, as a process that is killed does."""
        self.books._is_closing.set()
        self.books._due.clear()
        self.spool._due.clear()
        waiting: list[queue.SimpleQueue[Any]] = [*self.books._lanes, self.spool._lines]
        for one in waiting:
            with contextlib.suppress(queue.Empty):
                while True:
                    one.get_nowait()
        for task in list(self.conductor._hands.tasks):
            task.cancel()

    async def settle(self) -> None:
        """Wait until everybody has reacted: tasks, threads, books; between two runs nobody is there to."""
        if self.is_dark:
            return
        conductor = getattr(self, "conductor", None)
        for _ in range(4):
            for _ in range(30):
                await asyncio.sleep(0)
            while conductor and (waiting := set(conductor._hands.tasks)):
                await asyncio.wait(waiting, timeout=5)
            if hasattr(self, "books"):
                await asyncio.gather(*(self.books.write(UUID(int=lane), lambda: None) for lane in range(4)))

    async def play(self, script: str) -> None:
        """Play a table: each line `<seconds> <who> <does what>`."""
        began = clock.now()
        for line in filter(None, map(str.strip, script.splitlines())):
            seconds, who, *what = line.split()
            due = began + dt.timedelta(seconds=float(seconds))
            await self.sim.advance(clock.elapsed_ms(clock.now(), due))
            await self._act(who, " ".join(what))
            await self.settle()
        await self.sim.advance(10)

    async def _act(self, who: str, what: str) -> None:
        match who, what.split():
            case name, ["calls", *of] if name.startswith("guest-"):
                self.lines[name] = self.sim.arrive(of[0] if of else DIALLED, CALLER)
            case name, ["presses", keys] if name in self.lines:
                self.sim.presses(self.lines[name], keys)
            case name, ["hangs", "up"] if name in self.lines:
                self.sim.far_end_hangs_up(self.lines[name])
            case "caller", ["calls", *of]:
                self.caller = self.sim.arrive(of[0] if of else DIALLED, CALLER)
            case "callers", ["call", how_many]:
                for _ in range(int(how_many)):
                    self.caller = self.sim.arrive(DIALLED, CALLER)
                    self.callers.append(self.caller)
                    await self.settle()
            case "callers", ["hang", "up"]:
                for channel in self.callers:
                    self.sim.far_end_hangs_up(channel)
                self.callers.clear()
            case "caller", ["presses", keys]:
                self.sim.presses(self.caller, keys)
            case "caller", ["hangs", "up"]:
                self.sim.far_end_hangs_up(self.caller)
            case "dialler", ["dials", number, *options]:
                attempt_id = await asyncio.to_thread(self.clear, E164(number), "detecting" in options)
                await self._order(OrderKind.DIAL, tenant_id=self.company.tenant_id, attempt_id=attempt_id)
            case "outsider", ["hangs", "up"]:
                self.sim.far_end_hangs_up(self.conductor.live[0].outsides[-1].channel)
            case "called", ["hangs", "up"]:
                self.sim.far_end_hangs_up(self.conductor.live[0].channel)
            case "switch", ["drops", "the", "line"]:
                self.sim.drop_connection()
            case "switch", ["is", "back"]:
                self.sim.reconnect()
            case "switch", ["dies"]:
                self.sim.restart(takes_ms=1000)
            case "routing", ["looks", "again"]:
                await self.conductor.widen()
            case "pulse", ["beats"]:
                await self.conductor.heartbeat()
            case name, ["dials", number]:
                found = await asyncio.to_thread(self.dial_by_hand, self.people[name], E164(number))
                assert isinstance(found, Clearance), found
                await self._order(
                    OrderKind.DIAL, tenant_id=self.company.tenant_id, attempt_id=found.attempt_id
                )
            case name, ["gives", "up"]:
                await self._order(
                    OrderKind.HANG_UP,
                    agent_id=self.people[name].agent_id,
                    call_id=self.conductor.live[0].call_id,
                )
            case name, ["presses", keys]:
                self.sim.presses(self.leg_of(name), keys)
            case name, ["breaks", "off"]:
                self.sim.switch.let_end(self.leg_of(name), cause=port.Cause.NO_USER_RESPONSE)
            case name, ["is", "at", "the", "telephone"] | ["is", "in", "the", "browser"]:
                await self._order(
                    OrderKind.RINGS_AT,
                    agent_id=self.people[name].agent_id,
                    telephone=what.endswith("telephone"),
                )
            case name, ["answers"]:
                self.sim.agent_answers(self.people[name].endpoint)
            case name, ["hangs", "up"]:
                agent = self.conductor.floor.agents[self.people[name].agent_id]
                held = next(c for c in self.conductor.live if c.call_id == agent.call_id)
                asked = held.asked
                offer = asked if asked and asked.agent_id == agent.agent_id else held.offer
                assert offer is not None
                self.sim.far_end_hangs_up(offer.channel)
            case name, ["closes", "the", "browser"]:
                self.sim.goes_away(self.people[name].endpoint)
            case name, ["takes", "another", "tab"]:  # which has not registered yet
                self.sim.line_lapses(self.people[name].endpoint)
            case name, ["loses", "the", "browser"]:  # the switch has not noticed that its leg is dead
                self.sim.line_lapses(self.people[name].endpoint, is_silent=True)
            case name, ["opens", "the", "browser"]:
                self.sim.registers(self.people[name].endpoint)
            case name, ["is", status]:
                await self._order(
                    OrderKind.STATUS, agent_id=self.people[name].agent_id, status=status, reason=""
                )
            case name, ["declines"]:
                call = self.conductor.live[0]
                assert call.offer is not None
                await self._order(
                    OrderKind.DECLINE,
                    agent_id=self.people[name].agent_id,
                    offer_id=call.offer.offer_id,
                )
            case name, ["holds", on]:
                await self._order(
                    OrderKind.HOLD,
                    agent_id=self.people[name].agent_id,
                    call_id=self.conductor.live[0].call_id,
                    on=on == "on",
                )
            case name, ["pauses", on]:
                await self.asks_for(name, OrderKind.PAUSE, on=on == "on")
            case name, ["transfers" | "asks" as how, *_, number] if number.startswith("+"):
                await self.brings_in(name, E164(number), is_given=how == "transfers")
            case name, ["sends", "back", "to", number]:
                entry = next(one for one in await asyncio.to_thread(self.rented) if one.digits == number)
                await self.asks_for(name, OrderKind.TRANSFER, number_id=entry.number_id)
            case name, ["transfers", "to", to]:
                target = (
                    {"to_agent_id": self.people[to].agent_id}
                    if to in self.people
                    else {"queue_id": self.queues[to]}
                )
                await self.asks_for(name, OrderKind.TRANSFER, **target)
            case name, ["asks", to]:
                await self.asks_for(name, OrderKind.CONSULT, to_agent_id=self.people[to].agent_id)
            case name, ["swaps" | "merges" | "leaves" | "drops" | "ends" as deed]:
                await self.asks_for(name, OrderKind.CONFER, deed=deed.removesuffix("s"))
            case name, ["listens" | "whispers" | "barges" as how]:
                await self.leads(name, OrderKind.WATCH, ear=how.removesuffix("s"))
            case name, ["listens", "no", "more"]:
                await self.leads(name, OrderKind.WATCH, ear="")
            case name, ["takes", "over"]:
                await self.leads(name, OrderKind.TAKE_OVER)
            case name, ["moves", "the", "caller", "to", to]:
                await self.leads(name, OrderKind.MOVE, queue_id=self.queues[to])
            case name, ["makes", to, status]:
                await self.leads(
                    name,
                    OrderKind.FORCE,
                    to_agent_id=self.people[to].agent_id,
                    status=status,
                    reason="",
                    call_id="",
                )
            case name, ["signs", "out"]:
                await self._order(OrderKind.SIGN_OUT, agent_id=self.people[name].agent_id)
            case name, ["serves"]:
                await self._order(OrderKind.SERVES, agent_id=self.people[name].agent_id)
            case name, ["wraps", "up"]:
                await self._order(OrderKind.WRAPPED, agent_id=self.people[name].agent_id)
            case _:
                message = f"nobody knows how: {who} {what}"
                raise AssertionError(message)

    def leg_of(self, name: str) -> str:
        """Return the channel on which a call is offered to an agent, or they talk."""
        mine = self.people[name].agent_id
        return next(
            one.offer.channel for one in self.conductor.live if one.offer and one.offer.agent_id == mine
        )

    async def asks_for(self, name: str, kind: OrderKind, **details: object) -> None:
        """Leave an order about the call an agent has in hand."""
        agent = self.conductor.floor.agents[self.people[name].agent_id]
        await self._order(kind, agent_id=agent.agent_id, call_id=agent.call_id, **details)

    async def leads(self, name: str, kind: OrderKind, **details: object) -> None:
        """Leave an order of a team leader, about the first call there is."""
        live = self.conductor.live
        about = {"call_id": live[0].call_id if live else "", "tenant_id": self.company.tenant_id}
        await self._order(kind, agent_id=self.people[name].agent_id, **(about | details))

    def rented(self) -> list[Number]:
        """Return the company's numbers."""
        with self.gate.open(self.scope) as session:
            return numbers.all_of(session, tenant_id=self.company.tenant_id)

    async def brings_in(self, name: str, to: E164, *, is_given: bool) -> None:
        """Let an agent bring a number outside into the call in their hands."""
        agent = self.conductor.floor.agents[self.people[name].agent_id]
        assert agent.call_id is not None
        found = await asyncio.to_thread(
            self.clear_outside, agent.agent_id, agent.call_id, to, is_given=is_given
        )
        assert isinstance(found, Clearance), found
        await self._order(OrderKind.DIAL, tenant_id=self.company.tenant_id, attempt_id=found.attempt_id)

    def clear_outside(
        self, agent_id: AgentId, call_id: CallId, to: E164, *, is_given: bool
    ) -> Clearance | Refusal:
        """Clear a number outside for a call in hand; the order to the switchboard is still to be left."""
        with self.gate.open(self.scope) as session:
            tenant_id = self.company.tenant_id
            return by_hand.bring_in(
                session,
                tenant_id=tenant_id,
                agent_id=agent_id,
                call=calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=self.vault),
                to=to,
                is_given=is_given,
                home="Europe/London",
                vault=self.vault,
                at=clock.now(),
            )

    def clear(self, to: E164, detects_machines: bool = False, *, max_per_second: int = 10) -> UUID:  # noqa: FBT001, FBT002
        """Clear a call to a number and hand it on; return its attempt."""
        request = DialRequest(
            tenant_id=self.company.tenant_id,
            attempt_id=new_id(),
            to=to,
            caller_number_id=self.company.number_id,
            queue_id=self.company.queue_id,
            customer_id=None,
            campaign_id=None,
            zone="Europe/London",
            window=ALL_DAY,
            ring_s=15,
            detects_machines=detects_machines,
            max_per_second=max_per_second,
        )
        with self.gate.open(self.scope) as session:
            cleared = clear(session, request=request, vault=self.vault, at=clock.now())
            assert isinstance(cleared, Clearance), cleared
            dialling.dial(session, clearance=cleared, vault=self.vault)
        return request.attempt_id

    def dial_by_hand(self, who: Person, to: E164) -> Clearance | Refusal:
        """Let an agent dial; the order to the switchboard is still to be left."""
        with self.gate.open(self.scope) as session:
            return by_hand.dial(
                session,
                tenant_id=self.company.tenant_id,
                agent_id=who.agent_id,
                to=to,
                queue_id=self.company.queue_id,
                home="Europe/London",
                vault=self.vault,
                at=clock.now(),
            )

    async def _order(self, kind: OrderKind, **details: object) -> None:
        def write() -> None:
            with self.gate.open(_DESK) as session:
                orders.leave(session, kind, **details)

        await asyncio.to_thread(write)
        await self.conductor.carry_out_orders()

    def books_say(self) -> list[str]:
        """Return what stands in the company's books, as lines."""
        tenant_id = self.company.tenant_id
        lines = []
        with self.gate.open(Scope.system(tenant_id)) as session:
            found = calls.page(session, tenant_id=tenant_id, vault=self.vault).calls
            for call in reversed(found):
                agent = call.agent_number if call.bridged_at else "nobody"
                lines.append(
                    f"cdr wait={_s(call.wait_ms)} talk={_s(call.talk_ms)} {call.cause} agent={agent}"
                )
                lines += [
                    f"usage {trace.meter} {_s(trace.quantity_ms)}"
                    f" rated {trace.billed_seconds} s = {trace.amount_nano} nano"
                    for trace in invoices.trace(session, tenant_id=tenant_id, subject_ref=call.call_id)
                ]
        return lines

    @property
    def scope(self) -> Scope:
        """The company's own walls."""
        return Scope.system(self.company.tenant_id)

    def usages_of(self, call_id: CallId) -> list[int]:
        """Return the milliseconds metered for a call, one entry per usage event."""
        tenant_id = self.company.tenant_id
        with self.gate.open(self.scope) as session:
            traces = invoices.trace(session, tenant_id=tenant_id, subject_ref=call_id)
            return [trace.quantity_ms for trace in traces]

    def announced(self) -> list[str]:
        """Return what the company's calls announced, in order."""
        with self.gate.outside() as connection:
            rows = connection.execute(
                text("SELECT name FROM app.outbox WHERE tenant_id = :tenant ORDER BY id"),
                {"tenant": self.company.tenant_id},
            ).scalars()
            return [name for name in rows if name in {"CallEnded", "RecordingCaptured"}]

    def dials_say(self) -> list[str]:
        """Return how each dial ended, in order."""
        with self.gate.open(self.scope) as session:
            rows = session.execute(
                text("SELECT outcome FROM app.outbound_dials ORDER BY attempt_id")
            ).scalars()
            outcomes = [str(one) for one in rows]
        with self.gate.outside() as connection:
            told = connection.execute(
                text("SELECT payload FROM app.outbox WHERE name = 'DialEnded' AND tenant_id = :tenant"),
                {"tenant": self.company.tenant_id},
            ).scalars()
            assert sorted(json.loads(one)["outcome"] for one in told) == sorted(
                one for one in outcomes if one != "None"
            )
        return outcomes

    def timeline(self) -> list[str]:
        """Return the steps of the last call."""
        tenant_id = self.company.tenant_id
        with self.gate.open(Scope.system(tenant_id)) as session:
            last = calls.page(session, tenant_id=tenant_id, vault=self.vault).calls[0]
            steps = calls.timeline(session, tenant_id=tenant_id, call_id=CallId(last.call_id))
        return [step.kind for step in steps]

    def states(self, name: str) -> list[str]:
        """Return the states an agent went through, in order."""
        with self.gate.open(_DESK) as session:
            rows = session.execute(
                text("SELECT state FROM app.agent_time WHERE agent_id = :agent ORDER BY position"),
                {"agent": self.people[name].agent_id},
            ).scalars()
            return list(rows)


def _s(ms: int | None) -> str:
    return "none" if ms is None else f"{ms / 1000:g}s"
