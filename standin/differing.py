"""What does not fit, made on demand: lines of the books lost, altered, foreign, twice; and payouts to a bank.

For tests and demonstrations of comparing one's own books with Stripe's. Nothing of it is told as news.
"""

import time

from standin import objects
from standin.api import Stripe
from standin.store import Object


def lose(api: Stripe, source_id: str) -> str:
    """Forget every line a charge, refund or dispute made; with a charge its intent is gone too."""
    with api.lock, api.store.transaction():
        for line in _lines(api, source_id):
            api.store.remove(line["id"])
        source = _source(api, source_id)
        if source["object"] == "charge":
            api.store.remove(source["payment_intent"])
        return source_id


def unpay(api: Stripe, charge_id: str) -> str:
    """Let a payment that had succeeded be under way again, without its line."""
    with api.lock, api.store.transaction():
        for line in _lines(api, charge_id):
            api.store.remove(line["id"])
        charge = _source(api, charge_id)
        intent = _source(api, charge["payment_intent"])
        api.store.put("charge", charge | {"status": "pending", "paid": False, "balance_transaction": None})
        api.store.put("payment_intent", intent | {"status": "processing"})
        return charge_id


def alter(api: Stripe, source_id: str, changes: dict[str, str]) -> str:
    """Let the lines of a charge, refund or dispute say another `amount`, `fee` or `currency`."""
    with api.lock, api.store.transaction():
        for line in _lines(api, source_id):
            line |= {name: int(changes[name]) for name in ("amount", "fee") if name in changes}
            line["currency"] = changes.get("currency", line["currency"])
            api.store.put("balance_transaction", line | {"net": line["amount"] - line["fee"]})
        return source_id


def again(api: Stripe, charge_id: str) -> str:
    """Let a payment have been made twice: a second intent and charge that say the same; return the charge."""
    with api.lock, api.store.transaction():
        charge = _source(api, charge_id)
        intent = _source(api, charge["payment_intent"])
        return _paid(api, intent | {"id": objects.new_id("pi")}, charge | {"id": objects.new_id("ch")})


def foreign(api: Stripe, charge_id: str) -> str:
    """Let somebody else have charged something at this account, like that charge; return the charge."""
    with api.lock, api.store.transaction():
        charge = _source(api, charge_id)
        intent = _source(api, charge["payment_intent"])
        other = {"metadata": {}, "description": "A charge made by hand"}
        return _paid(
            api,
            intent | other | {"id": objects.new_id("pi")},
            charge | other | {"id": objects.new_id("ch")},
        )


def pay_out(api: Stripe, amount: int, currency: str) -> str:
    """Send money to the bank; return the payout."""
    with api.lock, api.store.transaction():
        made = objects.payout(int(time.time()), amount=amount, currency=currency)
        line = api.till.book(made, amount=-amount, fee=0, kind="payout")
        api.store.put("payout", made | {"balance_transaction": line["id"]})
        return str(made["id"])


def own_fee(api: Stripe, amount: int, currency: str) -> str:
    """Let the provider take a fee that belongs to no payment; return its line."""
    with api.lock, api.store.transaction():
        source = {"id": objects.new_id("fee"), "currency": currency}
        return str(api.till.book(source, amount=-amount, fee=0, kind="stripe_fee")["id"])


def mislay(api: Stripe, minor: int) -> int:
    """Let so much of what is held be there no more though no line says so; 0 ends it."""
    with api.lock, api.store.transaction():
        api.store.choose("mislaid", str(minor))
        return minor


def misreckon(api: Stripe, minor: int) -> int:
    """Let lines put on drafts from now on come to so much more tax; 0 ends it."""
    with api.lock, api.store.transaction():
        api.store.choose("misreckon", str(minor))
        return minor


def void(api: Stripe, invoice_id: str) -> str:
    """Let somebody take an invoice back at the provider's own pages."""
    with api.lock, api.store.transaction():
        api.invoices.void({}, invoice_id)
        return invoice_id


def _paid(api: Stripe, intent: Object, charge: Object) -> str:
    fee = sum(line["fee"] for line in _lines(api, charge["id"])) or 20 + charge["amount"] * 15 // 1000
    charge |= {"payment_intent": intent["id"], "created": int(time.time())}
    line = api.till.book(charge, amount=charge["amount"], fee=fee, kind="charge")
    api.store.put("charge", charge | {"balance_transaction": line["id"]})
    api.store.put("payment_intent", intent | {"latest_charge": charge["id"]})
    return str(charge["id"])


def _lines(api: Stripe, source_id: str) -> list[Object]:
    return [one for one in api.store.every("balance_transaction") if one["source"] == source_id]


def _source(api: Stripe, object_id: str) -> Object:
    found = api.store.get(object_id)
    if found is None:
        raise KeyError(object_id)
    return found
