"""Every ten seconds the switch is asked which calls it holds: the proof of each second that is billed.

And calls that have lasted as long as they may are ended, after a warning to their agent.
"""

import asyncio
import datetime as dt
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core import clock, log
from core.errors import SeatlineError
from core.ids import TenantId
from security.gate import Gate, Scope
from telephony.conductor import facts
from telephony.conductor.dialler import Dialler
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.parties import Dial
from telephony.conductor.paying import Paying
from telephony.conductor.phases import Cause, Phase
from telephony.conductor.phones import Phones
from telephony.conductor.spool import Spool
from telephony.conductor.telephones import Telephones
from telephony.conductor.waiting import Waiting
from telephony.outbound import longer, spend
from telephony.switch import port
from telephony.switch.port import Switch, SwitchError

WARNED_BEFORE = dt.timedelta(minutes=1)  # the longest a call may last is reached
_WITH_AGENT = frozenset({Phase.ANNOUNCING, Phase.TALKING})

_log = log.get(__name__)


class Heartbeat:
    """Proves calls, and ends those that last too long."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        gate: Gate,
        spool: Spool,
        phones: Phones,
        live: Live,
        waiting: Waiting,
        dialler: Dialler,
        telephones: Telephones,
        paying: Paying,
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._gate, self._spool = switch, hands, gate, spool
        self._phones, self._live, self._waiting, self._dialler = phones, live, waiting, dialler
        self._telephones, self._paying, self._feed = telephones, paying, feed

    async def beat(self) -> None:
        """Ask the switch which calls are alive: the proof that a call was billed for no second too many.

        And end those that have lasted as long as they may.
        """
        self._end_long_calls()
        self._waiting.end_long_ones()
        if not self._live.is_connected:
            return
        await self._phones.renew()
        asked_at = clock.now()
        try:
            there = {one.channel for one in await self._switch.live_channels()}
        except SwitchError:
            return
        proven = []
        for held in list(self._live.calls.values()):
            self._look_outside(held, there, asked_at)
            self._telephones.prove(held, there, asked_at)
            self._look_at_agent(held, there, asked_at)
            if held.call.channel in there:
                held.call.proven_at = max(held.call.proven_at, asked_at)
                proven.append(held.call.call_id)
            elif not held.is_placed:
                continue
            elif held.call.arrival.arrived_at < asked_at and held.call.proven_at < asked_at:
                self._feed(held.call.call_id, facts.CallerGone(held.call.proven_at, port.Cause.INTERWORKING))
        if proven:
            self._spool.proof(asked_at, proven)
        if self._spool.is_large():
            self._spool.compact(self._live.in_progress, self._live.boot)

    def _look_outside(self, held: Held, there: set[str], asked_at: dt.datetime) -> None:
        """End the leg of a number outside that the switch does not have any more."""
        outside = held.call.outside
        if outside is None or held.clearance or outside.channel in there or outside.began_at >= asked_at:
            return
        gone = facts.OutsideGone(held.call.proven_at, outside.offer_id, port.Cause.INTERWORKING)
        self._feed(held.call.call_id, gone)

    def _look_at_agent(self, held: Held, there: set[str], asked_at: dt.datetime) -> None:
        """End a conversation whose agent the switch has not had for two beats: it has not told of their end.

        At once would be too soon: what ends, or is brought back, in this very moment is being told.
        """
        call, offer = held.call, held.call.offer
        has_agent = offer is not None and not offer.is_at_telephone and call.phase in _WITH_AGENT
        if offer is None or not has_agent or call.is_parked or held.returning:
            held.is_alone = False
        elif offer.channel in there:
            held.is_alone, held.agent_seen_at = False, asked_at
        elif held.is_alone:
            joined_at = call.instants.get("bridged_at", call.arrival.arrived_at)
            at = max(joined_at, held.agent_seen_at or joined_at)
            self._feed(call.call_id, facts.AgentGone(at, port.Cause.INTERWORKING))
        else:
            held.is_alone = True

    def _end_long_calls(self) -> None:
        """Warn the agents of calls that are as long as they may be in a minute, and end those that are."""
        now = clock.now()
        for held in list(self._live.calls.values()):
            call = held.call
            outside = call.outside
            if outside and outside.picked_up_at and outside.picked_up_at + outside.longest <= now:
                self._dialler.end_outside(call, Cause.TOO_LONG)
            began_at = call.instants.get("picked_up_at") if call.dial else call.arrival.arrived_at
            if began_at is None:
                continue
            left = began_at + (held.longest or (call.dial.longest if call.dial else held.line.longest)) - now
            cause, paid = Cause.TOO_LONG, self._paying.left(held, now)
            if paid is not None and paid < left:
                left, cause = paid, Cause.NOT_PAID
            telephone = call.telephone
            if telephone and telephone.picked_up_at and not call.dial:
                left = min(left, telephone.picked_up_at + telephone.longest - now)
            is_over = left <= dt.timedelta()
            wants = call.dial is not None and left <= spend.LENGTHENED_BEFORE and not held.asks_for_longer
            if call.dial and wants and not (is_over and held.has_asked):
                held.asks_for_longer = True
                self._hands.spawn(self._lengthen(held, call.dial, began_at))
            if call.dial and not held.has_asked:
                continue  # a top-up, or what was granted before a crash, may let it go on
            if is_over:
                self._feed(call.call_id, facts.Cut(now, cause))
            elif left <= WARNED_BEFORE:
                self._feed(call.call_id, facts.EndsSoon(now))

    async def _lengthen(self, held: Held, dial: Dial, began_at: dt.datetime) -> None:
        """Ask whether a call out may go on longer than it was cleared for: it may where it is paid for."""
        try:
            longest = await asyncio.to_thread(self._longer, held.call.arrival.tenant_id, dial.attempt_id)
            if longest and longest > (held.longest or dial.longest):
                held.longest = longest
                ends_in = began_at + longest - clock.now() + port.SPARE
                self._hands.command(held, self._switch.bound(held.call.channel, longest=ends_in))
        except (SeatlineError, SQLAlchemyError) as error:  # it ends when what it has paid for is over
            _log.warning("call-not-lengthened", error=type(error).__name__)
        finally:
            held.asks_for_longer, held.has_asked = False, True

    def _longer(self, tenant_id: TenantId, attempt_id: UUID) -> dt.timedelta | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            return longer.lengthen(session, tenant_id=tenant_id, attempt_id=attempt_id)
