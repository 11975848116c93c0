"""The usage explorer: one company's usage from the event to the invoice's line and back, and what waits.

It knows what billing knows: ids, meters, amounts, numbers without their last four digits. No customer.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from flask import flash, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing import decisions, explorer, figures, periods
from billing.errors import BillingAccountNotFoundError
from billing.explorer import STATES, Counts, Found, Wanted
from core import clock, ids
from core.errors import NotFound
from tenants.companies import Company
from web import identity, scope, tables
from web.guards import permission
from web.operator import decisions as deciding
from web.operator import jobs, rounds
from web.operator.views import pages
from web.plain import whole
from web.shown import invoices, usage, wording
from wiring import closing

_HERE = "/operator/usage"
_PAGE = 50
_DAYS = 31
_LONGEST, _LONGEST_LINE = 200, 6  # signs, and digits of a line's number
STATE_WORDS = {
    "rated": _l("priced"),
    "unrated": _l("without a price"),
    "refused": _l("refused"),
    "late": _l("late"),
}


FAULTS = {
    "key-missing": _l("names neither its source nor its key"),
    "instant-without-zone": _l("a time without a zone"),
    "ends-before-it-begins": _l("ends before it begins"),
    "quantity-negative": _l("less than nothing was used"),
    "prefix-not-digits": _l("the number is no number"),
    "prefix-too-long": _l("the number is too long"),
}


class UsageNotFoundError(NotFound):
    """No such usage of this company."""

    code = "usage-not-found"


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of the plot: events by meter, in the order of the legend."""

    on: dt.date
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of the day."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A contradicting report or a rejected row that waits for a decision."""

    id: str
    source: str
    event_id: str
    reason: str
    received_at: dt.datetime

    @classmethod
    def of(cls, prefix: str, one: explorer.Kept) -> Self:
        """Return a row with its outside id."""
        why = str(FAULTS.get(one.reason, one.reason))
        return cls(ids.public(prefix, one.id), one.source, one.event_id, why, one.received_at)


@dataclass(frozen=True, slots=True)
class _Seen:
    counts: Counts
    meters: list[str]
    found: list[Found]
    days: list[DayRow]
    conflicts: Sequence[explorer.Kept]
    rejects: Sequence[explorer.Kept]
    decided: Sequence[decisions.Decision]


@pages.get("/usage")
@permission("billing.read")
def usage_list() -> str:
    """Show a company's usage that fits what is asked for."""
    clients = rounds.clients()
    asked = {name: request.args.get(name, "").strip()[:_LONGEST] for name in _FIELDS}
    company = _company(asked["company"], clients)
    seen = rounds.visit(company, lambda session: _look(session, company, asked)) if company else None
    page = seen.found[:_PAGE] if seen else []
    older = None
    if seen and len(seen.found) > _PAGE:
        older = f"{_HERE}?{urlencode({**asked, 'before': usage.mark(page[-1])})}"
    return render_template(
        "operator/usage.html",
        companies=[(ids.public("ten", one.tenant_id), one.name) for one in clients],
        company_id=ids.public("ten", company.tenant_id) if company else "",
        asked=asked,
        counts=seen.counts if seen else None,
        meters=[(code, wording.meter(code)) for code in seen.meters] if seen else [],
        states=[(code, STATE_WORDS[code]) for code in STATES],
        entries=[usage.entry(one) for one in page],
        days=seen.days if seen else [],
        conflicts=[KeptRow.of("con", one) for one in seen.conflicts] if seen else [],
        rejects=[KeptRow.of("rej", one) for one in seen.rejects] if seen else [],
        decided=deciding.rows(seen.decided) if seen else [],
        priced=[(code, wording.meter(code)) for code in wording.METERS],
        most_counted=explorer.MOST,
        may_write="billing.write" in identity.current().permissions,
        job=jobs.shown_of(closing.RATING, company_id=company.tenant_id) if company else None,
        newer=f"{_HERE}?{urlencode(asked)}" if request.args.get("before") else None,
        older=older,
    )


