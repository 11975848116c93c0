"""Calls in of who pays beforehand, as rows: kept for, lengthened and settled, through crashes."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import credit, tariffs, wallets
from core import clock
from core.ids import CallId, TenantId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, prepaid
from telephony.calls import Arrival, Ending
from telephony.outbound import spend
from tests.billing import stock
from tests.billing.test_once_only import KilledError, killed_at
from tests.billing.test_wallets import put
from tests.telephony.conductor.test_prepaid_call import PENNY
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Company, open_company

A_MINUTE = 6 * PENNY  # 0.05 and 20 %
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def company(gate: Gate, vault: Vault, tenant_a: TenantId) -> Company:
    with clock.hold(START):
        made = open_company(gate, vault, tenant_a)
        with gate.open(Scope.system(tenant_a)) as session:
            wallets.open_wallet(session, tenant_id=tenant_a)
    return made


def arrival(company: Company, *, dialled: str = DIALLED) -> Arrival:
    return Arrival(
        company.tenant_id,
        CallId(new_id()),
        company.number_id,
        dialled,
        company.queue_id,
        CALLER,
        clock.now(),
    )


def begin(session: Session, one: Arrival, vault: Vault) -> dt.timedelta | None:
    calls.begin(session, arrival=one, customer_id=None, vault=vault)
    return prepaid.keep(session, arrival=one)


def bridge(session: Session, one: Arrival) -> None:
    calls.mark(session, tenant_id=one.tenant_id, call_id=one.call_id, instants={"bridged_at": clock.now()})


def finish(session: Session, one: Arrival) -> bool:
    return calls.finish(
        session, ending=Ending(one.tenant_id, one.call_id, clock.now(), "caller-hung-up", "boot-1")
    )


def reserved(session: Session, tenant_id: TenantId) -> int:
    found = wallets.find(session, tenant_id=tenant_id)
    assert found is not None
    return found.reserved_nano


def test_a_row_written_again_finds_what_it_kept_though_nothing_is_left(
    gate: Gate, vault: Vault, company: Company
) -> None:
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id
    with clock.hold(START):
        one = arrival(company)
        for number in range(2):
            with gate.open(scope) as session:
                if number == 0:
                    put(session, tenant_id, 36)
                assert begin(session, one, vault) == 5 * MINUTE
                assert reserved(session, tenant_id) == 6 * A_MINUTE
                assert session.execute(text("SELECT count(*) FROM app.alarms")).scalar_one() == 0


def test_the_hour_at_which_the_talk_began_decides_what_is_kept(
    gate: Gate, vault: Vault, company: Company
) -> None:
    """Who comes at the old price and talks at the new one is paid for at the new."""
    later = START + dt.timedelta(minutes=10)
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id
    with clock.hold(START):
        dear = stock.publish(gate, effective_from=later, of=stock.rates(inbound=100_000_000))
        with gate.open(scope) as session:
            tariffs.take(session, tenant_id=tenant_id, version=dear)
            put(session, tenant_id, 1000)
            one = arrival(company)
            assert begin(session, one, vault) == 5 * MINUTE
            assert reserved(session, tenant_id) == 6 * A_MINUTE
            assert prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id) is None  # nobody talks
    with clock.hold(later + MINUTE), gate.open(scope) as session:
        bridge(session, one)
        assert prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id) == 5 * MINUTE
        assert reserved(session, tenant_id) == 12 * A_MINUTE


def test_what_was_paid_for_stands_where_the_new_price_cannot_be(
    gate: Gate, vault: Vault, company: Company
) -> None:
    later = START + dt.timedelta(minutes=10)
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id
    with clock.hold(START):
        dear = stock.publish(gate, effective_from=later, of=stock.rates(inbound=100_000_000))
        with gate.open(scope) as session:
            tariffs.take(session, tenant_id=tenant_id, version=dear)
            put(session, tenant_id, 40)
            one = arrival(company)
            begin(session, one, vault)
    with clock.hold(later + MINUTE), gate.open(scope) as session:
        bridge(session, one)
        assert prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id) == 5 * MINUTE
        assert reserved(session, tenant_id) == 6 * A_MINUTE


def test_a_number_without_a_price_lets_its_callers_in_and_keeps_nothing(
    gate: Gate, vault: Vault, company: Company
) -> None:
    """It is never free either: it waits as unrated usage."""
    with clock.hold(START), gate.open(Scope.system(company.tenant_id)) as session:
        one = arrival(company, dialled="+33123456789")
        assert begin(session, one, vault) is None
        bridge(session, one)
        assert prepaid.lengthen(session, tenant_id=company.tenant_id, call_id=one.call_id) is None


def test_a_call_that_went_on_unwatched_is_paid_up_to_now_and_on(
    gate: Gate, vault: Vault, company: Company
) -> None:
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id
    with clock.hold(START), gate.open(scope) as session:
        put(session, tenant_id, 1000)
        one = arrival(company)
        begin(session, one, vault)
        bridge(session, one)
    with clock.hold(START + 20 * MINUTE), gate.open(scope) as session:
        assert prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id) == 25 * MINUTE
        finish(session, one)
        assert prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id) is None


def test_a_row_that_is_being_written_is_not_waited_for(gate: Gate, vault: Vault, company: Company) -> None:
    """Hanging up holds the call and wants the wallet; who holds the wallet must not want the call."""
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id
    with clock.hold(START):
        with gate.open(scope) as session:
            put(session, tenant_id, 1000)
            one = arrival(company)
            begin(session, one, vault)
        with gate.open(scope) as first:
            bridge(first, one)
            with gate.open(scope) as second:
                assert prepaid.lengthen(second, tenant_id=tenant_id, call_id=one.call_id) is None


def test_killed_at_any_statement_a_call_is_kept_for_and_settled_once(
    gate: Gate, vault: Vault, company: Company
) -> None:
    """Every fail-point of arriving, lengthening and hanging up, one after the other."""
    scope, tenant_id = Scope.system(company.tenant_id), company.tenant_id

    def stands() -> list[Any]:
        with gate.open(scope) as session:
            return [
                wallets.find(session, tenant_id=tenant_id),
                wallets.reservations(session, tenant_id=tenant_id),
                wallets.entries(session, tenant_id=tenant_id, limit=50),
                session.execute(text("SELECT id, paid_s, ended_at FROM app.calls")).all(),
                session.execute(text("SELECT count(*) FROM app.usage_events")).scalar_one(),
            ]

    with clock.hold(START):
        with gate.open(scope) as session:
            put(session, tenant_id, 1000)
        one = arrival(company)
        steps: tuple[tuple[dt.timedelta, Callable[[Session], object]], ...] = (
            (dt.timedelta(), lambda session: begin(session, one, vault)),
            (dt.timedelta(), lambda session: bridge(session, one)),
            (
                4 * MINUTE,
                lambda session: prepaid.lengthen(session, tenant_id=tenant_id, call_id=one.call_id),
            ),
            (3 * MINUTE, lambda session: finish(session, one)),
        )
        killed = 0
        for by, step in steps:
            clock.advance(by)
            before, number = stands(), 1
            while True:
                try:
                    with gate.open(scope) as session, killed_at(session, number):
                        step(session)
                    break
                except KilledError:
                    killed += 1
                    assert stands() == before, f"statement {number}"
                    number += 1
            with gate.open(scope) as session:  # and once more, as after a commit nobody heard of
                after = stands()
                step(session)
            assert stands() == after
        assert killed > 25
        wallet, kept, entries, _rows, used = stands()
    assert (wallet.balance_nano, wallet.reserved_nano, kept) == (1000 * PENNY - 7 * A_MINUTE, 0, ())
    assert [one.amount_nano for one in entries if one.use_id] == [-7 * A_MINUTE]
    assert used == 1


def die() -> None:
    raise KilledError


@dataclass(slots=True)
class Going:
    """A call that goes on, as the model knows it."""

    arrival: Arrival
    paid: dt.timedelta | None
    bridged_at: dt.datetime | None = None


class CallsIn(RuleBasedStateMachine):
    """Callers come, talk, are lengthened and hang up in any order, each deed perhaps twice or cut off."""

    gate: Gate
    vault: Vault
    company: Company

    def __init__(self) -> None:
        super().__init__()
        self.going: list[Going] = []
        with self.gate.open(self.scope) as session:  # an example before this one left calls open
            for kept in wallets.reservations(session, tenant_id=self.company.tenant_id):
                wallets.release(session, tenant_id=self.company.tenant_id, use_id=kept.use_id)

    @property
    def scope(self) -> Scope:
        return Scope.system(self.company.tenant_id)

    def do(self, deed: Callable[[Session], Any], kill: int) -> Any:
        """Do it twice; first killed at its n-th statement, or right before the commit."""
        self.cut_off(deed, kill)
        with self.gate.open(self.scope) as session:
            found = deed(session)
        with self.gate.open(self.scope) as session:
            deed(session)
        return found

    def cut_off(self, deed: Callable[[Session], Any], kill: int) -> None:
        if kill:
            with (
                pytest.raises(KilledError),
                self.gate.open(self.scope) as session,
                killed_at(session, kill),
            ):
                deed(session)
                die()

    def purse(self) -> int:
        with self.gate.open(self.scope) as session:
            return credit.left(session, tenant_id=self.company.tenant_id) or 0

    @rule(minor=st.integers(1, 300))
    def top_up(self, minor: int) -> None:
        with self.gate.open(self.scope) as session:
            put(session, self.company.tenant_id, minor)

    @rule(minutes=st.integers(0, 4), seconds=st.integers(0, 59))
    def time_goes_on(self, minutes: int, seconds: int) -> None:
        clock.advance(dt.timedelta(minutes=minutes, seconds=seconds))

    @rule(kill=st.integers(0, 12))
    def arrives(self, kill: int) -> None:
        one, there = arrival(self.company), self.purse()
        paid = self.do(lambda session: begin(session, one, self.vault), kill)
        assert paid is not None
        # whole minutes, five at most, and one of grace
        assert paid == min(5, max(0, there // 50_000_000 - 1)) * MINUTE
        if paid:
            self.going.append(Going(one, paid))

    @rule(data=st.data(), kill=st.integers(0, 3))
    def is_put_through(self, data: st.DataObject, kill: int) -> None:
        waiting = [one for one in self.going if one.bridged_at is None]
        if waiting:
            one = data.draw(st.sampled_from(waiting))
            one.bridged_at = clock.now()
            self.do(lambda session: bridge(session, one.arrival), kill)

    @rule(data=st.data(), kill=st.integers(0, 12))
    def is_lengthened(self, data: st.DataObject, kill: int) -> None:
        if not self.going:
            return
        one = data.draw(st.sampled_from(self.going))
        before, there = one.paid, self.purse()

        def deed(session: Session) -> dt.timedelta | None:
            return prepaid.lengthen(session, tenant_id=self.company.tenant_id, call_id=one.arrival.call_id)

        self.cut_off(deed, kill)
        with self.gate.open(self.scope) as session:
            found = deed(session)
        if one.bridged_at is None:
            assert found is None
            return
        assert found is not None
        assert before is not None
        assert found >= before  # nobody is cut short
        talked = clock.now() - one.bridged_at
        if before - talked > spend.LENGTHENED_BEFORE:
            assert found == before
        elif there >= 6 * 50_000_000 + int((max(talked - before, dt.timedelta())).total_seconds() + 1) * NET:
            assert found >= max(before, talked - dt.timedelta(seconds=1)) + 5 * MINUTE
        one.paid = found

    @rule(data=st.data(), kill=st.integers(0, 30))
    def hangs_up(self, data: st.DataObject, kill: int) -> None:
        if not self.going:
            return
        one = data.draw(st.sampled_from(self.going))
        self.going.remove(one)
        self.do(lambda session: finish(session, one.arrival), kill)
        with self.gate.open(self.scope) as session:
            taken = session.execute(
                text("SELECT coalesce(sum(-amount_nano), 0) FROM app.wallet_entries WHERE use_id = :call"),
                {"call": one.arrival.call_id},
            ).scalar_one()
        talked = clock.now() - one.bridged_at if one.bridged_at else dt.timedelta()
        cost = int(talked.total_seconds()) * A_MINUTE // 60
        assert taken <= cost
        assert one.paid is not None
        if talked <= one.paid + MINUTE:  # within what was granted, and the grace: paid in full
            assert taken == cost

    @invariant()
    def adds_up(self) -> None:
        tenant_id = self.company.tenant_id
        with self.gate.open(self.scope) as session:
            found = wallets.find(session, tenant_id=tenant_id)
            kept = wallets.reservations(session, tenant_id=tenant_id)
            total = session.execute(text("SELECT coalesce(sum(amount_nano), 0) FROM app.wallet_entries"))
            assert found is not None
            assert found.balance_nano == total.scalar_one()
            assert found.reserved_nano == sum(one.amount_nano for one in kept)
            assert found.available_nano >= 0
            assert {one.use_id for one in kept} == {one.arrival.call_id for one in self.going}


NET = 50_000_000 // 60 + 1  # a second


def test_no_call_in_goes_unpaid_or_is_paid_twice_in_any_order_of_deeds(
    gate: Gate, vault: Vault, company: Company
) -> None:
    class Machine(CallsIn):
        pass

    Machine.gate, Machine.vault, Machine.company = gate, vault, company
    with clock.hold(START):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=15,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
