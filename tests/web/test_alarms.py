"""Alarms on the pages of the company and of the operator, and over the API."""

from dataclasses import dataclass
from typing import Any

from core import ids
from core.ids import TenantId
from security.gate import Gate, Scope
from tenants import alarms
from tenants.companies import Company
from tenants.events import AlarmRaised
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs
from wiring.subscriptions import named


@dataclass(frozen=True)
class House:
    gate: Gate


def raised(gate: Gate, tenant_id: TenantId) -> str:
    """Raise an alarm and let the operator hear of it, as the relay does."""
    with gate.open(Scope.system(tenant_id)) as session:
        alarm_id = alarms.raise_alarm(session, "decoy-opened", tenant_id=tenant_id)
    hears: Any = named("alarms.operator")
    hears.handle(House(gate), AlarmRaised(tenant_id=tenant_id, alarm_id=alarm_id))
    return ids.public("alm", alarm_id)


def test_alarm_stands_on_the_front_page_until_somebody_takes_note(
    alice: Browser, gate: Gate, cast: Cast
) -> None:
    alarm_id = raised(gate, cast.a.tenant_id)
    assert "Somebody opened a decoy customer" in alice.get("/portal/").text
    assert alice.post(f"/portal/alarms/{alarm_id}/acknowledge").location == "/portal/alarms"
    assert "Somebody opened a decoy customer" not in alice.get("/portal/").text
    assert "Alice took note" in alice.get("/portal/alarms").text
    assert "Took note of an alarm" in alice.get("/portal/evidence").text


def test_operator_sees_whose_it_is_and_notes_it_alone(
    alice: Browser, browser: Browsers, people: People, head: Company, gate: Gate, cast: Cast
) -> None:
    alarm_id = raised(gate, cast.a.tenant_id)
    dana = browser()
    dana.sign_in(scene.staff(people, "operator_support").email)
    assert "Somebody opened a decoy customer" in dana.get("/operator/").text
    assert cast.a.name in dana.get("/operator/alarms").text
    dana.post(f"/operator/alarms/{alarm_id}/acknowledge")
    assert "Somebody opened a decoy customer" not in dana.get("/operator/").text
    assert "Somebody opened a decoy customer" in alice.get("/portal/").text


def test_programs_see_and_note_their_own_companys(gate: Gate, cast: Cast, program: Programs) -> None:
    alarm_id, mine, other = raised(gate, cast.a.tenant_id), program(cast.a), program(cast.b)
    assert [one["id"] for one in mine.get("/alarms").get_json()["data"]] == [alarm_id]
    assert other.get("/alarms").get_json()["data"] == []
    assert other.post(f"/alarms/{alarm_id}/acknowledge").status_code == 404
    assert mine.post(f"/alarms/{alarm_id}/acknowledge").get_json()["acknowledged_at"]


def test_supervisors_are_not_shown_alarms(browser: Browsers, gate: Gate, cast: Cast) -> None:
    raised(gate, cast.a.tenant_id)
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert "decoy" not in sue.get("/portal/").text
    assert sue.get("/portal/alarms").status_code == 403
