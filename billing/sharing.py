"""Calls with two payers: who agreed to pay what part, and how the other payer's part reaches its own walls.

The company whose call it is has the first charge run: its tariff says of which calls another company pays a
part (`rating.shares`), so it is charged its own part and nothing else. The second run stands behind the other
payer's walls: a usage event with a meter of its own, priced by an extract of that tariff, so that each side
works its part out from what it has, and both come to the whole. What crosses is a `Part`: seconds, instants
and the prefix that matched, never more of a number (docs/adr/0061-two-payers.md).

Told twice, late or out of turn nothing changes: the key of the second event is the first one's id, and of
several ratings of it the latest stands. A part on a final invoice stays as it was billed; what contradicts it
waits among the contradicting reports, until somebody settles it (`billing.settling`).
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from billing import accounts, tariffs, wallets
from billing.errors import BillingAccountNotFoundError, CostShareInvalidError, CostSharePayerError
from billing.events import CostShareAgreed
from billing.models import (
    CostShareRow,
    RatedChargeRow,
    UsageConflictRow,
    UsageDecisionRow,
    UsageEventRow,
)
from billing.rating import shares
from billing.rating.rules import Outcome
from billing.rating.shares import SUFFIX, Share, Split
from billing.rating.tariff import Tariff, encode
from billing.tariffs import InForce
from billing.usage import (
    SERVICE_RUN,
    SHARED_RUN,
    Usage,
    charge_values,
    closed_until,
    keep_contradiction,
    payload_sha256,
    record_event,
)
from core import clock, ids
from core.events import announce
from core.ids import TenantId, new_id
from security import evidence

SOURCE = "cost-share"
AT_ONCE = 500


class NoPayer(StrEnum):
    """Why a company cannot pay a part of another's calls."""

    SAME = "same"
    NO_ACCOUNT = "no-account"
    OTHER_CURRENCY = "other-currency"
    PREPAID = "prepaid"


class Took(StrEnum):
    """What became of a part: it stands, was known, or contradicts what is invoiced."""

    STANDS = "stands"
    KNOWN = "known"
    BILLED = "billed"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What holds from a day on between a company and another; no shares: nothing is shared any more.

    `is_other`: the company that reads it pays a part of the other's calls.
    """

    cost_share_id: UUID
    other_id: TenantId
    other_name: str
    is_other: bool
    effective_from: dt.datetime
    shares: tuple[Share, ...]
    set_by: UUID
    set_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A use of one company's as far as another pays for it: all that crosses the wall.

    Attributes:
        payer: who pays it.
        usage_ref: the use, by its id; `replaces`: others that it was taken for.
        rating_seq: the how-manieth rating of it this is.
        meter: the other side's.
        prefix: the digits that decided the price.
        content: the extract of prices with the share; None: nothing of it is left to pay.
        priced_from: since when those prices were in force.
    """

    payer: TenantId
    usage_ref: UUID
    replaces: tuple[UUID, ...]
    rating_seq: int
    meter: str
    prefix: str
    occurred_at: dt.datetime
    ended_at: dt.datetime
    quantity_ms: int
    content: str | None
    priced_from: dt.datetime


