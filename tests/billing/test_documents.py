"""What a finance department receives."""

import csv
import dataclasses
import datetime as dt
import io
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from billing import invoices, periods, usage
from billing.documents.document import BilledEvent
from billing.documents.event_csv import COLUMNS, exact, harmless, render_csv
from billing.documents.pdf import render_pages, render_pdf, shown
from billing.documents.words import WORDS
from core.ids import TenantId, new_id
from core.money import NANO, nano_to_minor
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.papers import invoice


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_the_english_pdf_says_what_the_invoice_says() -> None:
    text = text_of(render_pdf(invoice(1), language="en"))
    for part in (
        *("Invoice", "SL-2026-001187", "2 November 2026", "30 November 2026", "PO-7713"),
        *("Calls out – UK landlines", "48,210.00 min", "£0.0500 / min", "£2,410.50"),
        *("VAT 20% on £2,410.50", "£482.10", "£2,892.60", "Page 1 of 1"),
    ):
        assert part in text, part


def test_the_chinese_pdf_says_it_in_chinese() -> None:
    text = text_of(render_pdf(invoice(1), language="zh")).replace(" ", "")
    for part in ("账单", "2026年11月2日", "呼出通话–英国固话", "48,210.00分钟", "增值税20%", "£2,892.60"):
        assert part in text, part


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("lines", [0, 1, 6, 300])
def test_every_line_is_on_a_page_and_the_total_on_the_last(language: str, lines: int) -> None:
    paper = invoice(lines)
    pages = PdfReader(io.BytesIO(render_pdf(paper, language=language))).pages
    last = shown(paper, language=language)["total"]
    assert last in pages[-1].extract_text()
    text = "".join(page.extract_text() for page in pages)
    assert sum(text.count(line["amount"]) > 0 for line in shown(paper, language=language)["lines"]) == lines
    assert len(render_pages(paper, language=language, dots_per_inch=30)) == len(pages)
    assert (len(pages) > 10) is (lines == 300)


def test_the_same_invoice_gives_the_same_bytes() -> None:
    assert render_pdf(invoice(6), language="zh") == render_pdf(invoice(6), language="zh")


def test_the_pdf_says_that_it_is_for_archiving_and_carries_its_fonts() -> None:
    reader: Any = PdfReader(io.BytesIO(render_pdf(invoice(1), language="zh")))
    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part>" in metadata
    assert "<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    fonts = reader.pages[0]["/Resources"]["/Font"]
    for font in fonts.values():
        descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert "NotoSans" in descriptor["/FontName"]
        assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def test_a_draft_says_so_and_asks_for_no_money() -> None:
    text = text_of(render_pdf(invoice(1, is_draft=True), language="en"))
    assert "DRAFT" in text
    assert "IBAN" not in text
    assert "SL-2026" not in text


def test_a_companys_name_is_text_and_never_markup() -> None:
    name = 'A *b* _c_ #panic("x") $y$ <z> \\ `code` ] @ref & Co'
    text = text_of(render_pdf(invoice(1, buyer=name), language="en"))
    assert "".join(name.split()) in "".join(text.split())


@pytest.mark.parametrize(
    ("currency", "language", "amount"),
    [
        ("GBP", "en", "£2,410.50"),
        ("JPY", "en", "JP¥2,411"),
        ("KWD", "en", "KWD2,410.500"),
        ("CNY", "zh", "¥2,410.50"),
    ],
)
def test_amounts_are_written_as_their_currency_wants(currency: str, language: str, amount: str) -> None:
    line = shown(invoice(1, currency=currency), language=language)["lines"][0]
    assert line["amount"].replace("\xa0", " ") == amount


def test_both_languages_have_the_same_words() -> None:
    assert set(WORDS["en"]) == set(WORDS["zh"])


def event(**changes: object) -> BilledEvent:
    base = BilledEvent(
        line_no=1,
        source="telephony",
        event_id="call_1/leg-1",
        subject_ref=new_id(),
        meter="voice.outbound",
        destination="gb-mobile",
        dialled_prefix="44770090",
        occurred_at=dt.datetime(2026, 7, 14, 12, tzinfo=dt.UTC),
        ended_at=dt.datetime(2026, 7, 14, 12, 1, 25, 500_000, tzinfo=dt.UTC),
        quantity_ms=85_500,
        billed_seconds=86,
        price_list="uk-standard",
        version=1,
        rated_prefix="447",
        amount_nano=103_916_667,
        currency="GBP",
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def rows(events: list[BilledEvent]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(render_csv(events, zone="Europe/London")))))


def test_the_csv_has_exact_amounts_local_times_and_masked_numbers() -> None:
    (row,) = rows([event()])
    assert tuple(row) == COLUMNS
    assert row["amount"] == "0.103916667"
    assert row["duration_s"] == "85.500"
    assert row["started_at"] == "2026-07-14T13:00:00.000+01:00"
    assert row["dialled"] == "44770090****"


def test_an_invoice_without_events_has_a_csv_with_a_head() -> None:
    assert "".join(render_csv([], zone="UTC")) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("sign", list("=+-@\t\r\n"))
def test_no_cell_of_the_csv_is_a_formula(sign: str) -> None:
    (row,) = rows([event(event_id=f"{sign}cmd|' /C calc'!A0", destination=f"{sign}1+1")])
    assert row["event_id"].startswith("'")
    assert row["destination"].startswith("'")


@given(st.text())
def test_harmless_text_is_left_alone(cell: str) -> None:
    assert harmless(cell).removeprefix("'") == cell.removeprefix("'")
    assert not harmless(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.integers(-(10**15), 10**15))
def test_nine_decimals_lose_nothing(amount_nano: int) -> None:
    whole, part = exact(amount_nano).lstrip("-").split(".")
    assert (int(whole) * NANO + int(part)) == abs(amount_nano)


def test_the_events_of_the_csv_sum_to_the_lines_of_the_invoice(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        for n in range(40):
            meter, prefix = [("voice.inbound", "44113496"), ("voice.outbound", "447700900")][n % 2]
            what = stock.usage(f"e-{n}", meter=meter, prefix=prefix, seconds=7 * n + 1)
            usage.record(session, tenant_id=alice, usage=what)
        month = periods.month(2026, 10, zone="Europe/London")
        draft = invoices.draft(session, tenant_id=alice, period=month)
        listed = rows(list(invoices.events(session, tenant_id=alice, invoice_id=draft.invoice_id)))
    assert len(listed) == 40
    by_line = itertools.groupby(listed, key=lambda row: int(row["line"]))
    for (line_no, members), line in zip(by_line, draft.bill.lines, strict=True):
        nano = sum(int(row["amount"].replace(".", "")) for row in members)
        assert (line_no, nano_to_minor(nano, currency="GBP")) == (line.line_no, line.amount_minor)