@pages.get("/usage/<company_id>/<usage_id>")
@permission("billing.read")
def one_usage(company_id: str, usage_id: str) -> str:
    """Show one event: what was reported, every rating of it, and the line it is on."""
    company = rounds.one(company_id)
    wanted = ids.parse("use", usage_id)

    def look(session: Session) -> dict[str, Any]:
        found = explorer.find(session, tenant_id=company.tenant_id, wanted=Wanted(reference=wanted), limit=1)
        if not found or found[0].usage_id != wanted:
            raise UsageNotFoundError
        return {
            "one": found[0],
            "entry": usage.entry(found[0]),
            "ratings": explorer.history(session, tenant_id=company.tenant_id, usage_id=wanted),
        }

    return render_template(
        "operator/usage_one.html",
        company_=company,
        company_id=company_id,
        state_words=STATE_WORDS,
        obstacles=invoices.OBSTACLES,
        **rounds.visit(company, look),
    )


@pages.post("/usage/<company_id>/rate-again")
@permission("billing.write")
def rate_again(company_id: str) -> Response:
    """Rate what has no price with the prices in force now: at once, or as a job when it is much."""
    company = rounds.one(company_id)
    waiting = rounds.visit(company, lambda session: explorer.waiting(session, tenant_id=company.tenant_id))
    if waiting > explorer.AT_ONCE:
        by = identity.current().principal_id
        closing.ask_for_rating(scope.session(), tenant_id=company.tenant_id, by=by)
        return redirect(f"{_HERE}?company={company_id}", 303)
    done = rounds.visit(company, lambda session: explorer.rate_again(session, tenant_id=company.tenant_id))
    flash(
        gettext(
            "%(rated)s got a price, %(waiting)s still wait for one.", rated=done.rated, waiting=done.waiting
        ),
        "bad" if done.waiting else "ok",
    )
    return redirect(f"{_HERE}?company={company_id}", 303)


_FIELDS = ("company", "id", "meter", "state", "from", "to", "line")


def _company(company_id: str, clients: Sequence[Company]) -> Company | None:
    if company_id:
        return rounds.one(company_id)
    # whoever comes without a question comes for what waits, by figures of the last minute
    waits = {
        one.company_id
        for one in figures.every(scope.session())
        if one.unrated or one.conflicts or one.rejects
    }
    return next((one for one in clients if one.tenant_id in waits), clients[0] if clients else None)


def _look(session: Session, company: Company, asked: dict[str, str]) -> _Seen:
    tenant_id, zone = company.tenant_id, company.zone
    first, last = tables.day_of(asked["from"]), tables.day_of(asked["to"])
    wanted = Wanted(
        reference=_reference(asked["id"]),
        line_no=whole(asked["line"], longest=_LONGEST_LINE),
        event_id=asked["id"] if asked["id"] and _reference(asked["id"]) is None else "",
        meter=asked["meter"],
        state=asked["state"] if asked["state"] in STATES else "",
        start=periods.day_start(first, zone=zone) if first else None,
        end=periods.day_start(last + dt.timedelta(days=1), zone=zone) if last else None,
    )
    conflicts, rejects = explorer.kept(session, tenant_id=tenant_id, limit=10)
    meters = explorer.meters(session, tenant_id=tenant_id)
    return _Seen(
        explorer.counts(session, tenant_id=tenant_id),
        meters,
        explorer.find(
            session,
            tenant_id=tenant_id,
            wanted=wanted,
            before=usage.before(request.args.get("before", "")),
            limit=_PAGE + 1,
        ),
        _days(session, company, meters, last),
        conflicts,
        rejects,
        decisions.decided(session, tenant_id=tenant_id, limit=10),
    )


def _days(session: Session, company: Company, meters: Sequence[str], last: dt.date | None) -> list[DayRow]:
    local = zoneinfo.ZoneInfo(company.zone)
    end = last or clock.now().astimezone(local).date()
    days = [end - dt.timedelta(days=n) for n in range(_DAYS - 1, -1, -1)]
    try:
        found = explorer.per_day(
            session,
            tenant_id=company.tenant_id,
            start=periods.day_start(days[0], zone=company.zone),
            end=periods.day_start(end + dt.timedelta(days=1), zone=company.zone),
        )
    except BillingAccountNotFoundError:
        return []
    return [DayRow(day, tuple(found.get((day, meter), 0) for meter in meters)) for day in days]


def _reference(text: str) -> UUID | None:
    """Return the id in an outside or an inside form, whatever it is of."""
    prefix = text.partition("_")[0]
    try:
        return ids.parse(prefix, text)
    except NotFound:
        pass
    try:
        return UUID(text)
    except ValueError:
        return None
