"""A statement joins what was owed before with what is owed now, movement by movement."""

import csv
import datetime as dt
import io
import itertools
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import ageing, credit_notes, ledger, statements
from billing.ageing import Bucket
from billing.credit_notes import Part
from billing.documents import statement as paper
from billing.documents.document import Statement
from billing.errors import StatementPeriodError
from billing.ledger import CLEARING, ON_ACCOUNT, RECEIVABLE, REFUNDS, Posting
from core import clock
from core.ids import TenantId, UserId, new_id
from security.gate import Gate, Scope
from tests.factories import payments

NOW = dt.datetime(2026, 11, 19, 12, tzinfo=dt.UTC)
NOVEMBER = (dt.date(2026, 11, 1), dt.date(2026, 11, 30))


def of(gate: Gate, tenant_id: TenantId, first: dt.date, last: dt.date) -> Statement:
    with gate.open(Scope.system(tenant_id)) as session:
        return statements.of(session, tenant_id=tenant_id, first_on=first, last_on=last)


def move(gate: Gate, tenant_id: TenantId, kind: str, at: dt.datetime, *sides: tuple[str, int]) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        ledger.post(
            session,
            tenant_id=tenant_id,
            key=f"{kind}:{new_id()}",
            kind=kind,
            effective_at=at,
            postings=[Posting(account, minor, "GBP") for account, minor in sides],
        )


@pytest.fixture
def company(gate: Gate, tenant_a: TenantId) -> TenantId:
    """Billed 174.00 on the 1st, paid 200.00 on the 3rd, 26.00 of it beyond; 50.00 given back on the 9th."""
    with clock.hold(dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)):
        payments.owing(gate, tenant_a)
    paid = dt.datetime(2026, 11, 3, 23, 30, tzinfo=dt.UTC)
    move(gate, tenant_a, "payment", paid, (CLEARING, 20000), (RECEIVABLE, -20000))
    move(gate, tenant_a, "on-account", paid, (RECEIVABLE, 2600), (ON_ACCOUNT, -2600))
    back = dt.datetime(2026, 11, 9, 9, tzinfo=dt.UTC)
    move(gate, tenant_a, "refund", back, (ON_ACCOUNT, 2600), (REFUNDS, 2400), (CLEARING, -5000))
    return tenant_a


def test_each_movement_leads_from_opening_to_closing(gate: Gate, company: TenantId) -> None:
    found = of(gate, company, *NOVEMBER)
    assert [(one.on.day, one.kind, one.debit_minor, one.credit_minor) for one in found.entries] == [
        (1, "invoice", 17400, 0),
        (3, "payment", 0, 20000),
        (9, "refund", 5000, 2400),
    ]
    assert [one.balance_minor for one in found.entries] == [17400, -2600, 0]
    assert (found.opening_minor, found.closing_minor) == (0, 0)
    assert found.entries[0].number.startswith("SL-2026-")


def test_closing_is_what_is_open_less_what_is_on_account(gate: Gate, company: TenantId) -> None:
    with clock.hold(NOW):
        move(gate, company, "payment", NOW, (CLEARING, 700), (RECEIVABLE, -700))
    with gate.open(Scope.system(company)) as session:
        balances = {
            one.account: one.balance_minor for one in ledger.trial_balance(session, tenant_id=company)
        }
    assert of(gate, company, *NOVEMBER).closing_minor == balances[RECEIVABLE] + balances[ON_ACCOUNT]


def test_a_refund_nobody_took_stands_with_both_its_sides(gate: Gate, company: TenantId) -> None:
    undone = ((ON_ACCOUNT, -2600), (REFUNDS, -2400), (CLEARING, 5000))
    move(gate, company, "refund-failed", NOW, *undone)
    last = of(gate, company, *NOVEMBER).entries[-1]
    assert (last.debit_minor, last.credit_minor, last.balance_minor) == (2400, 5000, -2600)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(cuts=st.lists(st.integers(1, 29), unique=True, max_size=4))
def test_statements_of_following_days_join(gate: Gate, company: TenantId, cuts: list[int]) -> None:
    edges = [
        dt.date(2026, 11, 1),
        *(dt.date(2026, 11, 1 + day) for day in sorted(cuts)),
        dt.date(2026, 12, 1),
    ]
    parts = [
        of(gate, company, first, after - dt.timedelta(days=1)) for first, after in itertools.pairwise(edges)
    ]
    for before, after in itertools.pairwise(parts):
        assert before.closing_minor == after.opening_minor
    whole = of(gate, company, *NOVEMBER)
    assert [one for part in parts for one in part.entries] == list(whole.entries)


