"""Campaigns: the list, one campaign live, and its settings."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from campaigns import attempts, imports, leads, plans, rules
from campaigns.errors import (
    CampaignChangedError,
    CampaignNotReadyError,
    CampaignSettingError,
    CampaignStateError,
)
from campaigns.plans import Campaign
from campaigns.rules import LeadState, Settings, State
from core import clock, ids
from core.ids import OPERATOR, CampaignId, NumberId, QueueId
from core.phone import international, is_short_code, mask
from telephony import numbers, queue_hours, queues
from telephony.outbound.hours import Window, WindowInvalidError
from telephony.rights import Standing
from tenants import users
from web import edits, i18n, identity, said, scope, tables
from web.guards import permission
from web.portal.views import pages
from web.shown import campaigns as shown
from web.shown import rights

_PAGE = 25
_IN_PROGRESS = 12
_FILES = 10
_LONGEST_NUMBER = 6  # digits of any number in the form
_HOUR, _DAY = 60, 1440  # minutes
_UNITS = (_DAY, _HOUR, 1)


# --- the list -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One campaign of the list; see templates/portal/campaigns.html."""

    id: str
    name: str
    state: str
    pill: str
    word: str
    queue: str
    leads: int
    closed: int
    reached: int
    changed_at: dt.datetime

    @property
    def percent(self) -> int:
        """How much of the list is closed."""
        return self.closed * 100 // self.leads if self.leads else 0


CAMPAIGNS: tables.Table[CampaignRow] = tables.Table(
    "campaigns",
    (
        tables.Column("name", _l("Campaign"), lambda row: row.name),
        tables.Column("state", _l("State"), lambda row: row.word),
        tables.Column("queue", _l("Queue"), lambda row: row.queue, cls="hide-s"),
        tables.Column("leads", _l("Leads"), lambda row: row.leads, cls="r"),
        tables.Column("reached", _l("Reached"), lambda row: row.reached, cls="r"),
        tables.Column("progress", _l("Done"), lambda row: row.percent, unit="%"),
        tables.Column("changed", _l("Last change"), lambda row: row.changed_at, cls="hide-s"),
    ),
)


@pages.get("/campaigns")
@permission("campaigns.read")
def campaign_list() -> str | BaseResponse:
    """Show the company's campaigns, newest first."""
    who, session = identity.current(), scope.session()

    def fetch(asked: tables.Asked) -> tables.Slice[CampaignRow]:
        found = plans.page(session, tenant_id=who.tenant_id, after=_place(asked.after), limit=asked.size)
        following = {"after": ids.public("cmp", found.following)} if found.following else None
        return tables.Slice(_rows(found.campaigns), following=following)

    return tables.show(CAMPAIGNS, "portal/campaigns.html", fetch, may_write=may_write())


def _rows(found: tuple[Campaign, ...]) -> list[CampaignRow]:
    who, session = identity.current(), scope.session()
    names = {one.queue_id: one.name for one in queues.all_of(session, tenant_id=who.tenant_id)}
    counts = leads.counts_of(
        session, tenant_id=who.tenant_id, campaign_ids=[one.campaign_id for one in found]
    )
    rows = []
    for one in found:
        states = counts.get(one.campaign_id, {})
        total = sum(states.values())
        kind, word = shown.STATES[one.state]
        rows.append(
            CampaignRow(
                id=ids.public("cmp", one.campaign_id),
                name=one.settings.name,
                state=one.state.value,
                pill=kind,
                word=str(word),
                queue=names.get(one.queue_id, ""),
                leads=total,
                closed=total - sum(states.get(left, 0) for left in rules.LEFT),
                reached=states.get(LeadState.REACHED, 0),
                changed_at=one.changed_at,
            )
        )
    return rows


# --- making and changing ------------------------------------------------------------------------------


