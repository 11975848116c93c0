"""An agent whose line broke in a call: the caller is parked, and the agent is rung again."""

import asyncio
import datetime as dt

from core import clock, log
from core.ids import CallId, new_id, public
from telephony.conductor import facts
from telephony.conductor.giving import Giving
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.phases import Phase
from telephony.conductor.telling import Telling
from telephony.routing.floor import Floor
from telephony.switch import port
from telephony.switch.port import ChannelGoneError, Switch, SwitchError

PARKED_S = 45.0  # how long a caller whose agent's line broke is kept
_BLIP_S = 2.0  # a line that is back so soon has cost no word
_VOICE = 25  # packets: half a second of it in that time, and the agent is heard
_RETURN_RING_S = 10

_log = log.get(__name__)


class Rejoining:
    """Brings agents back into their calls."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        floor: Floor,
        telling: Telling,
        live: Live,
        giving: Giving,
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._floor, self._telling = switch, hands, floor, telling
        self._live, self._giving, self._feed = live, giving, feed

    def line_changed(self, endpoint: str, *, is_online: bool) -> None:
        """Park the caller of an agent whose line stays away; bring the agent back when it returns."""
        held = next(
            (
                one
                for one in self._live.calls.values()
                if one.call.phase is Phase.TALKING and one.call.offer and one.call.offer.endpoint == endpoint
            ),
            None,
        )
        if held is None:
            return
        if not is_online and held.call.offer:
            self._hands.spawn(self._listen(held, held.call.offer.channel))
        elif is_online and held.call.is_parked:
            self._hands.spawn(self.rejoin(held.call.call_id))

    async def _listen(self, held: Held, channel: str) -> None:
        """Find out by what is heard of a leg, a while apart, whether its agent is away.

        A phone that is registered no more may still be heard: its call moves to another tab, which takes its
        time to register, or the web socket alone broke. As long as that is so the caller stays with them.
        """
        heard = await self._heard(channel)

        def look() -> None:
            self._hands.spawn(self._park_if_away(held, channel, heard))

        asyncio.get_running_loop().call_later(_BLIP_S, look)

    async def _park_if_away(self, held: Held, channel: str, before: int) -> None:
        if not self._is_lost(held, channel):
            return
        is_heard = await self._heard(channel) - before >= _VOICE
        if not self._is_lost(held, channel):
            return
        if is_heard:
            await self._listen(held, channel)
        else:
            self.park(held, clock.now())

    def _is_lost(self, held: Held, channel: str) -> bool:
        """Whether this is the leg of a call that goes on, and its agent's phone cannot be rung."""
        call = held.call
        if call.phase is not Phase.TALKING or call.is_parked or held.returning:
            return False
        agent = self._floor.by_endpoint(call.offer.endpoint) if call.offer else None
        is_ours = call.offer is not None and call.offer.channel == channel
        return is_ours and (agent is None or not agent.is_online)

    async def _heard(self, channel: str) -> int:
        try:
            return await self._switch.heard(channel)
        except (SwitchError, ChannelGoneError):
            return 0

    def park(self, held: Held, at: dt.datetime) -> None:
        """Give the caller music, and their agent time to come back."""
        call = held.call
        if call.phase is not Phase.TALKING or call.is_parked:
            return
        self._feed(call.call_id, facts.LegLost(at))
        self.be_patient(held)

    def be_patient(self, held: Held) -> None:
        """Keep a parked caller for so long."""
        held.patience = asyncio.get_running_loop().call_later(PARKED_S, self.give_up, held)

    def give_up(self, held: Held) -> None:
        """Keep a parked caller no longer: another agent is sought for them."""
        if not held.call.is_parked:
            return
        now, call_id = clock.now(), held.call.call_id
        if held.returning:
            self._hands.let_go(held.returning)
            self._stays_away(held)
        if held.call.leads_out and not held.call.consult:
            self._feed(call_id, facts.AgentGone(now, port.Cause.INTERWORKING))
        else:
            self._feed(call_id, facts.AgentStaysAway(now))

    async def rejoin(self, call_id: CallId) -> None:
        """Ring the phone of the agent who has this call once more; their console answers by itself."""
        held = self._live.calls.get(call_id)
        if held is None or held.call.phase is not Phase.TALKING or held.returning or not held.call.offer:
            return
        offer = held.call.offer
        if offer.is_at_telephone:  # no console answers there by itself
            return
        channel = f"agent-{offer.offer_id}-{new_id().hex[-8:]}"
        held.returning, self._live.by_channel[channel] = channel, call_id
        try:
            await self._switch.ring(
                channel,
                offer.endpoint,
                caller=held.line.number.digits,
                timeout_s=_RETURN_RING_S,
                headers={"X-Seatline-Offer": public("off", offer.offer_id)},
            )
        except (SwitchError, ChannelGoneError) as error:
            _log.info("agent-not-brought-back", error=error.code)
            self._stays_away(held)

    def is_returning(self, call_id: CallId) -> bool:
        """Whether the phone of the agent who has this call rings for them to come back into it."""
        held = self._live.calls.get(call_id)
        return held is not None and bool(held.returning)

    def returns(self, held: Held, event: object) -> None:
        """Take what happened to the phone of an agent who is being brought back."""
        match event:
            case port.AgentAnswered():
                self._hands.command(held, self._join_again(held, held.returning))
            case port.Ended():
                self._stays_away(held)

    def _stays_away(self, held: Held) -> None:
        self._live.by_channel.pop(held.returning, None)
        held.returning = ""

    async def _join_again(self, held: Held, channel: str) -> None:
        call = held.call
        broken = call.offer.channel if call.offer else ""
        await self._switch.join(call.bridge, [channel])
        self._live.by_channel.pop(broken, None)
        if held.patience:
            held.patience.cancel()
        held.returning = ""
        self._feed(call.call_id, facts.Rejoined(clock.now(), channel))
        if call.consult:
            await self._giving.arrange(held)
        self._telling.stir()
        await self._hands.hang_up(broken)
