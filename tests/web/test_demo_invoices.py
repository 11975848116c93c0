"""The demo's closed month: checked by the README's own commands, and found on the pages."""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.documents import en16931
from core import clock
from core.config import Settings
from core.realtime import Realtime
from launch.choices import CHECKOUT
from security.keys import FileRootKey
from tests.web.conftest import Browser
from web import create_app
from web.cli import commands
from wiring import assemble
from wiring.assemble import House
from wiring.demo import SignIn, seed

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
PROGRAM = ".venv/bin/seatline "
NUMBER = re.compile(r"SL-\d{4}-\d{6}")


@dataclass(frozen=True)
class Demo:
    """A demo, and what it takes to use it."""

    house: House
    people: Sequence[SignIn]

    def browser(self, email: str) -> Browser:
        page = Browser(create_app(self.house).test_client())
        password = next(one.password for one in self.people if one.email == email)
        assert page.sign_in(email, password).status_code == 303
        return page


@pytest.fixture
def demo(settings: Settings, root_key: FileRootKey, realtime: Realtime) -> Iterator[Demo]:
    people = seed(settings)
    house = assemble(settings, process="pages")
    yield Demo(house, people)
    house.close()


def commands_of_readme() -> list[str]:
    section = README.partition("\n## Check an invoice\n")[2].partition("\n## ")[0]
    block = section.split("```")[1]
    return [line.partition("#")[0].strip() for line in block.strip().splitlines()]


def obey(command: str, folder: Path) -> str:
    """Run one line as a shell would, in a folder, and return what it says."""
    said, _, into = command.partition(" > ")
    assert said.startswith(PROGRAM)
    words = [str(folder / word) if word.endswith(".jsonl") else word for word in said[len(PROGRAM) :].split()]
    answer = CliRunner().invoke(commands.main, words)
    assert answer.exit_code == 0, answer.output
    if into:
        (folder / into.strip()).write_text(answer.stdout, encoding="utf-8")
    return answer.stdout


def test_a_newcomer_checks_an_invoice_by_the_commands_of_the_readme(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "assemble", lambda **_: assemble(demo.house.settings, process="cli"))
    lists, proves, verifies = commands_of_readme()
    listed = obey(lists, tmp_path).splitlines()
    assert len(listed) == 2
    assert any("Pelican Parcel" in line for line in listed)
    for line in listed:
        number = line.split()[0]
        obey(NUMBER.sub(number, proves), tmp_path)
        said = obey(verifies, tmp_path)
        assert said.startswith(f"{number}: ")
        assert "every amount worked out again is the same" in said
    proof = tmp_path / "proof.jsonl"
    text = proof.read_text(encoding="utf-8")
    one_more = re.sub(r'(?<="amount_nano": )\d+', lambda said: str(int(said[0]) + 1), text, count=1)
    proof.write_text(one_more, encoding="utf-8")
    changed = CliRunner().invoke(commands.main, ["verify", str(proof)])
    assert changed.exit_code == 1
    assert "is not the record that was signed" in changed.output


def test_an_invoice_that_is_not_there_is_said_in_words(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "assemble", lambda **_: assemble(demo.house.settings, process="cli"))
    answer = CliRunner().invoke(commands.main, ["invoice", "proof", "SL-1999-000001"])
    assert answer.exit_code == 1
    assert "no invoice SL-1999-000001" in answer.output


@pytest.mark.timeout(180)
def test_it_stands_on_the_pages_with_all_that_can_be_done_with_it(demo: Demo) -> None:
    alice = demo.browser("alice@pelican.example")
    (invoice,) = set(re.findall(r"/portal/invoices/inv_[0-9a-z]+", alice.get("/portal/invoices").text))
    page = alice.get(invoice).text
    for words in ("Calls in", "Calls out", "Seats", "Agents", "Freephone", "Dispute a line", "verify"):
        assert words in page, words
    assert alice.get(f"{invoice}/pdf").data.startswith(b"%PDF")
    assert en16931.problems(alice.get(f"{invoice}/xml").data) == ()
    assert alice.get(f"{invoice}/csv", buffered=True).data.count(b"demo") > 20
    assert alice.get(f"{invoice}/dispute").status_code == 200
    assert alice.get("/portal/what-if?seats=hour").status_code == 200
    lines = sorted(set(re.findall(rf"{invoice}/lines/\d+", page)))
    assert len(lines) >= 6
    for line in lines:
        behind = alice.get(line).text
        assert "rounded sum of these exact amounts" in behind, line
        for further in re.findall(r'href="([^"]+after=[^"]+)"', behind):
            assert alice.get(further).status_code == 200
    dana = demo.browser("dana@seatline.example")
    assert NUMBER.search(dana.get("/operator/invoices?state=open").text)


def test_nothing_is_invoiced_twice_by_a_second_start(demo: Demo) -> None:
    assert seed(demo.house.settings) == []
    alice = demo.browser("alice@pelican.example")
    assert len(set(re.findall(r"/portal/invoices/inv_[0-9a-z]+", alice.get("/portal/invoices").text))) == 1


def test_what_is_charged_of_the_present_month_goes_on_from_there(demo: Demo) -> None:
    with clock.hold(clock.now() + dt.timedelta(days=1)):
        alice = demo.browser("alice@pelican.example")
        assert "Seats" in alice.get("/portal/invoices/preview").text
