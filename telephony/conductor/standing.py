"""Standing again after a loss: of the switch, of the line to it, or of ourselves.

The spool says which calls were open, the switch which of them it still holds. Who is on the line goes on; a
call that is gone ends at the last second at which it was proven.
"""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from core import clock, log
from core.errors import NotFound
from core.ids import CallId
from security.gate import Gate, Scope
from telephony.calls import Ending, Stage
from telephony.conductor import facts, outgoing
from telephony.conductor.admitting import Admitting
from telephony.conductor.arrivals import Arrivals
from telephony.conductor.desk import Desk
from telephony.conductor.dialler import Dialler
from telephony.conductor.directory import Directory, Line
from telephony.conductor.flow_runner import FlowRunner
from telephony.conductor.giving import Giving
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import BRIDGES, LiveCall
from telephony.conductor.lobby import Lobby
from telephony.conductor.meanwhile import Meanwhile
from telephony.conductor.offers import Offers
from telephony.conductor.parties import Outside
from telephony.conductor.paying import Paying
from telephony.conductor.phases import Cause, Lost, Phase
from telephony.conductor.rejoining import Rejoining
from telephony.conductor.rooms import Rooms
from telephony.conductor.rows import Rows
from telephony.conductor.spool import Spool
from telephony.conductor.supervision import Supervision
from telephony.conductor.tapes import Tapes
from telephony.conductor.telephones import Telephones
from telephony.conductor.voice import Voice
from telephony.conductor.waiting import Waiting
from telephony.routing.floor import Floor
from telephony.switch import port
from telephony.switch.port import Switch, SwitchError

_log = log.get(__name__)


