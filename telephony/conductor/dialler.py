"""Calls out, and numbers outside that are brought into a call: placed at most once, ever.

Each has its clearance, and is on disk before the switch is asked; after a crash it is not placed again.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import clock, log
from core.errors import NotFound, SeatlineError
from core.ids import AgentId, CallId, OfferId, TenantId, new_id
from core.phone import E164
from security.gate import Gate, Scope
from security.refusals import Refusals
from security.vault import SealError, Vault
from telephony import calls, numbers
from telephony.calls import Arrival
from telephony.conductor import facts, outgoing, transfer
from telephony.conductor.actions import Action
from telephony.conductor.admitting import Admitting
from telephony.conductor.books import Books
from telephony.conductor.directory import Directory, Line
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.offers import offer_to
from telephony.conductor.parties import Dial, Outside
from telephony.conductor.phases import Cause, Phase
from telephony.conductor.rows import Rows
from telephony.conductor.spool import Spool
from telephony.conductor.telling import Telling
from telephony.events import DialOutcome
from telephony.flows import store
from telephony.outbound import dialling, forwarding
from telephony.outbound import gate as outbound
from telephony.outbound.gate import Refusal, RefusalReason
from telephony.routing.floor import FREE, Floor
from telephony.switch import port
from telephony.switch.clearance import Clearance, ClearanceExpiredError
from telephony.switch.instance import CARRIER
from telephony.switch.port import Switch, SwitchError
from tenants import tampering

_DISK_PATIENCE_S = 5.0  # how long a call out waits to be on disk before it is given up

_log = log.get(__name__)


class Dialler:
    """Places calls out."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        gate: Gate,
        vault: Vault,
        books: Books,
        spool: Spool,
        floor: Floor,
        directory: Directory,
        telling: Telling,
        live: Live,
        rows: Rows,
        admitting: Admitting,
        feed: Feed,
        refusals: Refusals,
        carry_out: Callable[[Held, Action], None],
    ) -> None:
        self._refusals = refusals
        self._admitting = admitting
        self._switch, self._hands, self._gate, self._vault = switch, hands, gate, vault
        self._books, self._spool, self._floor, self._directory = books, spool, floor, directory
        self._telling, self._live, self._rows, self._feed = telling, live, rows, feed
        self._carry_out = carry_out

    async def dial(self, tenant_id: TenantId, attempt_id: UUID, *, place: CallId | None = None) -> str:
        """Place a cleared call, once ever: an order that comes again after a crash finds it known or closed.

        With no free agent for its queue nothing is dialled, and neither after its clearance has expired;
        an agent who is reserved for the
        `place` of a promise takes the call. It
        returns when the call's beginning is on disk; only then does the number ring.
        """
        call_id = CallId(attempt_id)
        if call_id in self._live.dialled:
            return "known"
        try:
            handed = await asyncio.to_thread(self._redeem, tenant_id, attempt_id)
        except outbound.ForbiddenSinceError as forbidden:
            why = forbidden.reason.value
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED, why)
        except (NotFound, SealError) as error:
            # its number or its queue is gone meanwhile, or what was sealed does not open
            _log.warning("dial-not-redeemed", error=error.code)
            if isinstance(error, SealError):
                await asyncio.to_thread(tampering.sealed, self._gate, error, counter=self._refusals)
            why = RefusalReason.CALLER_NOT_OURS.value if isinstance(error, NotFound) else ""
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED, why)
        if handed is None:
            return "closed"
        clearance, line = handed
        if clearance.part_of:
            return await self._bring_in(clearance, clearance.part_of)
        now = clock.now()
        if now > clearance.expires_at:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED)
        if not self._live.is_connected:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED)
        if not self._admitting.lets_out(line, is_by_campaign=clearance.campaign_id is not None):
            why = RefusalReason.NO_ROOM.value
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED, why)
        # from the choice of the agent to their reservation nothing may wait
        agent = (
            self._floor.ready_to_dial(clearance.by_agent_id)
            if clearance.by_agent_id
            else self._floor.reserved(place)
            if place
            else self._floor.pick(clearance.queue_id, tenant_id=tenant_id)
        )
        if agent is None:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.NO_AGENT)
        agent.call_id = call_id
        if agent.state != FREE and agent.next_state is None:
            agent.next_state = agent.state  # who dials while away is away afterwards
        offer = offer_to(agent, expires_at=clearance.expires_at)
        arrival = Arrival(
            tenant_id=tenant_id,
            call_id=call_id,
            number_id=clearance.caller_number_id,
            dialled=clearance.caller,
            queue_id=clearance.queue_id,
            caller=clearance.to,
            arrived_at=now,
            direction=calls.OUTBOUND,
        )
        placed = Dial(
            attempt_id,
            clearance.customer_id,
            clearance.detects_machines,
            offer,
            is_by_hand=clearance.by_agent_id is not None,
            longest=clearance.longest,
        )
        self._live.dialled.add(call_id)
        call, actions = outgoing.begin(arrival, f"dial-{attempt_id}", placed)
        on_disk = self._spool.begin(arrival, call.channel, dial=placed)
        row = self._rows.begin(arrival, lambda: arrival, placed)
        held = Held(call, line, on_disk, row, clearance=clearance, is_placed=False, trunk=CARRIER)
        self._live.calls[call_id] = held
        self._live.by_channel[call.channel] = call_id
        self._live.by_channel[offer.channel] = call_id
        self._rows.note(held.call, now, "dialled", {"agent": agent.number, "seat": agent.seat_label})
        for action in actions:
            self._carry_out(held, action)
        await asyncio.wait({on_disk}, timeout=2 * _DISK_PATIENCE_S)
        return "dialled"

    def _redeem(self, tenant_id: TenantId, attempt_id: UUID) -> tuple[Clearance, Line] | None:
        with self._gate.open(Scope.system(tenant_id)) as session:
            clearance = outbound.redeem(
                session, tenant_id=tenant_id, attempt_id=attempt_id, vault=self._vault
            )
            if clearance is None:
                return None
            line = self._directory.outgoing(
                session,
                tenant_id=tenant_id,
                number_id=clearance.caller_number_id,
                queue_id=clearance.queue_id,
            )
            return clearance, line

    async def _not_dialled(
        self, tenant_id: TenantId, attempt_id: UUID, outcome: DialOutcome, why: str = ""
    ) -> str:
        """Close a dial that was not placed, and tell the agent who waits for it, in the gate's word."""
        at = clock.now()

        def write(session: Session) -> tuple[AgentId | None, bool]:
            dialling.close(
                session,
                tenant_id=tenant_id,
                attempt_id=attempt_id,
                outcome=outcome,
                started_at=at,
                ended_at=at,
            )
            return dialling.dialled_by(session, tenant_id=tenant_id, attempt_id=attempt_id)

        agent_id, is_brought_in = await self._books.enter(
            attempt_id, Scope.system(tenant_id), write, is_urgent=True
        )
        if agent_id and is_brought_in:
            self._telling.say_refused(agent_id, why or outcome.value)
        elif agent_id:
            self._telling.say_dialled(agent_id, attempt_id, outcome.value, why)
        return outcome.value

    async def place(self, held: Held) -> None:
        """Place a call out, once its beginning is on disk: after a crash it is not placed again."""
        call, clearance = held.call, held.clearance
        done, _ = await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        if call.phase is not Phase.DIALLING or clearance is None:
            return
        held.clearance = None
        if not done:
            _log.error("call-not-on-disk")
            self._feed(call.call_id, facts.NotPlaced(clock.now()))
            return
        try:
            await self._switch.originate(call.channel, clearance=clearance)
        except (SwitchError, ClearanceExpiredError) as error:
            _log.warning("call-not-placed", error=error.code)
            self._feed(call.call_id, facts.NotPlaced(clock.now()))
        held.is_placed = True

    async def listen(self, held: Held) -> None:
        """Find out whether a machine has answered."""
        try:
            await self._switch.detect(held.call.channel)
        except SwitchError as error:  # without an ear for machines everybody is a person
            _log.warning("machine-detection-failed", error=error.code)
            self._feed(held.call.call_id, facts.Heard(clock.now(), is_machine=False))

    async def _bring_in(self, clearance: Clearance, call_id: CallId) -> str:
        """Call a number outside into a call in hand; once ever, as `dial`."""
        now, held = clock.now(), self._live.calls.get(call_id)
        tenant_id, attempt_id = clearance.tenant_id, clearance.attempt_id
        if now > clearance.expires_at:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED)
        if not self._live.is_connected:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.FAILED)
        offer = held.call.offer if held and transfer.can_be_given(held.call) else None
        if held is None or offer is None or offer.agent_id != clearance.by_agent_id:
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.NO_AGENT)
        if not self._admitting.lets_out(held.line, is_by_campaign=False):
            why = RefusalReason.NO_ROOM.value
            return await self._not_dialled(tenant_id, attempt_id, DialOutcome.EXPIRED, why)
        outside = Outside(
            OfferId(attempt_id), channel=f"dial-{attempt_id}", longest=clearance.longest, began_at=now
        )
        self._live.dialled.add(CallId(attempt_id))
        self._live.by_channel[outside.channel] = call_id
        held.clearance = clearance
        brought = facts.SentOutside if clearance.is_given else facts.OutsideAsked
        self._feed(call_id, brought(now, outside))
        await asyncio.wait({held.on_disk}, timeout=2 * _DISK_PATIENCE_S)
        return "dialled"

    async def forward(self, held: Held) -> None:
        """Call the phone to which the number dialled forwards, or its flow leads; else the caller goes on."""
        call, attempt_id = held.call, new_id()
        tenant_id = call.arrival.tenant_id
        self._live.dialled.add(CallId(attempt_id))  # its order finds it known
        try:
            answer = await asyncio.to_thread(self._clear_forward, call, attempt_id)
        except (SeatlineError, SQLAlchemyError) as error:
            _log.warning("forward-not-cleared", error=type(error).__name__)
            answer = None
        now = clock.now()
        if not isinstance(answer, Clearance):
            self._live.dialled.discard(CallId(attempt_id))
            self._feed(call.call_id, facts.NotForwarded(now, answer.reason.value if answer else "failed"))
            return
        is_there = call.phase is Phase.FORWARDING and self._live.is_connected
        if not is_there or not self._admitting.lets_out(held.line, is_by_campaign=False):
            await self._not_dialled(tenant_id, attempt_id, DialOutcome.CANCELLED)
            self._live.dialled.discard(CallId(attempt_id))
            self._feed(call.call_id, facts.NotForwarded(clock.now(), RefusalReason.NO_ROOM.value))
            return
        outside = Outside(
            OfferId(attempt_id), channel=f"dial-{attempt_id}", longest=answer.longest, began_at=now
        )
        self._live.by_channel[outside.channel] = call.call_id
        held.clearance = answer
        self._feed(call.call_id, facts.Forwarded(now, outside))

    def _clear_forward(self, call: LiveCall, attempt_id: UUID) -> Clearance | Refusal | None:
        arrival = call.arrival
        scope = Scope.system(arrival.tenant_id)
        with self._gate.open(scope) as session:
            to, ring_s = self._whom(session, call)
        if to is None:
            return None
        # a number of ours would come back in: here, at another client that forwards it back, or, when the
        # caller is one of ours, from a phone that forwards to us by itself
        for one in (to, arrival.caller):
            if one and self._gate.resolve(numbers.DIRECTORY, numbers.directory_key(one)):
                return Refusal(RefusalReason.OWN_NUMBER)
        with self._gate.open(scope) as session:
            return forwarding.clear(
                session,
                arrival=arrival,
                attempt_id=attempt_id,
                to=to,
                ring_s=ring_s,
                vault=self._vault,
                at=clock.now(),
            )

    def _whom(self, session: Session, call: LiveCall) -> tuple[E164 | None, int]:
        """Return which phone the number, or the node of its flow, leads to, and how long it rings."""
        arrival, flow = call.arrival, call.flow
        if flow is None or not call.is_in_flow or not flow.path:
            to = forwarding.target(
                session, tenant_id=arrival.tenant_id, number_id=arrival.number_id, vault=self._vault
            )
            return to, forwarding.RING_S
        return store.phone_at(
            session,
            tenant_id=arrival.tenant_id,
            flow_id=flow.flow_id,
            version=flow.version,
            node=flow.path[-1].node,
            vault=self._vault,
        )

    async def reach(self, held: Held, outside: Outside) -> None:
        """Call the number outside, once that is on disk: after a crash it is not called again."""
        call, clearance = held.call, held.clearance
        done, _ = await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        if clearance and self._is_in(call, outside):
            try:
                if done:
                    await self._switch.originate(outside.channel, clearance=clearance)
            except (SwitchError, ClearanceExpiredError) as error:
                _log.warning("call-not-placed", error=error.code)
                done = set()
            if not done:
                gone = facts.OutsideGone(clock.now(), outside.offer_id, port.Cause.CONGESTION)
                self._feed(call.call_id, gone)
            if not self._is_in(call, outside):
                # who has gone meanwhile, or may have been called after all
                await self._hands.hang_up(outside.channel)
        held.clearance = None

    @staticmethod
    def _is_in(call: LiveCall, outside: Outside) -> bool:
        return call.outside is not None and call.outside.offer_id == outside.offer_id

    def end_all(self, tenant_id: TenantId | None) -> int:
        """End the calls out of a company, or of all, at once; return how many there were."""
        found = [
            held.call.call_id
            for held in self._live.calls.values()
            if held.call.dial and tenant_id in {None, held.call.arrival.tenant_id}
        ]
        for call_id in found:
            self._feed(call_id, facts.Cut(clock.now(), Cause.STOPPED))
        brought_in = [
            held.call
            for held in self._live.calls.values()
            if held.call.outside and tenant_id in {None, held.call.arrival.tenant_id}
        ]
        for call in brought_in:
            self.end_outside(call, Cause.STOPPED)
        return len(found) + len(brought_in)

    def end_outside(self, call: LiveCall, cause: Cause) -> None:
        """Let the number outside go: who talks to it alone has nobody left, everybody else goes on."""
        now, outside = clock.now(), call.outside
        if outside is None:
            return
        if call.phase is Phase.OUTSIDE:
            self._feed(call.call_id, facts.Cut(now, cause))
        elif call.phase is Phase.REACHING:
            self._feed(call.call_id, facts.OutsideGone(now, outside.offer_id, port.Cause.NORMAL))
            self._hands.let_go(outside.channel)
        else:
            self._feed(call.call_id, facts.ConsultEnded(now))
