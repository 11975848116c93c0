"""Our books beside the provider's, through the real library and the stand-in, made to differ in every way."""

import datetime as dt
from collections.abc import Iterator

import pytest

from billing import ledger
from billing.documents.document import InvoiceDocument
from billing.errors import DifferenceReasonError, ProviderAwayError
from billing.events import ReconciliationAsked
from billing.payments import attempts, differences
from billing.payments.books import Differs
from billing.payments.differences import Difference, Run, Standing
from billing.payments.port import Moved, Movement, Way
from billing.payments.stripe import StripeProvider
from core import clock, long_jobs
from core.ids import OPERATOR, TenantId, new_id
from core.long_jobs import JobState
from security import evidence
from security.gate import Gate, Kind, Scope
from security.vault import Vault
from standin.server import Server
from tenants import alarms
from tests.factories import payments
from tests.factories.payments import Means
from tests.wiring.test_collecting import collect, opened, save
from wiring import collecting, reconciling

LATER = dt.timedelta(hours=2)
STAFF = new_id()


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(gate: Gate, vault: Vault, standin: Server) -> Means:
    return Means(gate, vault, payments.provider(standin))


@pytest.fixture
def company(gate: Gate) -> TenantId:
    return opened(gate, "Pelican Parcel")


@pytest.fixture
def invoice(gate: Gate, company: TenantId) -> InvoiceDocument:
    return payments.owing(gate, company)


@pytest.fixture
def charge(means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument) -> str:
    """An invoice of £174.00 paid by card, booked; the provider's name of the charge."""
    save(means, standin, company)
    collect(means, company, invoice)
    return str(payments.client(standin).v1.balance_transactions.list().data[0].source)


def compare(means: Means, *, after: dt.timedelta = LATER) -> Run:
    with clock.hold(clock.now() + after):
        run = reconciling.begin(means)
        while reconciling.go_on(means, ReconciliationAsked(tenant_id=OPERATOR, run_id=run.run_id)):
            pass
        with means.gate.open(Scope.system(OPERATOR)) as session:
            return differences.runs(session)[0]


def found(means: Means, *standings: Standing) -> list[Difference]:
    with means.gate.open(Scope.system(OPERATOR)) as session:
        return list(differences.every(session, standings=standings or tuple(Standing)))


def words(means: Means) -> list[tuple[Moved, Differs, int | None, int | None]]:
    return sorted(
        (one.found.moved, one.found.differs, one.found.ours_minor, one.found.theirs_minor)
        for one in found(means, Standing.OPEN)
    )


def test_books_that_agree_have_no_difference(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument, charge: str
) -> None:
    with means.gate.open(Scope.system(company)) as session:
        (payment,) = attempts.of_invoice(session, tenant_id=company, invoice_id=invoice.invoice_id)
    collecting.refund(
        means,
        tenant_id=company,
        payment_id=payment.payment_id,
        amount_minor=1000,
        refund_id=new_id(),
        by=STAFF,
    )
    standin.control("win", {"dispute": str(standin.control("dispute", {"charge": charge})["done"])})
    collecting.look_again(means, tenant_id=company, payment_id=payment.payment_id, source="sweep")
    standin.control("pay-out", {"amount": "5000", "currency": "gbp"})
    run = compare(means)
    assert (run.looked, run.found) == (5, 0)  # charge, refund, dispute and its end, payout
    assert run.ended_at is not None
    assert found(means) == []
    with means.gate.open(Scope.system(OPERATOR)) as session:
        own = {one.account: one.balance_minor for one in ledger.trial_balance(session, tenant_id=OPERATOR)}
    assert own == {"bank": 5000, "clearing": -5000}
    (balance,) = run.balances
    assert (balance.currency, balance.ours_minor, balance.unexplained_minor) == ("GBP", 11119, 0)
    assert balance.theirs_minor == 17400 - 281 - 1000 - 5000
    assert compare(means).found == 0
    with means.gate.open(Scope.system(OPERATOR)) as session:
        assert len(ledger.of_kinds(session, tenant_id=OPERATOR, kinds=["payout"])) == 1


