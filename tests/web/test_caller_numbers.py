"""Numbers held elsewhere on both sides' pages and by programs: asked, told, proven, decided, withdrawn."""

import io
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from core import clock, ids
from core.ids import OPERATOR, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers
from tenants.companies import Company
from tests.factories import telephony
from tests.factories.telephony import ELSEWHERE, PAPER
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs, told
from tests.web.scene import NOW, staff
from wiring import proving

HERE = "/portal/caller-numbers"
NUMBER = "+44 20 7946 0187"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def line(gate: Gate, cast: Cast) -> telephony.Line:
    return telephony.line(gate, cast.a.tenant_id)


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def omar(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    made.sign_in(staff(people, "operator_inventory").email)
    return made


def form(line: telephony.Line, **differs: Any) -> dict[str, Any]:
    return {
        "number": NUMBER,
        "holder_name": "Pelican Parcel Ltd",
        "paper": "contract",
        "reference": "C-2026-118",
        "from_on": "2026-11-01",
        "last_on": "2027-10-31",
        "queue": ids.public("que", line.queue_id),
        "file": (io.BytesIO(PAPER), "contract.pdf"),
    } | differs


def ask(alice: Browser, line: telephony.Line, **differs: Any) -> str:
    """Send the form; return the page after it."""
    sent = alice.post(HERE, form(line, **differs), content_type="multipart/form-data")
    return alice.get(sent.location).text


def address(omar: Browser) -> str:
    """Return the address of the one request there is, as the operator's page leads there."""
    found = re.search(
        r'href="(/operator/companies/ten_\w+/caller-numbers/cnum_\w+)"',
        omar.get("/operator/caller-numbers").text,
    )
    assert found
    return found[1]


def code_of(page: str) -> str:
    found = re.search(r"<code[^>]*>(\d{3} \d{3})</code>", page)
    assert found
    return found[1]


def revision_of(page: str) -> str:
    found = re.search(r'name="revision" value="(\d+)"', page)
    assert found
    return found[1]


def after(one: Browser, path: str, **fields: str) -> str:
    return one.get(one.post(path, fields).location).text


def test_a_number_goes_from_the_form_to_a_campaign_and_away(
    alice: Browser, omar: Browser, line: telephony.Line
) -> None:
    assert "No caller number held elsewhere" in alice.get(HERE).text
    assert "Nobody asks for a number held elsewhere" in omar.get("/operator/caller-numbers").text
    page = ask(alice, line)
    for words in (
        "Asked. The operator looks at the paper",
        NUMBER,
        "being looked at",
        "1 Nov 2026 to 31 Oct 2027",
    ):
        assert words in page
    there = address(omar)
    mine = HERE + "/" + there.rsplit("/", 1)[1]
    for path in (f"{mine}/paper", f"{there}/paper"):
        file = (alice if path.startswith("/portal") else omar).get(path)
        assert (file.data, file.mimetype) == (PAPER, "application/pdf")
        assert file.headers["Content-Disposition"].startswith("attachment;")
    page = omar.get(there).text
    assert "Pelican Parcel Ltd" in page
    assert "Allow it" not in page  # nobody has proven it
    assert f'data-dialog="code-' not in alice.get(HERE).text  # noqa: F541 - what stands in the page
    made = omar.post(f"{there}/check", {})
    assert made.status_code == 201
    code = code_of(made.text)
    assert code not in omar.get(there).text  # shown once
    assert "It counts until" in alice.get(HERE).text
    assert "That is not the code." in after(
        alice, f"{mine}/code", code="000000" if code != "000 000" else "1"
    )
    assert "Proven. The operator decides next." in after(alice, f"{mine}/code", code=code)
    page = omar.get(there).text
    assert "somebody else has" not in page.lower()
    done = after(omar, f"{there}/allow", attestation="A", revision=revision_of(page))
    assert "Allowed." in done
    assert "may be shown" in alice.get(HERE).text
    assert NUMBER in alice.get("/portal/numbers").text
    assert f'<option value="{ELSEWHERE}">{NUMBER}</option>' in alice.get("/portal/campaigns/new").text
    assert "Withdrawn: no call shows the number" in after(
        omar, f"{there}/withdraw", reason="The contract ended."
    )
    page = alice.get(HERE).text
    assert "The operator says: The contract ended." in page
    assert ELSEWHERE not in alice.get("/portal/campaigns/new").text
    log = alice.get("/portal/evidence").text
    for words in (
        "Asked to show a number held elsewhere",
        "Allowed a company to show a number held elsewhere",
    ):
        assert words in log


def test_what_stands_in_the_way_is_said_and_changes_nothing(
    alice: Browser, omar: Browser, line: telephony.Line
) -> None:
    for differs, said in (
        ({"file": (io.BytesIO(b""), "")}, "Choose the paper first"),
        ({"file": (io.BytesIO(b"MZ"), "x.pdf")}, "The paper cannot be read"),
        ({"from_on": "soon"}, "cannot be asked for like this"),
        ({"last_on": ""}, "cannot be asked for like this"),
        ({"last_on": "2026-11-02"}, "cannot be asked for like this"),
        ({"paper": "napkin"}, "cannot be asked for like this"),
        ({"reference": ""}, "cannot be asked for like this"),
        ({"number": "1252"}, "number"),
        ({"number": "999"}, "number"),
        ({"number": "+44 909 879 0000"}, "cannot be asked for like this"),  # premium
        ({"number": "+44 (0)808 157-0142"}, "already, or rent it"),
        ({"number": telephony.DIALLED}, "You have asked for this number already, or rent it"),
    ):
        assert said in ask(alice, line, **differs), differs
    assert "Nobody asks for" in omar.get("/operator/caller-numbers").text
    ask(alice, line)
    assert "You have asked for this number already" in ask(alice, line)
    there = address(omar)
    mine = HERE + "/" + there.rsplit("/", 1)[1]
    assert "No code counts now" in after(alice, f"{mine}/code", code="407195")
    for path, fields, said in (
        ("allow", {"attestation": "A", "revision": "1"}, "Nobody has proven yet"),
        ("allow", {"attestation": "D", "revision": "1"}, "cannot be asked for like this"),
        ("refuse", {"reason": "", "revision": "1"}, "cannot be asked for like this"),
        ("refuse", {"reason": "No.", "revision": "7"}, "Something else has been done"),
        ("withdraw", {"reason": ""}, "cannot be asked for like this"),
    ):
        assert said in after(omar, f"{there}/{path}", **fields), path
    page = after(omar, f"{there}/refuse", reason="The paper names another number.", revision="1")
    assert "Refused. The company reads your reason." in page
    assert "The operator says: The paper names another number." in alice.get(HERE).text
    for path, fields in (("check", {}), ("allow", {"attestation": "A", "revision": "2"})):
        assert "Something else has been done" in after(omar, f"{there}/{path}", **fields)
    assert "Something else has been done" in after(alice, f"{mine}/withdraw")


def test_a_number_of_our_own_stock_cannot_be_allowed_and_the_company_does_not_learn_why(
    alice: Browser, omar: Browser, line: telephony.Line, gate: Gate, cast: Cast
) -> None:
    assert "Asked." in ask(alice, line)
    there = address(omar)
    mine = HERE + "/" + there.rsplit("/", 1)[1]
    code = code_of(omar.post(f"{there}/check", {}).text)
    assert "Proven." in after(alice, f"{mine}/code", code=code)
    telephony.line(gate, cast.b.tenant_id, digits=ELSEWHERE, queue="Theirs")
    page = omar.get(there).text
    assert "This number is in our own stock." in page
    assert "Allow it" not in page
    assert "Make a code" not in page
    assert "The number is in our own stock" in after(omar, f"{there}/check")  # whoever has it is not called
    assert "The number is in our own stock" in after(
        omar, f"{there}/allow", attestation="A", revision=revision_of(page)
    )
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert not [one for one in numbers.shown_by(session, tenant_id=cast.a.tenant_id) if one.is_elsewhere]
    assert "stock" not in alice.get(HERE).text


def test_the_staff_say_what_the_code_is_for_and_make_few(
    alice: Browser, omar: Browser, line: telephony.Line, gate: Gate, cast: Cast
) -> None:
    ask(alice, line)
    there = address(omar)
    assert "3 more codes can be made." in omar.get(there).text
    omar.post(f"{there}/check", {})
    mine = HERE + "/" + there.rsplit("/", 1)[1]
    for _ in range(5):  # none of them has six digits
        assert "That is not the code." in after(alice, f"{mine}/code", code="1")
    assert "Five wrong codes were typed in." in alice.get(HERE).text
    assert "five wrong codes" in omar.get(there).text
    page = omar.post(f"{there}/check", {}).text
    assert "five wrong codes" not in page
    assert f"Say that {cast.a.name} wants its calls to show this number" in page
    omar.post(f"{there}/check", {})
    page = omar.get(there).text
    assert "there is no other call to this number" in page
    assert f"{there}/check" not in page
    assert "No more codes can be made" in after(omar, f"{there}/check")


def test_a_number_that_is_rented_here_by_now_ends_on_the_companys_page(
    alice: Browser, line: telephony.Line, gate: Gate, vault: Vault, cast: Cast
) -> None:
    telephony.allowed_elsewhere(gate, vault, line)
    assert NUMBER in alice.get("/portal/numbers").text
    telephony.line(gate, cast.b.tenant_id, digits=ELSEWHERE, queue="Theirs")
    assert ELSEWHERE not in alice.get("/portal/campaigns/new").text
    assert proving.end_provided(gate, tenant_id=cast.a.tenant_id) == 1
    page = alice.get(HERE).text
    assert "provided here by now" in page
    assert "may be shown" not in page
    assert "Ended a number held elsewhere" in alice.get("/portal/evidence").text


def test_who_may_only_look_decides_nothing(
    browser: Browsers,
    people: People,
    head: Company,
    alice: Browser,
    omar: Browser,
    line: telephony.Line,
    cast: Cast,
) -> None:
    ask(alice, line)
    there = address(omar)
    mine = HERE + "/" + there.rsplit("/", 1)[1]
    dana, ann = browser(), browser()
    dana.sign_in(staff(people, "operator_billing", name="Dora").email)
    ann.sign_in(cast.ann.email)
    assert "Make a code" not in dana.get(there).text
    for act in ("check", "allow", "refuse", "withdraw"):
        assert dana.post(f"{there}/{act}", {}).status_code == 403
    seen = ann.get(HERE)
    if seen.status_code == 200:
        assert "Ask to show a number" not in seen.text
    for path in (HERE, f"{mine}/code", f"{mine}/withdraw"):
        assert ann.post(path, {}).status_code == 403


def test_another_companys_request_is_not_there_for_pages_of_either_side(
    alice: Browser, omar: Browser, browser: Browsers, line: telephony.Line, cast: Cast
) -> None:
    ask(alice, line)
    there = address(omar)
    request = there.rsplit("/", 1)[1]
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    nobodys = ids.public("cnum", new_id())
    for one in (request, nobodys):
        assert charlie.get(f"{HERE}/{one}/paper").status_code == 404
        assert charlie.post(f"{HERE}/{one}/code", {"code": "1"}).status_code == 404
        assert charlie.post(f"{HERE}/{one}/withdraw", {}).status_code == 404
        theirs = f"/operator/companies/{ids.public('ten', cast.b.tenant_id)}/caller-numbers/{one}"
        for path in (theirs, f"{theirs}/paper"):
            assert omar.get(path).status_code == 404
        for act in ("check", "allow", "refuse", "withdraw"):
            fields = {"attestation": "A", "revision": "1", "reason": "No."}
            assert omar.post(f"{theirs}/{act}", fields).status_code == 404
    assert (
        omar.get(f"/operator/companies/{ids.public('ten', OPERATOR)}/caller-numbers/{request}").status_code
        == 404
    )


def test_a_program_does_the_same_and_never_learns_of_anothers(
    program: Programs, cast: Cast, line: telephony.Line, gate: Gate, vault: Vault
) -> None:
    key, charlies = program(cast.a), program(cast.b)
    queue = ids.public("que", line.queue_id)
    theirs = telephony.line(gate, cast.b.tenant_id, digits="+448081570199", queue="Bookings")

    def sent(who: Program, queue: str, data: bytes = PAPER, **differs: str) -> Any:
        query = urlencode(telephony.query_elsewhere(queue, **differs))
        return who.call("POST", f"/caller-numbers?{query}", data=data, content_type="application/pdf")

    made = sent(key, queue)
    assert made.status_code == 201
    body = made.get_json()
    assert {name: body[name] for name in ("number", "state", "may_be_shown", "proven_at", "reason")} == {
        "number": ELSEWHERE,
        "state": "asked",
        "may_be_shown": False,
        "proven_at": None,
        "reason": None,
    }
    # somebody else who asks for the same number gets the same answer
    other = sent(charlies, ids.public("que", theirs.queue_id)).get_json()
    assert {**other, "id": "", "queue": "", "asked_at": ""} == {**body, "id": "", "queue": "", "asked_at": ""}
    assert [one["id"] for one in key.get("/caller-numbers").get_json()["data"]] == [body["id"]]
    assert sent(key, queue).get_json()["code"] == "caller-number-there"
    assert sent(key, queue, b"MZ", number="+442079460188").get_json()["code"] == "caller-paper"
    assert (
        sent(key, queue, number="+442079460188", last_on="2026-11-02").get_json()["code"] == "caller-number"
    )
    assert sent(key, ids.public("que", theirs.queue_id), number="+442079460188").status_code == 404
    paper = key.get(f"/caller-numbers/{body['id']}/paper")
    assert (paper.data, paper.mimetype) == (PAPER, "application/pdf")
    assert told(charlies.get(f"/caller-numbers/{body['id']}/paper")) == told(
        charlies.get(f"/caller-numbers/{ids.public('cnum', new_id())}/paper")
    )
    proof = f"/caller-numbers/{body['id']}/prove"
    assert key.post(proof, {"code": "407195"}).get_json() == {"outcome": "over"}
    gone = key.post(f"/caller-numbers/{body['id']}/withdraw").get_json()
    assert (gone["state"], gone["decided_at"] is None) == ("withdrawn", False)
    assert key.post(proof, {"code": "407195"}).get_json()["code"] == "caller-number-changed"
