"""Calls in that are paid beforehand: who is not let in for lack of money, and how long the others may talk.

The bounds are those of the wallet (`telephony.prepaid`); calls out have theirs from their clearance. A call
whose people talk before the database could be asked goes on for a minute, whatever its answer is.
"""

import asyncio
import datetime as dt
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from core import clock, log
from core.errors import SeatlineError
from core.ids import CallId, TenantId
from security.gate import Gate, Scope
from telephony import prepaid
from telephony.conductor import facts
from telephony.conductor.hands import Hands
from telephony.conductor.live import Begun, Feed, Held
from telephony.outbound import spend
from telephony.switch import port
from telephony.switch.port import Switch

WITHIN_S: Final = 0.3  # how long a caller waits to be let in while it is asked whether their call is paid for
_LET_GO_ON: Final = dt.timedelta(minutes=1)
_log = log.get(__name__)


class Paying:
    """Knows what is paid of calls in, and asks for more."""

    def __init__(self, *, switch: Switch, hands: Hands, gate: Gate, feed: Feed) -> None:
        self._switch, self._hands, self._gate, self._feed = switch, hands, gate, feed

    def learn(self, held: Held, written: asyncio.Future[Any]) -> None:
        """Take in what was kept when a call's row was written; for whom there was nothing is turned away."""
        if written.cancelled() or written.exception() or not isinstance(written.result(), Begun):
            return
        paid = written.result().paid
        if paid is None:
            return
        held.paid, held.is_unpaid = paid or _LET_GO_ON, not paid
        if held.is_unpaid:
            self._feed(held.call.call_id, facts.NotPaid(clock.now()))

    def left(self, held: Held, now: dt.datetime) -> dt.timedelta | None:
        """Return for how much longer a call in may go on, and ask for more in time; to be called every beat.

        None: as far as money goes, for as long as calls may.
        """
        call, began_at = held.call, held.call.instants.get("bridged_at")
        if call.dial or held.paid is None or began_at is None or call.talked_until:
            return None
        left = began_at + held.paid - now
        is_over = held.has_asked and left <= dt.timedelta()
        wants = not held.has_asked or left <= spend.LENGTHENED_BEFORE
        if wants and not is_over and not held.asks_for_longer:
            held.asks_for_longer = True
            self._hands.spawn(self._lengthen(held, began_at))
        return left if held.has_asked else None

    async def _lengthen(self, held: Held, began_at: dt.datetime) -> None:
        call, before = held.call, held.paid
        try:
            paid = await asyncio.to_thread(self._longer, call.arrival.tenant_id, call.call_id)
            if paid is None:
                return
            held.paid = max(paid, before or paid)
            if held.paid != before or not held.has_asked:
                ends_at = min(began_at + held.paid, call.arrival.arrived_at + held.line.longest)
                longest = max(dt.timedelta(), ends_at - clock.now()) + port.SPARE
                self._hands.command(held, self._switch.bound(call.channel, longest=longest))
            held.has_asked = True
        except (SeatlineError, SQLAlchemyError) as error:  # it ends when what it has paid for is over
            _log.warning("call-not-lengthened", error=type(error).__name__)
            held.has_asked = True
        finally:
            held.asks_for_longer = False

    def _longer(self, tenant_id: TenantId, call_id: CallId) -> dt.timedelta | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            return prepaid.lengthen(session, tenant_id=tenant_id, call_id=call_id)
