"""Callers who arrive: whose number they dialled, whether they are let in, and to which queue they belong."""

import asyncio
import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from core import clock, log
from core.ids import OPERATOR, CallId, QueueId, new_id
from core.phone import InvalidNumberError
from security.gate import Scope
from telephony import number_rentals, numbers
from telephony.calls import Arrival
from telephony.conductor import facts, machine, paying
from telephony.conductor.actions import Action, Answer
from telephony.conductor.admitting import Admitting, NoRoom
from telephony.conductor.books import Books
from telephony.conductor.directory import Directory, Line, caller_number
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.lobby import Lobby
from telephony.conductor.paying import Paying
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.conductor.spool import Spool
from telephony.conductor.voice import Voice
from telephony.conductor.waiting import Waiting
from telephony.numbers import Forwarding
from telephony.routing import trail
from telephony.switch import port
from telephony.switch.port import Switch

_log = log.get(__name__)
_STOCK = Scope.system(OPERATOR)


class Arrivals:
    """Takes calls in."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        books: Books,
        spool: Spool,
        directory: Directory,
        live: Live,
        rows: Rows,
        voice: Voice,
        waiting: Waiting,
        admitting: Admitting,
        paying: Paying,
        feed: Feed,
        lobby: Lobby,
        carry_out: Callable[[Held, Action], None],
    ) -> None:
        self._lobby = lobby
        self._admitting, self._paying = admitting, paying
        self._switch, self._hands, self._books, self._spool = switch, hands, books, spool
        self._directory, self._live, self._rows, self._voice = directory, live, rows, voice
        self._waiting, self._feed, self._carry_out = waiting, feed, carry_out

    async def arrive(self, event: port.Arrived) -> None:
        """Find the line of a number that is not remembered, and take its caller in."""
        try:
            line = await asyncio.to_thread(self._directory.find, event.dnis)
            shared = None if line else await asyncio.to_thread(self._lobby.find, event.dnis)
        except Exception as error:  # noqa: BLE001 - a caller must get an answer, whatever failed
            _log.warning("number-not-resolved", error=type(error).__name__)
            await self._hands.refuse(event.channel, port.Cause.SWITCH_CONGESTION)
            return
        if shared:
            await self._lobby.receive(event, *shared)
            return
        if line is None:
            _log.warning("unknown-number-dialled", trunk=event.trunk, digits=len(event.dnis))
            self._count_stray(event.dnis)
            await self._hands.refuse(event.channel, port.Cause.UNALLOCATED)
            return
        self.take_in(event, line)

    def take_in(self, event: port.Arrived, line: Line) -> None:
        """Take a call in, or turn it away at the door of a company that is suspended."""
        if not line.is_open:
            _log.warning("company-not-open", trunk=event.trunk)
            self._hands.spawn(self._hands.refuse(event.channel, port.Cause.REJECTED))
            return
        self._begin(event, line, self._admitting.arrives(line, event.trunk))

    def _begin(self, event: port.Arrived, line: Line, no_room: NoRoom | None) -> None:
        """Take a call in; no step here waits, so that with an agent free the ring leaves in this turn."""
        if self._directory.is_ageing(event.dnis):
            self._books.write(line.number.number_id, lambda: self._directory.renew(event.dnis))
        # a flow looks itself what is open
        there = line if line.flow else line.at(event.at)
        line = there or line
        arrival = Arrival(
            tenant_id=line.number.tenant_id,
            call_id=CallId(new_id()),
            number_id=line.number.number_id,
            dialled=line.number.digits,
            queue_id=line.queue.queue_id,
            caller="",
            arrived_at=event.at,
        )

        @functools.cache
        def with_caller() -> Arrival:
            # read after the ring has left: the numbering plan's rules take longer than the decision to ring
            call.arrival = replace(arrival, caller=caller_number(event.ani, dialled=arrival.dialled))
            return call.arrival

        call, actions = machine.begin(arrival, event.channel)
        on_disk = self._spool.begin(arrival, event.channel, with_caller)
        # who is turned away at once costs nothing
        leads_on = there is not None or bool(line.number.forwards) or bool(line.tier_flows)
        keeps = line.is_prepaid and no_room is None and leads_on
        row = self._rows.begin(arrival, with_caller, routing=line.routing, keeps=keeps)
        held = Held(call, line, on_disk, row, trunk=event.trunk)
        if line.routing.asks_who_calls:
            held.row.add_done_callback(functools.partial(self._waiting.learn, held))
        if keeps:
            held.row.add_done_callback(functools.partial(self._paying.learn, held))
        if line.routing.needs_region or line.flow or line.number.forwards or line.routing.flows:
            with_caller()
        self._live.calls[call.call_id] = held
        self._live.by_channel[event.channel] = call.call_id
        self._rows.note(held.call, event.at, "arrived", {"trunk": event.trunk})
        # before anything is played: while it plays, Asterisk lets whoever sets a channel's variable wait
        self._hands.command(held, self._switch.bound(event.channel, longest=line.longest + port.SPARE))
        if no_room:
            refused = facts.NoRoom(
                event.at, no_room.whose, no_room.is_spoken, no_room.cause, no_room.calls, no_room.limit
            )
            self._feed(call.call_id, refused)
            return
        if keeps or _depends_on_tier(held):
            self._hands.spawn(self._when_written(held, actions))
            return
        self._let_in(held, event.at, actions)

    async def _when_written(self, held: Held, actions: Sequence[Action]) -> None:
        """Let a caller in when it is known who they are and that their company has paid for it.

        Neither is waited for for long.
        """
        await asyncio.wait({held.row}, timeout=paying.WITHIN_S)
        if held.call.phase is Phase.GREETING:
            self._let_in(held, clock.now(), actions)

    def come_again(self, held: Held) -> None:
        """Let a caller in whom nobody has answered when the switchboard was away."""
        if held.line.is_prepaid or _depends_on_tier(held):
            self._hands.spawn(self._when_written(held, [Answer()]))
        else:
            self._let_in(held, clock.now(), [Answer()])

    def _let_in(self, held: Held, at: dt.datetime, actions: Sequence[Action]) -> None:
        """Let a caller in: to the client's own phone, into the flow of tier or number, or to its queue."""
        tier = self._follow_tier(held, at)
        call, line = held.call, held.line
        there = line if line.flow else line.at(call.arrival.arrived_at)
        if line.number.forwards is Forwarding.ALWAYS or (line.number.forwards and there is None):
            self._feed(call.call_id, facts.Forwards(at, is_closed=there is None))
            for action in actions:
                self._carry_out(held, action)
            return
        if there is None:
            self._feed(call.call_id, facts.OutsideHours(at))
            return
        if line.flow:
            self._hands.command(held, self._switch.answer(call.channel))
            self._feed(call.call_id, facts.FlowEntered(at, line.flow.flow_id, line.flow.version, tier))
            return
        for action in actions:
            self._carry_out(held, action)

    def _follow_tier(self, held: Held, at: dt.datetime) -> str:
        """Let a caller go through the flow of their tier in place of their number's; return that tier.

        Empty: they go the number's own way. Where that was not to be, the timeline says why.
        """
        line, tier = held.line, held.known.tier
        if not _depends_on_tier(held):
            return ""
        if tier in line.tier_flows:
            held.line = line.of_tier(tier)
            return tier
        if tier in line.routing.flows:
            self._rows.note(held.call, at, trail.MISSING, {"tier": tier})
        elif not _is_read(held):
            self._rows.note(held.call, at, trail.UNKNOWN, {})
        return ""

    def _count_stray(self, dialled: str) -> None:
        """Count a caller of a number that may be in stock, whom nobody receives."""
        with contextlib.suppress(InvalidNumberError):
            digits = numbers.canonical(dialled)
            self._books.enter(OPERATOR, _STOCK, lambda session: number_rentals.stray(session, digits=digits))

    def belong(self, held: Held, queue_id: QueueId) -> None:
        """Let a call belong to the queue its flow has chosen."""
        call, line = held.call, held.line
        entries = line.flow.entries.values() if line.flow else ()
        chosen = next((one for one in entries if one.queue.queue_id == queue_id), None)
        if chosen:
            held.line = replace(
                chosen,
                is_open=line.is_open,
                longest=line.longest,
                routing=line.routing,
                is_prepaid=line.is_prepaid,
                flow=line.flow,
            )
        self._rows.keep_queue(call)

    def enter(self, held: Held) -> None:
        """Let a call that has left its flow into its queue, as one that came by a number without any.

        Who waited there before and is back has heard the greeting, and stands where they stood.
        """
        now = clock.now()
        if held.is_unpaid:
            self._feed(held.call.call_id, facts.NotPaid(now))
            return
        if held.call.queued_at:
            self._feed(held.call.call_id, facts.GreetingEnded(now))
            return
        there = held.line.at(now)
        if there is None:
            self._feed(held.call.call_id, facts.OutsideHours(now))
            return
        held.line = there
        self._voice.play_greeting(held)


def _depends_on_tier(held: Held) -> bool:
    """Whether what a caller goes through depends on who they are, and they have shown a number."""
    line = held.line
    is_asked = bool(line.routing.flows) and line.number.forwards is not Forwarding.ALWAYS
    return is_asked and bool(held.call.arrival.caller)


def _is_read(held: Held) -> bool:
    """Whether the caller's rows have been read, whatever they say."""
    row = held.row
    return row.done() and not row.cancelled() and row.exception() is None
