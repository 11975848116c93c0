"""What is owed on an invoice, and what to call it: a sum over the ledger and the latest attempt, no fact.

The invoice itself never changes; a chargeback or a late refund changes only what this comes to.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from billing.payments.port import Reason, State


class Paid(StrEnum):
    """The state of an invoice's payment."""

    OPEN = "open"
    PROCESSING = "processing"
    REQUIRES_ACTION = "requires-action"
    FAILED = "failed"
    OVERDUE = "overdue"
    PAID = "paid"
    REFUNDED = "refunded"
    CREDITED = "credited"


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest attempt to collect."""

    state: State
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What an invoice has come to.

    Attributes:
        due_minor: what is still owed.
        surplus_minor: what was paid beyond it and put on account; below zero: what it took from there.
        reason: why the last attempt failed, when that is what the state is about.
        credited_minor: what credit notes took off it.
        is_overdue: its day has passed, whatever else is the matter.
    """

    state: Paid
    due_minor: int
    refunded_minor: int
    reason: Reason | None = None
    is_overdue: bool = False
    surplus_minor: int = 0
    credited_minor: int = 0

    @property
    def can_be_paid(self) -> bool:
        """Whether somebody may begin a payment now."""
        return self.due_minor > 0 and self.state is not Paid.PROCESSING


def standing(
    *,
    total_minor: int,
    settled_minor: int,
    refunded_minor: int,
    surplus_minor: int = 0,
    credited_minor: int = 0,
    latest: Latest | None,
    due_on: dt.date | None,
    today: dt.date,
) -> Standing:
    """Return how a finalised invoice stands.

    Args:
        total_minor: of the invoice.
        settled_minor: what payments took off it, chargebacks put back (`ledger.settled`).
        refunded_minor: what was given back (`ledger.refunded`).
        surplus_minor: what it put on account, less what it took from there (`ledger.surplus`).
        credited_minor: what credit notes took off it (`ledger.credited`).
        latest: the attempt that counts: the newest that was not cancelled.
        due_on: the day by which it is to be paid.
        today: in the account's zone.
    """
    due = max(0, total_minor - settled_minor)
    is_overdue = due > 0 and due_on is not None and today > due_on

    def at(state: Paid, reason: Reason | None = None) -> Standing:
        return Standing(state, due, refunded_minor, reason, is_overdue, surplus_minor, credited_minor)

    if due == 0 and 0 < total_minor <= credited_minor:
        return at(Paid.CREDITED)
    if due == 0:
        return at(Paid.REFUNDED if 0 < total_minor <= refunded_minor else Paid.PAID)
    if latest and latest.state is State.PROCESSING:
        return at(Paid.PROCESSING)
    if latest and latest.state is State.REQUIRES_ACTION:
        return at(Paid.REQUIRES_ACTION)
    if latest and latest.state is State.SUCCEEDED and settled_minor < total_minor:
        return at(Paid.FAILED, Reason.CHARGED_BACK)  # it had been paid, and its holder took it back
    if latest and latest.state is State.FAILED:
        if latest.reason is Reason.NEEDS_CONFIRMING:
            return at(Paid.REQUIRES_ACTION, latest.reason)
        return at(Paid.FAILED, latest.reason)
    return at(Paid.OVERDUE if is_overdue else Paid.OPEN)
