"""The invoice as PDF/A-3b, in English or Simplified Chinese, made in process by Typst.

All figures arrive in the template as finished strings: it lays out, it never computes. Fonts come from a
wheel and never from the host, and the creation time is the invoice's own, so one invoice gives the same
bytes on every machine and at every time.
"""

import datetime as dt
import json
import zoneinfo
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import typst
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent
from pylopdf_fonts_zh_cn import sans_path

from billing.accounts import PPM, Party
from billing.bill import Line, Tax
from billing.documents.document import CreditNote, InvoiceDocument
from billing.documents.words import LOCALES, WORDS, word
from core.money import NANO, exponent

_TEMPLATE = Path(__file__).with_name("invoice.typ")
_STANDARD = "a-3b"
# what the events of a line are called, by the first part of its meter
_COUNTED = {"voice": ("one_event", "events"), "agent": ("one_hour", "hours")}


def render_pdf(invoice: InvoiceDocument, *, language: str) -> bytes:
    """Return the invoice as PDF/A-3b; `language` is "en" or "zh"."""
    rendered = _compile(shown(invoice, language=language), _stamp(invoice), "pdf", pdf_standards=[_STANDARD])
    assert isinstance(rendered, bytes)  # noqa: S101 - the library's word for one document
    return rendered


def render_pages(invoice: InvoiceDocument, *, language: str, dots_per_inch: int = 110) -> list[bytes]:
    """Return the pages as PNG images, for a preview on screen and for looking at."""
    rendered = _compile(shown(invoice, language=language), _stamp(invoice), "png", ppi=dots_per_inch)
    return rendered if isinstance(rendered, list) else [rendered]


def shown(invoice: InvoiceDocument, *, language: str) -> dict[str, Any]:
    """Return what the template lays out: every figure a finished string of the language."""
    bill = invoice.bill
    words = WORDS[language]
    number = invoice.number or words["draft"]
    issued_on = invoice.issued_on or invoice.drafted_at.date()
    heads = [
        (words["number"], invoice.number),
        (words["issued"], _date(invoice.issued_on, language)),
        (words["due"], _date(invoice.due_on, language)),
        (words["period"], _period(invoice, language)),
        (words["zone"], invoice.zone),
        (words["prices"], _price_lists(invoice, language)),
        (words["order"], invoice.order_reference),
    ]
    payment = [] if invoice.is_draft else [*invoice.seller.payment, ("reference", number)]
    notes = [words["note_draft"]] if invoice.is_draft else []
    return {
        "language": language,
        "title": words["draft" if invoice.is_draft else "invoice"],
        "watermark": words["watermark"] if invoice.is_draft else "",
        "number": number,
        "date": [issued_on.year, issued_on.month, issued_on.day],
        "words": dict(words),
        "seller": {**_party(invoice.seller.party, language), "footer": invoice.seller.footer},
        "buyer": _party(invoice.buyer, language),
        "heads": [[label, value] for label, value in heads if value],
        "lines": [_line(line, invoice, language) for line in bill.lines],
        "net": _money(bill.net_minor, bill.currency, language),
        "taxes": _taxes(bill.taxes, bill.currency, language),
        "total": _money(bill.total_minor, bill.currency, language),
        "payment": [[word(language, label), value] for label, value in payment],
        "notes": [*notes, words["note_proof"]],
    }


@lru_cache(1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(sans_path().parent)]
    )


def render_credit_note(note: CreditNote, invoice: InvoiceDocument, *, language: str) -> bytes:
    """Return an issued credit note as PDF/A-3b, on the invoice's paper; `language` is "en" or "zh"."""
    data = shown_credit_note(note, invoice, language=language)
    stamp = note.decided_at or note.asked_at
    rendered = _compile(data, stamp, "pdf", pdf_standards=[_STANDARD])
    assert isinstance(rendered, bytes)  # noqa: S101 - the library's word for one document
    return rendered


def shown_credit_note(note: CreditNote, invoice: InvoiceDocument, *, language: str) -> dict[str, Any]:
    """Return what the template lays out of a credit note: the invoice's heads, its own lines and tax."""
    words, currency = WORDS[language], note.currency
    issued_on = note.issued_on or note.asked_at.date()
    by_no = {line.line_no: line for line in invoice.bill.lines}
    heads = [
        (words["number"], note.number),
        (words["issued"], _date(note.issued_on, language)),
        (words["for_invoice"], invoice.number),
        (words["issued_invoice"], _date(invoice.issued_on, language)),
        (words["period"], _period(invoice, language)),
        (words["order"], invoice.order_reference),
    ]
    return {
        "language": language,
        "title": words["credit_note"],
        "watermark": "",
        "number": note.number or "",
        "date": [issued_on.year, issued_on.month, issued_on.day],
        "words": {**words, "bill_to": words["credit_to"]},
        "seller": {**_party(invoice.seller.party, language), "footer": invoice.seller.footer},
        "buyer": _party(invoice.buyer, language),
        "heads": [[label, value] for label, value in heads if value],
        "lines": [
            {
                **_credited(by_no.get(one.line_no or 0), language),
                "quantity": "",
                "price": "",
                "tax": _percent(one.tax_rate_ppm, language),
                "amount": _money(one.amount_minor, currency, language),
            }
            for one in note.lines
        ],
        "net": _money(note.net_minor, currency, language),
        "taxes": _taxes(note.taxes, currency, language),
        "total": _money(note.total_minor, currency, language),
        "payment": [],
        "notes": [f"{words['reason']}: {note.reason}", words["note_credit"]],
    }