def agree(
    session: Session,
    *,
    tenant_id: TenantId,
    other_id: TenantId,
    other_name: str,
    agreed: Sequence[Share],
    start: dt.datetime,
    by: UUID,
) -> Agreed:
    """Let another company pay a part of a company's calls from an instant on; without shares, end that.

    Args:
        session: in the walls of the company whose calls they are.
        tenant_id: that company.
        other_id: who pays a part, looked at before (`refusal`).
        other_name: its name, as it stands on invoices.
        agreed: of which calls how much; none twice.
        start: aware instant, not before now.
        by: who sets it.

    Raises:
        CostShareInvalidError: shares that cannot be, a start in the past, or nothing to end.
        TariffConflictError: there are no prices, or some that take effect then or later.
    """
    accounts.lock(session, tenant_id=tenant_id)  # one agreement after the other
    newest = current(session, tenant_id=tenant_id)
    priced = tariffs.in_force(session, tenant_id=tenant_id, at=start)
    rates = priced.tariff.rates if priced else ()
    faults = list(shares.problems(agreed, priced=((one.meter, one.destination) for one in rates)))
    if start < clock.now():
        faults.append("calls have been rated already at this time")
    if not agreed and newest is None:
        faults.append("nothing is shared")
    if newest is not None and newest.other_id != other_id:
        faults.append(f"{newest.other_name} pays a part already, until that is ended")
    if faults:
        raise CostShareInvalidError(faults=faults)
    split = Split(ids.public("ten", other_id), other_name, tuple(agreed)) if agreed else None
    tariffs.share(session, tenant_id=tenant_id, split=split, start=start)
    row = CostShareRow(
        tenant_id=tenant_id,
        id=new_id(),
        other_id=other_id,
        other_name=other_name,
        is_other=False,
        effective_from=start,
        shares=_to_json(agreed),
        set_by=by,
        set_at=clock.now(),
    )
    session.add(row)
    session.flush()
    announce(session, CostShareAgreed(tenant_id=tenant_id, cost_share_id=row.id, other_id=other_id))
    evidence.record(
        session, "cost-share.agreed", "csh", row.id, with_=ids.public("ten", other_id), shares=len(agreed)
    )
    return _agreed(row)


def mirror(session: Session, *, tenant_id: TenantId, of: TenantId, of_name: str, agreed: Agreed) -> None:
    """Write an agreement on the other payer's side, once.

    Args:
        session: in the other payer's walls.
        tenant_id: the other payer.
        of: whose calls they are.
        of_name: its name, as it stands on invoices.
        agreed: as `find` returned it there.
    """
    fresh = session.execute(
        insert_or_skip(CostShareRow)
        .values(
            tenant_id=tenant_id,
            id=agreed.cost_share_id,
            other_id=of,
            other_name=of_name,
            is_other=True,
            effective_from=agreed.effective_from,
            shares=_to_json(agreed.shares),
            set_by=agreed.set_by,
            set_at=agreed.set_at,
        )
        .on_conflict_do_nothing()
        .returning(CostShareRow.id)
    ).scalar_one_or_none()
    if fresh is not None:
        evidence.record(
            session,
            "cost-share.agreed",
            "csh",
            agreed.cost_share_id,
            with_=ids.public("ten", of),
            shares=len(agreed.shares),
        )


def refusal(session: Session, *, tenant_id: TenantId, of: TenantId, currency: str) -> NoPayer | None:
    """Return why a company cannot pay a part of another's calls, or None: it can.

    Who pays beforehand cannot: a wallet keeps what a call may cost before it begins, and nobody asks one
    company's wallet whether another may call.

    Args:
        session: in the walls of who would pay.
        tenant_id: who would pay.
        of: whose calls they are.
        currency: of those calls.
    """
    if tenant_id == of:
        return NoPayer.SAME
    try:
        account = accounts.find(session, tenant_id=tenant_id)
    except BillingAccountNotFoundError:
        return NoPayer.NO_ACCOUNT
    if account.currency != currency:
        return NoPayer.OTHER_CURRENCY
    return NoPayer.PREPAID if wallets.find(session, tenant_id=tenant_id) is not None else None


def insist(refused: NoPayer | None) -> None:
    """Go on only when a company can pay.

    Raises:
        CostSharePayerError: it cannot.
    """
    if refused is not None:
        raise CostSharePayerError(reason=refused.value)


def every(session: Session, *, tenant_id: TenantId) -> tuple[Agreed, ...]:
    """Return all that was agreed about a company's calls and those it pays a part of, newest first."""
    rows = session.scalars(
        select(CostShareRow)
        .where(CostShareRow.tenant_id == tenant_id)
        .order_by(CostShareRow.effective_from.desc(), CostShareRow.id.desc())
    )
    return tuple(_agreed(row) for row in rows)


