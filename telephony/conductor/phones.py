"""Agents' phones: registered or gone, given to the switch, and renewed before their passwords grow old."""

import asyncio
import datetime as dt
from collections.abc import Callable

from sqlalchemy.orm import Session

from core import clock, log
from core.ids import OPERATOR
from seats.rules import CALL_IN_HAND, Activity, activity
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import endpoints
from telephony.conductor.books import Books, is_outage
from telephony.conductor.states import States
from telephony.conductor.telling import Telling
from telephony.conductor.wrap_ups import WrapUps
from telephony.routing.floor import FREE, Agent, Floor
from telephony.switch.port import Switch, SwitchError

_DESK = Scope.system(OPERATOR)
_OFFLINE = Activity.OFFLINE.value
_LOOK_EVERY = dt.timedelta(minutes=1)
_AGAIN_S = 0.5  # of a database that is away
_log = log.get(__name__)


class Phones:
    """Which phone each agent has, and whether it can be rung."""

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
        wrap_ups: WrapUps,
    ) -> None:
        self._switch, self._gate, self._vault, self._books = switch, gate, vault, books
        self._floor, self._telling, self._states, self._wrap_ups = floor, telling, states, wrap_ups
        self._look_at = dt.datetime.min.replace(tzinfo=dt.UTC)  # when phones are looked at for their age

    async def give(self) -> None:
        """Give a switch that may have been started anew its phones; a database that is away is waited for."""
        while True:
            phones = await self._read(self._read_issued)
            if phones is not None:
                break
            await asyncio.sleep(_AGAIN_S)
        for phone in phones:
            try:
                await self._switch.put_endpoint(phone.name, password=phone.password)
                is_online = await self._switch.online(phone.name)
            except SwitchError as error:
                _log.warning("phone-not-given", error=error.code)
                continue
            self.changed(phone.name, is_online=is_online, at=clock.now())

    def changed(self, endpoint: str, *, is_online: bool, at: dt.datetime) -> None:
        """An agent's phone registered or went away; who cannot be rung is not available."""
        agent = self._floor.by_endpoint(endpoint)
        if agent is None or agent.is_at_telephone or agent.is_online == is_online:
            return
        agent.is_online = is_online
        if not is_online and agent.state == FREE and agent.call_id is None:
            self._states.become(agent, _OFFLINE, at)
        elif is_online and agent.state == _OFFLINE:
            self._states.become(agent, FREE, at)
        else:
            self._telling.tell(agent)
        self._telling.stir()

    async def renew(self) -> None:
        """Give phones whose password is old another one, unless their agent has something in hand.

        Name and password of before are refused from then on; the console takes up the new ones.
        Looks once a minute.
        """
        now = clock.now()
        if now < self._look_at:
            return
        phones = await self._read(self._read_old)
        if phones is None:  # calls go on without a database, and so does whoever looks after them
            return
        self._look_at = now + _LOOK_EVERY
        for phone in phones:
            agent = self._floor.agents.get(phone.agent_id)
            if agent is None or (
                agent.call_id is None
                and agent.agent_id not in self._wrap_ups.wraps
                and activity(agent.state) not in CALL_IN_HAND
            ):
                await self._renew(phone, agent)

    async def _renew(self, phone: endpoints.Endpoint, agent: Agent | None) -> None:
        # unreachable before anything is awaited: nobody rings a phone that is on its way out
        self.changed(phone.name, is_online=False, at=clock.now())

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
            self._telling.tell(agent)

    @staticmethod
    async def _read(phones: Callable[[], list[endpoints.Endpoint]]) -> list[endpoints.Endpoint] | None:
        """Return phones as the database has them; None while it is away."""
        try:
            return await asyncio.to_thread(phones)
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("phones-not-read", error=type(error).__name__)
            return None

    def _read_issued(self) -> list[endpoints.Endpoint]:
        with self._gate.open(_DESK) as session:
            return endpoints.issued(session, vault=self._vault)

    def _read_old(self) -> list[endpoints.Endpoint]:
        with self._gate.open(_DESK) as session:
            return endpoints.old(session, vault=self._vault)
