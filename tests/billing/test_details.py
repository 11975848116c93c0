"""A company's billing details and terms: what holds from when, and a good invoice under every kind of tax."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from billing import accounts, details, invoices, usage
from billing.accounts import Account, Party
from billing.documents import en16931, ubl
from billing.documents.document import InvoiceDocument
from billing.errors import (
    BillingAccountInvalidError,
    BillingAccountNotFoundError,
    BillingDetailsChangedError,
    BuyerNumberError,
)
from core import clock
from core.ids import TenantId
from security import evidence
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_heads import GOOD
from tests.billing.test_sellers import told
from tests.factories.billing import drafted

NOVEMBER = dt.datetime(2026, 11, 3, 9, tzinfo=dt.UTC)
FRENCH = dataclasses.replace(GOOD, tax_id="FR12345678901", country="FR")
TERMS = {"terms_days": 14, "tax_category": "S", "tax_rate_ppm": 200_000, "tax_reason": ""}


@pytest.fixture
def tenant_id(gate: Gate, tenant_a: TenantId) -> TenantId:
    version = stock.publish(gate)
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
        usage.record(session, tenant_id=tenant_a, usage=stock.usage(seconds=600))
    return tenant_a


def said(gate: Gate, tenant_id: TenantId, buyer: Party = GOOD, **changes: Any) -> Account:
    with gate.open(Scope.system(tenant_id)) as session:
        values = {"revision": 1, "order_reference": "PO-1", "country": "GB", **changes}
        return details.change_buyer(session, tenant_id=tenant_id, buyer=buyer, **values)


def agreed(gate: Gate, tenant_id: TenantId, **changes: Any) -> Account:
    with gate.open(Scope.system(tenant_id)) as session:
        values = {"revision": 1, "country": "GB", **TERMS, **changes}
        return details.change_terms(session, tenant_id=tenant_id, **values)


def closed(gate: Gate, tenant_id: TenantId, made: InvoiceDocument) -> InvoiceDocument:
    with clock.hold(NOVEMBER), gate.open(Scope.system(tenant_id)) as session:
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=made.invoice_id)


def the_draft(gate: Gate, tenant_id: TenantId) -> InvoiceDocument:
    with gate.open(Scope.system(tenant_id)) as session:
        (one,) = invoices.every(session, tenant_id=tenant_id)
        return invoices.find(session, tenant_id=tenant_id, invoice_id=one.invoice_id)


def test_a_draft_and_the_next_document_carry_the_new_head_and_a_finalised_one_stays(
    gate: Gate, tenant_id: TenantId
) -> None:
    before = closed(gate, tenant_id, drafted(gate, tenant_id, 2026, 9))
    made = drafted(gate, tenant_id, 2026, 10)
    assert said(gate, tenant_id).revision == 2
    assert the_one(gate, tenant_id, made).buyer == GOOD
    done = closed(gate, tenant_id, made)
    assert (done.buyer, done.order_reference) == (GOOD, "PO-1")
    kept = the_one(gate, tenant_id, before)
    assert (kept.buyer, kept.order_reference) == (before.buyer, "PO-7713")


def the_one(gate: Gate, tenant_id: TenantId, document: InvoiceDocument) -> InvoiceDocument:
    with gate.open(Scope.system(tenant_id)) as session:
        return invoices.find(session, tenant_id=tenant_id, invoice_id=document.invoice_id)


@pytest.mark.parametrize("category", accounts.TAX_CATEGORIES)
def test_an_invoice_of_every_kind_of_tax_keeps_the_rules(
    gate: Gate, tenant_id: TenantId, category: str
) -> None:
    told(gate)
    said(gate, tenant_id, FRENCH)
    rate = 200_000 if category == "S" else 0
    agreed(gate, tenant_id, revision=2, tax_category=category, tax_rate_ppm=rate, tax_reason="Article 132")
    done = closed(gate, tenant_id, drafted(gate, tenant_id, 2026, 10))
    (tax,) = done.bill.taxes
    assert (tax.category, tax.rate_ppm) == (category, rate)
    assert done.due_on == dt.date(2026, 11, 17)
    assert done.tax_reason == ("" if category in {"S", "Z"} else "Article 132")
    assert en16931.problems(ubl.invoice(done, buyer_country="GB")) == ()


def test_another_tax_makes_drafts_anew_and_other_days_do_not(gate: Gate, tenant_id: TenantId) -> None:
    made = drafted(gate, tenant_id, 2026, 10)
    agreed(gate, tenant_id)
    assert the_draft(gate, tenant_id).invoice_id == made.invoice_id
    agreed(gate, tenant_id, revision=2, tax_category="Z", tax_rate_ppm=0)
    anew = the_draft(gate, tenant_id)
    assert anew.invoice_id != made.invoice_id
    assert [(one.category, one.tax_minor) for one in anew.bill.taxes] == [("Z", 0)]
    assert closed(gate, tenant_id, anew).due_on == dt.date(2026, 11, 17)


def test_what_changed_stands_in_the_log_without_what_it_says(gate: Gate, tenant_id: TenantId) -> None:
    said(gate, tenant_id)
    assert said(gate, tenant_id, revision=2).revision == 2, "nothing changed"
    agreed(gate, tenant_id, revision=2, tax_category="E", tax_rate_ppm=0, tax_reason="Article 132")
    assert (
        agreed(
            gate, tenant_id, revision=3, tax_category="E", tax_rate_ppm=0, tax_reason="Article 132"
        ).revision
        == 3
    ), "nothing changed"
    with gate.open(Scope.system(tenant_id)) as session:
        page = evidence.page(session, tenant_id=tenant_id, limit=10)
    terms, head = (one.fact for one in page.entries if one.fact.action.startswith("billing-"))
    assert (terms.details["was"], terms.details["now"]) == ("28d S 20%", "14d E 0%")
    assert "order_reference" in str(head.details["field"])
    assert "Pelican" not in str(head.details)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"terms_days": -1}, "terms_days"),
        ({"terms_days": 121}, "terms_days"),
        ({"tax_category": "B"}, "tax_category"),
        ({"tax_rate_ppm": 0}, "tax_rate"),
        ({"tax_rate_ppm": 1_000_000}, "tax_rate"),
        ({"tax_category": "Z"}, "tax_rate"),
        ({"tax_category": "E", "tax_rate_ppm": 0}, "tax_reason"),
        ({"tax_category": "E", "tax_rate_ppm": 0, "tax_reason": "r" * 201}, "tax_reason"),
        ({"tax_category": "O", "tax_rate_ppm": 0, "tax_reason": "a\nb"}, "tax_reason"),
    ],
)
def test_terms_that_cannot_be_are_named(
    gate: Gate, tenant_id: TenantId, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(BillingAccountInvalidError) as refusal:
        agreed(gate, tenant_id, **change)
    assert field in str(refusal.value.details["fields"])


def test_who_pays_the_tax_instead_is_known_by_a_number(gate: Gate, tenant_id: TenantId) -> None:
    nobody = Party("Nobody Ltd", country="FR")
    said(gate, tenant_id, nobody)
    for category in ("AE", "K"):
        with pytest.raises(BuyerNumberError):
            agreed(gate, tenant_id, revision=2, tax_category=category, tax_rate_ppm=0)
    said(gate, tenant_id, FRENCH, revision=2)
    agreed(gate, tenant_id, revision=3, tax_category="K", tax_rate_ppm=0)
    with pytest.raises(BuyerNumberError):
        said(gate, tenant_id, nobody, revision=4)


@pytest.mark.parametrize(
    ("buyer", "changes", "field"),
    [
        (Party(""), {}, "name"),
        (dataclasses.replace(GOOD, country="XX"), {}, "country"),
        (GOOD, {"order_reference": "r" * 61}, "order_reference"),
    ],
)
def test_a_head_that_cannot_be_is_named(
    gate: Gate, tenant_id: TenantId, buyer: Party, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(BillingAccountInvalidError) as refusal:
        said(gate, tenant_id, buyer, **changes)
    assert refusal.value.details["fields"] == [field]


def test_two_who_change_it_at_once_are_told(gate: Gate, tenant_id: TenantId) -> None:
    said(gate, tenant_id)
    with pytest.raises(BillingDetailsChangedError):
        said(gate, tenant_id, FRENCH)
    with pytest.raises(BillingDetailsChangedError):
        agreed(gate, tenant_id)


def test_a_company_without_an_account_has_no_details(gate: Gate, tenant_b: TenantId) -> None:
    with pytest.raises(BillingAccountNotFoundError):
        said(gate, tenant_b)


def test_the_head_as_it_was_written_earlier_is_read() -> None:
    assert accounts.party_from_json({"name": "A", "address": ["1"], "tax_id": ""}) == Party("A", ("1",))
