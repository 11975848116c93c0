"""Calls out on the pages of the company and of the operator, and over the API."""

import json

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import OPERATOR, new_id
from security.gate import Gate, Scope
from telephony.models import DialDecisionRow
from telephony.outbound import limits, stops
from telephony.outbound.limits import Rules
from tenants.companies import Company
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs

PAGE = "/portal/calls-out"


def rules(gate: Gate, cast: Cast) -> Rules:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return limits.rules(session, tenant_id=cast.a.tenant_id, home="GB")


def stopped(gate: Gate, cast: Cast) -> list[str]:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return [one.side.value for one in stops.standing(session, tenant_id=cast.a.tenant_id)]


def orders(gate: Gate) -> list[tuple[str, str]]:
    with gate.open(Scope.system(OPERATOR)) as session:
        rows = session.execute(text("SELECT kind, details FROM app.switch_orders ORDER BY id")).all()
        return [(row.kind, row.details["tenant_id"]) for row in rows if row.kind == "end-calls-out"]


def form(**changes: str | list[str]) -> dict[str, str | list[str]]:
    return {
        "revision": "0",
        "countries": ["GB", "DE"],
        "prefixes": "1809555",
        "opens": "08:00",
        "closes": "20:00",
        "days": ["1", "2"],
        "a_day": "150.50",
        **changes,
    }


def test_a_company_chooses_where_when_and_for_how_much(alice: Browser, gate: Gate, cast: Cast) -> None:
    page = alice.get(PAGE).text
    assert 'value="GB" checked' in page
    assert "United Kingdom" in page
    assert alice.post(PAGE, form()).location == PAGE
    found = rules(gate, cast)
    assert (found.countries, found.prefixes) == (frozenset({"GB", "DE"}), frozenset({"1809555"}))
    assert found.hours is not None
    assert (f"{found.hours.opens:%H:%M}", found.hours.days, found.a_day_minor) == (
        "08:00",
        frozenset({1, 2}),
        15_050,
    )
    # both empty: at any hour
    alice.post(PAGE, form(revision="1", opens="", closes="", days=[], a_day="", countries=["GB"]))
    found = rules(gate, cast)
    assert (found.hours, found.a_day_minor, found.countries) == (None, None, frozenset({"GB"}))
    assert "Changed where and when calls go out" in alice.get("/portal/evidence").text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prefixes": "044"}, "A prefix has 2 to 15 digits"),
        ({"closes": "07:00"}, "Write when it begins and ends"),
        ({"days": []}, "Write when it begins and ends"),
        ({"a_day": "1.005"}, "“1.005” is no amount. Write it like 200.50."),
        ({"a_day": "1,250"}, "“1,250” may be meant two ways. Write 1250 or 1.250."),
        ({"a_day": "1e400"}, "“1e400” is no amount."),
        ({"a_day": "-3"}, "Write an amount like"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(
    alice: Browser, gate: Gate, cast: Cast, wrong: dict[str, str | list[str]], said: str
) -> None:
    answer = alice.post(PAGE, form(**wrong))
    assert answer.status_code == 422
    assert said in answer.text
    assert rules(gate, cast).revision == 0


def test_two_who_edit_at_once_lose_nothing(alice: Browser, gate: Gate, cast: Cast) -> None:
    alice.post(PAGE, form(countries=["GB", "IE"]))
    answer = alice.post(PAGE, form(countries=["GB", "FR"]))
    assert answer.status_code == 409
    assert "FR\nGB" in answer.text
    assert "GB\nIE" in answer.text
    chosen = form(revision="1", **{"countries-side": "yours", "countries-yours": "FR\nGB"})
    del chosen["countries"]
    assert alice.post(PAGE, chosen | {"days": "12"}).location == PAGE
    assert rules(gate, cast).countries == {"FR", "GB"}
    assert rules(gate, cast).hours is not None


def test_the_kill_switch_of_a_company_and_its_running_calls(alice: Browser, gate: Gate, cast: Cast) -> None:
    assert alice.post(f"{PAGE}/stop", {"running": "stay"}).location == PAGE
    assert (stopped(gate, cast), orders(gate)) == (["company"], [])
    assert "The company has stopped its calls out since" in alice.get(PAGE).text
    alice.post(f"{PAGE}/stop", {"running": "end"})
    assert orders(gate) == [("end-calls-out", str(cast.a.tenant_id))]
    alice.post(f"{PAGE}/resume")
    assert stopped(gate, cast) == []


def test_supervisors_do_not_choose_where_is_called(browser: Browsers, cast: Cast) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get(PAGE).status_code == 403
    assert sue.post(f"{PAGE}/stop").status_code == 403


def test_calls_that_were_not_placed_stand_with_what_to_do(alice: Browser, gate: Gate, cast: Cast) -> None:
    refuse(gate, cast)
    page = alice.get(PAGE).text
    assert "+4930901••••" in page
    assert "A country you have not allowed" in page
    assert "An owner or administrator can allow it" in page


def refuse(gate: Gate, cast: Cast) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        session.add(
            DialDecisionRow(
                tenant_id=cast.a.tenant_id,
                id=new_id(),
                attempt_id=new_id(),
                decided_at=clock.now(),
                is_cleared=False,
                reason="country",
                to_index=bytes(16),
                prefix="4930901",
                number_id=new_id(),
                queue_id=new_id(),
                zone="Europe/Berlin",
            )
        )


@pytest.fixture
def dana(browser: Browsers, people: People, head: Company) -> Browser:
    made = browser()
    made.sign_in(scene.staff(people, "operator_support").email)
    return made


def test_the_operator_sets_how_much_and_sees_the_defaults(dana: Browser, gate: Gate, cast: Cast) -> None:
    here = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}/calls-out"
    assert "Empty: the default, 20." in dana.get(here).text.replace("\n", "")
    assert here in dana.get(here.removesuffix("/calls-out")).text
    given = {"revision": "0", "at_once": "40", "per_second": "", "a_day": "250", "longest_in": "60"}
    assert dana.post(here, given | {"longest_out": "30", "trusted": "yes"}).location == here
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        caps = limits.caps(session, tenant_id=cast.a.tenant_id)
    assert (caps.at_once, caps.per_second, caps.a_day_minor, caps.is_trusted) == (40, None, 25_000, True)
    assert caps.longest_out == limits.SHORTEST_CAP * 30
    two = dana.post(here, given | {"a_day": "1,250", "revision": "1"})
    assert (two.status_code, "“1,250” may be meant two ways" in two.text) == (422, True)
    # who saves second is shown both
    assert dana.post(here, given | {"longest_out": "90", "trusted": ""}).status_code == 409
    assert (
        dana.post(
            here, given | {"revision": "1", "at_once": "-1", "longest_out": "", "trusted": ""}
        ).status_code
        == 422
    )


