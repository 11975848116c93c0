"""The ledger against a model: any order of bills, payments, refunds and news told twice, cut off anywhere.

After each step every journal sums to zero, both columns of the trial balance agree, what is owed is what the
model says, a key has one journal, and the evidence log proves every one.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing import digests, ledger
from billing.errors import UnbalancedJournalError
from billing.ledger import CLEARING, ON_ACCOUNT, RECEIVABLE, REFUNDS, REVENUE, TAX, Posting
from core import clock, ids
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Gate, Scope
from tests.billing.test_wallets import AT, CrashError

CURRENCIES = ("GBP", "JPY")
KINDS = {
    "invoice": (RECEIVABLE, REVENUE + "voice.outbound", TAX),
    "payment": (CLEARING, RECEIVABLE),
    "on-account": (RECEIVABLE, ON_ACCOUNT),
    "on-account-used": (ON_ACCOUNT, RECEIVABLE),
    "refund": (REFUNDS, CLEARING),
    "dispute": (RECEIVABLE, CLEARING),
}


class Ledger(RuleBasedStateMachine):
    """Journals of made-up movements; `books` is the model: account and currency to balance."""

    gate: Gate
    tenant_id: TenantId
    books: dict[tuple[str, str], int]
    keys: list[tuple[str, str, str, int]]

    def post(self, session: Session, key: str, kind: str, currency: str, minor: int) -> bool:
        return ledger.post(
            session,
            tenant_id=self.tenant_id,
            key=key,
            kind=kind,
            effective_at=AT,
            postings=_sides(kind, currency, minor),
        )

    def do(self, deed: Callable[[Session], Any], *, crash: bool) -> Any:
        if crash:
            with pytest.raises(CrashError), self.gate.open(Scope.system(self.tenant_id)) as session:
                deed(session)
                raise CrashError
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            return deed(session)

    @rule(
        kind=st.sampled_from(sorted(KINDS)),
        currency=st.sampled_from(CURRENCIES),
        minor=st.integers(0, 10**9),
        crash=st.booleans(),
    )
    def moves(self, kind: str, currency: str, minor: int, *, crash: bool) -> None:
        key = f"{kind}:{new_id()}"
        assert self.do(lambda s: self.post(s, key, kind, currency, minor), crash=crash) is (minor > 0)
        for one in _sides(kind, currency, minor):
            place = (one.account, one.currency)
            self.books[place] = self.books.get(place, 0) + one.amount_minor
        if minor:
            self.keys.append((key, kind, currency, minor))

    @rule(data=st.data(), other=st.integers(1, 99))
    def told_again_even_with_another_amount(self, data: st.DataObject, other: int) -> None:
        if not self.keys:
            return
        key, kind, currency, minor = data.draw(st.sampled_from(self.keys))
        assert self.do(lambda s: self.post(s, key, kind, currency, minor + other), crash=False) is False

    @rule(minor=st.integers(1, 99), off=st.integers(-3, 3).filter(bool))
    def does_not_balance(self, minor: int, off: int) -> None:
        with (
            self.gate.open(Scope.system(self.tenant_id)) as session,
            pytest.raises(UnbalancedJournalError),
        ):
            ledger.post(
                session,
                tenant_id=self.tenant_id,
                key=f"x:{new_id()}",
                kind="payment",
                effective_at=AT,
                postings=[Posting(CLEARING, minor, "GBP"), Posting(RECEIVABLE, off - minor, "GBP")],
            )

    @rule(statement=st.sampled_from(["UPDATE app.postings SET amount_minor = 1", "DELETE FROM app.journals"]))
    def is_tampered_with(self, statement: str) -> None:
        with pytest.raises(DBAPIError), self.gate.open(Scope.system(self.tenant_id)) as session:
            session.execute(text(statement))

    @invariant()
    def holds(self) -> None:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            balances = ledger.trial_balance(session, tenant_id=self.tenant_id)
            crooked = session.execute(
                text(
                    "SELECT count(*) FROM (SELECT 1 FROM app.postings GROUP BY journal_id, currency"
                    " HAVING sum(amount_minor) <> 0) AS crooked"
                )
            ).scalar_one()
            page = evidence.page(session, tenant_id=self.tenant_id, limit=500, action="journal.posted")
            proved = {ids.parse("jrn", one.fact.subject): one.fact.details["digest"] for one in page.entries}
            journals = session.execute(text("SELECT id FROM app.journals")).scalars().all()
            now = {
                one: digests.of_journal(session, tenant_id=self.tenant_id, journal_id=one) for one in journals
            }
        assert crooked == 0
        assert {(one.account, one.currency): one.balance_minor for one in balances if one.balance_minor} == {
            place: minor for place, minor in self.books.items() if minor
        }
        for currency in CURRENCIES:
            assert (
                sum(one.debit_minor - one.credit_minor for one in balances if one.currency == currency) == 0
            )
        assert len(journals) == len(self.keys)
        assert proved == now


def test_the_ledger_holds_in_any_order_of_movements(gate: Gate, tenant_a: TenantId) -> None:
    class Machine(Ledger):
        books: dict[tuple[str, str], int] = {}  # noqa: RUF012 - one database for all examples, and one model
        keys: list[tuple[str, str, str, int]] = []  # noqa: RUF012 - as above

    Machine.gate, Machine.tenant_id = gate, tenant_a
    with clock.hold(AT):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=6, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )


def _sides(kind: str, currency: str, minor: int) -> list[Posting]:
    debit, *credits_ = KINDS[kind]
    tax = minor // 6 if len(credits_) > 1 else 0
    return [
        Posting(debit, minor, currency),
        Posting(credits_[0], tax - minor, currency),
        *(Posting(one, -tax, currency) for one in credits_[1:]),
    ]
