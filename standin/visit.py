"""The pages Stripe hosts: where card numbers are typed, where a bank asks its customer, and the receipt.

They stand here so that card data never touches a page of ours. Plain HTML, no script.
"""

import datetime as dt
import html
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from standin import cards, objects
from standin.api import Stripe
from standin.store import Object
from standin.till import StripeError

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;background:#f2f4f7;color:#1b2330;margin:0;padding:6vh 1rem}
main{max-width:26rem;margin:auto;background:#fff;border-radius:14px;padding:2rem;box-shadow:0 1px 4px #0002}
h1{font-size:1.3rem;margin:0 0 .3rem}p{margin:.3rem 0 1rem}.muted{color:#5a6472;font-size:.9rem}
label{display:block;font-size:.9rem;margin:.8rem 0 .2rem}
input{width:100%;box-sizing:border-box;font:inherit;padding:.55rem .7rem}
input{border:1px solid #8a94a3;border-radius:8px}
.two{display:flex;gap:.8rem}.two>*{flex:1}
button{font:inherit;margin-top:1.2rem;width:100%;padding:.65rem;border:0;border-radius:8px;background:#2a4bd7;color:#fff}
button.plain{background:#e6e9ef;color:#1b2330;margin-top:.6rem}
.bad{background:#fdecec;color:#8f1d1d;border-radius:8px;padding:.6rem .8rem}
.strip{background:#fff3d6;border-radius:8px;padding:.5rem .8rem;font-size:.85rem;margin-bottom:1rem}
"""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a browser."""

    status: int
    body: str = ""
    location: str = ""


class Visits:
    """The hosted pages over the API's objects."""

    def __init__(self, api: Stripe) -> None:
        """Serve the pages of this API."""
        self._api, self._store, self._till = api, api.store, api.till

    def handle(self, method: str, path: str, body: str) -> Page:
        """Answer a browser."""
        kind, _, rest = path.strip("/").partition("/")
        object_id, _, step = rest.partition("/")
        form = {name: values[0] for name, values in parse_qs(body).items()}
        with self._api.lock:
            try:
                if kind == "pay":
                    return self._pay(method, object_id, step, form)
                if kind == "invoice":
                    return self._invoice(method, object_id, step, form)
                if kind == "authenticate":
                    return self._authenticate(method, object_id, form)
                if kind == "receipts" and method == "GET":
                    return self._receipt(object_id)
            finally:
                self._api.news.set()
        return _page(404, "Not found", "<p>There is no such page here.</p>")

    def _pay(self, method: str, session_id: str, step: str, form: dict[str, str]) -> Page:
        session = self._store.get(session_id, kind="checkout.session")
        if session is None:
            return _page(404, "Not found", "<p>There is no such page here.</p>")
        if session["status"] != "open":
            said = "has been used already" if session["status"] == "complete" else "has expired"
            return _page(410, "This page is closed", f"<p>It {said}. Go back and begin again.</p>")
        if step == "done":
            return self._after_asking(session)
        if method == "GET":
            return _form(session)
        with self._store.transaction():
            try:
                intent = self._submit(session, form)
            except StripeError as error:
                return _form(session, said=error.body["error"]["message"])
            if intent["status"] == "requires_action":
                return Page(303, location=self._asks_at(intent))
            return self._complete(session, intent)

    def _invoice(self, method: str, invoice_id: str, step: str, form: dict[str, str]) -> Page:
        """Answer who looks at an invoice of Stripe's, or pays it by card."""
        found = self._store.get(invoice_id, kind="invoice")
        if found is None or found["status"] == "draft":
            return _page(404, "Not found", "<p>There is no such invoice.</p>")
        intent = self._api.invoices.intent_of(found)
        if step == "pdf" or found["status"] != "open" or intent is None:
            total = _money(found | {"amount": found["total"]})
            number, status = html.escape(found["number"]), html.escape(found["status"])
            return _page(200, f"Invoice {number}", f"<p><b>{total}</b></p><p>It is {status}.</p>")
        here = f"{self._till.base}/invoice/{invoice_id}"
        if method == "GET":
            asked = step == "done" and intent["status"] == "requires_payment_method"
            return _form(_as_session(intent), said="Your bank did not confirm it." if asked else "")
        with self._store.transaction():
            try:
                month, year = _expiry(form.get("expiry", ""))
                card = self._api.new_card(form.get("number", ""), month=month, year=year)
                intent = self._store.put("payment_intent", intent | {"payment_method": card["id"]})
                after = self._till.confirm(intent, off_session=False, return_url=f"{here}/done")
            except StripeError as error:
                return _form(_as_session(intent), said=error.body["error"]["message"])
        return Page(303, location=self._asks_at(after) if after["status"] == "requires_action" else here)

    def _submit(self, session: Object, form: dict[str, str]) -> Object:
        """Use what was typed; an error is said on the page, and what it left behind is kept."""
        paying = session["mode"] == "payment"
        if form.get("app"):
            chosen = self._api.new_app(form["app"], session["payment_method_types"])
        elif form.get("account"):
            kind = next(one for one in session["payment_method_types"] if one in cards.BANKS)
            chosen = self._api.new_bank(kind, number=form["account"], routing=form.get("routing", ""))
        else:
            month, year = _expiry(form.get("expiry", ""))
            chosen = self._api.new_card(form.get("number", ""), month=month, year=year)
        intent = self._intent(session, chosen, form)
        back = f"{self._till.base}/pay/{session['id']}/done"
        if not paying:
            return self._till.confirm_setup(intent, return_url=back)
        return self._till.confirm(intent, off_session=False, return_url=back)

    def _intent(self, session: Object, method: Object, form: dict[str, str]) -> Object:
        name = "payment_intent" if session["mode"] == "payment" else "setup_intent"
        hidden = self._store.hidden(session["id"])
        wanted = dict(hidden["intent"])
        if saves := hidden.get("options", {}).get(method["type"], {}).get("setup_future_usage"):
            wanted["setup_future_usage"] = saves
        now = self._till.now(session["customer"])
        if form.get("name"):
            method["billing_details"]["name"] = form["name"][:100]
            self._store.put("payment_method", method)
        if session[name]:
            found = self._store.get(session[name])
            assert found is not None  # noqa: S101 - the session made it
            changes = {"payment_method": method["id"]}
            if name == "payment_intent":
                changes["setup_future_usage"] = wanted.get("setup_future_usage")
            return self._store.put(name, found | changes)
        asked = {
            **wanted,
            "amount": session["amount_total"],
            "currency": session["currency"],
            "customer": session["customer"],
            "payment_method": method["id"],
            "types": session["payment_method_types"],
        }
        made = (objects.payment_intent if name == "payment_intent" else objects.setup_intent)(now, asked)
        session[name] = made["id"]
        self._store.put(name, made)
        self._store.put("checkout.session", session)
        return made

    def _after_asking(self, session: Object) -> Page:
        intent = self._store.get(session["payment_intent"] or session["setup_intent"] or "")
        if intent is None or intent["status"] == "requires_payment_method":
            return _form(session, said="Your bank did not confirm it. Try again, or take another card.")
        if intent["status"] == "requires_action":
            return Page(303, location=self._asks_at(intent))
        with self._store.transaction():
            return self._complete(session, intent)

    def _complete(self, session: Object, intent: Object) -> Page:
        session |= {"status": "complete", "url": None}
        if session["mode"] == "payment":
            session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"
        self._store.put("checkout.session", session)
        self._api.tell("checkout.session.completed", session)
        return Page(303, location=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))

    def _authenticate(self, method: str, intent_id: str, form: dict[str, str]) -> Page:
        intent = self._store.get(intent_id)
        if intent is None or intent["status"] != "requires_action":
            return _page(410, "Nothing to confirm", "<p>Your bank has been answered already.</p>")
        if method == "GET":
            amount = f"<p><b>{_money(intent)}</b></p>" if intent["object"] == "payment_intent" else ""
            return _page(
                200,
                "Your bank asks: is this you?",
                f"{amount}<form method='post'><button name='outcome' value='complete'>Complete</button>"
                "<button class='plain' name='outcome' value='fail'>Fail</button></form>",
            )
        back = self._store.hidden(intent_id)["return_url"]
        with self._store.transaction():
            after = self._till.answer(intent["object"], intent, confirms=form.get("outcome") == "complete")
        is_good = after["status"] in {"succeeded", "processing"}
        said = urlencode(
            {intent["object"]: intent["id"], "redirect_status": "succeeded" if is_good else "failed"}
        )
        return Page(303, location=f"{back}{'&' if '?' in back else '?'}{said}")

    def _asks_at(self, intent: Object) -> str:
        return f"{self._till.base}/authenticate/{intent['id']}"

    def _receipt(self, charge_id: str) -> Page:
        charge = self._store.get(charge_id, kind="charge")
        if charge is None or charge["receipt_url"] is None:
            return _page(404, "Not found", "<p>There is no such receipt.</p>")
        method = self._store.get(charge["payment_method"]) or {}
        last4 = (method.get(method.get("type", "")) or {}).get("last4", "")
        paid_on = dt.datetime.fromtimestamp(charge["created"], dt.UTC).date().isoformat()
        back = charge["amount_refunded"]
        return _page(
            200,
            "Receipt",
            f"<p><b>{_money(charge)}</b></p><p>{html.escape(charge['description'] or '')}</p>"
            f"<p class='muted'>Paid on {paid_on} with •••• {html.escape(str(last4))}. {charge['id']}</p>"
            + (f"<p>Refunded: {_money(charge | {'amount': back})}</p>" if back else ""),
        )


def _form(session: Object, *, said: str = "") -> Page:
    paying = session["mode"] == "payment"
    bank = next((one for one in session["payment_method_types"] if one in cards.BANKS), None)
    title = f"Pay {_money(session | {'amount': session['amount_total']})}" if paying else "Save a way to pay"
    do = "Pay" if paying else "Save"
    parts = [f"<p class='bad' role='alert'>{html.escape(said)}</p>" if said else ""]
    parts.append(
        "<form method='post'><label for='number'>Card number</label>"
        "<input id='number' name='number' inputmode='numeric' autocomplete='cc-number' required>"
        "<div class='two'><div><label for='expiry'>Expiry, MM/YY</label>"
        "<input id='expiry' name='expiry' placeholder='12/34' required></div>"
        "<div><label for='cvc'>Security code</label><input id='cvc' name='cvc' required></div></div>"
        f"<label for='name'>Name on the card</label><input id='name' name='name'><button>{do}</button></form>"
    )
    if bank:
        routing = "Sort code" if bank == "bacs_debit" else "Routing number"
        parts.append(
            "<h2 class='muted'>or by direct debit</h2>"
            f"<form method='post'><label for='routing'>{routing}</label>"
            "<input id='routing' name='routing' required><label for='account'>Account number</label>"
            f"<input id='account' name='account' required><button>{do} by direct debit</button></form>"
        )
        parts.append(f"<p class='muted'>Test accounts: {', '.join(cards.BANKS[bank])}</p>")
    parts += [
        f"<form method='post'><input type='hidden' name='app' value='{app}'>"
        f"<button class='plain'>{do} with {app.replace('_', ' ').title()}</button></form>"
        for app in session["payment_method_types"]
        if app in cards.APPS
    ]
    if session["cancel_url"]:
        parts.append(f"<p><a href='{html.escape(session['cancel_url'])}'>Back without doing anything</a></p>")
    parts.append("<p class='muted'>Test cards: 4242 4242 4242 4242 is paid, 4000 0000 0000 0002 is declined,"
                 " 4000 0000 0000 3220 asks the bank first.</p>")  # fmt: skip
    return _page(200, title, "".join(parts))


def _as_session(intent: Object) -> Object:
    """Return what a form shows of a payment that no session is about."""
    types = {"payment_method_types": ["card"], "cancel_url": None, "mode": "payment"}
    return {"amount_total": intent["amount"], "currency": intent["currency"], **types}


def _expiry(text: str) -> tuple[int, int]:
    month, _, year = text.partition("/")
    if not (month.strip().isdecimal() and year.strip().isdecimal() and 1 <= int(month) <= 12):  # noqa: PLR2004
        raise StripeError(402, "card_error", "Your card's expiration date is invalid.",
                          code="invalid_expiry_month")  # fmt: skip
    whole = 2000 + int(year) % 100
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - the stand-in knows nothing of our clock
    if (whole, int(month)) < (now.year, now.month):
        raise StripeError(402, "card_error", "Your card's expiration year is invalid.",
                          code="invalid_expiry_year")  # fmt: skip
    return int(month), whole


def _money(of: Object) -> str:
    digits = 0 if of["currency"] in {"jpy", "krw", "vnd"} else 2
    return f"{of['currency'].upper()} {of['amount'] / 10**digits:.{digits}f}"


def _page(status: int, title: str, body: Any) -> Page:  # noqa: ANN401 - text
    strip = "<p class='strip'>A stand-in for Stripe on this machine. No money moves.</p>"
    head = f"<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>{title}</title>"
    return Page(
        status,
        f"<!doctype html><html lang='en'><head>{head}<style>{_STYLE}</style></head>"
        f"<body><main>{strip}<h1>{title}</h1>{body}</main></body></html>",
    )
