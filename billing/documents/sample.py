"""A made-up invoice under a real head, to see how it looks before anybody is billed."""

import datetime as dt
from uuid import UUID

from billing.accounts import PPM, Party, Seller
from billing.bill import Group, compose
from billing.documents.document import InvoiceDocument
from billing.periods import Period
from core.ids import InvoiceId
from core.money import NANO

_NOBODY = UUID(int=0)
_TAX_PPM, _TERMS = PPM // 5, dt.timedelta(days=30)
_MINUTES, _A_MINUTE = 1_240, NANO // 20


def invoice(seller: Seller, *, month: Period, currency: str, on: dt.date, language: str) -> InvoiceDocument:
    """Return an invoice with one line, whose number says that it is none.

    Args:
        seller: whose head is shown.
        month: local, in the seller's zone.
        currency: of the amounts.
        on: the day of issue.
        language: "en" or "zh".
    """
    line = Group(
        meter="voice.inbound",
        destination="sample",
        tariff_id=_NOBODY,
        price_list="sample",
        version=1,
        names={"en": "Calls in, a sample", "zh": "呼入，示例"},
        unit_nano=_A_MINUTE,
        is_late=False,
        events=310,
        billed_seconds=60 * _MINUTES,
        amount_nano=_MINUTES * _A_MINUTE,
    )
    bill = compose([line], currency=currency, tax_category="S", tax_rate_ppm=_TAX_PPM)
    return InvoiceDocument(
        invoice_id=InvoiceId(_NOBODY),
        state="finalised",
        number=f"{seller.series}-{on.year}-000000",
        zone=seller.zone,
        language=language,
        period=month,
        bill=bill,
        buyer=Party("A sample, no invoice", ("1 High Street",), city="Anytown"),
        seller=seller,
        order_reference="",
        issued_on=on,
        due_on=on + _TERMS,
        drafted_at=month.end,
        finalised_at=month.end,
    )