def find(session: Session, *, tenant_id: TenantId, cost_share_id: UUID) -> Agreed:
    """Return one agreement."""
    return _agreed(session.get_one(CostShareRow, (tenant_id, cost_share_id)))


def current(session: Session, *, tenant_id: TenantId) -> Agreed | None:
    """Return what was agreed last about a company's own calls, or None: nothing is shared, or no more."""
    found = next((one for one in every(session, tenant_id=tenant_id) if not one.is_other), None)
    return found if found is not None and found.shares else None


def parts_of(
    session: Session, *, tenant_id: TenantId, first: UUID, last: UUID
) -> tuple[Sequence[Part], UUID | None]:
    """Return what others have to pay of some charges as they stand now, and where to go on.

    No charge is rated again meanwhile: the account is held until the transaction ends.

    Args:
        session: in the walls of the company whose calls they are.
        tenant_id: that company.
        first: the charge to begin with, by its id.
        last: the last one.

    Returns:
        The parts of up to 500 charges, and the id after which others follow, or None.
    """
    account = accounts.lock(session, tenant_id=tenant_id)
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    rows = session.execute(
        select(RatedChargeRow, UsageEventRow)
        .join(
            UsageEventRow,
            (UsageEventRow.tenant_id == RatedChargeRow.tenant_id)
            & (UsageEventRow.id == RatedChargeRow.usage_id),
        )
        .where(
            RatedChargeRow.tenant_id == tenant_id,
            RatedChargeRow.id.between(first, last),
            RatedChargeRow.charge_run == SERVICE_RUN,
            RatedChargeRow.superseded_by.is_(None),
        )
        .order_by(RatedChargeRow.id)
        .limit(AT_ONCE),
        execution_options={"populate_existing": True},
    ).all()
    found: list[Part] = []
    extracts: dict[tuple[bytes, str, str], str] = {}
    for charge, event in rows:
        earlier, by = _earlier(session, charge)
        step = timeline.by_id[charge.tariff_id] if charge.tariff_id else None
        payer = _payer(step, charge)
        former = {_other(timeline.by_id[one]) for one in by} - {payer, None}
        for one in (payer, *sorted(former, key=str)):
            if one is None:
                continue
            content = None
            if one == payer and step is not None:
                key = (step.sha256, charge.meter, charge.destination or "")
                content = extracts.setdefault(
                    key, encode(_extract(step.tariff, *key[1:], of=tenant_id, name=account.buyer.name))
                )
            found.append(
                Part(
                    payer=one,
                    usage_ref=event.id,
                    replaces=tuple(earlier),
                    rating_seq=charge.rating_seq,
                    meter=charge.meter + SUFFIX,
                    prefix=charge.prefix or "",
                    occurred_at=event.occurred_at,
                    ended_at=event.ended_at,
                    quantity_ms=event.quantity_ms,
                    content=content,
                    priced_from=step.effective_from if step else event.occurred_at,
                )
            )
    return found, rows[-1][0].id if len(rows) == AT_ONCE else None


