"""An archive of everything: asked for by an owner who has just signed in, fetched, and gone."""

import datetime as dt
import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyrage import x25519

from core import clock, ids
from security.gate import Gate, Scope
from tenants import exports
from tenants.events import CompanyExportAsked
from tests.customers import factory as customers
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from web.cli.commands import main
from wiring import exporting

MINE = x25519.Identity.generate()
KEY = str(MINE.to_public())
WORDS = "a heron stands in the reeds"


def made(gate: Gate, cast: Cast, services: TestServices) -> str:
    """Make the newest export; return its public id."""
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (found,) = exports.newest(session, tenant_id=cast.a.tenant_id, limit=1)
    event = CompanyExportAsked(tenant_id=cast.a.tenant_id, export_id=found.export_id)
    assert exporting.run(services, event) is None
    return ids.public("exp", found.export_id)


def test_an_owner_asks_waits_fetches_opens_and_removes(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices, tmp_path: Path
) -> None:
    customers.stored(gate, services.vault, cast.a.tenant_id)
    assert "No archives" in alice.get("/portal/exports").text
    given = {"how": "passphrase", "passphrase": WORDS, "again": WORDS}
    assert alice.post("/portal/exports", given).location == "/portal/exports"
    page = alice.get("/portal/exports").text
    assert "under way" in page
    assert "Make an archive" not in page
    assert alice.post("/portal/exports", given).status_code == 409
    export_id = made(gate, cast, services)
    page = alice.get("/portal/exports").text
    (path,) = re.findall(r'href="(/portal/exports/exp_\w+/archive)"', page)
    answer = alice.get(path)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{export_id}.tar"'
    (tmp_path / "it.tar").write_bytes(answer.data)
    half = alice.get(path, headers={"Range": "bytes=1000-"})
    assert (half.status_code, half.data) == (206, answer.data[1000:])
    assert alice.get(path, headers={"Range": "bytes=99999999-"}).status_code == 416
    opened = CliRunner().invoke(
        main, ["export", "open", str(tmp_path / "it.tar"), "--to", str(tmp_path / "out")], input=WORDS
    )
    assert opened.exit_code == 0, opened.output
    assert "entries of evidence hold together" in opened.output
    assert "Ines Carvalho" in next((tmp_path / "out" / "tables").glob("customers-*")).read_text()
    log = CliRunner().invoke(main, ["audit", "verify", str(tmp_path / "out" / "evidence.jsonl")])
    assert log.exit_code == 0, log.output
    assert CliRunner().invoke(main, ["export", "verify", str(tmp_path / "out")]).exit_code == 0
    (tmp_path / "out" / "evidence.jsonl").unlink()
    broken = CliRunner().invoke(main, ["export", "verify", str(tmp_path / "out")])
    assert (broken.exit_code, "evidence.jsonl is missing or was changed" in broken.output) == (1, True)
    story = alice.get("/portal/evidence").text
    assert "Asked for an export of everything" in story
    assert "Fetched an export" in story
    assert alice.post(f"/portal/exports/{export_id}/remove").location == "/portal/exports"
    assert alice.get(path).status_code == 404
    assert "removed" in alice.get("/portal/exports").text


def test_a_wrong_passphrase_is_said_and_nothing_is_left(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices, tmp_path: Path
) -> None:
    alice.post("/portal/exports", {"how": "key", "recipient": KEY})
    export_id = made(gate, cast, services)
    (tmp_path / "it.tar").write_bytes(alice.get(f"/portal/exports/{export_id}/archive").data)
    wrong = CliRunner().invoke(
        main, ["export", "open", str(tmp_path / "it.tar"), "--to", str(tmp_path / "out")], input="no"
    )
    assert (wrong.exit_code, "wrong-key" in wrong.output) == (1, True)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "key").write_text(f"{MINE}\n")
    named = ["export", "open", str(tmp_path / "it.tar"), "--identity", str(tmp_path / "key")]
    assert CliRunner().invoke(main, [*named, "--to", str(tmp_path / "out")]).exit_code == 0
    again = CliRunner().invoke(main, [*named, "--to", str(tmp_path / "out")])
    assert (again.exit_code, "is not empty" in again.output) == (1, True)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"how": "passphrase", "passphrase": WORDS, "again": "another"}, "The two passphrases differ"),
        ({"how": "passphrase", "passphrase": "short", "again": "short"}, "Use at least 15 signs"),
        ({"how": "key", "recipient": "age1no"}, "This is no public key"),
        ({"how": "key", "recipient": ""}, "This is no public key"),
        ({}, "Use at least 15 signs"),
    ],
)
def test_what_cannot_be_sealed_to_is_said(alice: Browser, given: dict[str, str], problem: str) -> None:
    answer = alice.post("/portal/exports", given)
    assert answer.status_code == 422
    assert problem in answer.text


def test_a_screen_left_unlocked_exports_nothing(alice: Browser) -> None:
    with clock.hold(clock.now() + dt.timedelta(minutes=16)):
        assert "Sign out and in again" in alice.get("/portal/exports").text
        answer = alice.post("/portal/exports", {"how": "key", "recipient": KEY})
        assert answer.status_code == 403
        assert "Please sign in again" in answer.text


def test_only_an_owner_takes_the_companys_data(
    alice: Browser, browser: Browsers, gate: Gate, cast: Cast, services: TestServices, program: Programs
) -> None:
    alice.post("/portal/exports", {"how": "key", "recipient": KEY})
    export_id = made(gate, cast, services)
    sue = browser()
    sue.sign_in(cast.sue.email)
    for path in ("/portal/exports", f"/portal/exports/{export_id}/archive"):
        assert sue.get(path).status_code == 403
    assert sue.post("/portal/exports", {"how": "key", "recipient": KEY}).status_code == 403
    admin = program(cast.a, "privacy.read", "privacy.write")
    assert admin.get(f"/exports/{export_id}/archive").status_code == 403
    assert program(cast.b).get(f"/exports/{export_id}/archive").status_code == 404


def test_programs_ask_look_fetch_and_remove(
    gate: Gate, cast: Cast, program: Programs, services: TestServices, tmp_path: Path
) -> None:
    mine = program(cast.a)
    assert mine.post("/exports", {"recipient": "age1no"}).get_json()["code"] == "export-asked"
    asked = mine.post("/exports", {"recipient": KEY})
    assert (asked.status_code, asked.get_json()["state"]) == (202, "running")
    export_id = asked.get_json()["id"]
    assert mine.get(f"/exports/{export_id}/archive").status_code == 404
    assert mine.post("/exports", {"recipient": KEY}).get_json()["code"] == "export-under-way"
    made(gate, cast, services)
    shown = mine.get(f"/exports/{export_id}").get_json()
    assert (shown["state"], shown["done"] > 0, shown["gone_why"]) == ("ready", True, None)
    tar = mine.get(f"/exports/{export_id}/archive").data
    opened = exporting.open_archive(io.BytesIO(tar), tmp_path / "out", identity=str(MINE))
    assert opened.manifest["company"] == ids.public("ten", cast.a.tenant_id)
    assert mine.post(f"/exports/{export_id}/remove").status_code == 204
    assert mine.post(f"/exports/{export_id}/remove").status_code == 204
    assert mine.get("/exports").get_json()["data"][0]["gone_why"] == "removed"
