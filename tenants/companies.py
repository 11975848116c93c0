"""Client companies: the operator opens one, and from then on its own walls stand.

The list of companies is the one fenced table the operator sees across tenants; what is in a company's
own tables it does not see.
"""

import datetime as dt
import functools
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass

from babel import Locale
from babel.core import get_global
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.ids import OPERATOR, TenantId, new_id
from security import evidence, gate
from tenants.errors import CompanyChangedError, CompanyClosedError, CompanyMissingError, MalformedSettingError
from tenants.models import CompanyDeletionRow, CompanyRow

LANGUAGES = ("en", "zh_Hans_CN")
COLOURS = 8
_LONGEST_NAME = 120
_LONGEST_INITIALS = 2


@dataclass(frozen=True, slots=True)
class Formats:
    """How a company's pages write numbers, days and hours; `auto` follows the reader's language."""

    numbers: str = "auto"
    days: str = "auto"
    clock: str = "auto"


AUTO = Formats()
NUMBER_FORMATS = ("auto", "comma-point", "point-comma", "space-comma", "apostrophe-point")
DATE_FORMATS = ("auto", "day-month", "month-day", "iso")
CLOCK_FORMATS = ("auto", "24", "12")
_MOST_BUDGET = 10**13


@dataclass(frozen=True, slots=True)
class Company:
    """A company: who is billed, and how its people read time and money."""

    tenant_id: TenantId
    name: str
    country: str  # ISO 3166-1 alpha-2
    zone: str  # IANA, e.g. Europe/London
    language: str  # one of LANGUAGES
    currency: str  # ISO 4217
    initials: str  # on its brand square, one or two signs
    colour: int  # 0..7, the brand square's colour
    status: str
    revision: int = 1
    formats: Formats = AUTO
    budget_minor: int | None = None  # what a month may cost before somebody is told, in `currency`
    opened_at: dt.datetime | None = None
    requires_second_step: bool = False  # of its people, before any other page


def open_company(
    session: Session,
    *,
    name: str,
    country: str,
    zone: str,
    language: str,
    currency: str,
    initials: str,
    colour: int,
    tenant_id: TenantId | None = None,
) -> Company:
    """Let a company in; inside the operator's context. From the commit on its own context can be entered.

    Args:
        session: in the operator's context.
        name: as it stands on invoices, up to 120 signs.
        country: ISO 3166-1 alpha-2.
        zone: IANA, e.g. `Europe/London`.
        language: one of `LANGUAGES`.
        currency: ISO 4217; what the company is billed in.
        initials: one or two signs for its brand square.
        colour: 0..7, the brand square's colour.
        tenant_id: an id made beforehand (the operator's own, in set-up).

    Raises:
        MalformedSettingError: a value is not what it must be; `details["field"]` names it.
    """
    _check(name=name, country=country, currency=currency, initials=initials, colour=colour)
    _check_place(zone=zone, language=language)
    chosen = tenant_id or TenantId(new_id())
    gate.admit(session, tenant_id=chosen)
    row = CompanyRow(
        tenant_id=chosen,
        name=name,
        country=country,
        zone=zone,
        language=language,
        currency=currency,
        initials=initials,
        colour=colour,
        status="active",
        opened_at=clock.now(),
        revision=1,
        number_format=AUTO.numbers,
        date_format=AUTO.days,
        clock_format=AUTO.clock,
        requires_second_step=False,
    )
    session.add(row)
    session.flush()
    evidence.record(session, "company.opened", "ten", chosen)
    return _company(row)


def was_opened(session: Session, *, tenant_id: TenantId) -> bool:
    """Return whether the tenant's company was opened; the operator's own is not before somebody does so."""
    return session.get(CompanyRow, tenant_id) is not None


