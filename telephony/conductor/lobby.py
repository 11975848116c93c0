"""Callers of a shared short code before they have chosen: they are nobody's yet.

No company's walls are opened for them, nothing is looked up, written or recorded of them, and nobody pays
for their time here: of each the operator counts only what became of them and how long they were here. Chosen,
they arrive at that company as if they had dialled a number of its own, at the instant of the choice; before,
there is no call. Who stands here when the switchboard dies is asked anew by the next one.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core import clock, log
from core.clock import elapsed_ms
from core.errors import SeatlineError
from core.ids import OPERATOR
from security.gate import Gate, Scope
from telephony import numbers, shared_codes, shared_menu
from telephony.conductor.admitting import Admitting
from telephony.conductor.books import Books, is_outage
from telephony.conductor.directory import Directory, Line, Speak
from telephony.conductor.hands import Hands
from telephony.conductor.live import Live
from telephony.shared_codes import Outcome, SharedCode
from telephony.switch import port
from telephony.switch.port import Speech, Switch, SwitchError

_STOCK: Final = Scope.system(OPERATOR)
_KNOWN_S: Final = 60.0
_log = log.get(__name__)


@dataclass(slots=True)
class _Guest:
    """One caller before the choice."""

    event: port.Arrived
    code: SharedCode
    state: shared_menu.State
    tail: asyncio.Task[None] | None = field(default=None, repr=False)


class Lobby:
    """All callers who have not chosen yet."""

    def __init__(
        self,
        *,
        switch: Switch,
        hands: Hands,
        gate: Gate,
        books: Books,
        directory: Directory,
        live: Live,
        admitting: Admitting,
        speak: Speak,
        take_in: Callable[[port.Arrived, Line], None],
    ) -> None:
        """Who has chosen is handed on to `take_in`."""
        self._switch, self._hands, self._gate, self._books = switch, hands, gate, books
        self._directory, self._live, self._admitting, self._speak = directory, live, admitting, speak
        self._take_in = take_in
        self._guests: dict[str, _Guest] = {}
        self._codes: list[SharedCode] = []
        self._known_until = 0.0

    def find(self, dnis: str) -> tuple[SharedCode, str] | None:
        """Return the shared code that was dialled, and the keys of a company dialled with it. Blocks.

        Raises:
            sqlalchemy.exc.OperationalError: the database is away, and the codes were never read.
        """
        if time.monotonic() >= self._known_until:
            try:
                with self._gate.open(_STOCK) as session:
                    self._codes = shared_codes.every(session)
            except Exception as error:
                if not is_outage(error) or not self._known_until:
                    raise
            self._known_until = time.monotonic() + _KNOWN_S
        return shared_menu.dialled(dnis, self._codes)

    def forget(self) -> None:
        """Read the codes anew: something has changed."""
        self._known_until = min(self._known_until, time.monotonic())

    async def receive(self, event: port.Arrived, code: SharedCode, keys: str) -> None:
        """Take a caller of a shared code: let them choose, or in to the company they have dialled."""
        no_room = self._admitting.arrives_at_menu(event.trunk)
        if no_room:
            self._count(code, Outcome.FULL, 0)
            await self._hands.refuse(event.channel, no_room)
            return
        state, commands = shared_menu.begin(event.at, [one.keys for one in code.choices])
        guest = _Guest(event, code, state)
        self._guests[event.channel] = guest
        self._live.at_menu[event.channel] = event.trunk
        if keys:
            await self._choose(guest, keys, Outcome.DIALLED)
            return
        # before anything is played: see `Arrivals`; a company that is chosen sets its own bound
        self._command(guest, self._switch.bound(event.channel, longest=shared_menu.LONGEST))
        self._command(guest, self._switch.answer(event.channel))
        self._carry_out(guest, commands)

    def takes(self, event: port.Event) -> bool:
        """Take an event about somebody who is here; False: it is about somebody else."""
        match event:
            case port.Digit(channel=channel, digit=digit) if guest := self._guests.get(channel):
                keys = [one.keys for one in guest.code.choices]
                self._move(guest, shared_menu.pressed(guest.state, digit, event.at, keys))
            case port.PlaybackFinished(channel=channel, playback=playback) if guest := self._guests.get(
                channel
            ):
                turn = playback.rpartition("-")[2]
                self._move(guest, shared_menu.said(guest.state, int(turn), event.at))
            case port.Ended(channel=channel) if guest := self._guests.get(channel):
                self._gone(guest, guest.state.outcome or Outcome.LEFT, event.at)
            case port.Arrived(channel=channel) if channel in self._guests:
                pass  # said twice
            case _:
                return False
        return True

    def look(self) -> None:
        """Move on whoever has been silent for long enough; to be called every second."""
        now = clock.now()
        for guest in list(self._guests.values()):
            self._move(guest, shared_menu.timed_out(guest.state, now))

    def empty(self) -> None:
        """Think no more of who was here: the line to the switch was lost, and it says anew who is there."""
        now = clock.now()
        for guest in list(self._guests.values()):
            self._gone(guest, guest.state.outcome or Outcome.LOST, now)

    def _move(self, guest: _Guest, turn: shared_menu.Turn) -> None:
        guest.state, commands = turn
        self._carry_out(guest, commands)

    def _carry_out(self, guest: _Guest, commands: list[shared_menu.Command]) -> None:
        for command in commands:
            match command:
                case shared_menu.Say(turn=turn, is_goodbye=True):
                    self._command(guest, self._say(guest, turn, shared_menu.goodbye_text(guest.code)))
                case shared_menu.Say(turn=turn, after_wrong=wrong):
                    text = shared_menu.menu_text(guest.code, after_wrong=wrong)
                    self._command(guest, self._say(guest, turn, text))
                case shared_menu.Hush(turn=turn):
                    self._command(guest, self._switch.stop_playback(_playback(guest, turn)))
                case shared_menu.Choose(keys=keys):
                    self._hands.spawn(self._choose(guest, keys, Outcome.CHOSEN))
                case shared_menu.End(outcome=outcome):
                    self._gone(guest, outcome, clock.now())
                    self._hands.let_go(guest.event.channel)
        if guest.state.until is not None:
            left_s = (guest.state.until - clock.now()).total_seconds()
            asyncio.get_running_loop().call_later(max(0.0, left_s), self.look)

    async def _choose(self, guest: _Guest, keys: str, outcome: Outcome) -> None:
        """Hand a caller to the company they have chosen; from here on the call is that company's alone."""
        channel = guest.event.channel
        entry = numbers.shared_entry(guest.code.digits, keys)
        line: Line | None = None
        try:
            line = await asyncio.to_thread(self._directory.find, entry)
        except Exception as error:  # noqa: BLE001 - a caller must hear something, whatever failed
            _log.warning("choice-not-resolved", error=type(error).__name__)
        if guest.tail:  # what was said is hushed before the company's own words begin
            await asyncio.wait({guest.tail})
        if self._guests.get(channel) is not guest:
            return  # hung up meanwhile
        now = clock.now()
        if line is None or not line.is_open:
            await self._turn_away(guest, is_answered=outcome is Outcome.CHOSEN)
            return
        self._gone(guest, outcome, now)
        self._take_in(replace(guest.event, at=max(now, guest.event.at), dnis=entry), line)

    async def _turn_away(self, guest: _Guest, *, is_answered: bool) -> None:
        """Tell who has chosen a company that cannot be called; who dialled its digits is refused."""
        if not is_answered:
            self._gone(guest, Outcome.CLOSED, clock.now())
            await self._hands.refuse(guest.event.channel, port.Cause.REJECTED)
            return
        state = guest.state
        until = clock.now() + shared_menu.LONGEST_SAID
        guest.state = replace(
            state, turn=state.turn + 1, until=until, is_playing=True, outcome=Outcome.CLOSED
        )
        self._command(guest, self._say(guest, guest.state.turn, shared_menu.unreachable_text(guest.code)))

    async def _say(self, guest: _Guest, turn: int, text: str) -> None:
        is_said = False
        try:
            sound = await asyncio.to_thread(self._speak, text, guest.code.language)
            if guest.state.turn != turn or self._guests.get(guest.event.channel) is not guest:
                return
            if sound is not None:
                playback = _playback(guest, turn)
                await self._switch.play(guest.event.channel, [Speech(sound)], playback=playback)
                is_said = True
        except SwitchError as error:
            _log.warning("menu-not-said", error=error.code)
        if not is_said and self._guests.get(guest.event.channel) is guest:
            self._move(guest, shared_menu.said(guest.state, turn, clock.now()))

    def _command(self, guest: _Guest, work: Coroutine[Any, Any, None]) -> None:
        """Run a command to the switch after all earlier ones of this caller."""
        before = guest.tail

        async def run() -> None:
            if before:
                await asyncio.wait({before})
            try:
                await work
            except SeatlineError as error:  # a channel that is gone says so itself
                _log.warning("menu-command-failed", error=error.code)

        guest.tail = self._hands.spawn(run())
        guest.tail.add_done_callback(lambda _done: work.close())

    def _gone(self, guest: _Guest, outcome: Outcome, at: dt.datetime) -> None:
        if self._guests.pop(guest.event.channel, None):
            self._live.at_menu.pop(guest.event.channel, None)
            self._count(guest.code, outcome, max(0, elapsed_ms(guest.event.at, max(at, guest.event.at))))

    def _count(self, code: SharedCode, outcome: Outcome, duration_ms: int) -> None:
        at, code_id = clock.now(), code.code_id
        with contextlib.suppress(RuntimeError):  # no loop any more: the process ends
            self._books.enter(
                OPERATOR,
                _STOCK,
                lambda session: shared_codes.count(
                    session, code_id=code_id, outcome=outcome, at=at, duration_ms=duration_ms
                ),
            )


def _playback(guest: _Guest, turn: int) -> str:
    return f"menu-{guest.event.channel}-{turn}"
