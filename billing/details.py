"""A company's billing details and the terms it is billed by; both hold from the next document on.

The details (its legal name, address, numbers, order reference) the company may change itself; the terms
(days to pay, tax) are the operator's. What is finalised keeps what it had. A draft takes the heads over when
it is shown and when it is finalised; when the tax changes, drafts are made anew, as it stands on their lines.
"""

from sqlalchemy.orm import Session

from billing import accounts, heads, invoiced, invoices
from billing.accounts import PPM, TAX_CATEGORIES, Account, Party
from billing.errors import (
    BillingAccountInvalidError,
    BillingAccountNotFoundError,
    BillingDetailsChangedError,
    BuyerNumberError,
)
from billing.models import BillingAccountRow
from core.ids import TenantId
from security import evidence

MOST_DAYS = 120
LONGEST_REASON = 200
# the categories under which an invoice says why no tax is charged; of the others a code of the law says it
SAY_WHY = frozenset({"E", "AE", "K", "G", "O"})
MUST_SAY_WHY = frozenset({"E"})


def change_buyer(
    session: Session,
    *,
    tenant_id: TenantId,
    revision: int,
    buyer: Party,
    order_reference: str,
    country: str,
) -> Account:
    """Change who is billed; return the account.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        revision: of the account that was read.
        buyer: the head of documents to come.
        order_reference: which the company wants to read on its invoices; may be empty.
        country: of the company, for a head that names none.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
        BillingDetailsChangedError: somebody else changed something meanwhile.
        BillingAccountInvalidError: names the fields that cannot be.
        BuyerNumberError: the tax agreed needs a number that the head lacks.
    """
    row = _row(session, tenant_id, revision)
    faults = heads.faults(buyer)
    if not heads.is_reference(order_reference):
        faults.append("order_reference")
    if faults:
        raise BillingAccountInvalidError(fields=faults, field=faults[0])
    _insist_on_numbers(buyer, row.tax_category, country)
    before = accounts.party_to_json(accounts.party_from_json(row.buyer))
    after = accounts.party_to_json(buyer)
    names = heads.changed(before, after)
    if row.order_reference != order_reference:
        names.append("order_reference")
    if names:
        row.buyer, row.order_reference = after, order_reference
        row.revision += 1
        session.flush()
        evidence.record(
            session,
            "billing-details.changed",
            "ten",
            tenant_id,
            revision=row.revision,
            field=" ".join(names),
        )
    return accounts.find(session, tenant_id=tenant_id)


def change_terms(
    session: Session,
    *,
    tenant_id: TenantId,
    revision: int,
    terms_days: int,
    tax_category: str,
    tax_rate_ppm: int,
    tax_reason: str,
    country: str,
) -> Account:
    """Change by which terms a company is billed; return the account. Its drafts are made anew.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        revision: of the account that was read.
        terms_days: to pay, from the day of issue.
        tax_category: of UNCL 5305.
        tax_rate_ppm: above 0 for the standard category, 0 for every other.
        tax_reason: why no tax is charged; exempt companies' invoices must say it.
        country: of the company, for a head that names none.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
        BillingDetailsChangedError: somebody else changed something meanwhile.
        BillingAccountInvalidError: names the fields that cannot be.
        BuyerNumberError: this tax needs a number that the company's head lacks.
    """
    row = _row(session, tenant_id, revision)
    reason = tax_reason if tax_category in SAY_WHY else ""
    checks = {
        "terms_days": 0 <= terms_days <= MOST_DAYS,
        "tax_category": tax_category in TAX_CATEGORIES,
        # BR-S-05 and its kin: the standard category has a rate, and no other has
        "tax_rate": 0 < tax_rate_ppm < PPM if tax_category == "S" else tax_rate_ppm == 0,
        "tax_reason": len(reason) <= LONGEST_REASON
        and reason.isprintable()
        and reason == reason.strip()
        and (bool(reason) or tax_category not in MUST_SAY_WHY),
    }
    if faults := [name for name, holds in checks.items() if not holds]:
        raise BillingAccountInvalidError(fields=faults, field=faults[0])
    _insist_on_numbers(accounts.party_from_json(row.buyer), tax_category, country)
    before = _terms(row)
    row.terms_days, row.tax_category, row.tax_rate_ppm = terms_days, tax_category, tax_rate_ppm
    row.tax_reason = reason
    if (after := _terms(row)) != before:
        row.revision += 1
        session.flush()
        evidence.record(
            session,
            "billing-terms.changed",
            "ten",
            tenant_id,
            revision=row.revision,
            was=_in_short(before),
            now=_in_short(after),
        )
        if after[1:] != before[1:]:
            _draft_anew(session, tenant_id)
    return accounts.find(session, tenant_id=tenant_id)


def _row(session: Session, tenant_id: TenantId, revision: int) -> BillingAccountRow:
    row = session.get(BillingAccountRow, (tenant_id,), with_for_update=True, populate_existing=True)
    if row is None:
        raise BillingAccountNotFoundError
    if row.revision != revision:
        raise BillingDetailsChangedError
    return row


def _insist_on_numbers(buyer: Party, category: str, country: str) -> None:
    if heads.lacking_of_buyer(buyer, category, country):
        raise BuyerNumberError(field="tax_id")


def _terms(row: BillingAccountRow) -> tuple[int, str, int, str]:
    return row.terms_days, row.tax_category, row.tax_rate_ppm, row.tax_reason


def _in_short(terms: tuple[int, str, int, str]) -> str:
    days, category, rate_ppm, _reason = terms
    return f"{days}d {category} {rate_ppm / (PPM // 100):g}%"


def _draft_anew(session: Session, tenant_id: TenantId) -> None:
    """Make every draft anew, the oldest first: how a line is taxed is decided when it is drafted."""
    for head in invoiced.read(session, tenant_id=tenant_id).heads:
        if head.state == "draft":
            invoices.draft(session, tenant_id=tenant_id, period=head.period)
