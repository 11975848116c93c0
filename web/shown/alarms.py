"""Alarms as the portal and the operator's pages show them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from core import ids
from core.ids import AlarmId, TenantId, UnknownIdError
from tenants import alarms, users
from tenants.alarms import Alarm
from tenants.refusals import ALARM
from tenants.roles import Door
from web import identity, parts, scope, words
from web.shown import refusals

LONGEST = 200  # of the page
_CALLOUTS = 3  # of a front page
_NAMES: Mapping[str, LazyString] = {
    "by": _l("by"),
    "door": _l("in"),
    "ticket": _l("ticket"),
    "until": _l("until"),
    "approved_by": _l("let in by"),
    "calls": _l("number of calls"),
    "at_once": _l("calls at once at most"),
    "begun": _l("begun within a second"),
    "per_second": _l("a second at most"),
    "minutes": _l("minutes"),
    "differences": _l("number of differences"),
    "overdue": _l("overdue"),
    "tiers": _l("by tier"),
    "refusal": _l("what:"),
    "refusals": _l("times"),
    "bound": _l("alarm from"),
    "hour": _l("in the hour from"),
}
_DOORS: Mapping[str, LazyString] = {
    Door.PORTAL.value: _l("the portal"),
    Door.OPERATOR.value: _l("the operator’s pages"),
    Door.CONSOLE.value: _l("the console"),
}
_REFUSALS = "/operator/refusals"
_PAGES = {
    "call": "/portal/calls/",
    "cus": "/portal/customers/",
    "cmp": "/portal/campaigns/",
    "num": "/portal/numbers#",
}
_STOCK = "/operator/stock/numbers/"


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm in words; `url` leads to what it is about, empty when no page shows it.

    `by` is who took note, empty while nobody has; `company` is empty on the company's own pages.
    """

    id: str
    title: str
    advice: str
    company: str
    raised_at: dt.datetime
    last_at: dt.datetime
    times: int
    details: str
    url: str
    is_open: bool
    acknowledged_at: dt.datetime | None
    by: str


def waiting() -> Sequence[AlarmRow]:
    """Return the newest alarms nobody has acknowledged, for whoever may see them."""
    if "alarms.read" not in identity.current().permissions:
        return ()
    return rows(limit=_CALLOUTS, is_open=True)


def rows(
    *, limit: int, is_open: bool = False, companies: Mapping[TenantId, str] | None = None
) -> list[AlarmRow]:
    """Return the alarms of the reader's own tenant, newest first.

    Args:
        limit: at most so many.
        is_open: only those nobody has acknowledged.
        companies: names, for the operator's copies.
    """
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = alarms.page(session, tenant_id=tenant_id, limit=limit, is_open=is_open)
    told = {one.acknowledged_by for one in found if one.acknowledged_by}
    told |= {who for one in found for value in one.details.values() if (who := _person(value))}
    names = users.names(session, tenant_id=tenant_id, vault=scope.services().vault, user_ids=told)
    return [_row(one, names, companies or {}) for one in found]


def acknowledge(public_id: str) -> None:
    """Take note of an alarm of the reader's own tenant.

    Raises:
        AlarmNotFoundError: there is none.
    """
    who = identity.current()
    alarms.acknowledge(
        scope.session(),
        tenant_id=who.tenant_id,
        alarm_id=AlarmId(ids.parse("alm", public_id)),
        by=who.principal_id,
    )


def _row(one: Alarm, names: Mapping[UUID, str], companies: Mapping[TenantId, str]) -> AlarmRow:
    said = words.alarm(one.kind)
    is_own = one.company_id == identity.current().tenant_id
    return AlarmRow(
        id=ids.public("alm", one.id),
        title=str(said.title),
        advice=str(said.advice),
        company="" if is_own else companies.get(one.company_id, ""),
        raised_at=one.raised_at,
        last_at=one.last_at,
        times=one.times,
        details=" · ".join(_detail(name, value, names) for name, value in one.details.items() if value),
        url=_url(one, is_own=is_own),
        is_open=one.acknowledged_at is None,
        acknowledged_at=one.acknowledged_at,
        by=names.get(one.acknowledged_by, "") if one.acknowledged_by else "",
    )


def _url(one: Alarm, *, is_own: bool) -> str:
    """Return the page of what an alarm is about, or nothing."""
    if one.kind == ALARM:
        here = _REFUSALS if identity.current().door is Door.OPERATOR else ""
        return here and f"{here}?{urlencode({'kind': one.details.get('refusal', '')})}"
    prefix = one.subject.partition("_")[0]
    if prefix == "num" and not is_own:
        return f"{_STOCK}{one.subject}" if "stock.read" in identity.current().permissions else ""
    return f"{_PAGES[prefix]}{one.subject}" if is_own and prefix in _PAGES else ""


def _detail(name: str, value: object, names: Mapping[UUID, str]) -> str:
    """Return one detail in words, a person by name; what has no words stands as it was written down."""
    who = _person(value)
    if name in {"until", "hour"}:
        shown = parts.minute(dt.datetime.fromisoformat(str(value)))
    elif name == "refusal":
        shown = str(refusals.WORDS.get(str(value), value))
    elif name == "door":
        shown = str(_DOORS.get(str(value), value))
    else:
        shown = names.get(who, str(value)) if who else str(value)
    return f"{_NAMES.get(name, name)} {shown}"


def _person(value: object) -> UUID | None:
    try:
        return ids.parse("usr", str(value))
    except UnknownIdError:
        return None