@pytest.mark.parametrize(
    ("act", "form", "expected"),
    [
        ("lose", {"source": "{}"}, (Moved.PAYMENT, Differs.MISSING_THERE, 17400, None)),
        ("unpay", {"charge": "{}"}, (Moved.PAYMENT, Differs.STATE, 17400, None)),
        ("alter", {"source": "{}", "amount": "17401"}, (Moved.PAYMENT, Differs.AMOUNT, 17400, 17401)),
        ("alter", {"source": "{}", "fee": "300"}, (Moved.PAYMENT, Differs.FEE, -281, -300)),
        ("alter", {"source": "{}", "currency": "eur"}, (Moved.PAYMENT, Differs.CURRENCY, 17400, 17400)),
        ("again", {"charge": "{}"}, (Moved.PAYMENT, Differs.TWICE, None, 17400)),
        ("foreign", {"charge": "{}"}, (Moved.PAYMENT, Differs.MISSING_HERE, None, 17400)),
    ],
)
def test_each_way_to_differ_is_one_row_however_often_it_is_looked_at(
    means: Means,
    standin: Server,
    charge: str,
    act: str,
    form: dict[str, str],
    expected: tuple[Moved, Differs, int | None, int | None],
) -> None:
    standin.control(act, {name: value.format(charge) for name, value in form.items()})
    for _ in range(3):
        assert compare(means).found == 1
    assert words(means) == [expected]


