"""A campaign's lead files, from the upload to the last bad row, and its leads, masked."""

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from campaigns import imports, leads, text_file
from campaigns.columns import Columns
from campaigns.errors import LeadFileError, LeadImportNotFoundError, LeadImportStateError
from campaigns.imports import Choices, Import
from campaigns.leads import Lead
from campaigns.plans import Campaign
from campaigns.rules import LeadState, Outcome
from core import ids
from core.ids import CampaignId, LeadImportId
from core.phone import E164, InvalidNumberError, mask, parse_e164
from web import identity, said, scope, tables, uploads
from web.guards import permission
from web.plain import whole
from web.portal.campaigns import find, may_write, path_of
from web.portal.views import pages
from web.shown import campaigns as shown

_PAGE = 25
_LONGEST_NUMBER = 6  # digits of a column's number
_LONGEST_PLACE = 18  # digits of a bigint


# --- lead files ---------------------------------------------------------------------------------------


@pages.post("/campaigns/<campaign_id>/lists")
@permission("campaigns.write")
@uploads.takes_file(imports.LARGEST_FILE)
def upload_leads(campaign_id: str) -> BaseResponse:
    """Take a lead file in and lead to its preview; a file that is none is refused with the reason."""
    found, who = find(campaign_id), identity.current()
    file = request.files.get("file")
    if file is None or not file.filename:
        said.refused(gettext("Choose a file first: CSV or XLSX."))
        return redirect(path_of(found.campaign_id), 303)
    try:
        kept = imports.stage(
            scope.session(),
            tenant_id=found.tenant_id,
            vault=scope.services().vault,
            storage=scope.services().storage,
            campaign_id=found.campaign_id,
            source=cast("BinaryIO", file.stream),
            file_name=file.filename,
            region=who.company.country,
            zone=who.company.zone,
            by=who.principal_id,
        )
    except LeadFileError as error:
        scope.rollback()
        said.refused(_said(error))
        return redirect(path_of(found.campaign_id), 303)
    return redirect(_file_path(found.campaign_id, kept.import_id), 303)


@pages.get("/campaigns/<campaign_id>/lists/<import_id>")
@permission("campaigns.read")
def one_list(campaign_id: str, import_id: str) -> str:
    """Show a lead file: what it will become, how far it is, or what became of it."""
    found, file = find(campaign_id), _find_file(campaign_id, import_id)
    # a preview shows the first rows as they are; who may not import them sees leads masked, here too
    return _preview(found, file) if file.state == "staged" and may_write() else _progress(found, file)


@pages.post("/campaigns/<campaign_id>/lists/<import_id>")
@permission("campaigns.write")
def start_list(campaign_id: str, import_id: str) -> BaseResponse:
    """Import a lead file as it was chosen on the preview, or show the preview under other choices."""
    found, file = find(campaign_id), _find_file(campaign_id, import_id)
    if file.state != "staged":
        return redirect(_file_path(found.campaign_id, file.import_id), 303)
    form = request.form
    if form.get("act") == "look":
        return make_response(_preview(found, file, form=form))
    columns = _columns(form)
    if columns is None:
        return make_response(_preview(found, file, form=form, problem="no-phone"), 422)
    try:
        imports.confirm(
            scope.session(),
            tenant_id=found.tenant_id,
            vault=scope.services().vault,
            storage=scope.services().storage,
            import_id=file.import_id,
            choices=Choices(
                encoding=form.get("encoding") or None,
                delimiter=form.get("delimiter") or None,
                has_header=form.get("has_header") == "yes",
                columns=columns,
            ),
        )
    except LeadImportStateError:
        return redirect(_file_path(found.campaign_id, file.import_id), 303)
    except LeadFileError as error:
        scope.rollback()
        page = _preview(found, file, form=form, problem=str(error.details.get("reason", "")))
        return make_response(page, 422)
    scope.after_commit(shown.tell)
    return redirect(_file_path(found.campaign_id, file.import_id), 303)


