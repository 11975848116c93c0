"""What the switch says, leg by leg: each event becomes the fact it means for its call, or is told as odd.

The switch is believed, within what can be: nothing happens after now, a channel arrives once, each leg does
what such a leg does. What cannot be changes no call and no bill.
"""

import datetime as dt
from dataclasses import replace

from sqlalchemy.orm import Session

from core import clock, log
from core.ids import OPERATOR
from security.gate import Scope
from security.refusals import Refusals
from telephony.calls import Stage
from telephony.conductor import facts
from telephony.conductor.arrivals import Arrivals
from telephony.conductor.books import Books
from telephony.conductor.desk import Desk
from telephony.conductor.directory import Directory
from telephony.conductor.flow_runner import FlowRunner
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.lobby import Lobby
from telephony.conductor.meanwhile import Meanwhile
from telephony.conductor.offers import Offers
from telephony.conductor.parties import Offer, Outside
from telephony.conductor.phases import Lost, Phase
from telephony.conductor.rejoining import Rejoining
from telephony.conductor.rooms import Rooms
from telephony.conductor.standing import Standing
from telephony.conductor.supervision import Supervision
from telephony.conductor.surveys import Surveys
from telephony.conductor.tapes import Tapes
from telephony.conductor.telephones import Telephones
from telephony.switch import port
from telephony.switch.instance import CARRIER
from tenants import alarms

_CLOCKS_APART = dt.timedelta(minutes=1)  # so far the switch's clock may be ahead of ours
_ODD_EVERY = dt.timedelta(minutes=1)
CARRIER_REFUSES = "carrier-refuses-us"
_CARRIER_EVERY = dt.timedelta(minutes=10)
_OF_CALLED = port.CalledRinging | port.CalledAnswered | port.Detected
_OF_AGENTS = port.AgentRinging | port.AgentAnswered

_log = log.get(__name__)


