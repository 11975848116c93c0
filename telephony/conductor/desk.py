"""The agents' side of the switchboard: sign-in, phones, states, wrap-up, and the orders of the doorways.

The floor in memory decides; the seats room keeps agent time, written beside it in order. What an agent's
console shows is told to it after the write: thin messages with ids, the console fetches the rest.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, AgentId, CallId, NumberId, OfferId, QueueId, TenantId, public
from core.realtime import Realtime
from seats import desk as seating
from seats import presence
from seats.desk import ServingAgent
from seats.errors import BeforeShiftError, FutureChangeError, IllegalTransitionError, NotSignedInError
from seats.roster import Lead
from seats.rules import CALL_IN_HAND, Activity, activity, away
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import drafts, endpoints, orders, work
from telephony.calls import TO_COLLEAGUE
from telephony.conductor import actions, facts, phases
from telephony.conductor.books import Books
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Lost
from telephony.conductor.supervision import Ear, Supervision
from telephony.orders import Deed, Order, OrderKind
from telephony.queues import Queue
from telephony.routing.floor import FREE, Agent, Floor
from telephony.routing.strategy import Duty, Skill
from telephony.switch.port import Cause, Switch, SwitchError
from telephony.work import WorkItem

_NAMES = UUID("018f5c7e-6f0a-7000-8000-7365a7116e01")  # the namespace of our event ids
_OFFLINE = Activity.OFFLINE.value
_WRAP_UP = Activity.WRAP_UP.value
SUPERVISING = away("supervising")
SIGNED_OUT = "signed-out"  # the status a leader gives who is to be signed out
SENT_HOME = "sent-home"  # why somebody is away until then
_LEADS = frozenset({OrderKind.WATCH, OrderKind.TAKE_OVER, OrderKind.MOVE, OrderKind.FORCE})
_DESK = Scope.system(OPERATOR)
_NEEDS = {
    OrderKind.TAKE_OVER: Lead.TAKE_OVER,
    OrderKind.MOVE: Lead.MOVE,
    OrderKind.FORCE: Lead.FORCE,
}
_LOOK_EVERY = dt.timedelta(minutes=1)
_MORE_TIME = dt.timedelta(seconds=60)  # what an agent gets when they ask for it
_log = log.get(__name__)


class Calls(Protocol):
    """What the desk asks of the conductor."""

    @property
    def live(self) -> list[LiveCall]:
        """Return the calls in progress."""
        ...

    def feed(self, call_id: CallId, fact: Fact) -> None:
        """Move a call on by one fact."""
        ...

    def route(self) -> None:
        """Offer waiting calls to free agents."""
        ...

    async def reload(self) -> None:
        """Read numbers, queues and limits anew."""
        ...

    async def dial(self, tenant_id: TenantId, attempt_id: UUID) -> str:
        """Place a cleared call; return what became of the order."""
        ...

    def end_calls_out(self, tenant_id: TenantId | None) -> int:
        """End the calls out of a company, or of all; return how many."""
        ...

    async def rejoin(self, call_id: CallId) -> None:
        """Bring the agent of this call back into it."""
        ...

    def is_returning(self, call_id: CallId) -> bool:
        """Whether the agent of this call is being brought back into it just now."""
        ...

    async def transfer(
        self, call_id: CallId, *, queue_id: QueueId | None = None, agent_id: AgentId | None = None
    ) -> str:
        """Give a call to a queue of its company, or to a free agent of it."""
        ...

    async def consult(self, call_id: CallId, *, agent_id: AgentId) -> str:
        """Ask a free agent about a call."""
        ...

    async def send_back(self, call_id: CallId, *, number_id: NumberId) -> str:
        """Give the caller back to the entry of one of the company's numbers."""
        ...

    async def pause_recording(self, call_id: CallId, *, on: bool) -> bool:
        """Keep what is said out of a call's recording, or in again; return whether that is so now."""
        ...

    async def move(self, call_id: CallId, *, queue_id: QueueId, leader: int) -> str:
        """Let a caller who waits wait in another queue of their company."""
        ...

    @property
    def supervision(self) -> Supervision:
        """Return the leaders who are in others' calls."""
        ...


@dataclass(slots=True)
class _WrapUp:
    """A wrap-up in progress: of which call, and when its time is up."""

    tenant_id: TenantId | None
    call_id: CallId | None
    began_at: dt.datetime
    until: dt.datetime | None  # None: it has no limit
    timer: asyncio.TimerHandle | None
    offer_id: OfferId | None = None
    holds_over: bool = False  # without an outcome it goes on when its time is up

    def is_overdue(self, at: dt.datetime) -> bool:
        """Whether its agent should have given the outcome by now."""
        return self.holds_over and self.until is not None and at >= self.until


