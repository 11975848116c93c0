"""Whose number was dialled: a short memory in front of the directory, so that a call waits for no disk.

An entry is used for a minute; when the database is away, the last known one is used for as long as that
lasts. An unknown number is remembered for some seconds only, so that a new rental is found soon.
"""

import contextlib
import datetime as dt
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import phonenumbers
from sqlalchemy.orm import Session

from billing import credit
from core import clock, ids, log
from core.errors import NotFound, SeatlineError
from core.ids import FlowId, NumberId, QueueId, SoundId, TenantId
from core.phone import E164, InvalidNumberError, parse_e164
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers, queue_hours, queues, speech
from telephony.admission import Bounds
from telephony.conductor.books import is_outage
from telephony.errors import NumberNotFoundError
from telephony.flows import sounds, store
from telephony.flows.model import Flow
from telephony.numbers import Number
from telephony.opening import Hours
from telephony.outbound import limits
from telephony.queue_hours import Opening
from telephony.queues import Queue
from telephony.routing.settings import UNSETTLED, RoutingSettings
from telephony.routing.settings import read as read_routing
from telephony.speech import Voice
from tenants import companies

_KNOWN_S, _UNKNOWN_S, _MOST = 60.0, 5.0, 10_000
_AGEING_S = 30.0
USUAL_LINES = Bounds(limits.USUAL.in_at_once, limits.USUAL.in_per_second)
# an announcement and its language -> its sound file, or None where there is no voice
Speak = Callable[[str, str], Path | None]
_VOICES = {"en": Voice.ENGLISH, "zh": Voice.MANDARIN}
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class FlowLine:
    """What a number's callers go through first: a version of a flow, with a line into each queue it names."""

    flow_id: FlowId
    version: int
    flow: Flow
    entries: Mapping[str, "Line"]  # by the queue's public id; one that was closed for good is left out
    sounds: Mapping[str, Path]  # by the uploaded sound's public id; one that is gone is left out


@dataclass(frozen=True, slots=True)
class Line:
    """A dialled number with all that follows from it.

    `greeting` is a sound file, or None; `is_open` says that its company is not suspended. `notice` tells
    who is called, or calls a queue that says so, that they are recorded; `apology` who called, of a call out.
    `longest` is the longest a call that comes in may last; of one that goes out its clearance says it.
    `lines` are how many callers its company takes, on all its numbers together; `channels` calls both ways.
    `is_prepaid`: its company pays beforehand.
    Outside its queue's `hours` (None: always open) a caller hears `told`, and goes `beyond` if that is open.
    `tier_flows` are what callers of a tier go through in place of `flow`, by its code.
    """

    number: Number
    queue: Queue
    greeting: Path | None
    is_open: bool = True
    notice: Path | None = None
    apology: Path | None = None
    longest: dt.timedelta = limits.USUAL.longest_in
    lines: Bounds = USUAL_LINES
    channels: int = limits.USUAL.channels
    routing: RoutingSettings = UNSETTLED
    is_prepaid: bool = False
    hours: Hours | None = None
    told: Path | None = None
    beyond: Queue | None = None
    beyond_hours: Hours | None = None
    flow: FlowLine | None = None
    tier_flows: Mapping[str, FlowLine] = field(default_factory=dict)

    def of_tier(self, code: str) -> "Line":
        """Return the line for a caller of this tier: through the tier's own flow, if it has one."""
        there = self.tier_flows.get(code)
        return replace(self, flow=there) if there else self

    def through(self, flow_id: FlowId) -> "Line":
        """Return the line of a caller who is in this flow, their number's or their tier's."""
        known = (one for one in (self.flow, *self.tier_flows.values()) if one and one.flow_id == flow_id)
        return replace(self, flow=next(known, self.flow))

    def at(self, instant: dt.datetime) -> "Line | None":
        """Return the line as it is at an instant: itself, the queue beyond its hours, or None: closed."""
        if self.hours is None or self.hours.is_open(instant):
            return self
        if self.beyond is None or (self.beyond_hours and not self.beyond_hours.is_open(instant)):
            return None
        return replace(self, queue=self.beyond, greeting=self.told)


