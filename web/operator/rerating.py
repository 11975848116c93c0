"""Rating a stretch again: choose it, see what would change, have it approved, watch it done.

What stands on finalised invoices is never changed; what they lack, or have too much, is shown beside, for a
credit note or the next invoice.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from flask import Response, flash, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import periods, price_lists, rerating_runs, safety
from billing.rerating_runs import Moved, Rerun
from core import ids, long_jobs
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from core.long_jobs import JobState
from core.money import NANO
from tenants import users
from web import i18n, identity, said, scope, sheets, tables
from web.guards import permission
from web.operator import jobs, rounds
from web.operator.views import pages
from web.shown import wording
from web.shown.downloads import attachment
from wiring import rerating

_HERE = "/operator/rerating"
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class MoveRow:
    """What moves by one meter and prefix; see templates/operator/rerating.html."""

    company: str
    meter: str
    prefix: str
    events: int
    up: str
    down: str
    billed: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run."""

    id: str
    company: str
    first: dt.datetime
    until: dt.datetime
    prices: str
    state: str
    by: str
    approved_by: str
    looked: int
    changes: int
    applied: int
    stale: int
    needs_second: bool
    is_mine: bool


@pages.get("/rerating")
@permission("billing.read")
def rerating_page() -> str:
    """Show the runs, and one of them with what would change, or has."""
    session = scope.session()
    runs = rerating_runs.newest(session)
    asked = request.args.get("run", "")
    chosen = rerating_runs.find(session, rerun_id=ids.parse("rrt", asked)) if asked else None
    names = {one.tenant_id: one.name for one in rounds.clients()}
    people = users.names(
        session,
        tenant_id=OPERATOR,
        vault=scope.services().vault,
        user_ids={one for run in runs for one in (run.asked_by, run.approved_by) if one},
    )

    def row(run: Rerun) -> RunRow:
        return RunRow(
            id=ids.public("rrt", run.rerun_id),
            company=names.get(run.company_id, "") if run.company_id else gettext("All companies"),
            first=run.start,
            until=run.end - dt.timedelta(microseconds=1),
            prices=f"{run.price_list} v{run.version}" if run.price_list else gettext("each by its own"),
            state=run.state,
            by=people.get(run.asked_by, ""),
            approved_by=people.get(run.approved_by, "") if run.approved_by else "",
            looked=run.looked,
            changes=run.changes,
            applied=run.applied,
            stale=run.stale,
            needs_second=run.needs_second(safety.usual(scope.session())),
            is_mine=run.asked_by == identity.current().principal_id,
        )

    moves = chosen.moves if chosen else ()
    return render_template(
        "operator/rerating.html",
        runs=[row(one) for one in runs],
        run=row(chosen) if chosen else None,
        totals=_totals(chosen),
        moves=[_row(one, names) for one in moves[:_MOST_SHOWN]],
        more=max(0, len(moves) - _MOST_SHOWN),
        look=jobs.news_of(chosen.rerun_id) if chosen else None,
        apply=jobs.news_of(chosen.apply_id) if chosen else None,
        companies=[(ids.public("ten", key), name) for key, name in names.items()],
        versions=_versions(),
        may_write="billing.write" in identity.current().permissions,
    )


@pages.post("/rerating")
@permission("billing.write")
def ask_for_rerating() -> BaseResponse:
    """Have a stretch looked at."""
    form, session, who = request.form, scope.session(), identity.current()
    first, last = tables.day_of(form.get("from_on", "")), tables.day_of(form.get("to_on", ""))
    if first is None or last is None or last < first:
        flash(gettext("Choose the first and the last day."), "bad")
        return redirect(_HERE, 303)
    code, _, number = form.get("prices", "").rpartition("@")
    if form.get("prices") and form["prices"] not in {value for value, _ in _versions()}:
        flash(gettext("Choose one of the published versions."), "bad")
        return redirect(_HERE, 303)
    company = rounds.one(form["company"]) if form.get("company") else None
    zone = i18n.zone()
    rerun_id = rerating_runs.ask(
        session,
        start=periods.day_start(first, zone=zone),
        end=periods.day_start(last + dt.timedelta(days=1), zone=zone),
        by=who.principal_id,
        company_id=TenantId(company.tenant_id) if company else None,
        price_list=code,
        version=int(number) if code else None,
    )
    long_jobs.note(
        session,
        job_id=rerun_id,
        kind=rerating.LOOKING,
        state=JobState.WAITING,
        company_id=company.tenant_id if company else None,
        started_by=who.principal_id,
    )
    return redirect(_address(rerun_id), 303)


