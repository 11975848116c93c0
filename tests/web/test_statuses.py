"""A company's own words for why its agents are away: set up by people and programs, chosen by agents."""

from collections.abc import Iterator

import pytest

from core.ids import TenantId
from seats import statuses
from seats.errors import StatusCodeError
from seats.statuses import Status
from security.gate import Gate, Scope
from telephony.orders import OrderKind
from tests.web.conftest import Browsers, Cast, Program, Programs
from tests.web.test_api import code_of
from tests.web.test_console_desk import Bob, bob
from web.console import desk

__all__ = ["bob"]

COACHING = Status("coaching", "Coaching", "辅导")


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Forget what this process knows of companies for a minute."""
    desk._clients.clear()
    yield
    desk._clients.clear()


def define(gate: Gate, tenant_id: TenantId, status: Status) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        statuses.define(session, tenant_id=tenant_id, status=status)


def test_an_agent_chooses_a_status_of_a_company_they_serve(bob: Bob, gate: Gate, cast: Cast) -> None:
    define(gate, cast.a.tenant_id, COACHING)
    define(gate, cast.b.tenant_id, Status("stock", "Counting stock", "盘点"))
    page = bob.browser.get("/console/").get_data(as_text=True)
    assert '<option value="away:coaching">Coaching</option>' in page
    assert "away:stock" not in page
    assert bob.wants({"status": "away", "reason": "coaching"}).status_code == 202
    assert bob.orders()[-1] is OrderKind.STATUS
    assert bob.wants({"status": "away", "reason": "stock"}).status_code == 422


def test_a_status_is_chosen_for_after_the_call(bob: Bob, gate: Gate, cast: Cast) -> None:
    define(gate, cast.a.tenant_id, COACHING)
    bob.offered(cast.a.tenant_id)
    assert bob.wants({"status": "away", "reason": "coaching"}).status_code == 202
    assert bob.next_status() == "away:coaching"


@pytest.mark.parametrize(
    "wrong",
    [
        Status("break", "Pause", "休息"),
        Status("missed", "Missed", "错过"),
        Status("Odd!", "a", "b"),
        Status("x" * 32, "a", "b"),
        Status("coaching", " ", "b"),
        Status("coaching", "a", "b" * 41),
    ],
)
def test_a_status_that_cannot_be_is_refused(gate: Gate, tenant_a: TenantId, wrong: Status) -> None:
    with pytest.raises(StatusCodeError):
        define(gate, tenant_a, wrong)


def test_people_and_programs_set_them_up(
    browser: Browsers, program: Programs, gate: Gate, cast: Cast
) -> None:
    alice, ours = browser(), program(cast.a)
    alice.sign_in(cast.alice.email)
    form = {"code": "coaching", "label_en": "Coaching", "label_zh": "辅导", "position": "2"}
    assert alice.post("/portal/statuses", form).status_code == 303
    assert "Coaching" in alice.get("/portal/statuses").text
    alice.post("/portal/statuses", form | {"code": "meal"})
    assert "cannot be kept so" in alice.get("/portal/statuses").text
    words = {"label_en": "Counting stock", "label_zh": "盘点"}
    assert ours.call("PUT", "/agent-statuses/stock", json=words).status_code == 200
    assert code_of(ours.call("PUT", "/agent-statuses/meal", json=words)) == (422, "status-code")
    codes = [one["code"] for one in ours.get("/agent-statuses").get_json()["data"]]
    assert codes == ["stock", "coaching"]
    assert alice.post("/portal/statuses/coaching/retire", {}).status_code == 303
    assert ours.call("DELETE", "/agent-statuses/stock").status_code == 204
    assert ours.call("DELETE", "/agent-statuses/nothing").status_code == 404
    assert ours.get("/agent-statuses").get_json()["data"] == []
    theirs: Program = program(cast.b)
    assert theirs.call("DELETE", "/agent-statuses/coaching").status_code == 404