@runtime_checkable
class Simulated(Protocol):
    """A switch without telephones, whose callers come and whose phones are answered by order."""

    def let_answer(self, endpoint: str) -> str:
        """Pick the ringing phone up; return its channel."""
        ...

    def let_arrive(self, dnis: str, ani: str, *, trunk: str) -> str:
        """Let somebody call; return the channel."""
        ...


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
        self._switch, self._gate, self._vault = switch, gate, vault
        self._realtime, self._books, self._floor, self._calls = realtime, books, floor, calls
        self._wraps: dict[AgentId, _WrapUp] = {}
        self._offers: dict[AgentId, OfferId] = {}
        self._sent_home: set[AgentId] = set()  # to be signed out when the work in hand is over
        self._is_stirred = True
        self._look_at = dt.datetime.min.replace(tzinfo=dt.UTC)  # when phones are looked at for their age
        # one thread, so that what is said of an agent arrives in order; Redis may keep it waiting
        self._voice = ThreadPoolExecutor(1, thread_name_prefix="desk-says")

    # --- who is there -------------------------------------------------------------------------------

    async def load(self) -> None:
        """Place everybody who is signed in on the floor, as the seats room remembers them."""
        serving, phones, items = await asyncio.to_thread(self._read_all)
        names = {one.agent_id: one.name for one in phones}
        for one in serving:
            if one.presence is None:
                continue
            agent, item = self._place(one, names.get(one.agent.id, "")), items.get(one.agent.id)
            if agent.state == SUPERVISING:  # an ear does not outlive the switchboard that gave it
                self._become(agent, _OFFLINE, clock.now())
            if item and agent.state == _WRAP_UP:
                self._offers[agent.agent_id] = item.offer_id
                agent.call_id = item.call_id
                self._wrap_up_until(
                    agent,
                    item.wrap_until if item.state == _WRAP_UP else clock.now(),
                    tenant_id=item.tenant_id,
                    began_at=item.ended_at or clock.now(),
                    holds_over=item.holds_over and item.state == _WRAP_UP,
                )

    async def switch_is_back(self) -> None:
        """Give a switch that may have been started anew its phones, and free agents whose call is gone."""
        phones = await asyncio.to_thread(self._read_phones)
        for phone in phones:
            try:
                await self._switch.put_endpoint(phone.name, password=phone.password)
                is_online = await self._switch.online(phone.name)
            except SwitchError as error:
                _log.warning("phone-not-given", error=error.code)
                continue
            self.phone_changed(phone.name, is_online=is_online, at=clock.now())
        busy = {call.offer.agent_id for call in self._calls.live if call.offer}
        busy |= {call.asked.agent_id for call in self._calls.live if call.asked}
        for agent in list(self._floor.agents.values()):
            if agent.agent_id not in busy and activity(agent.state) in CALL_IN_HAND:
                self._become(agent, FREE, clock.now(), observed=True)
            if agent.agent_id not in busy and agent.state != _WRAP_UP:
                self._let_go(agent.agent_id)  # an item a crash left open would lock their console
            elif agent.agent_id not in self._wraps and agent.state == _WRAP_UP:
                self._wrap_up_until(agent, clock.now() + _MORE_TIME, tenant_id=None, began_at=clock.now())

    def takes_over(self, call: LiveCall, offer: Offer) -> None:
        """Bind an agent to a call an earlier run left in their hands."""
        agent = self._floor.agents.get(offer.agent_id)
        if agent:
            agent.call_id = call.call_id
            self._offers[agent.agent_id] = offer.offer_id

    def phone_changed(self, endpoint: str, *, is_online: bool, at: dt.datetime) -> None:
        """An agent's phone registered or went away; who cannot be rung is not available."""
        agent = self._floor.by_endpoint(endpoint)
        if agent is None or agent.is_online == is_online:
            return
        agent.is_online = is_online
        if not is_online and agent.state == FREE and agent.call_id is None:
            self._become(agent, _OFFLINE, at)
        elif is_online and agent.state == _OFFLINE:
            self._become(agent, FREE, at)
        else:
            self._tell(agent)
        self.stir()

    async def renew_phones(self) -> None:
        """Give phones whose password is old another one, unless their agent has something in hand.

        Name and password of before are refused from then on; the console takes up the new ones.
        Looks once a minute.
        """
        now = clock.now()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY
        for phone in await asyncio.to_thread(self._read_old_phones):
            agent = self._floor.agents.get(phone.agent_id)
            if agent is None or (
                agent.call_id is None
                and agent.agent_id not in self._wraps
                and activity(agent.state) not in CALL_IN_HAND
            ):
                await self._renew(phone, agent)

    async def _renew(self, phone: endpoints.Endpoint, agent: Agent | None) -> None:
        # unreachable before anything is awaited: nobody rings a phone that is on its way out
        self.phone_changed(phone.name, is_online=False, at=clock.now())

        def write(session: Session) -> endpoints.Endpoint | None:
            endpoints.drop(session, agent_id=phone.agent_id)
            return endpoints.issue(session, agent_id=phone.agent_id, vault=self._vault) if agent else None

        made: endpoints.Endpoint | None = await self._books.enter(
            phone.agent_id, _DESK, write, is_urgent=True
        )
        try:
            await self._switch.drop_endpoint(phone.name)
            if made and agent:
                await self._switch.put_endpoint(made.name, password=made.password)
        except SwitchError as error:  # a switch that comes back is given the phones that stand
            _log.warning("phone-not-renewed", error=error.code)
        if made and agent and self._floor.agents.get(phone.agent_id) is agent:
            self._floor.remove(agent.agent_id)
            agent.endpoint = made.name
            self._floor.place(agent)
            self._tell(agent)

    # --- with a call --------------------------------------------------------------------------------

    def follow(self, action: actions.Agent, *, call: LiveCall, queue: Queue) -> None:
        """Let an agent's state follow the call in their hands."""
        agent = self._floor.agents.get(action.agent_id)
        if agent is None:
            return
        tenant_id, offer = call.arrival.tenant_id, call.offer_of(action.offer_id)
        if action.item in {"offered", "dialling"} and offer:
            self._offers[agent.agent_id] = action.offer_id
            self._write_offer(agent, call, offer.expires_at, action)
        elif action.item != "reserved":  # for a call out, which is offered only when somebody picks up
            self._write_item(agent, action, queue)
        if action.state is None:
            agent.call_id = None
            self._offers.pop(agent.agent_id, None)
            self._become(agent, self._after(agent, action.why), action.at)
            if action.why in {Lost.CALLER_LEFT, Lost.SWITCH_LOST, Lost.NOT_REACHED, Lost.NOT_NEEDED}:
                self._calls.route()
            return
        # a phone that rings shows itself, and the offer was told of: nothing else may keep the pop waiting
        is_told = action.item not in {"offered", "ringing"}
        self._become(
            agent, action.state, action.at, work_tenant=tenant_id, subject=call.call_id, is_told=is_told
        )
        if action.state == _WRAP_UP:
            until = _wraps_until(action, queue)
            self._wrap_up_until(
                agent, until, tenant_id=tenant_id, began_at=action.at, holds_over=queue.holds_over
            )

    def _after(self, agent: Agent, why: Lost | None) -> str:
        """Return what an agent becomes when an offer came to nothing."""
        match why:
            case Lost.DECLINED:
                return away("declined")
            case Lost.NO_ANSWER:
                return away("missed")
            case Lost.PHONE_GONE:
                agent.is_online = False
                return _OFFLINE
            case _:
                return self._next(agent)

    def _next(self, agent: Agent) -> str:
        """Return what an agent becomes after the work in hand: what they wished, once, or free."""
        state, agent.next_state = agent.next_state or FREE, None
        return _OFFLINE if state == FREE and not agent.is_online else state

    def _wrap_up_until(
        self,
        agent: Agent,
        until: dt.datetime | None,
        *,
        tenant_id: TenantId | None,
        began_at: dt.datetime,
        holds_over: bool = False,
    ) -> None:
        """Free the agent at the wrap-up's deadline; without one, they free themselves."""
        self._stop_clock(agent.agent_id)
        timer = None
        if until:
            left_s = max(0.0, (until - clock.now()).total_seconds())
            over = self._time_up if holds_over else self._wrapped
            timer = asyncio.get_running_loop().call_later(left_s, over, agent.agent_id)
        offer_id = self._offers.get(agent.agent_id)
        self._wraps[agent.agent_id] = _WrapUp(
            tenant_id, agent.call_id, began_at, until, timer, offer_id, holds_over
        )

    def is_overdue(self, agent_id: AgentId, at: dt.datetime) -> bool:
        """Whether an agent's wrap-up should be over, and waits for its outcome."""
        wrap = self._wraps.get(agent_id)
        return wrap is not None and wrap.is_overdue(at)

    def _time_up(self, agent_id: AgentId) -> None:
        """End a wrap-up that needs an outcome if one is chosen already; else it is overdue, and shown so."""
        wrap = self._wraps.get(agent_id)
        if wrap is None or wrap.tenant_id is None or wrap.call_id is None:
            self._wrapped(agent_id)
            return
        tenant_id, call_id, leg_id = wrap.tenant_id, wrap.call_id, wrap.offer_id

        def chosen(session: Session) -> bool:
            return drafts.has_outcome(
                session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault
            )

        def known(asked: asyncio.Future[bool]) -> None:
            if self._wraps.get(agent_id) is not wrap:
                return  # saved, or given more time, meanwhile
            if not asked.cancelled() and asked.exception() is None and asked.result():
                self._wrapped(agent_id)
            elif agent := self._floor.agents.get(agent_id):
                self._tell(agent)
                self.stir()

        self._books.enter(call_id, Scope.system(tenant_id), chosen).add_done_callback(known)

    def _stop_clock(self, agent_id: AgentId) -> _WrapUp | None:
        wrap = self._wraps.pop(agent_id, None)
        if wrap and wrap.timer:
            wrap.timer.cancel()
        return wrap

    def _extend(self, agent: Agent, call_id: str) -> str:
        """Give a wrap-up more time, up to its longest."""
        wrap, offer_id = self._wraps.get(agent.agent_id), self._offers.get(agent.agent_id)
        if agent.state != _WRAP_UP or wrap is None or offer_id is None or call_id != str(wrap.call_id):
            return "out-of-date"
        if wrap.until is None:
            return "no-limit"
        until = min(max(wrap.until, clock.now()) + _MORE_TIME, wrap.began_at + work.LONGEST_WRAP_UP)
        if until <= wrap.until:
            return "longest-already"
        self._wrap_up_until(
            agent, until, tenant_id=wrap.tenant_id, began_at=wrap.began_at, holds_over=wrap.holds_over
        )
        self._books.enter(
            agent.agent_id,
            _DESK,
            lambda session: work.extend(session, offer_id=offer_id, wrap_until=until),
            then=partial(self._publish, agent.agent_id, "state"),
        )
        return "done"

    def _wrapped(self, agent_id: AgentId) -> None:
        """End an agent's wrap-up, by their word or by the clock."""
        wrap = self._stop_clock(agent_id)
        agent = self._floor.agents.get(agent_id)
        if agent is None or (agent.state != _WRAP_UP and agent.call_id is None):
            self._let_go(agent_id)  # nobody holds it: only its row stands in the way
            return
        if agent.state != _WRAP_UP:
            return
        offer_id = self._offers.pop(agent_id, None)
        now = clock.now()
        if offer_id:
            self._close_item(agent_id, offer_id, now)
        if wrap:
            self._settle(wrap)
        agent.call_id = None
        self._become(agent, self._next(agent), now)
        self._calls.route()

    def _settle(self, wrap: _WrapUp) -> None:
        """Write what the agent had noted when the time was up, behind the call's own end."""
        tenant_id, call_id, leg_id = wrap.tenant_id, wrap.call_id, wrap.offer_id
        if tenant_id and call_id:
            self._books.enter(
                call_id,
                Scope.system(tenant_id),
                lambda session: drafts.settle(
                    session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault
                ),
            )

    # --- orders -------------------------------------------------------------------------------------

    async def carry_out_orders(self) -> int:
        """Carry out what the doorways have left, oldest first; return how many."""
        waiting = await asyncio.to_thread(self._read_orders)
        for order in waiting:
            try:
                outcome = await self._carry_out(order)
            except SeatlineError as error:
                outcome = error.code
            await asyncio.to_thread(self._mark_done, order.order_id, outcome)
        await self._let_home()
        return len(waiting)

    async def _carry_out(self, order: Order) -> str:
        if order.kind is OrderKind.RELOAD:
            await self._calls.reload()
            return "done"
        if order.kind is OrderKind.DIAL:
            tenant_id = TenantId(UUID(order.details["tenant_id"]))
            return await self._calls.dial(tenant_id, UUID(order.details["attempt_id"]))
        if order.kind is OrderKind.END_CALLS_OUT:
            whose = order.details["tenant_id"]
            return f"ended {self._calls.end_calls_out(TenantId(UUID(whose)) if whose else None)}"
        if order.kind is OrderKind.SIMULATE:
            if not isinstance(self._switch, Simulated):
                return "not-simulated"
            self._switch.let_arrive(order.details["dnis"], order.details["ani"], trunk="simulated")
            return "done"
        agent_id = AgentId(UUID(order.details["agent_id"]))
        if order.kind is OrderKind.SIGN_IN:
            return await self._sign_in(agent_id)
        if order.kind is OrderKind.WRAPPED:
            wrap, about = self._wraps.get(agent_id), order.details.get("call_id")
            if wrap and wrap.call_id and about not in {None, str(wrap.call_id)}:
                return "out-of-date"
            self._wrapped(agent_id)
            return "done"
        agent = self._floor.agents.get(agent_id)
        if agent is None:
            return "not-signed-in"
        match order.kind:
            case OrderKind.SIGN_OUT:
                return await self._sign_out(agent)
            case OrderKind.STATUS:
                return self._status(agent, order.details["status"], order.details.get("reason", ""))
            case OrderKind.EXTEND:
                return self._extend(agent, order.details["call_id"])
            case OrderKind.SERVES:
                return await self._serves(agent)
            case kind if kind in _LEADS:
                outcome = await self._lead(agent, order)
                if outcome not in {"done", "after-the-call"}:
                    self._books.write(
                        agent.agent_id, partial(self._publish, agent.agent_id, "lead-refused", reason=outcome)
                    )
                return outcome
            case _:
                return await self._about_the_call(agent, order)

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
                        partial(self._publish, agent.agent_id, "recording-goes-on" if wanted else "state"),
                    )
                    return "recording-goes-on"
                self._tell(agent)
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
                self._switch.let_answer(offer.endpoint)
            case _:
                return "unknown"
        return "done"

    async def _lead(self, leader: Agent, order: Order) -> str:
        """Carry out what a team leader wants; what they may with this company is looked up now."""
        tenant_id = TenantId(UUID(order.details["tenant_id"]))
        about = order.details.get("call_id")
        call_id = CallId(UUID(about)) if about else None
        if order.kind is OrderKind.WATCH and not order.details["ear"]:
            return await self._calls.supervision.leave(leader.agent_id)
        ear = Ear(order.details["ear"]) if order.kind is OrderKind.WATCH else None
        needed = Lead(ear.value) if ear else _NEEDS[order.kind]
        one, _ = await asyncio.to_thread(self._read_one, leader.agent_id)
        if needed not in one.leads.get(tenant_id, frozenset()):
            return "not-granted"
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
        await self._out_of_the_call(leader)
        self._become(leader, FREE, clock.now())
        outcome = await self._calls.transfer(call_id, agent_id=leader.agent_id)
        if outcome != "done" and leader.state == FREE:
            self._become(leader, wished, clock.now())
            self._calls.route()
        return outcome

    async def _out_of_the_call(self, leader: Agent) -> None:
        """Take a leader out of another's call; they stay away, or who waits would have them at once."""
        if leader.state == SUPERVISING:
            leader.next_state = SUPERVISING
            await self._calls.supervision.leave(leader.agent_id)

    async def _force(self, tenant_id: TenantId, order: Order) -> str:
        """Change the status of an agent who works for this company alone, or sign them out."""
        agent = self._floor.agents.get(AgentId(UUID(order.details["to_agent_id"])))
        if agent is None:
            return "not-signed-in"
        if agent.seat_renter != tenant_id and agent.clients != {tenant_id}:
            return "not-yours-alone"
        if order.details["status"] == SIGNED_OUT:
            return await self._send_home(agent, order.details.get("reason", ""))
        self._sent_home.discard(agent.agent_id)
        return self._status(agent, order.details["status"], order.details.get("reason", ""))

    async def _send_home(self, agent: Agent, why: str) -> str:
        """Sign an agent out by their leader's word; a call in hand and its wrap-up are theirs to the end."""
        self._books.write(agent.agent_id, partial(self._publish, agent.agent_id, "sent-home", reason=why))
        if self._is_at_work(agent):
            self._sent_home.add(agent.agent_id)
            agent.next_state = away(SENT_HOME)  # and no call is offered to them in between
            self._tell(agent)
            return "after-the-call"
        return await self._sign_out(agent)

    async def _let_home(self) -> None:
        """Sign out who was to go after the call, now that it is over."""
        for agent_id in tuple(self._sent_home):
            agent = self._floor.agents.get(agent_id)
            if agent and self._is_at_work(agent):
                continue
            self._sent_home.discard(agent_id)
            if agent:
                await self._sign_out(agent)

    @staticmethod
    def _is_at_work(agent: Agent) -> bool:
        return bool(agent.call_id) or activity(agent.state) in CALL_IN_HAND or agent.state == _WRAP_UP

    def supervises(self, agent: Agent, call_id: CallId) -> None:
        """See `supervision.Desk`."""
        agent.next_state = agent.next_state or agent.state
        self._become(agent, SUPERVISING, clock.now())
        agent.call_id = call_id

    def supervised(self, agent: Agent) -> None:
        """See `supervision.Desk`."""
        agent.call_id = None
        if self._floor.agents.get(agent.agent_id) is agent and agent.state == SUPERVISING:
            self._become(agent, self._next(agent), clock.now())
            self._calls.route()

    def say_watch(self, agent_id: AgentId, call_id: CallId, ear: str, why: str = "") -> None:
        """See `supervision.Desk`."""
        about = {"call_id": public("call", call_id), "ear": ear, "why": why}
        self._books.write(agent_id, partial(self._publish, agent_id, "watch", **about))

    def say_overheard(self, agent_id: AgentId, call_id: CallId) -> None:
        """See `supervision.Desk`."""
        self._books.write(call_id, partial(self._publish, agent_id, "overheard"))

    async def _serves(self, agent: Agent) -> str:
        """Offer an agent the calls of those they may serve now; what rings for another is taken back."""
        one, _ = await asyncio.to_thread(self._read_one, agent.agent_id)
        agent.clients, agent.skills = one.clients, _skills(one)
        call = next((one for one in self._calls.live if one.call_id == agent.call_id), None)
        if (
            call
            and call.offer
            and call.phase is phases.Phase.OFFERED
            and call.arrival.tenant_id not in agent.clients
        ):
            lost = facts.OfferLost(clock.now(), call.offer.offer_id, Lost.PHONE_GONE)
            self._calls.feed(call.call_id, lost)
        self._tell(agent)
        self.stir()
        self._calls.route()
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
            self.say_refused(agent.agent_id, outcome)
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
            self.say_refused(agent.agent_id, "not-now")
            return "not-now"
        return "done"

    async def _sign_in(self, agent_id: AgentId) -> str:
        one, phone = await asyncio.to_thread(self._read_one, agent_id)
        if one.presence is None or phone is None:
            return "not-signed-in"
        before = self._floor.agents.get(agent_id)
        agent = self._place(one, phone.name)
        if before:
            agent.call_id, agent.is_online, agent.next_state = (
                before.call_id,
                before.is_online and before.endpoint == phone.name,
                before.next_state,
            )
        await self._switch.put_endpoint(phone.name, password=phone.password)
        agent.is_online = await self._switch.online(phone.name)
        self._tell(agent)
        self.stir()
        return "done"

    async def _sign_out(self, agent: Agent) -> str:
        if activity(agent.state) in CALL_IN_HAND:
            return "call-in-hand"
        now = clock.now()
        await self._out_of_the_call(agent)
        wrap = self._stop_clock(agent.agent_id)
        # off the floor before anything is awaited: who leaves, perhaps out of a wrap-up, is offered no call
        self._floor.remove(agent.agent_id)

        def write(session: Session) -> list[str]:
            presence.sign_out(session, agent_id=agent.agent_id, at=now)
            work.let_go(session, agent_id=agent.agent_id, at=now)
            return endpoints.drop(session, agent_id=agent.agent_id)

        try:
            names: list[str] = await self._books.enter(agent.agent_id, _DESK, write, is_urgent=True)
        except SeatlineError:  # the seats room knows better, e.g. of a call: the agent stays
            self._floor.place(agent)
            self._wrapped(agent.agent_id)
            raise
        self._offers.pop(agent.agent_id, None)
        if wrap:
            self._settle(wrap)
        for name in names:
            await self._switch.drop_endpoint(name)
        self._tell(agent)
        self.stir()
        return "done"

    def _status(self, agent: Agent, status: str, reason: str) -> str:
        """Change the status an agent has chosen; during a call it is what they become after it."""
        if agent.agent_id in self._sent_home:  # their leader alone takes that back
            self._tell(agent)
            return "sent-home"
        wanted = FREE if status == FREE else away(reason or status)
        if self._is_at_work(agent):
            agent.next_state = wanted
            self._tell(agent)
            return "after-the-call"
        if wanted == FREE and not agent.is_online:
            wanted = _OFFLINE
        self._become(agent, wanted, clock.now())
        self._calls.route()
        return "done"

    # --- writing and telling ------------------------------------------------------------------------

    def _become(
        self,
        agent: Agent,
        state: str,
        at: dt.datetime,
        *,
        work_tenant: TenantId | None = None,
        subject: CallId | None = None,
        observed: bool = False,
        is_told: bool = True,
    ) -> None:
        if agent.state == state and subject == agent.call_id and not observed:
            self._tell(agent)
            return
        agent.state, agent.since = state, at
        if agent.call_id is None and state == agent.next_state:
            agent.next_state = None
        payer = agent.payer(state, work_tenant)
        event_id = uuid5(_NAMES, f"{agent.agent_id}:{state}:{subject}:{at.isoformat()}")

        def enter(session: Session, *, observed: bool) -> None:
            presence.enter(
                session,
                agent_id=agent.agent_id,
                state=state,
                at=at,
                payer_tenant_id=payer,
                subject_ref=subject,
                event_id=event_id,
                observed=observed,
            )

        def write(session: Session) -> None:
            try:
                enter(session, observed=observed)
            except IllegalTransitionError:
                # a state in between was lost in a crash: what the switch shows is what is so
                _log.warning("agent-state-jumped", state=state)
                enter(session, observed=True)
            except (NotSignedInError, BeforeShiftError, FutureChangeError) as error:
                # the shift the report belongs to is over, or a clock jumped: the seats room keeps what it has
                _log.warning("agent-state-refused", state=state, error=error.code)

        if is_told:
            # at once, and again when it is written: then the console fetches what else has changed
            said = {"state": state, "since": at.isoformat()}
            self._voice.submit(self._publish, agent.agent_id, "activity", **said)
        then = partial(self._publish, agent.agent_id, "state") if is_told else None
        self._books.enter(agent.agent_id, _DESK, write, then=then)
        self.stir()

    def _write_offer(
        self, agent: Agent, call: LiveCall, expires_at: dt.datetime, action: actions.Agent
    ) -> None:
        """Write the offer, then tell the console: what it fetches must be there."""

        def tell() -> None:
            if action.item != "offered":
                return  # who dials is told by their state
            self._publish(
                agent.agent_id,
                "offer",
                offer_id=public("off", action.offer_id),
                call_id=public("call", call.call_id),
                expires_at=expires_at.isoformat(),
            )

        self._books.enter(
            agent.agent_id,
            _DESK,
            lambda session: work.offer(
                session,
                offer_id=action.offer_id,
                agent_id=agent.agent_id,
                tenant_id=call.arrival.tenant_id,
                call_id=call.call_id,
                offered_at=action.at,
                expires_at=expires_at,
                state=action.item,
            ),
            is_urgent=True,  # the pop waits for it
            then=tell,
        )

    def _write_item(self, agent: Agent, action: actions.Agent, queue: Queue) -> None:
        def tell() -> None:
            if action.state is None:
                offer_id, reason = public("off", action.offer_id), action.why or ""
                self._publish(agent.agent_id, "offer-withdrawn", offer_id=offer_id, reason=reason)

        self._books.enter(
            agent.agent_id,
            _DESK,
            lambda session: work.advance(
                session,
                offer_id=action.offer_id,
                state=action.item,
                at=action.at,
                wrap_until=_wraps_until(action, queue),
                wrap_up=queue.wrap_up,
                needs_disposition=queue.needs_disposition,
                holds_over=queue.holds_over,
            ),
            then=tell,
        )

    def _close_item(self, agent_id: AgentId, offer_id: OfferId, at: dt.datetime) -> None:
        self._books.enter(
            agent_id,
            _DESK,
            lambda session: work.advance(session, offer_id=offer_id, state="closed", at=at),
        )

    def _let_go(self, agent_id: AgentId) -> None:
        at = clock.now()
        self._books.enter(agent_id, _DESK, lambda session: work.let_go(session, agent_id=agent_id, at=at))

    def _tell(self, agent: Agent) -> None:
        """Tell the console that its state has changed, behind what is being written."""
        self._books.write(agent.agent_id, lambda: self._publish(agent.agent_id, "state"))

    def _publish(self, agent_id: AgentId, kind: str, **body: str) -> None:
        """Tell an agent's console; from a thread, because Redis may keep us waiting."""
        self._realtime.publish(OPERATOR, f"agent:{agent_id}", {"type": kind, **body})

    def say_dialled(self, agent_id: AgentId, call_id: UUID, outcome: str, reason: str = "") -> None:
        """Tell the console of who dialled by hand what became of it, behind what is being written.

        `reason` is the gate's, when something has forbidden the call since it was cleared.
        """
        about = {"call_id": public("call", call_id), "outcome": outcome, "reason": reason}
        self._books.write(agent_id, partial(self._publish, agent_id, "dial-ended", **about))

    def say_refused(self, agent_id: AgentId, reason: str) -> None:
        """Tell a console that its call was not given on, behind what is being written."""
        self._books.write(agent_id, partial(self._publish, agent_id, "transfer-refused", reason=reason))

    def say_came_back(self, agent_id: AgentId, call_id: CallId, why: phases.Cause | Lost) -> None:
        """Tell a console that nobody took the call it gave to a number outside, or to a colleague."""
        reason = f"{TO_COLLEAGUE}{why.value}" if isinstance(why, Lost) else why.value
        about = {"call_id": public("call", call_id), "reason": reason}
        self._books.write(call_id, partial(self._publish, agent_id, "transfer-came-back", **about))

    def say_anew(self, call: LiveCall) -> None:
        """Tell the console of a call's agent that something about the call was written. From any thread."""
        if call.offer:
            self._publish(call.offer.agent_id, "state")

    def say_ends_soon(self, call: LiveCall) -> None:
        """Tell the console of a call's agent that the call is ended in a minute."""
        if call.offer:
            about = {"call_id": public("call", call.call_id)}
            self._books.write(call.call_id, partial(self._publish, call.offer.agent_id, "ends-soon", **about))

    def say_to(self, agents: Sequence[AgentId]) -> None:
        """Tell the consoles of these agents that something about their call was written. From any thread."""
        for agent_id in agents:
            self._publish(agent_id, "state")

    def stir(self) -> None:
        """Say that queues or agents have changed; the next pulse tells the live pages."""
        self._is_stirred = True
        self._look_at = dt.datetime.min.replace(tzinfo=dt.UTC)  # when phones are looked at for their age

    def was_stirred(self) -> bool:
        """Return whether something has changed since the last time somebody asked."""
        stirred, self._is_stirred = self._is_stirred, False
        return stirred

    # --- reading ------------------------------------------------------------------------------------

    def _place(self, one: ServingAgent, endpoint: str) -> Agent:
        sitting, there = one.sitting, one.presence
        agent = Agent(
            agent_id=one.agent.id,
            number=one.agent.number,
            seat_id=sitting.seat_id if sitting else None,
            seat_label=sitting.label if sitting else "",
            seat_renter=sitting.renter_tenant_id if sitting else None,
            skills=_skills(one),
            clients=one.clients,
            state=there.state if there else _OFFLINE,
            since=there.since if there else clock.now(),
            endpoint=endpoint,
            languages=one.agent.languages,
        )
        self._floor.place(agent)
        return agent

    def _read_all(
        self,
    ) -> tuple[list[ServingAgent], list[endpoints.Endpoint], dict[AgentId, WorkItem]]:
        with self._gate.open(_DESK) as session:
            serving = seating.serving(session)
            held = (work.in_hand(session, agent_id=one.agent.id) for one in serving if one.presence)
            items = {item.agent_id: item for item in held if item}
            return serving, endpoints.issued(session, vault=self._vault), items

    def _read_phones(self) -> list[endpoints.Endpoint]:
        with self._gate.open(_DESK) as session:
            return endpoints.issued(session, vault=self._vault)

    def _read_old_phones(self) -> list[endpoints.Endpoint]:
        with self._gate.open(_DESK) as session:
            return endpoints.old(session, vault=self._vault)

    def _read_one(self, agent_id: AgentId) -> tuple[ServingAgent, endpoints.Endpoint | None]:
        with self._gate.open(_DESK) as session:
            return (
                seating.serving_one(session, agent_id=agent_id),
                endpoints.of_agent(session, agent_id=agent_id, vault=self._vault),
            )

    def _read_orders(self) -> list[Order]:
        with self._gate.open(_DESK) as session:
            return orders.waiting(session)

    def _mark_done(self, order_id: UUID, outcome: str) -> None:
        with self._gate.open(_DESK) as session:
            orders.done(session, order_id=order_id, outcome=outcome)


def _skills(one: ServingAgent) -> dict[QueueId, Skill]:
    return {
        skill.queue_id: Skill(skill.level, skill.station.region, Duty(skill.station.duty))
        for skill in one.skills
    }


def _wraps_until(action: actions.Agent, queue: Queue) -> dt.datetime | None:
    """Return when a wrap-up that begins now has to be over."""
    return action.at + queue.wraps_for if queue.wraps_for is not None else None
