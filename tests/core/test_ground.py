"""The ground floor: ids, money, numbers, logs, live messages."""

import datetime as dt
import time
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import clock, ids, log, money, phone, realtime
from core.ids import OPERATOR, UnknownIdError
from core.money import CurrencyMismatchError, Money
from core.phone import InvalidNumberError
from security.vault import Vault


@given(st.uuids())
def test_a_public_id_reads_back(value: UUID) -> None:
    text = ids.public("call", value)
    assert ids.parse("call", text) == value
    with pytest.raises(UnknownIdError):
        ids.parse("inv", text)


@pytest.mark.parametrize(
    "text", ["", "call", "call_", "call_0", "call_" + "u" * 26, "call_" + "z" * 26, "x" * 40]
)
def test_what_is_no_id_is_not_found(text: str) -> None:
    with pytest.raises(UnknownIdError):
        ids.parse("call", text)


def test_ids_sort_as_they_were_made() -> None:
    made = [ids.new_id() for _ in range(2000)]
    assert made == sorted(made)


def test_ids_are_version_seven_and_grow_with_time() -> None:
    first = ids.new_id()
    time.sleep(0.002)
    second = ids.new_id()
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < second
    assert len({ids.new_id() for _ in range(10_000)}) == 10_000


@given(st.fractions())
def test_half_up_is_never_more_than_half_a_unit_off(value: Fraction) -> None:
    rounded = money.round_half_up(value)
    assert abs(rounded - value) <= Fraction(1, 2)
    assert money.round_half_up(-value) == -rounded


@pytest.mark.parametrize(
    ("nano", "currency", "minor"),
    [
        (641_666_667, "GBP", 64),
        (5_000_000, "GBP", 1),
        (4_999_999, "GBP", 0),
        (500_000_000, "JPY", 1),
        (1_234_500_000, "KWD", 1235),
        (-5_000_000, "GBP", -1),
    ],
)
def test_nano_units_are_rounded_to_the_currencys_minor_unit(nano: int, currency: str, minor: int) -> None:
    assert money.nano_to_minor(nano, currency=currency) == minor


CURRENCIES = {"GBP": 2, "EUR": 2, "CNY": 2, "JPY": 0, "KRW": 0, "CLP": 0, "KWD": 3, "TND": 3}


@given(nano=st.integers(-(10**18), 10**18), currency=st.sampled_from(sorted(CURRENCIES)))
def test_every_currency_has_its_own_smallest_coin(nano: int, currency: str) -> None:
    """Half of it is the most that rounding moves, and an amount in writing is that amount."""
    decimals = CURRENCIES[currency]
    minor = money.nano_to_minor(nano, currency=currency)
    assert abs(Fraction(minor, 10**decimals) - Fraction(nano, money.NANO)) <= Fraction(1, 2 * 10**decimals)
    written = Money(minor, currency).plain()
    assert Fraction(written) == Fraction(minor, 10**decimals)
    assert len(written.partition(".")[2]) == decimals


@given(
    first=st.integers(),
    second=st.integers(),
    currencies=st.tuples(st.sampled_from(sorted(CURRENCIES)), st.sampled_from(sorted(CURRENCIES))),
)
def test_a_sum_has_one_currency(first: int, second: int, currencies: tuple[str, str]) -> None:
    one, other = (Money(minor, currency) for minor, currency in zip((first, second), currencies, strict=True))
    if currencies[0] == currencies[1]:
        assert one + other == other + one == Money(first + second, currencies[0])
    else:
        with pytest.raises(CurrencyMismatchError):
            one + other


def test_amounts_of_two_currencies_do_not_meet() -> None:
    assert Money(1, "GBP") + Money(2, "GBP") == Money(3, "GBP")
    with pytest.raises(CurrencyMismatchError):
        Money(1, "GBP") + Money(2, "EUR")
    assert [Money(-123456, "GBP").plain(), Money(5, "JPY").plain(), Money(5, "KWD").plain()] == [
        "-1234.56",
        "5",
        "0.005",
    ]


@pytest.mark.parametrize(
    "raw",
    ["+44 7700 900123", "＋４４ 7700 900123", "+44 (0)7700 900123", " +447700900123 ", "tel:+447700900123"],
)
def test_one_number_has_one_writing(raw: str) -> None:
    assert phone.parse_e164(raw) == "+447700900123"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "07700 900123",
        "+44",
        "+447700900123;ext=5",
        "+" + "1" * 40,
        "anonymous",
        "+44\r\nX: y",
        "+99912345678",
    ],
)
def test_what_is_no_number_is_refused_without_repeating_it(raw: str) -> None:
    with pytest.raises(InvalidNumberError) as error:
        phone.parse_e164(raw)
    assert str(error.value) == "invalid-number"


def test_rating_sees_no_last_four_digits() -> None:
    assert phone.rating_prefix("+447700900123") == "44770090"
    assert phone.rating_prefix("1252") == "1252"
    assert phone.mask("+447700900123") == "+44 7700 900•••"


