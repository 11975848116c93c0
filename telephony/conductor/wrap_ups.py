"""Wrap-up: the time after a call, its clock, and what was noted when the time was up."""

import asyncio
import datetime as dt
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, AgentId, CallId, OfferId, TenantId
from seats.rules import Activity
from security.gate import Scope
from security.vault import Vault
from telephony import drafts, work
from telephony.conductor.asked import Calls
from telephony.conductor.books import Books
from telephony.conductor.items import Items
from telephony.conductor.states import States
from telephony.conductor.telling import Telling
from telephony.routing.floor import Agent, Floor

_DESK = Scope.system(OPERATOR)
_WRAP_UP = Activity.WRAP_UP.value
MORE_TIME = dt.timedelta(seconds=60)  # what an agent gets when they ask for it


@dataclass(slots=True)
class WrapUp:
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


class WrapUps:
    """The wrap-ups in progress."""

    def __init__(
        self,
        *,
        vault: Vault,
        books: Books,
        floor: Floor,
        telling: Telling,
        states: States,
        items: Items,
        calls: Calls,
    ) -> None:
        self._vault, self._books, self._floor, self._telling = vault, books, floor, telling
        self._states, self._items, self._calls = states, items, calls
        self.wraps: dict[AgentId, WrapUp] = {}

    def begin(
        self,
        agent: Agent,
        until: dt.datetime | None,
        *,
        tenant_id: TenantId | None,
        began_at: dt.datetime,
        holds_over: bool = False,
    ) -> None:
        """Free the agent at the wrap-up's deadline; without one, they free themselves."""
        self.stop(agent.agent_id)
        timer = None
        if until:
            left_s = max(0.0, (until - clock.now()).total_seconds())
            over = self.time_up if holds_over else self.over
            timer = asyncio.get_running_loop().call_later(left_s, over, agent.agent_id)
        offer_id = self._items.offers.get(agent.agent_id)
        self.wraps[agent.agent_id] = WrapUp(
            tenant_id, agent.call_id, began_at, until, timer, offer_id, holds_over
        )

    def is_overdue(self, agent_id: AgentId, at: dt.datetime) -> bool:
        """Whether an agent's wrap-up should be over, and waits for its outcome."""
        wrap = self.wraps.get(agent_id)
        return wrap is not None and wrap.is_overdue(at)

    def time_up(self, agent_id: AgentId) -> None:
        """End a wrap-up that needs an outcome if one is chosen already; else it is overdue, and shown so."""
        wrap = self.wraps.get(agent_id)
        if wrap is None or wrap.tenant_id is None or wrap.call_id is None:
            self.over(agent_id)
            return
        tenant_id, call_id, leg_id = wrap.tenant_id, wrap.call_id, wrap.offer_id

        def chosen(session: Session) -> bool:
            return drafts.has_outcome(
                session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault
            )

        def known(asked: asyncio.Future[bool]) -> None:
            if self.wraps.get(agent_id) is not wrap:
                return  # saved, or given more time, meanwhile
            if not asked.cancelled() and asked.exception() is None and asked.result():
                self.over(agent_id)
            elif agent := self._floor.agents.get(agent_id):
                self._telling.tell(agent)
                self._telling.stir()

        self._books.enter(call_id, Scope.system(tenant_id), chosen).add_done_callback(known)

    def stop(self, agent_id: AgentId) -> WrapUp | None:
        """Stop the clock of an agent's wrap-up; return it."""
        wrap = self.wraps.pop(agent_id, None)
        if wrap and wrap.timer:
            wrap.timer.cancel()
        return wrap

    def extend(self, agent: Agent, call_id: str) -> str:
        """Give a wrap-up more time, up to its longest."""
        wrap, offer_id = self.wraps.get(agent.agent_id), self._items.offers.get(agent.agent_id)
        if agent.state != _WRAP_UP or wrap is None or offer_id is None or call_id != str(wrap.call_id):
            return "out-of-date"
        if wrap.until is None:
            return "no-limit"
        until = min(max(wrap.until, clock.now()) + MORE_TIME, wrap.began_at + work.LONGEST_WRAP_UP)
        if until <= wrap.until:
            return "longest-already"
        self.begin(agent, until, tenant_id=wrap.tenant_id, began_at=wrap.began_at, holds_over=wrap.holds_over)
        self._books.enter(
            agent.agent_id,
            _DESK,
            lambda session: work.extend(session, offer_id=offer_id, wrap_until=until),
            then=partial(self._telling.publish, agent.agent_id, "state"),
        )
        return "done"

    def over(self, agent_id: AgentId) -> None:
        """End an agent's wrap-up, by their word or by the clock."""
        wrap = self.stop(agent_id)
        agent = self._floor.agents.get(agent_id)
        if agent is None or (agent.state != _WRAP_UP and agent.call_id is None):
            self._items.let_go(agent_id)  # nobody holds it: only its row stands in the way
            return
        if agent.state != _WRAP_UP:
            return
        offer_id = self._items.offers.pop(agent_id, None)
        now = clock.now()
        if offer_id:
            self._items.close(agent_id, offer_id, now)
        if wrap:
            self.settle(wrap)
        agent.call_id = None
        self._states.become(agent, self._states.next(agent), now)
        self._calls.route()

    def settle(self, wrap: WrapUp) -> None:
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
