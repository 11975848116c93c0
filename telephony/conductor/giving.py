"""A call given to somebody else, or asked about: who talks with whom in which bridge.

The rules are `transfer` (pure); here are the reservations, the lines a call is in, and the bridges.
"""

import asyncio
from dataclasses import replace

from core import clock
from core.ids import AgentId, CallId, NumberId, QueueId
from telephony.calls import Stage
from telephony.conductor import facts, transfer
from telephony.conductor.directory import Directory
from telephony.conductor.hands import Hands
from telephony.conductor.live import ROW_PATIENCE_S, Feed, Held, Live
from telephony.conductor.offers import Offers
from telephony.conductor.parties import Offer
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.routing.floor import Floor
from telephony.switch.port import Switch


class Giving:
    """Gives calls on."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        directory: Directory,
        live: Live,
        floor: Floor,
        rows: Rows,
        offers: Offers,
        feed: Feed,
    ) -> None:
        self._switch, self._hands, self._directory, self._live = switch, hands, directory, live
        self._floor = floor
        self._rows, self._offers, self._feed = rows, offers, feed

    async def transfer(
        self, call_id: CallId, *, queue_id: QueueId | None = None, agent_id: AgentId | None = None
    ) -> str:
        """Give a call to a queue of its company, or to a free agent of it; return what became of that.

        To an agent it stays in its queue, and goes back there when they do not answer.

        Raises:
            QueueNotFoundError: no such queue of this company.
        """
        held = self._live.calls.get(call_id)
        if held is None:
            return "no-call-in-hand"
        queue = held.line.queue
        if queue_id:
            queue, opening = await asyncio.to_thread(
                self._directory.queue_of, held.call.arrival.tenant_id, queue_id
            )
            if not opening.is_open(clock.now()):  # nobody would come for them
                return "queue-closed"
        if not transfer.can_be_given(held.call):
            return "not-now"
        offer = None
        if agent_id:
            offer = self._offers.reserve(held, agent_id)
            if offer is None:
                return "agent-busy"
        held.next_line = replace(held.line, queue=queue)
        self._feed(call_id, facts.Transferred(clock.now(), queue.queue_id, queue.name, offer))
        # the order counts as carried out when a crash would not undo it
        await asyncio.wait({held.on_disk}, timeout=ROW_PATIENCE_S)
        return "done"

    async def consult(self, call_id: CallId, *, agent_id: AgentId) -> str:
        """Ask a free agent about a call, while the caller hears music; return what became of that."""
        held = self._live.calls.get(call_id)
        if held is None or not transfer.can_be_given(held.call):
            return "not-now"
        asked = self._floor.agents.get(agent_id)
        if asked and asked.is_at_telephone:
            return "at-telephone"
        offer = self._offers.reserve(held, agent_id)
        if offer is None:
            return "agent-busy"
        self._feed(call_id, facts.Consulted(clock.now(), offer))
        return "done"

    async def send_back(self, call_id: CallId, *, number_id: NumberId) -> str:
        """Give the caller back to the entry of one of the company's numbers; return what became of that.

        Raises:
            NumberNotFoundError: the company does not rent it.
        """
        held = self._live.calls.get(call_id)
        if held is None:
            return "no-call-in-hand"
        found = await asyncio.to_thread(self._directory.entry, held.call.arrival.tenant_id, number_id)
        there = found.at(clock.now()) if found else None
        if there is None:  # the caller would be turned away, after having been let in
            return "entry-closed"
        if not transfer.can_be_given(held.call):
            return "not-now"
        held.next_line = replace(held.line, queue=there.queue, greeting=there.greeting)
        self._feed(call_id, facts.SentBack(clock.now(), there.queue.queue_id, there.queue.name))
        await asyncio.wait({held.on_disk}, timeout=ROW_PATIENCE_S)
        return "done"

    def hand_on(self, held: Held, given: Offer) -> None:
        """Let a call belong where it was given, and its agent out of it."""
        held.line, held.next_line = held.next_line or held.line, None
        self._rows.hand_on(held.call, given.offer_id)
        # its fact is handed to the spool in the turn in which this is decided
        self._hands.spawn(self._let_out(held, given.channel))

    async def _let_out(self, held: Held, channel: str) -> None:
        """End the leg of an agent who has given the call away, once a crash cannot end the call with it."""
        await asyncio.wait({held.on_disk}, timeout=ROW_PATIENCE_S)
        await self._hands.hang_up(channel)

    async def arrange(self, held: Held) -> None:
        """Put caller and agents where the stage of the conversation wants them; again changes nothing."""
        call = held.call
        if call.phase is Phase.OUTSIDE and call.outside:
            await self._switch.hold_music(call.outside.channel, on=False)
            await self._switch.close_bridge(call.side_bridge)
            await self._switch.hold_music(call.channel, on=False)
            if call.forwards:  # no agent has been in it, so there is no bridge yet
                await self._switch.bridge(call.bridge)
                await self._switch.join(call.bridge, [call.channel])
            await self._switch.join(call.bridge, [call.outside.channel])
            return
        if call.phase is not Phase.TALKING or call.offer is None:
            return
        mine = call.offer.channel
        asked = call.consult.offer.channel if call.consult else ""
        match call.consult.stage if call.consult else Stage.TALKING:
            case Stage.PRIVATE:
                await self._switch.bridge(call.side_bridge)
                await self._switch.hold_music(asked, on=False)
                await self._switch.leave(call.bridge, mine)
                await self._switch.join(call.side_bridge, [mine, asked])
                await self._switch.hold_music(call.channel, on=True)
            case Stage.ASIDE:
                await self._switch.leave(call.side_bridge, mine)
                await self._switch.hold_music(asked, on=True)
                await self._switch.hold_music(call.channel, on=False)
                await self._switch.join(call.bridge, [mine])
            case Stage.TOGETHER:
                await self._switch.hold_music(asked, on=False)
                await self._switch.close_bridge(call.side_bridge)
                await self._switch.hold_music(call.channel, on=False)
                await self._switch.join(call.bridge, [mine, asked])
            case Stage.RINGING:
                await self._switch.hold_music(call.channel, on=True)
            case _:
                await self._switch.hold_music(mine, on=False)
                await self._switch.close_bridge(call.side_bridge)
                await self._switch.hold_music(call.channel, on=call.is_held)
                await self._switch.join(call.bridge, [mine])
