"""What a caller of a shared short code hears and keys until a company is chosen; pure, and of nobody yet.

    menu -> listening -> chosen
      ^         |
      +---------+ nothing keyed, or keys of nobody: twice more; then goodbye, and the call ends

No keys of a company begin like another's (`shared_codes`), so the last digit decides and nothing has to be
keyed after it. Who keys while the menu is still being said is heard at once.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final

from telephony.shared_codes import Outcome, SharedCode

TRIES: Final = 3  # how often a caller hears the menu
PATIENCE: Final = dt.timedelta(seconds=7)  # until the first key
BETWEEN: Final = dt.timedelta(seconds=4)  # from one key to the next
LONGEST_SAID: Final = dt.timedelta(seconds=90)  # a switch that never says that it has said it
LONGEST: Final = dt.timedelta(minutes=8)  # nobody is before the choice for longer, whatever happens


@dataclass(frozen=True, slots=True)
class State:
    """Where a caller stands.

    Attributes:
        turn: numbers what is said; an end of an earlier one means nothing.
        tries: how often the menu has been said.
        until: when this state is left whatever happens; None: it is over.
        keys: keyed so far; never in `repr`.
        outcome: what it ends with, once goodbye is said.
    """

    turn: int = 0
    tries: int = 0
    until: dt.datetime | None = None
    is_playing: bool = False
    keys: str = field(default="", repr=False)
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Say:
    """Say the menu (after `wrong`: that these keys are nobody's); or goodbye."""

    turn: int
    is_goodbye: bool = False
    after_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Hush:
    """Say no more of it: a key was pressed."""

    turn: int


@dataclass(frozen=True, slots=True)
class Choose:
    """These keys are a company's: the call is theirs from now on."""

    keys: str


@dataclass(frozen=True, slots=True)
class End:
    """Hang up; the caller is counted under this outcome."""

    outcome: Outcome


Command = Say | Hush | Choose | End
Turn = tuple[State, list[Command]]


def begin(at: dt.datetime, choices: Collection[str]) -> Turn:
    """Begin with the menu; at a code nobody is on with goodbye."""
    if not choices:
        return _goodbye(State(), at, Outcome.NOTHING)
    return _menu(State(), at)


def pressed(state: State, key: str, at: dt.datetime, choices: Collection[str]) -> Turn:
    """Take a key."""
    if state.until is None or state.outcome:
        return state, []
    quiet: list[Command] = [Hush(state.turn)] if state.is_playing else []
    keys = state.keys + key
    heard = replace(state, turn=state.turn + state.is_playing, is_playing=False, keys=keys)
    if keys in choices:
        return replace(heard, until=None), [*quiet, Choose(keys)]
    if any(one.startswith(keys) for one in choices):
        return replace(heard, until=at + BETWEEN), quiet
    after, more = _again(heard, at, Outcome.WRONG)
    return after, [*quiet, *more]


def said(state: State, turn: int, at: dt.datetime) -> Turn:
    """Take that what was being said has ended, or could not be said: who knows the keys may press them."""
    if state.until is None or turn != state.turn or not state.is_playing:
        return state, []
    if state.outcome:
        return replace(state, until=None), [End(state.outcome)]
    return replace(state, is_playing=False, until=at + PATIENCE), []


def timed_out(state: State, at: dt.datetime) -> Turn:
    """Take that the time of this state is over."""
    if state.until is None or at < state.until:
        return state, []
    if state.is_playing:
        return said(state, state.turn, at)
    return _again(state, at, Outcome.WRONG if state.keys else Outcome.NOTHING)


def dialled(dnis: str, codes: Collection[SharedCode]) -> tuple[SharedCode, str] | None:
    """Return the code that was dialled, and the keys of a company dialled after it ("" when none were).

    Digits after a code that are nobody's are of no code: such a number is unknown, as any.
    """
    for code in codes:
        rest = dnis.removeprefix(code.digits)
        if dnis == code.digits:
            return code, ""
        if rest != dnis and any(rest == one.keys for one in code.choices):
            return code, rest
    return None


def menu_text(code: SharedCode, *, after_wrong: bool = False) -> str:
    """Return what is said before a caller chooses.

    `for Pelican Deliveries, press 1.` Companies that are not spoken are reached by who knows their keys.
    """
    spoken = [one for one in code.choices if one.is_spoken]
    if code.language == "zh":
        parts = ["没有这个号码。"] if after_wrong else [code.greeting]
        parts += [f"{one.name}请按{_spaced(one.keys)}。" for one in spoken]
        return "".join(part for part in parts if part) or "请输入您要联系的公司的号码。"
    parts = ["Nobody has that number."] if after_wrong else [code.greeting]
    parts += [f"For {one.name}, press {_spaced(one.keys)}." for one in spoken]
    return " ".join(part for part in parts if part) or "Please key in the number of the company."


def goodbye_text(code: SharedCode) -> str:
    """Return what a caller hears who has chosen nobody."""
    return "没有收到您的选择，再见。" if code.language == "zh" else "You have not chosen anybody. Goodbye."


def unreachable_text(code: SharedCode) -> str:
    """Return what a caller hears who has chosen a company that cannot be called now."""
    if code.language == "zh":
        return "您选择的公司现在无法接听，再见。"
    return "Who you have chosen cannot be called now. Goodbye."


def _spaced(keys: str) -> str:
    return " ".join(keys)


def _menu(state: State, at: dt.datetime, *, after_wrong: bool = False) -> Turn:
    turn = state.turn + 1
    asked = State(turn, state.tries + 1, at + LONGEST_SAID, is_playing=True)
    return asked, [Say(turn, after_wrong=after_wrong)]


def _again(state: State, at: dt.datetime, outcome: Outcome) -> Turn:
    if state.tries < TRIES:
        return _menu(state, at, after_wrong=outcome is Outcome.WRONG)
    return _goodbye(state, at, outcome)


def _goodbye(state: State, at: dt.datetime, outcome: Outcome) -> Turn:
    turn = state.turn + 1
    leaving = State(turn, state.tries, at + LONGEST_SAID, is_playing=True, outcome=outcome)
    return leaving, [Say(turn, is_goodbye=True)]
