"""Who did what, as the company sees it: the page, the files, and the check that needs nothing of ours."""

import base64
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from core import clock, ids
from core.ids import OPERATOR, TenantId
from security import evidence
from security.evidence import Signer
from security.gate import Gate, Scope
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from web import words
from web.cli import commands
from web.shown.evidence import NOUNS

ROOMS = ("billing", "campaigns", "customers", "seats", "telephony", "tenants", "web", "wiring", "workers")


def seal(gate: Gate, tenant_id: TenantId, signer: Signer) -> str:
    with gate.open(Scope.system(tenant_id)) as session:
        made = evidence.seal(session, tenant_id=tenant_id, signer=signer, at=clock.now())
    assert made is not None
    return made.note


def test_a_deed_stands_on_the_page_with_who_did_it(alice: Browser) -> None:
    alice.post("/portal/developers/keys", {"name": "books", "scopes": "calls.read"})
    page = alice.get("/portal/evidence").text
    assert "Made an API key" in page
    assert "Signed in" in page
    assert "Alice" in page
    assert "Nothing is signed yet" in page
    assert "Made an API key" not in alice.get("/portal/evidence?what=session.").text


def test_another_company_sees_nothing_of_it(alice: Browser, browser: Browsers, cast: Cast) -> None:
    alice.post("/portal/developers/keys", {"name": "books", "scopes": "calls.read"})
    other = browser()
    other.sign_in(cast.charlie.email)
    assert "Made an API key" not in other.get("/portal/evidence").text
    assert ids.public("usr", cast.alice.id) not in other.get("/portal/evidence/log").text


def test_log_is_turned_page_by_page(alice: Browser, gate: Gate, cast: Cast) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        for _ in range(60):
            evidence.record(session, "company.changed", "ten", cast.a.tenant_id)
    path, seen = "/portal/evidence", 0
    while True:
        page = alice.get(path).text
        seen += page.count("Changed the company’s settings")
        onward = re.search(r'id="table-evidence-next" href="([^"]+)"', page)
        if onward is None:
            break
        path = onward.group(1).replace("&amp;", "&")
    assert seen == 60
    assert 'id="table-evidence-prev"' in page


def test_downloaded_log_is_checked_offline(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices, tmp_path: Path
) -> None:
    """The walk: keep a checkpoint, do something, download the log, check it without Seatline."""
    assert alice.get("/portal/evidence/checkpoint").status_code == 404
    seal(gate, cast.a.tenant_id, services.signer)
    kept = alice.get("/portal/evidence/checkpoint").text
    alice.post("/portal/developers/keys", {"name": "books", "scopes": "calls.read"})
    seal(gate, cast.a.tenant_id, services.signer)
    log, since = tmp_path / "log.jsonl", tmp_path / "checkpoint.txt"
    log.write_text(alice.get("/portal/evidence/log").text, encoding="utf-8")
    since.write_text(kept, encoding="utf-8")
    key = base64.b64encode(services.signer.public_key).decode()
    check = ["audit", "verify", str(log), "--since", str(since)]
    good = CliRunner().invoke(commands.main, [*check, "--key", key])
    assert good.exit_code == 0, good.output
    assert "entries hold together; 2 checkpoints" in good.output
    assert "the key was the file's own" in CliRunner().invoke(commands.main, check).output
    log.write_text(log.read_text(encoding="utf-8").replace("session.started", "session.stirred"))
    bad = CliRunner().invoke(commands.main, [*check, "--key", key])
    assert bad.exit_code == 1
    assert "evidence-broken: an entry before" in bad.output


@pytest.mark.parametrize("key", ["x", "AAAA", ""])
def test_key_that_is_none_is_refused_in_words(tmp_path: Path, key: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    answer = CliRunner().invoke(commands.main, ["audit", "verify", str(log), "--key", key])
    assert answer.exit_code == 1
    assert "--key takes the 32 bytes" in answer.output


def test_a_program_reads_and_checks_the_log(
    program: Programs, cast: Cast, gate: Gate, services: TestServices
) -> None:
    ours = program(cast.a)
    assert ours.get("/evidence/checkpoint").status_code == 404
    seal(gate, cast.a.tenant_id, services.signer)
    first = ours.get("/evidence?limit=1").get_json()
    rest = ours.get(f"/evidence?starting_after={first['next']}").get_json()["data"]
    numbers = [one["number"] for one in [*first["data"], *rest]]
    assert numbers == list(reversed(range(len(numbers))))
    assert {"access.key-made", "user.added"} <= {one["action"] for one in [*first["data"], *rest]}
    kept = ours.get("/evidence/checkpoint").get_json()
    log = ours.get("/evidence/log").text.splitlines()
    key = base64.b64decode(kept["public_key"])
    assert evidence.verify(log, public_key=key, kept=kept["note"]).size == len(numbers)


def test_operator_reads_its_own_log_only(
    people: People, browser: Browsers, alice: Browser, cast: Cast
) -> None:
    people.operator()
    dana = people.user(OPERATOR, "Dana", "operator_billing")
    staff = browser()
    staff.sign_in(dana.email)
    page = staff.get("/operator/evidence").text
    assert "Dana" in page
    assert "Alice" not in page
    first = json.loads(staff.get("/operator/evidence/log").text.splitlines()[0])
    assert first["tenant"] == ids.public("ten", OPERATOR)


def test_whoever_may_not_read_the_log_does_not(browser: Browsers, people: People, cast: Cast) -> None:
    anna = people.user(cast.a.tenant_id, "Anna", "tenant_analyst")
    page = browser()
    page.sign_in(anna.email)
    for path in ("", "/log", "/checkpoint"):
        assert page.get(f"/portal/evidence{path}").status_code == 403


def test_every_action_has_its_words() -> None:
    root = Path(__file__).parents[2]
    said = {
        action
        for room in ROOMS
        for file in (root / room).rglob("*.py")
        if "node_modules" not in file.parts
        for call in re.findall(r"evidence\.record\((.*?)\)\n", file.read_text(encoding="utf-8"), re.DOTALL)
        for action in re.findall(r'"([a-z-]+\.[a-z-]+)"', call)
    }
    assert len(said) > 20
    assert said <= words.ACTIONS.keys()
    assert {action.partition(".")[0] + "." for action in words.ACTIONS} <= NOUNS.keys()
