"""Invoices as values, for looking at documents without a database."""

import datetime as dt
from uuid import UUID

from billing.accounts import Party
from billing.bill import Group, compose
from billing.documents.document import InvoiceDocument
from billing.periods import month
from core.ids import OPERATOR, InvoiceId
from tests.billing import stock

_TARIFF = UUID("01900000-0000-7000-8000-000000000002")


def group(n: int) -> Group:
    """Return the charges of one line, somewhat different for each n."""
    destinations = list(stock.NAMES)
    return Group(
        meter="voice.inbound" if n % 2 else "voice.outbound",
        destination=destinations[n % len(destinations)],
        tariff_id=_TARIFF,
        price_list="UK Standard",
        version=13,
        names=stock.NAMES[destinations[n % len(destinations)]],
        unit_nano=None if n % 5 == 4 else 50_000_000 + n * 12_500_000,
        is_late=n % 7 == 6,
        events=1 if n % 6 == 5 else 18_204 + n,
        billed_seconds=2_892_600 + 61 * n,
        amount_nano=2_410_500_000_000 + n * 1_234_567_891,
    )


def invoice(
    lines: int = 6, *, is_draft: bool = False, currency: str = "GBP", buyer: str = "Pelican Parcel Ltd"
) -> InvoiceDocument:
    groups = [group(n) for n in range(lines)]
    account = stock.account(OPERATOR)
    return InvoiceDocument(
        invoice_id=InvoiceId(UUID("01900000-0000-7000-8000-000000000003")),
        state="draft" if is_draft else "finalised",
        number=None if is_draft else "SL-2026-001187",
        zone="Europe/London",
        language="en",
        period=month(2026, 10, zone="Europe/London"),
        bill=compose(groups, currency=currency, tax_category="S", tax_rate_ppm=200_000),
        buyer=Party(buyer, account.buyer.address, account.buyer.tax_id),
        seller=account.seller,
        order_reference=account.order_reference,
        issued_on=None if is_draft else dt.date(2026, 11, 2),
        due_on=None if is_draft else dt.date(2026, 11, 30),
        drafted_at=dt.datetime(2026, 11, 1, 0, 10, tzinfo=dt.UTC),
        finalised_at=None if is_draft else dt.datetime(2026, 11, 2, 8, 58, tzinfo=dt.UTC),
    )