class Directory:
    """Finds lines by dialled number."""

    def __init__(self, gate: Gate, vault: Vault, speak: Speak, *, sounds: Path) -> None:
        """Read rows through `gate`, and lay uploaded sounds out for the switch in the folder `sounds`."""
        self._gate, self._vault, self._speak, self._sounds = gate, vault, speak, sounds
        self._memory: dict[str, tuple[float, Line | None]] = {}
        self._forgotten = 0

    def remembered(self, dialled: str) -> Line | None:
        """Return a line known freshly enough, without asking anybody."""
        entry = self._memory.get(dialled)
        return entry[1] if entry and entry[0] > time.monotonic() else None

    def is_ageing(self, dialled: str) -> bool:
        """Whether a line in use should be read anew, before a later call would have to wait for it."""
        entry = self._memory.get(dialled)
        return entry is not None and entry[0] - time.monotonic() < _KNOWN_S - _AGEING_S

    def renew(self, dialled: str) -> None:
        """Read a line anew beside the call that found it ageing. Blocks; not for the loop."""
        entry = self._memory.get(dialled)
        if entry and entry[0] - time.monotonic() < _KNOWN_S - _AGEING_S:
            self._read(dialled, entry[1])

    def find(self, dialled: str) -> Line | None:
        """Return the line of a dialled number, or None when nobody rents it. Blocks; not for the loop.

        Raises:
            sqlalchemy.exc.OperationalError: the database is away and the number was never seen.
        """
        entry = self._memory.get(dialled)
        if entry and entry[0] > time.monotonic():
            return entry[1]
        return self._read(dialled, entry[1] if entry else None)

    def outgoing(
        self, session: Session, *, tenant_id: TenantId, number_id: NumberId, queue_id: QueueId
    ) -> Line:
        """Return the line of a call out; in the tenant's transaction. Blocks; not for the loop.

        Raises:
            NumberNotFoundError: the number is not rented any more.
            QueueNotFoundError: the queue is not there.
        """
        number = numbers.get(session, tenant_id=tenant_id, number_id=number_id)
        queue = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
        try:
            company = companies.read(session, tenant_id=tenant_id).name
        except NotFound:
            company = ""
        said = apology(company, number.digits, number.language)
        return Line(
            number,
            queue,
            None,
            notice=self._speak(notice(number.language), number.language) if queue.is_recorded else None,
            apology=self._speak(said, number.language),
            channels=limits.most(session, tenant_id=tenant_id, at=clock.now()).channels,
        )

    def entry(self, tenant_id: TenantId, number_id: NumberId) -> Line | None:
        """Return the line of one of a company's numbers. Blocks; not for the loop.

        Raises:
            NumberNotFoundError: the company does not rent it.
        """
        with self._gate.open(Scope.system(tenant_id)) as session:
            number = numbers.get(session, tenant_id=tenant_id, number_id=number_id)
        if number.is_elsewhere:  # whoever has these digits here is somebody else
            raise NumberNotFoundError
        return self.find(number.entry)

    def queue_of(self, tenant_id: TenantId, queue_id: QueueId) -> tuple[Queue, Opening]:
        """Return a queue of a company, and when it is open. Blocks; not for the loop.

        Raises:
            QueueNotFoundError: no such queue of this company.
        """
        with self._gate.open(Scope.system(tenant_id)) as session:
            return (
                queues.get(session, tenant_id=tenant_id, queue_id=queue_id),
                queue_hours.read(session, tenant_id=tenant_id, queue_id=queue_id),
            )

    def forget(self) -> None:
        """Ask anew for every number: something has changed."""
        self._forgotten += 1
        self._memory = {dialled: (0.0, line) for dialled, (_, line) in self._memory.items() if line}

    def _read(self, dialled: str, before: Line | None) -> Line | None:
        forgotten = self._forgotten
        try:
            line = self._load(dialled)
        except Exception as error:
            if before and is_outage(error):
                return before
            raise
        if forgotten != self._forgotten:
            return line  # something has changed meanwhile, perhaps this: good for this call, not for the next
        if len(self._memory) >= _MOST:
            self._memory.clear()
        self._memory[dialled] = (time.monotonic() + (_KNOWN_S if line else _UNKNOWN_S), line)
        return line

    def _load(self, dialled: str) -> Line | None:
        try:
            digits = numbers.canonical(dialled)
        except InvalidNumberError:
            return None
        entry = self._gate.resolve(numbers.DIRECTORY, numbers.directory_key(digits))
        if entry is None:
            return None
        try:
            with self._gate.open(Scope.system(entry.tenant_id)) as session:
                number = numbers.get(session, tenant_id=entry.tenant_id, number_id=NumberId(entry.ref_id))
                line = self._into(session, number, number.queue_id)
                is_open = companies.is_open(session, tenant_id=entry.tenant_id)
                routing = read_routing(session, tenant_id=entry.tenant_id)
                wanted = {one for one in (number.flow_id, *routing.flows.values()) if one}
                read = {one: self._flow(session, number, one) for one in sorted(wanted)}
                most = limits.most(session, tenant_id=entry.tenant_id, at=clock.now())
                is_prepaid = credit.is_prepaid(session, tenant_id=entry.tenant_id)
        except NotFound:
            return None
        greeting = self._speak(number.greeting, number.language)
        return replace(
            line,
            greeting=greeting,
            is_open=is_open,
            longest=most.longest_in,
            lines=Bounds(most.in_at_once, most.in_per_second),
            channels=most.channels,
            routing=routing,
            is_prepaid=is_prepaid,
            flow=read[number.flow_id] if number.flow_id else None,
            tier_flows={code: there for code, one in routing.flows.items() if (there := read[one])},
        )

    def _into(self, session: Session, number: Number, queue_id: QueueId) -> Line:
        """Return the line of a number's callers into one queue of its company, without a greeting."""
        tenant_id = number.tenant_id
        queue = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
        opening = queue_hours.read(session, tenant_id=tenant_id, queue_id=queue_id)
        beyond, beyond_hours = None, None
        if opening.leads_to:
            beyond = queues.get(session, tenant_id=tenant_id, queue_id=opening.leads_to)
            beyond_hours = queue_hours.read(session, tenant_id=tenant_id, queue_id=beyond.queue_id).hours
        language = opening.language if opening.message else number.language
        told = self._speak(opening.message or closed(language), language) if opening.hours else None
        tells = any(one.is_recorded and one.tells_callers for one in (queue, beyond) if one)
        return Line(
            number,
            queue,
            None,
            notice=self._speak(notice(number.language), number.language) if tells else None,
            hours=opening.hours,
            told=told,
            beyond=beyond,
            beyond_hours=beyond_hours,
        )

    def _flow(self, session: Session, number: Number, flow_id: FlowId) -> FlowLine | None:
        """Return a flow as callers of a number go through it; None: it cannot be had, they go without."""
        try:
            kept = store.published(session, tenant_id=number.tenant_id, flow_id=flow_id)
        except (NotFound, ValueError) as error:  # ValueError: written by a later release than this one
            _log.warning("flow-not-read", error=type(error).__name__)
            return None
        entries = {}
        for name in kept.flow.queues():
            with contextlib.suppress(NotFound):
                queue_id = QueueId(ids.parse("que", name))
                queues.insist_open(session, tenant_id=number.tenant_id, queue_id=queue_id)
                entries[name] = self._into(session, number, queue_id)
        laid_out = self._laid_out(session, number, kept.flow)
        return FlowLine(flow_id, kept.version, kept.flow, entries, laid_out)

    def _laid_out(self, session: Session, number: Number, flow: Flow) -> dict[str, Path]:
        """Return the files of the sounds a flow plays; without one the flow fails there, to the queue."""
        found = {}
        for name in flow.sounds():
            try:
                found[name] = sounds.laid_out(
                    session,
                    tenant_id=number.tenant_id,
                    vault=self._vault,
                    sound_id=SoundId(ids.parse("snd", name)),
                    folder=self._sounds,
                )
            except (SeatlineError, OSError) as error:
                _log.warning("sound-not-laid-out", error=type(error).__name__)
        return found


