"""Wallets: nobody spends what is not there, whatever happens at the same time, twice, or half."""

import datetime as dt
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from billing import invoices, ledger, periods, usage, wallets
from billing.errors import WalletAmountError, WalletNotFoundError, WalletShortError
from billing.ledger import BANK, CLEARING, WALLET
from billing.payments import attempts
from billing.wallets import State
from core import clock
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.factories.waiting import until_one_waits

PENNY = 10_000_000
AT = dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)
LATER = AT + dt.timedelta(hours=2)


class CrashError(Exception):
    """The process dies here."""


@pytest.fixture
def wallet(gate: Gate, alice: TenantId) -> TenantId:
    """Alice's company pays beforehand: £10.00 are in its wallet."""
    with gate.open(Scope.system(alice)) as session:
        wallets.open_wallet(session, tenant_id=alice)
        put(session, alice, 1000)
    return alice


def put(session: Session, tenant_id: TenantId, minor: int, key: str = "") -> bool:
    return wallets.top_up(
        session, tenant_id=tenant_id, key=key or f"top-up:{new_id()}", amount_minor=minor, source=BANK, at=AT
    )


def keep(session: Session, tenant_id: TenantId, minor: int, use_id: UUID | None = None) -> bool:
    return wallets.reserve(
        session, tenant_id=tenant_id, use_id=use_id or new_id(), amount_nano=minor * PENNY, until=LATER
    )


def available(gate: Gate, tenant_id: TenantId) -> int:
    with gate.open(Scope.system(tenant_id)) as session:
        found = wallets.find(session, tenant_id=tenant_id)
    assert found is not None
    assert found.available_nano % PENNY == 0
    return found.available_nano // PENNY


