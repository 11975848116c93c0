"""What service was promised for a month and how it was, in words and amounts, as pages and API say it."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from decimal import Decimal

from flask_babel import format_percent
from sqlalchemy.orm import Session

from billing import accounts, service_levels
from billing.agreed import Count
from billing.documents.arithmetic import explained
from billing.rating.terms import ServiceLevel
from billing.service_levels import Kept, Service
from core.ids import TenantId
from core.money import NANO, Money, exponent
from web.shown import what_if, wording

_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class PromiseShown:
    """One promise; see templates/portal/service_levels.html. `share` is empty while nobody has counted."""

    name: str
    promised: str
    steps: tuple[tuple[str, str], ...]  # below so much, so much of the bill comes back
    most: Money | None
    applies_to: str
    share: str
    is_kept: bool | None
    counts: tuple[tuple[Count, str], ...]
    offered: int
    in_time: int
    credit: Money | None
    explained: str


def of(session: Session, *, tenant_id: TenantId, month: str) -> Service:
    """Return a month's promised service by the month as a field says it (`2026-10`); the last one otherwise.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
    """
    zone = accounts.find(session, tenant_id=tenant_id).zone
    start = what_if.month_of(month, zone=zone).start
    month_on = start.astimezone(zoneinfo.ZoneInfo(zone)).date()
    return service_levels.of(session, tenant_id=tenant_id, month_on=month_on)


def months(session: Session, *, tenant_id: TenantId) -> list[tuple[str, dt.date]]:
    """Return the months to choose from, newest first."""
    return what_if.months(zone=accounts.find(session, tenant_id=tenant_id).zone)


def shown(one: Kept, *, currency: str) -> PromiseShown:
    """Return a promise in words."""
    level = one.promise.level
    return PromiseShown(
        name=wording.named(one.promise.names, level.code),
        promised=percent(level.steps[0].below_ppm),
        steps=tuple((percent(step.below_ppm), percent(step.back_ppm)) for step in level.steps),
        most=most(level, currency=currency),
        applies_to=", ".join(wording.meter(meter) for meter in level.meters),
        share="" if one.share_ppm is None else percent(one.share_ppm),
        is_kept=one.is_kept,
        counts=tuple(
            (count, percent(count.in_time * _PPM // count.offered) if count.offered else "")
            for count in one.counts
        ),
        offered=one.offered,
        in_time=one.in_time,
        credit=Money(-one.credit.amount_minor, currency) if one.credit else None,
        explained=explained(one.credit, currency=currency, language=wording.language()) if one.credit else "",
    )


def most(level: ServiceLevel, *, currency: str) -> Money | None:
    """Return what comes back at most; None: no such bound."""
    if level.most_nano is None:
        return None
    return Money(level.most_nano * 10 ** exponent(currency) // NANO, currency)


def percent(ppm: int) -> str:
    """Return a share in words: `82.5%`."""
    return str(format_percent(Decimal(ppm) / _PPM, "#,##0.##%"))
