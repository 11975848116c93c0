"""The conductor: moves each call's machine, and has carried out what follows.

One asyncio loop, nothing in it waits for a disk: routing reserves in memory, the INVITE leaves at once,
rows are written beside it by `books`, facts go to the `spool`. The bridge alone waits, for the call's facts
to be on disk and its row to be durable.

Here a fact becomes actions (`feed`) and each action finds who does it (`_carry_out`). Each part of the
business is a collaborator of its own, made below with what it needs and with `feed`, by which it says what
has happened.
"""

import asyncio
import datetime as dt
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from core import clock, log
from core.ids import AgentId, CallId, TenantId
from core.realtime import Realtime
from security.gate import Gate
from security.refusals import Refusals
from security.vault import Vault
from telephony.admission import Bounds
from telephony.calls import Ending
from telephony.conductor import actions, outgoing, timeline
from telephony.conductor.actions import Action
from telephony.conductor.admitting import UNBOUNDED, Admitting
from telephony.conductor.arrivals import Arrivals
from telephony.conductor.books import Books
from telephony.conductor.desk import Desk
from telephony.conductor.dialler import Dialler
from telephony.conductor.directory import Directory, Speak
from telephony.conductor.facts import Fact
from telephony.conductor.flow_runner import Ask, FlowRunner
from telephony.conductor.giving import Giving
from telephony.conductor.hands import Hands
from telephony.conductor.hearing import Hearing
from telephony.conductor.heartbeat import Heartbeat
from telephony.conductor.live import Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.lobby import Lobby
from telephony.conductor.meanwhile import Meanwhile
from telephony.conductor.offers import Offers
from telephony.conductor.paying import Paying
from telephony.conductor.phases import Cause
from telephony.conductor.promises import Promises
from telephony.conductor.rejoining import Rejoining
from telephony.conductor.rooms import Rooms
from telephony.conductor.rows import Rows
from telephony.conductor.spool import Spool
from telephony.conductor.standing import Standing
from telephony.conductor.supervision import Supervision
from telephony.conductor.surveys import Surveys
from telephony.conductor.tapes import Tapes
from telephony.conductor.telephones import Telephones
from telephony.conductor.voice import Voice
from telephony.conductor.waiting import Waiting
from telephony.conductor.watchdog import Watchdog
from telephony.events import DialOutcome
from telephony.routing.floor import Floor
from telephony.switch import port
from telephony.switch.port import Switch, SwitchError

_log = log.get(__name__)


