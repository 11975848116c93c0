"""What agents' consoles are told: thin messages with ids, the console fetches the rest.

Most of it is told after the write it is about, in the order of the writes.
"""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

from core.ids import OPERATOR, AgentId, CallId, public
from core.realtime import Realtime
from telephony.calls import TO_COLLEAGUE
from telephony.conductor import phases
from telephony.conductor.books import Books
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Lost
from telephony.routing.floor import Agent


class Telling:
    """What consoles and live pages are told, never before it is so."""

    def __init__(self, *, realtime: Realtime, books: Books) -> None:
        self._realtime, self._books = realtime, books
        self._is_stirred = True
        # one thread, so that what is said of an agent arrives in order; Redis may keep it waiting
        self._voice = ThreadPoolExecutor(1, thread_name_prefix="desk-says")

    def tell(self, agent: Agent) -> None:
        """Tell the console that its state has changed, behind what is being written."""
        self._books.write(agent.agent_id, lambda: self.publish(agent.agent_id, "state"))

    def publish(self, agent_id: AgentId, kind: str, **body: str) -> None:
        """Tell an agent's console; from a thread, because Redis may keep us waiting."""
        self._realtime.publish(OPERATOR, f"agent:{agent_id}", {"type": kind, **body})

    def say_dialled(self, agent_id: AgentId, call_id: UUID, outcome: str, reason: str = "") -> None:
        """Tell the console of who dialled by hand what became of it, behind what is being written.

        `reason` is the gate's, when something has forbidden the call since it was cleared.
        """
        about = {"call_id": public("call", call_id), "outcome": outcome, "reason": reason}
        self._books.write(agent_id, partial(self.publish, agent_id, "dial-ended", **about))

    def say_refused(self, agent_id: AgentId, reason: str) -> None:
        """Tell a console that its call was not given on, behind what is being written."""
        self._books.write(agent_id, partial(self.publish, agent_id, "transfer-refused", reason=reason))

    def say_came_back(self, agent_id: AgentId, call_id: CallId, why: phases.Cause | Lost) -> None:
        """Tell a console that nobody took the call it gave to a number outside, or to a colleague."""
        reason = f"{TO_COLLEAGUE}{why.value}" if isinstance(why, Lost) else why.value
        about = {"call_id": public("call", call_id), "reason": reason}
        self._books.write(call_id, partial(self.publish, agent_id, "transfer-came-back", **about))

    def say_anew(self, call: LiveCall) -> None:
        """Tell the console of a call's agent that something about the call was written. From any thread."""
        if call.offer:
            self.publish(call.offer.agent_id, "state")

    def say_ends_soon(self, call: LiveCall) -> None:
        """Tell the console of a call's agent that the call is ended in a minute."""
        if call.offer:
            about = {"call_id": public("call", call.call_id)}
            self._books.write(call.call_id, partial(self.publish, call.offer.agent_id, "ends-soon", **about))

    def say_to(self, agents: Sequence[AgentId]) -> None:
        """Tell the consoles of these agents that something about their call was written. From any thread."""
        for agent_id in agents:
            self.publish(agent_id, "state")

    def say_watch(self, agent_id: AgentId, call_id: CallId, ear: str, why: str = "") -> None:
        """See `supervision.Telling`."""
        about = {"call_id": public("call", call_id), "ear": ear, "why": why}
        self._books.write(agent_id, partial(self.publish, agent_id, "watch", **about))

    def say_overheard(self, agent_id: AgentId, call_id: CallId) -> None:
        """See `supervision.Telling`."""
        self._books.write(call_id, partial(self.publish, agent_id, "overheard"))

    def stir(self) -> None:
        """Say that queues or agents have changed; the next pulse tells the live pages."""
        self._is_stirred = True

    def was_stirred(self) -> bool:
        """Return whether something has changed since the last time somebody asked."""
        stirred, self._is_stirred = self._is_stirred, False
        return stirred

    def say_activity(self, agent_id: AgentId, state: str, at: dt.datetime) -> None:
        """Tell a console at once what its agent is doing; what else has changed, it fetches later."""
        self._voice.submit(self.publish, agent_id, "activity", state=state, since=at.isoformat())
