"""A call promised to an agent: chosen, reserved, rung, and put through.

From the choice of an agent to their reservation nothing waits, so that nobody is promised twice. The ring
leaves in the same turn; the bridge alone waits, for the call's facts to be on disk and its row durable.
"""

import datetime as dt
from collections.abc import Callable

from core import clock, log
from core.ids import AgentId, CallId, OfferId, RecordingId, new_id, public
from telephony.conductor import facts
from telephony.conductor.admitting import Admitting
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Lost, Phase
from telephony.conductor.tapes import Tapes
from telephony.conductor.telephones import PRESSED_WITHIN, Telephones
from telephony.outbound import at_telephone
from telephony.routing import trail
from telephony.routing.floor import Agent, Floor
from telephony.switch.port import ChannelGoneError, Switch, SwitchError

_log = log.get(__name__)


class Offers:
    """Promises calls to agents."""

    def __init__(
        self,
        *,
        switch: Switch,
        floor: Floor,
        live: Live,
        tapes: Tapes,
        admitting: Admitting,
        telephones: Telephones,
        feed: Feed,
    ) -> None:
        self._admitting, self._telephones = admitting, telephones
        self._switch, self._floor, self._live, self._tapes = switch, floor, live, tapes
        self._feed = feed
        # whoever keeps places for callers that hung up; none are kept before somebody does
        self.promised: Callable[[CallId, Agent], None] = lambda _place, _agent: None

    def route(self) -> None:
        """Offer waiting calls to free agents until one of the two runs out."""
        now = clock.now()
        for made in self._floor.match(now):
            held = self._live.calls.get(CallId(made.call))
            agent = self._floor.agents.get(AgentId(made.agent))
            if agent is None:
                continue
            if held is None:
                self.promised(CallId(made.call), agent)
                continue
            offer = offer_to(agent, expires_at=_expires_at(held, agent, now))
            agent.call_id = held.call.call_id
            self._feed(held.call.call_id, facts.Offered(now, offer), because=trail.reasons(made.why))

    def reserve(self, held: Held, agent_id: AgentId) -> Offer | None:
        """Promise the call to this agent, who must be free and serve its company; nothing waits after it."""
        agent, call = self._floor.agents.get(agent_id), held.call
        if agent is None or not agent.is_free or not agent.may_be_rung(call.arrival.tenant_id):
            return None
        agent.call_id = call.call_id
        return offer_to(agent, expires_at=_expires_at(held, agent, clock.now()))

    def offer_wished(self, held: Held) -> None:
        """Offer the call to the agent its flow has named, if they are free still."""
        wished, held.wished = held.wished, None
        offer = self.reserve(held, wished) if wished else None
        if offer:
            self._feed(held.call.call_id, facts.Offered(clock.now(), offer))

    def seek(self, held: Held) -> None:
        """Reserve another free agent for who has picked up; nothing waits between the choice and the ring."""
        call, now = held.call, clock.now()
        agent = self._floor.pick(call.arrival.queue_id, tenant_id=call.arrival.tenant_id)
        if agent is None or call.due_at is None:
            self._feed(call.call_id, facts.NobodyFree(now))
            return
        agent.call_id = call.call_id
        offer = offer_to(agent, expires_at=call.due_at)
        self._feed(call.call_id, facts.Offered(now, offer))

    async def ring(self, held: Held, offer: Offer) -> None:
        """Ring the phone of the agent to whom a call was promised."""
        if offer.is_at_telephone:
            await self._telephones.ring(held, offer)
            return
        timeout_s: float = held.line.queue.ring_timeout_s
        headers = {"X-Seatline-Offer": public("off", offer.offer_id)}
        if held.call.leads_out:
            # somebody is on the line already: the console answers by itself, within what the law allows
            timeout_s = max(0.1, (offer.expires_at - clock.now()).total_seconds())
            headers |= {"X-Seatline-Auto": "1"}
        try:
            await self._switch.ring(
                offer.channel,
                offer.endpoint,
                caller=held.line.number.digits,  # the agent never sees the caller's number in SIP
                timeout_s=timeout_s,
                headers=headers,
            )
        except (SwitchError, ChannelGoneError) as error:
            _log.warning("ring-failed", error=error.code)
            self._feed(held.call.call_id, facts.OfferLost(clock.now(), offer.offer_id, Lost.PHONE_GONE))

    async def connect(self, held: Held, offer: Offer) -> None:
        """Put caller and agent together, once the call is durable, and record them where their queue is."""
        call = held.call
        if not _is_told(call):
            return  # tried a second time, and the first was late
        await held.durable()
        await self._switch.bridge(call.bridge)
        # who has talked before waits in the bridge: left empty it would end the recording
        is_there = "bridged_at" in call.instants
        await self._switch.join(call.bridge, [offer.channel] if is_there else [call.channel, offer.channel])
        now = clock.now()
        queue = held.line.queue
        is_recorded = queue.records(call.call_id)
        # nobody who was called is recorded without having been told, nor who calls where the queue says so
        is_told = held.line.notice is not None if call.dial else held.is_told or not queue.tells_callers
        # a call given to another agent has its recording already, and only one
        is_wanted = is_recorded and is_told and call.recording_id is None
        is_new = is_wanted and self._admitting.may_record(held)
        recording_id = RecordingId(new_id()) if is_new else call.recording_id
        self._feed(call.call_id, facts.Bridged(now, recording_id))
        if recording_id and not is_recorded and not call.has_stopped:
            # the queue it was given to records nothing
            self._feed(call.call_id, facts.RecordingStopped(now, is_by_rule=True))
            await self._tapes.stop(call)
        if recording_id and is_new and call.phase is Phase.TALKING:
            await self._tapes.begin(held, recording_id, now)


def _is_told(call: LiveCall) -> bool:
    """Whether a call is told whom it comes to, and is to be put through."""
    return call.phase is Phase.ANNOUNCING


def offer_to(agent: Agent, *, expires_at: dt.datetime) -> Offer:
    """Return a promise of a call to an agent, under an id of its own."""
    offer_id = OfferId(new_id())
    return Offer(
        offer_id=offer_id,
        agent_id=agent.agent_id,
        agent_number=agent.number,
        seat_id=agent.seat_id,
        seat_label=agent.seat_label,
        endpoint="" if agent.is_at_telephone else agent.endpoint,
        channel=f"agent-{offer_id}",
        expires_at=expires_at,
        is_at_telephone=agent.is_at_telephone,
    )


def _expires_at(held: Held, agent: Agent, now: dt.datetime) -> dt.datetime:
    """Return until when an agent may take a call: while it rings, and, at a telephone, has to press a key."""
    rings_s = held.line.queue.ring_timeout_s
    if not agent.is_at_telephone:
        return now + dt.timedelta(seconds=rings_s)
    return now + dt.timedelta(seconds=at_telephone.rings_s(rings_s)) + PRESSED_WITHIN
