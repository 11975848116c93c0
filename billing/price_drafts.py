"""Drafts of price list versions: looked at, changed and thrown away, until one is published.

A published version is frozen (the database refuses as well); `billing.price_lists` publishes.
All functions run in the operator's context.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from billing import price_lists
from billing.errors import DraftChangedError, PriceListError, PriceListNotFoundError, VersionPublishedError
from billing.models import PriceListRow, PriceListVersionRow, RateRow, RentalPriceRow
from billing.price_lists import PriceList, Version
from billing.rating import terms
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import DatedRate, faults_of_draft
from billing.rating.terms import NOTHING, Terms
from core.ids import PriceListId, TenantId

_LAST = 2**31 - 1  # the highest number a version can have


@dataclass(frozen=True, slots=True)
class Contents:
    """All that one version says."""

    price_list: PriceList
    version: Version
    destinations: Mapping[str, Mapping[str, str]]
    rates: tuple[DatedRate, ...]
    rentals: tuple[RentalPrice, ...] = ()
    terms: Terms = NOTHING


def find_list(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> PriceList:
    """Return one price list.

    Raises:
        PriceListNotFoundError: no such list.
    """
    row = session.get(PriceListRow, (tenant_id, price_list_id))
    if row is None:
        raise PriceListNotFoundError
    return PriceList(PriceListId(row.id), row.code, row.name, row.currency, row.zone, row.carrier)


def contents(session: Session, *, tenant_id: TenantId, price_list_id: UUID, number: int) -> Contents:
    """Return a version of a list by its number, with everything in it.

    Raises:
        PriceListNotFoundError: no such list or version.
    """
    price_list = find_list(session, tenant_id=tenant_id, price_list_id=price_list_id)
    if number > _LAST:
        raise PriceListNotFoundError
    row = session.scalars(
        select(PriceListVersionRow).where(
            PriceListVersionRow.tenant_id == tenant_id,
            PriceListVersionRow.price_list_id == price_list_id,
            PriceListVersionRow.version == number,
        )
    ).one_or_none()
    if row is None:
        raise PriceListNotFoundError
    return Contents(
        price_list,
        price_lists.version_of(row),
        row.destinations,
        price_lists.rates_of(session, tenant_id=tenant_id, version_id=row.id),
        price_lists.rentals_of(session, tenant_id=tenant_id, version_id=row.id),
        terms.decode(row.terms),
    )


def counts(session: Session, *, tenant_id: TenantId) -> dict[UUID, int]:
    """Return how many prices each version has, by version id."""
    found: Counter[UUID] = Counter()
    for table in (RateRow, RentalPriceRow):
        rows = session.execute(
            select(table.price_list_version_id, func.count())
            .where(table.tenant_id == tenant_id)
            .group_by(table.price_list_version_id)
        )
        for version_id, number in rows:
            found[version_id] += number
    return found


def revise(
    session: Session,
    *,
    tenant_id: TenantId,
    version_id: UUID,
    effective_from: dt.datetime | None = None,
    destinations: Mapping[str, Mapping[str, str]] | None = None,
    rates: Iterable[DatedRate] | None = None,
    rentals: Iterable[RentalPrice] | None = None,
    holiday_calendar: str | None = None,
    agreed: Terms | None = None,
    revision: int | None = None,
) -> Version:
    """Change a draft; what is None stays as it is.

    Args:
        session: in the operator's context.
        tenant_id: the operator.
        version_id: the draft.
        effective_from: aware instant from which usage is rated with it.
        destinations: code -> language -> name.
        rates: one row per meter and prefix.
        rentals: one price per meter of what is rented.
        holiday_calendar: whose public holidays count, like `GB-ENG`; empty for none.
        agreed: charge models, included minutes, discounts and commitments.
        revision: what the draft was when the change was begun.

    Raises:
        DraftChangedError: somebody else has changed the draft since `revision`.
        PriceListNotFoundError: no such version.
        VersionPublishedError: it is out and never changes.
        PriceListError: a rate is wrong; `problems` in its details names each.
    """
    row = _draft(session, tenant_id, version_id)
    if revision is not None and revision != row.revision:
        raise DraftChangedError(revision=row.revision)
    price_list = find_list(session, tenant_id=tenant_id, price_list_id=row.price_list_id)
    if effective_from is not None:
        row.effective_from = effective_from
    if destinations is not None:
        row.destinations = {code: dict(names) for code, names in destinations.items()}
    if holiday_calendar is not None:
        row.holiday_calendar = holiday_calendar
    if agreed is not None:
        row.terms = terms.encode(agreed)
    if rates is not None or rentals is not None or agreed is not None:
        if rates is None:
            rates = price_lists.rates_of(session, tenant_id=tenant_id, version_id=version_id)
        if rentals is None:
            rentals = price_lists.rentals_of(session, tenant_id=tenant_id, version_id=version_id)
        tariff = price_lists.tariff_of(price_list, row, rates, rentals)
        faults = faults_of_draft(tariff)
        if faults:
            raise PriceListError(problems=faults)
        _clear(session, tenant_id, version_id)
        price_lists.write_prices(session, tenant_id=tenant_id, version_id=version_id, tariff=tariff)
    row.revision += 1
    session.flush()
    return price_lists.version_of(row)


def discard(session: Session, *, tenant_id: TenantId, version_id: UUID) -> None:
    """Throw a draft away; its number may be used again.

    Raises:
        PriceListNotFoundError: no such version.
        VersionPublishedError: it is out and never changes.
    """
    row = _draft(session, tenant_id, version_id)
    _clear(session, tenant_id, version_id)
    session.delete(row)
    session.flush()


def _draft(session: Session, tenant_id: TenantId, version_id: UUID) -> PriceListVersionRow:
    row = session.get(PriceListVersionRow, (tenant_id, version_id), with_for_update=True)
    if row is None:
        raise PriceListNotFoundError
    if row.published_at is not None:
        raise VersionPublishedError(version=row.version)
    return row


def _clear(session: Session, tenant_id: TenantId, version_id: UUID) -> None:
    for table in (RateRow, RentalPriceRow):
        session.execute(
            delete(table).where(table.tenant_id == tenant_id, table.price_list_version_id == version_id)
        )
