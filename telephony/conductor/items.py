"""Work items: what an agent has in hand, written while a call is offered, held and wrapped up."""

import datetime as dt

from core import clock
from core.ids import OPERATOR, AgentId, OfferId, public
from security.gate import Scope
from telephony import work
from telephony.conductor import actions
from telephony.conductor.books import Books
from telephony.conductor.live_call import LiveCall
from telephony.conductor.telling import Telling
from telephony.queues import Queue
from telephony.routing.floor import Agent

_DESK = Scope.system(OPERATOR)


class Items:
    """The row of what each agent has in hand, from its offer to the end of its wrap-up."""

    def __init__(self, *, books: Books, telling: Telling) -> None:
        self._books, self._telling = books, telling
        self.offers: dict[AgentId, OfferId] = {}

    def offer(self, agent: Agent, call: LiveCall, expires_at: dt.datetime, action: actions.Agent) -> None:
        """Write the offer, then tell the console: what it fetches must be there."""

        def tell() -> None:
            if action.item != "offered":
                return  # who dials is told by their state
            self._telling.publish(
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

    def advance(self, agent: Agent, action: actions.Agent, queue: Queue) -> None:
        """Write how far an agent is with what they have in hand; an offer that is gone is told."""

        def tell() -> None:
            if action.state is None:
                offer_id, reason = public("off", action.offer_id), action.why or ""
                self._telling.publish(agent.agent_id, "offer-withdrawn", offer_id=offer_id, reason=reason)

        self._books.enter(
            agent.agent_id,
            _DESK,
            lambda session: work.advance(
                session,
                offer_id=action.offer_id,
                state=action.item,
                at=action.at,
                wrap_until=wraps_until(action, queue),
                wrap_up=queue.wrap_up,
                needs_disposition=queue.needs_disposition,
                holds_over=queue.holds_over,
            ),
            then=tell,
        )

    def close(self, agent_id: AgentId, offer_id: OfferId, at: dt.datetime) -> None:
        """Write that what an agent had in hand is over."""
        self._books.enter(
            agent_id,
            _DESK,
            lambda session: work.advance(session, offer_id=offer_id, state="closed", at=at),
        )

    def let_go(self, agent_id: AgentId) -> None:
        """Close what a crash, or a shift that ended, has left open in an agent's hands."""
        at = clock.now()
        self._books.enter(agent_id, _DESK, lambda session: work.let_go(session, agent_id=agent_id, at=at))


def wraps_until(action: actions.Agent, queue: Queue) -> dt.datetime | None:
    """Return when a wrap-up that begins now has to be over."""
    return action.at + queue.wraps_for if queue.wraps_for is not None else None