@pages.post("/rerating/<run_id>/approve")
@permission("billing.write")
def approve_rerating(run_id: str) -> BaseResponse:
    """Have what was looked at applied; above the limit somebody else than who asked."""
    session, who = scope.session(), identity.current()
    rerun_id = ids.parse("rrt", run_id)
    try:
        run = rerating_runs.approve(session, rerun_id=rerun_id, by=who.principal_id)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        scope.rollback()
        said.why(error)
        return redirect(_address(rerun_id), 303)
    if run.pieces:
        long_jobs.note(
            session,
            job_id=run.apply_id,
            kind=rerating.APPLYING,
            state=JobState.WAITING,
            company_id=run.company_id,
            total=run.changes,
            started_by=who.principal_id,
        )
    return redirect(_address(rerun_id), 303)


@pages.post("/rerating/<run_id>/cancel")
@permission("billing.write")
def cancel_rerating(run_id: str) -> BaseResponse:
    """Give up a run nobody has approved; nothing has changed."""
    rerun_id = ids.parse("rrt", run_id)
    if rerating_runs.give_up(scope.session(), rerun_id=rerun_id):
        flash(gettext("The run is given up. Nothing has changed."), "ok")
    return redirect(_address(rerun_id), 303)


@pages.get("/rerating/<run_id>/csv")
@permission("billing.read")
def rerating_csv(run_id: str) -> Response:
    """Return everything that moves as CSV, with all decimals."""
    run = rerating_runs.find(scope.session(), rerun_id=ids.parse("rrt", run_id))
    names = {one.tenant_id: one.name for one in rounds.clients()}
    columns: list[sheets.Column[Moved]] = [
        sheets.Column(gettext("Company"), lambda one: names.get(TenantId(one.company_id), "")),
        sheets.Column(gettext("Meter"), lambda one: one.meter),
        sheets.Column(gettext("Prefix"), lambda one: one.prefix),
        sheets.Column(gettext("Events"), lambda one: one.events),
        sheets.Column(gettext("Up"), lambda one: _exact(one.up_nano)),
        sheets.Column(gettext("Down"), lambda one: _exact(one.down_nano)),
        sheets.Column(gettext("On finalised invoices"), lambda one: _exact(one.billed_nano)),
        sheets.Column(gettext("Currency"), lambda one: one.currency),
    ]
    cells = [sheets.cells_of(columns, one) for one in run.moves]
    layout = sheets.layout(columns, [False] * len(columns), name="rating-again")
    content = b"".join(sheets.content("csv", layout, cells))
    return attachment(content, name=f"{layout.file}.csv", content_type=sheets.TYPES["csv"])


def _versions() -> list[tuple[str, str]]:
    """Return the published versions one may rate by, newest first in each list."""
    session = scope.session()
    return [
        (f"{one.code}@{version.version}", f"{one.name} v{version.version}")
        for one in price_lists.every(session, tenant_id=OPERATOR)
        for version in price_lists.versions(session, tenant_id=OPERATOR, price_list_id=one.price_list_id)
        if version.published_at is not None
    ]


def _totals(run: Rerun | None) -> list[tuple[str, str, str, str]]:
    """Return what rises, what falls and what finalised invoices lack, by currency."""
    return [
        (
            one.currency,
            _amount(one.up_nano, one.currency),
            _amount(one.down_nano, one.currency),
            _amount(one.billed_nano, one.currency),
        )
        for one in (run.totals() if run else ())
    ]


def _row(one: Moved, names: dict[TenantId, str]) -> MoveRow:
    return MoveRow(
        company=names.get(TenantId(one.company_id), ""),
        meter=wording.meter(one.meter),
        prefix=one.prefix,
        events=one.events,
        up=_amount(one.up_nano, one.currency),
        down=_amount(one.down_nano, one.currency),
        billed=_amount(one.billed_nano, one.currency),
    )


def _amount(nano: int, currency: str) -> str:
    return f"{_exact(nano):.4f} {currency}" if nano else ""


def _exact(nano: int) -> Decimal:
    return Decimal(nano) / NANO


def _address(rerun_id: object) -> str:
    return f"{_HERE}?run={ids.public('rrt', rerun_id)}"  # type: ignore[arg-type] # an id
