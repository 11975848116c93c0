"""Agents at their own telephones: called through the gate, asked for a key, put through.

The offer is one like any. What differs is how its phone is rung: the company's gate is asked first, the call
goes out to the network, and whoever picks up has to press a key before the caller is given to them, so that a
mailbox never has one. A call the gate refuses, or that does not come through, is an offer lost; the caller
stays where they were.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, OfferId, TenantId
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers, telephones
from telephony.conductor import facts
from telephony.conductor.admitting import Admitting
from telephony.conductor.books import Books
from telephony.conductor.directory import Speak
from telephony.conductor.hands import Hands
from telephony.conductor.live import Feed, Held, Live
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Offer, Outside
from telephony.conductor.phases import Lost, Phase
from telephony.conductor.surveys import Surveys
from telephony.events import DialOutcome
from telephony.outbound import at_telephone, dialling
from telephony.outbound.gate import Clearance, Refusal, RefusalReason
from telephony.routing.floor import Floor
from telephony.switch import port
from telephony.switch.port import Digits, Speech, Switch, SwitchError
from telephony.telephones import TAKE, Telephone

PRESSED_WITHIN: Final = dt.timedelta(seconds=15)
"""So long after it may have rung its longest an offer waits for the key."""
_TRIES = 3  # as many wrong codes, and the call is not taken there
_DISK_PATIENCE_S = 5.0
_HUNG_UP: Final = frozenset({port.Cause.NORMAL, 31})  # Q.850: normal clearing, and normal, unspecified
_DESK = Scope.system(OPERATOR)
_log = log.get(__name__)


@dataclass(slots=True)
class _Asking:
    """What is known of a telephone beside its leg: never its number, which only the clearance has."""

    telephone: Telephone
    clearance: Clearance | None = None  # until it has been placed
    is_placed: bool = False
    pressed: str = ""


class Telephones:
    """Rings agents outside."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        gate: Gate,
        vault: Vault,
        books: Books,
        floor: Floor,
        live: Live,
        admitting: Admitting,
        surveys: Surveys,
        speak: Speak,
        feed: Feed,
    ) -> None:
        self._surveys = surveys
        self._switch, self._hands, self._gate, self._vault = switch, hands, gate, vault
        self._books, self._floor, self._live, self._admitting = books, floor, live, admitting
        self._speak, self._feed = speak, feed
        self._asking: dict[OfferId, _Asking] = {}

    # --- calling ------------------------------------------------------------------------------------

    async def ring(self, held: Held, offer: Offer) -> None:
        """Ask the gate for the call to an agent's telephone, and let it be placed; else the offer is lost."""
        call, answer = held.call, None
        # who writes the call down reads the caller's number: theirs is not the telephone to ring
        await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        try:
            answer = await asyncio.to_thread(self._clear, call, offer, held.line.queue.ring_timeout_s)
        except (SeatlineError, SQLAlchemyError) as error:
            _log.warning("telephone-not-cleared", error=type(error).__name__)
        if not isinstance(answer, _Asking) or answer.clearance is None:
            self._not_called(held, offer, answer.reason.value if isinstance(answer, Refusal) else "failed")
            return
        has_room = self._live.is_connected and self._admitting.lets_out(held.line, is_by_campaign=False)
        if not has_room or not _is_offered(call, offer.offer_id):
            await self._give_back(answer.clearance)
            self._not_called(held, offer, RefusalReason.NO_ROOM.value)
            return
        self._asking[offer.offer_id] = answer
        telephone = Outside(offer.offer_id, offer.channel, answer.clearance.longest, clock.now())
        self._feed(call.call_id, facts.TelephoneCalled(telephone.began_at, telephone))

    def _clear(self, call: LiveCall, offer: Offer, ring_s: int) -> _Asking | Refusal | None:
        with self._gate.open(_DESK) as session:
            found = telephones.of_agent(session, agent_id=offer.agent_id, vault=self._vault)
        if found is None or call.arrival.tenant_id not in found.clients:
            return None
        # a number of ours would come back in
        if self._gate.resolve(numbers.DIRECTORY, numbers.directory_key(found.number)):
            return Refusal(RefusalReason.OWN_NUMBER)
        with self._gate.open(Scope.system(call.arrival.tenant_id)) as session:
            answer = at_telephone.clear_for(
                session,
                arrival=call.arrival,
                offer_id=offer.offer_id,
                agent_id=offer.agent_id,
                to=found.number,
                ring_s=ring_s,
                vault=self._vault,
                at=clock.now(),
            )
        return _Asking(found, answer) if isinstance(answer, Clearance) else answer

    def _not_called(self, held: Held, offer: Offer, why: str) -> None:
        lost = facts.OfferLost(clock.now(), offer.offer_id, Lost.NOT_CALLED)
        self._feed(held.call.call_id, lost, because={"gate": why})

    async def _give_back(self, clearance: Clearance) -> None:
        """Close the books of a telephone that is not called after all."""
        at = clock.now()
        await self._books.enter(
            clearance.attempt_id,
            Scope.system(clearance.tenant_id),
            lambda session: dialling.close(
                session,
                tenant_id=clearance.tenant_id,
                attempt_id=clearance.attempt_id,
                outcome=DialOutcome.CANCELLED,
                started_at=at,
                ended_at=at,
            ),
            is_urgent=True,
        )

    async def place(self, held: Held, telephone: Outside) -> None:
        """Call the telephone, once it is on disk that this is done: after a crash it is not called again."""
        call, asking = held.call, self._asking.get(telephone.offer_id)
        clearance = asking.clearance if asking else None
        done, _ = await asyncio.wait({held.on_disk}, timeout=_DISK_PATIENCE_S)
        if asking is None or clearance is None:
            return
        asking.clearance = None
        is_wanted = _is_offered(call, telephone.offer_id)
        try:
            if done and is_wanted:
                await self._switch.originate(telephone.channel, clearance=clearance)
        except SeatlineError as error:
            _log.warning("telephone-not-called", error=error.code)
            done = set()
        asking.is_placed = True
        if not done or not is_wanted:
            self.gone(held, telephone, clock.now(), port.Cause.CONGESTION)
        if not _is_offered(call, telephone.offer_id):
            # who has gone meanwhile, or may have been called after all
            await self._hands.hang_up(telephone.channel)

    # --- what happens to its leg --------------------------------------------------------------------

    def hear(self, held: Held, telephone: Outside, event: port.Event) -> None:
        """Take what happened to the leg of an agent's telephone; what comes after its end changes nothing."""
        call_id, offer_id = held.call.call_id, telephone.offer_id
        match event:
            case port.CalledRinging(at=at):
                self._feed(call_id, facts.AgentRinging(at, offer_id))
            case port.CalledAnswered(at=at):
                self._feed(call_id, facts.TelephonePickedUp(at, offer_id))
            case port.PlaybackFinished(playback=playback) if playback == _playback(telephone):
                self.ask(held, telephone)  # again, until they press, or the offer is over
            case port.Ended(at=at, cause=cause):
                self.gone(held, telephone, at, cause)
            case _:
                pass

    def gone(self, held: Held, telephone: Outside, at: dt.datetime, cause: int) -> None:
        """Its leg is over: the offer is lost, or who has the call has hung up, or their line broke."""
        call, offer_id = held.call, telephone.offer_id
        is_theirs = call.telephone is not None and call.telephone.offer_id == offer_id
        was_picked_up = is_theirs and call.telephone is not None and call.telephone.picked_up_at is not None
        self._feed(call.call_id, facts.TelephoneGone(at, offer_id, cause))
        self._asking.pop(offer_id, None)
        if not is_theirs:
            return
        if call.phase is Phase.OFFERED:
            self._feed(call.call_id, facts.OfferLost(at, offer_id, _why(cause, was_picked_up=was_picked_up)))
        elif call.phase is Phase.TALKING and cause not in _HUNG_UP:
            # they cannot come back by themselves, as a browser does: somebody else is sought at once
            self._feed(call.call_id, facts.LegLost(at))
            self._feed(call.call_id, facts.AgentStaysAway(at))
        else:
            self._feed(call.call_id, facts.AgentGone(at, cause, self._surveys.most(held)))

    def ask(self, held: Held, telephone: Outside) -> None:
        """Ask who has picked up there to press the key, or the code while it is not checked."""
        if _is_offered(held.call, telephone.offer_id):
            self._hands.spawn(self._ask(held, telephone))

    async def _ask(self, held: Held, telephone: Outside) -> None:
        asking = self._asking.get(telephone.offer_id) or await self._known(held.call)
        if asking is None or not _is_offered(held.call, telephone.offer_id):
            return
        self._asking.setdefault(telephone.offer_id, asking)
        is_checked = asking.telephone.is_checked
        language = self._language(held.call)
        file = await asyncio.to_thread(
            self._speak, press_one(language) if is_checked else press_code(language), language
        )
        # without a voice the key itself is said; of a code, how many digits it has
        digits = TAKE if is_checked else str(len(asking.telephone.code))
        try:
            await self._switch.play(
                telephone.channel,
                [Speech(file) if file else Digits(digits)],
                playback=_playback(telephone),
            )
        except SeatlineError as error:
            _log.info("telephone-not-asked", error=error.code)  # its end is on the way, or the offer's

    async def _known(self, call: LiveCall) -> _Asking | None:
        """Read again what an earlier run knew of the telephone it had called."""
        offer = call.offer
        if offer is None:
            return None

        def read() -> Telephone | None:
            with self._gate.open(_DESK) as session:
                return telephones.of_agent(session, agent_id=offer.agent_id, vault=self._vault)

        found = await asyncio.to_thread(read)
        return _Asking(found, is_placed=True) if found else None

    def _language(self, call: LiveCall) -> str:
        agent = self._floor.agents.get(call.offer.agent_id) if call.offer else None
        return agent.languages[0] if agent and agent.languages else "en"

    def pressed(self, held: Held, channel: str, digit: str, at: dt.datetime) -> None:
        """Take a key pressed on the leg of an agent's telephone: the right one takes the call."""
        call, one = held.call, held.call.telephone
        if one is None or one.channel != channel or call.phase is not Phase.OFFERED or not one.picked_up_at:
            return
        asking = self._asking.get(one.offer_id)
        if asking is None:
            return
        known = asking.telephone
        asking.pressed += digit
        if asking.pressed.endswith(known.awaited):
            if not known.is_checked:
                self._books.enter(
                    known.agent_id,
                    _DESK,
                    lambda session: telephones.checked(
                        session, agent_id=known.agent_id, version=known.version
                    ),
                )
            self._hands.spawn(self._quiet(one))
            self._feed(call.call_id, facts.AgentAnswered(at, one.offer_id))
        elif not known.is_checked and len(asking.pressed) >= _TRIES * len(known.code):
            self._give_up(held, one, at)

    def take(self, held: Held) -> None:
        """Press what is awaited at the telephone of the agent to whom this call is offered, if it is up."""
        one = held.call.telephone
        asking = self._asking.get(one.offer_id) if one else None
        for key in asking.telephone.awaited if one and asking else "":
            self.pressed(held, one.channel if one else "", key, clock.now())

    async def _quiet(self, telephone: Outside) -> None:
        try:
            await self._switch.stop_playback(_playback(telephone))
        except SwitchError as error:
            _log.info("telephone-not-quiet", error=error.code)

    # --- as time goes by ----------------------------------------------------------------------------

    def look(self) -> None:
        """Every second: give up telephones at which nobody has pressed the key in time."""
        now = clock.now()
        for held in list(self._live.calls.values()):
            call = held.call
            if call.phase is Phase.OFFERED and call.offer and call.telephone and now >= call.offer.expires_at:
                self._give_up(held, call.telephone, now)

    def _give_up(self, held: Held, telephone: Outside, at: dt.datetime) -> None:
        # the machine lets the leg go with the offer; that it has ended is heard
        self._feed(held.call.call_id, facts.OfferLost(at, telephone.offer_id, Lost.NO_ANSWER))

    def prove(self, held: Held, there: set[str], asked_at: dt.datetime) -> None:
        """End the legs of telephones that the switch does not have any more."""
        for one in held.call.telephones:
            asking = self._asking.get(one.offer_id)
            is_being_placed = asking is not None and not asking.is_placed
            if one.ended_at or is_being_placed or one.channel in there or one.began_at >= asked_at:
                continue
            self.gone(held, one, held.call.proven_at, port.Cause.INTERWORKING)

    def stand_again(self, held: Held, there: dict[str, port.LiveChannel]) -> None:
        """Go on with the telephones that were called, or in the call, when nobody listened."""
        now = clock.now()
        for one in held.call.telephones:
            if one.ended_at:
                continue
            leg = there.get(one.channel)
            if leg is None:
                # metered to its last proven second; what was never heard to be picked up rang until now
                at = held.call.proven_at if one.picked_up_at else now
                self.gone(held, one, at, port.Cause.INTERWORKING)
            elif leg.state is port.ChannelState.UP and one.picked_up_at is None:
                self._feed(held.call.call_id, facts.TelephonePickedUp(now, one.offer_id))
            elif leg.state is port.ChannelState.UP:
                self.ask(held, one)

    def end_all(self, tenant_id: TenantId | None) -> int:
        """End the calls to agents' telephones, of a company or of all, at once; return how many there were.

        No caller is cut off: they wait for somebody else.
        """
        now, ended = clock.now(), 0
        for held in list(self._live.calls.values()):
            call, one = held.call, held.call.telephone
            if one is None or tenant_id not in {None, call.arrival.tenant_id}:
                continue
            ended += 1
            self._feed(call.call_id, facts.OfferLost(now, one.offer_id, Lost.NOT_CALLED))
            if call.phase is Phase.TALKING:
                self._feed(call.call_id, facts.LegLost(now))
                self._feed(call.call_id, facts.AgentStaysAway(now))
            self._hands.let_go(one.channel)
        return ended

    def forget(self, call: LiveCall) -> None:
        """Let the telephones of a call that is over go."""
        for one in call.telephones:
            self._asking.pop(one.offer_id, None)
            if self._live.by_channel.pop(one.channel, None):
                self._hands.let_go(one.channel)