def take(session: Session, *, tenant_id: TenantId, part: Part) -> Took:
    """Charge the other payer its part, in place of what an earlier rating of the same use came to.

    Args:
        session: in the other payer's walls.
        tenant_id: the other payer.
        part: what it has to pay.
    """
    closed = closed_until(session, tenant_id=tenant_id)
    refs = {str(one) for one in (part.usage_ref, *part.replaces)}
    known = session.execute(
        select(RatedChargeRow, UsageEventRow)
        .join(
            UsageEventRow,
            (UsageEventRow.tenant_id == RatedChargeRow.tenant_id)
            & (UsageEventRow.id == RatedChargeRow.usage_id),
        )
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.source == SOURCE,
            UsageEventRow.event_id.in_(refs),
            RatedChargeRow.charge_run == SHARED_RUN,
        ),
        execution_options={"populate_existing": True},
    ).all()
    own = [charge for charge, event in known if event.event_id == str(part.usage_ref)]
    if any(one.rating_seq >= part.rating_seq for one in own):
        return Took.KNOWN
    standing = next((pair for pair in known if pair[0].superseded_by is None), None)
    if part.content is None:
        if standing is None or not standing[0].amount_nano:
            return Took.KNOWN
        by = _nothing_left(session, tenant_id, standing[0])
        event_id = standing[1].event_id
    else:
        by = tariffs.keep_extract(session, tenant_id=tenant_id, content=part.content, start=part.priced_from)
        event_id = str(part.usage_ref)
    use = Usage(
        source=SOURCE,
        event_id=event_id,
        meter=part.meter if part.content is not None or standing is None else standing[0].meter,
        subject_ref=part.usage_ref,
        occurred_at=part.occurred_at,
        ended_at=part.ended_at,
        quantity_ms=part.quantity_ms,
        prefix=part.prefix if part.content is not None or standing is None else standing[0].prefix or "",
    )
    if part.content is None and standing is not None:
        there = standing[1]
        use = replace(
            use,
            subject_ref=there.subject_ref,
            occurred_at=there.occurred_at,
            ended_at=there.ended_at,
            quantity_ms=there.quantity_ms,
        )
    charge_id = new_id()
    usage_id = next((event.id for _, event in known if event.event_id == event_id), None)
    fresh = charge_values(
        by,
        charge_id=charge_id,
        usage_id=usage_id or new_id(),
        meter=use.meter,
        prefix=use.prefix,
        quantity_ms=use.quantity_ms,
        occurred_at=use.occurred_at,
        ended_at=use.ended_at,
        zone="",
        closed_until=closed,
    )
    if standing is not None and closed is not None and standing[0].bill_at < closed:
        if _said_last(session, tenant_id, *standing) == fresh["amount_nano"]:
            return Took.KNOWN
        told = replace(use, event_id=standing[1].event_id)
        said: dict[str, int] = {"rating_seq": part.rating_seq}
        if fresh["amount_nano"] is not None:
            said["amount_nano"] = fresh["amount_nano"]
        differs = hashlib.sha256(payload_sha256(use) + f"{said}".encode()).digest()
        keep_contradiction(session, tenant_id=tenant_id, usage=told, sha256=differs, **said)
        return Took.BILLED
    if usage_id is None:
        record_event(session, tenant_id=tenant_id, usage=use, usage_id=fresh["usage_id"])
    if standing is not None:
        session.execute(
            update(RatedChargeRow)
            .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.id == standing[0].id)
            .values(superseded_by=charge_id)
        )
    row = {**fresh, "charge_run": SHARED_RUN, "rating_seq": part.rating_seq}
    if part.content is None and standing is not None and standing[1].event_id != str(part.usage_ref):
        row["rating_seq"] = standing[0].rating_seq + 1
    session.execute(insert(RatedChargeRow).values(tenant_id=tenant_id, rated_at=clock.now(), **row))
    return Took.STANDS


def said_nano(report: UsageConflictRow) -> int | None:
    """Return what a contradicting part comes to; None: it was kept before such reports said it."""
    found: int | None = report.payload.get("amount_nano")
    return found


def _said_last(
    session: Session, tenant_id: TenantId, standing: RatedChargeRow, event: UsageEventRow
) -> int | None:
    """Return what a part on a final invoice comes to by what was heard of it last."""
    newest = session.scalars(
        select(UsageConflictRow)
        .where(
            UsageConflictRow.tenant_id == tenant_id,
            UsageConflictRow.source == event.source,
            UsageConflictRow.event_id == event.event_id,
        )
        .order_by(UsageConflictRow.received_at.desc(), UsageConflictRow.id.desc())
        .limit(1)
    ).first()
    return standing.amount_nano if newest is None else said_nano(newest)