def balance(means: Means) -> tuple[int, int, int, int, int]:
    """What the latest run has of pounds: ours, theirs, known, coming, unexplained."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        run = differences.runs(session)[0]
    (one,) = (one for one in run.balances if one.currency == "GBP")
    sums = (one.ours_minor, one.theirs_minor, one.known_minor, one.coming_minor)
    return (*sums, one.unexplained_minor)


@pytest.mark.parametrize(
    ("act", "form", "theirs", "known"),
    [
        ("lose", {"source": "{}"}, 0, -17119),
        ("unpay", {"charge": "{}"}, 0, -17119),
        ("alter", {"source": "{}", "amount": "17401"}, 17120, 1),
        ("alter", {"source": "{}", "amount": "17401", "fee": "300"}, 17101, -18),
        ("alter", {"source": "{}", "fee": "300"}, 17100, -19),
        ("alter", {"source": "{}", "currency": "eur"}, 0, -17119),
        ("again", {"charge": "{}"}, 2 * 17119, 17119),
        ("foreign", {"charge": "{}"}, 2 * 17119, 17119),
    ],
)
def test_what_the_provider_holds_is_our_clearing_account_and_the_differences_known(
    means: Means, standin: Server, charge: str, act: str, form: dict[str, str], theirs: int, known: int
) -> None:
    standin.control(act, {name: value.format(charge) for name, value in form.items()})
    run = compare(means)
    assert balance(means) == (17119, theirs, known, 0, 0)
    assert sum(one.unexplained_minor for one in run.balances) == 0
    assert {one.currency for one in run.balances} == ({"GBP", "EUR"} if "currency" in form else {"GBP"})


def test_money_that_is_gone_without_a_line_is_a_difference_until_it_is_back(
    means: Means, standin: Server, charge: str
) -> None:
    standin.control("mislay", {"minor": "7"})
    compare(means)
    assert words(means) == [(Moved.BALANCE, Differs.AMOUNT, None, -7)]
    assert balance(means) == (17119, 17112, 0, 0, -7)
    (one,) = found(means, Standing.OPEN)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        differences.decide(
            session,
            difference_id=one.difference_id,
            standing=Standing.EXPLAINED,
            reason="Held for a while",
            by=STAFF,
        )
    standin.control("pay-out", {"amount": "5000", "currency": "gbp"})
    compare(means)  # other sums, and the same seven pence: it stays explained
    assert [one.standing for one in found(means)] == [Standing.EXPLAINED]
    assert balance(means) == (12119, 12112, 0, 0, -7)
    standin.control("mislay", {"minor": "8"})
    compare(means)
    assert words(means) == [(Moved.BALANCE, Differs.AMOUNT, None, -8)]
    standin.control("mislay", {"minor": "0"})
    compare(means)
    assert [one.standing for one in found(means)] == [Standing.AGREES]


def test_what_moved_within_the_last_hour_is_on_its_way_and_no_difference(
    means: Means, standin: Server, charge: str
) -> None:
    standin.control("foreign", {"charge": charge})
    compare(means, after=dt.timedelta(0))
    assert found(means) == []
    assert balance(means) == (17119, 2 * 17119, 0, 17119, 0)


def test_fees_that_no_payment_has_are_booked_as_ours(means: Means, standin: Server, charge: str) -> None:
    standin.control("own-fee", {"amount": "1200", "currency": "gbp"})
    dispute = str(standin.control("dispute", {"charge": charge})["done"])
    standin.control("alter", {"source": dispute, "fee": "2000"})
    for one in means.payments.news_since(clock.now() - LATER):
        if "dispute" in one.kind:
            about = means.payments.ask_about(one.event_id).payment
            assert about is not None
            assert about.tenant_id is not None
            assert about.payment_id is not None
            collecting.look_again(
                means, tenant_id=about.tenant_id, payment_id=about.payment_id, source="sweep"
            )
    for _ in range(2):
        assert compare(means).found == 0
    assert found(means) == []
    assert balance(means) == (-281 - 1200 - 2000, -281 - 1200 - 2000, 0, 0, 0)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        own = {one.account: one.balance_minor for one in ledger.trial_balance(session, tenant_id=OPERATOR)}
    assert own == {"provider-fees": 3200, "clearing": -3200}


class Restless(StripeProvider):
    """A provider whose money moves whenever it is counted."""

    moves = 0

    def holds(self) -> dict[str, int]:
        Restless.moves += 1
        return {"GBP": Restless.moves}


def test_money_that_never_rests_is_not_weighed(
    means: Means, standin: Server, charge: str, gate: Gate, vault: Vault
) -> None:
    restless = Restless(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    run = compare(Means(gate, vault, restless))
    assert (run.is_over, run.found, run.balances) == (True, 0, ())
    assert found(means) == []
    assert compare(means).balances


def test_a_payment_that_we_never_heard_of_is_a_difference_until_we_have(
    means: Means, standin: Server, company: TenantId, invoice: InvoiceDocument
) -> None:
    save(means, standin, company)
    page = collecting.pay_on_page(
        means,
        tenant_id=company,
        invoice_id=invoice.invoice_id,
        by_user=STAFF,  # type: ignore[arg-type] # any id
        way=lambda _: Way("http://127.0.0.1/done", "http://127.0.0.1/back", "en"),
    )
    payments.visit(page.url, payments.card(payments.PAID))
    assert compare(means).found == 1
    assert words(means) == [(Moved.PAYMENT, Differs.STATE, None, 17400)]
    (one,) = found(means)
    assert (one.found.tenant_id, one.found.payment_id, one.found.ours) == (
        company,
        page.payment.payment_id,
        "started",
    )
    collecting.look_again(means, tenant_id=company, payment_id=page.payment.payment_id, source="sweep")
    assert compare(means).found == 0
    assert [one.standing for one in found(means)] == [Standing.AGREES]


def test_a_refund_and_a_dispute_made_over_there_are_missing_here(
    means: Means, standin: Server, charge: str
) -> None:
    payments.client(standin).v1.refunds.create({"charge": charge, "amount": 400})
    standin.control("dispute", {"charge": charge})
    compare(means)
    assert words(means) == [
        (Moved.DISPUTE, Differs.MISSING_HERE, None, -17400),
        (Moved.REFUND, Differs.MISSING_HERE, None, -400),
    ]


def test_a_difference_is_explained_stays_so_and_opens_again_when_its_figures_change(
    means: Means, standin: Server, charge: str
) -> None:
    standin.control("alter", {"source": charge, "amount": "17401"})
    compare(means)
    (one,) = found(means)
    with means.gate.open(Scope(OPERATOR, STAFF, Kind.SYSTEM)) as session:
        with pytest.raises(DifferenceReasonError):
            differences.decide(
                session, difference_id=one.difference_id, standing=Standing.EXPLAINED, reason=" ", by=STAFF
            )
        differences.give(session, difference_id=one.difference_id, owner=STAFF)
        differences.decide(
            session, difference_id=one.difference_id, standing=Standing.EXPLAINED, reason="A test", by=STAFF
        )
    with means.gate.open(Scope.system(OPERATOR)) as session:
        actions = {
            entry.fact.action for entry in evidence.page(session, tenant_id=OPERATOR, limit=50).entries
        }
    assert {"reconciliation.assigned", "reconciliation.explained"} <= actions
    compare(means)
    assert [(one.standing, one.owner, one.reason) for one in found(means)] == [
        (Standing.EXPLAINED, STAFF, "A test")
    ]
    standin.control("alter", {"source": charge, "amount": "17402"})
    compare(means)
    assert [(one.standing, one.owner) for one in found(means)] == [(Standing.OPEN, STAFF)]


def test_one_that_was_settled_and_is_there_still_opens_again(
    means: Means, standin: Server, charge: str
) -> None:
    standin.control("foreign", {"charge": charge})
    compare(means)
    (one,) = found(means)
    with means.gate.open(Scope(OPERATOR, STAFF, Kind.SYSTEM)) as session:
        differences.decide(
            session, difference_id=one.difference_id, standing=Standing.SETTLED, reason="Booked", by=STAFF
        )
    assert found(means, Standing.OPEN) == []
    compare(means)
    assert len(found(means, Standing.OPEN)) == 1


def test_one_that_has_been_open_for_days_is_an_alarm_told_once(
    means: Means, standin: Server, charge: str
) -> None:
    standin.control("foreign", {"charge": charge})
    compare(means)
    for _ in range(2):
        compare(means, after=dt.timedelta(days=4))
    with means.gate.open(Scope.system(OPERATOR)) as session:
        (alarm,) = alarms.page(session, tenant_id=OPERATOR, limit=10)
    assert (alarm.kind, alarm.times, dict(alarm.details)) == ("difference-open", 2, {"differences": 1})


class Fading(StripeProvider):
    """A provider that goes away after some answers."""

    left = 2

    def movements(self, *, start: dt.datetime, end: dt.datetime) -> tuple[Movement, ...]:
        if not self.left:
            raise ProviderAwayError(why="test")
        self.left -= 1
        return super().movements(start=start, end=end)


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(
    means: Means, standin: Server, charge: str, gate: Gate, vault: Vault
) -> None:
    standin.control("foreign", {"charge": charge})
    fading = Fading(key=payments.KEY, webhook_secret=payments.SECRET, base_url=standin.base)
    with pytest.raises(ProviderAwayError):
        compare(Means(gate, vault, fading))
    with means.gate.open(Scope.system(OPERATOR)) as session:
        (run,) = differences.runs(session)
    assert run.cursor == run.start + dt.timedelta(days=2)
    again = compare(means)
    assert again.run_id == run.run_id
    assert (again.cursor, again.looked, again.found) == (run.end, 2, 1)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        job = long_jobs.find(session, job_id=run.run_id)
    assert job is not None
    assert (job.state, job.done, job.total) == (JobState.DONE, 35, 35)


def test_two_workers_at_one_run_count_each_day_once(means: Means, charge: str) -> None:
    with clock.hold(clock.now() + LATER):
        run = reconciling.begin(means)
        assert reconciling.begin(means).run_id == run.run_id
        end = run.start + dt.timedelta(days=1)

        def noted() -> Run:
            with means.gate.open(Scope.system(OPERATOR)) as session:
                return differences.note(session, run=run, until=end, looked=7, found=())

        assert (noted().looked, noted().looked, noted().cursor) == (7, 7, end)
