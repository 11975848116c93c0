"""What may follow what: a campaign's states, a lead's, and when a called party may be rung up.

Pure: no database. Local hours follow the called party's zone; the outermost hours a campaign may choose,
08:00 to 21:00, are those of 47 CFR 64.1200(c)(1), which no regime we know exceeds. A telephone rings at
least 15 seconds before we give up (16 CFR 310.4(b)(4)(ii)).
"""

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from campaigns.errors import CampaignSettingError, CampaignStateError
from telephony.outbound.hours import Window, zone_of

EARLIEST, LATEST = dt.time(8), dt.time(21)
SHORTEST_RING_S, LONGEST_RING_S = 15, 60
MOST_ATTEMPTS = 10
SHORTEST_WAIT_MIN, LONGEST_WAIT_MIN = 1, 30 * 24 * 60
MOST_PER_SECOND = 20
LONGEST_NAME, LONGEST_SCRIPT = 80, 8000
_A_MOMENT = dt.timedelta(seconds=5)  # what dialled nobody is not asked for again at once
WORKING_HOURS = Window(dt.time(9), dt.time(20), frozenset({1, 2, 3, 4, 5}))


class State(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"  # by somebody, for good
    FINISHED = "finished"  # every lead has been closed


_NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.DRAFT: frozenset({State.RUNNING, State.STOPPED}),
        State.RUNNING: frozenset({State.PAUSED, State.STOPPED, State.FINISHED}),
        State.PAUSED: frozenset({State.RUNNING, State.STOPPED}),
        State.STOPPED: frozenset(),
        # more leads may come after the last one was closed
        State.FINISHED: frozenset({State.RUNNING, State.STOPPED}),
    }
)
OPEN = frozenset({State.DRAFT, State.RUNNING, State.PAUSED, State.FINISHED})  # may be edited, given leads


def may_turn(present: State, wanted: State) -> bool:
    """Return whether a campaign in `present` may be brought to `wanted`."""
    return wanted in _NEXT[present]


def turn(present: State, wanted: State) -> State:
    """Return `wanted` if it may follow.

    Raises:
        CampaignStateError: it may not.
    """
    if wanted not in _NEXT[present]:
        raise CampaignStateError(present=present.value, wanted=wanted.value)
    return wanted


class LeadState(StrEnum):
    """Where a lead stands."""

    WAITING = "waiting"  # never attempted
    RETRY = "retry"  # attempted, to be called again
    CLAIMED = "claimed"  # a call to it is being made
    REACHED = "reached"  # somebody spoke with an agent
    EXHAUSTED = "exhausted"  # every attempt used up
    REFUSED = "refused"  # the gate forbids to call it
    UNREACHABLE = "unreachable"  # there is no such number
    UNKNOWN = "unknown"  # what became of the call is not known; never dialled again by itself


class Again(StrEnum):
    """Why somebody lets leads be called again whose outcome is not known."""

    CHECKED = "checked"  # looked into: nobody spoke with them
    ASKED = "asked"  # they asked to be called
    ACCEPTED = "accepted"  # some may be called a second time, and that is taken into account


LEFT = frozenset({LeadState.WAITING, LeadState.RETRY, LeadState.CLAIMED})


class Outcome(StrEnum):
    """How an attempt ended; the first eleven are the dial's own words."""

    CONNECTED = "connected"
    ABANDONED = "abandoned"
    MACHINE = "machine"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    UNALLOCATED = "unallocated"
    REJECTED = "rejected"
    HUNG_UP = "hung-up"
    FAILED = "failed"
    NO_AGENT = "no-agent"
    EXPIRED = "expired"
    LOST = "lost"
    REFUSED = "refused"  # the gate said no; nothing was dialled


UNATTEMPTED = frozenset({Outcome.NO_AGENT, Outcome.EXPIRED, Outcome.REFUSED})
RETRIED: Sequence[Outcome] = (
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.MACHINE,
    Outcome.HUNG_UP,
    Outcome.REJECTED,
    Outcome.ABANDONED,
    Outcome.FAILED,
)
# minutes; who was abandoned is left alone for three days (Ofcom, persistent misuse statement, 2016)
DEFAULT_WAITS: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.BUSY: 15,
        Outcome.NO_ANSWER: 240,
        Outcome.MACHINE: 240,
        Outcome.HUNG_UP: 1440,
        Outcome.REJECTED: 1440,
        Outcome.ABANDONED: 4320,
        Outcome.FAILED: 60,
    }
)


