import base64
import json
import re
from types import SimpleNamespace
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from core import ids, long_jobs
from core.ids import OPERATOR
from core.long_jobs import JobState
from security.gate import Gate, Scope
from security.keys import EnvironmentRootKey
from security.keystore import Keystore
from security.vault import Vault
from telephony import queues
from tenants import users
from tests.tenants.people import PASSWORD, People
from tests.web.conftest import TestServices
from web.account import signing
from web.cli import commands


class House(TestServices):
    """The test's parts as a command assembles them."""

    def close(self) -> None:
        """The fixtures close what they opened."""


class Run(Protocol):
    """Runs a command; `said` is what is typed at its questions."""

    def __call__(self, *words: str, said: str = "") -> Result: ...


@pytest.fixture
def run(services: TestServices, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(commands, "assemble", lambda **_: House(**vars(services)))

    def call(*words: str, said: str = "") -> Result:
        return CliRunner().invoke(commands.main, words, input=said)

    return call


def test_the_walls_stand_after_the_migrations(run: Run) -> None:
    answer = run("db", "check")
    found = [line for line in answer.output.splitlines() if "below security floor" not in line]
    assert found in (["the walls stand"], ["1 violations"])


def test_somebody_added_by_hand_signs_in(
    run: Run, people: People, services: TestServices, vault: Vault, gate: Gate
) -> None:
    people.operator()
    answer = run(
        *("user", "add", "--email", "dana@op.example", "--name", "Dana", "--role", "operator_billing"),
        said=f"{PASSWORD}\n",
    )
    assert answer.exit_code == 0, answer.output
    assert signing.sign_in(services, email="dana@op.example", password=PASSWORD, address="127.0.0.1")
    listed = run("user", "list").output
    assert answer.output.strip() in listed
    assert "Dana" not in listed


def test_an_operator_opens_once_and_only_then_has_staff(run: Run, services: TestServices) -> None:
    dana = ("user", "add", "--email", "dana@op.example", "--name", "Dana", "--role", "operator_billing")
    early = run(*dana, said=f"{PASSWORD}\n")
    assert early.exit_code == 1
    assert "seatline open" in early.output
    opens = ("open", "--name", "Big Op", "--country", "GB", "--zone", "Europe/London", "--currency", "GBP")
    wrong = run(*opens[:-1], "pounds")
    assert wrong.exit_code == 1
    assert "malformed-setting" in wrong.output
    assert run(*opens).exit_code == 0
    assert run(*dana, said=f"{PASSWORD}\n").exit_code == 0
    entered = signing.sign_in(services, email="dana@op.example", password=PASSWORD, address="127.0.0.1")
    assert entered
    again = run(*opens)
    assert again.exit_code == 1
    assert "open already" in again.output


def test_a_companys_key_is_replaced_by_a_job_and_none_is_shown(
    run: Run, people: People, gate: Gate, keystore: Keystore
) -> None:
    people.operator()
    tenant_id = people.company("Pelican Parcel").tenant_id
    alice = people.user(tenant_id, "Alice", "tenant_owner")
    company = ids.public("ten", tenant_id)
    answer = run("keys", "rotate", "--company", company, "pii")
    assert answer.output.startswith("started: job_"), answer.output
    with gate.open(Scope.system(OPERATOR)) as session:
        found = long_jobs.latest_of(session, kind="keys.rotate", company_id=tenant_id)
    assert found
    assert found.state is JobState.WAITING
    listed = run("keys", "list", "--company", company).output
    assert re.search(r"^pii +v1 +active .* seals 2$", listed, re.MULTILINE), (
        listed
    )  # her name and her address
    key = keystore.active(tenant_id, "pii").key
    assert key.hex() not in listed
    assert alice.email not in listed


def test_a_root_key_that_lies_in_no_file_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    held = EnvironmentRootKey(base64.b64encode(bytes(32)).decode(), environment="test")
    monkeypatch.setattr(commands, "assemble", lambda **_: SimpleNamespace(root_key=held, close=lambda: None))
    answer = CliRunner().invoke(commands.main, ["keys", "rotate-root"])
    assert answer.exit_code == 1
    assert "does not lie in a file" in answer.output


def test_a_company_without_such_a_key_is_told_so(run: Run, people: People) -> None:
    people.operator()
    company = ids.public("ten", people.company("Quiet Ltd").tenant_id)
    answer = run("keys", "rotate", "--company", company, "integration")
    assert answer.exit_code == 1
    assert "key-state" in answer.output


def test_a_weak_password_is_said_in_words(run: Run, people: People) -> None:
    people.operator()
    answer = run(
        *("user", "add", "--email", "dana@op.example", "--name", "Dana", "--role", "operator_billing"),
        said="short\n",
    )
    assert answer.exit_code == 1
    assert "weak-password" in answer.output
    assert "Traceback" not in answer.output


def test_disabling_somebody_ends_their_sessions(
    run: Run, people: People, services: TestServices, gate: Gate
) -> None:
    people.operator()
    dana = people.user(OPERATOR, "Dana", "operator_billing")
    signing.sign_in(services, email=dana.email, password=PASSWORD, address="127.0.0.1")
    answer = run("user", "disable", ids.public("usr", dana.id))
    assert answer.output.strip() == "disabled; 1 sessions ended"
    with gate.open(Scope.system(OPERATOR)) as session:
        credential = users.credential(session, tenant_id=OPERATOR, user_id=dana.id)
    assert credential is not None
    assert not credential.is_active


def test_an_unknown_company_is_said_in_words(run: Run) -> None:
    answer = run("user", "list", "--company", "ten_nonsense")
    assert answer.exit_code == 1
    assert "not-found" in answer.output


def test_every_line_is_priced_in_order_and_a_bad_one_stops_nothing() -> None:
    lines = ['{"kind":"billed","duration_s":32,"initial_s":30,"increment_s":6}', "nonsense"]
    answer = CliRunner().invoke(commands.main, ["price"], input="\n".join([*lines, lines[0]]))
    good, bad, again = answer.output.splitlines()
    assert good == again == '{"billed_s":36}'
    assert json.loads(bad)["error"]["code"] == "json-invalid"
    assert answer.exit_code == 1
    assert CliRunner().invoke(commands.main, ["price"], input=lines[0]).exit_code == 0


def test_the_document_needs_neither_settings_nor_servers() -> None:
    answer = CliRunner().invoke(commands.main, ["openapi"])
    assert json.loads(answer.output)["openapi"] == "3.1.0"


def test_the_traffic_models_are_tried_on_a_made_up_day_where_there_was_none(
    run: Run, people: People, gate: Gate
) -> None:
    company = people.company()
    with gate.open(Scope.system(company.tenant_id)) as session:
        for name in ("Deliveries", "Returns"):
            queues.open_queue(session, tenant_id=company.tenant_id, name=name)
    words = ("try-routing", ids.public("ten", company.tenant_id))
    assert "say --seats" in run(*words).output
    answer = run(*words, "--seats", "12")
    assert answer.exit_code == 0, answer.output
    assert "no calls in the last 7 days" in answer.output
    arms = [line.split()[0] for line in answer.output.splitlines() if line[:5] in {"brand", "value", "poole"}]
    assert arms == ["brand", "brand-region-fixed", "brand-region-progressive", "value", "pooled"]
