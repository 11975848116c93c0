"""Tariffs: the prices a tenant bought, copied by value into its own rows (docs/adr/0004-money.md).

A tenant's transaction cannot read the operator's price lists, and a bill must not change when the
operator's rows do. So each published version reaches the tenant as one row with its content and hash;
the tariff in force at an instant is the latest that took effect by then. Compiled tariffs are kept per
process by their hash.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from billing import accounts
from billing.errors import TariffConflictError, TariffCorruptError
from billing.models import TariffRow
from billing.periods import Period
from billing.price_lists import Published
from billing.rating.tariff import Cache, Tariff, decode, digest
from core import clock
from core.ids import TenantId, new_id

_compiled: Cache[bytes, Tariff] = Cache()


@dataclass(frozen=True, slots=True)
class InForce:
    """A tariff of one tenant, ready to rate with."""

    tariff_id: UUID
    effective_from: dt.datetime
    sha256: bytes
    tariff: Tariff


class Timeline:
    """All tariffs of one tenant, for rating many events in one go."""

    def __init__(self, steps: list[InForce]) -> None:
        self._steps = steps
        self.starts = tuple(step.effective_from for step in steps)
        self.by_id = {step.tariff_id: step for step in steps}

    def at(self, instant: dt.datetime) -> InForce | None:
        """Return the tariff in force at an instant, or None before the first."""
        place = bisect_right(self.starts, instant)
        return self._steps[place - 1] if place else None

    def of_month(self, month: Period) -> InForce | None:
        """Return whose terms hold for a month: in force at its beginning, or else the first in it."""
        return self.at(month.start) or next(
            (self.at(start) for start in self.starts if start < month.end), None
        )

    def at_each(self, instants: Sequence[dt.datetime]) -> Sequence[InForce | None]:
        """Return the tariff in force at each of many instants."""
        if not instants:
            return ()
        first, last = self.at(min(instants)), self.at(max(instants))
        return [first] * len(instants) if first is last else [self.at(one) for one in instants]


def take(
    session: Session, *, tenant_id: TenantId, version: Published, not_before: dt.datetime | None = None
) -> InForce:
    """Give a tenant a published version, from its effective date on; a second time changes nothing.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        version: what `price_lists.publish` or `published` returned in the operator's context.
        not_before: the tenant's first moment on this list, when that is later than the version's.

    Raises:
        TariffCorruptError: the content does not have its hash.
        BillingAccountNotFoundError: the tenant has no account to bill.
        TariffConflictError: prices in another currency than the account's; or the tenant has other
            prices from the same instant or later, and usage may have been rated with them.
    """
    bought = _decoded(version.content, version.sha256)
    if accounts.find(session, tenant_id=tenant_id).currency != bought.currency:
        raise TariffConflictError(currency=bought.currency)
    effective_from = max(version.effective_from, not_before or version.effective_from)
    newest = session.scalars(_of(tenant_id).order_by(TariffRow.effective_from.desc()).limit(1)).first()
    if newest is not None and newest.effective_from >= effective_from:
        if newest.sha256 == version.sha256:
            return _in_force(session, newest)
        raise TariffConflictError(price_list=newest.price_list, version=newest.version)
    row = TariffRow(
        tenant_id=tenant_id,
        id=new_id(),
        effective_from=effective_from,
        price_list=version.price_list,
        version=version.version,
        price_list_version_id=version.version_id,
        sha256=version.sha256,
        content=version.content,
        taken_at=clock.now(),
    )
    session.add(row)
    session.flush()
    return _in_force(session, row)


# made once: every hang-up asks this
_AT = (
    select(TariffRow)
    .where(TariffRow.tenant_id == bindparam("tenant"), TariffRow.effective_from <= bindparam("at"))
    .order_by(TariffRow.effective_from.desc())
    .limit(1)
)


def in_force(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> InForce | None:
    """Return the tenant's tariff at an instant (of the answer, not of the intake), or None."""
    row = session.scalars(_AT, {"tenant": tenant_id, "at": at}).first()
    return None if row is None else _in_force(session, row)


def timeline(session: Session, *, tenant_id: TenantId) -> Timeline:
    """Return all tariffs of the tenant by effective date."""
    rows = session.scalars(_of(tenant_id).order_by(TariffRow.effective_from))
    return Timeline([_in_force(session, row) for row in rows])


def of_versions(versions: Sequence[Published]) -> Timeline:
    """Return the versions of a price list, oldest first, ready to rate with; each is its own tariff.

    Raises:
        TariffCorruptError: a content does not have its hash.
    """
    return Timeline(
        [
            InForce(one.version_id, one.effective_from, one.sha256, _decoded(one.content, one.sha256))
            for one in versions
        ]
    )


def by_id(session: Session, *, tenant_id: TenantId, tariff_id: UUID) -> Tariff:
    """Return a tariff that stands on a charge or a line."""
    return _in_force(session, session.get_one(TariffRow, (tenant_id, tariff_id))).tariff


def _of(tenant_id: UUID) -> Select[TariffRow]:
    return select(TariffRow).where(TariffRow.tenant_id == tenant_id)


def _in_force(session: Session, row: TariffRow) -> InForce:
    tariff = _compiled.get(row.sha256)
    if tariff is None:
        content = session.scalars(
            select(TariffRow.content).where(TariffRow.tenant_id == row.tenant_id, TariffRow.id == row.id)
        ).one()
        tariff = _decoded(content, row.sha256)
    return InForce(row.id, row.effective_from, row.sha256, tariff)


def _decoded(content: str, sha256: bytes) -> Tariff:
    if digest(content) != sha256:
        raise TariffCorruptError(sha256=sha256.hex())
    tariff = _compiled.get(sha256)
    if tariff is None:
        tariff = decode(content)
        _compiled.put(sha256, tariff)
    return tariff
