"""Every e-invoice is judged by the rules of EN 16931 themselves."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.accounts import Party
from billing.bill import compose
from billing.credit_notes import _taxes
from billing.documents import en16931, ubl
from billing.documents.document import CreditLine, InvoiceDocument
from billing.errors import EInvoiceRefusedError
from tests.billing.papers import group, invoice
from tests.billing.test_credit_notes import note_of

TAXES = [("S", 200_000), ("S", 55_000), ("Z", 0), ("E", 0), ("AE", 0), ("K", 0), ("G", 0), ("O", 0)]


def made(
    amounts: list[int],
    tax: tuple[str, int] = ("S", 200_000),
    currency: str = "GBP",
    buyer: Party | None = None,
) -> InvoiceDocument:
    """Return an invoice with a line over each amount, in nano-units."""
    groups = [dataclasses.replace(group(n), amount_nano=nano) for n, nano in enumerate(amounts)]
    bill = compose(groups, currency=currency, tax_category=tax[0], tax_rate_ppm=tax[1])
    paper = dataclasses.replace(invoice(1), bill=bill)
    return paper if buyer is None else dataclasses.replace(paper, buyer=buyer)


def problems(paper: InvoiceDocument, country: str = "GB") -> tuple[str, ...]:
    return en16931.problems(ubl.invoice(paper, buyer_country=country))


@settings(max_examples=60)
@given(
    amounts=st.lists(st.integers(0, 10**15), min_size=1, max_size=8),
    tax=st.sampled_from(TAXES),
    currency=st.sampled_from(["GBP", "EUR", "JPY", "CNY"]),
)
def test_every_invoice_keeps_the_rules(amounts: list[int], tax: tuple[str, int], currency: str) -> None:
    """Invariant 24: random lines, every kind of tax, currencies with and without cents."""
    assert problems(made(amounts, tax, currency)) == ()


@settings(max_examples=40)
@given(
    minors=st.lists(st.integers(1, 10**9), min_size=1, max_size=6),
    tax=st.sampled_from(TAXES),
    is_free=st.booleans(),
)
def test_every_credit_note_keeps_the_rules(minors: list[int], tax: tuple[str, int], *, is_free: bool) -> None:
    lines = [CreditLine(None if is_free else n, minor, *tax) for n, minor in enumerate(minors, 1)]
    note = note_of(lines, _taxes(lines, []))
    paper = made([10**15] * len(minors), tax)
    assert en16931.problems(ubl.credit_note(note, paper, buyer_country="GB")) == ()


def test_a_buyer_without_a_tax_number_lives_in_its_companys_country() -> None:
    paper = made(
        [10**10], buyer=Party("明湖旅行有限公司", ("一条", "二条", "三条", "四条"), "91310000MA1FL0")
    )
    xml = ubl.invoice(paper, buyer_country="CN").decode()
    assert "<cbc:IdentificationCode>CN</cbc:IdentificationCode>" in xml
    assert "<cbc:Line>三条, 四条</cbc:Line>" in xml
    assert problems(paper, "CN") == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda xml: xml.replace(b">12.00</cbc:Payable", b">12.01</cbc:Payable"), "BR-CO-16"),
        (lambda xml: xml.replace(b">GB<", b">XX<"), "BR-CL-14"),
        (lambda xml: xml.replace(b"<cbc:ID>S</cbc:ID>", b"<cbc:ID>Z</cbc:ID>"), "BR-Z-"),
        (lambda xml: xml.replace(b"cbc:IssueDate", b"cbc:Issued"), "schema"),
    ],
)
def test_a_broken_rule_is_named(change: object, rule: str) -> None:
    good = ubl.invoice(made([10**10]), buyer_country="GB")
    bad = change(good)  # type: ignore[operator]  # one of the functions above
    assert bad != good
    assert any(one.startswith(rule) for one in en16931.problems(bad))
    with pytest.raises(EInvoiceRefusedError):
        en16931.checked(bad)


def test_what_the_standard_does_not_allow_is_refused() -> None:
    seller = dataclasses.replace(made([10**10]).seller, party=Party("Nobody", (), "123"))
    for paper in (
        made([]),  # an invoice has a line
        made([10**10], currency="KWD"),  # two decimals at most
        dataclasses.replace(made([10**10]), seller=seller),  # of which country
    ):
        with pytest.raises(EInvoiceRefusedError) as refusal:
            en16931.checked(ubl.invoice(paper, buyer_country="GB"))
        assert refusal.value.details["rules"]
