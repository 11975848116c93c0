"""The machine room: what is owed, what runs and how far it is, what was given up. Nothing personal."""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids, long_jobs, upkeep
from core.errors import NotFound
from core.ids import OPERATOR, TenantId
from core.long_jobs import LongJob
from core.upkeep import PERIODIC, HandlerState
from tenants import users
from web import parts, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from wiring import closing, collecting, decks, downloading, exporting, reconciling, rerating, rotation

_LATE = dt.timedelta(minutes=5)
_NEWS = dt.timedelta(hours=1)
_LONG = 12
_SLOW = 10  # fewer a second are shown with a decimal
_KINDS = {
    closing.DRAFTS: _l("Making drafts"),
    closing.FINALISING: _l("Finalising invoices"),
    closing.RATING: _l("Pricing again"),
    rerating.LOOKING: _l("Looking at rating again"),
    rerating.APPLYING: _l("Rating again"),
    "prices.hand-over": _l("Handing prices over"),
    "leads.read": _l("Reading a lead file"),
    rotation.ROTATION: _l("Replacing a key"),
    collecting.SWEEP: _l("Asking after payments"),
    reconciling.KIND: _l("Comparing with the payment provider"),
    exporting.KIND: _l("Exporting a company’s data"),
    decks.KIND: _l("Reading a file of rates"),
    downloading.KIND: _l("Making a table’s file"),
}
_RESULTS: Mapping[str, Callable[[int], str]] = {
    closing.DRAFTS: lambda made: parts.ngettext(
        "%(count)s draft made", "%(count)s drafts made", made, count=parts.count(made)
    ),
    closing.FINALISING: lambda made: parts.ngettext(
        "%(count)s invoice finalised", "%(count)s invoices finalised", made, count=parts.count(made)
    ),
    closing.RATING: lambda made: parts.ngettext(
        "%(count)s event got a price", "%(count)s events got a price", made, count=parts.count(made)
    ),
    "prices.hand-over": lambda made: parts.ngettext(
        "%(count)s company has it", "%(count)s companies have it", made, count=parts.count(made)
    ),
    decks.KIND: lambda made: parts.ngettext(
        "%(count)s price read", "%(count)s prices read", made, count=parts.count(made)
    ),
    rerating.LOOKING: lambda made: parts.ngettext(
        "%(count)s event would change", "%(count)s events would change", made, count=parts.count(made)
    ),
    rerating.APPLYING: lambda made: parts.ngettext(
        "%(count)s event changed", "%(count)s events changed", made, count=parts.count(made)
    ),
    reconciling.KIND: lambda made: parts.ngettext(
        "%(count)s difference", "%(count)s differences", made, count=parts.count(made)
    ),
    "leads.read": lambda made: parts.ngettext(
        "%(count)s lead made", "%(count)s leads made", made, count=parts.count(made)
    ),
    rotation.ROTATION: lambda made: parts.ngettext(
        "%(count)s value sealed anew", "%(count)s values sealed anew", made, count=parts.count(made)
    ),
}


class LongJobNotFoundError(NotFound):
    """No such job, or it ended more than a month ago."""

    code = "long-job-not-found"


@dataclass(frozen=True, slots=True)
class JobRow:
    """One handler; see templates/operator/jobs.html."""

    handler: str
    state: str  # ok, busy, late, given-up
    waiting: int
    running: int
    again: int
    given_up: int
    done: int
    oldest_at: dt.datetime | None
    last_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all handlers; `beat_at` is when the clock's last task was done."""

    waiting: int
    running: int
    again: int
    given_up: int
    done: int
    beat_at: dt.datetime | None
    is_beating: bool


def _states() -> tables.Words:
    return [
        ("given-up", gettext("Given up")),
        ("late", gettext("Late")),
        ("busy", gettext("Working")),
        ("ok", gettext("Idle")),
    ]


JOBS: tables.Table[JobRow] = tables.Table(
    "jobs",
    (
        tables.Column("handler", _l("Job"), lambda row: row.handler, sorts=True),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("waiting", _l("Waiting"), lambda row: row.waiting, sorts=True, cls="r"),
        tables.Column("running", _l("Running"), lambda row: row.running, sorts=True, cls="r"),
        tables.Column("again", _l("To try again"), lambda row: row.again, sorts=True, cls="r"),
        tables.Column("given-up", _l("Given up"), lambda row: row.given_up, sorts=True, cls="r"),
        tables.Column("done", _l("Done in an hour"), lambda row: row.done, sorts=True, cls="r"),
        tables.Column("last", _l("Last done"), lambda row: row.last_at, sorts=True, cls="r"),
    ),
    filters=(
        tables.Search("q", _l("Find a job"), _l("Part of its name")),
        tables.Choice("state", _l("State"), _states),
    ),
    order="-given-up",
)


@dataclass(frozen=True, slots=True)
class Watched:
    """A long job as pages show it; see templates/parts/jobs.html."""

    id: str
    title: str
    state: str  # waiting, running, quiet, done, failed
    done: int
    total: int
    rate: float | None
    left_s: float | None
    made: int
    failed: int
    result: str
    since_s: float
    started_at: dt.datetime
    moved_at: dt.datetime
    is_over: bool
    who: str


