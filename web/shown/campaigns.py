"""Campaigns as pages and API show them: words for codes, and the figures of one campaign."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from campaigns import attempts, leads
from campaigns.dialling import QUEUE_CLOSED
from campaigns.imports import Import
from campaigns.leads import Lead
from campaigns.plans import Campaign
from campaigns.rules import LEFT, Again, LeadState, Outcome, State, open_zones
from core import clock, ids
from core.ids import QueueId, TenantId
from core.phone import mask
from customers import masking
from seats import desk
from seats.rules import Activity, activity
from web import identity, scope

# state -> kind of pill, word
STATES: Mapping[State, tuple[str, LazyString]] = {
    State.DRAFT: ("off", _l("Draft")),
    State.RUNNING: ("live", _l("Dialling")),
    State.PAUSED: ("warn", _l("Paused")),
    State.STOPPED: ("x", _l("Stopped")),
    State.FINISHED: ("ok", _l("Finished")),
}
AGAIN: Mapping[Again, LazyString] = {
    Again.CHECKED: _l("I have checked: nobody spoke with them"),
    Again.ASKED: _l("They asked to be called"),
    Again.ACCEPTED: _l("Some may be called a second time; that is all right"),
}
LEAD_STATES: Mapping[LeadState, tuple[str, LazyString]] = {
    LeadState.WAITING: ("off", _l("Not called yet")),
    LeadState.RETRY: ("warn", _l("To be called again")),
    LeadState.CLAIMED: ("call", _l("Being called")),
    LeadState.REACHED: ("ok", _l("Reached")),
    LeadState.EXHAUSTED: ("x", _l("Not reached")),
    LeadState.REFUSED: ("bad", _l("Not allowed to call")),
    LeadState.UNREACHABLE: ("x", _l("No such number")),
    LeadState.UNKNOWN: ("warn", _l("Outcome not known")),
}
# outcome -> colour of its bar, word
OUTCOMES: Mapping[Outcome, tuple[str, LazyString]] = {
    Outcome.CONNECTED: ("", _l("Spoke with an agent")),
    Outcome.MACHINE: ("off", _l("Answering machine")),
    Outcome.NO_ANSWER: ("off", _l("No answer")),
    Outcome.BUSY: ("off", _l("Busy")),
    Outcome.HUNG_UP: ("soft", _l("Hung up at once")),
    Outcome.REJECTED: ("soft", _l("Declined")),
    Outcome.ABANDONED: ("bad", _l("Answered, no agent in time")),
    Outcome.UNALLOCATED: ("off", _l("No such number")),
    Outcome.FAILED: ("bad", _l("Network failed")),
    Outcome.LOST: ("warn", _l("Outcome not known")),
    Outcome.NO_AGENT: ("off", _l("Not dialled: no agent was free")),
    Outcome.EXPIRED: ("off", _l("Not dialled: too late")),
    Outcome.REFUSED: ("bad", _l("Not dialled: not allowed")),
}
DIALLED = tuple(one for one in OUTCOMES if one not in {Outcome.NO_AGENT, Outcome.EXPIRED, Outcome.REFUSED})
REFUSALS: Mapping[str, LazyString] = {
    "suspended": _l("The company is suspended"),
    "no-account": _l("The company has no billing account"),
    "on-hold": _l("Calling out is on hold until invoices are paid"),
    "not-priced": _l("There is no price for the number"),
    "destination-blocked": _l("The destination is blocked"),
    "do-not-call": _l("On your do-not-call list"),
    "consent-withdrawn": _l("Consent was withdrawn"),
    "consent-missing": _l("No consent on record"),
    "zone-unknown": _l("The time zone is not known"),
    "outside-hours": _l("Outside local hours"),
    "caller-not-ours": _l("You no longer rent the number that is shown"),
    "caller-unproven": _l("The papers of the number that is shown do not stand"),
    "repeated": _l("Asked for twice"),
    "under-way": _l("Your company is calling the number already"),
    "too-fast": _l("Too many calls in one second"),
    "stopped": _l("You have stopped calls out"),
    "stopped-by-operator": _l("The operator has stopped calls out"),
    "emergency": _l("An emergency number"),
    "short-code": _l("A short number"),
    "premium": _l("A premium-rate number"),
    "shared-cost": _l("A number that shares its cost with the caller"),
    "personal": _l("A personal number, at the price of anywhere"),
    "pager": _l("A pager"),
    "satellite": _l("A satellite or international network"),
    "barred": _l("Barred by the operator"),
    "country": _l("A country you have not allowed"),
    "off-hours": _l("Outside your own hours"),
    "no-room": _l("The switch was full"),
    "too-many": _l("As many calls at once as you may"),
    "day-spent": _l("Today’s money for calls out is used up"),
    "no-balance": _l("The wallet is empty, or kept for calls under way"),
    "typed": _l("Typed by an agent; you do not allow that"),
    "own-number": _l("One of your own numbers"),
    "on-the-line": _l("The number of whom the agent talked to"),
}
# why a campaign that runs dials nobody for the moment
HOLDS: Mapping[str, LazyString] = {**REFUSALS, QUEUE_CLOSED: _l("The queue is closed")}
BAD: Mapping[str, LazyString] = {
    "no-number": _l("no telephone number"),
    "bad-number": _l("not a telephone number"),
    "no-country": _l("no such country code"),
    "do-not-call": _l("on your do-not-call list"),
    "too-long": _l("a cell or the row is too long"),
    "formula": _l("a formula; only values are read"),
    "bad-zone": _l("no such time zone"),
    "no-zone": _l("the time zone cannot be told from the number; add a column with it"),
}
FILE_PROBLEMS: Mapping[str, LazyString] = {
    "encoding": _l("The text is not in the encoding that was chosen, from about row %(row)s on."),
    "quotes": _l("A quotation mark in row %(row)s is opened and never closed."),
    "rows": _l("There are more than a million rows. Split the file."),
    "bytes": _l("The file is larger than 256 MB. Split it."),
    "bomb": _l("The workbook unpacks to far more than it is, and is not opened."),
    "too-much-work": _l(
        "The first rows of the workbook take too much work to read. Save the list as CSV and send that."
    ),
    "nested": _l("The workbook holds other archives, and is not opened."),
    "locked": _l("The workbook has a password, or is of the old kind (XLS). Save it as XLSX or CSV."),
    "not-a-table": _l("This is not a table. Send a CSV or an XLSX."),
    "same-name": _l("Two columns have the same name. Rename one, or say that the first row is no heading."),
    "no-phone": _l("No column looks like telephone numbers. Choose it below."),
    "outside": _l("A chosen column is not in the file."),
    "twice": _l("One column was chosen for two things."),
    "delimiter": _l("Choose what stands between the columns."),
}
NOTHING_IN_IT = _l("There is no row in the file.")


def file_problem(reason: str, row: str = "") -> str:
    """Return the sentence for why a file cannot be read."""
    words = FILE_PROBLEMS.get(reason)
    return str(NOTHING_IN_IT) if words is None else str(words) % {"row": row}


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart of outcomes; `percent` is of the dialled attempts."""

    code: str
    word: str
    kind: str
    count: int
    percent: float
    width: float


