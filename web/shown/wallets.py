"""A wallet as pages and programs show it: rounded down to minor units, so that nobody counts on more."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing import wallets
from billing.payments.port import State
from billing.payments.top_ups import TopUp
from billing.wallets import Automatic, Entry, Kind, Stopped, Wallet
from core import ids
from core.money import Money
from web.parts import money
from web.shown import payments

KINDS: Mapping[Kind, LazyString] = {
    Kind.TOP_UP: _l("Topped up"),
    Kind.USED: _l("A call"),
    Kind.INVOICED: _l("Levelled with an invoice"),
    Kind.WITHDRAWN: _l("Given back"),
}

STOPPED: Mapping[Stopped, LazyString] = {
    Stopped.DECLINED: _l("The last payment did not go through."),
    Stopped.CAP: _l("The month’s amount is used up; it goes on in the next month."),
    Stopped.NO_METHOD: _l("There is no saved way to pay."),
    Stopped.TAKEN_BACK: _l("A bank took a top-up back."),
    Stopped.GIVEN_BACK: _l("A top-up was given back to you."),
}


@dataclass(frozen=True, slots=True)
class WalletShown:
    """How a wallet stands, and what is reserved for; see templates/parts/wallet.html."""

    available: Money
    balance: Money
    reserved: Money
    calls: Money
    rent: Money
    credit: Money
    low: Money | None


@dataclass(frozen=True, slots=True)
class AutomaticShown:
    """When a wallet tops itself up; `stopped` says why it stands still, or nothing."""

    below: Money
    amount: Money
    cap: Money
    stopped: str


@dataclass(frozen=True, slots=True)
class TopUpRow:
    """One top-up; see templates/parts/wallet.html."""

    id: str
    at: dt.datetime
    amount: Money
    who: str
    kind: str
    word: str
    why: str
    has_receipt: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One movement; `call` is the outside id of the call it was for."""

    id: str
    at: dt.datetime
    word: str
    amount: Money
    call: str


def wallet(found: Wallet, rents: Mapping[dt.datetime, int]) -> WalletShown:
    """Return how a wallet stands; what is kept is rounded up."""
    unit, rent = wallets.nano(1, found.currency), sum(rents.values())

    def floor(nano: int) -> Money:
        return Money(nano // unit, found.currency)

    def ceiling(nano: int) -> Money:
        return Money(-(-nano // unit), found.currency)

    return WalletShown(
        floor(found.available_nano),
        floor(found.balance_nano),
        ceiling(found.reserved_nano),
        ceiling(found.reserved_nano - rent),
        ceiling(rent),
        floor(found.credit_nano),
        None if found.low_nano is None else floor(found.low_nano),
    )


def lacking(minor: int, currency: str) -> str:
    """Return why a company that pays beforehand cannot rent something."""
    text: str = gettext(
        "Nothing was rented: to pay for it to the end of the month, %(amount)s is lacking in the wallet.",
        amount=money(Money(minor, currency)),
    )
    return text


def automatic(found: Automatic) -> AutomaticShown:
    """Return when a wallet tops itself up, as pages show it."""
    return AutomaticShown(
        Money(found.below_minor, found.currency),
        Money(found.amount_minor, found.currency),
        Money(found.cap_minor, found.currency),
        str(STOPPED[found.stopped]) if found.stopped else "",
    )


def top_up(found: TopUp) -> TopUpRow:
    """Return a top-up as lists show it."""
    kind, word = payments.STATES[found.state]
    return TopUpRow(
        ids.public("top", found.top_up_id),
        found.started_at,
        Money(found.amount_minor, found.currency),
        payments.source(found.initiator),
        kind,
        str(word),
        payments.reason(found.reason)[0],
        found.state is State.SUCCEEDED,
    )


def rows(found: Sequence[Entry], *, currency: str) -> list[EntryRow]:
    """Return movements as lists show them."""
    unit = wallets.nano(1, currency)
    return [
        EntryRow(
            ids.public("wen", one.entry_id),
            one.at,
            str(KINDS[one.kind]),
            Money(one.amount_nano // unit, currency),
            ids.public("call", one.use_id) if one.use_id else "",
        )
        for one in found
    ]
