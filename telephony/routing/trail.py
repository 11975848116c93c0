"""Why a caller waited, and why this agent got the call: what the switchboard keeps of each decision.

A few numbers per decision in the call's timeline, no personal data: a tier and a region are codes of the
company's own. `explain` reads them back in order.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from telephony.calls import Step
from telephony.routing.board import Standing, Why
from telephony.routing.strategy import Circle

WAITS, WIDENED, OFFERED = "waits", "widened", "offered"
KINDS = (WAITS, WIDENED, OFFERED)

ENTERED, MISSING, UNKNOWN = "flow-entered", "tier-flow-missing", "tier-unknown"


@dataclass(frozen=True, slots=True)
class Through:
    """Which flow a call went through before it waited, by its public id and version, and why that one.

    `tier`: it is that of its caller's tier; empty: the number's. `missed` says why it is not the tier's:
    `MISSING` (that could not be read), or `UNKNOWN` (who called was not known in time).
    """

    flow: str = ""
    version: int = 0
    tier: str = ""
    missed: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment of a wait.

    `kind` is one of `KINDS`. While nobody is free: how many are `ahead` and how many agents on the floor are
    `serving`, within `circle`, of whom `opened` on seats kept for others that have opened to this caller;
    `kept` more would, had theirs. When an agent is found: how many free ones were `able`, and how the one
    who was chosen fits.
    """

    at: dt.datetime
    kind: str
    circle: Circle
    tier: str = ""
    region: str = ""
    ahead: int = 0
    serving: int = 0
    kept: int = 0
    able: int = 0
    level: int = 0
    idle_s: float = 0
    waited_s: float = 0
    is_last_agent: bool = False
    is_overdue: bool = False
    is_kept: bool = False
    opened: int = 0
    is_opened: bool = False


def place(standing: Standing, *, tier: str, region: str) -> dict[str, object]:
    """Return what is kept of a caller for whom nobody is free."""
    kept: dict[str, object] = {
        "ahead": standing.ahead,
        "serving": standing.serving,
        "circle": int(standing.circle),
    }
    told = (("tier", tier), ("region", region), ("kept", standing.kept), ("opened", standing.opened))
    return kept | {name: value for name, value in told if value}


def reasons(why: Why) -> dict[str, object]:
    """Return what is kept of a decision."""
    kept: dict[str, object] = {
        "waited_ms": why.waited_ms,
        "able": why.able,
        "circle": int(why.circle),
        "level": why.level,
        "idle_ms": why.idle_ms,
    }
    if why.tier:
        kept["tier"] = why.tier
    if why.is_last_agent:
        kept["last_agent"] = True
    if why.is_overdue:
        kept["overdue"] = True
    if why.is_kept:
        kept["kept"] = 1
    if why.is_opened:
        kept["opened"] = 1
    return kept


def explain(happened: Iterable[Step]) -> list[Entry]:
    """Return the course of a call's wait, from its timeline."""
    return [
        _entry(step.at, step.kind, step.details)
        for step in happened
        if step.kind in KINDS and "circle" in step.details  # an agent who was asked by name was not chosen
    ]


def through(happened: Iterable[Step]) -> Through | None:
    """Return the flow a call went through, or missed, from its timeline; None: there was none."""
    flow, version, tier, missed = "", 0, "", ""
    for step in happened:
        if step.kind in {MISSING, UNKNOWN}:
            missed = step.kind
        elif step.kind == ENTERED:
            flow, version = str(step.details.get("flow", "")), int(step.details.get("version", 0))
            tier = str(step.details.get("tier", ""))
    return Through(flow, version, tier, missed) if flow or missed else None


def _entry(at: dt.datetime, kind: str, kept: Mapping[str, Any]) -> Entry:
    return Entry(
        at,
        kind,
        Circle(kept["circle"]),
        tier=kept.get("tier", ""),
        region=kept.get("region", ""),
        ahead=kept.get("ahead", 0),
        serving=kept.get("serving", 0),
        kept=kept.get("kept", 0) if kind != OFFERED else 0,
        able=kept.get("able", 0),
        level=kept.get("level", 0),
        idle_s=kept.get("idle_ms", 0) / 1000,
        waited_s=kept.get("waited_ms", 0) / 1000,
        is_last_agent=kept.get("last_agent", False),
        is_overdue=kept.get("overdue", False),
        is_kept=kind == OFFERED and bool(kept.get("kept")),
        opened=kept.get("opened", 0) if kind != OFFERED else 0,
        is_opened=kind == OFFERED and bool(kept.get("opened")),
    )
