"""Campaigns: make, change, start, pause, stop; their lead files, figures and attempts."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from flask import Response, request
from pydantic import AfterValidator, Field

from campaigns import attempts, imports, leads, plans, rules, text_file
from campaigns.attempts import Attempt
from campaigns.columns import Columns
from campaigns.errors import CampaignSettingError, LeadColumnsError, LeadImportNotFoundError
from campaigns.imports import Choices, Import
from campaigns.leads import Lead
from campaigns.plans import Campaign
from campaigns.rules import Again, LeadState, Outcome, Settings, State
from core import ids
from core.ids import OPERATOR, AttemptId, CampaignId, LeadId, LeadImportId, NumberId, QueueId
from core.phone import E164, mask, parse_e164
from customers import masking
from telephony import numbers
from telephony.outbound.hours import Window, WindowInvalidError
from web import identity, scope, uploads
from web.api import cursors, preconditions
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Outward, PageQuery, Phone, Text
from web.guards import permission
from web.shown import campaigns as shown

_TAG = "Campaigns"
_LIST, _FILES, _LEADS, _ATTEMPTS = "campaigns", "lead-files", "leads", "attempts"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _among(known: Sequence[str]) -> AfterValidator:
    def check(text: str) -> str:
        if text not in known:
            message = "is none of those known"
            raise ValueError(message)
        return text

    return AfterValidator(check)


Encoding = Annotated[
    str,
    _among(text_file.ENCODINGS),
    Field(json_schema_extra={"enum": list(text_file.ENCODINGS)}, examples=["utf-8-sig"]),
]
Delimiter = Annotated[
    str,
    _among(text_file.DELIMITERS),
    Field(json_schema_extra={"enum": list(text_file.DELIMITERS)}, examples=[","]),
]


class Waits(Inward):
    """Minutes until the next attempt, by how the last one ended."""

    busy: int = Field(default=15, ge=1, le=43_200)
    no_answer: int = Field(default=240, ge=1, le=43_200)
    machine: int = Field(default=240, ge=1, le=43_200)
    hung_up: int = Field(default=1440, ge=1, le=43_200)
    rejected: int = Field(default=1440, ge=1, le=43_200)
    abandoned: int = Field(default=4320, ge=1, le=43_200)
    failed: int = Field(default=60, ge=1, le=43_200)


class CampaignSettings(Inward):
    """What a campaign is to do. Hours are those of the called party."""

    name: Text = Field(min_length=1, max_length=80, examples=["Winter slot changes"])
    queue: str = Field(
        description="The queue whose agents speak.", examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    number: str = Field(
        description="The number the called see, E.164; one that you rent.", examples=["+442079460134"]
    )
    opens: str = Field(default="09:00", pattern=_CLOCK, description="At 08:00 at the earliest.")
    closes: str = Field(default="20:00", pattern=_CLOCK, description="At 21:00 at the latest.")
    weekdays: list[int] = Field(
        default=[1, 2, 3, 4, 5], min_length=1, max_length=7, description="1 is Monday, 7 Sunday."
    )
    ring_s: int = Field(default=25, ge=15, le=60)
    max_attempts: int = Field(default=3, ge=1, le=10)
    waits_min: Waits = Field(default=Waits())
    max_per_second: int = Field(default=2, ge=1, le=20)
    detects_machines: bool = True
    needs_consent: bool = Field(
        default=False,
        description="Call only who has given consent; others are refused as `consent-missing`.",
    )
    script: str = Field(default="", max_length=8000)


class CampaignShown(Outward):
    """A campaign as it stands."""

    id: str = Field(examples=["cmp_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: str = Field(
        description="`draft`, `running`, `paused`, `stopped` or `finished`.", examples=["running"]
    )
    held: str | None = Field(
        description="Why nothing is dialled for the moment, though it runs: a reason of the gate, "
        "or `queue-closed`."
    )
    name: str
    queue: str
    number: str | None
    opens: str
    closes: str
    weekdays: list[int]
    ring_s: int
    max_attempts: int
    waits_min: dict[str, int]
    max_per_second: int
    detects_machines: bool
    needs_consent: bool = Field(description="Only who has given consent is called.")
    script: str
    created_at: Instant
    changed_at: Instant
    started_at: Instant | None
    ended_at: Instant | None


class Progress(Outward):
    """How far a campaign is."""

    leads: int
    left: int = Field(description="Leads that may still be called, or are being called.")
    by_state: dict[str, int] = Field(examples=[{"waiting": 12, "reached": 7}])
    attempts: dict[str, int] = Field(
        description="Attempts that were dialled, by outcome.", examples=[{"connected": 7, "busy": 2}]
    )
    in_progress: int
    refused: int = Field(description="Leads that may not be called.")


class CampaignAgents(Outward):
    """The agents behind a campaign, counted and not named."""

    assigned: int = Field(description="Who serves its queue.")
    present: int
    free: int
    states: dict[str, int] = Field(examples=[{"on-call": 2, "ready": 1}])


class CampaignWhole(CampaignShown):
    """A campaign with its figures."""

    outside_hours: bool = Field(
        description="No lead may be called at this hour of theirs: nothing is dialled, though it runs."
    )
    progress: Progress
    agents: CampaignAgents


class CampaignList(Listed):
    """A page of campaigns, newest first."""

    data: list[CampaignShown]


class LeadColumns(Inward):
    """What stands in which column, counted from 0."""

    phone: int = Field(ge=0, le=199)
    name: int | None = Field(default=None, ge=0, le=199)
    zone: int | None = Field(default=None, ge=0, le=199)
    others: list[int] = Field(default=[], max_length=40, description="Further columns to keep.")


class LeadFileChoices(Inward):
    """How a lead file is to be read; what is left out is as it was found."""

    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    has_header: bool | None = None
    columns: LeadColumns | None = None


class LeadFile(Outward):
    """A lead file. At the end `rows` is the sum of `accepted`, `duplicates` and `bad`."""

    id: str = Field(examples=["limp_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    campaign: str
    state: str = Field(
        description="`staged` until it is started; `queued`, `reading`, `done`; `refused`: see `error`.",
        examples=["staged"],
    )
    format: str = Field(examples=["csv"])
    encoding: str | None
    delimiter: str | None
    has_header: bool
    names: list[str] = Field(description="Of the columns, as the file has them.")
    columns: dict[str, Any] | None = Field(description="What was found where; null when nothing was.")
    rows: int | None
    accepted: int
    duplicates: int
    bad: int
    reasons: dict[str, int] = Field(description="Bad rows by reason.", examples=[{"bad-number": 3}])
    error: str | None = Field(description="Why the file was refused.", examples=["lead-file:quotes:17"])
    created_at: Instant
    ended_at: Instant | None


class LeadFiles(Listed):
    """A page of lead files, newest first; those thrown away are left out."""

    data: list[LeadFile]


class PreviewQuery(Inward):
    """How to read the file; what is left out is as it was found."""

    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    has_header: bool | None = None


class LeadFilePreview(Outward):
    """The first rows of a lead file, as they stand there."""

    names: list[str] = Field(description="Of the columns.")
    rows: list[list[str]]
    columns: dict[str, Any] | None = Field(description="What was found where; null when nothing was.")
    problem: str | None = Field(
        description="Why it cannot be imported like this: `encoding`, `same-name`, `no-phone`."
    )


class LeadShown(Outward):
    """A lead, masked."""

    id: str = Field(examples=["lead_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str = Field(examples=["I. C."])
    phone: str = Field(examples=["+44 7700 900•••"])
    zone: str = Field(description="IANA; the hours it may be called in are counted there.")
    state: LeadState
    outcome: str | None = Field(description="Of the last attempt.", examples=["busy"])
    reason: str | None = Field(description="Why it may not be called.", examples=["do-not-call"])
    attempts: int
    due_at: Instant | None = Field(description="When it is called again.")
    customer: str | None
    changed_at: Instant


class Leads(Listed):
    """A page of leads, in the order in which they are called."""

    data: list[LeadShown]


class LeadsQuery(PageQuery):
    """Which leads."""

    state: LeadState | None = None


class LeadWanted(Inward):
    """Which lead."""

    phone: Phone


class LeadsFound(Outward):
    """The lead with a number, if the campaign has it."""

    data: list[LeadShown]


class AttemptsQuery(PageQuery):
    """Which attempts."""

    lead: str | None = Field(default=None, max_length=60, description="A lead's id.")
    in_progress: bool = Field(default=False, description="Only those that are being made.")


class UploadQuery(Inward):
    """What the file is called."""

    name: Text | None = Field(
        default=None, min_length=1, max_length=200, description="The form's own, or leads.csv, when left out."
    )


class AgainWanted(Inward):
    """Which leads may be called again whose outcome is not known, and why."""

    why: Literal["checked", "asked", "accepted"] = Field(
        description="checked: looked into, nobody spoke with them; asked: they asked to be called; "
        "accepted: some may be called a second time."
    )
    lead: str | None = Field(
        default=None, description="One of them only.", examples=["lead_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )


class AgainShown(Outward):
    """How many will be called again."""

    leads: int


class LeadAttempt(Outward):
    """One attempt to reach a lead."""

    id: str = Field(examples=["att_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    lead: str = Field(examples=["lead_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    claimed_at: Instant
    outcome: str | None = Field(description="null while the call is being made.", examples=["connected"])
    reason: str | None = Field(description="Why the call was not allowed.", examples=["do-not-call"])
    call: str | None
    answered_at: Instant | None
    ended_at: Instant | None


class AttemptList(Listed):
    """A page of attempts, newest first."""

    data: list[LeadAttempt]


@pages.get("/campaigns")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: CampaignList}, operation_id="listCampaigns")
def list_campaigns(query: PageQuery) -> CampaignList:
    """List campaigns, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = plans.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        after=CampaignId(ids.parse("cmp", after[0])) if after else None,
        limit=query.limit,
    )
    digits = _digits()
    return CampaignList(
        data=[CampaignShown.model_validate(_shown(one, digits)) for one in found.campaigns],
        has_more=found.following is not None,
        next=cursors.encode(ids.public("cmp", found.following), of=_LIST) if found.following else None,
    )


