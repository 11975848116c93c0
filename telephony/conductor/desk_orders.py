"""The orders of the doorways: what agents and pages have asked of the switchboard, oldest first."""

import asyncio
from functools import partial
from typing import Protocol, runtime_checkable
from uuid import UUID

from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, AgentId, CallId, NumberId, QueueId, RoomId, TenantId
from security.gate import Gate, Scope
from telephony import orders
from telephony.conductor import facts, phases
from telephony.conductor.asked import Calls
from telephony.conductor.attendance import Attendance
from telephony.conductor.books import Books
from telephony.conductor.facts import Fact
from telephony.conductor.leading import Leading
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Lost
from telephony.conductor.states import States
from telephony.conductor.telling import Telling
from telephony.conductor.wrap_ups import WrapUps
from telephony.orders import Deed, Order, OrderKind
from telephony.routing.floor import Agent, Floor
from telephony.switch.port import Cause, Switch

_DESK = Scope.system(OPERATOR)
_LEADS = frozenset({OrderKind.WATCH, OrderKind.TAKE_OVER, OrderKind.MOVE, OrderKind.FORCE})
_IN_ROOMS = frozenset({OrderKind.SEND_OUT, OrderKind.MUTE_IN_ROOM, OrderKind.LOCK_ROOM})


@runtime_checkable
class Simulated(Protocol):
    """A switch without telephones, whose callers come and whose phones are answered by order."""

    def let_answer(self, endpoint: str) -> str:
        """Pick the ringing phone up; return its channel."""
        ...

    def let_arrive(self, dnis: str, ani: str, *, trunk: str) -> str:
        """Let somebody call; return the channel."""
        ...


