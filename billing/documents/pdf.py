"""The invoice as PDF/A-3b, in English or Simplified Chinese, made in process by Typst.

All figures arrive in the template as finished strings: it lays out, it never computes.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from babel.numbers import format_currency, format_decimal, format_percent

from billing.accounts import PPM
from billing.bill import Kind, Line, Tax
from billing.documents import press
from billing.documents.arithmetic import explained
from billing.documents.document import CreditNote, InvoiceDocument
from billing.documents.words import LOCALES, WORDS, word
from core.money import NANO, exponent

_TEMPLATE = "invoice.typ"
# what the events of a line are called, by the first part of its meter
_COUNTED = {
    "voice": ("one_event", "events"),
    "agent": ("one_hour", "hours"),
    "seat": ("one_rental", "rentals"),
    "number": ("one_rental", "rentals"),
}


def render_pdf(invoice: InvoiceDocument, *, language: str) -> bytes:
    """Return the invoice as PDF/A-3b; `language` is "en" or "zh"."""
    return press.pdf(_TEMPLATE, shown(invoice, language=language), _stamp(invoice))


def render_pages(invoice: InvoiceDocument, *, language: str, dots_per_inch: int = 110) -> list[bytes]:
    """Return the pages as PNG images, for a preview on screen and for looking at."""
    data = shown(invoice, language=language)
    return press.pages(_TEMPLATE, data, _stamp(invoice), dots_per_inch=dots_per_inch)


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
        "seller": {**press.party(invoice.seller.party, language), "footer": invoice.seller.footer},
        "buyer": press.party(invoice.buyer, language),
        "heads": [[label, value] for label, value in heads if value],
        "lines": [_line(line, invoice, language) for line in bill.lines],
        "net": press.money(bill.net_minor, bill.currency, language),
        "taxes": _taxes(bill.taxes, bill.currency, language),
        "total": press.money(bill.total_minor, bill.currency, language),
        "payment": [[word(language, label), value] for label, value in payment],
        "notes": [*notes, *_untaxed(bill.taxes, invoice, language), words["note_proof"]],
    }


def render_credit_note(note: CreditNote, invoice: InvoiceDocument, *, language: str) -> bytes:
    """Return an issued credit note as PDF/A-3b, on the invoice's paper; `language` is "en" or "zh"."""
    data = shown_credit_note(note, invoice, language=language)
    stamp = note.decided_at or note.asked_at
    return press.pdf(_TEMPLATE, data, stamp)


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
        "seller": {**press.party(invoice.seller.party, language), "footer": invoice.seller.footer},
        "buyer": press.party(invoice.buyer, language),
        "heads": [[label, value] for label, value in heads if value],
        "lines": [
            {
                **_credited(by_no.get(one.line_no or 0), language),
                "quantity": "",
                "price": "",
                "tax": _percent(one.tax_rate_ppm, language),
                "amount": press.money(one.amount_minor, currency, language),
            }
            for one in note.lines
        ],
        "net": press.money(note.net_minor, currency, language),
        "taxes": _taxes(note.taxes, currency, language),
        "total": press.money(note.total_minor, currency, language),
        "payment": [],
        "notes": [
            f"{words['reason']}: {note.reason}",
            *_untaxed(note.taxes, invoice, language),
            words["note_credit"],
        ],
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
                amount=press.money(one.taxable_minor, currency, language),
            ),
            "amount": press.money(one.tax_minor, currency, language),
        }
        for one in taxes
    ]


def _untaxed(taxes: Iterable[Tax], invoice: InvoiceDocument, language: str) -> list[str]:
    """Return why no tax is charged, where the account says it in words."""
    words = WORDS[language]
    return [
        words["note_untaxed"].format(
            category=word(language, f"tax:{one.category}"), reason=invoice.tax_reason
        )
        for one in taxes
        if invoice.tax_reason and not one.rate_ppm
    ]


def _stamp(invoice: InvoiceDocument) -> dt.datetime:
    return invoice.finalised_at or invoice.drafted_at


def _line(line: Line, invoice: InvoiceDocument, language: str) -> dict[str, str]:
    words = WORDS[language]
    currency = invoice.bill.currency
    meter = word(language, f"meter:{line.meter}")
    one, many = _COUNTED.get(line.meter.partition(".")[0], ("one_entry", "entries"))
    events = (
        words[one]
        if line.events == 1
        else words[many].format(n=format_decimal(line.events, locale=LOCALES[language]))
    )
    version = words["version"].format(list=line.price_list, version=line.version)
    reason = explained(line, currency=currency, language=language)
    detail = [part for part in (events if line.events else "", reason, version) if part]
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
        "price": _unit_price(line, currency, language) if line.kind is Kind.METERED else "",
        "tax": _percent(line.tax_rate_ppm, language),
        "amount": press.money(line.amount_minor, currency, language),
    }


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
    return None if day is None else press.date(day, language)


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
