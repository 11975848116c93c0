"""A team leader's orders: listening in, taking over, moving who waits, changing another's status."""

import asyncio
from uuid import UUID

from core import clock
from core.ids import AgentId, CallId, QueueId, TenantId
from seats.roster import Lead
from telephony.conductor.asked import Calls
from telephony.conductor.attendance import Attendance
from telephony.conductor.states import SUPERVISING, States
from telephony.conductor.supervision import Ear
from telephony.orders import Order, OrderKind
from telephony.routing.floor import FREE, Agent, Floor

SIGNED_OUT = "signed-out"  # the status a leader gives who is to be signed out
_NEEDS = {
    OrderKind.TAKE_OVER: Lead.TAKE_OVER,
    OrderKind.MOVE: Lead.MOVE,
    OrderKind.FORCE: Lead.FORCE,
}


class Leading:
    """What team leaders have done to others' calls and states."""

    def __init__(self, *, floor: Floor, states: States, attendance: Attendance, calls: Calls) -> None:
        self._floor, self._states, self._attendance, self._calls = floor, states, attendance, calls

    async def lead(self, leader: Agent, order: Order) -> str:
        """Carry out what a team leader wants; what they may with this company is looked up now."""
        tenant_id = TenantId(UUID(order.details["tenant_id"]))
        about = order.details.get("call_id")
        call_id = CallId(UUID(about)) if about else None
        if order.kind is OrderKind.WATCH and not order.details["ear"]:
            return await self._calls.supervision.leave(leader.agent_id)
        ear = Ear(order.details["ear"]) if order.kind is OrderKind.WATCH else None
        needed = Lead(ear.value) if ear else _NEEDS[order.kind]
        one, _ = await asyncio.to_thread(self._attendance.read_one, leader.agent_id)
        if needed not in one.leads.get(tenant_id, frozenset()):
            return "not-granted"
        if leader.is_at_telephone and (ear or order.kind is OrderKind.TAKE_OVER):
            return "at-telephone"
        call = next((one for one in self._calls.live if one.call_id == call_id), None)
        if call_id and (call is None or call.arrival.tenant_id != tenant_id):
            return "not-talking"
        if call_id and ear:
            return await self._calls.supervision.watch(leader, call_id, ear)
        if call_id and order.kind is OrderKind.MOVE:
            queue_id = QueueId(UUID(order.details["queue_id"]))
            return await self._calls.move(call_id, queue_id=queue_id, leader=leader.number)
        if call_id:
            return await self._take_over(leader, call_id)
        return await self._force(tenant_id, order)

    async def _take_over(self, leader: Agent, call_id: CallId) -> str:
        """Ring the leader for a call of somebody else; the ear they have on it goes first."""
        if self._floor.ready_to_dial(leader.agent_id) is None and leader.state != SUPERVISING:
            return "not-free"
        wished = leader.next_state or leader.state
        await self._attendance.out_of_the_call(leader)
        self._states.become(leader, FREE, clock.now())
        outcome = await self._calls.transfer(call_id, agent_id=leader.agent_id)
        if outcome != "done" and leader.state == FREE:
            self._states.become(leader, wished, clock.now())
            self._calls.route()
        return outcome

    async def _force(self, tenant_id: TenantId, order: Order) -> str:
        """Change the status of an agent who works for this company alone, or sign them out."""
        agent = self._floor.agents.get(AgentId(UUID(order.details["to_agent_id"])))
        if agent is None:
            return "not-signed-in"
        if agent.seat_renter != tenant_id and agent.clients != {tenant_id}:
            return "not-yours-alone"
        if order.details["status"] == SIGNED_OUT:
            return await self._attendance.send_home(agent, order.details.get("reason", ""))
        self._states.sent_home.discard(agent.agent_id)
        return self._states.choose(agent, order.details["status"], order.details.get("reason", ""))
