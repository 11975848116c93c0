"""Comparing with the provider as the operator sees it, over HTTP and the stand-in."""

import datetime as dt
import re

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from billing.documents.document import InvoiceDocument
from billing.models import DifferenceRow
from billing.payments import differences, news
from core import clock, ids
from core.ids import OPERATOR
from security.gate import Scope
from standin.server import Server
from tests.factories import payments
from tests.web.conftest import Browser, TestServices
from tests.web.test_command_line import House
from tests.web.test_payments import app, dana, invoice, means, path, save, standin, well_made  # noqa: F401 - fixtures
from tests.wiring.test_reconciling import compare
from web.cli import commands
from wiring import collecting

HERE = "/operator/reconciliation"


@pytest.fixture
def differing(alice: Browser, means: TestServices, standin: Server, invoice: InvoiceDocument) -> str:  # noqa: F811
    """A paid invoice, and a charge that is not of our making; its name."""
    save(alice, payments.PAID)
    method = re.search(r'value="(pm_[0-9a-z]+)"', alice.get(path(invoice)).text)
    assert method
    alice.post(f"{path(invoice)}/pay", {"method": method[1]})
    charge = payments.client(standin).v1.balance_transactions.list().data[0].source
    return str(standin.control("foreign", {"charge": str(charge)})["done"])


def test_a_difference_is_seen_given_to_somebody_and_explained(
    dana: Browser,  # noqa: F811
    means: TestServices,  # noqa: F811
    differing: str,
) -> None:
    assert "No difference of this state" in dana.get(HERE).text
    assert dana.post(HERE).location == HERE
    compare(means)  # type: ignore[arg-type] # it has what is needed
    assert "All agree" in dana.get(HERE).text  # what is younger than an hour was left out
    compare(means)  # type: ignore[arg-type] # it has what is needed
    page = dana.get(HERE).text
    well_made(page)
    assert "Missing in our books" in page
    assert "£174.00" in page
    assert "Nobody yet" in page
    one = re.search(r'action="(/operator/reconciliation/dif_[0-9a-z]+)/assign"', page)
    owner = re.search(r'<option value="(usr_[0-9a-z]+)"', page)
    assert one
    assert owner
    assert dana.post(f"{one[1]}/assign", {"owner": owner[1]}).location == HERE
    assert f'value="{owner[1]}" selected' in dana.get(HERE).text
    dana.post(f"{one[1]}/decide", {"standing": "explained", "reason": "  "})
    page = dana.get(HERE).text
    assert "Say why" in page
    assert "Missing in our books" in page
    dana.post(f"{one[1]}/decide", {"standing": "explained", "reason": "A charge by hand", "from": "open"})
    assert "Missing in our books" not in dana.get(HERE).text
    assert "A charge by hand" in dana.get(f"{HERE}?standing=explained").text
    assert "Explained a difference with the payment provider" in dana.get("/operator/evidence").text
    with means.gate.open(Scope.system(OPERATOR)) as session:
        (found,) = differences.every(session, standings=tuple(differences.Standing))
    assert (found.reason, found.owner) == ("A charge by hand", found.decided_by)
    assert dana.post(f"{HERE}/dif_00000000000000000000000000/assign", {"owner": ""}).status_code == 404


def test_the_box_that_finds_any_id_knows_differences_and_news(
    dana: Browser,  # noqa: F811
    means: TestServices,  # noqa: F811
    invoice: InvoiceDocument,  # noqa: F811
    differing: str,
) -> None:
    for _ in range(2):
        compare(means)  # type: ignore[arg-type] # it has what is needed
    one = re.search(r"/reconciliation/(dif_[0-9a-z]+)/assign", dana.get(HERE).text)
    assert one
    with means.gate.open(Scope.system(OPERATOR)) as session:
        theirs = session.scalars(select(DifferenceRow.remote_id)).one()
    for text in (one[1], theirs):
        assert dana.get(f"/operator/find?q={text}").location == HERE
    collecting.sweep(means)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        told = news.every(session, states=[], before=None, limit=50)
    assert told
    for each in told:
        where = dana.get(f"/operator/find?q={ids.public('news', each.news_id)}").location or ""
        assert dana.get(where).status_code == 200


def test_what_the_provider_holds_stands_beside_our_clearing_account(
    dana: Browser,  # noqa: F811
    means: TestServices,  # noqa: F811
    standin: Server,  # noqa: F811
    differing: str,
) -> None:
    assert "What the provider holds for us" not in dana.get(HERE).text
    standin.control("mislay", {"minor": "7"})
    compare(means)  # type: ignore[arg-type] # it has what is needed
    page = dana.get(HERE).text
    well_made(page)
    held = page[page.index("What the provider holds for us") : page.index("Differences</h2>")]
    for said in ("£171.19", "£342.31", "−£0.07"):  # ours and known, theirs, unexplained
        assert said in held, said
    assert "More or less than the lines explain" in page
    standin.control("mislay", {"minor": "0"})
    compare(means)  # type: ignore[arg-type] # it has what is needed
    page = dana.get(HERE).text
    assert "nothing" in page[page.index("What the provider holds for us") : page.index("Differences</h2>")]
    assert "More or less than the lines explain" not in page


def test_who_may_only_read_decides_nothing(
    alice: Browser,
    dana: Browser,  # noqa: F811
    differing: str,
    means: TestServices,  # noqa: F811
) -> None:
    compare(means)  # type: ignore[arg-type] # it has what is needed
    one = re.search(r"/operator/reconciliation/dif_[0-9a-z]+", dana.get(HERE).text)
    assert one
    assert alice.get(HERE).status_code == 403
    assert alice.post(f"{one[0]}/decide", {"standing": "settled", "reason": "x"}).status_code == 403


def test_the_page_speaks_chinese(dana: Browser, means: TestServices, differing: str) -> None:  # noqa: F811
    compare(means)  # type: ignore[arg-type] # it has what is needed
    dana.post("/language", {"language": "zh_Hans_CN", "next": HERE})
    page = dana.get(HERE).text
    well_made(page)
    assert "我方账簿中缺失" in page


def test_the_command_compares_and_says_what_is_open(
    means: TestServices,  # noqa: F811
    differing: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "assemble", lambda **_: House(**vars(means)))
    assert CliRunner().invoke(commands.main, ["reconcile"]).exit_code == 0
    with clock.hold(clock.now() + dt.timedelta(hours=2)):
        answer = CliRunner().invoke(commands.main, ["reconcile"])
    assert answer.exit_code == 1
    assert "missing-here" in answer.output
    assert "2 lines compared, 1 differ; 1 differences are open" in answer.output