def test_the_operator_stops_one_company_and_it_cannot_undo_that(
    dana: Browser, alice: Browser, gate: Gate, cast: Cast
) -> None:
    here = f"/operator/companies/{ids.public('ten', cast.a.tenant_id)}/calls-out"
    dana.post(f"{here}/stop", {"running": "end"})
    assert (stopped(gate, cast), len(orders(gate))) == (["operator"], 1)
    assert "The operator has stopped calls out since" in alice.get(PAGE).text
    alice.post(f"{PAGE}/resume")
    assert stopped(gate, cast) == ["operator"]
    dana.post(f"{here}/resume")
    assert stopped(gate, cast) == []


def test_the_operator_bars_numbers_for_all_and_stops_everybody(
    dana: Browser, alice: Browser, gate: Gate
) -> None:
    barred = {"prefix": "+370 52", "why": "fraud", "note": "reported"}
    assert dana.post("/operator/barred", barred).location == "/operator/barred"
    page = dana.get("/operator/barred").text
    assert "+37052" in page
    assert "reported" in page
    assert dana.post("/operator/barred", barred).status_code == 409
    assert dana.post("/operator/barred", {**barred, "prefix": ""}).status_code == 422
    assert dana.post("/operator/barred", {**barred, "prefix": "1", "why": "everything"}).status_code == 422
    dana.post("/operator/barred/remove", {"prefix": "37052"})
    assert dana.post("/operator/barred/remove", {"prefix": "37052"}).status_code == 404
    dana.post("/operator/barred/everything", {"running": "end"})
    assert orders(gate) == [("end-calls-out", "")]
    assert "Calls out of all companies are stopped." in alice.get(PAGE).text
    # the one row that stops everything is not taken off by accident
    assert dana.post("/operator/barred/remove", {"prefix": ""}).status_code == 404
    dana.post("/operator/barred/nothing")
    assert "Calls out of all companies are stopped." not in alice.get(PAGE).text


def test_programs_do_the_same(gate: Gate, cast: Cast, program: Programs) -> None:
    mine, other = program(cast.a), program(cast.b)
    seen = mine.get("/calls-out")
    assert seen.get_json()["countries"] == ["GB"]
    assert seen.get_json()["hours"] == {"opens": "07:00", "closes": "22:00", "days": [1, 2, 3, 4, 5, 6, 7]}
    wanted = {"countries": ["DE", "GB"], "hours": None, "own_a_day_minor": 5000}
    tag = {"If-Match": seen.headers["ETag"]}
    changed = mine.call("PATCH", "/calls-out", json=wanted, headers=tag)
    assert (changed.status_code, changed.get_json()["hours"]) == (200, None)
    assert changed.get_json()["own_a_day_minor"] == 5000
    assert mine.call("PATCH", "/calls-out", json=wanted, headers=tag).status_code == 412
    tag = {"If-Match": changed.headers["ETag"]}
    assert mine.call("PATCH", "/calls-out", json={"countries": ["XX"]}, headers=tag).status_code == 422
    assert [one["side"] for one in mine.post("/calls-out/stop", {}).get_json()["stops"]] == ["company"]
    assert other.get("/calls-out").get_json()["stops"] == []
    assert mine.post("/calls-out/resume").get_json()["stops"] == []
    refuse(gate, cast)
    (row,) = mine.get("/calls-out/refused").get_json()["data"]
    assert (row["reason"], row["prefix"], row["campaign"]) == ("country", "4930901", None)
    assert "allow it" in row["advice"]
    assert other.get("/calls-out/refused").get_json()["data"] == []
    assert json.dumps(row)
