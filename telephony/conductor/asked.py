"""What the agents' side asks of the conductor."""

from typing import Protocol
from uuid import UUID

from core.ids import AgentId, CallId, NumberId, QueueId, RoomId, TenantId
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.supervision import Supervision


class Calls(Protocol):
    """Live calls, as the agents' side knows them."""

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

    def take_at_telephone(self, call_id: CallId) -> None:
        """Press the key at the telephone of the agent to whom this call is offered."""
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

    async def mute_in_room(self, tenant_id: TenantId, room_id: RoomId, call_id: CallId, *, on: bool) -> str:
        """Mute somebody in a conference room, or let them be heard again; return what became of it."""
        ...

    async def lock_room(self, tenant_id: TenantId, room_id: RoomId, *, on: bool) -> str:
        """Let nobody but leaders into a conference room any more, or everybody again."""
        ...

    async def move(self, call_id: CallId, *, queue_id: QueueId, leader: int) -> str:
        """Let a caller who waits wait in another queue of their company."""
        ...

    @property
    def supervision(self) -> Supervision:
        """Return the leaders who are in others' calls."""
        ...
