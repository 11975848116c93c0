"""The customers' pages: masked, found without leaving a trace in the address, edited by two at once."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from core import clock, ids
from core.phone import E164
from customers import do_not_call, records
from security.gate import Gate, Scope
from security.vault import Vault
from tests.customers import factory
from tests.web.conftest import Browser, Browsers, Cast, found
from tests.web.scene import NOW, Scene

LIST = "/portal/customers"
SECRETS = ("Ines", "Carvalho", "900471", "900 471", "ines@", "4AP", "Mill Lane")


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def path(day: Scene) -> str:
    return f"{LIST}/{ids.public('cus', day.ines.id)}"


def enter(browser: Browsers, email: str) -> Browser:
    made = browser()
    made.sign_in(email)
    return made


def form(page: str) -> dict[str, str]:
    return {
        "revision": found(r'name="revision" value="(\d+)"', page),
        "name": "Ines Carvalho",
        "phone": "+44 7700 900471",
        "email": "ines@carvalho.example",
        "postcode": "LS1 4AP",
        "notes": "Gate B on Mill Lane.",
    }


def test_list_and_record_show_nothing_in_clear(alice: Browser, day: Scene, path: str) -> None:
    for page in (alice.get(LIST).text, alice.get(path).text):
        assert "I. C." in page
        for secret in SECRETS:
            assert secret not in page


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("07700 900471", 1),
        ("+44 7700 900472", 0),
        ("carv", 1),
        ("INES c", 1),
        ("Chen", 0),
        ("0471", 1),
        (" 0472", 0),
    ],
)
def test_a_customer_is_found_by_number_its_ending_or_part_of_a_name(
    alice: Browser, day: Scene, asked: str, count: int
) -> None:
    answer = alice.post(f"{LIST}/find", {"find": asked})
    assert answer.status_code == 303
    for secret in (*SECRETS, "carv", "900472", "=0471"):
        assert secret not in answer.location
    page = alice.get(answer.location).text
    assert len(re.findall(rf'href="{LIST}/cus_', page)) == count


def test_a_part_of_a_number_is_no_number(alice: Browser, day: Scene) -> None:
    answer = alice.post(f"{LIST}/find", {"find": "471"})
    assert "That is not a telephone number" in alice.get(answer.location).text


def test_a_sealed_name_is_not_read_as_a_number_nor_a_number_as_a_name(alice: Browser) -> None:
    for asked, mine, other in (
        ("07700 900471", "phone", "name"),
        ("Ines", "name", "phone"),
        ("0471", "ending", "name"),
    ):
        sealed = alice.post(f"{LIST}/find", {"find": asked}).location
        assert f"?{mine}=" in sealed
        moved = alice.get(sealed.replace(f"?{mine}=", f"?{other}="))
        assert moved.status_code == 200
        assert "Filters in force" in alice.get(sealed).text
        assert "Filters in force" not in moved.text


def test_pages_of_customers_lead_forth_and_back(
    alice: Browser, cast: Cast, gate: Gate, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for last in "23456":
        factory.stored(gate, vault, cast.a.tenant_id, phone=E164(f"+44770090080{last}"))
    monkeypatch.setattr("web.tables.SIZE", 2)
    page, seen = alice.get(f"{LIST}?sort=added").text, []
    while True:
        seen += re.findall(rf'href="{LIST}/(cus_\w+)"', page)
        if 'rel="next"' not in page:
            break
        page = alice.get(found(r'href="([^"]+)" rel="next"', page).replace("&amp;", "&")).text
    assert len(seen) == 5
    assert seen == sorted(seen)
    back = alice.get(found(r'href="([^"]+)" rel="prev"', page).replace("&amp;", "&")).text
    assert re.findall(rf'href="{LIST}/(cus_\w+)"', back) == seen[2:4]


def test_who_looks_behind_a_mask_stands_in_the_record(alice: Browser, day: Scene, path: str) -> None:
    assert alice.post(f"{path}/reveal/phone").get_json() == {"value": "+44 7700 900471"}
    assert alice.post(f"{path}/reveal/notes").get_json() == {"value": "Gate B on Mill Lane."}
    assert alice.post(f"{path}/reveal/password_hash").status_code == 404
    page = alice.get(path).text
    assert page.count('<span class="grow">Alice</span>') == 2


def test_opening_the_form_is_a_look_at_everything(alice: Browser, day: Scene, path: str) -> None:
    page = alice.post(f"{path}/edit").text
    assert 'value="Ines Carvalho"' in page
    assert alice.get(path).text.count('<span class="grow">Alice</span>') == 5


def test_two_browsers_edit_one_customer_and_nothing_is_lost(
    browser: Browsers, cast: Cast, day: Scene, path: str, gate: Gate, vault: Vault
) -> None:
    alice, sue = enter(browser, cast.alice.email), enter(browser, cast.sue.email)
    hers, mine = form(alice.post(f"{path}/edit").text), form(sue.post(f"{path}/edit").text)
    assert alice.post(path, hers | {"postcode": "LS2 9JT"}).status_code == 303
    answer = sue.post(path, mine | {"notes": "Gate C.\r\nRing twice."})
    assert answer.status_code == 409
    for words in ("LS2 9JT", "LS1 4AP", "Gate C.", "Gate B on Mill Lane.", "Keep what is saved"):
        assert words in answer.text
    chosen = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', answer.text))
    chosen |= {"notes-side": "yours", "postcode-side": "theirs"}
    assert sue.post(path, chosen).status_code == 303
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        card = records.get(session, tenant_id=cast.a.tenant_id, vault=vault, customer_id=day.ines.id)
    assert (card.notes, card.postcode, card.name) == ("Gate C.\nRing twice.", "LS2 9JT", "Ines Carvalho")


def test_a_third_save_in_between_is_met_again(browser: Browsers, cast: Cast, day: Scene, path: str) -> None:
    alice, sue = enter(browser, cast.alice.email), enter(browser, cast.sue.email)
    opened = form(sue.post(f"{path}/edit").text)
    alice.post(path, form(alice.post(f"{path}/edit").text) | {"name": "Ines Prado"})
    first = sue.post(path, opened | {"name": "Ines C."})
    alice.post(path, form(alice.post(f"{path}/edit").text) | {"name": "Ines Prado-Carvalho"})
    chosen = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', first.text))
    second = sue.post(path, chosen | {"name-side": "yours"})
    assert second.status_code == 409
    assert "Ines Prado-Carvalho" in second.text
    assert "Ines C." in second.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"phone": "none"}, "That is not a telephone number"),
        ({"name": " "}, "This is empty or too long"),
        ({"phone": "+44 7700 900472"}, "Another customer has this number"),
    ],
)
def test_what_cannot_be_is_said_and_the_form_keeps_what_was_typed(
    alice: Browser, cast: Cast, day: Scene, path: str, gate: Gate, vault: Vault,
    wrong: dict[str, str], said: str,
) -> None:  # fmt: skip
    factory.stored(gate, vault, cast.a.tenant_id, name="Chen", phone=factory.CHEN)
    answer = alice.post(path, form(alice.post(f"{path}/edit").text) | {"notes": "Kept."} | wrong)
    assert answer.status_code == 422
    assert said in answer.text
    assert "Kept.</textarea>" in answer.text


def test_a_new_customer_is_kept_once(alice: Browser) -> None:
    new = {"name": "Tom", "phone": "+44 7700 900480", "email": "", "postcode": "", "notes": ""}
    assert alice.post(LIST, new).status_code == 303
    again = alice.post(LIST, new)
    assert again.status_code == 422
    assert "Another customer has this number" in again.text


def test_the_do_not_call_switch_holds_and_is_taken_back(
    alice: Browser, cast: Cast, day: Scene, path: str, gate: Gate, vault: Vault
) -> None:
    def is_listed() -> bool:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            return do_not_call.is_listed(
                session, tenant_id=cast.a.tenant_id, vault=vault, phone=day.ines.phone
            )

    page = alice.get(alice.post(f"{path}/do-not-call", {"barred": "1"}).location).text
    assert is_listed()
    assert "do not call" in page
    undo = found(
        rf'action="({path}/do-not-call)"><input[^>]*><input type="hidden" name="barred" value="0">', page
    )
    alice.post(undo, {"barred": "0"})
    assert not is_listed()


def test_roles_and_companies_see_their_own(browser: Browsers, cast: Cast, day: Scene, path: str) -> None:
    ann, charlie = enter(browser, cast.ann.email), enter(browser, cast.charlie.email)
    assert ann.get(LIST).status_code == 403
    assert charlie.get(path).status_code == 404
    assert charlie.post(path, {"revision": "1"}).status_code == 404
    assert charlie.post(f"{path}/reveal/phone").status_code == 404
    assert "I. C." not in charlie.get(LIST).text


def test_a_record_tells_when_it_was_added(alice: Browser, day: Scene, path: str) -> None:
    assert day.ines.created_at.tzinfo is dt.UTC
    assert "19 Nov 2026" in alice.get(path).text


CONSENT = {
    "word": "given",
    "purpose": "marketing",
    "channel": "paper",
    "said_at": "2026-11-18T10:30",
    "basis": "fair in Leeds, card 12",
    "proof": "binder 4",
}


def test_consent_is_written_down_with_its_proof_and_a_withdrawal_counts(alice: Browser, path: str) -> None:
    assert "nothing said" in alice.get(path).text
    assert alice.post(f"{path}/consents", CONSENT).status_code == 303
    page = alice.get(path).text
    for part in ("Offers and advertising", "On paper", "fair in Leeds, card 12", "Proof: binder 4", "10:30"):
        assert part in page
    alice.post(f"{path}/consents", CONSENT | {"word": "withdrawn", "purpose": "survey", "said_at": ""})
    page = alice.get(path).text
    assert re.search(r'id="cu-consent".{0,300}withdrawn', page, re.DOTALL)
    assert page.index("Surveys") < page.index("Offers and advertising")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"basis": " "}, "Say where and how"),
        ({"basis": "x" * 201}, "Say where and how"),
        ({"proof": "x" * 2_001}, "This is longer than 2000 signs"),
        ({"said_at": "2027-01-01T10:00"}, "it cannot be in the future"),
        ({"said_at": "yesterday"}, "it cannot be in the future"),
        ({"purpose": "fun"}, "Choose from the list"),
    ],
)
def test_a_consent_that_cannot_be_keeps_what_was_typed(
    alice: Browser, path: str, wrong: dict[str, str], said: str
) -> None:
    answer = alice.post(f"{path}/consents", CONSENT | wrong)
    assert answer.status_code == 422
    assert said in answer.text
    assert re.search(r'<dialog class="dialog" id="consent"[^>]* data-open', answer.text)
    assert "binder 4" in answer.text or "proof" in wrong
    assert "nothing said" in alice.get(path).text


def test_a_number_is_taken_off_the_list_with_a_reason(alice: Browser, path: str) -> None:
    alice.post(f"{path}/do-not-call", {"barred": "1"})
    assert alice.post(f"{path}/do-not-call", {"barred": "0", "why": "boredom"}).status_code == 422
    alice.post(f"{path}/do-not-call", {"barred": "0", "why": "holder-asked"})
    assert "may be called" in alice.get(path).text
    assert "Its holder wants to be called again" in alice.get("/portal/do-not-call").text
