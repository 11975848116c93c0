"""T77, T78: looking into a company takes two people, a reason, a running time, and the company's own log."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.ids import OPERATOR, TenantId, UserId, new_id, public
from customers.records import CustomerCard
from security.gate import Gate, Kind, Scope
from security.vault import Vault
from tenants import alarms, second_step
from tenants.companies import Company
from tests.conftest import Prepared
from tests.customers.factory import stored
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import Scene

ASK = {"reason": "incident", "ticket": "INC-4711", "minutes": "30"}
Staff = Callable[..., tuple[Browser, UserId]]


@pytest.fixture
def staff(head: Company, people: People, browser: Browsers, gate: Gate, vault: Vault) -> Staff:
    def make(name: str, role: str = "operator_support", *, has_step: bool = True) -> tuple[Browser, UserId]:
        user = scene.staff(people, role, name=name)
        made = browser()
        assert made.sign_in(user.email).status_code == 303
        if has_step:
            with gate.open(Scope.system(OPERATOR)) as session:
                second_step.begin(session, tenant_id=OPERATOR, vault=vault, user_id=user.id, name=name)
                session.execute(text("UPDATE app.second_steps SET confirmed_at = begun_at"))
        return made, user.id

    return make


@pytest.fixture
def ines(gate: Gate, vault: Vault, cast: Cast) -> CustomerCard:
    return stored(gate, vault, cast.a.tenant_id)


@pytest.fixture
def admin(prepared: Prepared, gate: Gate) -> Iterator[psycopg.Connection[Any]]:
    """A superuser in this test's database, who can make time pass and stores fail."""
    with gate.outside() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    url = prepared.admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as opened:
        yield opened


def asked(who: Browser, tenant_id: TenantId) -> None:
    answer = who.post("/operator/glass", {"company": public("ten", tenant_id), **ASK})
    assert answer.status_code == 303, answer.text


def refused(gate: Gate, scope: Scope) -> str:
    """Try to enter a context; return the state it was refused with."""
    with pytest.raises(DBAPIError) as caught, gate.open(scope) as session:
        session.execute(text("SELECT 1"))
    return str(getattr(caught.value.orig, "sqlstate", ""))


def newest(gate: Gate) -> str:
    with gate.open(Scope.system(OPERATOR)) as session:
        return str(session.execute(text("SELECT id FROM sec.glasses() LIMIT 1")).scalar_one())


def test_two_people_a_reason_and_the_company_knows_at_once(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard, alice: Browser
) -> None:
    """The walk: Priya asks, Omar lets her in, alice is told, Priya looks, Omar reviews."""
    (priya, _), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    assert priya.get(glass).status_code == 403
    assert omar.post(f"{glass}/approve").status_code == 303
    assert "The operator looks into your customers" in alice.get("/portal/").text
    masked = priya.get(glass).text
    assert ines.masked_name in masked
    assert ines.phone not in masked
    whole = priya.get(f"{glass}/{public('cus', ines.id)}").text
    assert "Ines Carvalho" in whole
    log = alice.get("/portal/evidence").text
    assert log.count("The operator looked into the company") == 2
    assert "INC-4711" in alice.get("/portal/alarms").text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert [a.kind for a in alarms.page(session, tenant_id=cast.a.tenant_id, limit=9)] == ["glass-broken"]


def test_nobody_lets_themselves_in_and_no_grant_is_used_twice_by_others_or_elsewhere(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard
) -> None:
    (priya, priyas), (omar, omars) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    assert priya.post(f"{glass}/approve").status_code == 403
    assert omar.post(f"{glass}/approve").status_code == 303
    assert omar.post(f"{glass}/approve").status_code == 403  # replayed
    assert omar.get(glass).status_code == 403  # the approver has no look
    assert priya.get(glass).status_code == 200
    # below the pages: another person, another company, and a company that was not noted
    for scope in (
        Scope(cast.a.tenant_id, omars, Kind.BREAKGLASS),
        Scope(cast.b.tenant_id, priyas, Kind.BREAKGLASS),
    ):
        assert refused(gate, scope) == "42501"


def test_what_is_looked_at_cannot_be_changed(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard
) -> None:
    (priya, priyas), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    omar.post(f"{glass}/approve")
    priya.get(glass)
    for act in (
        "UPDATE app.customers SET updated_at = now()",
        "DELETE FROM app.customers",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
    ):
        scope = Scope(cast.a.tenant_id, priyas, Kind.BREAKGLASS)
        with pytest.raises(DBAPIError), gate.open(scope) as session:
            session.execute(text(act))
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert session.execute(text("SELECT count(*) FROM app.customers")).scalar_one() == 1


def test_time_that_is_over_opens_nothing_and_is_reviewed_by_somebody_else(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard, admin: psycopg.Connection[Any]
) -> None:
    (priya, priyas), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    assert omar.post(f"{glass}/review").status_code == 403  # not over
    omar.post(f"{glass}/approve")
    assert priya.get(glass).status_code == 200
    admin.execute("UPDATE sec.glass SET until = now() - interval '1 second'")
    assert priya.get(glass).status_code == 403
    assert refused(gate, Scope(cast.a.tenant_id, priyas, Kind.BREAKGLASS)) == "42501"
    assert "1 look by break-glass wants a review" in omar.get("/operator/").text
    assert priya.post(f"{glass}/review").status_code == 403
    assert omar.post(f"{glass}/review").status_code == 303
    assert "wants a review" not in omar.get("/operator/").text