@pages.post("/campaigns")
@permission("campaigns.write")
@operation(tag=_TAG, answers={201: CampaignShown}, operation_id="createCampaign")
def create_campaign(json: CampaignSettings) -> tuple[CampaignShown, int, dict[str, str]]:
    """Make a campaign, as a draft. Upload leads and start it next."""
    settings, queue_id, number_id = _read(json)
    made = plans.create(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        settings=settings,
        queue_id=queue_id,
        number_id=number_id,
        by=identity.current().principal_id,
    )
    answer = CampaignShown.model_validate(_shown(made, _digits()))
    return answer, 201, {"Location": f"/api/v1/campaigns/{answer.id}", **preconditions.tag(made.revision)}


@pages.get("/campaigns/<campaign_id>")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: CampaignWhole}, errors=(404,), operation_id="getCampaign")
def get_campaign(campaign_id: str) -> tuple[CampaignWhole, int, dict[str, str]]:
    """Look at one campaign and how far it is."""
    found = _find(campaign_id)
    figures = shown.figures(scope.session(), campaign=found)
    progress = Progress(
        leads=figures.leads,
        left=figures.left,
        by_state=dict(figures.states),
        attempts={one.code: one.count for one in figures.outcomes},
        in_progress=figures.in_progress,
        refused=figures.states.get("refused", 0),
    )
    with scope.within(OPERATOR, principal_id=identity.current().principal_id) as floor:
        people = shown.agents(floor, queue_id=found.queue_id, tenant_id=found.tenant_id)
    agents = CampaignAgents(
        assigned=people.assigned, present=people.present, free=people.free, states=dict(people.states)
    )
    whole = CampaignWhole.model_validate(
        _shown(found, _digits())
        | {"progress": progress, "agents": agents, "outside_hours": shown.is_night(found, figures.at)}
    )
    return whole, 200, preconditions.tag(found.revision)


