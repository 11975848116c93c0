"""Agents who come and go: signing in and out, by themselves or by their leader's word."""

import asyncio
from functools import partial

from sqlalchemy.orm import Session

from core import clock
from core.errors import SeatlineError
from core.ids import OPERATOR, AgentId, QueueId, TenantId
from seats import desk as seating
from seats import presence
from seats.desk import ServingAgent
from seats.rules import CALL_IN_HAND, Activity, activity, away
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import endpoints, telephones, work
from telephony.conductor import facts, phases
from telephony.conductor.asked import Calls
from telephony.conductor.books import Books
from telephony.conductor.items import Items
from telephony.conductor.phases import Lost
from telephony.conductor.states import SUPERVISING, States
from telephony.conductor.telling import Telling
from telephony.conductor.wrap_ups import WrapUps
from telephony.routing.floor import FREE, Agent, Floor
from telephony.routing.strategy import Duty, Skill
from telephony.switch.port import Switch

_DESK = Scope.system(OPERATOR)
_OFFLINE = Activity.OFFLINE.value
_SENT_HOME = "sent-home"  # why somebody is away until then


class Attendance:
    """Who is there, and for whom they work."""

    def __init__(
        self,
        *,
        switch: Switch,
        gate: Gate,
        vault: Vault,
        books: Books,
        floor: Floor,
        telling: Telling,
        states: States,
        items: Items,
        wrap_ups: WrapUps,
        calls: Calls,
    ) -> None:
        self._switch, self._gate, self._vault, self._books = switch, gate, vault, books
        self._floor, self._telling, self._states, self._items = floor, telling, states, items
        self._wrap_ups, self._calls = wrap_ups, calls

    async def sign_in(self, agent_id: AgentId) -> str:
        """Place an agent who has signed in on the floor, and give the switch their phone.

        Who is on the floor already (a console that was opened again) keeps what they are doing there: the
        rows that were read may lie behind it by what is being written.
        """
        one, phone, rings_for = await asyncio.to_thread(self._read_with_phone, agent_id)
        if one.presence is None or phone is None:
            return "not-signed-in"
        before = self._floor.agents.get(agent_id)
        agent = self.place(one, phone.name, rings_for)
        if before:
            agent.call_id, agent.is_online, agent.next_state = (
                before.call_id,
                before.is_online and before.endpoint == phone.name,
                before.next_state,
            )
            if before.since >= agent.since:
                agent.state, agent.since = before.state, before.since
        await self._switch.put_endpoint(phone.name, password=phone.password)
        agent.is_online = await self._switch.online(phone.name) or agent.is_at_telephone
        self._telling.tell(agent)
        self._telling.stir()
        return "done"

    async def rings_at(self, agent: Agent, *, is_telephone: bool) -> str:
        """Let an agent's calls ring at their own telephone, or in their browser again; with none in hand."""
        if agent.call_id or self._states.is_at_work(agent):
            self._telling.tell(agent)
            return "call-in-hand"

        def write(session: Session) -> None:
            telephones.choose(session, agent_id=agent.agent_id, is_chosen=is_telephone)

        await self._books.enter(agent.agent_id, _DESK, write, is_urgent=True)
        return await self.serves(agent)

    async def _settle_where(self, agent: Agent, rings_for: frozenset[TenantId] | None) -> None:
        """Let an agent be where they have chosen to be called, and free where they were only out of reach."""
        if agent.rings_for == rings_for:
            return
        was_there, agent.rings_for = agent.is_at_telephone, rings_for
        if was_there == agent.is_at_telephone:
            return
        agent.is_online = agent.is_at_telephone or await self._switch.online(agent.endpoint)
        if agent.is_online and agent.state == _OFFLINE and agent.call_id is None:
            self._states.become(agent, FREE, clock.now())
        elif not agent.is_online and agent.state == FREE and agent.call_id is None:
            self._states.become(agent, _OFFLINE, clock.now())

    async def sign_out(self, agent: Agent) -> str:
        """Take an agent off the floor, and their phone from the switch; not with a call in hand."""
        if activity(agent.state) in CALL_IN_HAND:
            return "call-in-hand"
        now = clock.now()
        await self.out_of_the_call(agent)
        wrap = self._wrap_ups.stop(agent.agent_id)
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
            self._wrap_ups.over(agent.agent_id)
            raise
        self._items.offers.pop(agent.agent_id, None)
        if wrap:
            self._wrap_ups.settle(wrap)
        for name in names:
            await self._switch.drop_endpoint(name)
        self._telling.tell(agent)
        self._telling.stir()
        return "done"

    async def send_home(self, agent: Agent, why: str) -> str:
        """Sign an agent out by their leader's word; a call in hand and its wrap-up are theirs to the end."""
        self._books.write(
            agent.agent_id, partial(self._telling.publish, agent.agent_id, "sent-home", reason=why)
        )
        if self._states.is_at_work(agent):
            self._states.sent_home.add(agent.agent_id)
            agent.next_state = away(_SENT_HOME)  # and no call is offered to them in between
            self._telling.tell(agent)
            return "after-the-call"
        return await self.sign_out(agent)

    async def let_home(self) -> None:
        """Sign out who was to go after the call, now that it is over."""
        for agent_id in tuple(self._states.sent_home):
            agent = self._floor.agents.get(agent_id)
            if agent and self._states.is_at_work(agent):
                continue
            self._states.sent_home.discard(agent_id)
            if agent:
                await self.sign_out(agent)

    async def serves(self, agent: Agent) -> str:
        """Offer an agent the calls of those they may serve now; what rings for another is taken back."""
        one, _, rings_for = await asyncio.to_thread(self._read_with_phone, agent.agent_id)
        agent.clients, agent.skills = one.clients, _skills(one, rings_for)
        await self._settle_where(agent, rings_for)
        call = next((one for one in self._calls.live if one.call_id == agent.call_id), None)
        if (
            call
            and call.offer
            and call.phase is phases.Phase.OFFERED
            and not agent.may_be_rung(call.arrival.tenant_id)
        ):
            lost = facts.OfferLost(clock.now(), call.offer.offer_id, Lost.PHONE_GONE)
            self._calls.feed(call.call_id, lost)
        self._telling.tell(agent)
        self._telling.stir()
        self._calls.route()
        return "done"

    async def out_of_the_call(self, leader: Agent) -> None:
        """Take a leader out of another's call; they stay away, or who waits would have them at once."""
        if leader.state == SUPERVISING:
            leader.next_state = SUPERVISING
            await self._calls.supervision.leave(leader.agent_id)

    def place(self, one: ServingAgent, endpoint: str, rings_for: frozenset[TenantId] | None = None) -> Agent:
        """Place an agent on the floor as the seats room remembers them, and where they have chosen to be."""
        sitting, there = one.sitting, one.presence
        agent = Agent(
            agent_id=one.agent.id,
            number=one.agent.number,
            seat_id=sitting.seat_id if sitting else None,
            seat_label=sitting.label if sitting else "",
            seat_renter=sitting.renter_tenant_id if sitting else None,
            skills=_skills(one, rings_for),
            clients=one.clients,
            state=there.state if there else _OFFLINE,
            since=there.since if there else clock.now(),
            endpoint=endpoint,
            languages=one.agent.languages,
            is_online=rings_for is not None,
            rings_for=rings_for,
        )
        self._floor.place(agent)
        return agent

    def read_one(self, agent_id: AgentId) -> tuple[ServingAgent, endpoints.Endpoint | None]:
        """Read an agent as they stand in the rows, and their phone."""
        with self._gate.open(_DESK) as session:
            return (
                seating.serving_one(session, agent_id=agent_id),
                endpoints.of_agent(session, agent_id=agent_id, vault=self._vault),
            )

    def _read_with_phone(
        self, agent_id: AgentId
    ) -> tuple[ServingAgent, endpoints.Endpoint | None, frozenset[TenantId] | None]:
        """Read an agent, their phone, and for whom they are called at their own telephone, if they are."""
        one, phone = self.read_one(agent_id)
        with self._gate.open(_DESK) as session:
            return one, phone, telephones.chosen(session, agent_id=agent_id).get(agent_id)


def _skills(one: ServingAgent, rings_for: frozenset[TenantId] | None) -> dict[QueueId, Skill]:
    """Return what an agent serves: at their telephone the calls in of those whose may ring there."""
    return {
        skill.queue_id: Skill(
            skill.level, skill.station.region, Duty(skill.station.duty) if rings_for is None else Duty.IN
        )
        for skill in one.skills
        if rings_for is None or (skill.client_tenant_id in rings_for and skill.station.duty != Duty.OUT)
    }