def test_logs_hide_numbers_and_keep_ids() -> None:
    event = log._hide_numbers(
        None,
        "info",
        {
            "tenant": str(OPERATOR),
            "call": "01920025-3172-7626-9702-201234567890",
            "text": "from +44 7700 900123",
        },
    )
    assert event["tenant"] == str(OPERATOR)
    assert event["call"] == "01920025-3172-7626-9702-201234567890"
    assert event["text"] == "from •••"


def test_a_live_message_on_another_tenants_channel_is_nobodys() -> None:
    mine, other = ids.new_id(), ids.new_id()
    data = f'{{"t": "{mine}", "k": "floor", "v": {{}}}}'
    assert realtime.decode({"channel": realtime.channel(ids.TenantId(mine), "floor").encode(), "data": data})
    for channel in (
        realtime.channel(ids.TenantId(other), "floor"),
        realtime.channel(ids.TenantId(mine), "calls"),
    ):
        assert realtime.decode({"channel": channel.encode(), "data": data}) is None
    assert realtime.decode({"channel": b"x", "data": "no json"}) is None


def test_a_held_clock_stands_until_it_is_moved() -> None:
    with clock.hold(dt.datetime(2026, 11, 2, tzinfo=dt.UTC)):
        clock.advance(dt.timedelta(seconds=5))
        assert clock.now() == dt.datetime(2026, 11, 2, 0, 0, 5, tzinfo=dt.UTC)
    assert clock.now() > dt.datetime(2026, 11, 2, 0, 0, 5, tzinfo=dt.UTC)


# One number in the writings that fool eyes and filters (T102); what is not that number is none at all.
ONE = "+447700900123"
CONFUSABLE = {
    "full-width digits": ("＋４４７７００９００１２３", ONE),
    "Arabic-Indic digits": ("+٤٤٧٧٠٠٩٠٠١٢٣", ONE),
    "Eastern Arabic digits": ("+۴۴۷۷۰۰۹۰۰۱۲۳", ONE),
    "Devanagari digits": ("+४४७७००९००१२३", ONE),
    "digits of mathematics": ("+𝟒𝟒𝟕𝟕𝟎𝟎𝟗𝟎𝟎𝟏𝟐𝟑", ONE),
    "no-break blanks": ("+44\u00a07700\u202f900123", ONE),
    "non-breaking hyphens": ("+44\u20117700\u2011900123", ONE),
    "dashes and brackets": ("+44 (0) 7700–900—123", ONE),
    "a trailing line": ("+447700900123\n", ONE),
    "a zero-width space": ("+44\u200b7700900123", ONE),
    "a zero-width joiner": ("+447700\u200d900123", ONE),
    "a mark from right to left": ("\u200f+447700900123", ONE),
    "as a telephone's address book copies it": ("\u202d+44 7700 900123\u202c", ONE),
    "an override of direction": ("\u202e321009007744+", None),
    "an extension": ("+447700900123;ext=5", None),
    "an extension in words": ("+447700900123 ext. 5", None),
    "a second number": ("+447700900123,+447700900124", None),
    "the letter O": ("+4477OO9OO123", None),
    "a header in it": ("+447700900123\r\nX-Evil: 1", None),
    "an address": ("sip:+447700900123@evil.example", None),
    "forty digits": ("+44" + "7" * 38, None),
    "a wildcard": ("+4477009001__", None),
    "a command": ("+447700900123${SHELL(id)}", None),
}


@pytest.mark.parametrize("name", CONFUSABLE)
def test_a_number_in_a_confusing_writing_is_that_number_or_none(
    name: str, vault: Vault, tenant_a: ids.TenantId
) -> None:
    raw, wanted = CONFUSABLE[name]
    try:
        found = phone.parse_e164(raw)
    except InvalidNumberError:
        assert wanted is None
        return
    assert found == wanted
    index = vault.blind_index(tenant_a, "customers.phone", found)
    assert index == vault.blind_index(tenant_a, "customers.phone", ONE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", "12.5"),
        ("12,50", "12.5"),
        (" 0,125 ", "0.125"),
        ("-3", "-3"),
        ("1250", "1250"),
        ("1.250", "1.25"),
        ("1234,567", "1234.567"),
        *((text, None) for text in ("1,250", "-1,250", "12,000", "1,250,000", "1.250,00", "1 250", "", "x")),
        *((text, None) for text in ("NaN", "Infinity", "1e400", "1e-400", "9" * 21, "0." + "1" * 30)),
    ],
)
def test_a_number_is_read_as_people_type_it_or_not_at_all(text: str, value: str | None) -> None:
    assert money.typed(text) == (None if value is None else Decimal(value))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=4, allow_nan=False))
def test_what_is_typed_is_never_read_a_thousandfold_off(value: Decimal) -> None:
    assert money.typed(f"{value:f}") == value
    assert money.typed(f"{value:f}".replace(".", ",")) == value
    assert money.typed(f"{value:,.0f}") in {None, round(value)}
