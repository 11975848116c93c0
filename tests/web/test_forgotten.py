"""A forgotten password: a link by mail, and nothing it could be abused for (T34)."""

import contextlib
import dataclasses
import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyotp
import pytest
from sqlalchemy import Engine, event, text

from core import clock
from core.config import Settings
from core.ids import OPERATOR, LetterId, ResetId
from core.mail import Letter
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import letters, resets, second_step
from tenants.companies import Company
from tenants.events import LetterOwed, ResetAsked
from tenants.users import User
from tests.tenants.people import PASSWORD
from tests.web.conftest import HOST, Browser, Browsers, Cast, TestServices, found
from web import create_app
from wiring import subscriptions

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
NEW = "five wholly new words here"
SENT = "If somebody signs in with this address"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"mail_url": "smtp://127.0.0.3:25"})


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


class Post:
    """The worker's part, by hand: addresses are looked up, and letters opened."""

    def __init__(self, services: TestServices) -> None:
        self.services = services

    def answer(self) -> int:
        """Answer what was asked; return how many requests there were."""
        with self.services.gate.open(Scope.system(OPERATOR)) as session:
            waiting = session.scalars(text("SELECT id FROM app.reset_requests")).all()
        for one in waiting:
            event = ResetAsked(tenant_id=OPERATOR, request_id=ResetId(one))
            subscriptions._answer_reset(self.services, event)  # type: ignore[arg-type] # has what it needs of a House
        return len(waiting)

    def letters(self, company: Company) -> list[Letter]:
        with self.services.gate.open(Scope.system(company.tenant_id)) as session:
            ids = session.scalars(text("SELECT id FROM app.letters ORDER BY id")).all()
            owed = [LetterOwed(tenant_id=company.tenant_id, letter_id=LetterId(one)) for one in ids]
            taken = [letters.take(session, vault=self.services.vault, owed=one) for one in owed]
        return [one for one in taken if one]

    def link(self, company: Company) -> str:
        """Return the path of the newest link."""
        return found(rf"{HOST}(/reset/[A-Za-z0-9_-]+)", self.letters(company)[-1].text)


@pytest.fixture
def post(services: TestServices) -> Post:
    return Post(services)


def asked(browser: Browser, user: User, post: Post, cast: Cast) -> str:
    answer = browser.post("/forgot", {"email": user.email})
    assert (answer.status_code, SENT in answer.text) == (200, True)
    post.answer()
    return post.link(cast.a)


def chosen(browser: Browser, link: str, password: str = NEW, again: str = "") -> int:
    return browser.post(link, {"password": password, "again": again or password}).status_code


def test_who_forgot_the_password_gets_a_link_and_comes_in_with_another(
    alice: Browser, browser: Browsers, cast: Cast, post: Post
) -> None:
    other = browser()
    assert '<a href="/forgot">' in other.get("/sign-in").text
    link = asked(other, cast.alice, post, cast)
    page = other.get(link)
    assert page.status_code == 200
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    answer = other.post(link, {"password": NEW, "again": NEW})
    assert (answer.location, answer.headers["Referrer-Policy"]) == ("/sign-in", "no-referrer")
    assert alice.get("/portal/").status_code == 401, "whoever was signed in is out"
    assert other.get("/portal/").status_code == 401, "a link is no sign-in"
    assert other.sign_in(cast.alice.email).status_code == 401
    assert other.sign_in(cast.alice.email, NEW).status_code == 303
    assert post.letters(cast.a)[-1].subject == "Your Seatline password was changed"


def test_a_link_counts_once_and_for_a_quarter_of_an_hour(browser: Browsers, cast: Cast, post: Post) -> None:
    other = browser()
    link = asked(other, cast.alice, post, cast)
    assert chosen(other, link) == 303
    assert (chosen(other, link, "six other wholly new words"), other.get(link).status_code) == (403, 403)
    assert browser().sign_in(cast.alice.email, NEW).status_code == 303
    late = asked(other, cast.alice, post, cast)
    with clock.hold(NOW + dt.timedelta(minutes=resets.MINUTES)):
        assert (chosen(other, late), other.get(late).status_code) == (403, 403)
    with clock.hold(NOW + dt.timedelta(minutes=resets.MINUTES, seconds=-1)):
        assert chosen(other, late, "seven very different new words") == 303


def test_of_two_links_one_counts(browser: Browsers, cast: Cast, post: Post) -> None:
    other = browser()
    first = asked(other, cast.alice, post, cast)
    second = asked(other, cast.alice, post, cast)
    assert first != second
    assert chosen(other, second) == 303
    assert chosen(other, first, "six other wholly new words") == 403