def test_what_is_reserved_can_neither_be_reserved_nor_moved_again(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        assert keep(session, wallet, 999)
        assert not keep(session, wallet, 2)
        with pytest.raises(WalletShortError):
            wallets.withdraw(session, tenant_id=wallet, key="w", amount_minor=2, source=CLEARING, at=AT)
        assert wallets.withdraw(session, tenant_id=wallet, key="w", amount_minor=1, source=CLEARING, at=AT)
    assert available(gate, wallet) == 0


def test_credit_can_be_called_away_but_not_carried_away(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        wallets.open_wallet(session, tenant_id=wallet, credit_minor=500)
        assert keep(session, wallet, 1500)
        with pytest.raises(WalletShortError):
            wallets.withdraw(session, tenant_id=wallet, key="w", amount_minor=1, source=BANK, at=AT)
        with pytest.raises(WalletShortError):
            wallets.open_wallet(session, tenant_id=wallet, credit_minor=499)


def test_a_withdrawal_comes_once_and_takes_no_credit_along(gate: Gate, wallet: TenantId) -> None:
    for credit, low in ((-1, None), (10**12, None), (0, -1)):
        with pytest.raises(WalletAmountError), gate.open(Scope.system(wallet)) as session:
            wallets.open_wallet(session, tenant_id=wallet, credit_minor=credit, low_minor=low)
    call = new_id()
    with gate.open(Scope.system(wallet)) as session:
        wallets.open_wallet(session, tenant_id=wallet, credit_minor=500)
        back: dict[str, Any] = {"tenant_id": wallet, "key": "w", "source": BANK, "at": AT}
        with pytest.raises(WalletShortError):
            wallets.withdraw(session, amount_minor=1001, **back)
        assert wallets.withdraw(session, amount_minor=1000, **back)
        assert not wallets.withdraw(
            session, amount_minor=1000, **back
        )  # the same again, and nothing is there
        assert keep(session, wallet, 100, call)
        assert wallets.release(session, tenant_id=wallet, use_id=call)
        assert not wallets.extend(session, tenant_id=wallet, use_id=call, amount_nano=200 * PENNY, until=AT)
    assert available(gate, wallet) == 500


def test_a_call_is_settled_once_and_the_rest_is_free_again(gate: Gate, wallet: TenantId) -> None:
    call = new_id()
    for _ in range(2):
        with gate.open(Scope.system(wallet)) as session:
            assert keep(session, wallet, 600, call) is (_ == 0)
            assert (
                wallets.settle(session, tenant_id=wallet, use_id=call, cost_nano=250 * PENNY) == 250 * PENNY
            )
            assert not wallets.release(session, tenant_id=wallet, use_id=call)
    assert available(gate, wallet) == 750


def test_a_top_up_lengthens_a_call_that_goes_on(gate: Gate, wallet: TenantId) -> None:
    call = new_id()

    def longer(session: Session) -> bool:
        return wallets.extend(
            session,
            tenant_id=wallet,
            use_id=call,
            amount_nano=1500 * PENNY,
            until=LATER + dt.timedelta(hours=1),
        )

    with gate.open(Scope.system(wallet)) as session:
        assert keep(session, wallet, 900, call)
        assert not longer(session)
        put(session, wallet, 500)
        assert longer(session)
        assert longer(session)
        assert wallets.reservations(session, tenant_id=wallet)[0].amount_nano == 1500 * PENNY
    assert available(gate, wallet) == 0


def test_what_was_used_beyond_the_wallet_is_left_for_the_invoice(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        assert (
            wallets.settle(session, tenant_id=wallet, use_id=new_id(), cost_nano=1200 * PENNY) == 1000 * PENNY
        )
    assert available(gate, wallet) == 0


def test_what_is_kept_for_nobody_any_more_is_freed(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        keep(session, wallet, 400)
        assert wallets.expire(session, tenant_id=wallet, at=LATER) == 0
        assert wallets.expire(session, tenant_id=wallet, at=LATER + dt.timedelta(seconds=1)) == 1
    assert available(gate, wallet) == 1000


def test_little_left_is_told_once_until_there_is_more(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        wallets.open_wallet(session, tenant_id=wallet, low_minor=500)
        row = "SELECT is_low_told FROM app.wallets"
        calls = [new_id(), new_id()]
        seen = []
        for call in calls:
            keep(session, wallet, 300, call)
            seen.append(session.execute(text(row)).scalar_one())
        keep(session, wallet, 100)
        wallets.settle(session, tenant_id=wallet, use_id=calls[0], cost_nano=300 * PENNY)
        told = "SELECT count(*) FROM app.outbox WHERE name = 'WalletLow'"
        assert session.execute(text(told)).scalar_one() == 1
        put(session, wallet, 1000)
        seen.append(session.execute(text(row)).scalar_one())
    assert seen == [False, True, False]


def test_what_a_bank_takes_back_goes_out_once_and_leaves_what_calls_may_use(
    gate: Gate, wallet: TenantId
) -> None:
    def take_back(key: str) -> bool:
        with gate.open(Scope.system(wallet)) as session:
            return wallets.take_back(
                session, tenant_id=wallet, key=key, amount_minor=800, at=AT, payment_id=new_id()
            )

    with gate.open(Scope.system(wallet)) as session:
        keep(session, wallet, 1000)
    assert take_back("first")  # nothing of it is free: our loss
    assert available(gate, wallet) == 0
    with gate.open(Scope.system(wallet)) as session:
        put(session, wallet, 1000)
    assert not take_back("first")
    assert available(gate, wallet) == 1000
    assert take_back("second")
    assert available(gate, wallet) == 200


@pytest.mark.parametrize(
    ("there", "on_account", "left"),
    [(20000, 0, 2600), (5000, 0, 0), (17400, 0, 0), (20000, 20000, 20000)],
    ids=["enough", "too little", "exactly", "money on account goes first"],
)
def test_an_invoice_is_paid_from_the_wallet_once_with_what_its_calls_took(
    gate: Gate, alice: TenantId, there: int, on_account: int, left: int
) -> None:
    """The invoice comes to 174.00; its call has taken 87.00 and a bit of it, where there is so much."""
    with clock.hold(AT):
        call = stock.usage("call_10", seconds=120_000, at=stock.NOON)
        with gate.open(Scope.system(alice)) as session:
            wallets.open_wallet(session, tenant_id=alice)
            put(session, alice, there)
            usage.record(session, tenant_id=alice, usage=call)
            wallets.settle(session, tenant_id=alice, use_id=call.subject_ref, cost_nano=8700 * PENNY + 1)
            if on_account:
                ledger.post(
                    session,
                    tenant_id=alice,
                    key="beyond",
                    kind="on-account",
                    effective_at=AT,
                    postings=[
                        ledger.Posting(CLEARING, on_account, "GBP"),
                        ledger.Posting(ledger.ON_ACCOUNT, -on_account, "GBP"),
                    ],
                )
            period = periods.month(2026, 10, zone="Europe/London")
            made = invoices.draft(session, tenant_id=alice, period=period)
            invoice = invoices.finalise(session, tenant_id=alice, invoice_id=made.invoice_id)
        for _ in range(2):
            with gate.open(Scope.system(alice)) as session:
                attempts.use_on_account(session, tenant_id=alice, invoice=invoice)
        with gate.open(Scope.system(alice)) as session:
            ref = invoice.invoice_id
            again = wallets.take_for_invoice(session, tenant_id=alice, invoice_id=ref, total_minor=100)
            assert again == 0
            stands = attempts.standing_of(session, tenant_id=alice, invoice=invoice)
            books = {one.account: one.balance_minor for one in ledger.trial_balance(session, tenant_id=alice)}
    assert available(gate, alice) == left
    assert stands is not None
    assert stands.due_minor == max(0, 17400 - there)
    assert -books.get(WALLET, 0) == left
    assert sum(books.values()) == 0


def test_who_pays_by_invoice_has_no_wallet(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        assert wallets.find(session, tenant_id=alice) is None
        with pytest.raises(WalletNotFoundError):
            keep(session, alice, 1)


@pytest.mark.parametrize("minor", [0, -1, 10**11 + 1])
def test_amounts_that_cannot_be_are_refused(gate: Gate, wallet: TenantId, minor: int) -> None:
    with gate.open(Scope.system(wallet)) as session, pytest.raises(WalletAmountError):
        put(session, wallet, minor)


def test_two_connections_cannot_both_have_the_last_cent(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        keep(session, wallet, 999)
    with ThreadPoolExecutor(1) as pool:
        with gate.open(Scope.system(wallet)) as first:
            assert keep(first, wallet, 1)

            def second() -> bool:
                with gate.open(Scope.system(wallet)) as session:
                    return keep(session, wallet, 1)

            waiting = pool.submit(second)
            until_one_waits(gate)
        assert waiting.result(timeout=10) is False
    assert available(gate, wallet) == 0


def test_of_many_at_once_as_many_get_as_there_is_money_for(gate: Gate, wallet: TenantId) -> None:
    many = 8
    start = Barrier(many)

    def ask(_: int) -> bool:
        start.wait(timeout=10)
        with gate.open(Scope.system(wallet)) as session:
            return keep(session, wallet, 300)

    with ThreadPoolExecutor(many) as pool:
        assert sorted(pool.map(ask, range(many))) == [False] * 5 + [True] * 3
    assert available(gate, wallet) == 100


def test_the_database_itself_refuses_a_wallet_that_is_overdrawn(gate: Gate, wallet: TenantId) -> None:
    for statement in (
        "UPDATE app.wallets SET balance_nano = -1",
        "UPDATE app.wallets SET reserved_nano = balance_nano + 1",
        "DELETE FROM app.wallets",
        "UPDATE app.wallet_entries SET amount_nano = 7",
        "DELETE FROM app.wallet_entries",
    ):
        with pytest.raises(DBAPIError), gate.open(Scope.system(wallet)) as session:
            session.execute(text(statement))


class Wallets(RuleBasedStateMachine):
    """Any order of deeds, each perhaps twice and perhaps cut off, against a model of a dozen lines."""

    gate: Gate
    tenant_id: TenantId
    examples = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.balance = self.credit = 0
        self.open: dict[UUID, int] = {}
        self.over: set[UUID] = set()
        self.since = AT + dt.timedelta(seconds=next(self.examples))  # of the months it pays rent for
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            found = wallets.find(session, tenant_id=self.tenant_id)
            if found is not None:  # an example before this one left it as it is
                for one in wallets.reservations(session, tenant_id=self.tenant_id):
                    wallets.release(session, tenant_id=self.tenant_id, use_id=one.use_id)
                found = wallets.find(session, tenant_id=self.tenant_id)
                assert found is not None
                self.balance = found.balance_nano
                self.credit = found.credit_nano
            else:
                wallets.open_wallet(session, tenant_id=self.tenant_id)

    @property
    def available(self) -> int:
        return self.balance - sum(self.open.values()) + self.credit

    def do(self, deed: Callable[[Session], Any], crash: bool, *, twice: bool = True) -> Any:  # noqa: FBT001
        """Do it; if a crash is wanted, first once with the process dying before the commit."""
        if crash:
            with pytest.raises(CrashError), self.gate.open(Scope.system(self.tenant_id)) as session:
                deed(session)
                raise CrashError
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            found = deed(session)
            if twice:
                deed(session)
        return found

    @rule(minor=st.integers(1, 5000), crash=st.booleans())
    def top_up(self, minor: int, *, crash: bool) -> None:
        key = f"top-up:{new_id()}"
        assert self.do(lambda s: put(s, self.tenant_id, minor, key), crash)
        self.balance += minor * PENNY

    @rule(minor=st.integers(1, 3000), crash=st.booleans())
    def withdraw(self, minor: int, *, crash: bool) -> None:
        key = f"back:{new_id()}"

        def deed(session: Session) -> bool:
            try:
                return wallets.withdraw(
                    session, tenant_id=self.tenant_id, key=key, amount_minor=minor, source=BANK, at=AT
                )
            except WalletShortError:
                return False

        may = self.balance - sum(self.open.values()) >= minor * PENNY
        assert self.do(deed, crash) is may
        self.balance -= minor * PENNY * may

    @rule(minor=st.integers(0, 1000), crash=st.booleans())
    def set_credit(self, minor: int, *, crash: bool) -> None:
        def deed(session: Session) -> bool:
            try:
                wallets.open_wallet(session, tenant_id=self.tenant_id, credit_minor=minor)
            except WalletShortError:
                return False
            return True

        may = self.balance - sum(self.open.values()) + minor * PENNY >= 0
        assert self.do(deed, crash) is may
        self.credit = minor * PENNY if may else self.credit

    @rule(amount=st.integers(0, 3000 * PENNY), crash=st.booleans())
    def reserve(self, amount: int, *, crash: bool) -> None:
        call = new_id()
        may = self.available >= amount

        def deed(session: Session) -> bool:
            return wallets.reserve(
                session, tenant_id=self.tenant_id, use_id=call, amount_nano=amount, until=LATER
            )

        assert self.do(deed, crash) is may
        if may:
            self.open[call] = amount

    @rule(data=st.data(), amount=st.integers(0, 5000 * PENNY), crash=st.booleans())
    def extend(self, data: st.DataObject, amount: int, *, crash: bool) -> None:
        if not self.open:
            return
        call = data.draw(st.sampled_from(sorted(self.open)))
        more = max(0, amount - self.open[call])
        may = self.available >= more

        def deed(session: Session) -> bool:
            return wallets.extend(
                session, tenant_id=self.tenant_id, use_id=call, amount_nano=amount, until=LATER
            )

        assert self.do(deed, crash) is may
        self.open[call] += more * may

    @rule(data=st.data(), cost=st.integers(0, 4000 * PENNY), crash=st.booleans())
    def settle(self, data: st.DataObject, cost: int, *, crash: bool) -> None:
        call = data.draw(st.sampled_from([*sorted(self.open), new_id()]))

        def deed(session: Session) -> int:
            return wallets.settle(session, tenant_id=self.tenant_id, use_id=call, cost_nano=cost)

        taken = self.do(deed, crash)
        self.open.pop(call, None)
        assert taken == min(cost, self.available)
        self.balance -= taken
        self.over.add(call)

    @rule(data=st.data(), crash=st.booleans())
    def release(self, data: st.DataObject, *, crash: bool) -> None:
        if not self.open:
            return
        call = data.draw(st.sampled_from(sorted(self.open)))
        assert self.do(lambda s: wallets.release(s, tenant_id=self.tenant_id, use_id=call), crash)
        del self.open[call]
        self.over.add(call)

    @rule(
        months=st.dictionaries(st.integers(1, 3), st.integers(0, 3000 * PENNY), min_size=1),
        crash=st.booleans(),
    )
    def keep_rent(self, months: dict[int, int], *, crash: bool) -> None:
        ends = {self.since + dt.timedelta(days=30 * month): amount for month, amount in months.items()}
        ids = {wallets.rent_of(self.tenant_id, end): amount for end, amount in ends.items()}
        wanted = {one: amount for one, amount in ids.items() if one not in self.over}
        more = sum(amount - self.open.get(one, 0) for one, amount in wanted.items())
        lacking = max(0, more - self.available) if more > 0 else 0

        def deed(session: Session) -> int:
            return wallets.keep_rent(session, tenant_id=self.tenant_id, months=ends)

        assert self.do(deed, crash) == lacking
        if not lacking:
            self.open |= wanted

    @rule(data=st.data())
    def what_is_over_stays_over(self, data: st.DataObject) -> None:
        if not self.over:
            return
        call = data.draw(st.sampled_from(sorted(self.over)))
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            assert not keep(session, self.tenant_id, 1, call)
            assert not wallets.release(session, tenant_id=self.tenant_id, use_id=call)
            wallets.settle(session, tenant_id=self.tenant_id, use_id=call, cost_nano=99)

    @invariant()
    def adds_up(self) -> None:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            found = wallets.find(session, tenant_id=self.tenant_id)
            assert found is not None
            total = session.execute(text("SELECT coalesce(sum(amount_nano), 0) FROM app.wallet_entries"))
            used = session.execute(
                text("SELECT coalesce(sum(amount_nano), 0) FROM app.wallet_entries WHERE kind = 'used'")
            ).scalar_one()
            kept = wallets.reservations(session, tenant_id=self.tenant_id)
            books = {
                one.account: one.balance_minor
                for one in ledger.trial_balance(session, tenant_id=self.tenant_id)
            }
            assert found.balance_nano == self.balance == total.scalar_one()
            assert found.reserved_nano == sum(one.amount_nano for one in kept)
            assert {one.use_id: one.amount_nano for one in kept} == self.open
            assert all(one.state is State.OPEN for one in kept)
            assert found.available_nano == self.available >= 0
            assert sum(books.values()) == 0
            # what the ledger owes the company is its balance, and what calls have taken meanwhile
            assert -books.get(WALLET, 0) * PENNY == found.balance_nano - used


def test_nobody_spends_what_is_not_there_in_any_order_of_deeds(gate: Gate, alice: TenantId) -> None:
    class Machine(Wallets):
        pass

    Machine.gate, Machine.tenant_id = gate, alice
    with clock.hold(AT):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=12,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
