"""Billing accounts: how a client company is billed, and the two heads of its invoices.

Company data, kept plain: legal names and addresses of companies, no person. The seller's head is copied
in by value, because a tenant's transaction cannot read the operator's rows and a finalised invoice must
keep the head it had.
"""

import dataclasses
import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from babel.numbers import list_currencies
from sqlalchemy.orm import Session

from billing.errors import BillingAccountInvalidError, BillingAccountNotFoundError
from billing.models import BillingAccountRow
from core import clock
from core.ids import TenantId

LANGUAGES = ("en", "zh")
SERIES = "SL"
PPM = 1_000_000
# a company that rented before its account was opened pays for that as well
_THE_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# UNCL 5305, as EN 16931 uses it: standard, zero, exempt, reverse charge, intra-community, export, outside
TAX_CATEGORIES = ("S", "Z", "E", "AE", "K", "G", "O")


@dataclass(frozen=True, slots=True)
class Party:
    """A company as it stands in an invoice's head."""

    name: str
    address: tuple[str, ...] = ()
    tax_id: str = ""
    postcode: str = ""
    city: str = ""
    country: str = ""  # ISO 3166-1; empty: the letters of the tax number say it
    register_id: str = ""  # the number in the register of companies
    email: str = ""
    # where e-invoices are sent to: a scheme of the EAS list, and the address in it
    scheme: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues: head, number series and how to pay.

    `series` begins each number (SL-2026-000001), which run without gap per issuer, series and year;
    `zone` decides which day and year it is at the issuer's; `payment` pairs a known word (bank, account,
    iban, bic) or any other with its value.
    """

    issuer_id: UUID
    party: Party
    zone: str
    series: str = SERIES
    footer: str = ""
    payment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A billing account. `tax_rate_ppm` is in parts per million: 20 % is 200_000.

    `seller` is as it was when the account was opened; who bills it now says `billing.sellers.of`.
    `tax_reason` says why no tax is charged, where the category alone does not; `revision` counts changes.
    Rentals are charged from `rentals_from` on; `charged_until` says up to when everything rented stands in
    usage. Neither is changed by `open_account`, nor is which price list it follows from an instant to come
    (`next_price_list`, `next_price_list_at`; `billing.following`).
    """

    tenant_id: TenantId
    currency: str
    zone: str
    language: str
    tax_category: str
    tax_rate_ppm: int
    terms_days: int
    price_list: str
    buyer: Party
    seller: Seller
    order_reference: str = ""
    tax_reason: str = ""
    revision: int = 1
    rentals_from: dt.datetime = _THE_BEGINNING
    charged_until: dt.datetime | None = None
    next_price_list: str = ""
    next_price_list_at: dt.datetime | None = None

    def is_charged(self, *, until: dt.datetime) -> bool:
        """Return whether everything rented before an instant stands in usage."""
        return self.charged_until is not None and self.charged_until >= until


def open_account(session: Session, *, account: Account) -> Account:
    """Open a tenant's billing account, or change it for all invoices not yet finalised.

    The currency stays what it was: an account is billed in one currency.

    Raises:
        BillingAccountInvalidError: names the fields that cannot be.
    """
    row = session.get(BillingAccountRow, (account.tenant_id,), with_for_update=True)
    faults = _faults(account)
    if row is not None and row.currency != account.currency:
        faults.append("currency")
    if faults:
        raise BillingAccountInvalidError(fields=faults)
    if row is None:
        row = BillingAccountRow(
            tenant_id=account.tenant_id,
            opened_at=clock.now(),
            rentals_from=_THE_BEGINNING,
            price_list=account.price_list,
            next_price_list="",
        )
        session.add(row)
    row.currency = account.currency
    row.zone = account.zone
    row.language = account.language
    row.tax_category = account.tax_category
    row.tax_rate_ppm = account.tax_rate_ppm
    row.terms_days = account.terms_days
    if account.price_list != _followed(row)[0]:
        row.price_list, row.next_price_list, row.next_price_list_at = account.price_list, "", None
    row.buyer = party_to_json(account.buyer)
    row.seller = seller_to_json(account.seller)
    row.order_reference = account.order_reference
    row.tax_reason = account.tax_reason
    row.revision = account.revision
    session.flush()
    return account