class Conductor:
    """Everything that happens to live calls of one switch."""

    def __init__(
        self,
        *,
        switch: Switch,
        gate: Gate,
        vault: Vault,
        realtime: Realtime,
        books: Books,
        spool: Spool,
        speak: Speak,
        sounds: Path,
        ask: Ask,
        usual: Bounds = UNBOUNDED,
    ) -> None:
        self._switch, self._books, self._spool = switch, books, spool
        self._live = live = Live()
        self.floor = floor = Floor()
        self.directory = directory = Directory(gate, vault, speak, sounds=sounds)
        self._hands = hands = Hands(switch)
        feed = self.feed
        self.desk = desk = Desk(
            switch=switch, gate=gate, vault=vault, realtime=realtime, books=books, floor=floor, calls=self
        )
        self.flows = FlowRunner(
            calls=self, switch=switch, speak=speak, gate=gate, vault=vault, floor=floor, ask=ask
        )
        self.supervision = Supervision(
            switch=switch,
            floor=floor,
            states=desk.states,
            telling=desk.telling,
            calls=self,
            spawn=hands.spawn,
        )
        self._rows = rows = Rows(vault=vault, realtime=realtime, books=books, telling=desk.telling, live=live)
        self._admitting = admitting = Admitting(gate=gate, books=books, live=live, rows=rows, usual=usual)
        self._voice = Voice(
            switch=switch, hands=hands, rows=rows, speak=speak, admitting=admitting, feed=feed
        )
        self._tapes = Tapes(switch=switch, live=live, rows=rows, feed=feed)
        self._rooms = Rooms(
            switch=switch,
            hands=hands,
            live=live,
            rows=rows,
            voice=self._voice,
            speak=speak,
            sounds=sounds,
            feed=feed,
        )
        self.people_in, self.is_room_locked = self._rooms.people, self._rooms.is_locked
        self.mute_in_room, self.lock_room = self._rooms.mute, self._rooms.lock
        self._surveys = Surveys(
            switch=switch,
            hands=hands,
            live=live,
            rows=rows,
            tapes=self._tapes,
            admitting=admitting,
            speak=speak,
            feed=feed,
        )
        self._telephones = Telephones(
            switch=switch,
            hands=hands,
            gate=gate,
            vault=vault,
            books=books,
            floor=floor,
            live=live,
            admitting=admitting,
            surveys=self._surveys,
            speak=speak,
            feed=feed,
        )
        self._offers = Offers(
            switch=switch,
            floor=floor,
            live=live,
            tapes=self._tapes,
            admitting=admitting,
            telephones=self._telephones,
            feed=feed,
        )
        self._meanwhile = Meanwhile(
            switch=switch,
            hands=hands,
            voice=self._voice,
            floor=floor,
            flows=self.flows,
            live=live,
            speak=speak,
        )
        self._waiting = Waiting(
            hands=hands,
            meanwhile=self._meanwhile,
            floor=floor,
            directory=directory,
            live=live,
            rows=rows,
            offers=self._offers,
            feed=feed,
        )
        self._giving = Giving(
            switch=switch,
            hands=hands,
            directory=directory,
            live=live,
            floor=floor,
            rows=rows,
            offers=self._offers,
            feed=feed,
        )
        self._dialler = Dialler(
            switch=switch,
            hands=hands,
            gate=gate,
            vault=vault,
            books=books,
            spool=spool,
            floor=floor,
            directory=directory,
            telling=desk.telling,
            live=live,
            rows=rows,
            admitting=admitting,
            feed=feed,
            refusals=Refusals(realtime.redis),
            carry_out=self._carry_out,
        )
        self._promises = Promises(
            gate=gate, vault=vault, hands=hands, floor=floor, dialler=self._dialler, route=self._offers.route
        )
        self._offers.promised = self._promises.turn
        self.promise = self._promises.promise
        self._rejoining = Rejoining(
            switch=switch,
            hands=hands,
            floor=floor,
            telling=desk.telling,
            live=live,
            giving=self._giving,
            feed=feed,
        )
        self._paying = Paying(switch=switch, hands=hands, gate=gate, feed=feed)
        self._lobby = Lobby(
            switch=switch,
            hands=hands,
            gate=gate,
            books=books,
            directory=directory,
            live=live,
            admitting=admitting,
            speak=speak,
            take_in=lambda event, line: self._arrivals.take_in(event, line),  # noqa: PLW0108 - made below
        )
        self._arrivals: Arrivals = Arrivals(
            switch=switch,
            hands=hands,
            books=books,
            spool=spool,
            directory=directory,
            live=live,
            rows=rows,
            voice=self._voice,
            waiting=self._waiting,
            admitting=admitting,
            paying=self._paying,
            lobby=self._lobby,
            feed=feed,
            carry_out=self._carry_out,
        )
        self._standing = Standing(
            switch=switch,
            hands=hands,
            gate=gate,
            spool=spool,
            directory=directory,
            floor=floor,
            desk=desk,
            flows=self.flows,
            supervision=self.supervision,
            live=live,
            rows=rows,
            admitting=admitting,
            voice=self._voice,
            tapes=self._tapes,
            offers=self._offers,
            waiting=self._waiting,
            meanwhile=self._meanwhile,
            giving=self._giving,
            dialler=self._dialler,
            rejoining=self._rejoining,
            telephones=self._telephones,
            arrivals=self._arrivals,
            paying=self._paying,
            lobby=self._lobby,
            rooms=self._rooms,
            feed=feed,
            finished=self._finished,
        )
        self._heartbeat = Heartbeat(
            switch=switch,
            hands=hands,
            gate=gate,
            spool=spool,
            phones=desk.phones,
            live=live,
            waiting=self._waiting,
            dialler=self._dialler,
            telephones=self._telephones,
            paying=self._paying,
            feed=feed,
        )
        self._watchdog = Watchdog(live=live, hands=hands, feed=feed)
        self._hearing = Hearing(
            hands=hands,
            books=books,
            directory=directory,
            desk=desk,
            flows=self.flows,
            supervision=self.supervision,
            live=live,
            tapes=self._tapes,
            offers=self._offers,
            rejoining=self._rejoining,
            telephones=self._telephones,
            arrivals=self._arrivals,
            standing=self._standing,
            meanwhile=self._meanwhile,
            lobby=self._lobby,
            surveys=self._surveys,
            rooms=self._rooms,
            feed=feed,
            refusals=Refusals(realtime.redis),
        )
        # who is asked from outside, by the switch, the clock, pages (the desk) and flows
        self.recover, self.on_event, self.heartbeat = (
            self._standing.recover,
            self._hearing.hear,
            self._heartbeat.beat,
        )
        self.route, self.move = self._offers.route, self._waiting.move
        self.transfer, self.consult, self.send_back = (
            self._giving.transfer,
            self._giving.consult,
            self._giving.send_back,
        )
        self.dial = self._dialler.dial
        self.rejoin, self.is_returning = self._rejoining.rejoin, self._rejoining.is_returning
        self.pause_recording, self.record_message = self._tapes.pause, self._tapes.record_message

    def end_calls_out(self, tenant_id: TenantId | None) -> int:
        """End the calls out of a company, or of all, those to agents' telephones too; return how many."""
        return self._dialler.end_all(tenant_id) + self._telephones.end_all(tenant_id)

    def take_at_telephone(self, call_id: CallId) -> None:
        """Press the key at an agent's telephone: where the simulator stands in for the network."""
        held = self._live.calls.get(call_id)
        if held:
            self._telephones.take(held)

    async def widen(self) -> None:
        """Every second: look for whom more agents may serve, who has heard enough, and what stands still."""
        self.flows.look()
        self._lobby.look()
        self._promises.look()
        self._waiting.widen()
        self._telephones.look()
        self._meanwhile.look()
        self._surveys.look()
        self._watchdog.look()
        self._admitting.look()

    @property
    def live(self) -> list[LiveCall]:
        """Return the calls in progress."""
        return self._live.in_progress

    async def carry_out_orders(self) -> int:
        """Carry out what doorways have asked; return how many orders there were."""
        return await self.desk.orders.carry_out()

    def feed(self, call_id: CallId, fact: Fact, *, because: Mapping[str, object] | None = None) -> None:
        """Move a call on by one fact: the machine decides, the spool keeps it, the actions follow.

        `because` stands with it in the timeline.
        """
        held = self._live.calls.get(call_id)
        if held is None:
            return
        call, before = held.call, held.call.phase
        due = outgoing.step(call, fact)
        if not due and call.phase is before:
            return
        self._rows.note(held.call, fact.at, timeline.name(fact), timeline.details(fact) | dict(because or {}))
        held.on_disk = self._spool.fact(call_id, fact, call.position)
        self._meanwhile.follow(held)
        for action in due:
            self._carry_out(held, action)
        self.supervision.follow(call)
        self.desk.telling.stir()

    def command(self, call_id: CallId, work: Coroutine[Any, Any, None]) -> None:
        """Run a command to the switch after all earlier ones of a call; of one that is over never."""
        held = self._live.calls.get(call_id)
        if held is None:
            work.close()
            return
        self._hands.command(held, work)

    def is_unpaid(self, call_id: CallId) -> bool:
        """Whether a call's company pays beforehand, and had nothing for it."""
        held = self._live.calls.get(call_id)
        return held is not None and held.is_unpaid

    def wish(self, call_id: CallId, agent_id: AgentId) -> None:
        """Offer a call to this agent first, when it comes to its queue."""
        held = self._live.calls.get(call_id)
        if held:
            held.wished = agent_id

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something while calls go on."""
        self._hands.spawn(work)

    def remark(self, call_id: CallId, kind: str, **details: object) -> None:
        """Write a line into the timeline of a call in progress; one that is over has its last line."""
        held = self._live.calls.get(call_id)
        if held:
            self._rows.note(held.call, clock.now(), kind, details)

    async def reload(self) -> None:
        """Read numbers, queues and limits anew: somebody has changed them."""
        self.directory.forget()
        self._lobby.forget()
        await self._admitting.read()

    def _carry_out(self, held: Held, action: Action) -> None:
        call = held.call
        match action:
            case actions.Answer():
                self._voice.greet(held)
            case actions.RunFlow():
                self.flows.run(call, held.line, tier=held.known.tier)
            case actions.GoOn(way=way):
                self.flows.go_on(call, held.line, way, tier=held.known.tier)
            case actions.LeaveFlow():
                self.flows.leave(call.call_id)
                self._rows.keep_run(call)
            case actions.Belong(queue_id=queue_id):
                self._arrivals.belong(held, queue_id)
            case actions.Enter():
                self._arrivals.enter(held)
            case actions.Wait(since=since, is_at_head=is_at_head):
                self._waiting.begin(held, since, is_at_head=is_at_head)
            case actions.LeaveQueue():
                self.floor.leave(call.call_id)
            case actions.Ring(offer=offer):
                self._live.by_channel[offer.channel] = call.call_id
                self._hands.spawn(self._offers.ring(held, offer))
            case actions.Originate():
                self._hands.spawn(self._dialler.place(held))
            case actions.Detect():
                self._hands.command(held, self._dialler.listen(held))
            case actions.Notice():
                self._hands.command(held, self._voice.give_notice(held))
            case actions.Seek():
                self._offers.seek(held)
            case actions.Apologise():
                self._hands.command(held, self._voice.apologise(held))
            case actions.Refuse(cause=cause):
                self._hands.spawn(self._hands.refuse(call.channel, port.Cause(cause)))
            case actions.TurnAway():
                self._hands.command(held, self._voice.turn_away(held))
            case actions.Announce(offer=offer):
                self._hands.command(held, self._voice.announce(held, offer))
            case actions.Connect(offer=offer):
                self._hands.command(held, self._offers.connect(held, offer))
            case actions.Music(on=True):
                self._hands.command(held, self._voice.play_music(held))
            case actions.Music():
                self._hands.command(held, self._switch.hold_music(call.channel, on=False))
            case actions.StopRinging(offer=offer):
                self._hands.let_go(offer.channel)
            case actions.HangUpCaller():
                self._hands.let_go(call.channel)
            case actions.Agent():
                self.desk.follow(action, call=call, queue=held.line.queue)
            case actions.Mark(instants=instants, offer=offer):
                if (answered_at := instants.get("answered_at")) and call.queued_at:
                    waited_s = (answered_at - call.queued_at).total_seconds()
                    self.flows.waited(call.arrival.queue_id, waited_s)
                self._rows.mark(call, instants, offer)
            case actions.Warn():
                self.desk.telling.say_ends_soon(call)
            case actions.KeepLegs():
                if call.is_shared:
                    self._rows.keep_legs(call)
            case actions.HandOn(offer=offer):
                self._giving.hand_on(held, offer)
            case actions.Arrange():
                self._hands.command(held, self._giving.arrange(held))
            case actions.Forward():
                self._hands.spawn(self._dialler.forward(held))
            case actions.Reach(outside=outside):
                self._hands.spawn(self._dialler.reach(held, outside))
            case actions.EnterRoom():
                self._rooms.enter(held)
            case actions.MuteInRoom():
                self._rooms.heard(held)
            case actions.LeaveRoom(at=at):
                self._rooms.left(held, at)
            case actions.EndTalk():
                self._surveys.end_talk(held)
            case actions.Survey():
                self._surveys.begin(held)
            case actions.Rated():
                self._surveys.rated(held)
            case actions.CallTelephone(telephone=telephone):
                self._hands.spawn(self._telephones.place(held, telephone))
            case actions.AskAtTelephone(telephone=telephone):
                self._telephones.ask(held, telephone)
            case actions.KeepOutside():
                self._rows.keep_outsides(call)
            case actions.CameBack(agent_id=agent_id, why=why):
                self.desk.telling.say_came_back(agent_id, call.call_id, why)
            case actions.StopRecording():
                self._hands.command(held, self._tapes.end(held))
            case actions.Greet():
                self._voice.play_greeting(held)
            case actions.Move():
                self._rows.move(call)
            case actions.Noted():
                pass
            case actions.Finish(at=at, cause=cause):
                self._finish(held, at, cause)

    def _finish(self, held: Held, at: dt.datetime, cause: Cause) -> None:
        call = held.call
        self.floor.leave(call.call_id)
        self.flows.forget(call.call_id)
        if call.flow and call.flow.outcome is None:
            self._rows.keep_run(call)
        if held.patience:
            held.patience.cancel()
        if held.returning:
            self._hands.let_go(held.returning)
        for channel in (call.channel, call.offer.channel if call.offer else "", held.returning):
            self._live.by_channel.pop(channel, None)
        for outside in call.outsides:
            if self._live.by_channel.pop(outside.channel, None):
                self._hands.let_go(outside.channel)
        self._telephones.forget(call)
        self._live.calls.pop(call.call_id, None)
        # after what is being done for the call: a bridge made once it is over would stay for ever
        self._hands.command(held, self._close(held))
        if call.dial and call.dial.is_by_hand:
            self.desk.telling.say_dialled(
                call.dial.offer.agent_id, call.call_id, (call.outcome or DialOutcome.LOST).value
            )
        ending = Ending(call.arrival.tenant_id, call.call_id, at, cause.value, self._live.boot)
        written = self._rows.end(call, ending)
        written.add_done_callback(lambda future: self._finished(call, future))

    async def _close(self, held: Held) -> None:
        """Close the bridge of an ended call; the switch closes its recording with it."""
        call = held.call
        await self._tapes.close(call)
        has_bridge = "answered_at" in call.instants or call.recording_id is not None
        bridges = [call.bridge] if has_bridge else []
        for bridge in [*bridges, call.side_bridge] if call.is_shared else bridges:
            try:
                await self._switch.close_bridge(bridge)
            except SwitchError as error:
                _log.info("bridge-left", error=error.code)

    def _finished(self, call: LiveCall, written: asyncio.Future[Any]) -> None:
        if written.cancelled() or written.exception():
            return  # not written: the spool keeps the call, and the next start tries again
        self._spool.done(call.call_id)
        self._live.dialled -= {call.call_id, *(CallId(one.offer_id) for one in call.outsides)}
        self._books.write(call.call_id, lambda: self._rows.tell(call, "ended"))