@pages.put("/campaigns/<campaign_id>")
@permission("campaigns.write")
@operation(
    tag=_TAG,
    answers={200: CampaignShown},
    errors=(404,),
    operation_id="changeCampaign",
    conditional=True,
)
def change_campaign(campaign_id: str, json: CampaignSettings) -> tuple[CampaignShown, int, dict[str, str]]:
    """Replace a campaign's settings, unless somebody has changed them since they were read."""
    found = _find(campaign_id)
    preconditions.insist(found.revision)
    settings, queue_id, number_id = _read(json)
    changed = plans.change(
        scope.session(),
        tenant_id=found.tenant_id,
        campaign_id=found.campaign_id,
        revision=found.revision,
        settings=settings,
        queue_id=queue_id,
        number_id=number_id,
        by=identity.current().principal_id,
    )
    scope.after_commit(shown.tell)
    answer = CampaignShown.model_validate(_shown(changed, _digits()))
    return answer, 200, preconditions.tag(changed.revision)


@pages.post("/campaigns/<campaign_id>/start")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: CampaignShown}, errors=(404,), operation_id="startCampaign")
def start_campaign(campaign_id: str) -> CampaignShown:
    """Start dialling, or go on. Twice changes nothing."""
    return _turn(campaign_id, State.RUNNING)