def test_what_was_asked_an_hour_ago_is_not_approved(
    staff: Staff, gate: Gate, cast: Cast, admin: psycopg.Connection[Any]
) -> None:
    (priya, _), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    admin.execute("UPDATE sec.glass SET asked_at = now() - interval '61 minutes'")
    assert omar.post(f"/operator/glass/{newest(gate)}/approve").status_code == 403


def test_without_the_companys_log_there_is_no_look(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard, admin: psycopg.Connection[Any]
) -> None:
    """T78: the entry and the leave to look are one transaction; neither stands without the other."""
    (priya, priyas), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    omar.post(f"{glass}/approve")
    admin.execute("REVOKE INSERT ON app.evidence FROM seatline_app")
    answer = priya.get(f"{glass}/{public('cus', ines.id)}")
    assert answer.status_code >= 500
    assert "Carvalho" not in answer.text
    assert refused(gate, Scope(cast.a.tenant_id, priyas, Kind.BREAKGLASS)) == "42501"


def test_without_a_second_step_nobody_asks_and_nobody_approves(staff: Staff, gate: Gate, cast: Cast) -> None:
    (priya, _), (omar, _) = staff("Priya"), staff("Omar", has_step=False)
    form = {"company": public("ten", cast.a.tenant_id), **ASK}
    assert omar.post("/operator/glass", form).status_code == 403
    asked(priya, cast.a.tenant_id)
    assert omar.post(f"/operator/glass/{newest(gate)}/approve").status_code == 403


@pytest.mark.parametrize(
    "differs",
    [{"reason": "curiosity"}, {"ticket": "call Ines on 07700 900471"}, {"minutes": "61"}, {"minutes": "0"}],
)
def test_asked_wrongly_is_refused(staff: Staff, cast: Cast, differs: dict[str, str]) -> None:
    priya, _ = staff("Priya")
    form = {"company": public("ten", cast.a.tenant_id), **ASK, **differs}
    assert priya.post("/operator/glass", form).status_code == 422
    assert priya.post("/operator/glass", {**ASK, "company": public("ten", new_id())}).status_code == 422


def test_other_staff_do_not_break_glass(staff: Staff) -> None:
    """T79."""
    for role in ("operator_billing", "operator_inventory"):
        other, _ = staff(role.title().replace("_", ""), role)
        assert other.get("/operator/glass").status_code == 403
        assert re.search("operator/glass", other.get("/operator/").text) is None


def test_contacts_and_recordings_are_seen_and_each_look_is_in_the_companys_log(
    staff: Staff, gate: Gate, cast: Cast, day: Scene, alice: Browser
) -> None:
    """That there are some, when and how long: no note, no number, nothing to listen to."""
    (priya, _), (omar, _) = staff("Priya"), staff("Omar")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    for list_of in ("contacts", "recordings"):
        assert priya.get(f"{glass}/{list_of}").status_code == 403, "nobody has let her in"
    omar.post(f"{glass}/approve")
    before = alice.get("/portal/evidence").text.count("The operator looked into the company")
    recordings = priya.get(f"{glass}/recordings").text
    assert day.id_of(day.known) in recordings
    assert day.id_of(day.theirs) not in recordings, "another company's"
    assert "<audio" not in recordings
    assert priya.get(f"{glass}/contacts").status_code == 200
    assert omar.get(f"{glass}/contacts").status_code == 403
    after = alice.get("/portal/evidence").text.count("The operator looked into the company")
    assert (before, after) == (0, 2)


def test_an_open_look_stands_on_every_page_and_anybody_ends_it(
    staff: Staff, gate: Gate, cast: Cast, ines: CustomerCard, alice: Browser
) -> None:
    (priya, priyas), (omar, _) = staff("Priya"), staff("Omar")
    dana, _ = staff("Dana", "operator_billing")
    asked(priya, cast.a.tenant_id)
    glass = f"/operator/glass/{newest(gate)}"
    assert "looks into" not in omar.get("/operator/").text
    omar.post(f"{glass}/approve")
    assert "You look into Pelican Parcel until" in priya.get("/operator/companies").text
    seen = dana.get("/settings").text
    assert "Priya looks into Pelican Parcel until" in seen
    assert f"{glass}/end" not in seen, "who may not look may not end it either"
    assert dana.post(f"{glass}/end").status_code == 403
    assert priya.get(glass).status_code == 200
    assert omar.post(f"{glass}/end").status_code == 303
    assert priya.get(glass).status_code == 403
    assert refused(gate, Scope(cast.a.tenant_id, priyas, Kind.BREAKGLASS)) == "42501"
    assert "looks into" not in dana.get("/operator/").text
    assert omar.post(f"{glass}/end").status_code == 403, "it is over"
    assert "Ended a look into a company" in alice.get("/portal/evidence").text