def _credited(line: Line | None, language: str) -> dict[str, str]:
    if line is None:
        return {"text": WORDS[language]["free_amount"], "detail": ""}
    meter = word(language, f"meter:{line.meter}")
    return {
        "text": f"{meter} – {_named(line.names, line.destination, language)}",
        "detail": WORDS[language]["of_line"].format(n=line.line_no),
    }


def _taxes(taxes: Iterable[Tax], currency: str, language: str) -> list[dict[str, str]]:
    return [
        {
            "label": WORDS[language]["tax_line"].format(
                category=word(language, f"tax:{one.category}"),
                rate=_percent(one.rate_ppm, language),
                amount=_money(one.taxable_minor, currency, language),
            ),
            "amount": _money(one.tax_minor, currency, language),
        }
        for one in taxes
    ]


def _stamp(invoice: InvoiceDocument) -> dt.datetime:
    return invoice.finalised_at or invoice.drafted_at


def _compile(data: Mapping[str, Any], stamp: dt.datetime, form: Literal["pdf", "png"], **options: Any) -> Any:  # noqa: ANN401 - the library's
    # one compiler per document shares nothing between tenants but the fonts; root confines its reading
    compiler = typst.Compiler(
        str(_TEMPLATE), root=str(_TEMPLATE.parent), font_paths=_fonts(), ignore_system_fonts=True
    )
    return compiler.compile(
        format=form,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=stamp.replace(microsecond=0),
        **options,
    )


def _line(line: Line, invoice: InvoiceDocument, language: str) -> dict[str, str]:
    words = WORDS[language]
    currency = invoice.bill.currency
    meter = word(language, f"meter:{line.meter}")
    one, many = _COUNTED.get(line.meter.partition(".")[0], ("one_rental", "rentals"))
    events = (
        words[one]
        if line.events == 1
        else words[many].format(n=format_decimal(line.events, locale=LOCALES[language]))
    )
    detail = [events, words["version"].format(list=line.price_list, version=line.version)]
    if line.is_prorated:
        days = line.days_of(invoice.period, zone=invoice.zone)
        detail.insert(1, words["prorated_days"].format(n=days[0], m=days[1]) if days else words["prorated"])
    if line.is_late:
        detail.append(words["late"])
    if line.is_estimate:
        detail.append(words["estimate"])
    return {
        "text": f"{meter} – {_named(line.names, line.destination, language)}",
        "detail": " – ".join(detail),
        "quantity": f"{_quantity(line, language)} {words[_unit(line)]}",
        "price": _unit_price(line, currency, language),
        "tax": _percent(line.tax_rate_ppm, language),
        "amount": _money(line.amount_minor, currency, language),
    }


def _party(party: Party, language: str) -> dict[str, Any]:
    tax_id = f"{WORDS[language]['tax_id']} {party.tax_id}" if party.tax_id else ""
    return {"name": party.name, "lines": [*party.address, *([tax_id] if tax_id else [])]}


def _named(names: Mapping[str, str], code: str, language: str) -> str:
    return names.get(language) or names.get("en") or code


def _price_lists(invoice: InvoiceDocument, language: str) -> str:
    lists = sorted({(line.price_list, line.version) for line in invoice.bill.lines})
    form = WORDS[language]["version"]
    return "; ".join(form.format(list=name, version=version) for name, version in lists)


def _period(invoice: InvoiceDocument, language: str) -> str:
    zone = zoneinfo.ZoneInfo(invoice.zone)
    first = invoice.period.start.astimezone(zone).date()
    last = invoice.period.end.astimezone(zone).date() - dt.timedelta(days=1)
    return f"{_date(first, language)} – {_date(last, language)}"


def _date(day: dt.date | None, language: str) -> str | None:
    return None if day is None else format_date(day, "long", locale=LOCALES[language])


def _money(minor: int, currency: str, language: str) -> str:
    amount = Decimal(minor).scaleb(-exponent(currency))
    return format_currency(amount, currency, locale=LOCALES[language])


def _unit(line: Line) -> str:
    return "unit:min" if line.unit == "minute" else f"unit:{line.unit}"


def _unit_price(line: Line, currency: str, language: str) -> str:
    words = WORDS[language]
    nano = line.unit_nano
    if nano is None:
        return words["as_listed"]
    # as many decimals as the price has, but no fewer than two beyond the currency's, so columns line up
    digits = exponent(currency) + 2
    pattern = "¤#,##0." + "0" * digits + "#" * (9 - digits)
    price = format_currency(
        Decimal(nano) / NANO, currency, pattern, locale=LOCALES[language], currency_digits=False
    )
    return words[f"{_unit(line)}_price"].format(price=price)


def _quantity(line: Line, language: str) -> str:
    # parts of a month are long ratios: four places tell a day of a year; calls have always had two
    pattern = "#,##0.00" if line.unit == "minute" else "#,##0.####"
    exact = line.quantity
    return format_decimal(Decimal(exact.numerator) / exact.denominator, pattern, locale=LOCALES[language])


def _percent(ppm: int, language: str) -> str:
    return format_percent(Decimal(ppm) / PPM, "#,##0.####%", locale=LOCALES[language])
