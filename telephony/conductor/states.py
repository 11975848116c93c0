"""What an agent is doing: chosen by them, or following from the call in their hands.

The floor in memory decides; the seats room keeps agent time, written beside it in order.
"""

import datetime as dt
from functools import partial
from uuid import UUID, uuid5

from sqlalchemy.orm import Session

from core import clock, log
from core.ids import OPERATOR, AgentId, CallId, TenantId
from seats import presence
from seats.errors import BeforeShiftError, FutureChangeError, IllegalTransitionError, NotSignedInError
from seats.rules import CALL_IN_HAND, Activity, activity, away
from security.gate import Scope
from telephony.conductor.asked import Calls
from telephony.conductor.books import Books
from telephony.conductor.phases import Lost
from telephony.conductor.telling import Telling
from telephony.routing.floor import FREE, Agent, Floor

_DESK = Scope.system(OPERATOR)
_OFFLINE = Activity.OFFLINE.value
_WRAP_UP = Activity.WRAP_UP.value
_NAMES = UUID("018f5c7e-6f0a-7000-8000-7365a7116e01")  # the namespace of our event ids
SUPERVISING = away("supervising")
_log = log.get(__name__)


class States:
    """What agents are doing, on the floor and in the seats room."""

    def __init__(self, *, books: Books, floor: Floor, telling: Telling, calls: Calls) -> None:
        self._books, self._floor, self._telling, self._calls = books, floor, telling, calls
        self.sent_home: set[AgentId] = set()  # to be signed out when the work in hand is over

    def choose(self, agent: Agent, status: str, reason: str) -> str:
        """Change the status an agent has chosen; during a call it is what they become after it."""
        if agent.agent_id in self.sent_home:  # their leader alone takes that back
            self._telling.tell(agent)
            return "sent-home"
        wanted = FREE if status == FREE else away(reason or status)
        if self.is_at_work(agent):
            agent.next_state = wanted
            self._telling.tell(agent)
            return "after-the-call"
        if wanted == FREE and not agent.is_online:
            wanted = _OFFLINE
        self.become(agent, wanted, clock.now())
        self._calls.route()
        return "done"

    def become(
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
        """Change what an agent is doing: on the floor at once, in the seats room in order."""
        if agent.state == state and subject == agent.call_id and not observed:
            self._telling.tell(agent)
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
            self._telling.say_activity(agent.agent_id, state, at)
        then = partial(self._telling.publish, agent.agent_id, "state") if is_told else None
        self._books.enter(agent.agent_id, _DESK, write, then=then)
        self._telling.stir()

    def after(self, agent: Agent, why: Lost | None) -> str:
        """Return what an agent becomes when an offer came to nothing."""
        match why:
            case Lost.DECLINED:
                return away("declined")
            case Lost.NO_ANSWER:
                return away("missed")
            case Lost.PHONE_GONE | Lost.NOT_CALLED if agent.is_at_telephone:
                return away("missed")  # or it would be called again at once
            case Lost.PHONE_GONE | Lost.NOT_CALLED:
                agent.is_online = False
                return _OFFLINE
            case _:
                return self.next(agent)

    def next(self, agent: Agent) -> str:
        """Return what an agent becomes after the work in hand: what they wished, once, or free."""
        state, agent.next_state = agent.next_state or FREE, None
        return _OFFLINE if state == FREE and not agent.is_online else state

    @staticmethod
    def is_at_work(agent: Agent) -> bool:
        """Whether an agent has a call in hand, or its wrap-up."""
        return bool(agent.call_id) or activity(agent.state) in CALL_IN_HAND or agent.state == _WRAP_UP

    def supervises(self, agent: Agent, call_id: CallId) -> None:
        """See `supervision.States`."""
        agent.next_state = agent.next_state or agent.state
        self.become(agent, SUPERVISING, clock.now())
        agent.call_id = call_id

    def supervised(self, agent: Agent) -> None:
        """See `supervision.States`."""
        agent.call_id = None
        if self._floor.agents.get(agent.agent_id) is agent and agent.state == SUPERVISING:
            self.become(agent, self.next(agent), clock.now())
            self._calls.route()
