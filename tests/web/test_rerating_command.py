"""`seatline rerate`: the difference the page tells, from the terminal; a worker looks, the page approves."""

import datetime as dt
import re
import threading
import time
from decimal import Decimal

import pytest

from billing import rerating_runs, tariffs
from billing.events import RerunAsked
from billing.rerating_runs import Moved, Rerun
from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from core.money import NANO
from security.gate import Gate, Scope
from tenants import users
from tests.billing import stock
from tests.web.conftest import Browser, TestServices
from tests.web.scene import NOW
from tests.web.test_command_line import Run, run
from tests.web.test_operator_usage import dana, monday, used
from web.cli import rerating as terminal
from wiring import rerating

__all__ = ["dana", "monday", "run", "used"]  # fixtures

OCTOBER = ("2026-10-01", "2026-10-31")


@pytest.fixture
def dearer(gate: Gate, used: TenantId) -> None:
    """Calls that cost other prices from some day on."""
    with clock.hold(NOW - dt.timedelta(hours=1)):
        version = stock.publish(
            gate,
            code="renting",
            effective_from=NOW + dt.timedelta(days=20),
            of=stock.rates(inbound=100_000_000, mobile=145_000_000),
        )
    with gate.open(Scope.system(used)) as session:
        tariffs.take(session, tenant_id=used, version=version)


@pytest.fixture
def worker(gate: Gate, services: TestServices, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A worker that looks at every run while a terminal waits for it; set once it has."""
    looked = threading.Event()

    def wait(_seconds: float) -> None:
        with gate.open(Scope.system(OPERATOR)) as session:
            waiting = [one for one in rerating_runs.newest(session) if one.state == "looking"]
        for one in waiting:
            rerating.look(services, RerunAsked(tenant_id=OPERATOR, rerun_id=one.rerun_id))
            looked.set()

    monkeypatch.setattr(time, "sleep", wait)
    return looked


@pytest.fixture
def email(dana: Browser, gate: Gate, services: TestServices) -> str:
    """The address of who of the staff bills."""
    with gate.open(Scope.system(OPERATOR)) as session:
        everyone = users.everyone(session, tenant_id=OPERATOR, vault=services.vault)
    return next(one.email for one in everyone if "operator_billing" in one.roles)


def newest(gate: Gate) -> Rerun:
    with gate.open(Scope.system(OPERATOR)) as session:
        return rerating_runs.newest(session)[0]


@pytest.mark.usefixtures("dearer")
def test_the_terminal_tells_what_the_page_tells_and_changes_nothing(
    run: Run,
    dana: Browser,
    gate: Gate,
    used: TenantId,
    worker: threading.Event,
    email: str,
) -> None:
    company = ids.public("ten", used)
    answer = run("rerate", "look", *OCTOBER, "--company", company, "--prices", "renting@2", "--by", email)
    assert answer.exit_code == 1, answer.output
    assert worker.is_set()
    found = newest(gate)
    name = ids.public("rrt", found.rerun_id)
    assert f"{name}: Pelican Parcel, by renting v2" in answer.output
    assert f"{found.looked:,} events looked at, {found.changes:,} would cost something else" in answer.output
    assert "GBP: open bills rise by" in answer.output
    assert "96.0000" in answer.output  # the new version rents no seats
    assert f"/operator/rerating?run={name}" in answer.output
    assert found.state == "looked"
    page = dana.get(f"/operator/rerating?run={name}").text
    for one in found.totals():
        for nano in (one.up_nano, one.down_nano, one.billed_nano):
            assert not nano or f"{Decimal(nano) / NANO:.4f}" in page
    assert "Approve" in page or "Change " in page
    again = run("rerate", "show", name)
    assert (again.exit_code, again.output.splitlines()[-1]) == (1, answer.output.splitlines()[-1])


def test_its_own_prices_change_nothing(
    run: Run,
    used: TenantId,
    worker: threading.Event,
    email: str,
) -> None:
    answer = run("rerate", "look", *OCTOBER, "--by", email)
    assert answer.exit_code == 0, answer.output
    assert "all companies, each by its own prices" in answer.output
    assert answer.output.splitlines()[-1] == "nothing would change"


def test_a_run_that_was_given_up_is_not_told_as_one_that_changes_nothing(
    run: Run, gate: Gate, used: TenantId, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_seconds: float) -> None:
        with gate.open(Scope.system(OPERATOR)) as session:
            rerating_runs.give_up(session, rerun_id=rerating_runs.newest(session)[0].rerun_id)

    monkeypatch.setattr(time, "sleep", wait)
    for again in (False, True):
        name = ids.public("rrt", newest(gate).rerun_id) if again else ""
        answer = run("rerate", "show", name) if again else run("rerate", "look", *OCTOBER, "--by", email)
        assert answer.exit_code == 1
        assert "given this run up" in answer.output
        assert "nothing would change" not in answer.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*OCTOBER, "--by", "nobody@example.com"), "nobody of the staff who may rate again"),
        ((*reversed(OCTOBER), "--by", "{dana}"), "the last day comes before the first"),
        (
            (*OCTOBER, "--by", "{dana}", "--prices", "renting@9"),
            "is no published version; there are renting@1",
        ),
        ((*OCTOBER, "--by", "{dana}", "--company", "ten_00000000000000000000000000"), "company-missing"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_in_words(
    run: Run,
    used: TenantId,
    email: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    answer = run("rerate", "look", *(email if one == "{dana}" else one for one in words))
    assert answer.exit_code == 1
    assert said in answer.output
    assert "Traceback" not in answer.output


def test_of_many_moves_the_terminal_tells_the_first_and_how_many_there_are() -> None:
    moves = tuple(Moved(OPERATOR, "GBP", "voice.outbound", f"44{n}", 1, 10**9, 0, 0) for n in range(50))
    values = dict.fromkeys(Rerun.__dataclass_fields__)
    made = Rerun(**(values | {"rerun_id": new_id(), "moves": moves, "looked": 50, "changes": 50}))  # type: ignore[arg-type]
    lines = list(
        terminal.report(made, {OPERATOR: "A company with a very long name indeed"}, needs_second=True)
    )
    assert re.fullmatch(r"… and 10 more, all of them in the page's file", lines[-1])
    assert all(len(line) <= 130 for line in lines)
    assert "GBP: open bills rise by 50.0000 and fall by 0.0000; final invoices lack 0.0000" in lines
