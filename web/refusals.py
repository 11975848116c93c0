"""Which errors are a wall's refusal, and of which kind; the rest of those that refuse, and why they are none.

`web.errors` counts whatever it answers; what a view answers by itself (a wrong password, a code, a link) it
counts by `count`. A new error that refuses stands in one of the two tables, or `tests/house` says so. What a
form or body gets wrong (kinds `invalid` and `conflict`) is no wall's business: that is people's day.
"""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from flask import current_app

from core.errors import SeatlineError
from security.refusals import Refusals
from web import identity, scope

_KEY = "seatline-refusals"

# the kinds (`core.errors`) that refuse somebody something
REFUSING = frozenset(
    {"refused", "not-found", "not-signed-in", "too-many", "malformed", "wrong-type", "stale", "unconditional"}
)
BY_CODE: Mapping[str, str] = {
    "agreement-not-signed": "agreement",
    "bad-api-key": "api-key",
    "bad-request": "malformed",
    "cross-site": "cross-site",
    "deletion-own": "second-person",
    "foreign-host": "foreign-host",
    "glass-refused": "break-glass",
    "invitation-over": "dead-link",
    "key-elsewhere": "api-key-address",
    "key-in-address": "api-key-exposed",
    "looks-used-up": "looks",
    "messages-not-heard": "not-permitted",
    "method-not-allowed": "malformed",
    "not-a-leader": "not-permitted",
    "not-permitted": "not-permitted",
    "numbers-hidden": "looks",
    "operator-keys": "not-permitted",
    "order-expired": "job-late",
    "order-refused": "job-forged",
    "passkey-refused": "passkey",
    "recovery-refused": "recovery",
    "refused": "not-permitted",
    "reset-over": "dead-link",
    "role-not-yours": "more-rights",
    "scope-not-yours": "more-rights",
    "second-person": "second-person",
    "second-step-first": "enrolment",
    "sign-in-again": "fresh-sign-in",
    "sign-in-required": "no-session",
    "signature-revoked": "agreement",
    "too-large": "too-large",
    "too-many-requests": "rate",
    "unsupported-media-type": "malformed",
    "wrong-code": "second-step",
}
BY_KIND: Mapping[str, str] = {
    "not-found": "not-there",
    "too-many": "rate",
    "malformed": "malformed",
    "wrong-type": "malformed",
}
_STATE = "the state of a thing does not allow it, and its page says which would; nobody tries to get past it"
_MONEY = "money is not where it has to be, or a bill is final; billing has alarms and lists of its own"
_CALL = "a call is not where the act needs it: it moved on while somebody pressed a key"
_CODE = "our own code asks; a person cannot bring it about, and it fails a job, a start or a command instead"
_TOO_MUCH = "a list is as long as lists may be"
_PARTS = "a part of the machine is not set up or does not answer"
DAILY: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "campaign-not-ready",
            "campaign-state",
            "company-closed",
            "deletion-refused",
            "download-refused",
            "hearing-reason-missing",
            "key-built-upon",
            "last-owner",
            "lead-import-state",
            "legal-hold",
            "not-a-short-code",
            "number-resting",
            "owner-is-in",
            "precondition-failed",
            "precondition-required",
            "price-list-version-published",
            "rentals-open",
            "restore-too-late",
            "sub-code-needed",
            "ticket-without-customer",
            "webhook-off",
        ),
        _STATE,
    ),
    **dict.fromkeys(
        (
            "bill-held",
            "e-invoice-refused",
            "invoice-final",
            "invoice-not-approved",
            "invoice-not-final",
            "item-unpriced",
            "not-priced",
            "nothing-due",
            "on-hold",
            "payment-under-way",
            "payments-not-connected",
            "period-closed",
            "period-not-over",
            "rent-unpaid",
            "service-not-counted",
            "usage-billed",
            "usage-unrated",
            "wallet-short",
        ),
        _MONEY,
    ),
    **dict.fromkeys(
        (
            "agent-not-assigned",
            "before-shift",
            "call-in-hand",
            "call-not-over",
            "disposition-needed",
            "hold-again",
            "hold-limit",
            "no-agent",
            "wrap-up-longest",
            "wrap-up-needed",
        ),
        _CALL,
    ),
    **dict.fromkeys(
        (
            "backup-damaged",
            "backup-refused",
            "clearance-expired",
            "demo-refused",
            "forbidden-since",
            "uncleared-call",
        ),
        _CODE,
    ),
    **dict.fromkeys(("rental-limit", "too-many-passkeys", "too-many-views", "too-many-webhooks"), _TOO_MUCH),
    **dict.fromkeys(
        ("mail-refused", "no-mail", "range-not-satisfiable", "request-timeout", "unavailable"), _PARTS
    ),
}


def count(kind: str, *, company_id: UUID | None = None) -> None:
    """Count a refusal that a view answers by itself; without a company it is that of who is asking."""
    who = identity.known()
    counter().count(kind, company_id=company_id or (who.tenant_id if who else None))


def note(error: Exception, code: str) -> None:
    """Count an error that is answered, when it is a wall's refusal; `code` is what it is to the outside."""
    kind = kind_of(error.code, error.kind) if isinstance(error, SeatlineError) else kind_of(code)
    if kind is None:
        return
    company = error.details.get("company") if isinstance(error, SeatlineError) else None
    count(kind, company_id=company if isinstance(company, UUID) else None)


def kind_of(code: str, kind: str = "") -> str | None:
    """Return the kind of refusal an error is, or None: it is none, or one of every day."""
    if code in DAILY:
        return None
    return BY_CODE.get(code) or BY_KIND.get(kind) or BY_KIND.get(code)


def counter() -> Refusals:
    """Return the counter of this process; made when the first refusal is counted."""
    made = current_app.extensions.get(_KEY)
    if made is None:
        made = current_app.extensions.setdefault(_KEY, Refusals(scope.services().realtime.redis))
    return cast("Refusals", made)