def _is_offered(call: LiveCall, offer_id: OfferId) -> bool:
    return call.phase is Phase.OFFERED and call.offer is not None and call.offer.offer_id == offer_id


def _playback(telephone: Outside) -> str:
    return f"telephone-{telephone.offer_id}"


def _why(cause: int, *, was_picked_up: bool) -> Lost:
    """Return why an offer at a telephone came to nothing, by the cause of its end."""
    if was_picked_up:
        return Lost.NO_ANSWER  # a mailbox, or somebody who did not press the key
    match cause:
        case port.Cause.REJECTED:
            return Lost.DECLINED
        case port.Cause.NO_ANSWER | port.Cause.NO_USER_RESPONSE | port.Cause.BUSY:
            return Lost.NO_ANSWER
        case _:
            return Lost.NOT_CALLED


def press_one(language: str) -> str:
    """Return what is said at a telephone that was checked: how the call is taken."""
    if language == "zh":
        return "您有一个来电。请按1接听。"
    return "A caller is waiting for you. Press 1 to take the call."


def press_code(language: str) -> str:
    """Return what is said at a telephone that was not checked: which digits are wanted."""
    if language == "zh":
        return "您有一个来电。请按工作台上显示的四位数字接听。"
    return "A caller is waiting for you. Press the four digits that your console shows."