def watched(found: Sequence[LongJob]) -> list[Watched]:
    """Return long jobs with the names of companies and of who started them."""
    session = scope.session()
    names = {one.tenant_id: one.name for one in rounds.clients()} if found else {}
    people = users.names(
        session,
        tenant_id=OPERATOR,
        vault=scope.services().vault,
        user_ids={one.started_by for one in found if one.started_by},
    )
    return [
        _watched(
            one,
            names.get(TenantId(one.company_id), "") if one.company_id else "",
            people.get(one.started_by, "") if one.started_by else "",
        )
        for one in found
    ]


def shown_of(kind: str, *, company_id: UUID | None = None) -> Watched | None:
    """Return the latest job of a kind for the page it was started on, while it is news."""
    return _news(long_jobs.latest_of(scope.session(), kind=kind, company_id=company_id))


def news_of(job_id: UUID) -> Watched | None:
    """Return the job on one thing for the thing's own page, while it is news."""
    return _news(long_jobs.find(scope.session(), job_id=job_id))


def _news(found: LongJob | None) -> Watched | None:
    if found is None or (found.ended_at is not None and clock.now() - found.ended_at > _NEWS):
        return None
    return watched([found])[0]


@pages.get("/jobs")
@permission("jobs.read")
def job_list() -> str | BaseResponse:
    """Show how the jobs stand, and what was given up."""
    rows = [_row(one) for one in upkeep.by_handler(scope.session())]

    def fetch(asked: tables.Asked) -> tables.Slice[JobRow]:
        kept = [row for row in rows if asked.get("state") in {"", row.state}]
        return tables.of_list(JOBS, asked, kept, text=lambda row: row.handler)

    return tables.show(
        JOBS,
        "operator/jobs.html",
        fetch,
        totals=_totals(rows),
        given_up=upkeep.given_up(scope.session()),
        long=watched(long_jobs.latest(scope.session(), limit=_LONG)),
        now=clock.now(),
    )


@pages.get("/jobs/<job_id>")
@permission("jobs.read")
def one_job(job_id: str) -> str:
    """Show how far one long job is."""
    found = long_jobs.find(scope.session(), job_id=ids.parse("job", job_id))
    if found is None:
        raise LongJobNotFoundError
    return render_template("operator/job.html", job=watched([found])[0])


@pages.post("/jobs/again")
@permission("jobs.write")
def try_again() -> BaseResponse:
    """Owe anew what was given up: one duty, or all of one handler."""
    subject = request.form.get("subject", "")
    try:
        subject_id = UUID(subject) if subject else None
    except ValueError:
        return redirect(url_for("operator.job_list"), 303)
    count = upkeep.try_again(scope.session(), subject_id=subject_id, handler=request.form.get("handler", ""))
    if count:
        said.done(ngettext("%(num)s job is tried again.", "%(num)s jobs are tried again.", count))
    else:
        said.refused(gettext("There was nothing to try again: somebody else may have been faster."))
    return redirect(url_for("operator.job_list"), 303)


def _watched(one: LongJob, company: str, who: str) -> Watched:
    what = str(_KINDS.get(one.kind, one.kind))
    about = _about(one)
    left_s = one.left_s
    return Watched(
        id=ids.public("job", one.id),
        title=parts.colon().join(filter(None, (what, company or about))),
        state="quiet" if one.is_quiet else one.state.value,
        done=one.done,
        total=one.total or 0,
        rate=round(one.per_s, 1 if one.per_s < _SLOW else None) if one.per_s else None,
        left_s=None if left_s is None else math.ceil(left_s),
        made=one.made,
        failed=one.failed,
        result=_result(one),
        since_s=((one.ended_at or clock.now()) - one.started_at).total_seconds(),
        started_at=one.started_at,
        moved_at=one.moved_at,
        is_over=one.is_over,
        who=who,
    )


def _about(one: LongJob) -> str:
    """Return the month a job is about in the reader's words; a price list's code stands for itself."""
    try:
        return parts.month(dt.date.fromisoformat(f"{one.about}-01"))
    except ValueError:
        return one.about


def _result(one: LongJob) -> str:
    """Return what has come of a job so far: `12 drafts made, 1 not`."""
    forms = _RESULTS.get(one.kind)
    made = forms(one.made) if forms else str(one.made)
    if not one.failed:
        return made
    return str(gettext("%(made)s, %(failed)s not", made=made, failed=parts.count(one.failed)))


def _row(one: HandlerState) -> JobRow:
    is_late = one.oldest_at is not None and clock.now() - one.oldest_at > _LATE
    state = "ok"
    if one.given_up:
        state = "given-up"
    elif is_late:
        state = "late"
    elif one.waiting or one.running or one.again:
        state = "busy"
    return JobRow(
        one.handler,
        state,
        one.waiting,
        one.running,
        one.again,
        one.given_up,
        one.done,
        one.oldest_at,
        one.last_at,
    )


def _totals(rows: list[JobRow]) -> Totals:
    beats = [row.last_at for row in rows if row.handler.startswith(PERIODIC) and row.last_at]
    beat_at = max(beats, default=None)
    return Totals(
        waiting=sum(row.waiting for row in rows),
        running=sum(row.running for row in rows),
        again=sum(row.again for row in rows),
        given_up=sum(row.given_up for row in rows),
        done=sum(row.done for row in rows),
        beat_at=beat_at,
        is_beating=beat_at is not None and clock.now() - beat_at < _LATE,
    )
