"""The do-not-call list of the company: asked, added to by hand and by file, taken off with a reason."""

import io
import re

import pytest

from core.phone import E164
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from tests.web.conftest import Browser, Browsers, Cast, Form, found

HERE = "/portal/do-not-call"
INES = "+44 7700 900471"


@pytest.fixture
def known(gate: Gate, vault: Vault, cast: Cast) -> "Known":
    return Known(gate, vault, cast)


class Known:
    def __init__(self, gate: Gate, vault: Vault, cast: Cast) -> None:
        self.gate, self.vault, self.tenant_id = gate, vault, cast.a.tenant_id

    def is_listed(self, phone: str) -> bool:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            return do_not_call.is_listed(
                session, tenant_id=self.tenant_id, vault=self.vault, phone=E164(phone)
            )


def test_typed_numbers_are_listed_and_the_odd_line_is_named(alice: Browser, known: Known) -> None:
    answer = alice.post(HERE, {"numbers": f"{INES}\n07700 900472\nInes\n\n", "source": "asked"})
    assert answer.status_code == 303
    page = alice.get(answer.location).text
    assert "2 numbers are on the list now. 1 line holds no number: 3." in page
    assert "2 numbers that nobody can dial" in page
    assert "Asked for in writing" in page
    assert "900471" not in page
    assert known.is_listed("+447700900471")
    assert known.is_listed("+447700900472")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("phone;name\n+447700900471;Ines\n07700900472;Priya\nnone;\n", "utf-8"),
        ("姓名,电话\n卡瓦略,+44 7700 900471\n拉曼,+44 7700 900472\n无,\n", "gb18030"),
    ],
)
def test_a_file_is_read_by_the_first_number_of_each_line_and_taken_back_whole(
    alice: Browser, known: Known, text: str, encoding: str
) -> None:
    file = (io.BytesIO(text.encode(encoding)), "list.csv")
    answer = alice.post(
        HERE, {"numbers": "", "source": "asked", "file": file}, content_type="multipart/form-data"
    )
    page = alice.get(answer.location).text
    assert "2 numbers are on the list now. 1 line holds no number: 4." in page
    back = found(rf'action="({HERE}/batches/\w+/undo)"', page)
    answer = alice.post(back)
    assert "2 numbers are off the list again." in alice.get(answer.location).text
    assert not known.is_listed("+447700900471")


def test_what_is_no_list_is_refused_and_changes_nothing(alice: Browser, known: Known) -> None:
    picture = (io.BytesIO(b"\x89PNG\r\n\x1a\n\x00\x00"), "list.csv")
    wrong: list[Form] = [
        {"numbers": "", "source": "asked"},
        {"numbers": INES, "source": "a guess"},
        {"numbers": "", "source": "asked", "file": picture},
    ]
    for given in wrong:
        answer = alice.post(HERE, given, content_type="multipart/form-data")
        assert answer.status_code == 303
        assert 'class="toast bad"' in alice.get(answer.location).text
    assert "0 numbers that nobody can dial" in alice.get(HERE).text


def test_a_number_is_asked_for_sealed_and_taken_off_with_a_reason(alice: Browser, known: Known) -> None:
    answer = alice.post(f"{HERE}/find", {"phone": INES})
    assert "900471" not in (answer.location or "")
    page = alice.get(answer.location).text
    assert "is not on the list." in page
    token = found(r'name="phone" value="([^"]+)"', page)
    alice.post(f"{HERE}/one", {"phone": token, "listed": "1", "source": "register"})
    assert known.is_listed("+447700900471")
    page = alice.get(answer.location).text
    assert "is on the list: nobody can dial it." in page
    assert alice.post(f"{HERE}/one", {"phone": token, "listed": "0", "why": "boredom"}).status_code == 422
    assert alice.post(f"{HERE}/one", {"phone": token, "listed": "0"}).status_code == 422
    assert known.is_listed("+447700900471")
    alice.post(f"{HERE}/one", {"phone": token, "listed": "0", "why": "new-holder"})
    assert not known.is_listed("+447700900471")
    page = alice.get(answer.location).text
    assert "Somebody else has the number now" in page
    assert "From a public register" in page


def test_the_list_of_one_company_and_its_tokens_mean_nothing_in_another(
    alice: Browser, browser: Browsers, cast: Cast, known: Known
) -> None:
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    asked = alice.post(f"{HERE}/find", {"phone": INES}).location or ""
    token = asked.partition("=")[2]
    alice.post(HERE, {"numbers": INES, "source": "asked"})
    assert "is on the list" not in charlie.get(asked).text
    assert charlie.post(f"{HERE}/one", {"phone": token, "listed": "0", "why": "mistake"}).status_code == 404
    assert known.is_listed("+447700900471")


def test_who_may_only_look_changes_nothing(browser: Browsers, cast: Cast) -> None:
    ann = browser()
    ann.sign_in(cast.ann.email)
    assert ann.get(HERE).status_code == 403
    assert ann.post(HERE, {"numbers": INES, "source": "asked"}).status_code == 403


def test_pages_of_the_list_lead_forth_and_back(alice: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.tables.SIZE", 2)
    for last in range(5):
        alice.post(HERE, {"numbers": f"+44 7700 90010{last}", "source": "asked"})
    seen, path, rows = 0, HERE, []
    while path:
        page = alice.get(path).text
        rows.append(len(re.findall(r'<th scope="row">', page)))
        after = re.search(r'rel="next" hx-get="([^"]+)"|href="([^"]+)" rel="next"', page)
        path = (after[1] or after[2]).replace("&amp;", "&") if after else ""
        seen += 1
        assert seen < 9
    assert rows == [2, 2, 1]
    assert alice.get(f"{HERE}?as=csv").text.count("Asked for in writing") == 5
    assert alice.get(f"{HERE}?state=removed").text.count('<th scope="row">') == 0