def read(session: Session, *, tenant_id: TenantId) -> Company:
    """Return the tenant's company.

    Raises:
        CompanyMissingError: it was never opened.
    """
    return _company(_row(session, tenant_id))


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    revision: int,
    name: str,
    zone: str,
    language: str,
    initials: str,
    colour: int,
    formats: Formats,
    budget_minor: int | None,
    requires_second_step: bool,
) -> Company:
    """Change what a company may change itself; country and currency stand on invoices and stay.

    Raises:
        CompanyChangedError: somebody saved it since `revision`; nothing was written.
        MalformedSettingError: a value is not what it must be; `details["field"]` names it.
    """
    row = session.get(CompanyRow, tenant_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise CompanyMissingError
    if row.revision != revision:
        raise CompanyChangedError
    _check(name=name, country=row.country, currency=row.currency, initials=initials, colour=colour)
    _check_place(zone=zone, language=language)
    for field, value, known in (
        ("number_format", formats.numbers, NUMBER_FORMATS),
        ("date_format", formats.days, DATE_FORMATS),
        ("clock_format", formats.clock, CLOCK_FORMATS),
    ):
        if value not in known:
            raise MalformedSettingError(field=field)
    if budget_minor is not None and not 0 < budget_minor <= _MOST_BUDGET:
        raise MalformedSettingError(field="budget")
    row.name, row.zone, row.language = name, zone, language
    row.initials, row.colour = initials, colour
    row.number_format, row.date_format, row.clock_format = formats.numbers, formats.days, formats.clock
    row.budget_minor = budget_minor
    is_turned = row.requires_second_step != requires_second_step
    row.requires_second_step = requires_second_step
    row.revision = revision + 1
    session.flush()
    evidence.record(session, "company.changed", "ten", tenant_id, revision=row.revision)
    if is_turned:
        deed = "company.step-required" if requires_second_step else "company.step-freed"
        evidence.record(session, deed, "ten", tenant_id)
    return _company(row)


def clients(session: Session) -> Sequence[Company]:
    """Return every client company by name; inside the operator's context, the only one that sees them."""
    rows = session.scalars(
        select(CompanyRow)
        .where(CompanyRow.tenant_id != OPERATOR)
        .order_by(CompanyRow.name, CompanyRow.tenant_id)
    )
    return [_company(row) for row in rows]


def served(session: Session) -> Sequence[Company]:
    """Return the clients that work is done for, by name: all but those whose keys are destroyed.

    In the operator's context.
    """
    gone = set(
        session.scalars(
            select(CompanyDeletionRow.company_id).where(
                CompanyDeletionRow.tenant_id == OPERATOR, CompanyDeletionRow.done_at.is_not(None)
            )
        )
    )
    return [one for one in clients(session) if one.tenant_id not in gone]


def suspend(session: Session, *, tenant_id: TenantId) -> Company:
    """Shut a company's door; inside the operator's context. Its people and programs get in no more."""
    return _set_status(session, tenant_id, "suspended")


def reinstate(session: Session, *, tenant_id: TenantId) -> Company:
    """Open a suspended company's door again; inside the operator's context.

    Raises:
        CompanyClosedError: it is closed.
    """
    if _row(session, tenant_id).status == "closed":
        raise CompanyClosedError
    return _set_status(session, tenant_id, "active")


def close(session: Session, *, tenant_id: TenantId) -> Company:
    """Close a company; inside the operator's context. Only calling its deletion off leads back."""
    return _set_status(session, tenant_id, "closed")


def is_open(session: Session, *, tenant_id: TenantId) -> bool:
    """Return whether the company may be called; one that was only admitted has not been closed."""
    row = session.get(CompanyRow, tenant_id)
    return row is None or row.status == "active"


def _set_status(session: Session, tenant_id: TenantId, status: str) -> Company:
    row = _row(session, tenant_id)
    gate.admit(session, tenant_id=tenant_id, status=status)
    row.status = status
    session.flush()
    evidence.record(session, _DEEDS[status], "ten", tenant_id)
    return _company(row)


_DEEDS = {"active": "company.reinstated", "suspended": "company.suspended", "closed": "company.closed"}


@functools.cache
def zones() -> frozenset[str]:
    """Return the names of all time zones; the data's folder is walked once."""
    return frozenset(zoneinfo.available_timezones())


def _row(session: Session, tenant_id: TenantId) -> CompanyRow:
    row = session.get(CompanyRow, tenant_id)
    if row is None:
        raise CompanyMissingError
    return row


def _company(row: CompanyRow) -> Company:
    return Company(
        TenantId(row.tenant_id),
        row.name,
        row.country,
        row.zone,
        row.language,
        row.currency,
        row.initials,
        row.colour,
        row.status,
        row.revision,
        Formats(row.number_format, row.date_format, row.clock_format),
        row.budget_minor,
        row.opened_at,
        row.requires_second_step,
    )


def _check(*, name: str, country: str, currency: str, initials: str, colour: int) -> None:
    if not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise MalformedSettingError(field="name")
    if country not in Locale("en").territories or len(country) != 2:  # noqa: PLR2004 - ISO 3166-1 alpha-2
        raise MalformedSettingError(field="country")
    if currency not in get_global("all_currencies"):
        raise MalformedSettingError(field="currency")
    if not 0 < len(initials.strip()) <= _LONGEST_INITIALS or not initials.isprintable():
        raise MalformedSettingError(field="initials")
    if not 0 <= colour < COLOURS:
        raise MalformedSettingError(field="colour")


def _check_place(*, zone: str, language: str) -> None:
    if zone not in zones():
        raise MalformedSettingError(field="zone")
    if language not in LANGUAGES:
        raise MalformedSettingError(field="language")
