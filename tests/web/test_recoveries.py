"""T38: a lost second step of an owner or of staff: two others take it, a day after the person was told."""

import datetime as dt
from collections.abc import Callable, Iterator

import pyotp
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.config import Settings
from core.ids import OPERATOR, TenantId, UserId, new_id
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import alarms, recoveries, second_step
from tenants.recoveries import Outcome, Recovery
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, TestServices
from web.services import KEY
from wiring import recovering

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
PAGE = "/operator/recoveries"
Staff = Callable[[str], tuple[Browser, UserId]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"mail_url": "smtp://127.0.0.3:25"})


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


def given_step(gate: Gate, vault: Vault, tenant_id: TenantId, user_id: UserId) -> pyotp.TOTP:
    with gate.open(Scope.system(tenant_id)) as session:
        made = second_step.begin(session, tenant_id=tenant_id, vault=vault, user_id=user_id, name="x")
        session.execute(
            text("UPDATE app.second_steps SET confirmed_at = begun_at WHERE user_id = :u"), {"u": user_id}
        )
    return pyotp.TOTP(made.secret)


@pytest.fixture
def staff(people: People, browser: Browsers, gate: Gate, vault: Vault) -> Staff:
    people.operator()

    def make(name: str) -> tuple[Browser, UserId]:
        user = scene.staff(people, "operator_support", name=name)
        made = browser()
        assert made.sign_in(user.email).status_code == 303
        given_step(gate, vault, OPERATOR, user.id)
        return made, user.id

    return make


@pytest.fixture
def phone(gate: Gate, vault: Vault, cast: Cast) -> pyotp.TOTP:
    """Alice's."""
    return given_step(gate, vault, cast.a.tenant_id, cast.alice.id)


def asked(who: Browser, email: str, ticket: str = "INC-4711") -> int:
    return who.post(PAGE, {"email": email, "ticket": ticket}).status_code


def newest(gate: Gate) -> Recovery:
    with gate.open(Scope.system(OPERATOR)) as session:
        return recoveries.every(session)[0]


def has_step(gate: Gate, cast: Cast) -> bool:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return second_step.is_on(session, tenant_id=cast.a.tenant_id, user_id=cast.alice.id)


def test_two_people_a_day_and_the_owner_is_told(
    staff: Staff, gate: Gate, cast: Cast, phone: pyotp.TOTP, services: TestServices, browser: Browsers
) -> None:
    (priya, _), (omar, omar_id) = staff("Priya"), staff("Omar")
    assert asked(priya, cast.alice.email) == 303
    path = f"{PAGE}/{newest(gate).id}"
    assert priya.post(f"{path}/confirm").status_code == 303, "refused in words, not by the database's check"
    assert newest(gate).confirmed_by is None, "nobody confirms their own"
    assert "/confirm" not in priya.get(PAGE).text
    assert f"{path}/confirm" in omar.get(PAGE).text
    omar.post(f"{path}/confirm")
    assert newest(gate).confirmed_by == omar_id
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert [a.kind for a in alarms.page(session, tenant_id=cast.a.tenant_id, limit=9)] == [
            "step-recovery"
        ]
        assert session.execute(text("SELECT count(*) FROM app.letters")).scalar_one() == 1
    with clock.hold(NOW + recoveries.WAIT - dt.timedelta(seconds=1)):
        assert recovering.run_due(services) == 0
        assert has_step(gate, cast), "not before its day"
    later = NOW + recoveries.WAIT
    with clock.hold(later):
        assert (recovering.run_due(services), recovering.run_due(services)) == (1, 0)
        assert newest(gate).outcome is Outcome.DONE
        alice = browser()
        assert alice.sign_in(cast.alice.email).location == "/portal/", "the password is hers, and will do"
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        found = evidence.page(session, tenant_id=cast.a.tenant_id, limit=50).entries
        assert {"recovery.confirmed", "access.second-step-taken"} <= {one.fact.action for one in found}
        assert session.execute(text("SELECT count(*) FROM app.letters")).scalar_one() == 2


def test_who_signs_in_with_it_meanwhile_keeps_it(
    staff: Staff, gate: Gate, vault: Vault, cast: Cast, phone: pyotp.TOTP, services: TestServices
) -> None:
    """Somebody has spoken in Alice's name; she reads the letter and signs in."""
    (priya, _), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.alice.email)
    omar.post(f"{PAGE}/{newest(gate).id}/confirm")
    used = NOW + dt.timedelta(hours=3)
    with clock.hold(used), gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert second_step.passes(
            session, tenant_id=cast.a.tenant_id, vault=vault, user_id=cast.alice.id, code=phone.at(used)
        )
    with clock.hold(NOW + recoveries.WAIT):
        assert recovering.run_due(services) == 1
    assert newest(gate).outcome is Outcome.NOT_LOST
    assert has_step(gate, cast)