def zone_among(zones: Sequence[str], *, home: str) -> str | None:
    """Return the zone in which a number rings, or None when that cannot be told.

    Args:
        zones: those its prefix allows: one for most land lines, many for the mobiles of a wide country.
        home: the calling company's zone, taken when it is one of them.
    """
    if home in zones:
        return home
    return zones[0] if zones and len({_year(zone) for zone in zones}) == 1 else None


def open_zones(zones: Iterable[str], window: Window, at: dt.datetime) -> list[str]:
    """Return those of some zones whose people may be rung up at an instant."""
    return [zone for zone in zones if (place := zone_of(zone)) and window.is_open(at, place)]


@functools.lru_cache(maxsize=1024)
def _year(zone: str) -> tuple[dt.timedelta | None, ...]:
    """Return a zone's distance from UTC through a year: zones that agree on it ring at the same hour."""
    place = zoneinfo.ZoneInfo(zone)
    return tuple(dt.datetime(2026, month, 15, tzinfo=place).utcoffset() for month in range(1, 13))


@dataclass(frozen=True, slots=True)
class Next:
    """What becomes of a lead after an attempt; `due_at` None: no further attempt."""

    state: LeadState
    due_at: dt.datetime | None


def after(
    outcome: Outcome,
    *,
    attempts: int,
    max_attempts: int,
    waits: Mapping[Outcome, int],
    at: dt.datetime,
) -> Next:
    """Return what becomes of a lead.

    Args:
        outcome: of the attempt that has just ended.
        attempts: how many there have been, this one included; those that dialled nothing do not count.
        max_attempts: of the campaign.
        waits: minutes until the next attempt, by outcome.
        at: when it ended.
    """
    if outcome in UNATTEMPTED:
        return Next(LeadState.RETRY if attempts else LeadState.WAITING, at + _A_MOMENT)
    closing = {
        Outcome.CONNECTED: LeadState.REACHED,
        Outcome.UNALLOCATED: LeadState.UNREACHABLE,
        Outcome.LOST: LeadState.UNKNOWN,
    }.get(outcome)
    if closing is not None:
        return Next(closing, None)
    if attempts >= max_attempts:
        return Next(LeadState.EXHAUSTED, None)
    minutes = waits.get(outcome, DEFAULT_WAITS[outcome])
    return Next(LeadState.RETRY, at + dt.timedelta(minutes=minutes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a company decides about a campaign, but for queue and caller number."""

    name: str
    window: Window = WORKING_HOURS
    ring_s: int = 25
    max_attempts: int = 3
    waits: Mapping[Outcome, int] = field(default_factory=lambda: DEFAULT_WAITS)
    max_per_second: int = 2
    detects_machines: bool = True
    needs_consent: bool = False
    script: str = ""


def check(settings: Settings) -> None:
    """Insist that the settings can stand.

    Raises:
        CampaignSettingError: `field` names the one that cannot.
    """
    name = settings.name.strip()
    wrong = {
        "name": not (name and len(name) <= LONGEST_NAME and name.isprintable()),
        "window": not EARLIEST <= settings.window.opens < settings.window.closes <= LATEST,
        "ring_s": not SHORTEST_RING_S <= settings.ring_s <= LONGEST_RING_S,
        "max_attempts": not 1 <= settings.max_attempts <= MOST_ATTEMPTS,
        "waits": not all(SHORTEST_WAIT_MIN <= wait <= LONGEST_WAIT_MIN for wait in settings.waits.values())
        or not set(settings.waits) <= set(RETRIED),
        "max_per_second": not 1 <= settings.max_per_second <= MOST_PER_SECOND,
        "script": len(settings.script) > LONGEST_SCRIPT or "\0" in settings.script,
    }
    for name_of, is_wrong in wrong.items():
        if is_wrong:
            raise CampaignSettingError(field=name_of)
