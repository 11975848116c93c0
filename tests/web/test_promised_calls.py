"""Promised calls in the portal and for programs: who keeps a place, and taking a promise back."""

import re

import pytest

from core import clock, ids
from core.ids import CallId, QueueId, new_id
from security.gate import Gate, Scope
from telephony import queues
from telephony.outbound import promised
from telephony.outbound.promised import Promised
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs


@pytest.fixture
def queue_id(gate: Gate, cast: Cast) -> QueueId:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Parcels").queue_id


@pytest.fixture
def promise(gate: Gate, cast: Cast, queue_id: QueueId) -> Promised:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return promised.promise(
            session,
            tenant_id=cast.a.tenant_id,
            call_id=CallId(new_id()),
            queue_id=queue_id,
            at=clock.now(),
        )


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def test_who_keeps_a_place_is_listed_and_withdrawn_once(
    alice: Browser, promise: Promised, ours: Program
) -> None:
    page = alice.get("/portal/callbacks").text
    assert "keeps their place" in page
    assert "Parcels" in page
    found = re.search(r'action="(/portal/callbacks/cbk_\w+/withdraw)"', page)
    assert found
    assert "they are not called" in alice.get(alice.post(found[1]).location).text
    assert "keeps their place" not in alice.get("/portal/callbacks").text
    assert "being kept, or over" in alice.get(alice.post(found[1]).location).text
    (one,) = ours.get("/callbacks").get_json()["data"]
    assert (one["id"], one["state"]) == (ids.public("cbk", promise.promise_id), "withdrawn")
    again = ours.call("DELETE", f"/callbacks/{one['id']}")
    assert (again.status_code, again.get_json()["code"]) == (409, "promise-over")


def test_a_program_withdraws_a_promise_of_its_own_company_only(
    promise: Promised, ours: Program, program: Programs, cast: Cast
) -> None:
    path = f"/callbacks/{ids.public('cbk', promise.promise_id)}"
    theirs = program(cast.b).call("DELETE", path)
    assert (theirs.status_code, theirs.get_json()["code"]) == (404, "not-found")
    assert ours.call("DELETE", path).get_json()["state"] == "withdrawn"


def test_who_may_not_write_sees_no_button(browser: Browsers, cast: Cast, promise: Promised) -> None:
    analyst = browser()
    analyst.sign_in(cast.ann.email)
    page = analyst.get("/portal/callbacks").text
    assert "keeps their place" in page
    assert "/withdraw" not in page
    path = f"/portal/callbacks/{ids.public('cbk', promise.promise_id)}/withdraw"
    assert analyst.post(path).status_code == 403
