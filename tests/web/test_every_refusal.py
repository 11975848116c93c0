"""Every refusal of a wall, as whoever tries meets it: one clear error, counted once, one alarm, nothing lost.

A case makes the ground ready and returns the try, which is done four times: once to see what it says, counts
and leaves, once from below its kind's bound, where it has to be the alarm, and twice more, which are none.
What nobody meets over HTTP stands in `ELSEWHERE` with the test that shows it, or with why nobody meets it.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from flask import Flask
from psycopg import sql
from sqlalchemy import text
from werkzeug.test import TestResponse

from core import clock, ids
from core.ids import OPERATOR, TenantId, UserId, new_id, public
from core.realtime import Realtime
from customers import budgets
from customers.budgets import Allowed
from security.gate import Gate, Scope
from security.refusals import HOUR, KINDS, NOBODY, Refusals, bound
from security.vault import Vault
from standin.news import sign
from standin.server import Server
from tenants import apikeys, companies, deletions
from tests.customers.factory import stored
from tests.factories import agreements as papers
from tests.factories import payments
from tests.tenants.people import People
from tests.web import scene
from tests.web import test_glass as glass
from tests.web import test_recoveries as recovery
from tests.web.conftest import HOST, Browser, Browsers, Cast, Program, Programs, TestServices
from tests.web.scene import NOW
from tests.web.test_agreements import Hired
from tests.web.test_agreements import call_id as hired_call_id
from tests.web.test_agreements import hired as hired  # noqa: PLC0414 - a fixture
from tests.web.test_page_walls import admin as admin  # noqa: PLC0414 - a fixture
from tests.web.test_refusals import CASES as SURE
from tests.web.test_refused_often import House, many, rung, tried
from tests.web.test_webhooks_in import event, tell
from tests.web.test_work_item import a_call
from tests.web.test_work_item import hire as hire  # noqa: PLC0414 - a fixture
from web import create_app
from web import refusals as declared
from wiring import refusing

__all__ = ["hired_call_id"]
Try = Callable[[], TestResponse]
ELSEWHERE = {
    "agreement-not-signed": "web/test_agreements.py",  # and here, as `unsigned`
    "order-expired": "workers/test_guard.py",
    "order-refused": "web/test_refusals.py",
    "second-person": "web/test_payments.py",
    # nothing of ours answers them by themselves: they are what an error of HTTP's own would be
    "refused": "",
    "bad-request": "",
    # only commands on the machine ask it of the keystore
    "operator-keys": "",
}


@dataclass(frozen=True)
class Ground:
    """Who tries, and at whom; what only some need is asked for by its fixture's name."""

    alice: Browser
    browser: Browsers
    program: Programs
    cast: Cast
    gate: Gate
    vault: Vault
    people: People
    app: Flask
    fixture: Callable[[str], Any] = field(repr=False)

    @property
    def a(self) -> TenantId:
        return self.cast.a.tenant_id

    def staff(self, name: str, role: str = "operator_support") -> tuple[Browser, UserId]:
        """Return one of ours who has a second step."""
        self.fixture("head")
        made = self.browser()
        user = scene.staff(self.people, role, name=name)
        assert made.sign_in(user.email).status_code == 303
        recovery.given_step(self.gate, self.vault, OPERATOR, user.id)
        return made, user.id


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def app(services: TestServices) -> Iterator[Flask]:
    server = Server(key=payments.KEY).start()
    settings = services.settings.model_copy(update={"mail_url": "smtp://127.0.0.3:25"})
    yield create_app(
        TestServices(
            **{
                **{name: getattr(services, name) for name in services.__dataclass_fields__},
                "payments": payments.provider(server),
                "settings": settings,
            }
        )
    )
    server.close()


@pytest.fixture
def ground(
    alice: Browser,
    browser: Browsers,
    program: Programs,
    cast: Cast,
    gate: Gate,
    vault: Vault,
    people: People,
    app: Flask,
    request: pytest.FixtureRequest,
) -> Ground:
    return Ground(alice, browser, program, cast, gate, vault, people, app, request.getfixturevalue)


# --- who comes in -----------------------------------------------------------------------------------------


