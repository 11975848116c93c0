"""The rows of calls in progress: each is handed to the books, and nobody waits for it here.

Everything may be written again: after a crash the next start writes what the last may not have.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, OfferId, RecordingId, TenantId, public
from core.phone import E164
from core.realtime import Realtime
from customers import lookup
from security.gate import Scope
from security.vault import Vault
from telephony import calls, conference, drafts, prepaid, recording
from telephony.calls import Answerer, Arrival, Ending
from telephony.conductor.books import Books
from telephony.conductor.live import Begun, Known, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Dial, Offer, Outside
from telephony.conductor.phases import Phase
from telephony.conductor.telling import Telling
from telephony.events import DialOutcome
from telephony.flows import store
from telephony.flows.trace import Outcome
from telephony.outbound import dialling
from telephony.routing.settings import RoutingSettings, tier_of


class Rows:
    """Writes what happens to calls."""

    def __init__(
        self,
        *,
        vault: Vault,
        realtime: Realtime,
        books: Books,
        telling: Telling,
        live: Live,
    ) -> None:
        self._vault, self._realtime, self._books, self._telling = vault, realtime, books, telling
        self._live = live

    def begin(
        self,
        begun: Arrival,
        with_caller: Callable[[], Arrival],
        dial: Dial | None = None,
        routing: RoutingSettings | None = None,
        *,
        keeps: bool = False,
    ) -> asyncio.Future[Any]:
        """Write a call's row; the future's result is a `Begun`.

        `keeps`: its company pays beforehand, and what the call may cost is kept with it.
        """

        def write(session: Session) -> Begun:
            arrival = with_caller()
            customer_id = dial.customer_id if dial else None
            if arrival.caller and customer_id is None:
                card = lookup.by_phone(
                    session, tenant_id=arrival.tenant_id, vault=self._vault, phone=E164(arrival.caller)
                )
                customer_id = card.id if card else None
            calls.begin(session, arrival=arrival, customer_id=customer_id, vault=self._vault)
            paid = prepaid.keep(session, arrival=arrival) if keeps else None
            if dial or customer_id is None or routing is None or not routing.asks_who_calls:
                return Begun(paid=paid)
            tenant_id, days = arrival.tenant_id, dt.timedelta(days=routing.sticky_days)
            known = Known(
                tier_of(session, tenant_id=tenant_id, customer_id=customer_id),
                calls.last_agent(
                    session, tenant_id=tenant_id, customer_id=customer_id, since=arrival.arrived_at - days
                )
                if routing.sticky_s
                else None,
            )
            return Begun(known, paid)

        # the pop and the bridge wait for this row
        return self._books.enter(begun.call_id, Scope.system(begun.tenant_id), write, is_urgent=True)

    def mark(self, call: LiveCall, instants: dict[str, dt.datetime], offer: Offer | None) -> None:
        """Write when what happened to a call, and who serves it."""
        # once somebody has talked, the call is theirs until somebody else does
        talked = (leg.answerer for leg in reversed(call.legs) if leg.answerer)
        of = Answerer(offer.agent_id, offer.agent_number, offer.seat_id, offer.seat_label) if offer else None
        answerer = next(talked, of)
        self._books.enter(
            call.call_id,
            Scope.system(call.arrival.tenant_id),
            lambda session: calls.mark(
                session,
                tenant_id=call.arrival.tenant_id,
                call_id=call.call_id,
                instants=instants,
                answerer=answerer,
            ),
            then=lambda: self.tell(call, "live"),
        )

    def keep_queue(self, call: LiveCall) -> None:
        """Write to which queue a call belongs."""
        tenant_id, call_id, queue_id = call.arrival.tenant_id, call.call_id, call.arrival.queue_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id),
        )

    def move(self, call: LiveCall) -> None:
        """Write to which queue a caller who waits was moved, and tell the pages."""
        tenant_id, call_id, queue_id = call.arrival.tenant_id, call.call_id, call.arrival.queue_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id),
            then=lambda: self.tell(call, "live"),
        )

    def hand_on(self, call: LiveCall, leg_id: OfferId) -> None:
        """Write that an agent's part is over, what they wrote, and where the call belongs now."""
        tenant_id, call_id, queue_id, legs = (
            call.arrival.tenant_id,
            call.call_id,
            call.arrival.queue_id,
            tuple(call.legs),
        )

        def write(session: Session) -> None:
            calls.keep_legs(session, tenant_id=tenant_id, call_id=call_id, legs=legs)
            calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=queue_id)
            drafts.hand_on(session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault)

        self._books.enter(
            call_id, Scope.system(tenant_id), write, is_urgent=True, then=lambda: self.tell(call, "live")
        )

    def keep_legs(self, call: LiveCall) -> None:
        """Write who has had a part in a call, and tell those who have one."""
        tenant_id, legs = call.arrival.tenant_id, tuple(call.legs)
        told = [leg.agent_id for leg in legs if leg.agent_id and not leg.is_over]
        self._books.enter(
            call.call_id,
            Scope.system(tenant_id),
            lambda session: calls.keep_legs(session, tenant_id=tenant_id, call_id=call.call_id, legs=legs),
            then=lambda: self._telling.say_to(told),
        )

    def enter_room(self, call: LiveCall) -> None:
        """Write in which conference room a call is, and tell the pages."""
        tenant_id, call_id, room = call.arrival.tenant_id, call.call_id, call.room
        if room is None:
            return
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: conference.enter(
                session, tenant_id=tenant_id, call_id=call_id, room_id=room.room_id, leads=room.leads
            ),
            then=lambda: self.tell(call, "live"),
        )

    def end_talk(self, call: LiveCall) -> None:
        """Write that the agent has hung up and the caller is asked for a rating, and tell the pages."""
        tenant_id, call_id, at, most = (
            call.arrival.tenant_id,
            call.call_id,
            call.talked_until,
            call.survey_most,
        )
        if at is None:
            return
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.end_talk(
                session, tenant_id=tenant_id, call_id=call_id, at=at, survey_most=most
            ),
            is_urgent=True,  # the agent may save their wrap-up at once
            then=lambda: self.tell(call, "live"),
        )

    def rate(self, call: LiveCall) -> None:
        """Write which rating the caller gave."""
        tenant_id, call_id, rating = call.arrival.tenant_id, call.call_id, call.rating
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: calls.rate(session, tenant_id=tenant_id, call_id=call_id, rating=rating),
        )

    def keep_run(self, call: LiveCall) -> None:
        """Keep how a call went through its flow, whether it came to a queue or its caller hung up."""
        flow = call.flow
        if flow is None:
            return
        tenant_id, call_id = call.arrival.tenant_id, call.call_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: store.keep_run(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                flow_id=flow.flow_id,
                version=flow.version,
                began_at=flow.began_at,
                ended_at=flow.ended_at or call.ended_at or clock.now(),
                outcome=flow.outcome or (Outcome.SERVED if call.recording_id else Outcome.LEFT),
                path=flow.path,
            ),
        )

    def begin_recording(self, call: LiveCall, recording_id: RecordingId, at: dt.datetime) -> None:
        """Write that a call is being recorded."""
        tenant_id = call.arrival.tenant_id
        self._books.enter(
            call.call_id,
            Scope.system(tenant_id),
            lambda session: recording.begin(
                session, tenant_id=tenant_id, recording_id=recording_id, call_id=call.call_id, started_at=at
            ),
            then=lambda: self._telling.say_anew(call),
        )

    def captured(self, call: LiveCall, recording_id: RecordingId) -> None:
        """Write that the switch has written a recording: it is to be sealed."""
        tenant_id, call_id = call.arrival.tenant_id, call.call_id
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: recording.captured(
                session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id
            ),
        )

    async def written(self, call_id: CallId) -> None:
        """Wait until all that was handed over of a call so far has been written."""
        await self._books.write(call_id, lambda: None)

    def keep_outsides(self, call: LiveCall) -> None:
        """Write what is known of the numbers outside, behind the beginning of the call they are part of."""
        tenant_id, call_id, outsides = call.arrival.tenant_id, call.call_id, _all_outside(call)
        if not outsides:
            return
        self._books.enter(
            call_id,
            Scope.system(tenant_id),
            lambda session: self._write_outsides(session, tenant_id, call_id, outsides),
            then=lambda: self.tell(call, "live"),
        )

    def _write_outsides(
        self, session: Session, tenant_id: TenantId, part_of: CallId, outsides: Sequence[Outside]
    ) -> None:
        """Write the books of numbers outside as far as they go; may be repeated: each is billed once."""
        for one in outsides:
            call_id = CallId(one.offer_id)
            dialling.begin_part(
                session,
                tenant_id=tenant_id,
                attempt_id=call_id,
                part_of=part_of,
                at=one.began_at,
                vault=self._vault,
            )
            if one.picked_up_at:
                instants = {"picked_up_at": one.picked_up_at, "bridged_at": one.picked_up_at}
                calls.mark(session, tenant_id=tenant_id, call_id=call_id, instants=instants)
            if one.ended_at and one.cause:
                ending = Ending(tenant_id, call_id, one.ended_at, one.cause.value, self._live.boot)
                calls.finish(session, ending=ending)
                dialling.close(
                    session,
                    tenant_id=tenant_id,
                    attempt_id=call_id,
                    outcome=one.outcome,
                    started_at=one.began_at,
                    answered_at=one.picked_up_at,
                    ended_at=one.ended_at,
                    call_id=call_id,
                )

    def write_again(self, call: LiveCall) -> None:
        """Write again what its flow and its agents have made of a call, where the last run may not have."""
        if call.flow and (call.flow.outcome or call.phase is Phase.ENDED):
            self.keep_run(call)
            self.keep_queue(call)
        if call.is_shared:
            self._write_parts_again(call)
        self.enter_room(call)
        self.end_talk(call)
        if call.rating:
            self.rate(call)

    def _write_parts_again(self, call: LiveCall) -> None:
        arrival, legs = call.arrival, tuple(call.legs)
        over = [leg.leg_id for leg in legs if leg.how in calls.GIVEN_AWAY]

        def write(session: Session) -> None:
            tenant_id, call_id = arrival.tenant_id, arrival.call_id
            calls.keep_legs(session, tenant_id=tenant_id, call_id=call_id, legs=legs)
            calls.move(session, tenant_id=tenant_id, call_id=call_id, queue_id=arrival.queue_id)
            for leg_id in over:
                drafts.hand_on(
                    session, tenant_id=tenant_id, call_id=call_id, leg_id=leg_id, vault=self._vault
                )

        self._books.enter(arrival.call_id, Scope.system(arrival.tenant_id), write)

    def end(self, call: LiveCall, ending: Ending) -> asyncio.Future[Any]:
        """Write the end of a call, in one transaction: CDR, usage, interaction, and the books of its dial."""
        outsides = _all_outside(call)

        def write(session: Session) -> None:
            self._write_outsides(session, ending.tenant_id, ending.call_id, outsides)
            calls.finish(session, ending=ending)
            if call.dial:
                was_bridged = "bridged_at" in call.instants and call.offer is not None
                dialling.close(
                    session,
                    tenant_id=ending.tenant_id,
                    attempt_id=call.dial.attempt_id,
                    outcome=call.outcome or DialOutcome.LOST,
                    started_at=call.arrival.arrived_at,
                    answered_at=call.instants.get("picked_up_at"),
                    ended_at=ending.ended_at,
                    call_id=call.call_id,
                    agent_id=call.offer.agent_id if was_bridged and call.offer else None,
                )

        return self._books.enter(ending.call_id, Scope.system(ending.tenant_id), write, is_urgent=True)

    def note(self, call: LiveCall, at: dt.datetime, kind: str, details: dict[str, object]) -> None:
        """Write a line into a call's timeline."""
        call.position += 1
        position = call.position
        self._books.enter(
            call.call_id,
            Scope.system(call.arrival.tenant_id),
            lambda session: calls.note(
                session,
                tenant_id=call.arrival.tenant_id,
                call_id=call.call_id,
                position=position,
                at=at,
                kind=kind,
                details=details,
            ),
        )

    def tell(self, call: LiveCall, state: str) -> None:
        """Tell the client's live pages; from a thread, because Redis may keep us waiting."""
        self._realtime.publish(
            call.arrival.tenant_id, "calls", {"call_id": public("call", call.call_id), "state": state}
        )


def _all_outside(call: LiveCall) -> tuple[Outside, ...]:
    """Return all that were called for a call and have books of their own: numbers outside, telephones."""
    return (*call.outsides, *call.telephones)
