"""The floor in memory: who is signed in, who is free, who waits in which queue.

Reserving is done here, in one thread, so that no agent is ever promised twice; what a crash loses is read
back from the seats room, the switch and the spool. Nothing here waits for a disk. Whatever changes an agent
changes the board with it, so a decision begins with what is free already in order.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from core.ids import AgentId, CallId, QueueId, SeatId, TenantId
from seats.rules import Activity, activity, payer
from telephony.routing.board import Board, Decision, Standing
from telephony.routing.strategy import COMMON, PLAIN, Caller, Candidate, Policy, Skill, Tier

FREE = Activity.AVAILABLE.value
_BEARS_ON_ROUTING = frozenset({"skills", "state", "since", "is_online", "call_id", "only_for", "rings_for"})


@dataclass(slots=True)
class Agent:
    """An agent on the floor.

    `state` is what the seats room calls it (`available`, `away:meal`…); `next_state` is what they asked to
    become after the call in hand; `is_online` says that their phone is registered. `only_for` is the company
    for whose calls their seat is kept. Who has chosen to be called at their own telephone is there always,
    for calls that come in to the companies of `rings_for`; None: they are in their browser.
    """

    agent_id: AgentId
    number: int
    seat_id: SeatId | None
    seat_label: str
    seat_renter: TenantId | None
    skills: Mapping[QueueId, Skill]
    clients: frozenset[TenantId]
    state: str
    since: dt.datetime
    endpoint: str = ""
    is_online: bool = False
    call_id: CallId | None = None
    next_state: str | None = None
    languages: tuple[str, ...] = field(default=("en",))
    only_for: TenantId | None = None
    rings_for: frozenset[TenantId] | None = None
    changed: "Callable[[Agent], None] | None" = field(default=None, repr=False, compare=False)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        if name in _BEARS_ON_ROUTING and (tell := getattr(self, "changed", None)):
            tell(self)

    @property
    def is_free(self) -> bool:
        """Whether a call may be offered."""
        return self.state == FREE and self.is_online and self.call_id is None

    @property
    def candidate(self) -> Candidate:
        """What the decision sees of them."""
        return Candidate(
            self.agent_id, self.skills, _ms(self.since), self.only_for, is_at_telephone=self.is_at_telephone
        )

    @property
    def is_at_telephone(self) -> bool:
        """Whether calls ring at their own telephone."""
        return self.rings_for is not None

    def may_be_rung(self, tenant_id: TenantId) -> bool:
        """Whether a call of this company may ring where they are."""
        return tenant_id in self.clients and (self.rings_for is None or tenant_id in self.rings_for)

    def payer(self, state: str, work_tenant: TenantId | None = None) -> TenantId | None:
        """Return who pays for the agent's time in `state`."""
        return payer(state=state, seat_renter=self.seat_renter, work_tenant=work_tenant)


@dataclass(frozen=True, slots=True)
class InQueue:
    """A call that waits, and what is known of who calls: their region, their tier, who served them last."""

    call_id: CallId
    tenant_id: TenantId
    queue_id: QueueId
    since: dt.datetime
    is_at_head: bool
    region: str = ""
    tier: Tier = COMMON
    last_agent: AgentId | None = None
    is_called_back: bool = False


class Floor:
    """Agents and waiting calls of the whole switchboard."""

    def __init__(self) -> None:
        self.agents: dict[AgentId, Agent] = {}
        self.waiting: dict[CallId, InQueue] = {}
        self._by_endpoint: dict[str, AgentId] = {}
        self._board = Board()

    def place(self, agent: Agent) -> None:
        """Put an agent on the floor, or renew what is known of them."""
        before = self.agents.get(agent.agent_id)
        if before:
            before.changed = None
            if before.endpoint != agent.endpoint:
                self._by_endpoint.pop(before.endpoint, None)
        self.agents[agent.agent_id] = agent
        if agent.endpoint:
            self._by_endpoint[agent.endpoint] = agent.agent_id
        agent.changed = self._changed
        self._changed(agent)

    def remove(self, agent_id: AgentId) -> None:
        """Take an agent off the floor."""
        agent = self.agents.pop(agent_id, None)
        if agent:
            agent.changed = None
            self._by_endpoint.pop(agent.endpoint, None)
            self._board.gone(agent_id)

    def by_endpoint(self, endpoint: str) -> Agent | None:
        """Return whose phone this is."""
        agent_id = self._by_endpoint.get(endpoint)
        return self.agents.get(agent_id) if agent_id else None

    def wait(self, call: InQueue, policy: Policy = PLAIN) -> None:
        """Let a call wait, under its company's policy; again renews what is known of it."""
        self.waiting[call.call_id] = call
        self._board.set_policy(call.tenant_id, policy)
        self._board.wait(
            Caller(
                call.call_id,
                call.tenant_id,
                call.queue_id,
                _ms(call.since),
                call.is_at_head,
                call.region,
                call.tier,
                call.last_agent,
                call.is_called_back,
            )
        )

    def leave(self, call_id: CallId) -> None:
        """Take a call out of its queue."""
        self.waiting.pop(call_id, None)
        self._board.leave(call_id)

    def match(self, at: dt.datetime) -> list[Decision]:
        """Return whom to offer which call now. Deciding reserves nothing yet: the caller does, at once."""
        return self._board.match(now_ms=_ms(at))

    def standing(self, call_id: CallId, at: dt.datetime) -> Standing | None:
        """Return where a waiting call stands, or None when it does not wait."""
        return self._board.standing(call_id, now_ms=_ms(at))

    def pick(self, queue_id: QueueId, *, tenant_id: TenantId) -> Agent | None:
        """Return the free agent for a call out of this queue, best level, then longest idle; None: nobody.

        Deciding reserves nothing yet: the caller does, at once.
        """
        found = self._board.pick(queue_id, tenant=tenant_id)
        return self.agents[AgentId(found)] if found else None

    def reserved(self, place: CallId) -> Agent | None:
        """Return the agent who is kept for a promised call, if they are still there for it."""
        found = (one for one in self.agents.values() if one.call_id == place)
        return next((one for one in found if one.is_online and one.state == FREE), None)

    def ready_to_dial(self, agent_id: AgentId) -> Agent | None:
        """Return this agent if they may dial by hand now: in their browser, with nothing in hand; else None.

        Who is away may: a break from calls that come in is a time for calls that go out.
        """
        agent = self.agents.get(agent_id)
        if agent is None or agent.call_id is not None or not agent.is_online or agent.is_at_telephone:
            return None
        return agent if activity(agent.state) in {Activity.AVAILABLE, Activity.AWAY} else None

    def serving(self, queues: Iterable[QueueId]) -> list[Agent]:
        """Return the agents on the floor who serve any of these queues."""
        wanted = set(queues)
        return [one for one in self.agents.values() if wanted & one.skills.keys()]

    def _changed(self, agent: Agent) -> None:
        put = self._board.free if agent.is_free else self._board.busy
        put(agent.candidate)


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
