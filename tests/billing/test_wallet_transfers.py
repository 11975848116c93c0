"""Money of a wallet that goes back by transfer: above a limit by two people, and not spent meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import ledger, wallets
from billing.errors import (
    PaymentNotFoundError,
    RefundAskedError,
    RefundDecidedError,
    RefundReasonError,
    SecondPersonError,
    WalletAmountError,
    WalletNotFoundError,
    WalletShortError,
)
from billing.payments import refunds
from billing.payments.refunds import Refund, Standing
from billing.safety import Safety
from core.errors import SeatlineError
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Gate, Kind, Scope
from tests.billing.test_wallets import available, keep, put

ASKS, DECIDES, THIRD = new_id(), new_id(), new_id()
UP_TO = Safety(second_above=500)


@pytest.fixture
def wallet(gate: Gate, alice: TenantId) -> TenantId:
    """Alice's company pays beforehand: £900.00 are in its wallet."""
    with gate.open(Scope.system(alice)) as session:
        wallets.open_wallet(session, tenant_id=alice)
        put(session, alice, 90000)
    return alice


def ask(
    gate: Gate, company: TenantId, minor: int, *, form: UUID | None = None, reason: str = "Left"
) -> Refund:
    with gate.open(Scope(company, ASKS, Kind.SYSTEM)) as session:
        return refunds.ask_transfer(
            session,
            tenant_id=company,
            refund_id=form or new_id(),
            amount_minor=minor,
            reason=reason,
            by=ASKS,
            safety=UP_TO,
        )


def approve(gate: Gate, company: TenantId, one: Refund, by: UUID = DECIDES) -> Refund:
    with gate.open(Scope(company, by, Kind.SYSTEM)) as session:
        return refunds.approve(session, tenant_id=company, refund_id=one.refund_id, by=by)


def refuse(gate: Gate, company: TenantId, one: Refund, by: UUID = DECIDES) -> Refund:
    with gate.open(Scope(company, by, Kind.SYSTEM)) as session:
        return refunds.refuse(session, tenant_id=company, refund_id=one.refund_id, by=by)


def books(gate: Gate, company: TenantId) -> dict[str, int]:
    """Return what the ledger has of each account; what the wallet says is the same."""
    with gate.open(Scope.system(company)) as session:
        found = {
            one.account: one.debit_minor - one.credit_minor
            for one in ledger.trial_balance(session, tenant_id=company)
        }
        kept = wallets.find(session, tenant_id=company)
    assert kept is not None
    assert kept.balance_nano == -found["wallet"] * 10_000_000
    return {account: minor for account, minor in found.items() if minor}


def test_up_to_the_limit_one_person_books_it_once(gate: Gate, wallet: TenantId) -> None:
    form = new_id()
    for _ in range(2):
        assert ask(gate, wallet, 50000, form=form).standing is Standing.MADE
    assert books(gate, wallet) == {"wallet": -40000, "bank": 40000}
    with pytest.raises(RefundAskedError):
        ask(gate, wallet, 49999, form=form)


def test_above_it_the_money_is_kept_aside_until_somebody_else_lets_it_go(
    gate: Gate, wallet: TenantId
) -> None:
    waits = ask(gate, wallet, 50001)
    assert (waits.standing, waits.is_transfer) == (Standing.WAITING, True)
    assert ask(gate, wallet, 50001, form=waits.refund_id) == waits
    assert available(gate, wallet) == 39999
    assert books(gate, wallet) == {"wallet": -39999, "going-back": -50001, "bank": 90000}
    with gate.open(Scope.system(wallet)) as session:
        assert not keep(session, wallet, 40000), "no call is begun with it"
    with pytest.raises(WalletShortError):
        ask(gate, wallet, 40000)
    with pytest.raises(SecondPersonError):
        approve(gate, wallet, waits, by=ASKS)
    for _ in range(2):
        assert approve(gate, wallet, waits).standing is Standing.MADE
    assert books(gate, wallet) == {"wallet": -39999, "bank": 39999}
    with pytest.raises(RefundDecidedError):
        refuse(gate, wallet, waits)


@pytest.mark.parametrize("by", [DECIDES, ASKS])  # refused, or taken back
def test_refused_the_money_is_free_again_once(gate: Gate, wallet: TenantId, by: UUID) -> None:
    waits = ask(gate, wallet, 60000)
    assert refuse(gate, wallet, waits, by).standing is Standing.REFUSED
    for decide in (approve, refuse):
        with pytest.raises(RefundDecidedError):
            decide(gate, wallet, waits, THIRD)
    assert books(gate, wallet) == {"wallet": -90000, "bank": 90000}
    assert available(gate, wallet) == 90000
    assert ask(gate, wallet, 90000).standing is Standing.WAITING  # all of it, by another form


