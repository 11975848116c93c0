"""Rating again what was rated: first as a difference that changes nothing, then, approved, as new ratings.

Ratings are superseded, never edited. What stands on a finalised invoice stays as it was billed; its
difference is told apart, to be credited or billed by a person. Who approves names the difference they saw:
when it has become another one meanwhile, nothing is written. A second time there is nothing left to change.
"""

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, tuple_
from sqlalchemy.orm import Session

from billing import accounts, bulk, tariffs
from billing.errors import PriceListNotFoundError, RatingChangedError
from billing.models import LINE_CHARGES, InvoiceRow, RatedChargeRow, UsageEventRow
from billing.usage import SERVICE_RUN, closed_until
from core import columns
from core.ids import TenantId
from security import evidence

_SUPERSEDE = """
    UPDATE app.rated_charges c SET superseded_by = n.fresh
    FROM unnest(%(olds)s, %(freshs)s) AS n (old, fresh)
    WHERE c.tenant_id = %(tenant)s AND c.id = n.old
"""


Place = tuple[dt.datetime, UUID]
"""Where an event stands: when it began, and its id."""


@dataclass(frozen=True, slots=True)
class Part:
    """The events of a stretch behind `after`, up to `until` or at most `most` of them; None: no bound."""

    after: Place | None = None
    until: Place | None = None
    most: int | None = None


_ALL = Part()