def test_of_many_with_one_link_one_chooses(browser: Browsers, cast: Cast, post: Post) -> None:
    link = asked(browser(), cast.alice, post, cast)
    others = [browser() for _ in range(6)]
    for one in others:
        one.token()
    answers: list[int] = []
    words = [f"{number} wholly new words to choose" for number in range(6)]
    threads = [
        threading.Thread(target=lambda one=one, word=word: answers.append(chosen(one, link, word)))
        for one, word in zip(others, words, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 403, 403, 403, 403, 403]


def test_a_weak_or_differing_password_leaves_the_link_as_it_is(
    browser: Browsers, cast: Cast, post: Post
) -> None:
    other = browser()
    link = asked(other, cast.alice, post, cast)
    assert chosen(other, link, "short") == 422
    assert chosen(other, link, NEW, "another wholly new one") == 422
    assert chosen(other, link) == 303


@pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 43, "A" * 42 + "B", "%00"])
def test_a_made_up_link_opens_nothing(browser: Browsers, token: str) -> None:
    other = browser()
    assert other.get(f"/reset/{token}").status_code == 403
    assert chosen(other, f"/reset/{token}") == 403


def test_known_and_unknown_addresses_get_the_same_answer_after_the_same_work(
    browser: Browsers, cast: Cast, post: Post, gate: Gate
) -> None:
    """T34: the request never looks whether anybody signs in with it: it asks the same of the database."""
    bodies: set[tuple[int, str]] = set()
    asked: dict[str, list[str]] = {}

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked[kind].append(statement)

    other = browser()
    token = other.token()
    for kind, address in (("known", cast.alice.email), ("unknown", "nobody@pelican.example")):
        asked[kind] = []
        with _told_of_statements(note):
            answer = other.post("/forgot", {"email": address, "csrf_token": token})
        bodies.add((answer.status_code, answer.text))
        with gate.open(Scope.system(OPERATOR)) as session:
            session.execute(text("DELETE FROM app.reset_requests"))
        post.services.realtime.redis.flushdb()
    assert len(bodies) == 1
    assert asked["known"]
    assert asked["known"] == asked["unknown"]


