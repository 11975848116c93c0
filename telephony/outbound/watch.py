"""What looks like toll fraud while it happens: a new country, nobody answering, short calls to one range.

None of this stops a call: the limits do that. It tells people, so that somebody looks (`tenants.alarms`).
Fraud that earns at the call (IRSF) opens a country nobody called before, or rings one range of numbers that
all belong to the same carrier, again and again; who tries numbers by machine has few answers.
"""

import datetime as dt

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import TenantId
from core.phone import E164, country_of
from telephony.events import DialEnded, DialOutcome
from telephony.models import CallingCountryRow, CallingDayRow, DialDecisionRow, OutboundDialRow
from tenants import alarms, companies
from tenants.errors import CompanyMissingError

SHORT = dt.timedelta(seconds=10)
SHORT_ONES, SHORT_WITHIN = 10, dt.timedelta(minutes=10)
LATEST, USUAL_CALLS = 50, 200  # calls that are compared, and so many of the week before make it usual
EVERY = 25  # calls: so often it is looked
_WEEK = dt.timedelta(days=7)
_TALKED = (DialOutcome.CONNECTED.value, DialOutcome.HUNG_UP.value)
_NOT_PLACED = (DialOutcome.NO_AGENT.value, DialOutcome.EXPIRED.value, DialOutcome.CANCELLED.value)


def called(session: Session, *, tenant_id: TenantId, number: E164, at: dt.datetime) -> None:
    """Remember the country a company calls; the first call to one that is not its own is told."""
    country = country_of(number)
    is_first = session.execute(
        insert(CallingCountryRow)
        .values(tenant_id=tenant_id, country=country, first_at=at)
        .on_conflict_do_nothing()
        .returning(CallingCountryRow.country)
    ).scalar()
    if is_first and country != (_home(session, tenant_id) or country):
        alarms.raise_alarm(
            session, "calls-out-new-country", tenant_id=tenant_id, subject=country, country=country
        )


def ended(session: Session, *, event: DialEnded) -> None:
    """Look at what a dial that is over adds to; in the company's own transaction."""
    if event.call_id is None:
        return
    answered_at = event.answered_at
    if answered_at and event.outcome.value in _TALKED and event.ended_at - answered_at < SHORT:
        _short(session, event)
    _unanswered(session, event)


def _short(session: Session, event: DialEnded) -> None:
    """Count the short calls to the same hundred hundred numbers; each tenth is told."""
    decision = and_(
        DialDecisionRow.tenant_id == OutboundDialRow.tenant_id,
        DialDecisionRow.attempt_id == OutboundDialRow.attempt_id,
        DialDecisionRow.is_cleared,
    )
    prefix = session.execute(
        select(DialDecisionRow.prefix).where(
            DialDecisionRow.tenant_id == event.tenant_id,
            DialDecisionRow.attempt_id == event.attempt_id,
            DialDecisionRow.is_cleared,
        )
    ).scalar()
    found = session.execute(
        select(func.count())
        .select_from(OutboundDialRow)
        .join(DialDecisionRow, decision)
        .where(
            OutboundDialRow.tenant_id == event.tenant_id,
            OutboundDialRow.outcome.in_(_TALKED),
            OutboundDialRow.ended_at > event.ended_at - SHORT_WITHIN,
            OutboundDialRow.ended_at <= event.ended_at,
            OutboundDialRow.ended_at - OutboundDialRow.answered_at < SHORT,
            DialDecisionRow.prefix == prefix,
        )
    ).scalar_one()
    if prefix and found and found % SHORT_ONES == 0:
        alarms.raise_alarm(
            session,
            "calls-out-short",
            tenant_id=event.tenant_id,
            subject=f"+{prefix}",
            calls=found,
            minutes=SHORT_WITHIN // dt.timedelta(minutes=1),
        )


def _unanswered(session: Session, event: DialEnded) -> None:
    """Compare how many of the latest calls were answered with the week before; half is told."""
    tenant_id, today = event.tenant_id, event.ended_at.date()
    usual = session.execute(
        select(
            func.coalesce(func.sum(CallingDayRow.calls), 0),
            func.coalesce(func.sum(CallingDayRow.answered), 0),
        ).where(CallingDayRow.tenant_id == tenant_id, CallingDayRow.day > today - _WEEK)
    ).one()
    if usual[0] < USUAL_CALLS or usual[0] % EVERY:
        return
    latest = (
        select(OutboundDialRow.answered_at)
        .where(
            OutboundDialRow.tenant_id == tenant_id,
            OutboundDialRow.outcome.is_not(None),
            OutboundDialRow.outcome.not_in(_NOT_PLACED),
            OutboundDialRow.ended_at <= event.ended_at,
        )
        .order_by(OutboundDialRow.ended_at.desc())
        .limit(LATEST)
        .subquery()
    )
    placed, answered = session.execute(select(func.count(), func.count(latest.c.answered_at))).one()
    if placed == LATEST and 2 * answered * usual[0] < usual[1] * placed:
        alarms.raise_alarm(
            session,
            "calls-out-unanswered",
            tenant_id=tenant_id,
            subject=today.isoformat(),
            answered=answered,
            of=placed,
            usual_percent=round(100 * usual[1] / usual[0]),
        )


def _home(session: Session, tenant_id: TenantId) -> str:
    try:
        return companies.read(session, tenant_id=tenant_id).country
    except CompanyMissingError:
        return ""