def find(session: Session, *, tenant_id: TenantId) -> Account:
    """Return the tenant's billing account.

    Raises:
        BillingAccountNotFoundError: none has been opened.
    """
    return _account(_row(session, tenant_id, lock=False))


def lock(session: Session, *, tenant_id: TenantId) -> Account:
    """Return the account and hold it until the transaction ends: invoicing is one at a time per tenant."""
    return _account(_row(session, tenant_id, lock=True))


def charged(session: Session, *, tenant_id: TenantId, until: dt.datetime) -> None:
    """Note that everything rented before `until` stands in usage; an earlier instant changes nothing."""
    row = _row(session, tenant_id, lock=True)
    row.charged_until = max(until, row.charged_until or until)
    session.flush()


def plan_prices(session: Session, *, tenant_id: TenantId, price_list: str, at: dt.datetime | None) -> None:
    """Note which price list an account follows from an instant on; empty and None: the one it follows."""
    row = _row(session, tenant_id, lock=True)
    row.price_list = _followed(row)[0]
    row.next_price_list, row.next_price_list_at = price_list, at
    session.flush()


def party_to_json(party: Party) -> dict[str, Any]:
    """Return a head as JSON."""
    return {**dataclasses.asdict(party), "address": list(party.address)}


def party_from_json(raw: dict[str, Any]) -> Party:
    """Return the head that `party_to_json` wrote."""
    # heads that were written down earlier have fewer fields
    return Party(**{**raw, "address": tuple(raw["address"])})


def seller_to_json(seller: Seller) -> dict[str, Any]:
    """Return a seller as JSON."""
    return {
        **dataclasses.asdict(seller),
        "issuer_id": str(seller.issuer_id),
        "party": party_to_json(seller.party),
        "payment": [list(one) for one in seller.payment],
    }


def seller_from_json(raw: dict[str, Any]) -> Seller:
    """Return the seller that `seller_to_json` wrote."""
    return Seller(
        issuer_id=UUID(raw["issuer_id"]),
        party=party_from_json(raw["party"]),
        zone=raw["zone"],
        series=raw["series"],
        footer=raw["footer"],
        payment=tuple((word, value) for word, value in raw["payment"]),
    )


def _faults(account: Account) -> list[str]:
    checks = {
        "currency": account.currency in list_currencies(),
        "zone": account.zone in zoneinfo.available_timezones(),
        "language": account.language in LANGUAGES,
        "tax_category": account.tax_category in TAX_CATEGORIES,
        # only the standard category carries a rate
        "tax_rate_ppm": 0 <= account.tax_rate_ppm <= PPM
        and (account.tax_category == "S" or account.tax_rate_ppm == 0),
        "terms_days": 0 <= account.terms_days <= 365,  # noqa: PLR2004 - a year
        "buyer": bool(account.buyer.name),
        "seller": bool(account.seller.party.name)
        and account.seller.zone in zoneinfo.available_timezones()
        and account.seller.series.isascii()
        and account.seller.series.isalnum(),
    }
    return [name for name, holds in checks.items() if not holds]


def _row(session: Session, tenant_id: UUID, *, lock: bool) -> BillingAccountRow:
    row = session.get(BillingAccountRow, (tenant_id,), with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise BillingAccountNotFoundError
    return row


def _followed(row: BillingAccountRow) -> tuple[str, str, dt.datetime | None]:
    """Return the price list an account follows now, and what is planned."""
    if row.next_price_list_at is not None and row.next_price_list_at <= clock.now():
        return row.next_price_list, "", None
    return row.price_list, row.next_price_list, row.next_price_list_at


def _account(row: BillingAccountRow) -> Account:
    price_list, next_price_list, next_price_list_at = _followed(row)
    return Account(
        tenant_id=TenantId(row.tenant_id),
        currency=row.currency,
        zone=row.zone,
        language=row.language,
        tax_category=row.tax_category,
        tax_rate_ppm=row.tax_rate_ppm,
        terms_days=row.terms_days,
        price_list=price_list,
        buyer=party_from_json(row.buyer),
        seller=seller_from_json(row.seller),
        order_reference=row.order_reference,
        tax_reason=row.tax_reason,
        revision=row.revision,
        rentals_from=row.rentals_from,
        charged_until=row.charged_until,
        next_price_list=next_price_list,
        next_price_list_at=next_price_list_at,
    )
