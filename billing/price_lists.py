"""Price lists: the operator's stock of prices, in dated versions that never change once published.

A version is drafted with its rates, checked, and published: its content is then one canonical JSON with
a SHA-256, and that value, not these rows, is what tenants take over (`billing.tariffs`). All functions
run in the operator's context.

A list that names a carrier is a cost deck: what that carrier charges us. It is drafted, read from files and
published like any other, and no tenant can take it over (`billing.margin`).
"""

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from babel.numbers import get_currency_precision, list_currencies
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.orm import Session

from billing.errors import (
    PriceListError,
    PriceListNotFoundError,
    PriceListTakenError,
    VersionPublishedError,
)
from billing.events import PriceListPublished
from billing.models import PriceListRow, PriceListVersionRow, RateRow, RentalPriceRow
from billing.rating import calendars, terms
from billing.rating.rentals import Proration, RentalPrice
from billing.rating.rules import Ceiling, Rate
from billing.rating.tariff import (
    DatedRate,
    Tariff,
    decode_bands,
    digest,
    encode,
    encode_bands,
    faults_of_draft,
    problems,
)
from billing.rating.terms import NOTHING, Terms
from core import clock
from core.events import announce
from core.ids import PriceListId, TenantId, new_id
from core.money import exponent
from core.taken import refused_as
from security import evidence

LONGEST_NAME = 80
LONGEST_CARRIER = 60
_SHOWN_PROBLEMS = 20
# it stands on invoices and in names of files
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list; its prices stand in its versions."""

    price_list_id: PriceListId
    code: str
    name: str
    currency: str
    zone: str
    carrier: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One dated version of a price list."""

    version_id: UUID
    price_list_id: PriceListId
    version: int
    effective_from: dt.datetime
    published_at: dt.datetime | None
    sha256: bytes | None
    revision: int = 1
    holiday_calendar: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A published version as a value that can be carried into a tenant's own rows."""

    version_id: UUID
    price_list: str
    version: int
    effective_from: dt.datetime
    content: str
    sha256: bytes


def create(
    session: Session,
    *,
    tenant_id: TenantId,
    code: str,
    name: str,
    currency: str,
    zone: str,
    carrier: str = "",
) -> PriceList:
    """Create an empty price list, or with a carrier's name a cost deck.

    Args:
        session: in the operator's context.
        tenant_id: the operator.
        code: what the list is called on invoices and in files; of a cost deck see `deck_code`.
        name: what people call it.
        currency: of all its prices.
        zone: by whose clocks its time bands and its days begin.
        carrier: who asks these prices of us; empty: they are what we ask of companies.

    Raises:
        PriceListError: `fields` in its details names what cannot be.
        PriceListTakenError: the code is in use.
    """
    fits = {
        "code": bool(carrier or _CODE.fullmatch(code)),
        "name": 0 < len(name) <= LONGEST_NAME and name.isprintable(),
        "currency": is_counted(currency),
        "zone": zone in zoneinfo.available_timezones(),
        "carrier": len(carrier) <= LONGEST_CARRIER and carrier.isprintable(),
    }
    wrong = [field for field, does in fits.items() if not does]
    if wrong:
        raise PriceListError(fields=wrong)
    row = PriceListRow(
        tenant_id=tenant_id,
        id=new_id(),
        code=code,
        name=name,
        currency=currency,
        zone=zone,
        carrier=carrier,
        created_at=clock.now(),
    )
    with refused_as(session, lambda: PriceListTakenError(code=code)):
        session.add(row)
    evidence.record(session, "price-list.created", "pl", row.id, code=code, currency=currency)
    return _price_list(row)


def is_counted(currency: str) -> bool:
    """Return whether a currency has as many decimals as we count: Iceland's has none, and we count two."""
    return currency in list_currencies() and get_currency_precision(currency) == exponent(currency)


def deck_code(carrier: str) -> str:
    """Return the code of a carrier's cost deck: each carrier has one."""
    return f"cost:{carrier.casefold()}"