def test_neither_what_is_kept_for_calls_nor_credit_goes_back(gate: Gate, wallet: TenantId) -> None:
    with gate.open(Scope.system(wallet)) as session:
        wallets.open_wallet(session, tenant_id=wallet, credit_minor=9000)
        assert keep(session, wallet, 20000)
    with pytest.raises(WalletShortError):
        ask(gate, wallet, 70001)
    assert ask(gate, wallet, 70000).standing is Standing.WAITING


def test_what_cannot_be_is_refused_and_moves_nothing(gate: Gate, wallet: TenantId, charlie: TenantId) -> None:
    for minor in (0, -60000):
        with pytest.raises(WalletAmountError):
            ask(gate, wallet, minor)
    for reason in (" ", "x" * 401):
        with pytest.raises(RefundReasonError):
            ask(gate, wallet, 60000, reason=reason)
    with pytest.raises(WalletNotFoundError):
        ask(gate, charlie, 60000)
    form = new_id()
    with gate.open(Scope.system(wallet)) as session:
        put(session, wallet, 100, key=f"transfer:{form}")
    with pytest.raises(RefundAskedError):  # this form has put money in
        ask(gate, wallet, 100, form=form)
    assert books(gate, wallet) == {"wallet": -90100, "bank": 90100}


def test_one_of_another_company_is_not_found(gate: Gate, wallet: TenantId, charlie: TenantId) -> None:
    waits = ask(gate, wallet, 60000)
    for decide in (approve, refuse):
        with pytest.raises(PaymentNotFoundError):
            decide(gate, charlie, waits, DECIDES)
    assert available(gate, wallet) == 30000


def test_the_database_itself_wants_two_people(gate: Gate, wallet: TenantId) -> None:
    waits = ask(gate, wallet, 60000)
    change = text("UPDATE app.refunds SET standing = 'made', decided_by = :by WHERE id = :id")
    for by in (None, ASKS):
        with pytest.raises(DBAPIError), gate.open(Scope.system(wallet)) as session:
            session.execute(change, {"by": by, "id": waits.refund_id})


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do things at the same moment; return what each came to."""
    together = Barrier(len(acts))

    def one(act: Callable[[], object]) -> str:
        together.wait()
        try:
            found = act()
        except SeatlineError as error:
            return error.code
        return found.standing.value if isinstance(found, Refund) else str(found)

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def test_of_two_who_decide_at_once_one_counts(gate: Gate, wallet: TenantId) -> None:
    for _ in range(5):
        waits = ask(gate, wallet, 60000)
        came = at_once(
            lambda waits=waits: approve(gate, wallet, waits),  # type: ignore[misc]
            lambda waits=waits: refuse(gate, wallet, waits, THIRD),  # type: ignore[misc]
        )
        assert came in (["made", "refund-decided"], ["refund-decided", "refused"])
        is_made = came[0] == "made"
        left = 30000 if is_made else 90000
        assert books(gate, wallet) == {"wallet": -left, "bank": left}
        if is_made:
            with gate.open(Scope.system(wallet)) as session:
                put(session, wallet, 60000)


def test_of_two_who_approve_at_once_it_goes_once(gate: Gate, wallet: TenantId) -> None:
    waits = ask(gate, wallet, 60000)
    came = at_once(lambda: approve(gate, wallet, waits), lambda: approve(gate, wallet, waits, THIRD))
    assert came == ["made", "made"]
    assert books(gate, wallet) == {"wallet": -30000, "bank": 30000}


def test_who_spends_while_it_is_asked_for_and_decided_never_spends_it(gate: Gate, wallet: TenantId) -> None:
    def call(minor: int) -> Callable[[], bool]:
        def begin() -> bool:
            with gate.open(Scope.system(wallet)) as session:
                return keep(session, wallet, minor)

        return begin

    form = new_id()
    came = at_once(lambda: ask(gate, wallet, 60000, form=form), call(40000))
    assert came in (["waiting", "False"], ["wallet-short", "True"])
    if came[0] != "waiting":
        return
    with gate.open(Scope.system(wallet)) as session:
        waits = refunds.find(session, tenant_id=wallet, refund_id=form)
    assert at_once(lambda: approve(gate, wallet, waits), call(30001)) == ["made", "False"]
    assert available(gate, wallet) == 30000


def test_every_step_is_in_evidence_with_who_took_it(gate: Gate, wallet: TenantId) -> None:
    approve(gate, wallet, ask(gate, wallet, 60000))
    ask(gate, wallet, 1000)
    with gate.open(Scope.system(wallet)) as session:
        put(session, wallet, 60000)
    refuse(gate, wallet, ask(gate, wallet, 60000), THIRD)
    with gate.open(Scope.system(wallet)) as session:
        found = evidence.page(session, tenant_id=wallet, limit=9, action="wallet.").entries
    assert [(one.fact.action, one.actor_id) for one in found if "transfer" in one.fact.action] == [
        ("wallet.transfer-refused", THIRD),
        ("wallet.transfer-waits", ASKS),
        ("wallet.transfer-made", ASKS),
        ("wallet.transfer-made", DECIDES),
        ("wallet.transfer-waits", ASKS),
    ]
