"""Where, when and how much a company calls: what it chooses itself, and what the operator allows it.

The company chooses countries, prefixes and hours, and may set a smaller sum a day. The operator caps what can
be lost: calls at once, calls a second, money a day, the longest call. What nobody has set is the default,
which is narrow on purpose: toll fraud is a stolen password and one weekend (CFCA, Fraud Loss Survey 2021).
A company's first days are narrower still, because whoever means to steal opens an account first.
"""

import dataclasses
import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.errors import Conflict, Invalid
from core.ids import TenantId
from core.phone import COUNTRIES
from core.taken import refused_as
from security import evidence
from telephony.models import CallingCapsRow, CallingRulesRow
from telephony.outbound.hours import Window
from tenants import companies
from tenants.errors import CompanyMissingError

FIRST_DAYS = dt.timedelta(days=14)
EVERY_DAY = frozenset(range(1, 8))
USUAL_HOURS = Window(dt.time(7), dt.time(22), EVERY_DAY)
MOST_AT_ONCE, MOST_PER_SECOND = 10_000, 100
MOST_A_DAY_MINOR = 10**11
SHORTEST_CAP, LONGEST_CAP = dt.timedelta(minutes=1), dt.timedelta(hours=24)
_MOST_PREFIXES = 200
_SHORTEST_PREFIX, _LONGEST_PREFIX = 2, 15


class CallingLimitError(Invalid):
    """A limit that can never be; `field` in the details says which."""

    code = "calling-limit-invalid"


class CallingLimitsChangedError(Conflict):
    """Somebody saved these limits since they were read."""

    code = "calling-limits-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a company has chosen.

    Attributes:
        countries: ISO 3166-1 codes that may be called.
        prefixes: further numbers that may, by their first digits (`1809`, without `+`).
        hours: when calls may go out, in the company's own zone; None: at any hour.
        a_day_minor: the company's own limit a day, in minor units of its currency; None: only the operator's.
        may_type: agents may type a number, to call it or to bring it into a call in hand.
        revision: for who edits; 0: never changed.
    """

    countries: frozenset[str]
    prefixes: frozenset[str] = frozenset()
    hours: Window | None = USUAL_HOURS
    a_day_minor: int | None = None
    may_type: bool = True
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What the operator has set; None: the default stands.

    Attributes:
        is_trusted: the limits of the first days do not hold.
        at_once: calls out at the same time.
        per_second: calls out begun in one second.
        a_day_minor: money a day, in minor units of the company's currency.
        longest_in: the longest call that came in.
        longest_out: the longest call that went out.
        in_at_once: callers at the same time, on all numbers together.
        in_per_second: callers who are let in within one second.
        channels: calls at the same time over all trunks, both ways.
        revision: for who edits; 0: never changed.
    """

    is_trusted: bool = False
    at_once: int | None = None
    per_second: int | None = None
    a_day_minor: int | None = None
    longest_in: dt.timedelta | None = None
    longest_out: dt.timedelta | None = None
    in_at_once: int | None = None
    in_per_second: int | None = None
    channels: int | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Most:
    """How much may be called: `Caps` with every default filled in."""

    at_once: int
    per_second: int
    a_day_minor: int
    longest_in: dt.timedelta
    longest_out: dt.timedelta
    in_at_once: int
    in_per_second: int
    channels: int


# Amounts are minor units of whatever currency: 1,000.00 pounds, as many euros. A currency without
# cents gets 100,000 of its units, about the same money.
USUAL = Most(
    at_once=100,
    per_second=50,
    a_day_minor=100_000,
    longest_in=dt.timedelta(hours=4),
    longest_out=dt.timedelta(hours=2),
    in_at_once=1_000,  # callers cost their company nothing it could lose
    in_per_second=100,
    channels=1_000,
)
AT_FIRST = dataclasses.replace(USUAL, at_once=20, per_second=5, a_day_minor=20_000)


def rules(session: Session, *, tenant_id: TenantId, home: str) -> Rules:
    """Return what a company has chosen; `home` is the country it may call when it has chosen nothing."""
    row = session.get(CallingRulesRow, (tenant_id,), populate_existing=True)
    if row is None:
        return Rules(countries=frozenset({home}))
    hours = None
    if row.opens is not None and row.closes is not None:
        hours = Window(row.opens, row.closes, frozenset(row.days))
    return Rules(
        countries=frozenset(row.countries),
        prefixes=frozenset(row.prefixes),
        hours=hours,
        a_day_minor=row.a_day_minor,
        may_type=row.may_type,
        revision=row.revision,
    )


def change_rules(session: Session, *, tenant_id: TenantId, rules: Rules) -> Rules:
    """Keep what a company chooses; `rules.revision` is what was read.

    Raises:
        CallingLimitsChangedError: somebody saved since; nothing was written.
        CallingLimitError: a choice that cannot be.
    """
    _check_rules(rules)
    row = session.get(CallingRulesRow, (tenant_id,), with_for_update=True, populate_existing=True)
    if (row.revision if row else 0) != rules.revision:
        raise CallingLimitsChangedError
    row = row or CallingRulesRow(tenant_id=tenant_id)
    before = frozenset(row.countries or ())
    with refused_as(session, CallingLimitsChangedError):
        row.revision = rules.revision + 1
        row.countries, row.prefixes = sorted(rules.countries), sorted(rules.prefixes)
        row.opens = rules.hours.opens if rules.hours else None
        row.closes = rules.hours.closes if rules.hours else None
        row.days = sorted(rules.hours.days) if rules.hours else []
        row.a_day_minor, row.may_type = rules.a_day_minor, rules.may_type
        session.add(row)
    evidence.record(
        session,
        "calls-out.rules-changed",
        "ten",
        tenant_id,
        revision=row.revision,
        allowed=" ".join(sorted(rules.countries - before)),
        taken_away=" ".join(sorted(before - rules.countries)),
    )
    return dataclasses.replace(rules, revision=row.revision)