def every(session: Session, *, tenant_id: TenantId) -> tuple[PriceList, ...]:
    """Return the price lists that companies can have, by code."""
    return _lists(session, PriceListRow.tenant_id == tenant_id, PriceListRow.carrier == "")


def decks(session: Session, *, tenant_id: TenantId) -> tuple[PriceList, ...]:
    """Return the cost decks: what carriers charge us."""
    return _lists(session, PriceListRow.tenant_id == tenant_id, PriceListRow.carrier != "")


def versions(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> tuple[Version, ...]:
    """Return the versions of a price list, newest first."""
    rows = session.scalars(
        select(PriceListVersionRow)
        .where(
            PriceListVersionRow.tenant_id == tenant_id,
            PriceListVersionRow.price_list_id == price_list_id,
        )
        .order_by(PriceListVersionRow.version.desc())
    )
    return tuple(version_of(row) for row in rows)


def draft(
    session: Session,
    *,
    tenant_id: TenantId,
    price_list_id: UUID,
    effective_from: dt.datetime,
    destinations: Mapping[str, Mapping[str, str]],
    rates: Iterable[DatedRate],
    rentals: Iterable[RentalPrice] = (),
    holiday_calendar: str = "",
    agreed: Terms = NOTHING,
) -> Version:
    """Add a version to a price list; it may be looked at and thrown away until it is published.

    Args:
        session: in the operator's context.
        tenant_id: the operator.
        price_list_id: the list.
        effective_from: aware instant from which usage is rated with it.
        destinations: code -> language -> name, as it will stand on invoices.
        rates: one row per meter and prefix.
        rentals: one price per meter of what is rented.
        holiday_calendar: whose public holidays count, like `GB-ENG`; empty where no rate has a band for them.
        agreed: charge models, included minutes, discounts and commitments.

    Raises:
        PriceListNotFoundError: no such list.
        PriceListError: a rate is wrong: a prefix twice, without a name, or needing a number's last
            four digits; `problems` in its details names each. No rate at all is wrong at publishing.
    """
    price_list = _row(session, tenant_id, price_list_id)
    newest = versions(session, tenant_id=tenant_id, price_list_id=price_list.id)
    row = PriceListVersionRow(
        tenant_id=tenant_id,
        id=new_id(),
        price_list_id=price_list.id,
        version=newest[0].version + 1 if newest else 1,
        effective_from=effective_from,
        destinations={code: dict(names) for code, names in destinations.items()},
        holiday_calendar=holiday_calendar,
        terms=terms.encode(agreed),
        revision=1,
        created_at=clock.now(),
    )
    session.add(row)
    session.flush()
    tariff = tariff_of(price_list, row, rates, rentals)
    _refuse(faults_of_draft(tariff))
    write_prices(session, tenant_id=tenant_id, version_id=row.id, tariff=tariff)
    return version_of(row)


def tariff_of(
    price_list: PriceListRow | PriceList,
    version: PriceListVersionRow,
    rates: Iterable[DatedRate],
    rentals: Iterable[RentalPrice],
) -> Tariff:
    """Return a version with these prices as the value it would be published as.

    Raises:
        PriceListError: no such calendar of holidays.
    """
    holidays = None
    if version.holiday_calendar:
        if not calendars.exists(version.holiday_calendar):
            raise PriceListError(
                problems=[f"there is no calendar of holidays for {version.holiday_calendar}"]
            )
        # a call is rated by its answer: none of before the version
        first = version.effective_from.astimezone(zoneinfo.ZoneInfo(price_list.zone)).year
        holidays = calendars.of(version.holiday_calendar, from_year=first - 1)
    return Tariff(
        price_list=price_list.code,
        version=version.version,
        currency=price_list.currency,
        zone=price_list.zone,
        destinations=version.destinations,
        rates=tuple(rates),
        rentals=tuple(rentals),
        holidays=holidays,
        terms=terms.decode(version.terms),
    )


def version_of(row: PriceListVersionRow) -> Version:
    """Return a version's row as a value."""
    return Version(
        version_id=row.id,
        price_list_id=PriceListId(row.price_list_id),
        version=row.version,
        effective_from=row.effective_from,
        published_at=row.published_at,
        sha256=row.sha256,
        revision=row.revision,
        holiday_calendar=row.holiday_calendar,
    )


def write_prices(session: Session, *, tenant_id: TenantId, version_id: UUID, tariff: Tariff) -> None:
    """Write the prices of a tariff as rows of a version that has none."""
    key = {"tenant_id": tenant_id, "price_list_version_id": version_id}
    # a deck has some hundred prices for its hundred thousand prefixes
    bands = {one: encode_bands(one) for one in {one.rate.bands for one in tariff.rates}}
    rates = [
        {
            **key,
            "meter": one.meter,
            "prefix": one.prefix,
            "destination": one.destination,
            "is_blocked": one.is_blocked,
            "initial_s": one.rate.initial_s,
            "minimum_nano": one.rate.minimum,
            "maximum_nano": one.rate.maximum,
            "ceiling": one.rate.ceiling.value,
            "grace_s": one.rate.grace_s,
            "bands": bands[one.rate.bands],
        }
        for one in tariff.rates
    ]
    rentals = [
        {
            **key,
            "meter": one.meter,
            "destination": one.destination,
            "unit_nano": one.unit_nano,
            "proration": one.proration.value,
            "step_s": one.step_s,
        }
        for one in tariff.rentals
    ]
    if rates:
        session.execute(insert(RateRow), rates)
    if rentals:
        session.execute(insert(RentalPriceRow), rentals)


def rates_of(session: Session, *, tenant_id: TenantId, version_id: UUID) -> tuple[DatedRate, ...]:
    """Return the rates of a version by meter and prefix."""
    # columns, not objects: a deck has up to 100,000 rows
    rows = session.execute(
        select(
            RateRow.meter,
            RateRow.prefix,
            RateRow.destination,
            RateRow.is_blocked,
            RateRow.bands,
            RateRow.initial_s,
            RateRow.minimum_nano,
            RateRow.maximum_nano,
            RateRow.ceiling,
            RateRow.grace_s,
        )
        .where(RateRow.tenant_id == tenant_id, RateRow.price_list_version_id == version_id)
        .order_by(RateRow.meter, RateRow.prefix)
    )
    return tuple(
        DatedRate(
            meter=meter,
            prefix=prefix,
            destination=destination,
            is_blocked=is_blocked,
            rate=Rate(
                bands=decode_bands(bands),
                initial_s=initial_s,
                minimum=minimum,
                maximum=maximum,
                ceiling=Ceiling(ceiling),
                grace_s=grace_s,
            ),
        )
        for (
            meter,
            prefix,
            destination,
            is_blocked,
            bands,
            initial_s,
            minimum,
            maximum,
            ceiling,
            grace_s,
        ) in rows
    )


def rentals_of(session: Session, *, tenant_id: TenantId, version_id: UUID) -> tuple[RentalPrice, ...]:
    """Return the rental prices of a version by meter."""
    rows = session.scalars(
        select(RentalPriceRow)
        .where(RentalPriceRow.tenant_id == tenant_id, RentalPriceRow.price_list_version_id == version_id)
        .order_by(RentalPriceRow.meter)
    )
    return tuple(
        RentalPrice(row.meter, row.destination, row.unit_nano, Proration(row.proration), row.step_s)
        for row in rows
    )


def publish(session: Session, *, tenant_id: TenantId, version_id: UUID) -> Published:
    """Freeze a version and announce it (PriceListPublished), so that it reaches the tenants on the list.

    Raises:
        PriceListNotFoundError: no such version.
        VersionPublishedError: it is out already.
        PriceListError: a rate is wrong; or the version would take effect before the one it follows, or
            before now although prices are in force already (usage has been rated with them).
    """
    row = session.get(PriceListVersionRow, (tenant_id, version_id), with_for_update=True)
    if row is None:
        raise PriceListNotFoundError
    if row.published_at is not None:
        raise VersionPublishedError(version=row.version)
    price_list = _row(session, tenant_id, row.price_list_id)
    tariff = tariff_of(
        price_list,
        row,
        rates_of(session, tenant_id=tenant_id, version_id=version_id),
        rentals_of(session, tenant_id=tenant_id, version_id=version_id),
    )
    faults = problems(tariff)
    for earlier in versions(session, tenant_id=tenant_id, price_list_id=price_list.id):
        if earlier.published_at is None:
            continue
        if earlier.version > row.version or earlier.effective_from >= row.effective_from:
            faults.append(f"version {earlier.version} takes effect at the same time or later")
        if row.effective_from < clock.now():
            faults.append("usage has been rated already at this time")
        break
    _refuse(faults)
    row.content = encode(tariff)
    row.sha256 = digest(row.content)
    row.published_at = clock.now()
    session.flush()
    if not price_list.carrier:  # what carriers charge us is handed over to nobody
        announce(
            session,
            PriceListPublished(tenant_id=tenant_id, version_id=row.id, price_list=price_list.code),
        )
    evidence.record(
        session, "price-list.published", "pl", price_list.id, version=row.version, sha256=row.sha256.hex()
    )
    return _published(price_list, row)


def published(session: Session, *, tenant_id: TenantId, code: str) -> tuple[Published, ...]:
    """Return the published versions of a price list, oldest first; what a new tenant takes over.

    Raises:
        PriceListNotFoundError: no such list, or a cost deck, which no tenant takes over.
    """
    price_list = session.scalars(
        select(PriceListRow).where(
            PriceListRow.tenant_id == tenant_id, PriceListRow.code == code, PriceListRow.carrier == ""
        )
    ).one_or_none()
    if price_list is None:
        raise PriceListNotFoundError(code=code)
    return _all_published(session, price_list)


def hold(session: Session, *, tenant_id: TenantId, codes: Iterable[str]) -> None:
    """Let no version of these lists come out before the transaction ends: what is read of them is all."""
    session.execute(
        select(PriceListRow.id)
        .where(PriceListRow.tenant_id == tenant_id, PriceListRow.code.in_(tuple(codes)))
        .order_by(PriceListRow.code)
        .with_for_update(read=True)
    )


def published_deck(session: Session, *, tenant_id: TenantId, price_list_id: UUID) -> tuple[Published, ...]:
    """Return the published versions of a cost deck, oldest first.

    Raises:
        PriceListNotFoundError: no such deck.
    """
    price_list = session.get(PriceListRow, (tenant_id, price_list_id))
    if price_list is None or not price_list.carrier:
        raise PriceListNotFoundError
    return _all_published(session, price_list)


def _lists(session: Session, *fits: ColumnElement[bool]) -> tuple[PriceList, ...]:
    rows = session.scalars(select(PriceListRow).where(*fits).order_by(PriceListRow.code))
    return tuple(_price_list(row) for row in rows)


def _all_published(session: Session, price_list: PriceListRow) -> tuple[Published, ...]:
    rows = session.scalars(
        select(PriceListVersionRow)
        .where(
            PriceListVersionRow.tenant_id == price_list.tenant_id,
            PriceListVersionRow.price_list_id == price_list.id,
            PriceListVersionRow.published_at.is_not(None),
        )
        .order_by(PriceListVersionRow.effective_from)
    )
    return tuple(_published(price_list, row) for row in rows)


def _row(session: Session, tenant_id: UUID, price_list_id: UUID) -> PriceListRow:
    row = session.get(PriceListRow, (tenant_id, price_list_id), with_for_update=True)
    if row is None:
        raise PriceListNotFoundError
    return row


def _refuse(faults: list[str]) -> None:
    if faults:
        raise PriceListError("; ".join(faults[:_SHOWN_PROBLEMS]), problems=faults)


def _price_list(row: PriceListRow) -> PriceList:
    return PriceList(PriceListId(row.id), row.code, row.name, row.currency, row.zone, row.carrier)


def _published(price_list: PriceListRow, row: PriceListVersionRow) -> Published:
    assert row.content is not None  # noqa: S101 - the table's own check
    assert row.sha256 is not None  # noqa: S101
    return Published(row.id, price_list.code, row.version, row.effective_from, row.content, row.sha256)