@pages.post("/campaigns/<campaign_id>/pause")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: CampaignShown}, errors=(404,), operation_id="pauseCampaign")
def pause_campaign(campaign_id: str) -> CampaignShown:
    """Start no further call. Calls in progress go on."""
    return _turn(campaign_id, State.PAUSED)


@pages.post("/campaigns/<campaign_id>/stop")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: CampaignShown}, errors=(404,), operation_id="stopCampaign")
def stop_campaign(campaign_id: str) -> CampaignShown:
    """Stop a campaign for good. Calls in progress go on."""
    return _turn(campaign_id, State.STOPPED)


@pages.post("/campaigns/<campaign_id>/lead-files")
@permission("campaigns.write")
@uploads.takes_file(imports.LARGEST_FILE)
@operation(
    tag=_TAG,
    answers={201: LeadFile},
    errors=(404,),
    operation_id="uploadLeads",
    takes=uploads.TABLES,
)
def upload_leads(campaign_id: str, query: UploadQuery) -> tuple[LeadFile, int, dict[str, str]]:
    """Upload leads as CSV or XLSX. Nothing is imported before it is started.

    The file is the body itself, or the part `file` of a form.
    """
    found, who = _find(campaign_id), identity.current()
    kept = imports.stage(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        storage=scope.services().storage,
        campaign_id=found.campaign_id,
        source=uploads.body()[0],
        file_name=query.name or _sent_name(),
        region=who.company.country,
        zone=who.company.zone,
        by=who.principal_id,
    )
    answer = _file(kept)
    where = f"/api/v1/campaigns/{campaign_id}/lead-files/{answer.id}"
    return answer, 201, {"Location": where}


@pages.get("/campaigns/<campaign_id>/lead-files")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: LeadFiles}, errors=(404,), operation_id="listLeadFiles")
def list_lead_files(campaign_id: str, query: PageQuery) -> LeadFiles:
    """List a campaign's lead files, newest first."""
    campaign, after = _find(campaign_id), cursors.decode(query.starting_after, of=_FILES)
    found = imports.of_campaign(
        scope.session(),
        tenant_id=campaign.tenant_id,
        vault=scope.services().vault,
        campaign_id=campaign.campaign_id,
        after=LeadImportId(ids.parse("limp", after[0])) if after else None,
        limit=query.limit + 1,
    )
    files, has_more = cursors.cut(found, limit=query.limit)
    return LeadFiles(
        data=[_file(one) for one in files],
        has_more=has_more,
        next=cursors.encode(ids.public("limp", files[-1].import_id), of=_FILES) if has_more else None,
    )


