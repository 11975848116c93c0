"""People of a company: invited by a link, given roles, shut out; one's own password."""

import datetime as dt

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import LetterId
from core.mail import Letter
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import letters
from tenants.companies import Company
from tenants.events import LetterOwed
from tenants.users import User
from tests.tenants.people import PASSWORD
from tests.web.conftest import HOST, Browser, Browsers, Cast, found

LIST = "/portal/people"
NEW = {"name": "Nora Quist", "email": "nora@pelican.example", "role": "tenant_supervisor"}
CHOSEN = "four quiet words in a row"


def path(user: User) -> str:
    return f"{LIST}/{ids.public('usr', user.id)}"


def enter(browser: Browsers, user: User) -> Browser:
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return made


def invited(alice: Browser, **differs: str) -> str:
    answer = alice.post(LIST, NEW | differs)
    assert answer.status_code == 201
    link = found(r"<code>([^<]+)</code>", answer.text)
    assert link.startswith(f"{HOST}/welcome/")
    return link.removeprefix(HOST)


def posted(gate: Gate, vault: Vault, company: Company) -> list[Letter]:
    """Return the letters a company's people are owed."""
    with gate.open(Scope.system(company.tenant_id)) as session:
        waiting = session.scalars(text("SELECT id FROM app.letters ORDER BY id")).all()
        owed = [LetterOwed(tenant_id=company.tenant_id, letter_id=LetterId(one)) for one in waiting]
        found = [letters.take(session, vault=vault, owed=one) for one in owed]
    return [one for one in found if one]


def place(browser: Browser, name: str) -> str:
    """Return where the list leads to somebody."""
    return found(rf'href="({LIST}/usr_[^"]+)">.{{0,120}}?<span class="clip">{name}', browser.get(LIST).text)


def choose(browser: Browser, link: str, password: str = CHOSEN, again: str | None = None) -> int:
    answer = browser.post(link, {"password": password, "again": password if again is None else again})
    return answer.status_code


def test_somebody_invited_chooses_a_password_and_comes_in(alice: Browser, browser: Browsers) -> None:
    link, nora = invited(alice), browser()
    assert "Nora Quist" in nora.get(link).text
    assert nora.sign_in(NEW["email"], CHOSEN).status_code == 401
    assert choose(nora, link) == 303
    assert nora.sign_in(NEW["email"], CHOSEN).status_code == 303
    assert nora.get("/portal/customers").status_code == 200
    assert nora.get("/portal/invoices").status_code == 403
    assert "Nora Quist" in alice.get(LIST).text


def test_an_invitation_goes_out_by_mail_with_the_link_that_is_shown(
    alice: Browser, cast: Cast, gate: Gate, vault: Vault
) -> None:
    link = invited(alice)
    (letter,) = posted(gate, vault, cast.a)
    assert (letter.to, letter.to_name) == (NEW["email"], NEW["name"])
    assert f"{HOST}{link}" in letter.text
    assert cast.a.name in letter.subject
    again = alice.post(f"{place(alice, 'Nora Quist')}/link")
    newer = found(r"<code>([^<]+)</code>", again.text)
    assert newer in posted(gate, vault, cast.a)[-1].text


def test_a_link_sets_one_password_and_lasts_three_days(alice: Browser, browser: Browsers) -> None:
    link, nora = invited(alice), browser()
    with clock.hold(clock.now() + dt.timedelta(hours=1)):
        assert choose(nora, link) == 303
    for answer in (nora.get(link), nora.post(link, {"password": CHOSEN, "again": CHOSEN})):
        assert answer.status_code == 403
        assert "This link is over" in answer.text
    assert browser().get("/welcome/forged").status_code == 403
    assert browser().get(link[:-2] + "xx").status_code == 403


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [("short", "short", "Use 15 to 128 characters"), (CHOSEN, "something else", "The two passwords differ")],
)
def test_a_bad_first_password_is_refused_and_the_link_stays(
    alice: Browser, browser: Browsers, password: str, again: str, said: str
) -> None:
    link, nora = invited(alice), browser()
    answer = nora.post(link, {"password": password, "again": again})
    assert answer.status_code == 422
    assert said in answer.text
    assert choose(nora, link) == 303


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"email": "nobody"}, "That is not an e-mail address"),
        ({"email": "alice@pelican.example"}, "That e-mail address signs in already"),
        ({"name": " "}, "One of the fields cannot be"),
        ({"role": "operator_billing"}, "Check what you entered"),
    ],
)
def test_an_invitation_that_cannot_be_says_why_and_keeps_what_was_typed(
    alice: Browser, cast: Cast, wrong: dict[str, str], said: str
) -> None:
    given = NEW | wrong | ({"email": cast.alice.email} if "alice" in wrong.get("email", "") else {})
    answer = alice.post(LIST, given)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{given["email"]}"' in answer.text


