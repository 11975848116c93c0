"""Typst, in process: finished strings in, PDF/A-3b or pictures out; and how figures are written on paper.

Fonts come from a wheel and never from the host, and the creation time is the document's own, so one document
gives the same bytes on every machine and at every time.
"""

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import typst
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency
from pylopdf_fonts_zh_cn import sans_path

from billing.accounts import Party
from billing.documents.words import LOCALES, WORDS
from core.money import exponent

_FOLDER = Path(__file__).parent
_STANDARD = "a-3b"
# where the postcode follows the town (Universal Postal Union, addressing of each country)
_TOWNS = "AU BD BR CA CO GB GG HK ID IE IM IN JE JO LV MT NZ PK SA SG TH US VN ZA"
_TOWN_FIRST = frozenset(_TOWNS.split())


def pdf(template: str, data: Mapping[str, Any], stamp: dt.datetime) -> bytes:
    """Return a document as PDF/A-3b.

    Args:
        template: its file beside this one, such as `invoice.typ`.
        data: what it lays out: finished strings.
        stamp: the time that stands in the file.
    """
    rendered = _compile(template, data, stamp, "pdf", pdf_standards=[_STANDARD])
    assert isinstance(rendered, bytes)  # noqa: S101 - the library's word for one document
    return rendered


def pages(
    template: str, data: Mapping[str, Any], stamp: dt.datetime, *, dots_per_inch: int = 110
) -> list[bytes]:
    """Return a document's pages as PNG images."""
    rendered = _compile(template, data, stamp, "png", ppi=dots_per_inch)
    return rendered if isinstance(rendered, list) else [rendered]


def party(party: Party, language: str) -> dict[str, Any]:
    """Return a head as the templates want it."""
    words = WORDS[language]
    tax_id = f"{words['tax_id']} {party.tax_id}" if party.tax_id else ""
    register = f"{words['register']} {party.register_id}" if party.register_id else ""
    rest = [one for one in (tax_id, register, party.email) if one]
    return {"name": party.name, "lines": [*address(party, language), *rest]}


def address(party: Party, language: str) -> list[str]:
    """Return the lines of an address: street, town and postcode in the country's own order, country."""
    town = [party.postcode, party.city]
    if party.country in _TOWN_FIRST:
        town.reverse()
    country = Locale.parse(LOCALES[language]).territories.get(party.country, party.country)
    return [one for one in (*party.address, " ".join(filter(None, town)), country) if one]


def date(day: dt.date, language: str) -> str:
    """Return a day in full."""
    return format_date(day, "long", locale=LOCALES[language])


def money(minor: int, currency: str, language: str) -> str:
    """Return an amount with its currency."""
    amount = Decimal(minor).scaleb(-exponent(currency))
    return format_currency(amount, currency, locale=LOCALES[language])


@lru_cache(1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(sans_path().parent)]
    )


def _compile(
    template: str,
    data: Mapping[str, Any],
    stamp: dt.datetime,
    form: Literal["pdf", "png"],
    **options: Any,  # noqa: ANN401 - the library's
) -> Any:  # noqa: ANN401 - the library's
    # one compiler per document shares nothing between tenants but the fonts; root confines its reading
    compiler = typst.Compiler(
        str(_FOLDER / template), root=str(_FOLDER), font_paths=_fonts(), ignore_system_fonts=True
    )
    return compiler.compile(
        format=form,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=stamp.replace(microsecond=0),
        **options,
    )
