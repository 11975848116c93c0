"""Which price list a company follows, and which one from a day on.

The account names the list whose versions reach the company as they are published (`wiring.subscriptions`). A
change is planned for a day to come: the other list's prices are taken over at once, for that day and after,
so nothing has to happen at midnight. Until then it may be replaced or taken back; tariffs are only ever
added, and of several from the same instant the last one stands (`billing.tariffs`).
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy.orm import Session

from billing import accounts, periods, tariffs
from billing.accounts import Account
from billing.errors import PriceListChangeError
from billing.price_lists import Published
from billing.rating.tariff import decode
from core import clock
from core.ids import TenantId
from security import evidence


class NoChange(StrEnum):
    """Why a company's price list cannot be changed like that."""

    SAME = "same"
    UNPRICED = "unpriced"
    CURRENCY = "currency"
    STARTED = "started"
    MOVED = "moved"
    NOTHING = "nothing"


def plan(
    session: Session,
    *,
    tenant_id: TenantId,
    kept: str,
    kept_versions: Sequence[Published],
    to: str,
    versions: Sequence[Published],
    start: dt.datetime,
) -> Account:
    """Let a company follow another price list from an instant on; a change planned before is replaced.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        kept: the code of the list it follows, as it was when `kept_versions` were read.
        kept_versions: all that is published of that list, oldest first; they hold until `start`.
        to: the code of the other list.
        versions: all that is published of that one, oldest first, and held (`price_lists.hold`).
        start: aware instant after now: what was used before it has been rated.

    Raises:
        PriceListChangeError: `reason` in its details is a `NoChange`.
        BillingAccountNotFoundError: the company has no account.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    _insist(account.price_list == kept, NoChange.MOVED)
    _insist(to != account.price_list, NoChange.SAME)
    _insist(start > clock.now(), NoChange.STARTED)
    steps = _steps(versions, start)
    _insist(bool(steps) and steps[0][0] == start, NoChange.UNPRICED)
    _insist(all(decode(one.content).currency == account.currency for _, one in steps), NoChange.CURRENCY)
    since = min(start, account.next_price_list_at or start)
    before = [step for step in _steps(kept_versions, since) if step[0] < start]
    _insist(since == start or bool(before and before[0][0] == since), NoChange.UNPRICED)
    tariffs.replan(session, tenant_id=tenant_id, steps=[*before, *steps], start=since)
    accounts.plan_prices(session, tenant_id=tenant_id, price_list=to, at=start)
    since_on = periods.day_of(start, zone=account.zone).isoformat()
    evidence.record(session, "company-prices.planned", "ten", tenant_id, was=kept, now=to, since=since_on)
    return accounts.find(session, tenant_id=tenant_id)


def keep(session: Session, *, tenant_id: TenantId, kept: str, kept_versions: Sequence[Published]) -> Account:
    """Take a planned change back: the company goes on with the list it follows.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        kept: the code of the list it follows, as it was when `kept_versions` were read.
        kept_versions: all that is published of that list, oldest first, and held.

    Raises:
        PriceListChangeError: nothing is planned, or it has begun.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    _insist(account.price_list == kept, NoChange.MOVED)
    start = account.next_price_list_at
    if start is None:
        raise PriceListChangeError(reason=NoChange.NOTHING.value)
    steps = _steps(kept_versions, start)
    _insist(bool(steps) and steps[0][0] == start, NoChange.UNPRICED)
    tariffs.replan(session, tenant_id=tenant_id, steps=steps, start=start)
    accounts.plan_prices(session, tenant_id=tenant_id, price_list="", at=None)
    evidence.record(session, "company-prices.kept", "ten", tenant_id, was=account.next_price_list, now=kept)
    return accounts.find(session, tenant_id=tenant_id)


def hand_over(
    session: Session, *, tenant_id: TenantId, code: str, versions: Sequence[Published], version: Published
) -> bool:
    """Give a company a version that has come out, as far as it follows its list; return whether it does.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        code: of the list.
        versions: all that is published of the list, oldest first.
        version: the one that has come out.

    Raises:
        TariffConflictError: other prices were taken over from that instant or later.
        BillingAccountNotFoundError: the company has no account.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    if code not in {account.price_list, account.next_price_list}:
        return False
    account = accounts.lock(session, tenant_id=tenant_id)
    planned_at = account.next_price_list_at
    if planned_at is None:
        if account.price_list == code:
            tariffs.take(session, tenant_id=tenant_id, version=version)
        return account.price_list == code
    if code == account.price_list:
        steps = [step for step in _steps(versions, version.effective_from) if step[0] < planned_at]
        tariffs.replan(
            session, tenant_id=tenant_id, steps=steps, start=version.effective_from, until=planned_at
        )
        return bool(steps)
    if code == account.next_price_list:
        tariffs.replan(session, tenant_id=tenant_id, steps=_steps(versions, planned_at), start=planned_at)
        return True
    return False


def _steps(versions: Sequence[Published], start: dt.datetime) -> list[tuple[dt.datetime, Published]]:
    """Return which versions hold from an instant on, each with its first moment."""
    past = [one for one in versions if one.effective_from <= start]
    later = [one for one in versions if one.effective_from > start]
    return [(start, one) for one in past[-1:]] + [(one.effective_from, one) for one in later]


def _insist(holds: bool, reason: NoChange) -> None:  # noqa: FBT001 - said at each call
    if not holds:
        raise PriceListChangeError(reason=reason.value)
