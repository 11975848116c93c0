"""How every company stands, gathered one after the other and laid beside each other (`billing.figures`).

The periodic task takes the company whose figures are oldest first and stops after its share of time, so that
an installation of a dozen companies is a minute old and one of thousands a few minutes, and neither holds up
what else the worker has to do.
"""

import datetime as dt
import time
import zoneinfo

from sqlalchemy.orm import Session

from billing import accounts, ageing, credit, explorer, figures, invoices
from billing.errors import BillingAccountNotFoundError
from billing.figures import Figures
from billing.payments import attempts
from billing.payments.standing import Paid
from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from tenants import companies
from wiring import estimates
from wiring.closing import Means

_SHARE_S = 20
_TICK = dt.timedelta(microseconds=1)
_log = log.get(__name__)


def refresh(means: Means) -> None:
    """Take the figures of companies anew, the oldest first, for twenty seconds at most."""
    until = time.monotonic() + _SHARE_S
    with means.gate.open(Scope.system(OPERATOR)) as session:
        known = figures.taken_at(session)
        every = [one.tenant_id for one in companies.served(session)]
    never = min(known.values(), default=clock.now())
    for tenant_id in sorted(every, key=lambda one: (one in known, known.get(one, never))):
        if time.monotonic() > until:
            return
        try:
            take(means.gate, tenant_id=tenant_id)
        except SeatlineError as error:  # one company's trouble leaves its old figures, and no other's
            _log.warning("figures-not-taken", tenant=str(tenant_id), error=error.code)


def take(gate: Gate, *, tenant_id: TenantId) -> None:
    """Take one company's figures now; one without a billing account has none."""
    with gate.open(Scope.system(tenant_id)) as session:
        try:
            found = _of(session, tenant_id)
        except BillingAccountNotFoundError:
            return
    with gate.open(Scope.system(OPERATOR)) as session:
        figures.put(session, figures=found)


def _of(session: Session, tenant_id: TenantId) -> Figures:
    now = clock.now()
    accruals = estimates.accruals(session, tenant_id=tenant_id, now=now)
    bill = invoices.running_bill(session, tenant_id=tenant_id, now=now, accruals=accruals)
    zone = accounts.find(session, tenant_id=tenant_id).zone
    local = zoneinfo.ZoneInfo(zone)
    papers = invoices.every(session, tenant_id=tenant_id)
    stands = attempts.standings(session, tenant_id=tenant_id, these=papers, zone=zone)
    conflicts, rejects = explorer.undecided(session, tenant_id=tenant_id)
    aged = ageing.of(session, tenant_id=tenant_id)
    days = [one.cumulative_minor for one in bill.days]
    return Figures(
        company_id=tenant_id,
        currency=bill.currency,
        first_on=bill.period.start.astimezone(local).date(),
        # a month ends before midnight of the next month's first day
        last_on=(bill.period.end.astimezone(local) - _TICK).date(),
        days_minor=(*days[:-1], bill.bill.net_minor),
        running_minor=bill.bill.net_minor,
        unrated=bill.waiting,
        conflicts=conflicts,
        rejects=rejects,
        drafts=sum(one.state == "draft" and one.period.end <= now for one in papers),
        failed=sum(one.state in {Paid.FAILED, Paid.REQUIRES_ACTION} for one in stands.values()),
        overdue=sum(one.is_overdue for one in stands.values()),
        owed_minor=sum(aged.buckets_minor),
        aged_minor=aged.buckets_minor,
        on_account_minor=aged.on_account_minor,
        is_held=credit.held(session, tenant_id=tenant_id) is not None,
        taken_at=now,
    )
