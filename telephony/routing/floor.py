"""The floor in memory: who is signed in, who is free, who waits in which queue.

Reserving is done here, in one thread, so that no agent is ever promised twice; what a crash loses is read
back from the seats room, the switch and the spool. Nothing here waits for a disk.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.ids import AgentId, CallId, QueueId, SeatId, TenantId
from seats.rules import Activity, activity, payer
from telephony.routing.strategy import Free, Match, Waiting, match

FREE = Activity.AVAILABLE.value


@dataclass(slots=True)
class Agent:
    """An agent on the floor.

    `state` is what the seats room calls it (`available`, `away:meal`…); `next_state` is what they asked to
    become after the call in hand; `is_online` says that their phone is registered.
    """

    agent_id: AgentId
    number: int
    seat_id: SeatId | None
    seat_label: str
    seat_renter: TenantId | None
    levels: dict[QueueId, int]
    clients: frozenset[TenantId]
    state: str
    since: dt.datetime
    endpoint: str = ""
    is_online: bool = False
    call_id: CallId | None = None
    next_state: str | None = None
    languages: tuple[str, ...] = field(default=("en",))

    @property
    def is_free(self) -> bool:
        """Whether a call may be offered."""
        return self.state == FREE and self.is_online and self.call_id is None

    def payer(self, state: str, work_tenant: TenantId | None = None) -> TenantId | None:
        """Return who pays for the agent's time in `state`."""
        return payer(state=state, seat_renter=self.seat_renter, work_tenant=work_tenant)


@dataclass(frozen=True, slots=True)
class InQueue:
    """A call that waits."""

    call_id: CallId
    tenant_id: TenantId
    queue_id: QueueId
    since: dt.datetime
    is_at_head: bool


class Floor:
    """Agents and waiting calls of the whole switchboard."""

    def __init__(self) -> None:
        self.agents: dict[AgentId, Agent] = {}
        self.waiting: dict[CallId, InQueue] = {}
        self._by_endpoint: dict[str, AgentId] = {}

    def place(self, agent: Agent) -> None:
        """Put an agent on the floor, or renew what is known of them."""
        before = self.agents.get(agent.agent_id)
        if before and before.endpoint != agent.endpoint:
            self._by_endpoint.pop(before.endpoint, None)
        self.agents[agent.agent_id] = agent
        if agent.endpoint:
            self._by_endpoint[agent.endpoint] = agent.agent_id

    def remove(self, agent_id: AgentId) -> None:
        """Take an agent off the floor."""
        agent = self.agents.pop(agent_id, None)
        if agent:
            self._by_endpoint.pop(agent.endpoint, None)

    def by_endpoint(self, endpoint: str) -> Agent | None:
        """Return whose phone this is."""
        agent_id = self._by_endpoint.get(endpoint)
        return self.agents.get(agent_id) if agent_id else None

    def wait(self, call: InQueue) -> None:
        """Let a call wait."""
        self.waiting[call.call_id] = call

    def leave(self, call_id: CallId) -> None:
        """Take a call out of its queue."""
        self.waiting.pop(call_id, None)

    def match(self) -> list[Match]:
        """Return whom to offer which call now. Deciding reserves nothing yet: the caller does, at once."""
        free = [Free(one.agent_id, one.levels, _ms(one.since)) for one in self.agents.values() if one.is_free]
        if not free or not self.waiting:
            return []
        return match(
            (
                Waiting(one.call_id, one.queue_id, one.is_at_head, _ms(one.since))
                for one in self.waiting.values()
            ),
            free,
        )

    def pick(self, queue_id: QueueId) -> Agent | None:
        """Return the free agent for a call out of this queue, best level, then longest idle; None: nobody.

        Deciding reserves nothing yet: the caller does, at once.
        """
        free = [one for one in self.agents.values() if one.is_free and queue_id in one.levels]
        return min(free, key=lambda one: (one.levels[queue_id], one.since, one.agent_id), default=None)

    def ready_to_dial(self, agent_id: AgentId) -> Agent | None:
        """Return this agent if they may dial by hand now: at their phone, with nothing in hand; else None.

        Who is away may: a break from calls that come in is a time for calls that go out.
        """
        agent = self.agents.get(agent_id)
        if agent is None or agent.call_id is not None or not agent.is_online:
            return None
        return agent if activity(agent.state) in {Activity.AVAILABLE, Activity.AWAY} else None

    def serving(self, queues: Iterable[QueueId]) -> list[Agent]:
        """Return the agents on the floor who serve any of these queues."""
        wanted = set(queues)
        return [one for one in self.agents.values() if wanted & one.levels.keys()]


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)