def _extract(tariff: Tariff, meter: str, destination: str, *, of: TenantId, name: str) -> Tariff:
    """Return as much of a tariff as another payer needs to work out its part of calls to one destination."""
    split = tariff.split
    share = split.share(meter, destination) if split else None
    assert share is not None  # noqa: S101 - asked for shared calls alone
    rates = tuple(
        replace(one, meter=meter + SUFFIX)
        for one in tariff.rates
        if one.meter == meter and one.destination == destination and not one.is_blocked
    )
    return Tariff(
        price_list=tariff.price_list,
        version=tariff.version,
        currency=tariff.currency,
        zone=tariff.zone,
        destinations={destination: tariff.destinations[destination]},
        rates=rates,
        holidays=tariff.holidays if any(one.rate.has_holidays for one in rates) else None,
        split=Split(
            ids.public("ten", of), name, (Share(meter + SUFFIX, share.other_percent),), is_other=True
        ),
    )


def _nothing_left(session: Session, tenant_id: TenantId, standing: RatedChargeRow) -> InForce:
    """Return the extract a charge was worked out by, with a share of nothing."""
    assert standing.tariff_id is not None  # noqa: S101 - it was rated
    step = tariffs.timeline(session, tenant_id=tenant_id).by_id[standing.tariff_id]
    split = step.tariff.split
    assert split is not None  # noqa: S101 - so it was made
    none = replace(split, shares=tuple(replace(one, other_percent=0) for one in split.shares))
    content = encode(replace(step.tariff, split=none))
    return tariffs.keep_extract(session, tenant_id=tenant_id, content=content, start=step.effective_from)


def _earlier(session: Session, charge: RatedChargeRow) -> tuple[list[UUID], set[UUID]]:
    """Return the uses a charge's use was taken for, and the tariffs that all of them were rated by before."""
    uses, earlier = [charge.usage_id], list[UUID]()
    for usage_id in uses:
        replaced = session.scalars(
            select(RatedChargeRow.usage_id)
            .join(
                UsageDecisionRow,
                (UsageDecisionRow.tenant_id == RatedChargeRow.tenant_id)
                & (UsageDecisionRow.superseded_charge_id == RatedChargeRow.id),
            )
            .where(UsageDecisionRow.tenant_id == charge.tenant_id, UsageDecisionRow.usage_id == usage_id)
        )
        for one in replaced:
            uses.append(one)
            earlier.append(one)
    if charge.rating_seq == 1 and not earlier:
        return [], set()
    by = session.scalars(
        select(RatedChargeRow.tariff_id).where(
            RatedChargeRow.tenant_id == charge.tenant_id,
            RatedChargeRow.usage_id.in_(uses),
            RatedChargeRow.charge_run == SERVICE_RUN,
            RatedChargeRow.tariff_id.is_not(None),
        )
    )
    return earlier, {one for one in by if one is not None}


def _payer(step: InForce | None, charge: RatedChargeRow) -> TenantId | None:
    """Return who else pays for a charge, or None: nobody does."""
    if step is None or step.tariff.split is None or charge.outcome != Outcome.RATED.value:
        return None
    share = step.tariff.split.share(charge.meter, charge.destination or "")
    return None if share is None else _other(step)


def _other(step: InForce) -> TenantId | None:
    split = step.tariff.split
    return None if split is None else TenantId(ids.parse("ten", split.other_ref))


def _to_json(agreed: Sequence[Share]) -> list[dict[str, object]]:
    return [
        {"meter": one.meter, "destination": one.destination, "other_percent": one.other_percent}
        for one in agreed
    ]


def _agreed(row: CostShareRow) -> Agreed:
    return Agreed(
        cost_share_id=row.id,
        other_id=TenantId(row.other_id),
        other_name=row.other_name,
        is_other=row.is_other,
        effective_from=row.effective_from,
        shares=tuple(Share(one["meter"], one["other_percent"], one["destination"]) for one in row.shares),
        set_by=row.set_by,
        set_at=row.set_at,
    )