def _fields() -> list[edits.Field]:
    return [
        edits.Field("name", gettext("Name")),
        edits.Field("queue", gettext("Queue")),
        edits.Field("number", gettext("Number the called see")),
        edits.Field("opens", gettext("From")),
        edits.Field("closes", gettext("To")),
        edits.Field("days", gettext("Weekdays, 1 is Monday")),
        edits.Field("ring_s", gettext("Rings for (seconds)")),
        edits.Field("max_attempts", gettext("Attempts at most")),
        *(
            edits.Field(
                f"wait_{one.value}",
                gettext("Time until the next attempt after: %(outcome)s", outcome=shown.OUTCOMES[one][1]),
                "wait",
            )
            for one in rules.RETRIED
        ),
        edits.Field("max_per_second", gettext("Calls a second at most")),
        edits.Field("machines", gettext("Listen for answering machines")),
        edits.Field("consent", gettext("Call only who has given consent")),
        edits.Field("script", gettext("Script"), "lines"),
    ]


@pages.get("/campaigns/new")
@permission("campaigns.write")
def new_campaign() -> str:
    """Show the form of a new campaign."""
    return _form(_typed(Settings(name="")), revision=0)


@pages.post("/campaigns")
@permission("campaigns.write")
def add_campaign() -> BaseResponse:
    """Make a campaign, as a draft."""
    given = _given()
    try:
        settings, queue_id, number_id = _settings(given)
        made = plans.create(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            settings=settings,
            queue_id=queue_id,
            number_id=number_id,
            by=identity.current().principal_id,
        )
    except CampaignSettingError as error:
        return make_response(_form(given, revision=0, errors=_faults(error)), 422)
    said.done(gettext("The campaign is made. Upload a list of leads next."))
    return redirect(path_of(made.campaign_id), 303)


@pages.get("/campaigns/<campaign_id>/edit")
@permission("campaigns.write")
def edit_campaign(campaign_id: str) -> str:
    """Show the form with the campaign's settings."""
    found = find(campaign_id)
    return _form(_typed_of(found), revision=found.revision, campaign=found)


@pages.post("/campaigns/<campaign_id>")
@permission("campaigns.write")
def save_campaign(campaign_id: str) -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    found, given = find(campaign_id), _given()
    revision = edits.revision(request.form)
    try:
        settings, queue_id, number_id = _settings(given)
        plans.change(
            scope.session(),
            tenant_id=found.tenant_id,
            campaign_id=found.campaign_id,
            revision=revision,
            settings=settings,
            queue_id=queue_id,
            number_id=number_id,
            by=identity.current().principal_id,
        )
    except CampaignChangedError:
        now = find(campaign_id)
        return edits.conflicting(
            now.settings.name,
            edits.differences(_fields(), yours=given, theirs=_typed_of(now)),
            action=path_of(now.campaign_id),
            revision=now.revision,
            back=path_of(now.campaign_id),
            nav="campaigns",
        )
    except CampaignSettingError as error:
        page = _form(given, revision=revision, campaign=found, errors=_faults(error))
        return make_response(page, 422)
    except CampaignStateError:
        said.refused(gettext("The campaign has been stopped; nothing of it changes any more."))
        return redirect(path_of(found.campaign_id), 303)
    scope.after_commit(shown.tell)
    said.done(gettext("Saved."))
    return redirect(path_of(found.campaign_id), 303)


# --- one campaign -------------------------------------------------------------------------------------


@pages.get("/campaigns/<campaign_id>")
@permission("campaigns.read")
def one_campaign(campaign_id: str) -> str:
    """Show one campaign: how far it is, what came of it, what may be done with it."""
    found = find(campaign_id)
    return render_template("portal/campaign.html", **_live(found), **_rules(found))


@pages.get("/live/campaigns/<campaign_id>")
@permission("campaigns.read")
def live_campaign(campaign_id: str) -> str:
    """Return the live part of a campaign's page anew."""
    return render_template("portal/_campaign.html", **_live(find(campaign_id)))


