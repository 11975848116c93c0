"""Invariants 9 and 10 at random: a clerk is killed with -9 again and again, and the books are as if never.

What can be killed between two statements stands in `test_once_only`, point by point; here the instant is
thrown. A twin company has the same work done in peace: to the last row both have to be told the same.
"""

import contextlib
import datetime as dt
import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from billing import credit_notes, invoices, ledger, periods, staging, usage, wallets
from billing.credit_notes import Part
from billing.payments import attempts
from billing.safety import Safety
from billing.usage import Usage
from core import clock
from core.ids import TenantId, UserId
from core.money import NANO
from security.gate import Gate, Scope
from security.keys import FileRootKey
from tests.billing import stock
from tests.billing.test_agreed import NAMES
from tests.billing.test_invoices import LATER, NOVEMBER, OCTOBER
from tests.billing.test_once_only import FACTS, SMS, TERMS
from tests.conftest import admitted
from wiring.prepare import DatabaseUrls

pytestmark = pytest.mark.slow

CALLS = 6  # of a month, each reported by itself
MESSAGES = 19  # of a month, in one file with a call that was reported before
FUNDS_MINOR = 5_000
BY = UserId(UUID(int=7))
ANY_SIZE = Safety(second_above=10**9)
LONGEST_S = 0.4
"""A clerk lives for less than this: some deeds of theirs, never all."""


@dataclass(frozen=True, slots=True)
class Office:
    """Where a clerk works, and for whom."""

    app_url: str
    bill_url: str
    key_file: Path
    tenant_id: TenantId

    def known(self, name: str) -> UUID:
        """Return the id that a deed has each time it is done."""
        return uuid5(self.tenant_id, name)

    def used(self, name: str, month: periods.Period, number: int, *, is_message: bool = False) -> Usage:
        """Return what a call or message reports, each time the same."""
        at, of = month.start + dt.timedelta(hours=number), self.known(name)
        if is_message:
            return stock.usage(
                name,
                meter="message.sms",
                prefix="",
                seconds=0,
                quantity_ms=1000 * number,
                at=at,
                subject_ref=of,
            )
        seconds = 61 + 7 * number
        return stock.usage(
            name, meter="voice.inbound", prefix="44113496", seconds=seconds, at=at, subject_ref=of
        )


Deed = Callable[[Gate], None]


def deeds(office: Office) -> Iterator[Deed]:
    """Yield all the work, in order; each deed may be done again, by whoever does not know that it was."""

    def inside(act: Callable[[Session], Any]) -> Deed:
        def deed(gate: Gate) -> None:
            with gate.open(Scope.system(office.tenant_id)) as session:
                act(session)

        return deed

    yield inside(
        lambda session: wallets.top_up(
            session,
            tenant_id=office.tenant_id,
            key="funds",
            amount_minor=FUNDS_MINOR,
            source=ledger.BANK,
            at=stock.NOON,
        )
    )
    for month in (OCTOBER, NOVEMBER):
        for number in range(CALLS):
            yield from (inside(act) for act in _call(office, month, number))
        yield _in_bulk(office, month)
        for act in (_draft, _finalise, _pay, _credit):
            yield inside(partial(act, office, month))


