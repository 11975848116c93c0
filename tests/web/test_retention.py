"""For how long what is kept: set on the page and over the API, within bounds, shown before it happens."""

import datetime as dt

import pytest

from core import clock
from security.gate import Gate, Scope
from tenants import retention
from tenants.retention import KeptKind
from tests.factories import telephony
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices


def old_call(gate: Gate, cast: Cast, services: TestServices) -> None:
    """Let a call lie three months back."""
    line = telephony.line(gate, cast.a.tenant_id)
    telephony.call(
        gate, services.vault, line, arrived_at=clock.now() - dt.timedelta(days=90), caller=telephony.INES
    )


def test_the_page_says_what_goes_and_when_before_it_goes(
    alice: Browser, gate: Gate, cast: Cast, services: TestServices
) -> None:
    old_call(gate, cast, services)
    assert "No night yet" in alice.get("/portal/retention").text
    assert alice.post("/portal/retention/callers", {"days": "30"}).location == "/portal/retention"
    page = alice.get("/portal/retention").text
    assert "1 is removed" in page
    assert "Nothing is removed before a day has gone" in page
    assert "Changed for how long something is kept" in alice.get("/portal/evidence").text
    alice.post("/portal/retention/callers", {"days": ""})
    assert "1 is removed" not in alice.get("/portal/retention").text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        day = clock.now().date()
        assert retention.begin(session, tenant_id=cast.a.tenant_id, on_day=day)
        retention.count(session, tenant_id=cast.a.tenant_id, on_day=day, kind=KeptKind.RECORDINGS, more=214)
        retention.finish(session, tenant_id=cast.a.tenant_id, on_day=day, is_held=False)
    assert "214 Recordings" in alice.get("/portal/retention").text


@pytest.mark.parametrize("days", ["6", "4000", "-3", "x", "1e3", "3.5"])
def test_days_out_of_bounds_are_said(alice: Browser, days: str) -> None:
    answer = alice.post("/portal/retention/recordings", {"days": days})
    assert answer.status_code == 422
    assert "Whole days, from 7 to 3650" in answer.text


def test_a_kind_there_is_not_is_not_found(alice: Browser) -> None:
    assert alice.post("/portal/retention/invoices", {"days": "30"}).status_code == 404


def test_who_may_not_sees_nothing_and_changes_nothing(browser: Browsers, cast: Cast) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get("/portal/retention").status_code == 403
    assert sue.post("/portal/retention/recordings", {"days": "30"}).status_code == 403


def test_programs_set_their_own_companys(
    gate: Gate, cast: Cast, program: Programs, services: TestServices
) -> None:
    old_call(gate, cast, services)
    mine, other = program(cast.a), program(cast.b)
    shown = mine.call("PUT", "/retention/callers", json={"days": 30}).get_json()
    (rule,) = [one for one in shown["rules"] if one["kind"] == "callers"]
    assert (rule["days"], rule["removes"]) == (30, 1)
    refused = mine.call("PUT", "/retention/callers", json={"days": 2})
    assert (refused.status_code, refused.get_json()["code"]) == (422, "retention-bounds")
    assert mine.call("PUT", "/retention/invoices", json={"days": 30}).status_code == 404
    assert all(one["days"] is None for one in other.get("/retention").get_json()["rules"])
    assert (
        program(cast.a, "privacy.read").call("PUT", "/retention/callers", json={"days": None}).status_code
        == 403
    )