@pages.post("/campaigns/<campaign_id>/turn")
@permission("campaigns.write")
def turn_campaign(campaign_id: str) -> BaseResponse:
    """Start, pause or stop a campaign."""
    found, wanted = find(campaign_id), request.form.get("to", "")
    words = {
        State.RUNNING: gettext("Dialling begins as soon as an agent is free."),
        State.PAUSED: gettext("Paused: no further call is started. Calls in progress go on."),
        State.STOPPED: gettext("Stopped for good. Calls in progress go on."),
    }
    to = next((state for state in words if state.value == wanted), None)
    if to is None:
        raise CampaignStateError(wanted=wanted)
    try:
        plans.turn(
            scope.session(),
            tenant_id=found.tenant_id,
            campaign_id=found.campaign_id,
            to=to,
            by=identity.current().principal_id,
        )
    except CampaignNotReadyError:
        said.refused(gettext("There is nobody left to call. Upload a list of leads first."))
        return redirect(path_of(found.campaign_id), 303)
    except CampaignStateError:
        said.refused(gettext("That is not possible any more: the campaign has changed meanwhile."))
        return redirect(path_of(found.campaign_id), 303)
    scope.after_commit(shown.tell)
    path = f"{path_of(found.campaign_id)}/turn"
    undo = {State.PAUSED: "running", State.RUNNING: "paused"}.get(to, "")
    said.done(words[to], undo=path if undo else "", fields={"to": undo})
    return redirect(path_of(found.campaign_id), 303)


@pages.post("/campaigns/<campaign_id>/call-again")
@permission("campaigns.write")
def call_again(campaign_id: str) -> BaseResponse:
    """Let leads be called again whose outcome is not known; who decided it, and why, stands in the log."""
    found = find(campaign_id)
    why = next((one for one in rules.Again if one.value == request.form.get("why", "")), None)
    if why is None:
        said.refused(gettext("Say why they may be called again. Nothing was changed."))
        return redirect(path_of(found.campaign_id), 303)
    again = leads.call_again(
        scope.session(), tenant_id=found.tenant_id, campaign_id=found.campaign_id, why=why
    )
    scope.after_commit(shown.tell)
    told = ngettext("%(num)s lead will be called again.", "%(num)s leads will be called again.", again)
    if found.state is not State.RUNNING:
        told = " ".join([told, gettext("Start dialling when you are ready.")])
    said.done(told)
    return redirect(path_of(found.campaign_id), 303)


def _live(found: Campaign) -> dict[str, Any]:
    session, vault = scope.session(), scope.services().vault
    files = imports.of_campaign(
        session, tenant_id=found.tenant_id, vault=vault, campaign_id=found.campaign_id, limit=_FILES
    )
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as floor:
        people = shown.agents(floor, queue_id=found.queue_id, tenant_id=found.tenant_id)
    kind, word = shown.STATES[found.state]
    figures = shown.figures(session, campaign=found)
    return {
        "campaign": {
            "id": ids.public("cmp", found.campaign_id),
            "name": found.settings.name,
            "state": found.state.value,
            "pill": kind,
            "word": word,
            "queue": queues.get(session, tenant_id=found.tenant_id, queue_id=found.queue_id).name,
            "started_at": found.started_at,
            "ended_at": found.ended_at,
        },
        "figures": figures,
        "again": [(one.value, str(word)) for one, word in shown.AGAIN.items()],
        "agents": people,
        "calls": _in_progress(found),
        "files": [shown.file_row(one) for one in files],
        "is_reading": any(one.state in {"queued", "reading"} for one in files),
        "held": str(shown.HOLDS.get(found.held_reason, found.held_reason)) if found.held_reason else "",
        "opens_at": queue_hours.read(session, tenant_id=found.tenant_id, queue_id=found.queue_id).opens_at(
            figures.at
        ),
        "is_night": shown.is_night(found, figures.at),
        "may_write": may_write(),
        "turns": [one.value for one in State if rules.may_turn(found.state, one)],
    }


def _rules(found: Campaign) -> dict[str, Any]:
    session, settings = scope.session(), found.settings
    digits = {one.number_id: one.digits for one in numbers.shown_by(session, tenant_id=found.tenant_id)}.get(
        found.number_id, ""
    )
    people = users.names(
        session, tenant_id=found.tenant_id, vault=scope.services().vault, user_ids=[found.changed_by]
    )
    return {
        "settings": settings,
        "days": _days(settings.window),
        "number": international(digits) if digits else "",
        "waits": [(shown.OUTCOMES[one][1], settings.waits.get(one, 0)) for one in rules.RETRIED],
        "changed_at": found.changed_at,
        "changed_by": people.get(found.changed_by, ""),
    }


