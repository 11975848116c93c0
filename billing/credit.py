"""Credit: may this company spend on this, now?

Asked before anything that costs money is begun. The rule today: there is an account to bill, the operator
has not put it on hold, and the tariff in force has a price for the destination and has not blocked it (what
has no price is never free, so it must not be begun either). A company that pays beforehand has to have
something in its wallet, and what a call may cost is kept there until the call is over (`billing.wallets`).
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing import accounts, charges, tariffs, wallets
from billing.errors import BillingAccountNotFoundError, CreditHoldReasonError
from billing.models import CreditHoldRow
from billing.rating.rules import Outcome
from core import clock
from core.ids import TenantId, new_id
from security import evidence

_LONGEST_REASON = 200
_A_MINUTE_S = 60


class Cause(StrEnum):
    """Who put an account on hold."""

    PERSON = "person"
    DUNNING = "dunning"  # by ourselves, until what is late is paid


class NoCredit(StrEnum):
    """Why a company may not spend."""

    NO_ACCOUNT = "no-account"
    ON_HOLD = "on-hold"
    NOT_PRICED = "not-priced"
    BLOCKED = "blocked"
    NO_BALANCE = "no-balance"


@dataclass(frozen=True, slots=True)
class Hold:
    """An account put on hold: why, since when, and by whom."""

    reason: str
    placed_at: dt.datetime
    placed_by: UUID
    cause: Cause = Cause.PERSON


def hold(
    session: Session, *, tenant_id: TenantId, reason: str, by: UUID, cause: Cause = Cause.PERSON
) -> Hold:
    """Put an account on hold; one that is on hold already stays so, with its first reason.

    Raises:
        BillingAccountNotFoundError: there is no account.
        CreditHoldReasonError: no reason, or one over 200 signs.
    """
    if not 0 < len(reason.strip()) <= _LONGEST_REASON:
        raise CreditHoldReasonError
    accounts.find(session, tenant_id=tenant_id)
    session.execute(
        insert(CreditHoldRow)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            reason=reason.strip(),
            placed_at=clock.now(),
            placed_by=by,
            cause=cause.value,
        )
        .on_conflict_do_nothing()
    )
    row = session.scalars(_present(tenant_id).execution_options(populate_existing=True)).one()
    evidence.record(session, "credit-hold.placed", "ten", tenant_id)
    return _hold(row)


def release(session: Session, *, tenant_id: TenantId, by: UUID) -> bool:
    """Lift the hold; return False when there was none."""
    lifted = session.execute(
        update(CreditHoldRow)
        .where(CreditHoldRow.tenant_id == tenant_id, CreditHoldRow.lifted_at.is_(None))
        .values(lifted_at=clock.now(), lifted_by=by)
        .returning(CreditHoldRow.id)
    ).scalar()
    if lifted is not None:
        evidence.record(session, "credit-hold.lifted", "ten", tenant_id)
    return lifted is not None


def held(session: Session, *, tenant_id: TenantId) -> Hold | None:
    """Return the hold on an account, or None."""
    row = session.scalars(_present(tenant_id)).one_or_none()
    return _hold(row) if row else None


def refusal(
    session: Session, *, tenant_id: TenantId, meter: str, prefix: str, at: dt.datetime
) -> NoCredit | None:
    """Return why a company may not begin to use something now, or None: it may.

    Args:
        session: in the tenant's context.
        tenant_id: who would pay.
        meter: what would be used, e.g. "voice.outbound".
        prefix: digits of the number that decides the price, without its last four.
        at: aware instant of the use; decides the tariff.
    """
    try:
        accounts.find(session, tenant_id=tenant_id)
    except BillingAccountNotFoundError:
        return NoCredit.NO_ACCOUNT
    if held(session, tenant_id=tenant_id):
        return NoCredit.ON_HOLD
    purse = left(session, tenant_id=tenant_id)
    if purse is not None and purse <= 0:
        return NoCredit.NO_BALANCE
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=at)
    if in_force is None:
        return NoCredit.NOT_PRICED
    rating = in_force.tariff.rate(meter=meter, prefix=prefix, duration_s=_A_MINUTE_S, answered_at=at)
    match rating.outcome:
        case Outcome.RATED:
            return None
        case Outcome.REFUSED:
            return NoCredit.BLOCKED
        case _:
            return NoCredit.NOT_PRICED


def price(
    session: Session, *, tenant_id: TenantId, meter: str, prefix: str, duration_s: int, at: dt.datetime
) -> int | None:
    """Return what so long a use begun now would cost, in nano-units; None: it has no price.

    What is about to be spent is reserved by it.
    """
    in_force = tariffs.in_force(session, tenant_id=tenant_id, at=at)
    if in_force is None:
        return None
    return in_force.tariff.rate(meter=meter, prefix=prefix, duration_s=duration_s, answered_at=at).amount_nano


def is_prepaid(session: Session, *, tenant_id: TenantId) -> bool:
    """Return whether a company pays beforehand."""
    return wallets.find(session, tenant_id=tenant_id) is not None


def left(session: Session, *, tenant_id: TenantId, lock: bool = False) -> int | None:
    """Return what a company may still spend, in nano-units before tax; None: it pays by invoice.

    `lock`: nobody else spends of it until the transaction ends.
    """
    wallet = wallets.find(session, tenant_id=tenant_id, lock=lock)
    if wallet is None:
        return None
    return wallets.before_tax(session, tenant_id=tenant_id, gross_nano=wallet.available_nano)


def keep(session: Session, *, tenant_id: TenantId, use_id: UUID, net_nano: int, until: dt.datetime) -> bool:
    """Keep what a use may cost, more of it the second time; return False when there is not so much.

    Args:
        session: in the company's context.
        tenant_id: who pays; one that pays by invoice keeps nothing, and may.
        use_id: the use: a call.
        net_nano: its price for the longest it may last, before tax.
        until: when nobody can be at it any more.
    """
    if wallets.find(session, tenant_id=tenant_id) is None:
        return True
    gross = wallets.with_tax(session, tenant_id=tenant_id, net_nano=net_nano)
    return wallets.reserve(
        session, tenant_id=tenant_id, use_id=use_id, amount_nano=gross, until=until
    ) and wallets.extend(session, tenant_id=tenant_id, use_id=use_id, amount_nano=gross, until=until)


def settle(session: Session, *, tenant_id: TenantId, use_id: UUID) -> None:
    """Take what a use was rated at from the wallet of who pays beforehand, once, and free the rest."""
    if wallets.find(session, tenant_id=tenant_id) is None:
        return
    cost = charges.of_subjects(session, tenant_id=tenant_id, subject_refs=[use_id]).get(use_id)
    net = cost.amount_nano if cost else 0
    gross = wallets.with_tax(session, tenant_id=tenant_id, net_nano=net)
    wallets.settle(session, tenant_id=tenant_id, use_id=use_id, cost_nano=gross)


def give_back(session: Session, *, tenant_id: TenantId, use_id: UUID) -> None:
    """Free what was kept for a use that did not come to be."""
    if wallets.find(session, tenant_id=tenant_id) is not None:
        wallets.release(session, tenant_id=tenant_id, use_id=use_id)


def _hold(row: CreditHoldRow) -> Hold:
    return Hold(row.reason, row.placed_at, row.placed_by, Cause(row.cause))


def _present(tenant_id: TenantId) -> Select[CreditHoldRow]:
    return select(CreditHoldRow).where(
        CreditHoldRow.tenant_id == tenant_id, CreditHoldRow.lifted_at.is_(None)
    )