@pages.get("/campaigns/<campaign_id>/lead-files/<file_id>")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: LeadFile}, errors=(404,), operation_id="getLeadFile")
def get_lead_file(campaign_id: str, file_id: str) -> LeadFile:
    """Look at a lead file: what was found in it, how far it is, what became of its rows."""
    return _file(_find_file(campaign_id, file_id))


@pages.delete("/campaigns/<campaign_id>/lead-files/<file_id>")
@permission("campaigns.write")
@operation(tag=_TAG, answers={204: None}, errors=(404,), operation_id="discardLeadFile")
def discard_lead_file(campaign_id: str, file_id: str) -> Response:
    """Throw a lead file away before anything of it is read."""
    imports.discard(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        storage=scope.services().storage,
        import_id=_find_file(campaign_id, file_id).import_id,
    )
    return Response(status=204)


@pages.get("/campaigns/<campaign_id>/lead-files/<file_id>/preview")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: LeadFilePreview}, errors=(404,), operation_id="previewLeadFile")
def preview_lead_file(campaign_id: str, file_id: str, query: PreviewQuery) -> LeadFilePreview:
    """Look at the first rows of a lead file before it is started, as you would have it read."""
    seen = imports.preview(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        storage=scope.services().storage,
        import_id=_find_file(campaign_id, file_id).import_id,
        encoding=query.encoding,
        delimiter=query.delimiter,
        has_header=query.has_header,
    )
    return LeadFilePreview(
        names=list(seen.names),
        rows=[[cell.removeprefix("\0") for cell in row] for row in seen.rows],
        columns=seen.columns.as_json() if seen.columns else None,
        problem=seen.problem or None,
    )


@pages.post("/campaigns/<campaign_id>/lead-files/<file_id>/start")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: LeadFile}, errors=(404,), operation_id="importLeadFile")
def import_lead_file(campaign_id: str, file_id: str, json: LeadFileChoices) -> LeadFile:
    """Import a lead file, in the background. Every row becomes a lead, a duplicate or a bad row."""
    found = _find_file(campaign_id, file_id)
    columns = found.columns
    if json.columns is not None:
        chosen = json.columns
        columns = Columns(chosen.phone, chosen.name, chosen.zone, tuple(chosen.others))
    if columns is None:
        raise LeadColumnsError(reason="no-phone", field="columns")
    confirmed = imports.confirm(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        storage=scope.services().storage,
        import_id=found.import_id,
        choices=Choices(
            encoding=json.encoding or found.encoding,
            delimiter=json.delimiter or found.delimiter or ",",
            has_header=found.has_header if json.has_header is None else json.has_header,
            columns=columns,
        ),
    )
    scope.after_commit(shown.tell)
    return _file(confirmed)


@pages.get("/campaigns/<campaign_id>/lead-files/<file_id>/bad-rows")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: None}, errors=(404,), operation_id="getBadRows", media="text/csv")
def bad_rows(campaign_id: str, file_id: str) -> Response:
    """Fetch the rows that are no leads as CSV, as they were, each with its number and its reason."""
    found = _find_file(campaign_id, file_id)
    lines = imports.bad_csv(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        import_id=found.import_id,
    )
    return uploads.spooled(lines, name="bad-rows.csv", content_type="text/csv; charset=utf-8")


@pages.get("/campaigns/<campaign_id>/leads")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: Leads}, errors=(404,), operation_id="listLeads")
def list_leads(campaign_id: str, query: LeadsQuery) -> Leads:
    """List a campaign's leads in the order in which they are called, masked."""
    after = cursors.decode(query.starting_after, of=_LEADS)
    page = _leads(
        _find(campaign_id),
        states=[query.state] if query.state else [],
        after=int(after[0]) if after else 0,
        limit=query.limit,
    )
    return Leads(
        data=[_lead(one) for one in page.leads],
        has_more=page.after is not None,
        next=cursors.encode(str(page.after), of=_LEADS) if page.after is not None else None,
    )