def speaker(folder: Path) -> Speak:
    """Return a voice that keeps what it has said in a folder; silence is better than a refused caller.

    It blocks: the first time for some 0.3 s, later for one look at the disk.
    """

    def speak(text: str, language: str) -> Path | None:
        if not text.strip():
            return None
        try:
            return speech.speak(text, voice=_VOICES[language], folder=folder)
        except (SeatlineError, OSError) as error:
            _log.warning("announcement-not-spoken", error=type(error).__name__)
            return None

    return speak


def announcement(agent_number: int, language: str) -> str:
    """Return what the caller hears before the agent does: the agent's number, digit by digit."""
    digits = str(agent_number)
    if language == "zh":
        names = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
        return f"工号{''.join(names[one] for one in digits)}为您服务。"
    return f"You are speaking to agent {' '.join(digits)}."


def closed(language: str) -> str:
    """Return what a caller hears outside the hours of a queue that says nothing of its own."""
    return (
        "现在不是我们的服务时间，请稍后再来电。"
        if language == "zh"
        else "We are closed now. Please call again."
    )


def nobody_free(language: str) -> str:
    """Return what a caller hears who has waited as long as they may."""
    if language == "zh":
        return "很抱歉，现在没有空闲的客服，请稍后再来电。"
    return "We are sorry that nobody is free. Please call again later."


