"""Calls in of a company that pays beforehand: paid for before anybody talks, and while they go on.

When a call's row is written, some minutes of talk are kept of the wallet, in the same transaction; the row
says how many. From the talk on it costs: then they are priced anew, by the hour at which it began, and
before they are over more is asked for, as of a call out (`telephony.outbound.longer`). Hanging up settles it,
once (`telephony.calls.finish`). What has no price is kept nothing for: it waits as unrated usage.

Who wants several of these rows takes the wallet first and does not wait for a call's row behind it: hanging
up takes them the other way round.
"""

import datetime as dt

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing import credit
from core import clock
from core.ids import CallId, TenantId
from core.phone import rating_prefix
from telephony.calls import INBOUND, METERS, Arrival
from telephony.models import CallRow
from telephony.outbound import limits, spend
from tenants import alarms

METER = METERS[INBOUND]
_FORGOTTEN = dt.timedelta(hours=12)  # after the longest a call may last nobody can be in it
_NOTHING = dt.timedelta()
_MINUTE = dt.timedelta(minutes=1)


def keep(session: Session, *, arrival: Arrival) -> dt.timedelta | None:
    """Keep the first minutes of talk for a call whose row has just been written; may be repeated.

    Returns:
        For how much talk there is money; nothing (0): the caller is to be turned away, and the company and
        the operator are told. None: it is not paid beforehand, or has no price.
    """
    tenant_id, at = arrival.tenant_id, arrival.arrived_at
    purse = credit.left(session, tenant_id=tenant_id, lock=True)
    if purse is None:
        return None
    mine = (CallRow.tenant_id == tenant_id, CallRow.id == arrival.call_id)
    before = session.execute(select(CallRow.paid_s).where(*mine)).scalar()
    if before is not None:
        return dt.timedelta(seconds=before)
    prefix = rating_prefix(arrival.dialled)
    longest = limits.most(session, tenant_id=tenant_id, at=at).longest_in
    found = spend.reserve(
        session,
        tenant_id=tenant_id,
        meter=METER,
        prefix=prefix,
        longest=min(longest, spend.AT_A_TIME),
        left_nano=purse,
        at=at,
        shortest=spend.SHORTEST_PAID,
    )
    if found is None and not _has_price(session, tenant_id, prefix, at):
        return None
    is_paid = found is not None and credit.keep(
        session,
        tenant_id=tenant_id,
        use_id=arrival.call_id,
        net_nano=found.nano,
        until=at + longest + _FORGOTTEN,
    )
    paid = found.longest if found and is_paid else _NOTHING
    session.execute(update(CallRow).where(*mine).values(paid_s=int(paid.total_seconds())))
    if not paid:
        alarms.raise_alarm(session, "calls-in-not-paid", tenant_id=tenant_id)
    return paid


def lengthen(session: Session, *, tenant_id: TenantId, call_id: CallId) -> dt.timedelta | None:
    """Keep more for a call in that is talked in, where it nears the end of what is kept.

    Before, what is kept is put right by the price of the hour at which the talk began.

    Returns:
        For how much talk is paid in all now; what was paid before stands, whatever is left. None: nobody
        talks in it, or its row is being written: ask again.
    """
    if credit.left(session, tenant_id=tenant_id, lock=True) is None:
        return None
    row = session.scalars(
        select(CallRow)
        .where(CallRow.tenant_id == tenant_id, CallRow.id == call_id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or row.paid_s is None or row.bridged_at is None or row.ended_at is not None:
        return None
    so_far, talked = dt.timedelta(seconds=row.paid_s), clock.now() - row.bridged_at
    most = limits.most(session, tenant_id=tenant_id, at=clock.now()).longest_in
    wants = so_far - talked <= spend.LENGTHENED_BEFORE
    # it may have gone on beyond what is paid for, while nobody watched
    more = [max(so_far, talked) + step for step in (spend.AT_A_TIME, _MINUTE)] if wants else []
    for wanted in (*more, so_far):
        longest = max(so_far, min(wanted, most))
        if not longest:
            continue
        whole_s = int(longest.total_seconds())
        nano = credit.price(
            session,
            tenant_id=tenant_id,
            meter=METER,
            prefix=rating_prefix(row.dialled),
            duration_s=whole_s + int(spend.GRACE.total_seconds()),
            at=row.bridged_at,
        )
        if nano is None:
            return most
        until = row.bridged_at + most + _FORGOTTEN
        if credit.keep(session, tenant_id=tenant_id, use_id=call_id, net_nano=nano, until=until):
            row.paid_s = whole_s
            session.flush()
            break
    return dt.timedelta(seconds=row.paid_s)


def _has_price(session: Session, tenant_id: TenantId, prefix: str, at: dt.datetime) -> bool:
    found = credit.price(session, tenant_id=tenant_id, meter=METER, prefix=prefix, duration_s=60, at=at)
    return found is not None