def test_a_changed_role_counts_at_once_and_is_taken_back(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    sue = enter(browser, cast.sue)
    was = {"was": "tenant_supervisor"}
    answer = alice.post(f"{path(cast.sue)}/role", was | {"role": "tenant_analyst"})
    assert answer.status_code == 303
    assert sue.get("/portal/").status_code == 401
    assert sue.sign_in(cast.sue.email).status_code == 303
    assert sue.get("/portal/customers").status_code == 403
    page = alice.get(answer.location).text
    assert "Undo" in page
    alice.post(f"{path(cast.sue)}/role", {"was": "tenant_analyst", "role": "tenant_supervisor"})
    assert sue.sign_in(cast.sue.email).status_code == 303
    assert sue.get("/portal/customers").status_code == 200


def test_two_who_change_one_role_see_each_other(alice: Browser, cast: Cast) -> None:
    where, was = f"{path(cast.sue)}/role", {"was": "tenant_supervisor"}
    alice.post(where, was | {"role": "tenant_analyst"})
    answer = alice.post(where, was | {"role": "tenant_admin"})
    assert answer.status_code == 409
    assert "Analyst" in answer.text
    assert "Administrator" in answer.text
    settle = found(r'action="([^"]+settle-role)"', answer.text)
    kept = {"wanted": "tenant_admin", "role-side": "yours", "was": "tenant_analyst"}
    assert alice.post(settle, kept).status_code == 303
    assert "Administrator" in alice.get(path(cast.sue)).text
    # a third had changed it by the time the conflict was settled: that is shown, not written over
    third = alice.post(settle, kept | {"wanted": "tenant_supervisor"})
    assert third.status_code == 409
    assert found(r'name="was" value="([^"]+)"', third.text) == "tenant_admin"
    assert "Administrator" in alice.get(path(cast.sue)).text


def test_shut_out_means_out_until_let_in(alice: Browser, browser: Browsers, cast: Cast) -> None:
    sue = enter(browser, cast.sue)
    alice.post(f"{path(cast.sue)}/shut-out")
    assert sue.get("/portal/").status_code == 401
    assert sue.sign_in(cast.sue.email).status_code == 401
    alice.post(f"{path(cast.sue)}/let-in")
    assert sue.sign_in(cast.sue.email).status_code == 303


def test_the_last_owner_and_oneself_stay(alice: Browser, browser: Browsers, cast: Cast) -> None:
    for act in ("shut-out", "role"):
        answer = alice.post(f"{path(cast.alice)}/{act}", {"role": "tenant_analyst", "was": "tenant_owner"})
        assert "This is you" in alice.get(answer.location).text
    assert alice.get("/portal/").status_code == 200


def test_nobody_gets_round_ones_own_password_by_a_link_for_oneself(alice: Browser, cast: Cast) -> None:
    answer = alice.post(f"{path(cast.alice)}/link")
    assert answer.status_code == 303
    page = alice.get(answer.location).text
    assert "This is you" in page
    assert "/welcome/" not in page


def test_nobody_gives_or_takes_what_they_do_not_have(alice: Browser, browser: Browsers, cast: Cast) -> None:
    alice.post(f"{path(cast.sue)}/role", {"was": "tenant_supervisor", "role": "tenant_admin"})
    admin = enter(browser, cast.sue)
    assert admin.post(LIST, NEW | {"role": "tenant_owner"}).status_code == 422
    for act in ("shut-out", "role"):
        answer = admin.post(f"{path(cast.alice)}/{act}", {"role": "tenant_analyst", "was": "tenant_owner"})
        assert "This is above your own role" in admin.get(answer.location).text
    assert admin.post(f"{path(cast.alice)}/link").status_code == 403
    assert alice.get("/portal/").status_code == 200


def test_an_administrator_makes_no_link_for_a_colleague_of_the_same_rank(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    alice.post(f"{path(cast.sue)}/role", {"was": "tenant_supervisor", "role": "tenant_admin"})
    sue = enter(browser, cast.sue)
    link = invited(alice, role="tenant_admin")
    nora = browser()
    assert choose(nora, link) == 303
    assert nora.sign_in(NEW["email"], CHOSEN).status_code == 303
    where = place(sue, "Nora")
    assert sue.post(f"{where}/link").status_code == 403
    assert "New sign-in link" not in sue.get(where).text
    assert alice.post(f"{where}/link").status_code == 201  # an owner may
    assert nora.get("/portal/").status_code == 200  # not yet used


def test_a_link_made_for_somebody_stands_on_record_where_they_see_it(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    sue = enter(browser, cast.sue)
    assert alice.post(f"{path(cast.sue)}/link").status_code == 201
    said = "Made a link that sets another password"
    for page in (alice.get(path(cast.sue)), sue.get("/settings"), alice.get(f"{LIST}/history")):
        assert said in page.text
        assert cast.alice.name in page.text
    assert alice.get(f"{LIST}/history?as=csv").text.count(said) == 1


def test_a_link_ends_with_a_change_of_role(alice: Browser, browser: Browsers) -> None:
    link, nora = invited(alice), browser()
    where = place(alice, "Nora")
    alice.post(f"{where}/role", {"was": "tenant_supervisor", "role": "tenant_admin"})
    assert nora.get(link).status_code == 403
    assert choose(nora, link) == 403


@pytest.mark.parametrize("end", ["shut-out", "role"])
def test_a_link_ends_with_its_makers_right_to_give_the_role(
    alice: Browser, browser: Browsers, cast: Cast, end: str
) -> None:
    alice.post(f"{path(cast.sue)}/role", {"was": "tenant_supervisor", "role": "tenant_admin"})
    sue = enter(browser, cast.sue)
    link, nora = invited(sue), browser()
    assert nora.get(link).status_code == 200
    alice.post(f"{path(cast.sue)}/{end}", {"was": "tenant_admin", "role": "tenant_supervisor"})
    assert choose(nora, link) == 403
    assert nora.sign_in(NEW["email"], CHOSEN).status_code == 401


def test_people_of_another_company_are_not_there(alice: Browser, browser: Browsers, cast: Cast) -> None:
    charlie = enter(browser, cast.charlie)
    assert charlie.get(path(cast.alice)).status_code == 404
    for act in ("shut-out", "role", "link", "let-in"):
        assert charlie.post(f"{path(cast.alice)}/{act}").status_code == 404
    assert cast.alice.email not in charlie.get(LIST).text
    assert enter(browser, cast.ann).get(LIST).status_code == 403


def test_ones_own_password_changes_with_the_old_one_and_ends_other_sessions(
    alice: Browser, browser: Browsers, cast: Cast
) -> None:
    elsewhere, old = enter(browser, cast.alice), alice.cookie()
    given = {"present": PASSWORD, "password": CHOSEN, "again": CHOSEN}
    assert alice.post("/settings/password", given | {"present": "wrong"}).status_code == 422
    assert alice.post("/settings/password", given | {"again": "other"}).status_code == 422
    assert (
        alice.post("/settings/password", given | {"password": "short", "again": "short"}).status_code == 422
    )
    answer = alice.post("/settings/password", given)
    assert answer.status_code == 303
    assert alice.cookie() != old
    assert "Your password is changed" in alice.get(answer.location).text
    assert elsewhere.get("/portal/").status_code == 401
    assert browser().sign_in(cast.alice.email).status_code == 401
    assert browser().sign_in(cast.alice.email, CHOSEN).status_code == 303