class Standing:
    """Takes over what an earlier run, or a lost line, has left."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        gate: Gate,
        spool: Spool,
        directory: Directory,
        floor: Floor,
        desk: Desk,
        flows: FlowRunner,
        supervision: Supervision,
        live: Live,
        rows: Rows,
        admitting: Admitting,
        voice: Voice,
        tapes: Tapes,
        offers: Offers,
        waiting: Waiting,
        meanwhile: Meanwhile,
        giving: Giving,
        dialler: Dialler,
        rejoining: Rejoining,
        telephones: Telephones,
        arrivals: Arrivals,
        paying: Paying,
        lobby: Lobby,
        rooms: Rooms,
        feed: Feed,
        finished: Callable[[LiveCall, asyncio.Future[Any]], None],
    ) -> None:
        self._floor, self._admitting = floor, admitting
        self._switch, self._hands, self._gate, self._spool = switch, hands, gate, spool
        self._directory, self._desk, self._flows, self._supervision = directory, desk, flows, supervision
        self._live, self._rows, self._tapes, self._offers = live, rows, tapes, offers
        self._voice, self._lobby, self._meanwhile, self._paying = voice, lobby, meanwhile, paying
        self._waiting, self._giving, self._dialler, self._rejoining = waiting, giving, dialler, rejoining
        self._telephones, self._rooms = telephones, rooms
        self._arrivals, self._feed, self._finished = arrivals, feed, finished
        self._recovered: list[LiveCall] = []

    async def recover(self) -> None:
        """Read back what an earlier run left: open calls from the spool, agents from the seats room."""
        remembered = await asyncio.to_thread(self._spool.recover)
        self._recovered, self._live.boot = list(remembered.calls), remembered.switch_boot
        self._live.dialled = {call.call_id for call in self._recovered if call.dial}
        self._live.dialled |= {CallId(one.offer_id) for call in self._recovered for one in call.outsides}
        await self._desk.load()
        await self._admitting.read()

    async def connected(self, event: port.Connected) -> None:
        """Stand again where the calls stand, after a start, a lost line or a new start of the switch."""
        is_new_switch = event.boot_id != self._live.boot
        self._supervision.forget()
        self._lobby.empty()
        there = {one.channel: one for one in event.channels}
        for call in self._recovered:
            await self._adopt(call)
        self._recovered = []
        before, self._live.boot = self._live.boot, event.boot_id
        self._spool.switch_boot(event.boot_id)
        known = set(self._live.by_channel)  # before some of these calls end, whose channels go in a moment
        await self._drop_forsaken(there)
        for held in list(self._live.calls.values()):
            if held.call.channel not in there:
                lost = Cause.SWITCH_LOST if is_new_switch and before else Cause.LOST_WHILE_AWAY
                self._tapes.forget(held)
                await self._let_go_of(held, there)
                self._feed(held.call.call_id, facts.Vanished(held.call.proven_at, lost))
            else:
                held.trunk = there[held.call.channel].endpoint
                self._stand_again(held, there)
        await self._desk.switch_is_back()
        for one in event.channels:
            if one.channel not in known:
                await self._strange(one)
        self._live.is_connected = True
        self._hands.spawn(self._sweep(event.bridges))
        _log.info("switch-connected", calls=len(self._live.calls), agents=len(self._floor.agents))
        self._offers.route()

    async def _adopt(self, call: LiveCall) -> None:
        """Take over a call an earlier run left open."""
        if call.phase is Phase.ENDED:
            # its hang-up transaction was not confirmed: write it again, it is written once
            ending = Ending(
                call.arrival.tenant_id,
                call.call_id,
                call.ended_at or call.proven_at,
                (call.cause or Cause.LOST_WHILE_AWAY).value,
                self._live.boot,
            )
            self._rows.begin(call.arrival, lambda: call.arrival, call.dial)
            self._rows.mark(call, call.instants, call.offer)
            self._rows.write_again(call)
            written = self._rows.end(call, ending)
            written.add_done_callback(lambda future: self._finished(call, future))
            return
        line = await asyncio.to_thread(self._line_of, call)
        if line is None and call.dial:
            # its number was given back meanwhile: nobody can conduct it, and its books are to be closed
            outgoing.step(call, facts.Vanished(call.proven_at, Cause.LOST_WHILE_AWAY))
            await self._adopt(call)
            return
        if line is None:
            return
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        on_disk.set_result(None)
        keeps = line.is_prepaid and call.dial is None and call.phase is not Phase.TURNED_AWAY
        row = self._rows.begin(
            call.arrival, lambda: call.arrival, call.dial, routing=line.routing, keeps=keeps
        )
        if call.instants:
            self._rows.mark(call, call.instants, call.offer)
        self._rows.write_again(call)
        held = Held(call, line, on_disk, row)
        row.add_done_callback(functools.partial(self._waiting.learn, held))
        if keeps:
            row.add_done_callback(functools.partial(self._paying.learn, held))
        self._live.calls[call.call_id] = held
        self._live.by_channel[call.channel] = call.call_id
        for offer in (call.offer, call.asked):
            if offer:
                self._live.by_channel[offer.channel] = call.call_id
                self._desk.takes_over(call, offer)
        for one in (*call.outsides, *call.telephones):
            if one.ended_at is None:
                self._live.by_channel[one.channel] = call.call_id
        self._rows.keep_outsides(call)
        self._tapes.take_over(held)

    def _line_of(self, call: LiveCall) -> Line | None:
        arrival = call.arrival
        if call.dial is None:
            line = self._line_in(call)
            return line.through(call.flow.flow_id) if line and call.flow else line
        try:
            with self._gate.open(Scope.system(arrival.tenant_id)) as session:
                return self._directory.outgoing(
                    session,
                    tenant_id=arrival.tenant_id,
                    number_id=arrival.number_id,
                    queue_id=arrival.queue_id,
                )
        except NotFound:
            return None

    def _line_in(self, call: LiveCall) -> Line | None:
        """Return the line of a call that has come in."""
        arrival = call.arrival
        line = self._directory.find(arrival.dialled)
        if line is None or line.number.number_id != arrival.number_id:
            # chosen at a shared code: what was dialled leads to nobody, or to whom it is rented by now
            line = None
            with contextlib.suppress(NotFound):
                line = self._directory.entry(arrival.tenant_id, arrival.number_id)
        if line is None or line.queue.queue_id == arrival.queue_id:
            return line
        queue, _ = self._directory.queue_of(arrival.tenant_id, arrival.queue_id)
        return replace(line, queue=queue)

    def _stand_again(self, held: Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call whose caller is still on the line."""
        call, now = held.call, clock.now()
        stood = (call.phase, call.offer)
        self._telephones.stand_again(held, there)
        if (call.phase, call.offer) != stood:
            return
        leg = there.get(call.offer.channel) if call.offer else None
        if call.leads_out and not call.is_noticed and call.phase in {Phase.OFFERED, Phase.ANNOUNCING}:
            self._feed(call.call_id, facts.AnnouncementEnded(now))
        match call.phase:
            case Phase.DIALLING | Phase.RINGING if there[call.channel].state is port.ChannelState.UP:
                self._feed(call.call_id, facts.PickedUp(now))
            case Phase.DETECTING:
                self._hands.command(held, self._dialler.listen(held))
            case Phase.APOLOGISING:
                self._feed(call.call_id, facts.ApologyEnded(now))
            case Phase.SEEKING:
                self._feed(call.call_id, facts.NobodyFree(now))
            case Phase.TURNED_AWAY:
                self._feed(call.call_id, facts.ApologyEnded(now))
            case Phase.SURVEY:  # whether they were asked, or have answered, is not known
                self._feed(call.call_id, facts.SurveyEnded(now, "switchboard-away"))
            case Phase.ROOM:
                self._rooms.stand_again(held, there)
            case Phase.FLOW:
                self._flows.run(call, held.line, tier=held.known.tier)
            case Phase.FORWARDING:  # whether the phone was called is not known: it is not called twice
                self._feed(call.call_id, facts.NotForwarded(now, "switchboard-away"))
            case Phase.GREETING if there[call.channel].state is not port.ChannelState.UP:
                self._arrivals.come_again(held)
            case Phase.GREETING if call.flow:
                self._arrivals.enter(held)
            case Phase.GREETING if not call.forwards and held.line.at(call.arrival.arrived_at) is None:
                self._feed(call.call_id, facts.OutsideHours(now))
            case Phase.GREETING:
                self._feed(call.call_id, facts.GreetingEnded(now))
            case Phase.QUEUED:
                self._waiting.wait(held, call.queued_at or now, is_at_head=call.offers > 0)
                self._flows.wait_again(call, held.line, tier=held.known.tier)
                self._meanwhile.begin(held)
            case Phase.OFFERED if call.offer:
                if leg is None:
                    lost = facts.OfferLost(now, call.offer.offer_id, Lost.PHONE_GONE)
                    self._feed(call.call_id, lost)
                elif leg.state is port.ChannelState.UP and not call.offer.is_at_telephone:
                    self._feed(call.call_id, facts.AgentAnswered(now, call.offer.offer_id))
            case Phase.ANNOUNCING if leg is not None:
                self._feed(call.call_id, facts.AnnouncementEnded(now))
            case Phase.REACHING | Phase.OUTSIDE:
                self._stand_with_outside(held, there)
            case Phase.TALKING if call.consult:
                self._stand_with_asked(held, there)
            case Phase.TALKING if call.is_parked:
                self._rejoining.be_patient(held)
                self._hands.spawn(self._rejoining.rejoin(call.call_id))
            case Phase.ANNOUNCING | Phase.TALKING if leg is None:
                self._feed(call.call_id, facts.AgentGone(call.proven_at, port.Cause.INTERWORKING))
            case _:
                pass

    def _stand_with_asked(self, held: Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call about which a second agent is asked."""
        call, now = held.call, clock.now()
        if call.consult is None or call.offer is None:
            return
        asked, is_ringing = call.consult.offer, call.consult.stage is Stage.RINGING
        leg = there.get(asked.channel)
        if isinstance(asked, Outside):
            self._stand_with_outside(held, there)
        elif leg is None and is_ringing:
            self._feed(call.call_id, facts.OfferLost(now, asked.offer_id, Lost.PHONE_GONE))
        elif leg is None:
            self._feed(call.call_id, facts.AskedGone(now, port.Cause.INTERWORKING))
        elif is_ringing and leg.state is port.ChannelState.UP:
            self._feed(call.call_id, facts.AgentAnswered(now, asked.offer_id))
        if call.is_parked:
            self._rejoining.be_patient(held)
            self._hands.spawn(self._rejoining.rejoin(call.call_id))
        elif call.offer.channel not in there:
            self._feed(call.call_id, facts.AgentGone(call.proven_at, port.Cause.INTERWORKING))
        else:
            self._hands.command(held, self._giving.arrange(held))

    def _stand_with_outside(self, held: Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with a call in which there is a number outside, or was when nobody listened."""
        call, now, outside = held.call, clock.now(), held.call.outside
        if outside is None:
            return
        leg = there.get(outside.channel)
        if leg is None:
            # billed to its last proven second; who was never heard to answer rang until now
            at = call.proven_at if outside.picked_up_at else now
            self._feed(call.call_id, facts.OutsideGone(at, outside.offer_id, port.Cause.INTERWORKING))
        elif leg.state is port.ChannelState.UP and outside.picked_up_at is None:
            self._feed(call.call_id, facts.OutsideAnswered(now, outside.offer_id))
        elif call.phase is Phase.OUTSIDE:
            self._hands.command(held, self._giving.arrange(held))

    async def _let_go_of(self, held: Held, there: dict[str, port.LiveChannel]) -> None:
        """Hang up on whoever is left of a call whose caller went: their phone is to be free for the next.

        The channels are nobody's from here on: that they end is not to be taken for a word of their people.
        """
        for channel, call_id in list(self._live.by_channel.items()):
            if call_id == held.call.call_id and channel in there:
                del self._live.by_channel[channel]
                await self._hands.hang_up(channel)

    async def _drop_forsaken(self, there: dict[str, port.LiveChannel]) -> None:
        """Hang up agents' legs that their calls gave up while nobody could tell the switch.

        Such a leg rings on, or an agent has taken it and hears nothing; its call went on to somebody else.
        """
        for channel, call_id in list(self._live.by_channel.items()):
            held = self._live.calls.get(call_id)
            if held and channel in there and channel not in held.channels:
                del self._live.by_channel[channel]
                await self._hands.hang_up(channel)

    async def _sweep(self, bridges: Sequence[str]) -> None:
        """Close the bridges of calls that ended while nobody conducted; else they stay as long as the switch.

        Those of leaders who listened are among them: nobody listens through a loss. Bridges of others on this
        switch are left alone. No name is used twice but that of a room, which looks after its own.
        """
        calls = self._live.in_progress
        kept = {one.bridge for one in calls} | {one.side_bridge for one in calls}
        left = [one for one in bridges if one.startswith(BRIDGES) and one not in kept]
        for one in left:
            try:
                await self._switch.close_bridge(one)
            except SwitchError as error:
                _log.info("bridge-left", error=error.code)
        await self._rooms.sweep(bridges)
        if left:
            _log.info("bridges-swept", count=len(left))

    async def _strange(self, channel: port.LiveChannel) -> None:
        """A channel of ours that no call knows: a caller who came while nobody listened, or a leftover."""
        if channel.channel in self._live.by_channel:
            return
        if channel.is_inbound:
            await self._arrivals.arrive(
                port.Arrived(
                    at=clock.now(),
                    channel=channel.channel,
                    dnis=channel.dnis,
                    ani=channel.ani,
                    trunk=channel.endpoint,
                )
            )
        else:
            await self._hands.hang_up(channel.channel)
