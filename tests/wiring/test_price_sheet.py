"""Files of rates: what may be meant two ways, and what contradicts itself, is a fault of its row."""

import csv
import io
from collections.abc import Callable, Sequence

import pytest
import xlsxwriter

from core.money import NANO
from wiring import price_sheet
from wiring.price_sheet import Fault, Sheet

HEAD = (
    *("meter", "prefix", "destination", "name_en", "name_zh"),
    *("rate", "days", "from", "blocked", "minimum", "grace_s"),
)
Rows = Sequence[Sequence[object]]
Reader = Callable[[Rows], Sheet]


def from_csv(rows: Rows) -> Sheet:
    text = io.StringIO()
    csv.writer(text).writerows([HEAD, *rows])
    return price_sheet.read(io.BytesIO(text.getvalue().encode()))


def from_csv_of_another_land(rows: Rows) -> Sheet:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([HEAD, *rows])
    return price_sheet.read(io.BytesIO(text.getvalue().encode()))


def from_workbook(rows: Rows) -> Sheet:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made)
    sheet = book.add_worksheet()
    for number, row in enumerate([HEAD, *rows]):
        for at, cell in enumerate(row):
            sheet.write(number, at, cell)
    book.close()
    return price_sheet.read(io.BytesIO(made.getvalue()))


every_kind = pytest.mark.parametrize("read", [from_csv, from_csv_of_another_land, from_workbook])


def row(rate: object, *, prefix: str = "447", **more: object) -> list[object]:
    cells = {"destination": "gb-mobile", "name_en": "UK mobiles", "days": "", "from": "", **more}
    known = {"meter": "voice.outbound", "prefix": prefix, "rate": rate, **cells}
    return [known.get(name, "") for name in HEAD]


def prices(sheet: Sheet) -> list[int]:
    assert sheet.faults == []
    return [one.rate.bands[0].slots[0].rate for one in sheet.rates]


@every_kind
@pytest.mark.parametrize("text", ["1,250", "12,500", "999,999"])
def test_a_comma_before_three_digits_is_not_guessed_at(read: Reader, text: str) -> None:
    sheet = read([row("0.05", prefix="44"), row(text)])
    assert sheet.faults == [Fault(3, "rate", "two-ways")]


@every_kind
def test_so_it_is_in_every_amount_of_a_row(read: Reader) -> None:
    assert read([row("0.05", minimum="1,250")]).faults == [Fault(2, "minimum", "two-ways")]
    rent = ["seat.month", "", "seats", "Seats", "", "1,250", "", "", "", "", ""]
    assert read([rent]).faults == [Fault(2, "rate", "two-ways")]


@every_kind
@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("1250", 1250 * NANO),
        ("1.250", 1_250_000_000),
        ("1,25", 1_250_000_000),
        ("1,2500", 1_250_000_000),
        ("0,125", 125_000_000),
        ("1250,125", 1_250_125_000_000),
    ],
)
def test_what_has_one_meaning_is_read(read: Reader, text: str, nano: int) -> None:
    assert prices(read([row(text)])) == [nano]


def test_a_number_of_a_workbook_is_what_it_is_however_it_is_shown() -> None:
    assert prices(from_workbook([row(1250)])) == [1250 * NANO]
    assert prices(from_workbook([row(1.25)])) == [1_250_000_000]


@every_kind
@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("destination", "gb-mobile", "gb-personal"),
        ("blocked", "", "yes"),
        ("blocked", "yes", ""),
        ("minimum", "0.02", "0.05"),
        ("minimum", "", "0.05"),
        ("grace_s", "3", "5"),
    ],
)
def test_rows_of_one_rate_that_say_two_things_are_a_fault_that_names_both(
    read: Reader, column: str, first: str, second: str
) -> None:
    sheet = read(
        [
            row("0.01", prefix="44"),
            row("0.05", days="1-5", **{column: first}),
            row("0.03", prefix="353"),
            row("0.05", days="6,7", **{column: second}),
        ]
    )
    assert sheet.faults == [Fault(5, column, "row-contradicts", other=3)]


@every_kind
@pytest.mark.parametrize("column", ["name_en", "name_zh"])
def test_two_names_of_one_destination_are_a_fault_that_names_both_rows(read: Reader, column: str) -> None:
    sheet = read(
        [
            row("0.05", **{column: "UK mobiles"}),
            row("0.06", prefix="4477", **{column: ""}),
            row("0.03", prefix="353", destination="ie", **{column: "Ireland"}),
            row("0.07", prefix="4478", **{column: "UK, mobile"}),
        ]
    )
    assert sheet.faults == [Fault(5, column, "name-contradicts", other=2)]


@every_kind
def test_a_destination_is_called_what_one_of_its_rows_says(read: Reader) -> None:
    sheet = read(
        [
            row("0.05", name_en=""),
            row("0.06", prefix="4477", name_en="", name_zh="英国手机"),
            row("0.07", prefix="4478", name_en="UK mobiles"),
            row("0.07", prefix="4479", name_en="UK mobiles", name_zh="英国手机"),
            row("0.01", prefix="353", destination="ie", name_en=""),
        ]
    )
    assert sheet.faults == []
    assert sheet.destinations == {"gb-mobile": {"en": "UK mobiles", "zh": "英国手机"}, "ie": {"en": "ie"}}


@every_kind
def test_a_row_that_is_there_already_is_a_fault_that_names_both(read: Reader) -> None:
    sheet = read([row("0.05"), row("0.06", prefix="44"), row("0.07")])
    assert sheet.faults == [Fault(4, "", "row-twice", other=2)]


@every_kind
def test_rows_that_say_the_same_in_other_words_or_nothing_are_bands_of_one_rate(read: Reader) -> None:
    sheet = read(
        [
            row("0.05", days="1-5", blocked="no", minimum="0.5", grace_s="3"),
            row("0.02", days="6", blocked="", minimum="0.50", grace_s=""),
            row("0.01", days="7", blocked="no", minimum="", grace_s="03"),
        ]
    )
    assert sheet.faults == []
    (one,) = sheet.rates
    assert (len(one.rate.bands), one.rate.minimum, one.rate.grace_s) == (3, NANO // 2, 3)
    assert not one.is_blocked


@every_kind
def test_what_is_no_number_in_a_further_row_is_named_there(read: Reader) -> None:
    sheet = read([row("0.05", days="1-5", grace_s="3"), row("0.02", days="6,7", grace_s="soon")])
    assert sheet.faults == [Fault(3, "grace_s", "not-seconds")]


@every_kind
def test_what_is_no_number_in_the_first_row_is_named_once(read: Reader) -> None:
    sheet = read([row("0.05", days="1-5", grace_s="soon"), row("0.02", days="6,7", grace_s="3")])
    assert sheet.faults == [Fault(2, "grace_s", "not-seconds")]