def _in_progress(found: Campaign) -> list[dict[str, Any]]:
    session = scope.session()
    page = attempts.page(
        session,
        tenant_id=found.tenant_id,
        campaign_id=found.campaign_id,
        is_open=True,
        limit=_IN_PROGRESS,
    )
    people = leads.some(
        session,
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        lead_ids=[one.lead_id for one in page.attempts],
    )
    return [
        {
            "who": shown.who(people[one.lead_id]),
            "phone": mask(people[one.lead_id].person.phone),
            "at": one.claimed_at,
        }
        for one in page.attempts
        if one.lead_id in people
    ]


# --- forms --------------------------------------------------------------------------------------------


def _form(
    given: Mapping[str, str],
    *,
    revision: int,
    campaign: Campaign | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    who, session = identity.current(), scope.session()
    path = path_of(campaign.campaign_id) if campaign else "/portal/campaigns"
    return render_template(
        "portal/campaign_edit.html",
        given=given,
        errors=errors or {},
        revision=revision,
        is_new=campaign is None,
        action=path,
        back=path,
        queues=[one.name for one in queues.all_of(session, tenant_id=who.tenant_id)],
        numbers=_numbers(given["number"]),
        weekdays=[(str(day), i18n.locale().days["format"]["abbreviated"][day - 1]) for day in range(1, 8)],
        waits=[(one.value, shown.OUTCOMES[one][1]) for one in rules.RETRIED],
        units=[(1, gettext("minutes")), (_HOUR, gettext("hours")), (_DAY, gettext("days"))],
        in_units=_in_units,
    )


def _numbers(chosen: str) -> list[tuple[str, str, bool]]:
    """Return the numbers to show, in words, and whether each may be chosen; one chosen before may."""
    session, now = scope.session(), clock.now()
    found = []
    for one in numbers.shown_by(session, tenant_id=identity.current().tenant_id):
        may = one.may_be_shown(now)
        if one.is_elsewhere and not may and one.digits != chosen:
            continue
        words = international(one.digits)
        if is_short_code(one.digits):
            words = gettext("%(number)s: a short code is shown by no call", number=one.digits)
        elif one.right and one.right.standing(now) is not Standing.STANDS:
            standing = str(rights.STANDINGS[one.right.standing(now)][1])
            words = gettext("%(number)s: papers %(standing)s", number=words, standing=standing)
        found.append((one.digits, words, may or one.digits == chosen))
    return found


def _given() -> dict[str, str]:
    found = edits.given(_fields(), request.form)
    for one in rules.RETRIED:
        name = f"wait_{one.value}"
        unit = request.form.get(f"{name}-unit", "")
        if unit in {str(minutes) for minutes in _UNITS} and _is_whole(found[name]):
            found[name] = str(int(found[name]) * int(unit))
    if days := request.form.getlist("days"):
        found["days"] = ",".join(days)
    return found


def _typed(settings: Settings) -> dict[str, str]:
    return {
        "name": settings.name,
        "queue": "",
        "number": "",
        "opens": settings.window.opens.strftime("%H:%M"),
        "closes": settings.window.closes.strftime("%H:%M"),
        "days": ",".join(str(day) for day in sorted(settings.window.days)),
        "ring_s": str(settings.ring_s),
        "max_attempts": str(settings.max_attempts),
        **{f"wait_{one.value}": str(settings.waits[one]) for one in rules.RETRIED if one in settings.waits},
        "max_per_second": str(settings.max_per_second),
        "machines": "yes" if settings.detects_machines else "",
        "consent": "yes" if settings.needs_consent else "",
        "script": settings.script,
    }


def _typed_of(found: Campaign) -> dict[str, str]:
    session = scope.session()
    digits = {one.number_id: one.digits for one in numbers.shown_by(session, tenant_id=found.tenant_id)}
    return _typed(found.settings) | {
        "queue": queues.get(session, tenant_id=found.tenant_id, queue_id=found.queue_id).name,
        "number": digits.get(found.number_id, ""),
    }


def _settings(given: Mapping[str, str]) -> tuple[Settings, QueueId, NumberId]:
    """Return what a form says, as the room wants it.

    Raises:
        CampaignSettingError: `field` names what cannot be read.
    """
    who, session = identity.current(), scope.session()
    by_name = {one.name: one.queue_id for one in queues.all_of(session, tenant_id=who.tenant_id)}
    by_digits = {one.digits: one.number_id for one in numbers.shown_by(session, tenant_id=who.tenant_id)}
    queue_id, number_id = by_name.get(given["queue"]), by_digits.get(given["number"])
    if queue_id is None:
        raise CampaignSettingError(field="queue")
    if number_id is None:
        raise CampaignSettingError(field="number")
    try:
        days = frozenset(int(day) for day in given["days"].split(",") if day.strip().isascii())
        window = Window(dt.time.fromisoformat(given["opens"]), dt.time.fromisoformat(given["closes"]), days)
    except (ValueError, WindowInvalidError) as error:
        raise CampaignSettingError(field="window") from error
    settings = Settings(
        name=given["name"],
        window=window,
        ring_s=_whole(given, "ring_s"),
        max_attempts=_whole(given, "max_attempts"),
        waits={one: _whole(given, f"wait_{one.value}", "waits") for one in rules.RETRIED},
        max_per_second=_whole(given, "max_per_second"),
        detects_machines=given["machines"] == "yes",
        needs_consent=given["consent"] == "yes",
        script=given["script"],
    )
    return settings, queue_id, number_id


def _whole(given: Mapping[str, str], name: str, field: str = "") -> int:
    text = given.get(name, "").strip()
    if not _is_whole(text):
        raise CampaignSettingError(field=field or name)
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _in_units(minutes: str) -> tuple[str, int]:
    """Return a wait in the largest unit that holds it whole: `120` is (2, 60), 2 hours."""
    if not _is_whole(minutes) or not int(minutes):
        return minutes, 1
    unit = next(one for one in _UNITS if int(minutes) % one == 0)
    return str(int(minutes) // unit), unit


def _faults(error: CampaignSettingError) -> dict[str, str]:
    words = {
        "name": gettext("Give the campaign a name of up to 80 characters."),
        "queue": gettext("Choose one of your queues."),
        "number": gettext("Choose one of the numbers you rent whose papers stand."),
        "window": gettext("Choose hours between 08:00 and 21:00, and at least one day."),
        "ring_s": gettext("Let it ring for 15 to 60 seconds."),
        "max_attempts": gettext("Choose 1 to 10 attempts."),
        "waits": gettext("Each wait is from a minute to 30 days."),
        "max_per_second": gettext("Choose 1 to 20 calls a second."),
        "script": gettext("The script has at most 8,000 characters."),
    }
    field = str(error.details.get("field", ""))
    return {field: words.get(field, gettext("This cannot be."))}


def _days(window: Window) -> str:
    names = i18n.locale().days["format"]["abbreviated"]
    days = sorted(window.days)
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):  # noqa: PLR2004 - three in a row are a span
        return f"{names[days[0] - 1]}–{names[days[-1] - 1]}"
    return ", ".join(str(names[day - 1]) for day in days)


def find(campaign_id: str) -> Campaign:
    """Return a campaign of the asker's company by its outside id.

    Raises:
        CampaignNotFoundError, UnknownIdError: not there, or not yours.
    """
    return plans.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        campaign_id=CampaignId(ids.parse("cmp", campaign_id)),
    )


def path_of(campaign_id: CampaignId) -> str:
    """Return the address of a campaign's page."""
    return url_for("portal.one_campaign", campaign_id=ids.public("cmp", campaign_id))


def _place(text: str) -> CampaignId | None:
    return CampaignId(ids.parse("cmp", text)) if text else None


def may_write() -> bool:
    """Return whether the reader may change campaigns."""
    return "campaigns.write" in identity.current().permissions