@pages.post("/campaigns/<campaign_id>/lists/<import_id>/discard")
@permission("campaigns.write")
def discard_list(campaign_id: str, import_id: str) -> BaseResponse:
    """Throw an uploaded file away before anything of it was read."""
    found, file = find(campaign_id), _find_file(campaign_id, import_id)
    try:
        imports.discard(
            scope.session(),
            tenant_id=found.tenant_id,
            storage=scope.services().storage,
            import_id=file.import_id,
        )
    except LeadImportStateError:
        return redirect(_file_path(found.campaign_id, file.import_id), 303)
    said.done(gettext("The file is thrown away. Nothing of it was read."))
    return redirect(path_of(found.campaign_id), 303)


@pages.get("/campaigns/<campaign_id>/lists/<import_id>/bad")
@permission("campaigns.write")
def bad_rows(campaign_id: str, import_id: str) -> Response:
    """Return the rows that are no leads as CSV, each with its reason, to be put right and sent again."""
    file = _find_file(campaign_id, import_id)
    tenant_id, vault, session = identity.current().tenant_id, scope.services().vault, scope.session()

    found = imports.bad_csv(session, tenant_id=tenant_id, vault=vault, import_id=file.import_id)
    # spreadsheets take UTF-8 for what it is only behind this mark
    lines = itertools.chain(["\ufeff"], found)
    return uploads.spooled(lines, name="bad-rows.csv", content_type="text/csv; charset=utf-8")


def _preview(
    found: Campaign, file: Import, *, form: Mapping[str, str] | None = None, problem: str = ""
) -> str:
    form = form or {}
    chosen_header = {"yes": True, "no": False}.get(form.get("has_header", ""))
    encoding = form.get("encoding") or file.encoding or ""
    delimiter = form.get("delimiter") or file.delimiter or ""
    seen = imports.preview(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        storage=scope.services().storage,
        import_id=file.import_id,
        encoding=encoding if encoding in text_file.ENCODINGS else None,
        delimiter=delimiter if delimiter in text_file.DELIMITERS else None,
        has_header=chosen_header,
    )
    has_header = chosen_header if chosen_header is not None else any(seen.names)
    columns = _columns(form) if form.get("phone", "") else seen.columns
    problem = problem or seen.problem
    return render_template(
        "portal/lead_file.html",
        campaign={"id": ids.public("cmp", found.campaign_id), "name": found.settings.name},
        file=shown.file_row(file),
        encodings=text_file.ENCODINGS,
        encoding=encoding,
        delimiters=[(",", gettext("comma")), (";", gettext("semicolon")), ("\t", gettext("tab")), ("|", "|")],
        delimiter=delimiter or ",",
        has_header=has_header,
        names=[name or gettext("Column %(no)s", no=at) for at, name in enumerate(seen.names, start=1)],
        rows=[[cell.removeprefix("\0") for cell in row] for row in seen.rows],
        columns=columns,
        problem=shown.file_problem(problem) if problem else "",
        may_write=may_write(),
    )


def _progress(found: Campaign, file: Import) -> str:
    reasons = imports.reasons(scope.session(), tenant_id=found.tenant_id, import_id=file.import_id)
    sample = imports.bad_rows(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        import_id=file.import_id,
        limit=_PAGE,
    )
    return render_template(
        "portal/lead_file_progress.html",
        campaign={"id": ids.public("cmp", found.campaign_id), "name": found.settings.name},
        file=shown.file_row(file),
        reasons=[(str(shown.BAD.get(code, code)), number) for code, number in reasons.items()],
        bad=[(one.row_number, str(shown.BAD.get(one.reason, one.reason))) for one in sample],
        may_write=may_write(),
    )


def _columns(form: Mapping[str, str]) -> Columns | None:
    """Return the columns as a form says them: `phone`, `name`, `zone` by number, `other-<n>` for the rest."""

    def at(name: str) -> int | None:
        return whole(form.get(name, ""), longest=_LONGEST_NUMBER)

    phone, name, zone = at("phone"), at("name"), at("zone")
    if phone is None:
        return None
    named = (one.removeprefix("other-") for one in form if one.startswith("other-"))
    chosen = {no for one in named if (no := whole(one, longest=_LONGEST_NUMBER)) is not None}
    return Columns(phone, name, zone, tuple(sorted(chosen - {phone, name, zone})))


# --- leads --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeadLine:
    """One lead of the list, masked; see templates/portal/leads.html."""

    id: str
    who: str
    phone: str
    pill: str
    word: str
    outcome: str
    attempts: int
    due_at: dt.datetime | None
    zone: str
    customer: str