def wrong_password(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.sign_in(ground.cast.alice.email, "not the password")


def nobodys_password(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.sign_in("nobody@nowhere.example", "not the password")


def old_password(ground: Ground) -> Try:
    form = {
        "old": "not the password",
        "password": "a horse of another colour",
        "again": "a horse of another colour",
    }
    return lambda: ground.alice.post("/settings/password", form)


def late_code(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.post("/sign-in/code", {"token": "made-up", "code": "123456"})


def first_code(ground: Ground) -> Try:
    ground.alice.get("/settings/second-step")
    return lambda: ground.alice.post("/settings/second-step", {"code": "x"})


def made_up_passkey(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.post("/sign-in/passkey", {"answer": "{}"})


def forged_passkey(ground: Ground) -> Try:
    return lambda: ground.alice.post("/settings/passkeys", {"answer": "{}", "name": "x"})


def dead_link(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.get("/reset/made-up")


def dead_invitation(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.get("/welcome/made-up")


def nobody(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.get("/portal/")


def unsigned(ground: Ground) -> Try:
    hired: Hired = ground.fixture("hired")
    ground.fixture("hired_call_id")
    return lambda: hired.bob.browser.get(f"/console/offers/{public('off', hired.bob.offer_id)}")


def shut_out(ground: Ground) -> Try:
    hired: Hired = ground.fixture("hired")
    papers.signed(ground.gate, hired.user_id, ground.a)
    ground.alice.post(f"/portal/agreement/signers/{hired.id}/shut-out")
    signs = {"version": "1", "read": "yes", "name": "Bob Osei"}
    return lambda: hired.bob.browser.post(f"/console/agreements/{public('ten', ground.a)}", signs)


def step_first(ground: Ground) -> Try:
    sue = ground.browser()
    sue.sign_in(ground.cast.sue.email)
    with ground.gate.open(Scope.system(ground.a)) as session:
        session.execute(text("UPDATE app.tenants SET requires_second_step = true"))
    return lambda: sue.post("/settings", {"language": "en", "zone": "UTC", "theme": ""})


def long_signed_in(ground: Ground) -> Try:
    clock.advance(dt.timedelta(minutes=16))
    return lambda: ground.alice.post("/portal/exports", {"how": "key", "recipient": "age1"})


# --- what somebody in may not do --------------------------------------------------------------------------


def foreign_id(ground: Ground) -> Try:
    return lambda: ground.alice.get(f"/portal/customers/{public('cus', new_id())}")


def no_page(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.get("/wp-login.php")


def no_permission(ground: Ground) -> Try:
    return lambda: ground.alice.get("/operator/")


def no_leader(ground: Ground) -> Try:
    bob = ground.fixture("hire")("Bob", 1001)
    about = {"act": "listen", "company": public("ten", ground.a), "call": public("call", new_id())}
    return lambda: bob.posts("team/acts", about)


def no_token(ground: Ground) -> Try:
    return lambda: ground.alice.post("/portal/company", {"csrf_token": "made-up"})


def other_site(ground: Ground) -> Try:
    headers = {"Origin": "https://elsewhere.example"}
    return lambda: ground.alice.post("/portal/company", headers=headers)


def higher_role(ground: Ground) -> Try:
    ann = ground.people.user(ground.a, "Adam", "tenant_admin")
    adam = ground.browser()
    adam.sign_in(ann.email)
    given = {"email": "nora@pelican.example", "name": "Nora", "role": "tenant_owner"}
    return lambda: adam.post("/portal/people", given)


def no_rank(ground: Ground) -> Try:
    user = ground.people.user(ground.a, "Adam", "tenant_admin")
    adam = ground.browser()
    adam.sign_in(user.email)
    path = f"/portal/people/{public('usr', ground.cast.alice.id)}/shut-out"
    return lambda: _next(adam, adam.post(path))


def own_deletion(ground: Ground) -> Try:
    dana, dana_id = ground.staff("Dana")
    with ground.gate.open(Scope.system(OPERATOR)) as session:
        companies.suspend(session, tenant_id=ground.cast.b.tenant_id)
        deletion = deletions.ask(session, company_id=ground.cast.b.tenant_id, money="paid", by=dana_id)
    return lambda: _next(dana, dana.post(f"/operator/deletions/{public('del', deletion)}/confirm"))


def last_look(ground: Ground) -> Try:
    bob = ground.fixture("hire")("Bob", 1001)
    ines = stored(ground.gate, ground.vault, ground.a)
    bob.talks(a_call(ground.gate, ground.vault, ground.a, ines.id, "+448081570142"), ground.a)
    with ground.gate.open(Scope.system(ground.a)) as session:
        budgets.allow(session, tenant_id=ground.a, wanted=Allowed(per_hour=1))
    look = f"offers/{public('off', bob.offer_id)}/reveal/phone"
    assert bob.posts(look, {"purpose": "contact"}).status_code == 200
    return lambda: bob.posts(look, {"purpose": "contact"})


def hidden_number(ground: Ground) -> Try:
    bob = ground.fixture("hire")("Bob", 1001)
    ines = stored(ground.gate, ground.vault, ground.a)
    bob.talks(a_call(ground.gate, ground.vault, ground.a, ines.id, "+448081570142"), ground.a)
    with ground.gate.open(Scope.system(ground.a)) as session:
        budgets.allow(session, tenant_id=ground.a, wanted=Allowed(hides_numbers=True))
    return lambda: bob.posts(f"offers/{public('off', bob.offer_id)}/reveal/phone", {"purpose": "contact"})


def own_glass(ground: Ground) -> Try:
    priya, _ = ground.staff("Priya")
    glass.asked(priya, ground.a)
    path = f"/operator/glass/{glass.newest(ground.gate)}/approve"
    return lambda: priya.post(path)


def own_recovery(ground: Ground) -> Try:
    priya, _ = ground.staff("Priya")
    recovery.given_step(ground.gate, ground.vault, ground.a, ground.cast.alice.id)
    assert recovery.asked(priya, ground.cast.alice.email) == 303
    path = f"{recovery.PAGE}/{recovery.newest(ground.gate).id}/confirm"
    return lambda: _next(priya, priya.post(path))


def nobodys_recovery(ground: Ground) -> Try:
    priya, _ = ground.staff("Priya")
    form = {"email": ground.cast.sue.email, "ticket": "INC-4711"}
    return lambda: priya.post(recovery.PAGE, form)


# --- programs ---------------------------------------------------------------------------------------------


def no_key(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    made.token = "sk_made_up"
    return lambda: made.get("/me")


def expired_key(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    entry = ground.gate.resolve("api-key", apikeys.digest(made.token) or b"")
    assert entry is not None
    with ground.gate.open(Scope.system(ground.a)) as session:
        apikeys._row(session, ground.a, ids.KeyId(entry.ref_id)).expires_at = clock.now() - HOUR
    return lambda: made.get("/me")


def moved_key(ground: Ground) -> Try:
    new = {"name": "stock system", "scopes": ["keys.read"], "networks": ["192.0.2.0/24"]}
    made = ground.program(ground.cast.a).post("/api-keys", new).get_json()
    bound_key = Program(ground.app, made["secret"])
    return lambda: bound_key.get("/me")


def key_in_address(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    return lambda: made.get(f"/me?api_key={made.token}")


def no_scope(ground: Ground) -> Try:
    made = ground.program(ground.cast.a, "calls.read")
    return lambda: made.get("/alarms")


def wider_key(ground: Ground) -> Try:
    made = ground.program(ground.cast.a, "keys.write")
    return lambda: made.post("/api-keys", {"name": "x", "scopes": ["calls.read"]})


def wider_role(ground: Ground) -> Try:
    made = ground.program(ground.cast.a, "users.read", "users.write")
    nora = {"email": "nora@pelican.example", "name": "Nora", "role": "tenant_admin"}
    return lambda: made.post("/people", nora)


def no_json(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    return lambda: made.call("POST", "/webhooks", data=b"{", content_type="application/json")


def wrong_method(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    return lambda: made.delete("/me")


def wrong_type(ground: Ground) -> Try:
    made = ground.program(ground.cast.a)
    return lambda: made.call("POST", "/webhooks", data="x", content_type="text/plain")


def too_large(ground: Ground) -> Try:
    return lambda: ground.alice.post("/portal/company", {"name": "x" * (3 << 20)})


def foreign_host(ground: Ground) -> Try:
    someone = ground.browser()
    return lambda: someone.client.get("/sign-in", base_url="http://elsewhere.example")


def too_often(ground: Ground) -> Try:
    someone = ground.browser(address="127.0.9.9")
    for _ in range(10):
        someone.sign_in(ground.cast.alice.email, "not the password")
    return lambda: someone.sign_in(ground.cast.alice.email, "not the password")


# --- who speaks to us without a person ---------------------------------------------------------------------


def forged_news(ground: Ground) -> Try:
    return lambda: tell(ground.app, event(), sign(event(), "whsec_guessed", at=clock.now().timestamp()))


def old_news(ground: Ground) -> Try:
    long_ago = clock.now().timestamp() - 301
    return lambda: tell(ground.app, event(), sign(event(), payments.SECRET, at=long_ago))


def large_news(ground: Ground) -> Try:
    return lambda: ground.app.test_client().post(
        "/webhooks/stripe", data=b"x" * (3 << 20), headers={"Stripe-Signature": "t=1,v1=00"}, base_url=HOST
    )


@dataclass(frozen=True)
class Case:
    """What is tried, what is answered (status; words, or a program's code), and what is counted for whom.

    `whose`: a company's ("a"), the operator's own ("operator"), or of nobody known ("nobody").
    """

    ready: Callable[[Ground], Try]
    status: int
    says: str
    kind: str
    whose: str

    @property
    def name(self) -> str:
        return self.ready.__name__


CASES = [
    Case(wrong_password, 401, "do not match", "sign-in", "a"),
    Case(nobodys_password, 401, "do not match", "sign-in", "nobody"),
    Case(old_password, 422, "This is not your present password", "sign-in", "a"),
    Case(late_code, 401, "This code does not fit", "second-step", "nobody"),
    Case(first_code, 422, "This code does not fit", "second-step", "a"),
    Case(made_up_passkey, 401, "This passkey was not accepted", "passkey", "nobody"),
    Case(forged_passkey, 403, "The passkey was not accepted", "passkey", "a"),
    Case(dead_link, 403, "link", "dead-link", "nobody"),
    Case(dead_invitation, 403, "link", "dead-link", "nobody"),
    Case(nobody, 401, "Sign in", "no-session", "nobody"),
    Case(unsigned, 403, "agreement", "agreement", "operator"),
    Case(shut_out, 403, "shut", "agreement", "operator"),
    Case(step_first, 403, "Set up a second step first", "enrolment", "a"),
    Case(long_signed_in, 403, "Please sign in again", "fresh-sign-in", "a"),
    Case(foreign_id, 404, "not", "not-there", "a"),
    Case(no_page, 404, "not", "not-there", "nobody"),
    Case(no_permission, 403, "not", "not-permitted", "a"),
    Case(no_leader, 403, "not-a-leader", "not-permitted", "operator"),
    Case(no_token, 403, "page", "cross-site", "nobody"),
    Case(other_site, 403, "page", "cross-site", "nobody"),
    Case(higher_role, 422, "role", "more-rights", "a"),
    Case(no_rank, 200, "role", "more-rights", "a"),
    Case(own_deletion, 200, "Somebody else has to confirm it", "second-person", "operator"),
    Case(last_look, 403, "looks-used-up", "looks", "operator"),
    Case(hidden_number, 403, "numbers-hidden", "looks", "operator"),
    Case(own_glass, 403, "glass", "break-glass", "operator"),
    Case(own_recovery, 200, "second step", "recovery", "operator"),
    Case(nobodys_recovery, 422, "second step", "recovery", "operator"),
    Case(no_key, 401, "bad-api-key", "api-key", "nobody"),
    Case(expired_key, 401, "bad-api-key", "api-key", "a"),
    Case(moved_key, 403, "key-elsewhere", "api-key-address", "a"),
    Case(key_in_address, 400, "key-in-address", "api-key-exposed", "a"),
    Case(no_scope, 403, "not-permitted", "not-permitted", "a"),
    Case(wider_key, 403, "scope-not-yours", "more-rights", "a"),
    Case(wider_role, 403, "role-not-yours", "more-rights", "a"),
    Case(no_json, 400, "malformed", "malformed", "a"),
    Case(wrong_method, 405, "method-not-allowed", "malformed", "nobody"),
    Case(wrong_type, 415, "unsupported-media-type", "malformed", "a"),
    Case(too_large, 413, "large", "too-large", "nobody"),
    Case(foreign_host, 400, "host", "foreign-host", "nobody"),
    Case(too_often, 429, "Too many tries", "rate", "nobody"),
    Case(forged_news, 400, "signature", "news-forged", "operator"),
    Case(old_news, 400, "old", "news-odd", "operator"),
    Case(large_news, 413, "large", "too-large", "nobody"),
]
# what a refusal moves by design: when somebody, or a key, was here last
MOVES = {"sessions", "api_keys"}
# what it leaves where it rings by itself, at the first time
OF_AN_ALARM = {"alarms", "outbox", "evidence", "evidence_heads"}


def _next(browser: Browser, answer: TestResponse) -> TestResponse:
    """Return the page a form leads back to, which says what was refused."""
    assert answer.status_code == 303
    return browser.get(answer.location)


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_a_refusal_is_one_clear_error_one_count_one_alarm_and_nothing_lost(
    ground: Ground, realtime: Realtime, admin: psycopg.Connection[dict[str, Any]], case: Case
) -> None:
    whose = {"a": ground.a, "operator": OPERATOR, "nobody": NOBODY}[case.whose]
    sees = TenantId(whose) if whose != NOBODY else OPERATOR  # strangers' are the operator's to see
    most = bound(case.kind, whose)
    assert most is not None
    try_it = case.ready(ground)
    counted = tried(realtime)
    before = everybodys_rows(admin)

    answer = try_it()
    said = words_of(answer)
    assert (answer.status_code, case.says in said) == (case.status, True), said
    assert "Traceback" not in said
    assert "Error" not in said
    new = {one: times - counted.get(one, 0) for one, times in tried(realtime).items()}
    assert {one: times for one, times in new.items() if times} == {(case.kind, whose): 1}
    after = everybodys_rows(admin)
    moves = MOVES | (OF_AN_ALARM if KINDS[case.kind].rings else set())
    assert {name for name in after if before[name] != after[name]} - moves == set()

    house: Any = House(ground.gate, realtime)
    if most > 1:
        many(realtime, case.kind, most - 1 - tried(realtime)[case.kind, whose], whose)
        refusing.carry(house)
        assert rung(ground.gate, sees) == []
    for _ in range(3):
        try_it()
        refusing.carry(house)
    raised = [one for one in rung(ground.gate, sees) if one[0] == case.kind]
    assert raised == (
        [] if KINDS[case.kind].rings else [(case.kind, 1)]
    )  # or has rung by itself: test_refusals
    assert rung(ground.gate, ground.cast.b.tenant_id) == []


def everybodys_rows(admin: psycopg.Connection[dict[str, Any]]) -> dict[str, str]:
    """Return a digest of each table."""
    tables = admin.execute(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'"
    ).fetchall()
    digest = (
        "SELECT {} AS name, md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS all FROM app.{} t"
    )
    every = sql.SQL(" UNION ALL ").join(
        sql.SQL(digest).format(sql.Literal(one["name"]), sql.Identifier(one["name"])) for one in tables
    )
    return {one["name"]: one["all"] for one in admin.execute(every).fetchall()}


def words_of(answer: TestResponse) -> str:
    """Return what a person reads of a page, or a program of an answer."""
    said = answer.get_data(as_text=True)
    main = re.search(r"<main.*</main>|<div class=\"toasts\".*", said, re.DOTALL)
    if main is None:
        return said
    toasts = said.partition('<div class="toasts"')[2].partition("<template")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", main[0] + toasts).split())


def test_every_kind_that_somebody_meets_has_a_case_here() -> None:
    tests = Path(__file__).parents[1]
    here = {one.kind for one in CASES}
    others = {
        # kind: where it is tried, and counted
        "seal": "workers/test_relay.py",  # in a job; in a page and in a stream: web/test_refusals.py
        "decoy": "web/test_refusals.py",
        "job-forged": "web/test_refusals.py",
        "job-late": "workers/test_guard.py",
        "carrier": "telephony/conductor/test_forged_events.py",
        "phone-dials": "telephony/conductor/test_forged_events.py",
        "call-out": "web/test_refused_often.py",
    }
    assert here | others.keys() == KINDS.keys()
    assert here & others.keys() == set()
    rung = {kind for kind, _ in SURE.values()}
    for kind, file in others.items():
        assert KINDS[kind].rings in rung or f'"{kind}"' in (tests / file).read_text(encoding="utf-8"), kind
    for code, file in ELSEWHERE.items():
        assert code in declared.BY_CODE
        assert not file or (tests / file).is_file()


def test_what_goes_well_counts_nothing(
    alice: Browser, program: Programs, cast: Cast, realtime: Realtime
) -> None:
    before = tried(realtime)
    assert alice.get("/portal/").status_code == 200
    assert program(cast.a).get("/me").status_code == 200
    assert alice.post("/portal/company", {"name": ""}).status_code != 500  # people's day
    assert tried(realtime) == before


@pytest.mark.parametrize("ready", [foreign_id, no_permission, no_token, nobody, no_page])
def test_without_redis_a_refusal_is_what_it_was(
    ground: Ground, app: Flask, realtime: Realtime, ready: Callable[[Ground], Try]
) -> None:
    expected = {one.ready: one.status for one in CASES}[ready]
    away = redis.Redis(port=1, socket_connect_timeout=0.2)
    app.extensions["seatline-refusals"] = Refusals(away)
    try_it = ready(ground)
    for _ in range(3):
        assert try_it().status_code == expected
    assert tried(realtime) == {}