@pages.post("/campaigns/<campaign_id>/leads/search")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: LeadsFound}, errors=(404, 409), operation_id="searchLeads")
def search_leads(campaign_id: str, json: LeadWanted) -> LeadsFound:
    """Find a campaign's lead with exactly this number. It is a POST so that the number stands in no log."""
    found = _find(campaign_id)
    phone = parse_e164(json.phone, region=identity.current().company.country)
    return LeadsFound(data=[_lead(one) for one in _leads(found, phone=phone).leads])


@pages.post("/campaigns/<campaign_id>/leads/call-again")
@permission("campaigns.write")
@operation(tag=_TAG, answers={200: AgainShown}, errors=(404,), operation_id="callLeadsAgain")
def call_leads_again(campaign_id: str, json: AgainWanted) -> AgainShown:
    """Let leads be called again whose outcome is not known. Who asked for it, and why, stands in the log."""
    found = _find(campaign_id)
    again = leads.call_again(
        scope.session(),
        tenant_id=found.tenant_id,
        campaign_id=found.campaign_id,
        why=Again(json.why),
        lead_id=LeadId(ids.parse("lead", json.lead)) if json.lead else None,
    )
    scope.after_commit(shown.tell)
    return AgainShown(leads=again)


@pages.get("/campaigns/<campaign_id>/attempts")
@permission("campaigns.read")
@operation(tag=_TAG, answers={200: AttemptList}, errors=(404,), operation_id="listAttempts")
def list_attempts(campaign_id: str, query: AttemptsQuery) -> AttemptList:
    """List a campaign's attempts, newest first."""
    found = _find(campaign_id)
    after = cursors.decode(query.starting_after, of=_ATTEMPTS)
    page = attempts.page(
        scope.session(),
        tenant_id=found.tenant_id,
        campaign_id=found.campaign_id,
        lead_id=LeadId(ids.parse("lead", query.lead)) if query.lead else None,
        is_open=query.in_progress,
        after_id=AttemptId(ids.parse("att", after[0])) if after else None,
        limit=query.limit,
    )
    return AttemptList(
        data=[_attempt(one) for one in page.attempts],
        has_more=page.following is not None,
        next=cursors.encode(ids.public("att", page.following), of=_ATTEMPTS) if page.following else None,
    )


def _sent_name() -> str:
    part = request.files.get("file")
    return (part.filename if part else None) or "leads.csv"


def _turn(campaign_id: str, to: State) -> CampaignShown:
    turned = plans.turn(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        campaign_id=CampaignId(id_in_path("cmp", campaign_id)),
        to=to,
        by=identity.current().principal_id,
    )
    scope.after_commit(shown.tell)
    return CampaignShown.model_validate(_shown(turned, _digits()))


def _find(campaign_id: str) -> Campaign:
    return plans.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        campaign_id=CampaignId(id_in_path("cmp", campaign_id)),
    )


def _find_file(campaign_id: str, file_id: str) -> Import:
    found = imports.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        import_id=LeadImportId(id_in_path("limp", file_id)),
    )
    if found.campaign_id != id_in_path("cmp", campaign_id):
        raise LeadImportNotFoundError
    return found


def _leads(
    found: Campaign,
    *,
    states: Sequence[LeadState] = (),
    phone: E164 | None = None,
    after: int = 0,
    limit: int = 1,
) -> leads.Page:
    return leads.page(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        campaign_id=found.campaign_id,
        states=states,
        phone=phone,
        after=after,
        limit=limit,
    )


def _digits() -> dict[NumberId, str]:
    shown = numbers.shown_by(scope.session(), tenant_id=identity.current().tenant_id)
    return {one.number_id: one.digits for one in shown}


