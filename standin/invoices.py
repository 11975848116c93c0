"""Invoices as Stripe keeps them: drafts and their lines, finalising, what is paid on them, credit notes.

Only what stands on its own: no subscription, no price, no tax of its own reckoning. An invoice's page is in
`standin.visit`. Sources: docs.stripe.com/invoicing/overview, docs.stripe.com/invoicing/partial-payments.
"""

from collections.abc import Callable
from typing import Any

from standin import objects
from standin.store import Object, Store
from standin.till import LEAST, Till, invalid, missing

MOST_LINES = 250
_SHOWN, _LIST = 10, 100


class Invoices:
    """Invoices, their payments and credit notes over a store."""

    def __init__(self, store: Store, till: Till, tell: Callable[[str, Object], None]) -> None:
        """Keep them in `store`, pay them through `till`, `tell` what happens to them."""
        self._store, self._till, self._tell = store, till, tell

    def create(self, asked: Object) -> Object:
        """Make a draft."""
        if not asked.get("customer") or self._store.get(asked["customer"], kind="customer") is None:
            raise missing("customer", asked.get("customer", ""))
        if asked.get("collection_method") == "send_invoice" and not (
            asked.get("due_date") or "days_until_due" in asked
        ):
            raise invalid("If invoice collection method is 'send_invoice', you must specify 'due_date' or"
                          " 'days_until_due'.", param="due_date")  # fmt: skip
        number = asked.get("number")
        if number and any(one["number"] == number for one in self._store.every("invoice")):
            raise invalid(f"Number {number} is used by another invoice.", param="number")
        made = self._store.put("invoice", objects.invoice(self._till.now(asked["customer"]), asked))
        self._tell("invoice.created", self.shown(made))
        return self.shown(made)

    def add_lines(self, asked: Object, invoice_id: str) -> Object:
        """Put lines on a draft."""
        found = self._draft(invoice_id)
        there = self._lines(invoice_id)
        if len(there) + len(asked["lines"]) > MOST_LINES:
            raise invalid(f"You may only have up to {MOST_LINES} line items.", param="lines")
        for line in asked["lines"]:
            if "amount" not in line:
                raise invalid("The stand-in keeps no prices: send an amount.", param="lines")
            self._store.put("line_item", objects.invoice_line(found, line))
        return self._reckoned(found)

    def lines(self, asked: Object, invoice_id: str) -> Object:
        """List an invoice's lines, in the order they were put on."""
        self.get(invoice_id)
        lines = self._lines(invoice_id)
        after = asked.get("starting_after")
        if after:
            lines = lines[[one["id"] for one in lines].index(after) + 1 :]
        limit = asked.get("limit", _SHOWN)
        url = f"/v1/invoices/{invoice_id}/lines"
        return objects.page_of(lines[:limit], url=url, has_more=len(lines) > limit)

    def retrieve(self, _asked: Object, invoice_id: str) -> Object:
        """Return one."""
        return self.shown(self.get(invoice_id))

    def delete(self, _asked: Object, invoice_id: str) -> Object:
        """Throw a draft away; its number is free again."""
        self._draft(invoice_id)
        for line in self._lines(invoice_id):
            self._store.remove(line["id"])
        self._store.remove(invoice_id)
        return {"id": invoice_id, "object": "invoice", "deleted": True}

    def finalize(self, _asked: Object, invoice_id: str) -> Object:
        """Freeze a draft; it has a page where it is paid from then on."""
        found = self._draft(invoice_id)
        now, page = self._till.now(found["customer"]), f"{self._till.base}/invoice/{invoice_id}"
        found |= {
            "status": "open",
            "number": found["number"] or f"STANDIN-{invoice_id[-6:].upper()}",
            "hosted_invoice_url": page,
            "invoice_pdf": f"{page}/pdf",
            "effective_at": found["effective_at"] or now,
            "automatically_finalizes_at": None,
        }
        found["status_transitions"] |= {"finalized_at": now}
        self._store.put("invoice", found)
        self._tell("invoice.finalized", self.shown(found))
        if found["amount_remaining"] >= LEAST.get(found["currency"], 50):
            self._begin(found, now)
        return self._settled(found)

    def attach(self, asked: Object, invoice_id: str) -> Object:
        """Let a payment made otherwise count for an invoice."""
        found = self._open(invoice_id)
        intent = self._store.get(asked.get("payment_intent", ""), kind="payment_intent")
        if intent is None:
            raise missing("payment_intent", asked.get("payment_intent", ""))
        if intent["customer"] != found["customer"] or intent["currency"] != found["currency"]:
            raise invalid("The PaymentIntent must be of the invoice's customer and currency.")
        if any(one["payment"]["payment_intent"] == intent["id"] for one in self._payments(invoice_id)):
            raise invalid("The PaymentIntent is already attached to this invoice.", param="payment_intent")
        made = objects.invoice_payment(self._till.now(found["customer"]), found, intent, is_default=False)
        self._store.put("invoice_payment", made)
        if intent["status"] == "succeeded":
            self._credit(made, intent["amount_received"])
        return self.shown(self.get(invoice_id))

    def pay(self, asked: Object, invoice_id: str) -> Object:
        """Mark what is left of an invoice as paid elsewhere."""
        found = self._open(invoice_id)
        if not asked.get("paid_out_of_band"):
            raise invalid("The stand-in charges no invoice by itself.", param="paid_out_of_band")
        found["amount_paid"] += found["amount_remaining"]
        found["amount_paid_off_stripe"] = found["amount_remaining"]
        return self._settled(found)

    def void(self, _asked: Object, invoice_id: str) -> Object:
        """Take an open invoice back."""
        found = self._open(invoice_id)
        found["status"] = "void"
        found["status_transitions"] |= {"voided_at": self._till.now(found["customer"])}
        self._store.put("invoice", found)
        self._no_more(found)
        self._tell("invoice.voided", self.shown(found))
        return self.shown(found)

    def listing(self, page: Callable[..., Object]) -> Callable[..., Object]:
        """Return the act that lists them, by the API's own paging."""

        def look(asked: Object) -> Object:
            answer = page("invoice", "/v1/invoices", asked, ("customer", "status", "collection_method"))
            return answer | {"data": [self.shown(one) for one in answer["data"]]}

        return look

    def payments(self, asked: Object) -> Object:
        """List what is to be or was paid on invoices."""
        whose, wanted = asked.get("invoice"), (asked.get("payment") or {}).get("payment_intent")
        found = [
            one
            for one in self._store.every("invoice_payment")
            if whose in {None, one["invoice"]} and wanted in {None, one["payment"]["payment_intent"]}
        ]
        return objects.page_of(found[:_LIST], url="/v1/invoice_payments", has_more=len(found) > _LIST)

    def credit(self, asked: Object) -> Object:
        """Lessen a finalised invoice: first what is left to pay, then what was paid."""
        found = self.get(asked["invoice"])
        if found["status"] not in {"open", "paid"}:
            raise invalid("A credit note needs an invoice that is open or paid.", param="invoice")
        amount = asked.get("amount", 0)
        before = sum(one["amount"] for one in self._credits(found["id"]))
        if not 0 < amount <= found["total"] - before:
            raise invalid("The amount is more than the invoice leaves to credit.", param="amount")
        first = min(amount, found["amount_remaining"])
        given = sum(asked.get(name, 0) for name in ("credit_amount", "refund_amount", "out_of_band_amount"))
        if given != amount - first:
            raise invalid("The sum of credit amount, refund amount and out of band amount must equal the"
                          " amount of the credit note that was paid already.")  # fmt: skip
        made = objects.credit_note(self._till.now(found["customer"]), found, asked, first=first)
        self._store.put("credit_note", made)
        found["amount_due"] -= first
        found["pre_payment_credit_notes_amount"] += first
        found["post_payment_credit_notes_amount"] += amount - first
        self._store.put("invoice", found)
        self._tell("credit_note.created", made)
        if found["status"] == "open":
            self._settled(found)
        return made

    def credits(self, asked: Object) -> Object:
        """List credit notes."""
        found = self._credits(asked["invoice"]) if asked.get("invoice") else self._store.every("credit_note")
        return objects.page_of(list(found)[:_LIST], url="/v1/credit_notes", has_more=False)

    def money_came(self, intent: Object) -> None:
        """Let a payment that has succeeded count for the invoices it is attached to."""
        for one in self._store.every("invoice_payment"):
            if one["payment"]["payment_intent"] == intent["id"] and one["status"] == "open":
                self._credit(one, intent["amount_received"])

    def get(self, invoice_id: str) -> Object:
        """Return an invoice as it is kept."""
        found = self._store.get(invoice_id, kind="invoice")
        if found is None:
            raise missing("invoice", invoice_id)
        return found

    def intent_of(self, invoice: Object) -> Object | None:
        """Return the payment that an open invoice's page is for."""
        for one in self._payments(invoice["id"]):
            if one["is_default"] and one["status"] == "open":
                return self._store.get(one["payment"]["payment_intent"])
        return None

    def shown(self, invoice: Object) -> Object:
        """Return an invoice with the first of its lines."""
        lines, url = self._lines(invoice["id"]), f"/v1/invoices/{invoice['id']}/lines"
        page = objects.page_of(lines[:_SHOWN], url=url, has_more=len(lines) > _SHOWN)
        return invoice | {"lines": page}

    def _begin(self, invoice: Object, now: int) -> None:
        """Begin the payment an invoice's page is for."""
        intent = objects.payment_intent(
            now,
            {
                "amount": invoice["amount_remaining"],
                "currency": invoice["currency"],
                "customer": invoice["customer"],
                "description": f"Payment for Invoice {invoice['number']}",
            },
        )
        self._store.put("payment_intent", intent)
        self._store.put("invoice_payment", objects.invoice_payment(now, invoice, intent, is_default=True))
        self._tell("payment_intent.created", intent)

    def _credit(self, payment: Object, received: int) -> None:
        invoice = self.get(payment["invoice"])
        paid = min(received, invoice["amount_remaining"])
        payment |= {"status": "paid", "amount_paid": paid}
        payment["status_transitions"] |= {"paid_at": self._till.now(invoice["customer"])}
        self._store.put("invoice_payment", payment)
        invoice["amount_paid"] += paid
        invoice["amount_overpaid"] += received - paid
        self._tell("invoice_payment.paid", payment)
        if invoice["status"] == "open":
            self._settled(invoice)
        else:
            self._store.put("invoice", invoice)

    def _settled(self, invoice: Object) -> Object:
        """Work out what is left, and end what nothing is left of."""
        invoice["amount_remaining"] = invoice["amount_due"] - invoice["amount_paid"]
        is_paid = invoice["amount_remaining"] <= 0
        if is_paid:
            invoice |= {"status": "paid"}
            invoice["status_transitions"] |= {"paid_at": self._till.now(invoice["customer"])}
        self._store.put("invoice", invoice)
        if is_paid:
            self._no_more(invoice)
            self._tell("invoice.paid", self.shown(invoice))
        elif (intent := self.intent_of(invoice)) is not None:
            self._store.put("payment_intent", intent | {"amount": invoice["amount_remaining"]})
        return self.shown(invoice)

    def _no_more(self, invoice: Object) -> None:
        """Close the page of an invoice that is not to be paid any more."""
        for one in self._payments(invoice["id"]):
            if one["status"] == "open" and one["is_default"]:
                intent = self._store.get(one["payment"]["payment_intent"])
                if intent is not None and intent["status"] not in {"succeeded", "processing", "canceled"}:
                    self._till.cancel(intent, reason="void_invoice")
                self._store.put("invoice_payment", one | {"status": "canceled"})

    def _reckoned(self, invoice: Object) -> Object:
        lines = self._lines(invoice["id"])
        net = sum(one["amount"] for one in lines)
        # a test may want it to reckon otherwise than we do
        extra = int(self._store.choice("misreckon", "0"))
        taxes = objects.total_taxes(lines, extra=extra)
        total = net + sum(one["amount"] for one in taxes)
        invoice |= {
            "subtotal": net,
            "subtotal_excluding_tax": net,
            "total_excluding_tax": net,
            "total_taxes": taxes,
            "total": total,
            "amount_due": total,
            "amount_remaining": total,
        }
        self._store.put("invoice", invoice)
        return self.shown(invoice)

    def _lines(self, invoice_id: str) -> list[Object]:
        found = [one for one in self._store.every("line_item") if one["invoice"] == invoice_id]
        return found[::-1]

    def _payments(self, invoice_id: str) -> list[Object]:
        return [one for one in self._store.every("invoice_payment") if one["invoice"] == invoice_id]

    def _credits(self, invoice_id: str) -> list[Object]:
        return [one for one in self._store.every("credit_note") if one["invoice"] == invoice_id]

    def _draft(self, invoice_id: str) -> Object:
        found = self.get(invoice_id)
        if found["status"] != "draft":
            raise invalid(f"This invoice is {found['status']}; only a draft can be changed.",
                          code="invoice_not_editable")  # fmt: skip
        return found

    def _open(self, invoice_id: str) -> Object:
        found: dict[str, Any] = self.get(invoice_id)
        if found["status"] != "open":
            raise invalid(f"This invoice is {found['status']}, and not open.", code="invoice_not_open")
        return found
