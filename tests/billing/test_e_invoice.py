"""Every e-invoice is judged by the rules of EN 16931 themselves."""

import dataclasses
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.accounts import Party
from billing.bill import Group, Kind, compose
from billing.credit_notes import _taxes
from billing.documents import en16931, ubl
from billing.documents.arithmetic import explained
from billing.documents.document import CreditLine, InvoiceDocument
from billing.errors import EInvoiceRefusedError
from billing.rating.rentals import METERS
from core.money import NANO, Money
from tests.billing.papers import group, invoice
from tests.billing.test_credit_notes import note_of

_CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
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


# what people may type in a head or a name: every script, and all that means something in XML
words = st.text(
    st.one_of(
        st.sampled_from("&<>\"']]>{}%;"),
        st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp", "Zs")),
    ),
    min_size=1,
    max_size=30,
)
# a line's amount in nano-units: most are more than a cent, some less
nanos = st.one_of(st.integers(0, 10**15), st.integers(0, 20_000_000))


@st.composite
def lines(draw: st.DrawFn) -> Group:
    """Any line that a bill may have: of every meter and every kind, with whatever quantity."""
    kind = draw(st.sampled_from(Kind))
    takes_off = kind in {Kind.ALLOWANCE, Kind.DISCOUNT, Kind.CREDIT} or (
        kind is Kind.METERED and draw(st.booleans()) and draw(st.booleans())  # late, with falling prices
    )
    meter = draw(st.sampled_from(["voice.inbound", "voice.outbound", *METERS]))
    is_shared = kind is Kind.METERED and meter not in METERS and draw(st.booleans())
    share = {"percent": draw(st.integers(0, 100)), "with": draw(words), "is_other": draw(st.booleans())}
    is_counted = kind in {Kind.DISCOUNT, Kind.COMMITMENT, Kind.CREDIT} or meter in METERS
    return dataclasses.replace(
        group(0),
        meter=kind.value if kind in {Kind.DISCOUNT, Kind.COMMITMENT, Kind.CREDIT} else meter,
        kind=kind,
        arithmetic={"share": share} if is_shared else None,
        names=draw(st.sampled_from([{}, {"en": draw(words)}, {"zh": draw(words)}])),
        is_late=draw(st.booleans()),
        events=draw(st.integers(0, 10**6)),
        billed_seconds=draw(st.integers(0, 10**8)),
        units_nano=draw(st.integers(0, 10**6 * NANO)) if is_counted else None,
        amount_nano=-draw(nanos) if takes_off else draw(nanos),
    )


@st.composite
def papers(draw: st.DrawFn) -> InvoiceDocument:
    """Any invoice: any lines, tax, currency, language, heads and ways to pay."""
    tax = draw(st.sampled_from(TAXES))
    bill = compose(
        draw(st.lists(lines(), min_size=1, max_size=6)),
        currency=draw(st.sampled_from(["GBP", "EUR", "JPY", "CNY"])),
        tax_category=tax[0],
        tax_rate_ppm=tax[1],
    )
    paper = invoice(1)
    tax_id = draw(st.sampled_from(["GB123456789", "DE123456789", "EL123456789", "gb 123 4567 89"]))
    ways = [("account", "12345678"), ("iban", "GB33 BUKB 2020 1555 5555 55"), ("bic", "BUKBGB22")]
    seller = dataclasses.replace(
        paper.seller,
        party=Party(draw(words), tuple(draw(st.lists(words, max_size=5))), tax_id),
        payment=tuple(draw(st.lists(st.sampled_from(ways), unique=True))),
    )
    return dataclasses.replace(
        paper,
        bill=bill,
        language=draw(st.sampled_from(["en", "zh"])),
        order_reference=draw(st.one_of(st.just(""), words)),
        seller=seller,
        buyer=Party(
            draw(words),
            tuple(draw(st.lists(words, max_size=5))),
            # within the union both have a tax number, and none where there is no tax at all
            draw(st.sampled_from(["FR12345678901", "XI123456789"]))
            if tax[0] in {"AE", "K"}
            else draw(st.sampled_from(["", "FR12345678901", "91310000MA1FL0"])),
        ),
    )


@settings(max_examples=60, deadline=None)
@given(paper=papers(), country=st.sampled_from(["GB", "CN", "FR"]), data=st.data())
def test_whatever_a_bill_may_hold_keeps_the_rules_and_so_does_what_lessens_it(
    paper: InvoiceDocument, country: str, data: st.DataObject
) -> None:
    """Invariant 24: what is taken off, what is late or free, any text in any head; and its credit note."""
    xml = ubl.invoice(paper, buyer_country=country)
    assert en16931.problems(xml) == ()
    bill = paper.bill
    written = ET.fromstring(xml)  # noqa: S314 - our own
    amounts = [one.findtext(f"{_CBC}LineExtensionAmount") for one in written.iter(f"{_CAC}InvoiceLine")]
    assert amounts == [Money(one.amount_minor, bill.currency).plain() for one in bill.lines]
    notes = [one.findtext(f"{_CBC}Note", "") for one in written.iter(f"{_CAC}InvoiceLine")]
    assert notes == [explained(one, currency=bill.currency, language=paper.language) for one in bill.lines]
    payable = written.findtext(f"{_CAC}LegalMonetaryTotal/{_CBC}PayableAmount")
    assert payable == Money(bill.total_minor, bill.currency).plain()
    parts = [
        CreditLine(
            one.line_no, data.draw(st.integers(1, one.amount_minor)), one.tax_category, one.tax_rate_ppm
        )
        for one in bill.lines
        if one.amount_minor > 0 and data.draw(st.booleans())
    ]
    tax = bill.lines[0].tax_category, bill.lines[0].tax_rate_ppm
    if not parts:
        parts = [CreditLine(None, data.draw(st.integers(1, 10**9)), *tax)]
    note = dataclasses.replace(
        note_of(parts, _taxes(parts, [])), currency=bill.currency, reason=data.draw(words)
    )
    assert en16931.problems(ubl.credit_note(note, paper, buyer_country=country)) == ()


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
