"""Statements of account and aged receivables, for portal and operator; their files."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing import ageing, periods
from billing.accounts import LANGUAGES
from billing.ageing import Bucket
from billing.documents import statement as paper
from billing.documents.document import Statement
from core import clock
from core.money import Money
from web import tables
from web.shown import downloads

_MONTHS_BACK = 2
BUCKETS: Mapping[Bucket, LazyString] = {
    Bucket.CURRENT: _l("Not due"),
    Bucket.TO_30: _l("1–30 days late"),
    Bucket.TO_60: _l("31–60 days late"),
    Bucket.TO_90: _l("61–90 days late"),
    Bucket.BEYOND: _l("Over 90 days late"),
}
# the colours of a chart, from calm to alarming
KINDS: Mapping[Bucket, str] = {
    Bucket.CURRENT: "ok",
    Bucket.TO_30: "soft",
    Bucket.TO_60: "wrapup",
    Bucket.TO_90: "warn",
    Bucket.BEYOND: "bad",
}
# what a journal is called; also on the page of a payment
MOVEMENTS: Mapping[str, LazyString] = {
    "invoice": _l("Invoice finalised"),
    "payment": _l("Payment"),
    "fee": _l("Fee"),
    "refund": _l("Refund"),
    "refund-failed": _l("Refund that came back"),
    "on-account": _l("Paid beyond the invoice, put on account"),
    "credit-note": _l("Credit note"),
    "on-account-used": _l("Paid from the money on account"),
    "top-up": _l("Wallet topped up"),
    "top-up-back": _l("Top-up given back"),
    "top-up-again": _l("Top-up given to us again"),
    "withdrawal": _l("Given back from the wallet"),
    "wallet-used": _l("Paid from the wallet"),
    "dispute": _l("Taken back by the bank"),
    "dispute-won": _l("Given to us again by the bank"),
    "payout": _l("Payout to the bank"),
    "payout-failed": _l("Payout that came back"),
    "provider-fee": _l("Fee of the payment provider"),
}


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of a statement; no amount where none moved."""

    on: dt.date
    word: str
    number: str
    debit: Money | None
    credit: Money | None
    balance: Money


@dataclass(frozen=True, slots=True)
class Shown:
    """A statement as a page shows it; see templates/parts/statement.html."""

    first_on: dt.date
    last_on: dt.date
    opening: Money
    entries: Sequence[EntryRow]
    debit: Money
    credit: Money
    closing: Money


@dataclass(frozen=True, slots=True)
class Share:
    """One bucket: its word, its colour, what is open in it and its part of all."""

    code: int
    word: str
    kind: str
    amount: Money
    percent: float


def asked(first: str, last: str, *, zone: str) -> tuple[dt.date, dt.date]:
    """Return the days an address asks for; this month and the two before when it names none that can be."""
    today = periods.day_of(clock.now(), zone=zone)
    since = today.replace(day=1)
    for _ in range(_MONTHS_BACK):
        since = (since - dt.timedelta(days=1)).replace(day=1)
    first_on, last_on = tables.day_of(first) or since, tables.day_of(last) or today
    return first_on, max(first_on, last_on)


def shown(found: Statement) -> Shown:
    """Return a statement as a page shows it."""
    currency = found.currency

    def some(minor: int) -> Money | None:
        return Money(minor, currency) if minor else None

    return Shown(
        found.first_on,
        found.last_on,
        Money(found.opening_minor, currency),
        [
            EntryRow(
                one.on,
                movement(one.kind),
                one.number,
                some(one.debit_minor),
                some(one.credit_minor),
                Money(one.balance_minor, currency),
            )
            for one in found.entries
        ],
        Money(found.debit_minor, currency),
        Money(found.credit_minor, currency),
        Money(found.closing_minor, currency),
    )


def movement(kind: str) -> str:
    """Return what a journal of that kind is called."""
    return str(MOVEMENTS.get(kind, kind))


def shares(buckets_minor: Sequence[int], currency: str) -> list[Share]:
    """Return the buckets with their part of all that is open."""
    whole = sum(buckets_minor) or 1
    return [
        Share(one, str(BUCKETS[one]), KINDS[one], Money(minor, currency), 100 * minor / whole)
        for one, minor in zip(ageing.Bucket, buckets_minor, strict=True)
    ]


def pdf(found: Statement, *, language: str, aged_minor: Sequence[int]) -> Response:
    """Return the statement as PDF; an unknown language gives the account's own."""
    chosen = language if language in LANGUAGES else found.language
    content = paper.render_pdf(found, language=chosen, made_at=clock.now(), aged_minor=aged_minor)
    return downloads.attachment(content, name=f"{_stem(found)}-{chosen}.pdf", content_type="application/pdf")


def csv(found: Statement) -> Response:
    """Return the statement as CSV."""
    return downloads.attachment(
        paper.render_csv(found).encode(),
        name=f"{_stem(found)}.csv",
        content_type="text/csv; charset=utf-8",
    )


def _stem(found: Statement) -> str:
    return f"seatline-statement-{found.first_on.isoformat()}-{found.last_on.isoformat()}"