@dataclass(frozen=True, slots=True)
class Agents:
    """The people behind a campaign: how many could speak, how many are there, and in which state."""

    assigned: int
    present: int
    free: int
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """All numbers of one campaign at an instant. `closed` leads are not called any more."""

    at: dt.datetime
    leads: int
    left: int
    closed: int
    states: Mapping[str, int]
    reached: int
    dialled: int
    in_progress: int
    unknown: int
    outcomes: Sequence[Bar]
    refused: Sequence[tuple[str, int]]

    @property
    def percent(self) -> int:
        """How much of the list is closed, 0 to 100."""
        return self.closed * 100 // self.leads if self.leads else 0


def figures(session: Session, *, campaign: Campaign) -> Figures:
    """Return a campaign's figures; in the company's own walls."""
    where = {"tenant_id": campaign.tenant_id, "campaign_id": campaign.campaign_id}
    states = leads.counts(session, **where)  # type: ignore[arg-type] # mypy joins the two kinds of id
    ended = attempts.counts(session, **where)  # type: ignore[arg-type] # as above
    refused = attempts.refusals(session, **where)  # type: ignore[arg-type] # as above
    total, left = sum(states.values()), sum(states.get(one, 0) for one in LEFT)
    dialled = sum(ended.get(one, 0) for one in DIALLED)
    most = max((ended.get(one, 0) for one in DIALLED), default=0)
    return Figures(
        at=clock.now(),
        leads=total,
        left=left,
        closed=total - left,
        states={state.value: number for state, number in states.items()},
        reached=states.get(LeadState.REACHED, 0),
        dialled=dialled,
        in_progress=ended.get(None, 0),
        unknown=states.get(LeadState.UNKNOWN, 0),
        outcomes=[
            Bar(
                one.value,
                str(OUTCOMES[one][1]),
                OUTCOMES[one][0],
                ended[one],
                ended[one] * 100 / dialled,
                ended[one] * 100 / most,
            )
            for one in DIALLED
            if ended.get(one)
        ],
        refused=[(str(REFUSALS.get(code, code)), number) for code, number in refused.items()],
    )


def agents(session: Session, *, queue_id: QueueId, tenant_id: TenantId) -> Agents:
    """Return who serves a queue; in the operator's own transaction. People are counted, not named."""
    serving = [
        one
        for one in desk.serving(session)
        if any(skill.queue_id == queue_id and skill.client_tenant_id == tenant_id for skill in one.skills)
    ]
    states: dict[str, int] = {}
    for one in serving:
        if one.presence is not None:
            shown = _shown(one.presence.state)
            states[shown] = states.get(shown, 0) + 1
    return Agents(len(serving), sum(states.values()), states.get("ready", 0), states)


def _shown(state: str) -> str:
    match activity(state):
        case Activity.AVAILABLE:
            return "ready"
        case Activity.HOLDING:
            return "hold"
        case Activity.WRAP_UP:
            return "wrap-up"
        case Activity.AWAY | Activity.OFFLINE:
            return "away"
        case _:
            return "on-call"


def file_row(file: Import) -> dict[str, Any]:
    """Return a lead file as pages show it."""
    code, _, rest = (file.error or "").partition(":")
    reason, _, row = rest.partition(":")
    return {
        "id": ids.public("limp", file.import_id),
        "name": file.file_name,
        "state": file.state,
        "bar": {"queued": "waiting", "reading": "running", "refused": "failed"}.get(file.state, file.state),
        "format": file.format,
        "size": file.size_bytes,
        "rows": file.rows or 0,
        "read": file.read,
        "accepted": file.accepted,
        "duplicates": file.duplicates,
        "bad": file.bad,
        "problem": file_problem(reason, row) if code else "",
        "created_at": file.created_at,
    }


def is_night(campaign: Campaign, at: dt.datetime) -> bool:
    """Return whether none of a campaign's leads may be called at an instant, by their own clocks."""
    return bool(campaign.zones) and not open_zones(campaign.zones, campaign.settings.window, at)


def tell() -> None:
    """Wake the pages that show the asker's campaigns."""
    scope.services().realtime.publish(identity.current().tenant_id, "campaigns", {})


def who(lead: Lead) -> str:
    """Return whom a lead is about, masked."""
    return masking.mask_name(lead.person.name) if lead.person.name else mask(lead.person.phone)
