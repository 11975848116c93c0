"""The machine room: what is owed, what runs, what was given up and is to be tried again. Nothing personal."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import clock, upkeep
from core.upkeep import PERIODIC, HandlerState
from web import said, scope, tables
from web.guards import permission
from web.operator.views import pages

_LATE = dt.timedelta(minutes=5)


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
        ("busy", gettext("Busy")),
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
        now=clock.now(),
    )


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