class DeskOrders:
    """What pages have asked, carried out."""

    def __init__(
        self,
        *,
        switch: Switch,
        gate: Gate,
        books: Books,
        floor: Floor,
        telling: Telling,
        states: States,
        wrap_ups: WrapUps,
        attendance: Attendance,
        leading: Leading,
        calls: Calls,
    ) -> None:
        self._switch, self._gate, self._books, self._floor = switch, gate, books, floor
        self._telling, self._states, self._wrap_ups = telling, states, wrap_ups
        self._attendance, self._leading, self._calls = attendance, leading, calls

    async def carry_out(self) -> int:
        """Carry out what the doorways have left, oldest first; return how many."""
        waiting = await asyncio.to_thread(self._read)
        for order in waiting:
            try:
                outcome = await self._carry_out_one(order)
            except SeatlineError as error:
                outcome = error.code
            await asyncio.to_thread(self._mark_done, order.order_id, outcome)
        await self._attendance.let_home()
        return len(waiting)

    async def _carry_out_one(self, order: Order) -> str:
        if order.kind is OrderKind.RELOAD:
            await self._calls.reload()
            return "done"
        if order.kind is OrderKind.DIAL:
            tenant_id = TenantId(UUID(order.details["tenant_id"]))
            return await self._calls.dial(tenant_id, UUID(order.details["attempt_id"]))
        if order.kind is OrderKind.END_CALLS_OUT:
            whose = order.details["tenant_id"]
            return f"ended {self._calls.end_calls_out(TenantId(UUID(whose)) if whose else None)}"
        if order.kind in _IN_ROOMS:
            return await self._in_room(order)
        if order.kind is OrderKind.SIMULATE:
            if not isinstance(self._switch, Simulated):
                return "not-simulated"
            self._switch.let_arrive(order.details["dnis"], order.details["ani"], trunk="simulated")
            return "done"
        agent_id = AgentId(UUID(order.details["agent_id"]))
        if order.kind is OrderKind.SIGN_IN:
            return await self._attendance.sign_in(agent_id)
        if order.kind is OrderKind.WRAPPED:
            wrap, about = self._wrap_ups.wraps.get(agent_id), order.details.get("call_id")
            if wrap and wrap.call_id and about not in {None, str(wrap.call_id)}:
                return "out-of-date"
            self._wrap_ups.over(agent_id)
            return "done"
        agent = self._floor.agents.get(agent_id)
        if agent is None:
            return "not-signed-in"
        match order.kind:
            case OrderKind.SIGN_OUT:
                return await self._attendance.sign_out(agent)
            case OrderKind.STATUS:
                return self._states.choose(agent, order.details["status"], order.details.get("reason", ""))
            case OrderKind.RINGS_AT:
                return await self._attendance.rings_at(agent, is_telephone=bool(order.details["telephone"]))
            case OrderKind.EXTEND:
                return self._wrap_ups.extend(agent, order.details["call_id"])
            case OrderKind.SERVES:
                return await self._attendance.serves(agent)
            case kind if kind in _LEADS:
                outcome = await self._leading.lead(agent, order)
                if outcome not in {"done", "after-the-call"}:
                    self._books.write(
                        agent.agent_id,
                        partial(self._telling.publish, agent.agent_id, "lead-refused", reason=outcome),
                    )
                return outcome
            case _:
                return await self._about_the_call(agent, order)

    async def _in_room(self, order: Order) -> str:
        """Do something in the conference room somebody looked at, and in no other."""
        about = order.details
        tenant_id, room_id = TenantId(UUID(about["tenant_id"])), RoomId(UUID(about["room_id"]))
        if order.kind is OrderKind.LOCK_ROOM:
            return await self._calls.lock_room(tenant_id, room_id, on=bool(about["on"]))
        call_id = CallId(UUID(about["call_id"]))
        if order.kind is OrderKind.MUTE_IN_ROOM:
            return await self._calls.mute_in_room(tenant_id, room_id, call_id, on=bool(about["on"]))
        call = next((one for one in self._calls.live if one.call_id == call_id), None)
        if call is None or call.arrival.tenant_id != tenant_id or call.phase is not phases.Phase.ROOM:
            return "not-in-room"
        if call.room is None or call.room.room_id != room_id:
            return "not-in-room"
        self._calls.feed(call_id, facts.SentOutOfRoom(clock.now()))
        return "done"

    async def _about_the_call(self, agent: Agent, order: Order) -> str:
        """Carry out an order about the call in hand; an order about another call is out of date."""
        call = next((one for one in self._calls.live if one.call_id == agent.call_id), None)
        if call and call.asked and call.asked.agent_id == agent.agent_id:
            return await self._when_asked(call, call.asked, order)
        if call is None or call.offer is None or call.offer.agent_id != agent.agent_id:
            return "no-call-in-hand"
        offer, now = call.offer, clock.now()
        about = order.details.get("call_id") or order.details.get("offer_id")
        if about not in {str(call.call_id), str(offer.offer_id)}:
            return "out-of-date"
        match order.kind:
            case OrderKind.DECLINE:
                self._calls.feed(call.call_id, facts.OfferLost(now, offer.offer_id, Lost.DECLINED))
            case OrderKind.HOLD:
                self._calls.feed(call.call_id, facts.Held(now, on=bool(order.details["on"])))
            case OrderKind.REJOIN:
                await self._calls.rejoin(call.call_id)
            case OrderKind.PAUSE:
                wanted = bool(order.details["on"])
                if not await self._calls.pause_recording(call.call_id, on=wanted):
                    self._books.write(
                        agent.agent_id,
                        partial(
                            self._telling.publish, agent.agent_id, "recording-goes-on" if wanted else "state"
                        ),
                    )
                    return "recording-goes-on"
                self._telling.tell(agent)
            case OrderKind.HANG_UP if call.phase in {phases.Phase.DIALLING, phases.Phase.RINGING}:
                self._calls.feed(call.call_id, facts.GivenUp(now))
            case OrderKind.TRANSFER | OrderKind.CONSULT:
                return await self._give_on(agent, call, order)
            case OrderKind.CONFER:
                return self._confer(agent, call, Deed(order.details["deed"]))
            case OrderKind.HANG_UP if call.consult:
                self._calls.feed(call.call_id, facts.EndedForAll(now))
            case OrderKind.HANG_UP if call.is_parked or self._calls.is_returning(call.call_id):
                # the leg in the call is a broken one: its end would not be taken for the agent's wish
                self._calls.feed(call.call_id, facts.AgentGone(now, Cause.NORMAL))
                await self._switch.hang_up(offer.channel)
            case OrderKind.HANG_UP:
                await self._switch.hang_up(offer.channel)
            case OrderKind.ANSWER:
                if not isinstance(self._switch, Simulated):
                    return "answer-at-the-phone"
                if offer.is_at_telephone:
                    self._calls.take_at_telephone(call.call_id)
                else:
                    self._switch.let_answer(offer.endpoint)
            case _:
                return "unknown"
        return "done"

    async def _when_asked(self, call: LiveCall, offer: Offer, order: Order) -> str:
        """Carry out an order of an agent who is asked about a call: they may come and go, no more."""
        now = clock.now()
        match order.kind:
            case OrderKind.DECLINE:
                self._calls.feed(call.call_id, facts.OfferLost(now, offer.offer_id, Lost.DECLINED))
            case OrderKind.HANG_UP:
                await self._switch.hang_up(offer.channel)
            case OrderKind.ANSWER if isinstance(self._switch, Simulated):
                self._switch.let_answer(offer.endpoint)
            case _:
                return "not-yours"
        return "done"

    async def _give_on(self, agent: Agent, call: LiveCall, order: Order) -> str:
        """Give a call on, or ask somebody about it; the console is told when that cannot be."""
        to, queue = order.details.get("to_agent_id"), order.details.get("queue_id")
        entry = order.details.get("number_id")
        to_agent = AgentId(UUID(to)) if to else None
        if to_agent == agent.agent_id:
            outcome = "agent-busy"
        elif order.kind is OrderKind.CONSULT and to_agent:
            outcome = await self._calls.consult(call.call_id, agent_id=to_agent)
        elif entry:
            outcome = await self._calls.send_back(call.call_id, number_id=NumberId(UUID(entry)))
        else:
            queue_id = QueueId(UUID(queue)) if queue else None
            outcome = await self._calls.transfer(call.call_id, queue_id=queue_id, agent_id=to_agent)
        if outcome != "done":
            self._telling.say_refused(agent.agent_id, outcome)
        return outcome

    def _confer(self, agent: Agent, call: LiveCall, deed: Deed) -> str:
        now, before = clock.now(), call.consult
        told: dict[Deed, Fact] = {
            Deed.SWAP: facts.Swapped(now),
            Deed.MERGE: facts.Merged(now),
            Deed.LEAVE: facts.AgentLeft(now),
            Deed.DROP: facts.ConsultEnded(now),
            Deed.END: facts.EndedForAll(now),
        }
        self._calls.feed(call.call_id, told[deed])
        if call.consult == before:
            self._telling.say_refused(agent.agent_id, "not-now")
            return "not-now"
        return "done"

    def _read(self) -> list[Order]:
        with self._gate.open(_DESK) as session:
            return orders.waiting(session)

    def _mark_done(self, order_id: UUID, outcome: str) -> None:
        with self._gate.open(_DESK) as session:
            orders.done(session, order_id=order_id, outcome=outcome)