def test_a_credit_note_stands_under_its_own_number(gate: Gate, company: TenantId) -> None:
    asked, approved = UserId(new_id()), UserId(new_id())
    with gate.open(Scope.system(company)) as session:
        invoice_id = next(
            one.invoice_id
            for one in statements.of(
                session, tenant_id=company, first_on=NOVEMBER[0], last_on=NOVEMBER[1]
            ).entries
            if one.invoice_id
        )
    with clock.hold(NOW), gate.open(Scope.system(company)) as session:
        note = credit_notes.ask(
            session,
            tenant_id=company,
            invoice_id=invoice_id,
            parts=[Part(1, 1000)],
            reason="too much",
            by=asked,
        )
        if note.number is None:
            note = credit_notes.issue(
                session, tenant_id=company, credit_note_id=note.credit_note_id, by=approved
            )
    entry = next(one for one in of(gate, company, *NOVEMBER).entries if one.kind == "credit-note")
    assert (entry.number, entry.credit_minor) == (note.number, 1200)


@pytest.mark.parametrize("days", [-1, statements.MOST_DAYS])
def test_a_period_that_cannot_be_is_refused(gate: Gate, company: TenantId, days: int) -> None:
    first = NOVEMBER[0]
    with pytest.raises(StatementPeriodError):
        of(gate, company, first, first + dt.timedelta(days=days))


def test_the_csv_adds_up(gate: Gate, company: TenantId) -> None:
    rows = list(csv.DictReader(io.StringIO(paper.render_csv(of(gate, company, *NOVEMBER)))))
    moved = [row for row in rows if row["entry"] not in {"opening", "closing"}]
    balance = Decimal(rows[0]["balance"])
    for row in moved:
        balance += Decimal(row["charged"]) - Decimal(row["credited"])
        assert balance == Decimal(row["balance"])
    assert Decimal(rows[-1]["balance"]) == balance
    assert rows[1]["charged"] == "174.00"


@pytest.mark.parametrize(("language", "words"), [("en", "Statement of account"), ("zh", "对账单")])
def test_the_pdf_speaks_the_language_and_is_the_same_each_time(
    gate: Gate, company: TenantId, language: str, words: str
) -> None:
    found = of(gate, company, *NOVEMBER)
    data = paper.shown(found, language=language, made_at=NOW, aged_minor=(0, 100, 0, 0, 0))
    assert data["title"] == words
    assert len(data["aged"]) == len(Bucket)
    assert not any("entry:" in row["text"] for row in data["entries"])
    made = [
        paper.render_pdf(found, language=language, made_at=NOW, aged_minor=(0, 100, 0, 0, 0)) for _ in "12"
    ]
    assert made[0] == made[1]
    assert made[0].startswith(b"%PDF")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-3, Bucket.CURRENT),
        (0, Bucket.CURRENT),
        (1, Bucket.TO_30),
        (30, Bucket.TO_30),
        (31, Bucket.TO_60),
        (60, Bucket.TO_60),
        (61, Bucket.TO_90),
        (90, Bucket.TO_90),
        (91, Bucket.BEYOND),
        (4000, Bucket.BEYOND),
    ],
)
def test_days_late_fall_into_one_bucket(days: int, expected: Bucket) -> None:
    assert ageing.bucket(days) is expected


def test_what_is_open_is_aged_by_its_due_day(gate: Gate, tenant_a: TenantId) -> None:
    with clock.hold(dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)):
        payments.owing(gate, tenant_a, terms_days=10)
    for day, expected in ((11, (17400, 0, 0, 0, 0)), (12, (0, 17400, 0, 0, 0))):
        with (
            clock.hold(dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC)),
            gate.open(Scope.system(tenant_a)) as s,
        ):
            found = ageing.of(s, tenant_id=tenant_a)
        assert found.buckets_minor == expected
    move(gate, tenant_a, "payment", NOW, (CLEARING, 17400), (RECEIVABLE, -17400))
    with clock.hold(NOW), gate.open(Scope.system(tenant_a)) as session:
        assert (
            sum(ageing.of(session, tenant_id=tenant_a).buckets_minor) == 17400
        )  # of no invoice's receivable
