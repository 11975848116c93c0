"""Callers who hung up and keep their place: each stands on the floor as if they waited.

When it is the turn of one, the agent is reserved at once, the gate is asked beside the loop, and the call is
placed for that agent. Truth is in the rows: a start reads all of them, and every few seconds those of the
companies that have some are read again.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from uuid import UUID

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, CallId, QueueId, TenantId
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.conductor.books import is_outage
from telephony.conductor.dialler import Dialler
from telephony.conductor.hands import Hands
from telephony.outbound import promised
from telephony.outbound.promised import Promised, State
from telephony.routing import settings
from telephony.routing.floor import Agent, Floor, InQueue
from telephony.routing.strategy import Policy
from tenants import companies

_LOOK_EVERY = dt.timedelta(seconds=5)
_log = log.get(__name__)


class Promises:
    """The places that are kept for callers who are not on the line."""

    def __init__(
        self,
        *,
        gate: Gate,
        vault: Vault,
        hands: Hands,
        floor: Floor,
        dialler: Dialler,
        route: Callable[[], None],
    ) -> None:
        self._gate, self._vault, self._hands = gate, vault, hands
        self._floor, self._dialler, self._route = floor, dialler, route
        self._standing: dict[CallId, Promised] = {}
        self._companies: set[TenantId] = set()  # that have made some
        self._knows_all = False  # since this process has looked at every company once
        self._look_at = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._is_looking = False

    async def promise(
        self, tenant_id: TenantId, call_id: CallId, queue_id: QueueId, *, since: dt.datetime | None = None
    ) -> None:
        """Keep a place in a queue for who calls, from now on, or since when they wait there."""
        at = clock.now()

        def write() -> tuple[Promised, Policy]:
            with self._gate.open(Scope.system(tenant_id)) as session:
                one = promised.promise(
                    session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id, at=at, since=since
                )
                return one, settings.read(session, tenant_id=tenant_id).policy

        one, policy = await asyncio.to_thread(write)
        self._companies.add(tenant_id)
        self._stand(one, policy)

    def look(self) -> None:
        """Read again what has changed; to be called every second."""
        is_needed = self._companies or not self._knows_all
        if is_needed and not self._is_looking and clock.now() >= self._look_at:
            self._hands.spawn(self._look())

    def turn(self, place: CallId, agent: Agent) -> None:
        """It is the turn of who stands there, if a promise does: call them for this agent."""
        one = self._standing.pop(place, None)
        self._floor.leave(place)
        if one is not None:
            agent.call_id = place  # nobody else is promised to them meanwhile
            self._hands.spawn(self._call(one, place, agent))

    async def _call(self, one: Promised, place: CallId, agent: Agent) -> None:
        try:
            attempt_id = await asyncio.to_thread(self._clear, one)
            if attempt_id is not None:
                await self._dialler.dial(one.tenant_id, attempt_id, place=place)
        except Exception as error:  # noqa: BLE001 - what is not expected is raised again
            _raise_unless_expected(error)
            _log.warning("promise-not-kept", error=type(error).__name__)
        finally:
            if agent.call_id == place:  # not called: the agent is there for others again
                agent.call_id = None
                self._route()

    def _clear(self, one: Promised) -> UUID | None:
        with self._gate.open(Scope.system(one.tenant_id)) as session:
            return promised.keep(
                session,
                tenant_id=one.tenant_id,
                promise_id=one.promise_id,
                vault=self._vault,
                at=clock.now(),
            )

    async def _look(self) -> None:
        self._is_looking, began = True, clock.now()
        try:
            found = await asyncio.to_thread(self._read)
        except Exception as error:  # noqa: BLE001 - what is not expected is raised again
            _raise_unless_expected(error)
            _log.info("promises-wait", error=type(error).__name__)
            return
        finally:
            self._is_looking, self._look_at = False, clock.now() + _LOOK_EVERY
        there = {CallId(one.promise_id) for ones, _ in found.values() for one in ones}
        for place in self._standing.keys() - there:  # withdrawn meanwhile, or over
            if self._standing[place].place_at < began:  # not one that was made while they were read
                self._standing.pop(place)
                self._floor.leave(place)
        self._knows_all = True
        self._companies -= {tenant_id for tenant_id, (ones, _) in found.items() if not ones}
        self._companies |= {one.tenant_id for ones, _ in found.values() for one in ones}
        self._companies |= {one.tenant_id for one in self._standing.values()}
        for ones, policy in found.values():
            for one in ones:
                self._stand(one, policy)
        self._route()

    def _read(self) -> Mapping[TenantId, tuple[list[Promised], Policy]]:
        asked = set(self._companies)
        if not self._knows_all:
            with self._gate.open(Scope.system(OPERATOR)) as session:
                asked |= {one.tenant_id for one in companies.served(session)}
        return {tenant_id: self._of(tenant_id) for tenant_id in asked}

    def _of(self, tenant_id: TenantId) -> tuple[list[Promised], Policy]:
        with self._gate.open(Scope.system(tenant_id)) as session:
            ones = promised.open_of(session, tenant_id=tenant_id)
            return ones, settings.read(session, tenant_id=tenant_id).policy

    def _stand(self, one: Promised, policy: Policy) -> None:
        place = CallId(one.promise_id)
        if place in self._standing or one.state is not State.WAITING or one.next_at > clock.now():
            return
        self._standing[place] = one
        self._floor.wait(
            InQueue(place, one.tenant_id, one.queue_id, one.place_at, is_at_head=False, is_called_back=True),
            policy,
        )


def _raise_unless_expected(error: Exception) -> None:
    if not isinstance(error, SeatlineError) and not is_outage(error):
        raise error