def _read(json: CampaignSettings) -> tuple[Settings, QueueId, NumberId]:
    """Return what a body asks for, as the room wants it.

    Raises:
        CampaignSettingError: `field` names what cannot stand.
    """
    number_id = next((one for one, digits in _digits().items() if digits == json.number), None)
    if number_id is None:
        raise CampaignSettingError(field="number")
    try:
        days = frozenset(json.weekdays)
        window = Window(dt.time.fromisoformat(json.opens), dt.time.fromisoformat(json.closes), days)
    except WindowInvalidError as error:
        raise CampaignSettingError(field="weekdays") from error
    waits = {
        Outcome(name.replace("_", "-")): minutes for name, minutes in json.waits_min.model_dump().items()
    }
    settings = Settings(
        name=json.name,
        window=window,
        ring_s=json.ring_s,
        max_attempts=json.max_attempts,
        waits=waits,
        max_per_second=json.max_per_second,
        detects_machines=json.detects_machines,
        needs_consent=json.needs_consent,
        script=json.script,
    )
    try:
        queue_id = QueueId(ids.parse("que", json.queue))
    except ids.UnknownIdError as error:
        raise CampaignSettingError(field="queue") from error
    return settings, queue_id, number_id


def _shown(found: Campaign, digits: dict[NumberId, str]) -> dict[str, Any]:
    settings = found.settings
    return {
        "id": ids.public("cmp", found.campaign_id),
        "state": found.state.value,
        "held": found.held_reason,
        "name": settings.name,
        "queue": ids.public("que", found.queue_id),
        "number": digits.get(found.number_id),
        "opens": settings.window.opens.strftime("%H:%M"),
        "closes": settings.window.closes.strftime("%H:%M"),
        "weekdays": sorted(settings.window.days),
        "ring_s": settings.ring_s,
        "max_attempts": settings.max_attempts,
        "waits_min": {one.value.replace("-", "_"): settings.waits.get(one, 0) for one in rules.RETRIED},
        "max_per_second": settings.max_per_second,
        "detects_machines": settings.detects_machines,
        "needs_consent": settings.needs_consent,
        "script": settings.script,
        "created_at": found.created_at,
        "changed_at": found.changed_at,
        "started_at": found.started_at,
        "ended_at": found.ended_at,
    }


def _file(found: Import) -> LeadFile:
    reasons = imports.reasons(
        scope.session(), tenant_id=identity.current().tenant_id, import_id=found.import_id
    )
    return LeadFile(
        id=ids.public("limp", found.import_id),
        campaign=ids.public("cmp", found.campaign_id),
        state=found.state,
        format=found.format,
        encoding=found.encoding,
        delimiter=found.delimiter,
        has_header=found.has_header,
        names=list(found.names),
        columns=found.columns.as_json() if found.columns else None,
        rows=found.rows,
        accepted=found.accepted,
        duplicates=found.duplicates,
        bad=found.bad,
        reasons=reasons,
        error=found.error,
        created_at=found.created_at,
        ended_at=found.ended_at,
    )


def _lead(one: Lead) -> LeadShown:
    return LeadShown(
        id=ids.public("lead", one.lead_id),
        name=masking.mask_name(one.person.name) if one.person.name else "",
        phone=mask(one.person.phone),
        zone=one.zone,
        state=one.state,
        outcome=one.outcome,
        reason=one.reason,
        attempts=one.attempts,
        due_at=one.due_at if one.state is LeadState.RETRY else None,
        customer=ids.public("cus", one.customer_id) if one.customer_id else None,
        changed_at=one.changed_at,
    )


def _attempt(one: Attempt) -> LeadAttempt:
    return LeadAttempt(
        id=ids.public("att", one.attempt_id),
        lead=ids.public("lead", LeadId(one.lead_id)),
        claimed_at=one.claimed_at,
        outcome=one.outcome.value if one.outcome else None,
        reason=one.reason,
        call=ids.public("call", one.call_id) if one.call_id else None,
        answered_at=one.answered_at,
        ended_at=one.ended_at,
    )
