"""What the tests of billing need: an open account, a published price list, usage."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from billing import accounts, price_lists, tariffs
from billing.accounts import Account, Party, Seller
from billing.price_lists import Published
from billing.rating.rentals import RentalPrice
from billing.rating.rules import Band, Rate, Slot
from billing.rating.tariff import DatedRate
from billing.rating.terms import NOTHING, Terms
from billing.usage import Usage
from core.ids import OPERATOR, TenantId, new_id
from security.gate import Gate, Scope

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 10, 14, 12, tzinfo=dt.UTC)

NAMES = {
    "gb-local": {"en": "UK landlines", "zh": "英国固话"},
    "gb-mobile": {"en": "UK mobiles", "zh": "英国手机"},
    "premium": {"en": "Premium numbers", "zh": "高费率号码"},
}

SEATS = {"seats": {"en": "Seats", "zh": "坐席"}}


def per_minute(nano: int, *, connect: int = 0, increment_s: int = 1, initial_s: int = 0) -> Rate:
    return Rate(bands=(Band(slots=(Slot(0, nano, 60, increment_s),), connect=connect),), initial_s=initial_s)


def rates(**changes: int) -> tuple[DatedRate, ...]:
    return (
        DatedRate("voice.inbound", "44", "gb-local", per_minute(changes.get("inbound", 50_000_000))),
        DatedRate("voice.outbound", "44", "gb-local", per_minute(22_500_000)),
        DatedRate("voice.outbound", "447", "gb-mobile", per_minute(changes.get("mobile", 72_500_000))),
        DatedRate("voice.outbound", "449", "premium", per_minute(0), is_blocked=True),
    )


def publish(
    gate: Gate,
    *,
    code: str = "uk-standard",
    effective_from: dt.datetime = LONG_AGO,
    of: tuple[DatedRate, ...] | None = None,
    rentals: tuple[RentalPrice, ...] = (),
    currency: str = "GBP",
    terms: Terms = NOTHING,
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> Published:
    """Publish the next version of a price list, which is created when it is not there."""
    with gate.open(Scope.system(OPERATOR)) as session:
        there = [one for one in price_lists.every(session, tenant_id=OPERATOR) if one.code == code]
        price_list = (
            there[0]
            if there
            else price_lists.create(
                session, tenant_id=OPERATOR, code=code, name=code, currency=currency, zone="Europe/London"
            )
        )
        version = price_lists.draft(
            session,
            tenant_id=OPERATOR,
            price_list_id=price_list.price_list_id,
            effective_from=effective_from,
            destinations={**NAMES, **(SEATS if rentals else {}), **(names or {})},
            rates=of or rates(),
            rentals=rentals,
            agreed=terms,
        )
        return price_lists.publish(session, tenant_id=OPERATOR, version_id=version.version_id)


def account(tenant_id: TenantId, **changes: Any) -> Account:
    return Account(
        **{
            "tenant_id": tenant_id,
            "currency": "GBP",
            "zone": "Europe/London",
            "language": "en",
            "tax_category": "S",
            "tax_rate_ppm": 200_000,
            "terms_days": 28,
            "price_list": "uk-standard",
            "buyer": Party("Pelican Parcel Ltd", ("Unit 6, Mill Lane", "Leeds LS1 4AP"), "GB 000 0000 01"),
            "seller": SELLER,
            "order_reference": "PO-7713",
            **changes,
        }
    )


SELLER = Seller(
    issuer_id=OPERATOR,
    party=Party("Seatline Contact Ltd", ("14 Quay Street", "Bristol BS1 4XE"), "GB 000 0000 00"),
    zone="Europe/London",
    footer="Seatline Contact Ltd – billing@seatline.example",
    payment=(("iban", "GB00 EXMP 0000 0012 3456 78"), ("bic", "EXMPGB2L")),
)


def customer(
    session: Session,
    *,
    tenant_id: TenantId,
    version: Published,
    rents_nothing: bool = True,
    **changes: Any,
) -> Account:
    """Open a tenant's account and give it its prices; rentals are charged already, as it has none."""
    opened = accounts.open_account(session, account=account(tenant_id, **changes))
    tariffs.take(session, tenant_id=tenant_id, version=version)
    if rents_nothing:
        accounts.charged(session, tenant_id=tenant_id, until=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    return opened


def usage(
    event_id: str = "call_1/leg-1",
    *,
    seconds: int = 60,
    at: dt.datetime = NOON,
    meter: str = "voice.outbound",
    prefix: str = "447700900",
    subject_ref: UUID | None = None,
    **changes: Any,
) -> Usage:
    return Usage(
        **{
            "source": "telephony",
            "event_id": event_id,
            "meter": meter,
            "subject_ref": subject_ref or new_id_of(event_id),
            "occurred_at": at,
            "ended_at": at + dt.timedelta(seconds=seconds),
            "quantity_ms": seconds * 1000,
            "prefix": prefix,
            **changes,
        }
    )


_subjects: dict[str, UUID] = {}


def new_id_of(event_id: str) -> UUID:
    """The same event belongs to the same subject whenever it is reported."""
    return _subjects.setdefault(event_id, new_id())