@dataclass(frozen=True, slots=True)
class Change:
    """One event that would cost something else; amounts in nano-units, None where it has no price."""

    usage_id: UUID
    meter: str
    occurred_at: dt.datetime
    before_outcome: str
    after_outcome: str
    before_nano: int | None
    after_nano: int | None
    invoice_number: str
    prefix: str = ""  # by which it would be rated, or was
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What rating again comes to.

    Attributes:
        looked: events that were rated again.
        changes: of charges that may be superseded.
        billed: of charges on a finalised invoice, which stay.
        sha256: of the changes; who approves them says it.
        last: the last event looked at, where the next part begins.
    """

    looked: int
    changes: tuple[Change, ...]
    billed: tuple[Change, ...]
    sha256: bytes
    last: Place | None = None

    @property
    def more_nano(self) -> int:
        """What the open bill rises by, in nano-units; negative when it falls."""
        return _sum(self.changes)

    @property
    def billed_more_nano(self) -> int:
        """What finalised invoices lack, in nano-units; negative: what they have too much."""
        return _sum(self.billed)


@bulk.uncollected()
def difference(
    session: Session,
    *,
    tenant_id: TenantId,
    start: dt.datetime,
    end: dt.datetime,
    tariff_id: UUID | None = None,
    part: Part = _ALL,
) -> Difference:
    """Return what rating again what was used in [start, end) would change; nothing is written.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        start: aware instant.
        end: aware instant just after.
        tariff_id: one of the company's tariffs, by which everything is rated; None: each by its own.
        part: of the stretch.

    Raises:
        PriceListNotFoundError: no such tariff of this company.
    """
    return _look(session, tenant_id, start, end, tariff_id, part)[0]


@bulk.uncollected()
def approve(
    session: Session,
    *,
    tenant_id: TenantId,
    start: dt.datetime,
    end: dt.datetime,
    tariff_id: UUID | None = None,
    sha256: bytes,
    part: Part = _ALL,
) -> Difference:
    """Supersede the ratings that differ and return what was changed; nothing, when all is as it should be.

    Raises:
        RatingChangedError: the difference is not the one that was looked at.
        PriceListNotFoundError: no such tariff of this company.
    """
    accounts.lock(session, tenant_id=tenant_id)  # nobody finalises an invoice meanwhile
    found, charges, old = _look(session, tenant_id, start, end, tariff_id, part)
    if not found.changes:
        return found
    if found.sha256 != sha256:
        raise RatingChangedError
    wanted = {one.usage_id for one in found.changes}
    places = [at for at, usage_id in enumerate(charges["usage_id"]) if usage_id in wanted]
    fresh = {name: [values[at] for at in places] for name, values in charges.items()}
    fresh["rating_seq"] = [old[usage_id].rating_seq + 1 for usage_id in fresh["usage_id"]]
    with columns.cursor(session) as cursor:
        cursor.execute(
            _SUPERSEDE,
            {
                "tenant": tenant_id,
                "olds": columns.uuids([old[usage_id].charge_id for usage_id in fresh["usage_id"]]),
                "freshs": columns.uuids(fresh["id"]),
            },
        )
    bulk.write(session, tenant_id=tenant_id, charges=fresh)
    if tariffs.timeline(session, tenant_id=tenant_id).shares_calls:
        bulk.tell_payers(session, tenant_id=tenant_id, charges=fresh)
    evidence.record(
        session,
        "usage.rated-again",
        "ten",
        tenant_id,
        events=len(found.changes),
        more_nano=found.more_nano,
        sha256=found.sha256.hex(),
    )
    return found


def count(session: Session, *, tenant_id: TenantId, start: dt.datetime, end: dt.datetime) -> int:
    """Return how many events there are in [start, end)."""
    return session.scalars(
        select(func.count()).where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.occurred_at >= start,
            UsageEventRow.occurred_at < end,
        )
    ).one()


def _look(
    session: Session,
    tenant_id: TenantId,
    start: dt.datetime,
    end: dt.datetime,
    tariff_id: UUID | None,
    part: Part,
) -> tuple[Difference, dict[str, list[Any]], dict[UUID, Row[Any]]]:
    timeline = tariffs.timeline(session, tenant_id=tenant_id)
    steps = timeline.by_id
    if tariff_id is not None and tariff_id not in timeline.own:
        raise PriceListNotFoundError
    # whoever else pays for a call does so by what was agreed when it was made, whatever prices it is rated by
    again = timeline.like(steps[tariff_id]) if tariff_id is not None else {}
    rows = _standing(session, tenant_id, start, end, part, has_tariff=tariff_id is None)
    charges = bulk.rate(
        bulk.Uses.of(row[:6] for row in rows),  # the first columns of `_standing`
        [
            again.get(timeline.split_at(row.occurred_at), steps.get(row.tariff_id))
            if again
            else steps[row.tariff_id]
            for row in rows
        ],
        zone=accounts.find(session, tenant_id=tenant_id).zone,
        closed_until=closed_until(session, tenant_id=tenant_id),
    )
    old = {row.id: row for row in rows}
    changes: list[Change] = []
    billed: list[Change] = []
    told = ("usage_id", "outcome", "amount_nano", "tariff_id", "prefix", "currency")
    for usage_id, outcome, amount, tariff, prefix, currency in zip(
        *(charges[name] for name in told), strict=True
    ):
        row = old[usage_id]
        is_same = (row.outcome, row.amount_nano) == (outcome, amount)
        if is_same and (row.number or row.tariff_id == tariff):
            continue
        change = Change(
            usage_id,
            row.meter,
            row.occurred_at,
            row.outcome,
            outcome,
            row.amount_nano,
            amount,
            row.number or "",
            prefix or row.rated_prefix or "",
            currency or row.currency or "",
        )
        (billed if row.number else changes).append(change)
    changes.sort(key=lambda one: (one.occurred_at, one.usage_id))
    billed.sort(key=lambda one: (one.occurred_at, one.usage_id))
    digest = hashlib.sha256()
    for one in changes:
        digest.update(f"{one.usage_id} {tariff_id} {one.after_outcome} {one.after_nano}\n".encode())
    last = (rows[-1].occurred_at, rows[-1].id) if rows else None
    return Difference(len(rows), tuple(changes), tuple(billed), digest.digest(), last), charges, old


def _standing(
    session: Session,
    tenant_id: TenantId,
    start: dt.datetime,
    end: dt.datetime,
    part: Part,
    *,
    has_tariff: bool,
) -> list[Row[Any]]:
    """Return the events of a stretch with the charge that stands and the invoice it is on."""
    query = (
        select(
            UsageEventRow.id,
            UsageEventRow.meter,
            UsageEventRow.prefix,
            UsageEventRow.quantity_ms,
            UsageEventRow.occurred_at,
            UsageEventRow.ended_at,
            RatedChargeRow.id.label("charge_id"),
            RatedChargeRow.rating_seq,
            RatedChargeRow.outcome,
            RatedChargeRow.amount_nano,
            RatedChargeRow.tariff_id,
            RatedChargeRow.prefix.label("rated_prefix"),
            RatedChargeRow.currency,
            InvoiceRow.number,
        )
        .join(
            RatedChargeRow,
            and_(
                RatedChargeRow.tenant_id == UsageEventRow.tenant_id,
                RatedChargeRow.usage_id == UsageEventRow.id,
                RatedChargeRow.charge_run == SERVICE_RUN,
                RatedChargeRow.superseded_by.is_(None),
            ),
        )
        .outerjoin(
            LINE_CHARGES,
            and_(
                LINE_CHARGES.c.tenant_id == RatedChargeRow.tenant_id,
                LINE_CHARGES.c.rated_charge_id == RatedChargeRow.id,
            ),
        )
        .outerjoin(
            InvoiceRow,
            and_(
                InvoiceRow.tenant_id == LINE_CHARGES.c.tenant_id,
                InvoiceRow.id == LINE_CHARGES.c.invoice_id,
            ),
        )
        .where(
            UsageEventRow.tenant_id == tenant_id,
            UsageEventRow.occurred_at >= start,
            UsageEventRow.occurred_at < end,
        )
    )
    place = tuple_(UsageEventRow.occurred_at, UsageEventRow.id)
    if part.after is not None:
        query = query.where(place > tuple_(*part.after))
    if part.until is not None:
        query = query.where(place <= tuple_(*part.until))
    query = query.order_by(UsageEventRow.occurred_at, UsageEventRow.id).limit(part.most)
    if has_tariff:
        query = query.where(RatedChargeRow.tariff_id.is_not(None))
    return list(session.execute(query))


def _sum(changes: tuple[Change, ...]) -> int:
    return sum((one.after_nano or 0) - (one.before_nano or 0) for one in changes)