def _lead_states() -> tables.Words:
    return [(state.value, str(word)) for state, (_, word) in shown.LEAD_STATES.items()]


LEADS: tables.Table[LeadLine] = tables.Table(
    "leads",
    (
        tables.Column("who", _l("Lead"), lambda row: row.who),
        tables.Column("phone", _l("Number"), lambda row: row.phone),
        tables.Column("state", _l("State"), lambda row: row.word),
        tables.Column("outcome", _l("Last outcome"), lambda row: row.outcome, cls="hide-s"),
        tables.Column("attempts", _l("Attempts"), lambda row: row.attempts, cls="r"),
        tables.Column("due", _l("Next"), lambda row: row.due_at, cls="hide-s"),
        tables.Column("zone", _l("Time zone"), lambda row: row.zone, cls="hide-s"),
    ),
    filters=(
        tables.Choice("state", _l("State"), _lead_states),
        tables.Sealed("phone", _l("Number"), shown=lambda number: mask(E164(number))),
    ),
)


@pages.get("/campaigns/<campaign_id>/leads")
@permission("campaigns.read")
def lead_list(campaign_id: str) -> str | BaseResponse:
    """Show a campaign's leads in the order in which they are called, masked."""
    found, session, vault = find(campaign_id), scope.session(), scope.services().vault

    def fetch(asked: tables.Asked) -> tables.Slice[LeadLine]:
        phone, state = asked.clear("phone"), asked.get("state")
        page = leads.page(
            session,
            tenant_id=found.tenant_id,
            vault=vault,
            campaign_id=found.campaign_id,
            states=[LeadState(state)] if state else [],
            phone=E164(phone) if phone else None,
            after=whole(asked.after, longest=_LONGEST_PLACE) or 0,
            limit=asked.size,
        )
        return tables.Slice(
            [_lead_line(one) for one in page.leads],
            following={"after": str(page.after)} if page.after else None,
        )

    return tables.show(
        LEADS,
        "portal/leads.html",
        fetch,
        campaign={"id": ids.public("cmp", found.campaign_id), "name": found.settings.name},
    )


@pages.post("/campaigns/<campaign_id>/leads/find")
@permission("campaigns.read")
def find_lead(campaign_id: str) -> BaseResponse:
    """Look for a number among a campaign's leads; it does not enter the address in clear."""
    found = find(campaign_id)
    base = f"{path_of(found.campaign_id)}/leads"
    try:
        number = parse_e164(request.form.get("find", ""), region=identity.current().company.country)
    except InvalidNumberError:
        said.refused(gettext("That is not a telephone number. Write it like +44 7700 900123."))
        return redirect(base, 303)
    return tables.seal_into(base, "phone", number)


def _lead_line(lead: Lead) -> LeadLine:
    kind, word = shown.LEAD_STATES[lead.state]
    outcome = shown.OUTCOMES[Outcome(lead.outcome)][1] if lead.outcome else ""
    if lead.state is LeadState.REFUSED and lead.reason:
        outcome = shown.REFUSALS.get(lead.reason, lead.reason)
    return LeadLine(
        id=ids.public("lead", lead.lead_id),
        who=shown.who(lead),
        phone=mask(lead.person.phone),
        pill=kind,
        word=str(word),
        outcome=str(outcome),
        attempts=lead.attempts,
        due_at=lead.due_at if lead.state is LeadState.RETRY else None,
        zone=lead.zone,
        customer=ids.public("cus", lead.customer_id) if lead.customer_id else "",
    )


def _find_file(campaign_id: str, import_id: str) -> Import:
    """Return a lead file of a campaign.

    Raises:
        LeadImportNotFoundError: not there, not yours, or another campaign's.
    """
    found = imports.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        import_id=LeadImportId(ids.parse("limp", import_id)),
    )
    if ids.public("cmp", found.campaign_id) != campaign_id:
        raise LeadImportNotFoundError
    return found


def _file_path(campaign_id: CampaignId, import_id: LeadImportId) -> str:
    return f"{path_of(campaign_id)}/lists/{ids.public('limp', import_id)}"


def _said(error: LeadFileError) -> str:
    why = shown.file_problem(str(error.details.get("reason", "")))
    return str(gettext("The file was not taken: %(why)s", why=why))
