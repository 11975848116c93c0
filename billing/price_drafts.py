"""Drafts of price list versions: looked at, changed and thrown away, until one is published.

A published version is frozen (the database refuses as well); `billing.price_lists` publishes.
All functions run in the operator's context.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from billing import price_lists
from billing.errors import PriceListError, PriceListNotFoundError, VersionPublishedError
from billing.models import PriceListRow, PriceListVersionRow, RateRow
from billing.price_lists import PriceList, Version
from billing.rating.tariff import DatedRate, Tariff, encode_bands, problems
from core.ids import PriceListId, TenantId

_LAST = 2**31 - 1  # the highest number a version can have


@dataclass(frozen=True, slots=True)
class Contents:
    """All that one version says."""

    price_list: PriceList
    version: Version
    destinations: Mapping[str, Mapping[str, str]]
    rates: tuple[DatedRate, ...]


def find_list(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> PriceList:
    """Return one price list.

    Raises:
        PriceListNotFoundError: no such list.
    """
    row = session.get(PriceListRow, (tenant_id, price_list_id))
    if row is None:
        raise PriceListNotFoundError
    return PriceList(PriceListId(row.id), row.code, row.name, row.currency, row.zone)


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
        _version(row),
        row.destinations,
        price_lists.rates_of(session, tenant_id=tenant_id, version_id=row.id),
    )


def counts(session: Session, *, tenant_id: TenantId) -> dict[UUID, int]:
    """Return how many rates each version has, by version id."""
    rows = session.execute(
        select(RateRow.price_list_version_id, func.count())
        .where(RateRow.tenant_id == tenant_id)
        .group_by(RateRow.price_list_version_id)
    )
    return {version_id: number for version_id, number in rows}  # noqa: C416 - dict(rows) has no type


def revise(
    session: Session,
    *,
    tenant_id: TenantId,
    version_id: UUID,
    effective_from: dt.datetime | None = None,
    destinations: Mapping[str, Mapping[str, str]] | None = None,
    rates: Iterable[DatedRate] | None = None,
) -> Version:
    """Change a draft; what is None stays as it is.

    Raises:
        PriceListNotFoundError: no such version.
        VersionPublishedError: it is out and never changes.
        PriceListError: a rate is wrong; `problems` in its details names each.
    """
    row = _draft(session, tenant_id, version_id)
    price_list = find_list(session, tenant_id=tenant_id, price_list_id=row.price_list_id)
    if effective_from is not None:
        row.effective_from = effective_from
    if destinations is not None:
        row.destinations = {code: dict(names) for code, names in destinations.items()}
    if rates is not None:
        tariff = Tariff(
            price_list=price_list.code,
            version=row.version,
            currency=price_list.currency,
            zone=price_list.zone,
            destinations=row.destinations,
            rates=tuple(rates),
        )
        faults = problems(tariff)
        if faults:
            raise PriceListError(problems=faults)
        _clear(session, tenant_id, version_id)
        session.execute(insert(RateRow), [_columns(tenant_id, version_id, one) for one in tariff.rates])
    session.flush()
    return _version(row)


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
    session.execute(
        delete(RateRow).where(RateRow.tenant_id == tenant_id, RateRow.price_list_version_id == version_id)
    )


def _columns(tenant_id: TenantId, version_id: UUID, one: DatedRate) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "price_list_version_id": version_id,
        "meter": one.meter,
        "prefix": one.prefix,
        "destination": one.destination,
        "is_blocked": one.is_blocked,
        "initial_s": one.rate.initial_s,
        "minimum_nano": one.rate.minimum,
        "maximum_nano": one.rate.maximum,
        "bands": encode_bands(one.rate.bands),
    }


def _version(row: PriceListVersionRow) -> Version:
    return Version(
        version_id=row.id,
        price_list_id=PriceListId(row.price_list_id),
        version=row.version,
        effective_from=row.effective_from,
        published_at=row.published_at,
        sha256=row.sha256,
    )
