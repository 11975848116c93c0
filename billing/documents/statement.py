"""A statement of account as PDF/A-3b in English or Chinese, and as CSV (RFC 4180)."""

import csv
import datetime as dt
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from billing.documents import press
from billing.documents.document import Entry, Statement
from billing.documents.event_csv import harmless
from billing.documents.words import WORDS, word
from core.money import exponent

COLUMNS = ("date", "entry", "number", "charged", "credited", "balance", "currency")


def render_pdf(
    statement: Statement, *, language: str, made_at: dt.datetime, aged_minor: Sequence[int] = ()
) -> bytes:
    """Return the statement as PDF/A-3b.

    Args:
        statement: what it shows.
        language: "en" or "zh".
        made_at: stands in the file; the same statement of the same instant is the same file.
        aged_minor: what is open today, by `ageing.Bucket`; left out when nothing is.
    """
    return press.pdf(
        "statement.typ", shown(statement, language=language, made_at=made_at, aged_minor=aged_minor), made_at
    )


def shown(
    statement: Statement, *, language: str, made_at: dt.datetime, aged_minor: Sequence[int] = ()
) -> dict[str, Any]:
    """Return what the template lays out: every figure a finished string of the language."""
    words, currency = WORDS[language], statement.currency

    def money(minor: int) -> str:
        return press.money(minor, currency, language)

    closing = statement.closing_minor
    standing = "standing_owed" if closing > 0 else "standing_ours" if closing < 0 else "standing_even"
    day = made_at.date()
    period = f"{press.date(statement.first_on, language)} – {press.date(statement.last_on, language)}"
    return {
        "language": language,
        "title": words["statement"],
        "watermark": "",
        "number": words["statement"],
        "date": [day.year, day.month, day.day],
        "words": {**words, "bill_to": words["statement_to"]},
        "seller": {**press.party(statement.seller.party, language), "footer": statement.seller.footer},
        "buyer": press.party(statement.buyer, language),
        "heads": [
            [words["issued"], press.date(day, language)],
            [words["statement_period"], period],
            [words["zone"], statement.zone],
        ],
        "entries": [_row(one, currency, language) for one in statement.entries],
        "opening": money(statement.opening_minor),
        "closing": money(closing),
        "debit": money(statement.debit_minor),
        "credit": money(statement.credit_minor),
        "standing": words[standing].format(amount=money(abs(closing))),
        "aged": [[word(language, f"aged:{at}"), money(minor)] for at, minor in enumerate(aged_minor)]
        if any(aged_minor)
        else [],
        "payment": [[word(language, label), value] for label, value in statement.seller.payment]
        if closing > 0
        else [],
        "notes": [words["note_statement"]],
    }


def render_csv(statement: Statement) -> str:
    """Return the statement as CSV: opening, each movement, closing; plain decimals, safe in a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)

    def plain(minor: int) -> str:
        return str(Decimal(minor).scaleb(-exponent(statement.currency)))

    def row(on: dt.date, kind: str, number: str, debit: str, credit: str, balance: int) -> None:
        writer.writerow(
            (on.isoformat(), kind, harmless(number), debit, credit, plain(balance), statement.currency)
        )

    row(statement.first_on, "opening", "", "", "", statement.opening_minor)
    for one in statement.entries:
        row(one.on, one.kind, one.number, plain(one.debit_minor), plain(one.credit_minor), one.balance_minor)
    row(
        statement.last_on,
        "closing",
        "",
        plain(statement.debit_minor),
        plain(statement.credit_minor),
        statement.closing_minor,
    )
    return buffer.getvalue()


def _row(one: Entry, currency: str, language: str) -> dict[str, str]:
    def money(minor: int) -> str:
        return press.money(minor, currency, language) if minor else ""

    return {
        "date": press.date(one.on, language),
        "text": word(language, f"entry:{one.kind}"),
        "number": one.number,
        "debit": money(one.debit_minor),
        "credit": money(one.credit_minor),
        "balance": press.money(one.balance_minor, currency, language),
    }
