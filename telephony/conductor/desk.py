"""The agents' side of the switchboard, made of its parts: who is there, and what follows from a call.

The floor in memory decides; the seats room keeps agent time, written beside it in order. What an agent's
console shows is told to it after the write.
"""

import asyncio
from collections.abc import Mapping

from core import clock
from core.ids import OPERATOR, AgentId, TenantId
from core.realtime import Realtime
from seats import desk as seating
from seats.desk import ServingAgent
from seats.rules import CALL_IN_HAND, Activity, activity
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import endpoints, telephones, work
from telephony.conductor import actions
from telephony.conductor.asked import Calls
from telephony.conductor.attendance import Attendance
from telephony.conductor.books import Books
from telephony.conductor.desk_orders import DeskOrders
from telephony.conductor.items import Items, wraps_until
from telephony.conductor.leading import Leading
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Lost
from telephony.conductor.phones import Phones
from telephony.conductor.states import SUPERVISING, States
from telephony.conductor.telling import Telling
from telephony.conductor.wrap_ups import MORE_TIME, WrapUps
from telephony.queues import Queue
from telephony.routing.floor import FREE, Floor
from telephony.switch.port import Switch
from telephony.work import WorkItem

_DESK = Scope.system(OPERATOR)
_OFFLINE = Activity.OFFLINE.value
_WRAP_UP = Activity.WRAP_UP.value


class Desk:
    """Agents on the floor."""

    def __init__(
        self,
        *,
        switch: Switch,
        gate: Gate,
        vault: Vault,
        realtime: Realtime,
        books: Books,
        floor: Floor,
        calls: Calls,
    ) -> None:
        self._gate, self._vault, self._floor, self._calls = gate, vault, floor, calls
        self.telling = telling = Telling(realtime=realtime, books=books)
        self.states = states = States(books=books, floor=floor, telling=telling, calls=calls)
        self._items = items = Items(books=books, telling=telling)
        self.wrap_ups = wrap_ups = WrapUps(
            vault=vault, books=books, floor=floor, telling=telling, states=states, items=items, calls=calls
        )
        self.phones = Phones(
            switch=switch,
            gate=gate,
            vault=vault,
            books=books,
            floor=floor,
            telling=telling,
            states=states,
            wrap_ups=wrap_ups,
        )
        self._attendance = attendance = Attendance(
            switch=switch,
            gate=gate,
            vault=vault,
            books=books,
            floor=floor,
            telling=telling,
            states=states,
            items=items,
            wrap_ups=wrap_ups,
            calls=calls,
        )
        self.orders = DeskOrders(
            switch=switch,
            gate=gate,
            books=books,
            floor=floor,
            telling=telling,
            states=states,
            wrap_ups=wrap_ups,
            attendance=attendance,
            leading=Leading(floor=floor, states=states, attendance=attendance, calls=calls),
            calls=calls,
        )

    async def load(self) -> None:
        """Place everybody who is signed in on the floor, as the seats room remembers them."""
        serving, phones, items, rings_for = await asyncio.to_thread(self._read_all)
        names = {one.agent_id: one.name for one in phones}
        for one in serving:
            if one.presence is None:
                continue
            agent_id = one.agent.id
            agent = self._attendance.place(one, names.get(agent_id, ""), rings_for.get(agent_id))
            item = items.get(agent_id)
            if agent.state == SUPERVISING:  # an ear does not outlive the switchboard that gave it
                self.states.become(agent, _OFFLINE, clock.now())
            if item and agent.state == _WRAP_UP:
                self._items.offers[agent.agent_id] = item.offer_id
                agent.call_id = item.call_id
                self.wrap_ups.begin(
                    agent,
                    item.wrap_until if item.state == _WRAP_UP else clock.now(),
                    tenant_id=item.tenant_id,
                    began_at=item.ended_at or clock.now(),
                    holds_over=item.holds_over and item.state == _WRAP_UP,
                )

    async def switch_is_back(self) -> None:
        """Give a switch that may have been started anew its phones, and free agents whose call is gone."""
        await self.phones.give()
        busy = {call.offer.agent_id for call in self._calls.live if call.offer}
        busy |= {call.asked.agent_id for call in self._calls.live if call.asked}
        for agent in list(self._floor.agents.values()):
            if agent.agent_id not in busy and activity(agent.state) in CALL_IN_HAND:
                self.states.become(agent, FREE, clock.now(), observed=True)
            if agent.agent_id not in busy and agent.state != _WRAP_UP:
                self._items.let_go(agent.agent_id)  # an item a crash left open would lock their console
            elif agent.agent_id not in self.wrap_ups.wraps and agent.state == _WRAP_UP:
                self.wrap_ups.begin(agent, clock.now() + MORE_TIME, tenant_id=None, began_at=clock.now())

    def takes_over(self, call: LiveCall, offer: Offer) -> None:
        """Bind an agent to a call an earlier run left in their hands."""
        agent = self._floor.agents.get(offer.agent_id)
        if agent:
            agent.call_id = call.call_id
            self._items.offers[agent.agent_id] = offer.offer_id

    def follow(self, action: actions.Agent, *, call: LiveCall, queue: Queue) -> None:
        """Let an agent's state follow the call in their hands."""
        agent = self._floor.agents.get(action.agent_id)
        if agent is None:
            return
        tenant_id, offer = call.arrival.tenant_id, call.offer_of(action.offer_id)
        if action.item in {"offered", "dialling"} and offer:
            self._items.offers[agent.agent_id] = action.offer_id
            self._items.offer(agent, call, offer.expires_at, action)
        elif action.item != "reserved":  # for a call out, which is offered only when somebody picks up
            self._items.advance(agent, action, queue)
        if action.state is None:
            agent.call_id = None
            self._items.offers.pop(agent.agent_id, None)
            self.states.become(agent, self.states.after(agent, action.why), action.at)
            if action.why in {Lost.CALLER_LEFT, Lost.SWITCH_LOST, Lost.NOT_REACHED, Lost.NOT_NEEDED}:
                self._calls.route()
            return
        # a phone that rings shows itself, and the offer was told of: nothing else may keep the pop waiting
        is_told = action.item not in {"offered", "ringing"}
        self.states.become(
            agent, action.state, action.at, work_tenant=tenant_id, subject=call.call_id, is_told=is_told
        )
        if action.state == _WRAP_UP:
            until = wraps_until(action, queue)
            self.wrap_ups.begin(
                agent, until, tenant_id=tenant_id, began_at=action.at, holds_over=queue.holds_over
            )

    def _read_all(
        self,
    ) -> tuple[
        list[ServingAgent],
        list[endpoints.Endpoint],
        dict[AgentId, WorkItem],
        Mapping[AgentId, frozenset[TenantId]],
    ]:
        with self._gate.open(_DESK) as session:
            serving = seating.serving(session)
            held = (work.in_hand(session, agent_id=one.agent.id) for one in serving if one.presence)
            items = {item.agent_id: item for item in held if item}
            phones = endpoints.issued(session, vault=self._vault)
            return serving, phones, items, telephones.chosen(session)