def test_it_is_called_off_until_its_day(
    staff: Staff, gate: Gate, cast: Cast, phone: pyotp.TOTP, services: TestServices
) -> None:
    (priya, _), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.alice.email)
    path = f"{PAGE}/{newest(gate).id}"
    omar.post(f"{path}/confirm")
    priya.post(f"{path}/call-off")
    omar.post(f"{path}/confirm")
    with clock.hold(NOW + recoveries.WAIT):
        assert recovering.run_due(services) == 0
    assert newest(gate).outcome is Outcome.CALLED_OFF
    assert has_step(gate, cast)
    assert "called off" in omar.get(PAGE).text


def test_whom_somebody_else_can_help_is_refused(
    staff: Staff, gate: Gate, vault: Vault, cast: Cast, phone: pyotp.TOTP, people: People
) -> None:
    priya, _ = staff("Priya")
    given_step(gate, vault, cast.a.tenant_id, cast.sue.id)
    assert asked(priya, cast.sue.email) == 422, "an owner of hers takes it"
    assert asked(priya, cast.charlie.email) == 422, "has none"
    assert asked(priya, "nobody@nowhere.example") == 422
    assert asked(priya, "no address") == 422
    assert asked(priya, cast.alice.email, ticket="call me Alice") == 422
    assert asked(priya, cast.alice.email) == 303
    assert asked(priya, cast.alice.email) == 422, "is asked for already"


def test_of_staff_it_is_taken_by_two_others(staff: Staff, gate: Gate, services: TestServices) -> None:
    (priya, _), (omar, omar_id), (dana, _) = staff("Priya"), staff("Omar"), staff("Dana")
    assert asked(omar, "omar@seatline.example") == 422, "nobody asks for themselves"
    assert asked(priya, "omar@seatline.example") == 303
    path = f"{PAGE}/{newest(gate).id}"
    omar.post(f"{path}/confirm")
    assert newest(gate).confirmed_by is None, "nobody confirms what is about themselves"
    dana.post(f"{path}/confirm")
    with clock.hold(NOW + recoveries.WAIT):
        assert recovering.run_due(services) == 1
    with gate.open(Scope.system(OPERATOR)) as session:
        assert not second_step.is_on(session, tenant_id=OPERATOR, user_id=omar_id)
    assert omar.get(PAGE).status_code == 401, "signed out everywhere"


def test_without_a_second_step_nobody_asks_and_nobody_confirms(
    staff: Staff, gate: Gate, cast: Cast, phone: pyotp.TOTP
) -> None:
    (priya, _), (omar, omar_id) = staff("Priya"), staff("Omar")
    assert asked(priya, cast.alice.email) == 303
    with gate.open(Scope.system(OPERATOR)) as session:
        second_step.remove(session, tenant_id=OPERATOR, user_id=omar_id)
    omar.post(f"{PAGE}/{newest(gate).id}/confirm")
    assert newest(gate).confirmed_by is None
    priya.post(f"{PAGE}/{newest(gate).id}/call-off")
    assert asked(omar, cast.alice.email) == 422


def test_where_no_mail_is_sent_nobody_asks(
    staff: Staff, cast: Cast, phone: pyotp.TOTP, services: TestServices
) -> None:
    priya, _ = staff("Priya")
    mute = services.settings.model_copy(update={"mail_url": ""})
    priya.client.application.extensions[KEY] = TestServices(
        mute, services.gate, services.vault, services.realtime, services.storage, services.signer,
        services.keystore,
    )  # fmt: skip
    assert asked(priya, cast.alice.email) == 403
    assert "No mail is sent from here" in priya.get(PAGE).text


@pytest.mark.parametrize(
    "values",
    [
        "asked_by, confirmed_by, due_at) VALUES (:who, :x, now(), :y, :y, now() + interval '2 days')",
        "asked_by, confirmed_by, due_at) VALUES (:who, :x, now(), :y, :x, now() + interval '2 days')",
        "asked_by, confirmed_by, due_at) VALUES (:who, :x, now(), :y, :z, now() + interval '1 hour')",
    ],
    ids=["one person", "the person", "no wait"],
)
def test_the_database_wants_two_others_and_the_wait(gate: Gate, values: str) -> None:
    named = {"who": new_id(), "x": new_id(), "y": new_id(), "z": new_id(), "op": OPERATOR, "id": new_id()}
    statement = (
        "INSERT INTO app.step_recoveries (tenant_id, id, ticket, company_id, user_id, asked_at, "
        + values.replace("VALUES (", "VALUES (:op, :id, 'T-1', ")
    )
    with pytest.raises(DBAPIError) as refused, gate.open(Scope.system(OPERATOR)) as session:
        session.execute(text(statement), named)
    assert getattr(refused.value.orig, "sqlstate", "") == "23514"