class Hearing:
    """Hears the switch."""

    def __init__(
        self,
        *,
        hands: Hands,
        books: Books,
        directory: Directory,
        desk: Desk,
        flows: FlowRunner,
        supervision: Supervision,
        live: Live,
        tapes: Tapes,
        offers: Offers,
        rejoining: Rejoining,
        telephones: Telephones,
        arrivals: Arrivals,
        standing: Standing,
        meanwhile: Meanwhile,
        lobby: Lobby,
        surveys: Surveys,
        rooms: Rooms,
        feed: Feed,
        refusals: Refusals,
    ) -> None:
        self._lobby, self._meanwhile, self._surveys = lobby, meanwhile, surveys
        self._telephones, self._rooms = telephones, rooms
        self._hands, self._books, self._directory, self._desk = hands, books, directory, desk
        self._flows, self._supervision, self._live, self._tapes = flows, supervision, live, tapes
        self._offers, self._rejoining, self._arrivals, self._standing = offers, rejoining, arrivals, standing
        self._feed, self._refusals = feed, refusals
        self._odd_told_until = dt.datetime.min.replace(tzinfo=dt.UTC)

    def hear(self, event: port.Event) -> None:
        """Take one event of the switch; called in the loop, never blocks.

        The switch is believed, within what can be: nothing happens after now, a channel arrives once, each
        leg does what such a leg does. What cannot be changes no call and no bill, and is told (`_odd`).
        """
        if event.at > clock.now() + _CLOCKS_APART:
            self._odd("after-now", event)
            event = replace(event, at=clock.now())
        if isinstance(event, port.Ended) and event.is_login_refused:
            self._refused_by_carrier()
        if self._supervision.takes(event) or self._lobby.takes(event):
            return
        match event:
            case port.Arrived() if event.channel in self._live.by_channel:
                self._odd("arrived-twice", event)
            case port.Arrived():
                line = self._directory.remembered(event.dnis)
                if line:
                    self._arrivals.take_in(event, line)
                else:
                    self._hands.spawn(self._arrivals.arrive(event))
            case port.Connected():
                self._hands.spawn(self._standing.connected(event))
            case port.Disconnected():
                self._live.is_connected = False
                _log.warning("switch-away", reason=event.reason)
            case port.EndpointChanged():
                self._desk.phones.changed(event.endpoint, is_online=event.online, at=event.at)
                self._rejoining.line_changed(event.endpoint, is_online=event.online)
                self._offers.route()
            case port.RecordingDone():
                self._tapes.done(event.name)
            case port.DialRequested():
                # dialling out passes the one gate; until it is built, no phone may start a call
                self._hands.spawn(self._hands.refuse(event.channel, port.Cause.REJECTED))
                self._books.enter(
                    OPERATOR,
                    Scope.system(OPERATOR),
                    lambda _: self._refusals.count("phone-dials", company_id=OPERATOR),
                )
            case (
                port.PlaybackFinished()
                | port.AgentRinging()
                | port.AgentAnswered()
                | port.CalledRinging()
                | port.CalledAnswered()
                | port.Detected()
                | port.Ended()
            ):
                held = self._live.of(event.channel)
                if held:
                    self._leg_event(held, event)
                    if isinstance(event, port.Ended):
                        self._live.by_channel.pop(event.channel, None)
                elif isinstance(event, port.CalledRinging | port.CalledAnswered):
                    self._odd("not-placed", event)
                    # given up when the switch did not say in time whether it placed it
                    self._hands.let_go(event.channel)
            case port.Digit(channel=channel, digit=digit):
                held = self._live.of(channel)
                if held and held.call.channel == channel and held.call.phase is Phase.SURVEY:
                    self._surveys.pressed(held, digit, event.at)
                elif held and held.call.channel == channel and held.call.phase is Phase.ROOM:
                    self._rooms.pressed(held, digit, event.at)
                elif held and held.call.channel == channel:
                    self._flows.pressed(held.call.call_id, digit, event.at)
                elif held:
                    self._telephones.pressed(held, channel, digit, event.at)

    def _leg_event(
        self,
        held: Held,
        event: port.PlaybackFinished
        | port.AgentRinging
        | port.AgentAnswered
        | port.CalledRinging
        | port.CalledAnswered
        | port.Detected
        | port.Ended,
    ) -> None:
        call, at = held.call, event.at
        is_caller = event.channel == call.channel
        asked = call.asked
        if asked and event.channel == asked.channel:
            self._asked_event(call, asked, event)
            return
        outside = next((one for one in call.outsides if one.channel == event.channel), None)
        if outside:
            self._outside_event(call, outside, event)
            return
        telephone = next((one for one in call.telephones if one.channel == event.channel), None)
        if telephone:
            self._telephones.hear(held, telephone, event)
            return
        offer_id = call.offer.offer_id if call.offer else None
        if event.channel == held.returning:
            self._rejoining.returns(held, event)
            return
        if isinstance(event, _OF_CALLED) and not (is_caller and call.dial):
            self._odd("another-leg", event)
            return
        if isinstance(event, _OF_AGENTS) and is_caller:
            self._odd("another-leg", event)
            return
        match event:
            case port.PlaybackFinished(playback=playback) if self._meanwhile.told(held, playback):
                pass
            case port.PlaybackFinished(playback=playback) if self._surveys.played(held, playback, at):
                pass
            case port.PlaybackFinished(playback=playback) if self._rooms.played(held, playback):
                pass
            case port.PlaybackFinished(playback=playback, ok=ok) if call.phase is Phase.FLOW:
                self._flows.played(call.call_id, playback, at, ok=ok)
            case port.PlaybackFinished(playback=playback) if playback == f"greeting-{call.call_id}":
                self._feed(held.call.call_id, facts.GreetingEnded(at))
            case port.PlaybackFinished(playback=playback) if offer_id and playback == f"agent-{offer_id}":
                self._feed(call.call_id, facts.AnnouncementEnded(at))
            case port.PlaybackFinished(playback=playback) if playback == f"notice-{call.call_id}":
                self._feed(call.call_id, facts.AnnouncementEnded(at))
            case port.PlaybackFinished(playback=playback) if playback == f"apology-{call.call_id}":
                self._feed(call.call_id, facts.ApologyEnded(at))
            case port.CalledRinging():
                self._feed(call.call_id, facts.CalledRinging(at))
            case port.CalledAnswered():
                self._feed(call.call_id, facts.PickedUp(at))
            case port.Detected(is_machine=is_machine):
                self._feed(call.call_id, facts.Heard(at, is_machine))
            case port.AgentRinging() if offer_id:
                self._feed(call.call_id, facts.AgentRinging(at, offer_id))
            case port.AgentAnswered() if offer_id:
                self._feed(call.call_id, facts.AgentAnswered(at, offer_id))
            case port.Ended(cause=cause) if is_caller:
                self._feed(call.call_id, facts.CallerGone(at, cause))
            case port.Ended(cause=cause) if call.offer and event.channel == call.offer.channel:
                if call.phase is Phase.OFFERED:
                    self._feed(call.call_id, facts.OfferLost(at, call.offer.offer_id, _why(cause)))
                elif call.phase is Phase.TALKING and (held.returning or cause != port.Cause.NORMAL):
                    self._rejoining.park(held, at)
                elif call.is_parked:
                    pass  # what was left of the broken leg
                else:
                    self._feed(call.call_id, facts.AgentGone(at, cause, self._surveys.most(held)))
            case _:
                pass

    def _odd(self, what: str, event: port.Event) -> None:
        """Tell the operator of an event that cannot be: a switch gone wrong, or somebody who speaks as it."""
        kind = type(event).__name__
        _log.warning("odd-event", what=what, kind=kind)
        now = clock.now()
        if now < self._odd_told_until:
            return
        self._odd_told_until = now + _ODD_EVERY
        self._books.enter(
            OPERATOR,
            Scope.system(OPERATOR),
            lambda session: alarms.raise_alarm(
                session, "switch-odd-event", tenant_id=OPERATOR, why=what, event=kind
            ),
        )

    def _refused_by_carrier(self) -> None:
        """Tell the operator that the carrier takes no call of ours; the same again is one alarm."""
        _log.warning("carrier-refuses-us")
        since = clock.now() - _CARRIER_EVERY

        def tell(session: Session) -> None:
            self._refusals.count("carrier", company_id=OPERATOR)
            if not alarms.rang(session, CARRIER_REFUSES, tenant_id=OPERATOR, subject=CARRIER, since=since):
                alarms.raise_alarm(session, CARRIER_REFUSES, tenant_id=OPERATOR, subject=CARRIER)

        self._books.enter(OPERATOR, Scope.system(OPERATOR), tell)

    def _asked_event(self, call: LiveCall, asked: Offer, event: port.Event) -> None:
        """Take what happened to the leg of an agent who is asked about a call."""
        match event:
            case port.AgentRinging(at=at):
                self._feed(call.call_id, facts.AgentRinging(at, asked.offer_id))
            case port.AgentAnswered(at=at):
                self._feed(call.call_id, facts.AgentAnswered(at, asked.offer_id))
            case port.Ended(at=at, cause=cause) if call.consult and call.consult.stage is Stage.RINGING:
                self._feed(call.call_id, facts.OfferLost(at, asked.offer_id, _why(cause)))
            case port.Ended(at=at, cause=cause):
                self._feed(call.call_id, facts.AskedGone(at, cause))
            case _:
                pass

    def _outside_event(self, call: LiveCall, outside: Outside, event: port.Event) -> None:
        """Take what happened to the leg of a number outside; what comes after its end changes nothing."""
        match event:
            case port.CalledAnswered(at=at):
                self._feed(call.call_id, facts.OutsideAnswered(at, outside.offer_id))
            case port.Ended(at=at, cause=cause):
                waits = call.offer if call.consult and call.consult.stage is Stage.RINGING else None
                self._feed(call.call_id, facts.OutsideGone(at, outside.offer_id, cause))
                became = call.outsides[-1].cause
                if waits and became and not call.consult:
                    self._desk.telling.say_refused(waits.agent_id, became.value)
            case _:
                pass


def _why(cause: int) -> Lost:
    """Return why a phone that was rung was not answered, by the cause of its end."""
    match cause:
        case port.Cause.REJECTED:
            return Lost.DECLINED
        case port.Cause.NO_ANSWER:
            return Lost.NO_ANSWER
        case _:
            return Lost.PHONE_GONE