@contextlib.contextmanager
def _told_of_statements(note: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_for_an_unknown_address_nothing_follows(
    browser: Browsers, cast: Cast, post: Post, gate: Gate
) -> None:
    other = browser()
    for address in ("nobody@pelican.example", "no address", "a@b@c", ""):
        assert SENT in other.post("/forgot", {"email": address}).text
    assert post.answer() == 1
    assert post.answer() == 0, "the address is forgotten"
    assert post.letters(cast.a) == []


def test_who_was_shut_out_gets_no_link(browser: Browsers, cast: Cast, post: Post, gate: Gate) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        session.execute(
            text("UPDATE app.users SET status = 'disabled' WHERE id = :id"), {"id": cast.alice.id}
        )
    browser().post("/forgot", {"email": cast.alice.email})
    assert post.answer() == 1
    assert post.letters(cast.a) == []


def test_who_is_shut_out_meanwhile_chooses_nothing(
    browser: Browsers, cast: Cast, post: Post, gate: Gate
) -> None:
    other = browser()
    link = asked(other, cast.alice, post, cast)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        session.execute(
            text("UPDATE app.users SET status = 'disabled' WHERE id = :id"), {"id": cast.alice.id}
        )
    assert chosen(other, link) == 403


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Host", "Forwarded"])
def test_no_header_chooses_where_the_link_leads(browser: Browsers, cast: Cast, post: Post, name: str) -> None:
    """T34: a poisoned host would send the link to somebody else's site."""
    other = browser()
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    answer = other.client.post(
        "/forgot",
        data={"email": cast.alice.email, "csrf_token": other.token()},
        base_url=HOST,
        headers={name: value},
    )
    assert answer.status_code == (400 if name == "Host" else 200)
    post.answer()
    for letter in post.letters(cast.a):
        assert "evil" not in letter.text + letter.html
        assert f"{HOST}/reset/" in letter.text
    assert len(post.letters(cast.a)) == (0 if name == "Host" else 1)


def test_asking_is_slowed_down_by_address_and_says_nothing_of_the_account(
    browser: Browsers, cast: Cast, post: Post
) -> None:
    for number in range(5):
        other = browser(address=f"127.0.2.{number}")
        assert SENT in other.post("/forgot", {"email": cast.alice.email}).text
    assert post.answer() == 3, "of one account three letters in a quarter of an hour"
    other = browser()
    for number in range(20):
        assert other.post("/forgot", {"email": f"n{number}@pelican.example"}).status_code == 200
    answer = other.post("/forgot", {"email": "n21@pelican.example"})
    assert (answer.status_code, "Retry-After" in answer.headers) == (429, True)


def test_a_reset_does_not_go_round_the_second_step(
    browser: Browsers, cast: Cast, post: Post, gate: Gate, vault: Vault
) -> None:
    """T34, T38: whoever reads the mail still needs the phone."""
    tenant_id, user_id = cast.a.tenant_id, cast.alice.id
    with gate.open(Scope.system(tenant_id)) as session:
        enrolled = second_step.begin(session, tenant_id=tenant_id, vault=vault, user_id=user_id, name="alice")
        code = pyotp.TOTP(enrolled.secret).at(NOW)
        second_step.confirm(session, tenant_id=tenant_id, vault=vault, user_id=user_id, code=code)
    other = browser()
    assert chosen(other, asked(other, cast.alice, post, cast)) == 303
    answer = other.sign_in(cast.alice.email, NEW)
    assert "Second step" in answer.text
    assert other.get("/portal/").status_code == 401


def test_the_address_waits_sealed_and_the_link_is_kept_as_a_hash(
    browser: Browsers, cast: Cast, post: Post, gate: Gate
) -> None:
    other = browser()
    other.post("/forgot", {"email": cast.alice.email})
    with gate.open(Scope.system(OPERATOR)) as session:
        (sealed,) = session.scalars(text("SELECT email FROM app.reset_requests")).all()
    assert cast.alice.email.encode() not in sealed
    post.answer()
    token = post.link(cast.a).rpartition("/")[2]
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        rows = session.execute(text("SELECT * FROM app.password_resets")).all()
        log = session.execute(text("SELECT * FROM app.evidence")).all()
    assert token not in repr(rows) + repr(log)
    with gate.outside() as connection:
        assert token not in repr(connection.execute(text("SELECT payload FROM app.outbox")).all())


def test_answering_twice_owes_one_letter(browser: Browsers, cast: Cast, post: Post, gate: Gate) -> None:
    browser().post("/forgot", {"email": cast.alice.email})
    with gate.open(Scope.system(OPERATOR)) as session:
        (one,) = session.scalars(text("SELECT id FROM app.reset_requests")).all()
    post.answer()
    with gate.open(Scope.system(OPERATOR)) as session:  # the worker died before it forgot the address
        resets.ask(session, vault=post.services.vault, email=cast.alice.email)
        session.execute(text("DELETE FROM app.reset_requests"))
    subscriptions._answer_reset(
        post.services,  # type: ignore[arg-type] # has what it needs of a House
        ResetAsked(tenant_id=OPERATOR, request_id=ResetId(one)),
    )
    assert len(post.letters(cast.a)) == 1


def test_an_owner_sends_a_link_and_does_not_see_it(
    alice: Browser, browser: Browsers, cast: Cast, post: Post
) -> None:
    """T38: nobody chooses a password for another."""
    browser().sign_in(cast.sue.email)  # she has come in before
    person = found(r'href="(/portal/people/usr_[^"]+)">.{0,120}?Sue', alice.get("/portal/people").text)
    answer = alice.post(f"{person}/link")
    assert (answer.status_code, answer.location) == (303, person)
    page = alice.get(person).text
    assert "is on its way to" in page
    link = post.link(cast.a)
    assert link not in page
    assert chosen(browser(), link) == 303
    assert browser().sign_in(cast.sue.email, NEW).status_code == 303


def test_ones_own_new_password_is_told_by_mail(alice: Browser, cast: Cast, post: Post) -> None:
    alice.post("/settings/password", {"present": PASSWORD, "password": NEW, "again": NEW})
    (letter,) = post.letters(cast.a)
    assert (letter.to, letter.subject) == (cast.alice.email, "Your Seatline password was changed")


def test_old_links_and_requests_are_swept(browser: Browsers, cast: Cast, post: Post, gate: Gate) -> None:
    asked(browser(), cast.alice, post, cast)
    browser().post("/forgot", {"email": cast.alice.email})
    with clock.hold(NOW + dt.timedelta(days=1, seconds=1)):
        for tenant_id, table in ((cast.a.tenant_id, "password_resets"), (OPERATOR, "reset_requests")):
            with gate.open(Scope.system(tenant_id)) as session:
                resets.sweep(session, tenant_id=tenant_id)
                assert session.execute(text(f"SELECT count(*) FROM app.{table}")).scalar_one() == 0


def test_without_mail_the_page_says_whom_to_ask(services: TestServices) -> None:
    mute = services.settings.model_copy(update={"mail_url": ""})
    other = Browser(create_app(dataclasses.replace(services, settings=mute)).test_client())
    assert "An owner of your company can make a link" in other.get("/forgot").text
