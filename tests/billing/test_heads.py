"""What a head may hold, and that what an e-invoice is said to lack is what its judge misses."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import heads
from billing.accounts import TAX_CATEGORIES, Party
from billing.documents import en16931, ubl
from billing.heads import COUNTRIES, SCHEMES, Lack
from tests.billing import stock
from tests.billing.test_e_invoice import made

SELLER = stock.SELLER
GOOD = Party(
    "Pelican Parcel Ltd",
    ("Unit 6", "Mill Lane"),
    "GB123456789",
    postcode="LS1 4AP",
    city="Leeds",
    country="GB",
    register_id="01234567",
    email="invoices@pelicanparcel.example",
    scheme="0088",
    endpoint="5790000435968",
)
_NUMBERS = ["", "GB123456789", "DE 123 456 789", "EL123456789", "XI123456789", "133/8150/8159", "zz12345"]


@st.composite
def parties(draw: st.DrawFn, numbers: list[str]) -> Party:
    return Party(
        draw(st.sampled_from(["Nobody Ltd", "明湖旅行有限公司"])),
        draw(st.sampled_from([(), ("1 Quay",), ("1", "2", "3", "4")])),
        draw(st.sampled_from(numbers)),
        postcode=draw(st.sampled_from(["", "D01"])),
        city=draw(st.sampled_from(["", "Dublin"])),
        country=draw(st.sampled_from(["", "GB", "CN", "FR"])),
        register_id=draw(st.sampled_from(["", "HRB 1234"])),
        email=draw(st.sampled_from(["", "books@nobody.example"])),
    )


@settings(max_examples=150, deadline=None)
@given(
    seller=parties(_NUMBERS),
    buyer=parties(_NUMBERS),
    category=st.sampled_from(TAX_CATEGORIES),
    country=st.sampled_from(["GB", "FR"]),
)
def test_what_is_said_to_lack_is_what_the_judge_misses(
    seller: Party, buyer: Party, category: str, country: str
) -> None:
    tax = (category, 200_000 if category == "S" else 0)
    paper = made([10**10], tax, buyer=buyer)
    paper = dataclasses.replace(paper, seller=dataclasses.replace(paper.seller, party=seller))
    lacks = heads.lacking(paper.seller, buyer, category=category, buyer_country=country)
    judged = en16931.problems(ubl.invoice(paper, buyer_country=country))
    assert bool(lacks) == bool(judged), (lacks, judged)


def test_a_buyer_of_no_country_is_missed() -> None:
    assert heads.lacking_of_buyer(Party("Nobody"), "S", "") == (Lack.BUYER_COUNTRY,)


@pytest.mark.parametrize("category", TAX_CATEGORIES)
def test_a_whole_head_makes_a_good_invoice_of_every_category(category: str) -> None:
    tax = (category, 200_000 if category == "S" else 0)
    paper = dataclasses.replace(made([10**10], tax, buyer=GOOD), tax_reason="Article 44")
    paper = dataclasses.replace(paper, seller=dataclasses.replace(SELLER, party=GOOD))
    xml = ubl.invoice(paper, buyer_country="GB")
    assert en16931.problems(xml) == ()
    text = xml.decode()
    assert ("Article 44" in text) == (category not in {"S", "Z"})
    for part in ("<cbc:CityName>Leeds<", "<cbc:PostalZone>LS1 4AP<", "01234567", 'schemeID="0088"'):
        assert part in text


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_kind_of_electronic_address_is_known_to_the_judge(scheme: str) -> None:
    buyer = dataclasses.replace(GOOD, scheme=scheme, endpoint="a@b.example" if scheme == "EM" else "123")
    assert heads.faults(buyer) == []
    assert en16931.problems(ubl.invoice(made([10**10], buyer=buyer), buyer_country="GB")) == ()


def test_every_country_is_known_to_the_judge() -> None:
    xml = ubl.invoice(made([10**10], buyer=dataclasses.replace(GOOD, tax_id="")), buyer_country="GB")
    for country in sorted(COUNTRIES)[::25]:
        there = xml.replace(b">GB<", f">{country}<".encode())
        assert not [one for one in en16931.problems(there) if one.startswith("BR-CL")]


def test_a_whole_head_can_be() -> None:
    assert heads.faults(GOOD) == []
    assert heads.faults(Party("明湖旅行有限公司", tax_id="91310000MA1FL0")) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": " a"}, "name"),
        ({"address": ("1",) * 5}, "address"),
        ({"address": ("",)}, "address"),
        ({"address": ("1" * 121,)}, "address"),
        ({"postcode": "1" * 21}, "postcode"),
        ({"city": "\x1b"}, "city"),
        ({"country": "XX"}, "country"),
        ({"country": "gb"}, "country"),
        ({"tax_id": "ZZ123"}, "tax_id"),
        ({"tax_id": "GB_1"}, "tax_id"),
        ({"email": "somebody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"scheme": "0000"}, "scheme"),
        ({"scheme": ""}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"scheme": "EM"}, "endpoint"),
    ],
)
def test_a_field_that_cannot_be_is_named(change: dict[str, object], field: str) -> None:
    assert heads.faults(dataclasses.replace(GOOD, **change)) == [field]  # type: ignore[arg-type] # fields of it


@pytest.mark.parametrize(
    ("way", "is_good"),
    [
        (("iban", "GB82 WEST 1234 5698 7654 32"), True),
        (("iban", "GB82 WEST 1234 5698 7654 33"), False),
        (("iban", "12345678"), False),
        (("bic", "DEMOGB2L"), True),
        (("bic", "DEMOGB2LXXX"), True),
        (("bic", "DEMO"), False),
        (("account", "12345678, 20-00-00"), True),
        (("bank", "b" * 61), False),
    ],
)
def test_a_way_to_be_paid_is_looked_at(way: tuple[str, str], *, is_good: bool) -> None:
    seller = dataclasses.replace(SELLER, payment=(way,))
    assert heads.faults_of_seller(seller) == ([] if is_good else [way[0]])


def test_a_footer_is_one_line() -> None:
    assert heads.faults_of_seller(dataclasses.replace(SELLER, payment=(), footer="a\nb")) == ["footer"]
