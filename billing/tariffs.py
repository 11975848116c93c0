"""Tariffs: the prices a tenant bought, copied by value into its own rows (docs/adr/0004-money.md).

A tenant's transaction cannot read the operator's price lists, and a bill must not change when the
operator's rows do. So each published version reaches the tenant as one row with its content and hash;
the tariff in force at an instant is the latest that took effect by then. Compiled tariffs are kept per
process by their hash.

Of whom else pays a part of its calls a tariff says too (`rating.shares`); the other payer keeps, beside its
own tariffs, the extract of theirs by which its part is worked out: never in force, only found by its id.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from billing import accounts
from billing.errors import TariffConflictError, TariffCorruptError
from billing.models import TariffRow
from billing.periods import Period
from billing.price_lists import Published
from billing.rating.shares import Split
from billing.rating.tariff import Cache, Tariff, decode, digest, encode
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

    def __init__(self, steps: list[InForce], extracts: Sequence[InForce] = ()) -> None:
        self._steps = steps
        self.starts = tuple(step.effective_from for step in steps)
        self.by_id = {step.tariff_id: step for step in (*steps, *extracts)}
        self.own = {step.tariff_id: step for step in steps}
        self.shares_calls = any(step.tariff.split is not None for step in steps)

    def at(self, instant: dt.datetime) -> InForce | None:
        """Return the tariff in force at an instant, or None before the first."""
        place = bisect_right(self.starts, instant)
        return self._steps[place - 1] if place else None

    def split_at(self, instant: dt.datetime) -> Split | None:
        """Return who else pays for calls of an instant, or None."""
        found = self.at(instant)
        return None if found is None else found.tariff.split

    def like(self, step: InForce) -> dict[Split | None, InForce]:
        """Return the tariffs of the same version as one, by who else pays for calls; itself for its own."""
        version = (step.tariff.price_list, step.tariff.version)
        alike = [one for one in self._steps if (one.tariff.price_list, one.tariff.version) == version]
        return {**{one.tariff.split: one for one in alike}, step.tariff.split: step}

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
    if accounts.lock(session, tenant_id=tenant_id).currency != bought.currency:  # one after the other
        raise TariffConflictError(currency=bought.currency)
    effective_from = max(version.effective_from, not_before or version.effective_from)
    before, later = _around(session, tenant_id, effective_from)
    for row in later:
        split = _in_force(session, row).tariff.split
        if row.price_list_version_id == version.version_id and row.sha256 == _digest(bought, split):
            return _in_force(session, row)
    # what is later may be agreed beside the prices, and no other ones
    if later and {row.price_list_version_id for row in later} != {before and before.price_list_version_id}:
        raise TariffConflictError(price_list=later[-1].price_list, version=later[-1].version)
    # who shares its calls does so until that is ended, whatever they cost
    split = _in_force(session, before).tariff.split if before is not None else None
    taken = _add(session, tenant_id, effective_from, replace(bought, split=split), version.version_id)
    for row in later:  # what is agreed for a day to come holds from then on at these prices
        shared = replace(bought, split=_in_force(session, row).tariff.split)
        _add(session, tenant_id, row.effective_from, shared, version.version_id)
    return taken


def replan(
    session: Session,
    *,
    tenant_id: TenantId,
    steps: Sequence[tuple[dt.datetime, Published]],
    start: dt.datetime,
    until: dt.datetime | None = None,
) -> None:
    """Let versions hold from an instant on in the place of what was to; a second time changes nothing.

    Whoever pays a part of the calls goes on doing so. The account is held by the caller.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        steps: versions with the instants from which they hold, oldest first, none before `start`.
        start: aware instant; what was used after it has not been rated.
        until: where they end; None: they do not.

    Raises:
        TariffCorruptError: the content does not have its hash.
    """
    before, later = _around(session, tenant_id, start)
    there = {row.effective_from: row for row in later if until is None or row.effective_from < until}
    split = _in_force(session, before).tariff.split if before is not None else None
    for instant in sorted({*there, *(at for at, _ in steps)}):
        row = there.get(instant)
        if row is not None:
            split = _in_force(session, row).tariff.split
        held = next((version for at, version in reversed(steps) if at <= instant), None)
        if held is None:
            continue
        tariff = replace(_decoded(held.content, held.sha256), split=split)
        is_same = row is not None and row.price_list_version_id == held.version_id
        if not is_same or row is None or row.sha256 != digest(encode(tariff)):
            _add(session, tenant_id, instant, tariff, held.version_id)


def share(session: Session, *, tenant_id: TenantId, split: Split | None, start: dt.datetime) -> InForce:
    """Let another company pay a part of a company's calls from an instant on, or end that (None).

    Args:
        session: in the tenant's context.
        tenant_id: whose calls they are.
        split: who pays how much of which.
        start: aware instant; nothing was rated after it yet.

    Raises:
        TariffConflictError: there are no prices, or something else was agreed from then or later.
    """
    accounts.lock(session, tenant_id=tenant_id)  # two who agree at once do so one after the other
    before, later = _around(session, tenant_id, start)
    if before is None:
        raise TariffConflictError
    now = _in_force(session, before).tariff
    if any(_in_force(session, row).tariff.split != now.split for row in later):
        raise TariffConflictError(price_list=later[-1].price_list, version=later[-1].version)
    shared = _add(session, tenant_id, start, replace(now, split=split), before.price_list_version_id)
    for row in later:  # prices to come are shared as well
        tariff = replace(_in_force(session, row).tariff, split=split)
        _add(session, tenant_id, row.effective_from, tariff, row.price_list_version_id)
    return shared


def keep_extract(session: Session, *, tenant_id: TenantId, content: str, start: dt.datetime) -> InForce:
    """Keep an extract of another company's tariff, by which this one pays its part; once per content.

    Args:
        session: in the context of the other payer.
        tenant_id: the other payer.
        content: canonical JSON.
        start: since when it was in force there.
    """
    sha256 = digest(content)
    kept = select(TariffRow).where(
        TariffRow.tenant_id == tenant_id, TariffRow.is_extract, TariffRow.sha256 == sha256
    )
    row = session.scalars(kept).first()
    if row is not None:
        return _in_force(session, row)
    return _add(session, tenant_id, start, decode(content), new_id(), is_extract=True)


def _around(
    session: Session, tenant_id: TenantId, instant: dt.datetime
) -> tuple[TariffRow | None, list[TariffRow]]:
    """Return what is in force just before an instant, and what takes effect then or later, in order.

    Of several from the same instant the last one taken stands.
    """
    rows = {row.effective_from: row for row in session.scalars(_own(tenant_id))}
    earlier = [row for at, row in rows.items() if at < instant]
    return (earlier[-1] if earlier else None), [row for at, row in rows.items() if at >= instant]


def _digest(tariff: Tariff, split: Split | None) -> bytes:
    return digest(encode(replace(tariff, split=split)))


def _add(
    session: Session,
    tenant_id: TenantId,
    effective_from: dt.datetime,
    tariff: Tariff,
    version_id: UUID,
    *,
    is_extract: bool = False,
) -> InForce:
    content = encode(tariff)
    row = TariffRow(
        tenant_id=tenant_id,
        id=new_id(),
        effective_from=effective_from,
        price_list=tariff.price_list,
        version=tariff.version,
        price_list_version_id=version_id,
        sha256=digest(content),
        content=content,
        taken_at=clock.now(),
        is_extract=is_extract,
    )
    session.add(row)
    session.flush()
    return _in_force(session, row)


# made once: every hang-up asks this
_AT = (
    select(TariffRow)
    .where(
        TariffRow.tenant_id == bindparam("tenant"),
        TariffRow.is_extract.is_(False),
        TariffRow.effective_from <= bindparam("at"),
    )
    .order_by(TariffRow.effective_from.desc(), TariffRow.id.desc())
    .limit(1)
)


def in_force(session: Session, *, tenant_id: TenantId, at: dt.datetime) -> InForce | None:
    """Return the tenant's tariff at an instant (of the answer, not of the intake), or None."""
    row = session.scalars(_AT, {"tenant": tenant_id, "at": at}).first()
    return None if row is None else _in_force(session, row)


def timeline(session: Session, *, tenant_id: TenantId) -> Timeline:
    """Return all tariffs of the tenant by effective date."""
    rows = session.scalars(
        select(TariffRow)
        .where(TariffRow.tenant_id == tenant_id)
        .order_by(TariffRow.effective_from, TariffRow.id)
    )
    steps: dict[bool, list[InForce]] = {False: [], True: []}
    for row in rows:
        steps[row.is_extract].append(_in_force(session, row))
    return Timeline(steps[False], steps[True])


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


def _own(tenant_id: UUID) -> Select[TariffRow]:
    return (
        select(TariffRow)
        .where(TariffRow.tenant_id == tenant_id, TariffRow.is_extract.is_(False))
        .order_by(TariffRow.effective_from, TariffRow.id)
    )


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
