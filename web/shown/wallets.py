"""A wallet as pages and programs show it: rounded down to minor units, so that nobody counts on more."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing import wallets
from billing.wallets import Entry, Kind, Wallet
from core import ids
from core.money import Money

KINDS: Mapping[Kind, LazyString] = {
    Kind.TOP_UP: _l("Topped up"),
    Kind.USED: _l("A call"),
    Kind.INVOICED: _l("Levelled with an invoice"),
    Kind.WITHDRAWN: _l("Given back"),
}


@dataclass(frozen=True, slots=True)
class WalletShown:
    """How a wallet stands; see templates/parts/wallet.html."""

    available: Money
    balance: Money
    reserved: Money
    credit: Money
    low: Money | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One movement; `call` is the outside id of the call it was for."""

    id: str
    at: dt.datetime
    word: str
    amount: Money
    call: str


def wallet(found: Wallet) -> WalletShown:
    """Return how a wallet stands; what is kept for calls is rounded up."""
    unit = wallets.nano(1, found.currency)

    def floor(nano: int) -> Money:
        return Money(nano // unit, found.currency)

    return WalletShown(
        floor(found.available_nano),
        floor(found.balance_nano),
        Money(-(-found.reserved_nano // unit), found.currency),
        floor(found.credit_nano),
        None if found.low_nano is None else floor(found.low_nano),
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