def _call(office: Office, month: periods.Period, number: int) -> Iterator[Callable[[Session], Any]]:
    """A call that is paid beforehand: kept for it, more kept, booked and settled; each third never was."""
    name = f"{month.start.date()}/{number}"
    use_id, until = office.known(name), month.end

    def keep(session: Session) -> None:
        wallets.reserve(session, tenant_id=office.tenant_id, use_id=use_id, amount_nano=NANO, until=until)

    def keep_more(session: Session) -> None:
        wallets.extend(session, tenant_id=office.tenant_id, use_id=use_id, amount_nano=2 * NANO, until=until)

    def give_up(session: Session) -> None:
        wallets.release(session, tenant_id=office.tenant_id, use_id=use_id)

    def hang_up(session: Session) -> None:
        usage.record(session, tenant_id=office.tenant_id, usage=office.used(name, month, number))
        wallets.settle(session, tenant_id=office.tenant_id, use_id=use_id, cost_nano=NANO // 9 * (number + 1))

    yield from (keep, keep_more, give_up if number % 3 == 2 else hang_up)


def _in_bulk(office: Office, month: periods.Period) -> Deed:
    """A file of usage: staged outside the walls, taken in behind them; one of it was told before."""
    name = f"{month.start.date()}"
    uses = [
        *(office.used(f"{name}/sms-{n}", month, n, is_message=True) for n in range(1, 1 + MESSAGES)),
        office.used(f"{name}/0", month, 0),
    ]

    def deed(gate: Gate) -> None:
        batch = office.known(f"{name}/batch")
        with contextlib.suppress(psycopg.errors.UniqueViolation):  # whoever was killed had staged it
            staging.stage(office.bill_url, tenant_id=office.tenant_id, usages=uses, batch_id=batch)
        with gate.open(Scope.system(office.tenant_id)) as session:
            staging.take_in(session, tenant_id=office.tenant_id, batch_id=batch)

    return deed


def _of_month(session: Session, office: Office, month: periods.Period) -> invoices.InvoiceSummary | None:
    every = invoices.every(session, tenant_id=office.tenant_id)
    return next((one for one in every if one.period == month), None)


def _draft(office: Office, month: periods.Period, session: Session) -> None:
    there = _of_month(session, office, month)
    if there is None or there.state == "draft":
        invoices.draft(session, tenant_id=office.tenant_id, period=month)


def _finalise(office: Office, month: periods.Period, session: Session) -> None:
    there = _of_month(session, office, month)
    assert there is not None
    if there.state == "draft":
        invoices.finalise(session, tenant_id=office.tenant_id, invoice_id=there.invoice_id, usual=ANY_SIZE)


def _pay(office: Office, month: periods.Period, session: Session) -> None:
    there = _of_month(session, office, month)
    assert there is not None
    invoice = invoices.find(session, tenant_id=office.tenant_id, invoice_id=there.invoice_id)
    attempts.use_on_account(session, tenant_id=office.tenant_id, invoice=invoice)


def _credit(office: Office, month: periods.Period, session: Session) -> None:
    there = _of_month(session, office, month)
    assert there is not None
    if not credit_notes.of_invoice(session, tenant_id=office.tenant_id, invoice_id=there.invoice_id):
        credit_notes.ask(
            session,
            tenant_id=office.tenant_id,
            invoice_id=there.invoice_id,
            parts=[Part(1, 2)],
            reason="Billed twice",
            by=BY,
        )


def clerk(office: Office, begin: int, told: Connection | None = None) -> None:
    """Do the work from one deed on; tell of each that is done."""
    gate = Gate(office.app_url, context_key=FileRootKey(office.key_file).derive("context/v1"))
    try:
        with clock.hold(LATER):
            for number, deed in enumerate(deeds(office)):
                if number < begin:
                    continue
                deed(gate)
                if told:
                    told.send(number + 1)
    finally:
        gate.close()


def killed_again_and_again(office: Office, dice: random.Random, least: int) -> int:
    """Have the work done by clerks who are killed; return how many were.

    Each begins where the last one told that they were, and at times a little before: a deed whose end nobody
    heard of is done again. When all is done it is done again from the start until so many were killed.
    """
    works = multiprocessing.get_context("forkserver")
    works.set_forkserver_preload([__name__])
    killed, reached, total = 0, 0, len(list(deeds(office)))
    while reached < total or killed < least:
        begin = max(0, (reached if reached < total else 0) - dice.choice([0, 0, 1, 5]))
        hears, tells = works.Pipe(duplex=False)
        one = works.Process(target=clerk, args=(office, begin, tells), daemon=True)
        one.start()
        tells.close()
        dies_at = None
        try:
            while True:
                if dies_at is None or hears.poll(max(0.0, dies_at - time.monotonic())):
                    now = hears.recv()
                    reached = now if reached >= total else max(reached, now)
                    # they live from their first deed on
                    dies_at = dies_at or time.monotonic() + dice.uniform(0, LONGEST_S)
                if dies_at and time.monotonic() >= dies_at:
                    one.kill()
                    break
        except EOFError:
            pass  # they have done all that was left
        one.join()
        assert one.exitcode in {0, -signal.SIGKILL}
        killed += one.exitcode != 0  # who had done all when the signal came was not
        while hears.poll():
            try:
                reached = max(reached, hears.recv())
            except EOFError:
                break
        hears.close()
    return killed


def told(gate: Gate, tenant_id: TenantId) -> dict[str, Any]:
    """Return all that a company's books say, but for ids and papers' numbers, which no two have alike."""
    queries = {
        "usage": FACTS[0],
        "charges": FACTS[1].replace("i.number", "i.number IS NULL"),
        "invoices": FACTS[2].replace("number", "number IS NULL"),
        "lines": FACTS[3],
        "announced": "SELECT name, count(*) FROM app.outbox GROUP BY 1 ORDER BY 1",
        "counts": "SELECT received, accepted, duplicate, conflict, rejected FROM app.usage_batches",
        "wallet": "SELECT balance_nano, reserved_nano FROM app.wallets",
        "entries": "SELECT kind, amount_nano FROM app.wallet_entries ORDER BY 1, 2",
        "kept": "SELECT state, amount_nano, taken_nano FROM app.reservations ORDER BY 1, 2, 3",
        "credited": "SELECT state, net_minor, tax_minor FROM app.credit_notes",
        "journals": "SELECT kind, count(*) FROM app.journals GROUP BY 1 ORDER BY 1",
        "acts": "SELECT action, count(*) FROM app.evidence GROUP BY 1 ORDER BY 1",
        "crooked": """SELECT journal_id FROM app.postings GROUP BY journal_id, currency
            HAVING sum(amount_minor) <> 0""",
    }
    with gate.open(Scope.system(tenant_id)) as session:
        found: dict[str, Any] = {
            name: [tuple(row) for row in session.execute(text(sql))] for name, sql in queries.items()
        }
        return found | {"balances": ledger.trial_balance(session, tenant_id=tenant_id)}


def papers(gate: Gate, tenant_id: TenantId) -> list[str]:
    """Return the numbers of a company's invoices and credit notes."""
    every = "SELECT number FROM app.invoices UNION SELECT number FROM app.credit_notes ORDER BY 1"
    with gate.open(Scope.system(tenant_id)) as session:
        return list(session.execute(text(every)).scalars())


@pytest.fixture
def twins(gate: Gate) -> tuple[TenantId, TenantId]:
    """Two companies with the same prices and a wallet each."""
    version = stock.publish(gate, rentals=SMS, terms=TERMS, names=NAMES)
    both = admitted(gate), admitted(gate)
    for tenant_id in both:
        with gate.open(Scope.system(tenant_id)) as session:
            stock.customer(session, tenant_id=tenant_id, version=version)
            wallets.open_wallet(session, tenant_id=tenant_id)
    return both


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("seed", "least"),
    [(0, 6), *(pytest.param(seed, 100, marks=pytest.mark.deep) for seed in range(1, 6))],
)
def test_a_clerk_killed_at_random_leaves_the_books_of_one_who_was_not(
    gate: Gate,
    twins: tuple[TenantId, TenantId],
    database: DatabaseUrls,
    home: Path,
    seed: int,
    least: int,
) -> None:
    unlucky, lucky = (Office(database.app, database.bill, home / "root.key", one) for one in twins)
    dice = random.Random(seed)  # noqa: S311 - a die for a test
    killed = killed_again_and_again(unlucky, dice, least)
    clerk(lucky, 0)
    assert killed >= least
    seen, wanted = told(gate, unlucky.tenant_id), told(gate, lucky.tenant_id)
    assert seen == wanted
    assert seen["crooked"] == []
    assert len(seen["usage"]) == 2 * (CALLS * 2 // 3 + MESSAGES)
    assert [one[0] for one in seen["invoices"]] == ["finalised"] * 2
    # one after the other, whoever was killed with a number in hand
    numbers = sorted([*papers(gate, unlucky.tenant_id), *papers(gate, lucky.tenant_id)])
    assert numbers == [f"SL-{series}2026-{n:06d}" for series in ("", "CN-") for n in range(1, 5)]