def caps(session: Session, *, tenant_id: TenantId) -> Caps:
    """Return what the operator has set for a company."""
    row = session.get(CallingCapsRow, (tenant_id,), populate_existing=True)
    if row is None:
        return Caps()
    return Caps(
        is_trusted=row.is_trusted,
        at_once=row.at_once,
        per_second=row.per_second,
        a_day_minor=row.a_day_minor,
        longest_in=_span(row.longest_in_s),
        longest_out=_span(row.longest_out_s),
        in_at_once=row.in_at_once,
        in_per_second=row.in_per_second,
        channels=row.channels,
        revision=row.revision,
    )


def change_caps(session: Session, *, tenant_id: TenantId, caps: Caps) -> Caps:
    """Keep what the operator sets, inside the company's walls; `caps.revision` is what was read.

    Raises:
        CallingLimitsChangedError: somebody saved since; nothing was written.
        CallingLimitError: a cap that cannot be.
    """
    _check_caps(caps)
    row = session.get(CallingCapsRow, (tenant_id,), with_for_update=True, populate_existing=True)
    if (row.revision if row else 0) != caps.revision:
        raise CallingLimitsChangedError
    row = row or CallingCapsRow(tenant_id=tenant_id)
    with refused_as(session, CallingLimitsChangedError):
        row.revision = caps.revision + 1
        row.is_trusted, row.at_once, row.per_second = caps.is_trusted, caps.at_once, caps.per_second
        row.a_day_minor = caps.a_day_minor
        row.longest_in_s, row.longest_out_s = _seconds(caps.longest_in), _seconds(caps.longest_out)
        row.in_at_once, row.in_per_second = caps.in_at_once, caps.in_per_second
        row.channels = caps.channels
        session.add(row)
    evidence.record(session, "calls-out.caps-changed", "ten", tenant_id, revision=row.revision)
    return dataclasses.replace(caps, revision=row.revision)


def is_new(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> bool:
    """Return whether a company is in its first days; one that was only admitted has none."""
    try:
        opened_at = companies.read(session, tenant_id=tenant_id).opened_at
    except CompanyMissingError:
        return False
    return opened_at is not None and at < opened_at + FIRST_DAYS


def most(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> Most:
    """Return how much a company may call now: what the operator has set, else the default of its age."""
    set_ = caps(session, tenant_id=tenant_id)
    is_young = not set_.is_trusted and is_new(session, tenant_id=tenant_id, at=at)
    own = {one.name: getattr(set_, one.name) for one in dataclasses.fields(Most)}
    return dataclasses.replace(
        AT_FIRST if is_young else USUAL, **{name: one for name, one in own.items() if one is not None}
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that bounds a company's calls out at an instant."""

    home: str
    rules: Rules
    most: Most


def of(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> Limits:
    """Return what bounds a company's calls out now; `home` is empty for one that was only admitted."""
    home = home_of(session, tenant_id=tenant_id, otherwise="")
    return Limits(
        home, rules(session, tenant_id=tenant_id, home=home), most(session, tenant_id=tenant_id, at=at)
    )


def home_of(session: Session, *, tenant_id: TenantId, otherwise: str) -> str:
    """Return a company's own country; `otherwise` for one that was only admitted."""
    try:
        return companies.read(session, tenant_id=tenant_id).country
    except CompanyMissingError:
        return otherwise


def _check_rules(rules: Rules) -> None:
    if not rules.countries <= COUNTRIES:
        raise CallingLimitError(field="countries")
    if len(rules.prefixes) > _MOST_PREFIXES or not _are_prefixes(rules.prefixes):
        raise CallingLimitError(field="prefixes")
    if rules.a_day_minor is not None and not 0 < rules.a_day_minor <= MOST_A_DAY_MINOR:
        raise CallingLimitError(field="a_day")


def _are_prefixes(found: Collection[str]) -> bool:
    return all(
        one.isascii() and one.isdigit() and one[0] != "0" and _SHORTEST_PREFIX <= len(one) <= _LONGEST_PREFIX
        for one in found
    )


def _check_caps(caps: Caps) -> None:
    wrong = {
        "at_once": caps.at_once is not None and not 0 <= caps.at_once <= MOST_AT_ONCE,
        "per_second": caps.per_second is not None and not 1 <= caps.per_second <= MOST_PER_SECOND,
        "a_day": caps.a_day_minor is not None and not 0 <= caps.a_day_minor <= MOST_A_DAY_MINOR,
        "longest_in": caps.longest_in is not None and not SHORTEST_CAP <= caps.longest_in <= LONGEST_CAP,
        "in_at_once": caps.in_at_once is not None and not 1 <= caps.in_at_once <= MOST_AT_ONCE,
        "channels": caps.channels is not None and not 1 <= caps.channels <= MOST_AT_ONCE,
        "in_per_second": caps.in_per_second is not None and not 1 <= caps.in_per_second <= MOST_PER_SECOND,
        "longest_out": caps.longest_out is not None and not SHORTEST_CAP <= caps.longest_out <= LONGEST_CAP,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise CallingLimitError(field=field)


def _span(seconds: int | None) -> dt.timedelta | None:
    return None if seconds is None else dt.timedelta(seconds=seconds)


def _seconds(span: dt.timedelta | None) -> int | None:
    return None if span is None else span // dt.timedelta(seconds=1)
