"""What the company records unless a queue differs: by people and programs, and two who edit at once."""

import pytest

from core import ids
from core.ids import OPERATOR, QueueId, TenantId
from security import evidence
from security.gate import Gate, Scope
from telephony import orders, queues
from telephony import recording_policy as policies
from telephony.orders import OrderKind
from telephony.queues import Settings
from telephony.recording_policy import RecordingPolicy
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs

PAGE = "/portal/recording-policy"
GIVEN = {"revision": "0", "recorded": "yes", "percent": "20", "tells": "yes"}


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def made(gate: Gate, tenant_id: TenantId, name: str, *, follows: bool) -> QueueId:
    with gate.open(Scope.system(tenant_id)) as session:
        wanted = Settings(name=name, is_recorded=False, tells_callers=True, records_as_company=follows)
        return queues.make(session, tenant_id=tenant_id, settings=wanted).queue_id


def kept(gate: Gate, tenant_id: TenantId) -> RecordingPolicy:
    with gate.open(Scope.system(tenant_id)) as session:
        return policies.read(session, tenant_id=tenant_id)


def test_it_counts_in_queues_that_follow_and_in_no_other(
    alice: Browser, gate: Gate, tenant_id: TenantId
) -> None:
    parcels = made(gate, tenant_id, "Parcels", follows=True)
    own = made(gate, tenant_id, "Complaints", follows=False)
    assert alice.post(PAGE, GIVEN).status_code == 303
    with gate.open(Scope.system(tenant_id)) as session:
        follows = queues.get(session, tenant_id=tenant_id, queue_id=parcels)
        differs = queues.get(session, tenant_id=tenant_id, queue_id=own)
        both = {one.name: one.is_recorded for one in queues.ever(session, tenant_id=tenant_id)}
        said = [one.fact.action for one in evidence.page(session, tenant_id=tenant_id, limit=3).entries]
    assert (follows.is_recorded, follows.record_percent, follows.tells_callers) == (True, 20, True)
    assert (differs.is_recorded, differs.record_percent) == (False, 100)
    assert (both["Parcels"], both["Complaints"]) == (True, False)
    assert "recording-policy.changed" in said
    with gate.open(Scope.system(OPERATOR)) as session:
        assert OrderKind.RELOAD in [one.kind for one in orders.waiting(session)], "from the next call on"
    page = alice.get(PAGE).text
    assert "as the company" in page
    assert "its own rule" in page
    assert "20 of a hundred" in page


def test_a_company_that_has_decided_nothing_records_and_tells(gate: Gate, tenant_id: TenantId) -> None:
    assert kept(gate, tenant_id) == RecordingPolicy(is_recorded=True, record_percent=100, tells_callers=True)
    queue_id = made(gate, tenant_id, "Parcels", follows=True)
    with gate.open(Scope.system(tenant_id)) as session:
        found = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
    assert (found.is_recorded, found.tells_callers) == (True, True)


def test_a_new_queue_follows_and_one_with_a_rule_of_its_own_differs(
    alice: Browser, ours: Program, gate: Gate, tenant_id: TenantId
) -> None:
    assert 'value="company" checked' in alice.get("/portal/queues/new").text
    queue_id = made(gate, tenant_id, "Parcels", follows=True)
    public = ids.public("que", queue_id)
    form = alice.get(f"/portal/queues/{public}/edit").text
    assert 'value="company" checked' in form
    assert "as the company" in alice.get(f"/portal/queues/{public}").text
    shown = ours.get(f"/queues/{public}").get_json()
    assert (shown["records_as_company"], shown["recorded"]) == (True, True)
    fields = {"name": "Parcels", "records_as_company": False, "recorded": False}
    changed = ours.call("PUT", f"/queues/{public}", json=fields, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert (changed.get_json()["records_as_company"], changed.get_json()["recorded"]) == (False, False)


def test_two_who_change_it_at_once_are_told(alice: Browser, gate: Gate, tenant_id: TenantId) -> None:
    assert alice.post(PAGE, GIVEN).status_code == 303
    answer = alice.post(PAGE, GIVEN | {"percent": "55"})
    assert answer.status_code == 409
    assert "55" in answer.text
    assert kept(gate, tenant_id).record_percent == 20


@pytest.mark.parametrize("percent", ["0", "101", "", "x"])
def test_what_cannot_stand_is_said(alice: Browser, gate: Gate, tenant_id: TenantId, percent: str) -> None:
    answer = alice.post(PAGE, GIVEN | {"percent": percent})
    assert answer.status_code == 422
    assert "From 1 to 100" in answer.text
    assert kept(gate, tenant_id).revision == 0


def test_programs_read_it_and_change_what_they_have_read(
    ours: Program, program: Programs, cast: Cast, gate: Gate, tenant_id: TenantId
) -> None:
    made(gate, tenant_id, "Parcels", follows=True)
    first = ours.get("/recording-policy")
    assert first.get_json() == {
        "recorded": True,
        "record_percent": 100,
        "tells_callers": True,
        "following": 1,
    }
    wanted = {"recorded": False, "record_percent": 30, "tells_callers": False}
    changed = ours.call("PUT", "/recording-policy", json=wanted, headers={"If-Match": first.headers["ETag"]})
    assert changed.status_code == 200, changed.text
    late = ours.call("PUT", "/recording-policy", json=wanted, headers={"If-Match": first.headers["ETag"]})
    assert late.status_code == 412
    refused = ours.call(
        "PUT",
        "/recording-policy",
        json=wanted | {"record_percent": 0},
        headers={"If-Match": changed.headers["ETag"]},
    )
    assert refused.status_code == 422
    theirs = program(cast.b).get("/recording-policy").get_json()
    assert theirs["recorded"] is True, "another company's is its own"