def how_was_it(most: int, language: str) -> str:
    """Return what a caller is asked when their agent has hung up, unless the queue has words of its own."""
    if language == "zh":
        return f"请您为本次服务评分：请按1至{most}键，1为非常不满意，{most}为非常满意。"
    return f"How satisfied are you with this call? Please press a key from 1, not at all, to {most}, very."


def thanks(language: str) -> str:
    """Return what a caller hears who has given a rating."""
    return "感谢您的评价，再见。" if language == "zh" else "Thank you. Goodbye."


def all_busy(language: str) -> str:
    """Return what a caller hears for whom their company has no line left."""
    if language == "zh":
        return "很抱歉，现在所有线路都忙，请稍后再来电。"
    return "We are sorry that all our lines are busy. Please call again later."


def not_taken(language: str) -> str:
    """Return what a caller hears whose call its company has not paid for: not why, that is not theirs."""
    if language == "zh":
        return "很抱歉，您的来电现在无法接通，请稍后再来电。"
    return "We are sorry that your call cannot be taken now. Please call again later."


def notice(language: str) -> str:
    """Return what a called person hears before they are recorded."""
    return "本次通话将被录音。" if language == "zh" else "This call is recorded."


def apology(company: str, digits: str, language: str) -> str:
    """Return what a person hears for whom no agent was there: who called, and from which number."""
    spoken = " ".join(digits.removeprefix("+"))
    if language == "zh":
        return (
            f"这里是{company}。很抱歉，我们刚才给您打了电话，但现在没有人可以接听。我们的号码是：{spoken}。"
        )
    return f"This was a call from {company}. We are sorry that nobody is free. Our number is {spoken}."


def caller_number(ani: str, *, dialled: str) -> str:
    """Return the calling number in E.164, read as a national number of the dialled one's country if need be.

    Empty when withheld or not a number: a caller is never refused for it.
    """
    digits = ani.strip()
    if not digits or digits.lower() in {"anonymous", "unavailable", "restricted"}:
        return ""
    for reading in (digits, f"+{digits}") if not digits.startswith("+") else (digits,):
        try:
            return parse_e164(reading, region=None if reading.startswith("+") else _region(dialled))
        except InvalidNumberError:
            continue
    return ""


@functools.lru_cache(maxsize=_MOST)
def _region(dialled: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(E164(dialled), None))
    except phonenumbers.NumberParseException:
        return None
