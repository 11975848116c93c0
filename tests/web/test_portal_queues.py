"""Queues: made, changed, closed and opened again, by people and by programs; two who edit at once."""

import re

import pytest

from core import ids
from core.ids import OPERATOR, QueueId, TenantId
from seats import roster
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers, orders, queues
from telephony.orders import OrderKind
from tests.campaigns import factory as campaigns
from tests.factories import telephony
from tests.seats.factory import hired, working_for
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.test_api import code_of

FLOOR = Scope.system(OPERATOR)
GIVEN = {
    "name": "Deliveries",
    "ring": "25",
    "wrap_mode": "timed",
    "wrap_up": "90",
    "outcome": "yes",
    "time_up": "free",
    "target": "15",
    "recorded": "yes",
    "percent": "100",
    "tells": "yes",
    "longest": "300",
    "message": "Nobody is free. Please call again tomorrow.",
    "language": "en",
    "survey": "0",
    "survey_most": "5",
    "survey_prompt": "",
    "script": "",
}


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def agents(gate: Gate, vault: Vault, tenant_id: TenantId) -> list[int]:
    """Two agents work for the company."""
    made = [hired(gate, vault, number=number) for number in (2101, 2102)]
    for one in made:
        working_for(gate, one.id, tenant_id)
    return [one.number for one in made]


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def made(browser: Browser, **fields: str) -> str:
    answer = browser.post("/portal/queues", GIVEN | fields)
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def id_of(path: str) -> QueueId:
    return QueueId(ids.parse("que", path.rsplit("/", 1)[-1]))


def serving(gate: Gate, tenant_id: TenantId, queue_id: QueueId) -> dict[int, int]:
    with gate.open(FLOOR) as session:
        found = roster.members(session, client_tenant_id=tenant_id, queue_id=queue_id)
    return {one.agent.number: one.level for one in found if one.level}


def revision(browser: Browser, path: str) -> str:
    match = re.search(r'name="revision" value="(\d+)"', browser.get(f"{path}/edit").text)
    assert match
    return match[1]


def test_a_queue_is_made_with_those_who_serve_it(
    alice: Browser, gate: Gate, tenant_id: TenantId, agents: list[int]
) -> None:
    path = made(alice, **{"agent-2101": "1", "agent-2102": "9"})
    page = alice.get(path).text
    for words in ("Deliveries", "Agent 2101", "first choice", "level 9", GIVEN["message"]):
        assert words in page
    assert "Deliveries" in alice.get("/portal/queues").text
    assert serving(gate, tenant_id, id_of(path)) == {2101: 1, 2102: 9}
    with gate.open(FLOOR) as session:
        left = [one.kind for one in orders.waiting(session)]
    assert left.count(OrderKind.SERVES) == 2
    assert OrderKind.RELOAD in left
    with gate.open(Scope.system(tenant_id)) as session:
        assert evidence.page(session, tenant_id=tenant_id, limit=1).entries[0].fact.action == "queue.made"


def test_a_member_who_is_not_chosen_any_more_serves_no_more(
    alice: Browser, gate: Gate, tenant_id: TenantId, agents: list[int]
) -> None:
    path = made(alice, **{"agent-2101": "1", "agent-2102": "2"})
    changed = GIVEN | {"agent-2102": "1", "revision": revision(alice, path)}
    assert alice.post(path, changed).status_code == 303
    assert serving(gate, tenant_id, id_of(path)) == {2102: 1}


def test_nobody_is_chosen_who_does_not_work_for_the_company(
    ours: Program, gate: Gate, vault: Vault, cast: Cast, agents: list[int]
) -> None:
    stranger = hired(gate, vault, number=2999)
    working_for(gate, stranger.id, cast.b.tenant_id)
    wish = {"name": "Deliveries", "members": [{"agent": 2999}]}
    assert code_of(ours.post("/queues", wish)) == (403, "agent-not-assigned")
    assert ours.get("/queues").get_json()["data"] == []


def test_two_who_edit_one_queue_lose_nothing(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate, tenant_id: TenantId, agents: list[int]
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    path = made(alice, **{"agent-2101": "1"})
    opened = revision(alice, path)
    first = GIVEN | {"agent-2101": "1", "agent-2102": "2", "ring": "30", "revision": opened}
    assert sue.post(path, first).status_code == 303
    second = GIVEN | {"agent-2101": "3", "name": "Parcels", "revision": opened}
    clash = alice.post(path, second)
    assert clash.status_code == 409
    for words in ("Saved by somebody else", "Parcels", "Agent 2102", "30"):
        assert words in clash.text
    with gate.open(Scope.system(tenant_id)) as session:
        assert queues.get(session, tenant_id=tenant_id, queue_id=id_of(path)).name == "Deliveries"
    settled = {name: value for name, value in second.items() if name not in {"name", "ring"}} | {
        "revision": revision(alice, path),
        "name-side": "yours",
        "name-yours": "Parcels",
        "name-theirs": "Deliveries",
        "ring-side": "theirs",
        "ring-yours": "25",
        "ring-theirs": "30",
        "agent-2102-side": "theirs",
        "agent-2102-yours": "",
        "agent-2102-theirs": "2",
    }
    assert alice.post(path, settled).status_code == 303
    with gate.open(Scope.system(tenant_id)) as session:
        now = queues.get(session, tenant_id=tenant_id, queue_id=id_of(path))
    assert (now.name, now.ring_timeout_s) == ("Parcels", 30)
    assert serving(gate, tenant_id, id_of(path)) == {2101: 3, 2102: 2}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": " "}, "A name has 1 to 80 signs."),
        ({"ring": "4"}, "From 5 to 120 seconds."),
        ({"ring": "x"}, "From 5 to 120 seconds."),
        ({"wrap_up": "3601"}, "From 0 to 3600 seconds; 0 is no limit."),
        ({"target": "0"}, "From 1 to 3600 seconds."),
        ({"longest": "9"}, "From 10 to 7200 seconds"),
        ({"name": "Main"}, "Another queue has this name"),
    ],
)
def test_what_cannot_stand_is_said_at_its_field(alice: Browser, wrong: dict[str, str], words: str) -> None:
    made(alice, name="Main")
    path = made(alice)
    new = alice.post("/portal/queues", GIVEN | {"name": "Third"} | wrong)
    old = alice.post(path, GIVEN | wrong | {"revision": revision(alice, path)})
    for answer in (new, old):
        assert (answer.status_code, words in answer.text) == (422, True)
    assert "Third" not in alice.get("/portal/queues").text


def test_a_queue_in_use_stays_open_and_says_why(alice: Browser, gate: Gate, vault: Vault, cast: Cast) -> None:
    tenant_id = cast.a.tenant_id
    line = telephony.line(gate, tenant_id, queue="Deliveries")
    path = f"/portal/queues/{ids.public('que', line.queue_id)}"
    alice.post(f"{path}/close")
    assert "Numbers still lead to this queue" in alice.get(path).text
    other = id_of(made(alice, name="Parcels"))
    with gate.open(Scope.system(tenant_id)) as session:
        (number,) = numbers.all_of(session, tenant_id=tenant_id)
        numbers.set_up(
            session,
            tenant_id=tenant_id,
            number_id=number.number_id,
            queue_id=other,
            greeting="",
            language="en",
            revision=number.revision,
        )
    telephony.call(gate, vault, line, is_over=False, talk_s=None)
    alice.post(f"{path}/close")
    assert "There are callers in this queue." in alice.get(path).text


def test_a_queue_of_a_campaign_stays_open(alice: Browser, gate: Gate, cast: Cast) -> None:
    campaign = campaigns.campaign(gate, cast.a.tenant_id)
    path = f"/portal/queues/{ids.public('que', campaign.queue_id)}"
    alice.post(f"{path}/close")
    page = alice.get(path).text
    assert "Campaigns still use this queue" in page
    assert campaign.settings.name in page


def test_a_closed_queue_is_nowhere_offered_and_can_be_opened_again(
    alice: Browser, gate: Gate, tenant_id: TenantId, agents: list[int]
) -> None:
    path = made(alice, **{"agent-2101": "4"})
    assert alice.post(f"{path}/close").status_code == 303
    listed = alice.get("/portal/queues").text
    assert "Open again" in listed
    assert f'action="{path}/reopen"' in listed
    assert "Deliveries" not in alice.get("/portal/campaigns/new").text
    assert alice.get(f"{path}/edit").status_code == 303
    assert alice.post(f"{path}/reopen").status_code == 303
    assert "Open again" not in alice.get("/portal/queues").text
    assert serving(gate, tenant_id, id_of(path)) == {2101: 4}


def test_an_analyst_sees_queues_and_changes_none(alice: Browser, browser: Browsers, cast: Cast) -> None:
    path = made(alice)
    ana = browser()
    ana.sign_in(cast.ann.email)
    assert "Deliveries" in ana.get(path).text
    assert "/edit" not in ana.get(path).text
    for refused in (ana.get(f"{path}/edit"), ana.post(path, GIVEN), ana.post(f"{path}/close")):
        assert refused.status_code == 403


def test_programs_make_change_close_and_open_queues(ours: Program, agents: list[int]) -> None:
    wish = {"name": "Deliveries", "longest_wait_s": 120, "members": [{"agent": 2101, "level": 2}]}
    answer = ours.post("/queues", wish)
    assert answer.status_code == 201
    whole = answer.get_json()
    assert whole["members"] == [{"agent": 2101, "level": 2}]
    path, tag = f"/queues/{whole['id']}", answer.headers["ETag"]
    changed = ours.call("PUT", path, json={"name": "Parcels"}, headers={"If-Match": tag})
    assert changed.get_json()["name"] == "Parcels"
    assert changed.get_json()["members"] == whole["members"]  # left out: as it was
    stale = ours.call("PUT", path, json={"name": "X"}, headers={"If-Match": tag})
    assert code_of(stale) == (412, "precondition-failed")
    assert code_of(ours.call("PUT", path, json={"name": "X"})) == (428, "precondition-required")
    assert code_of(ours.post("/queues", {"name": "Parcels"})) == (409, "queue-name-taken")
    assert ours.post(f"{path}/close", {}).get_json()["open"] is False
    assert ours.get("/queues").get_json()["data"] == []
    assert len(ours.get("/queues?closed=true").get_json()["data"]) == 1
    assert ours.post(f"{path}/reopen", {}).get_json()["open"] is True


def test_how_a_queue_wraps_up_is_changed_by_people_and_programs(
    alice: Browser, ours: Program, gate: Gate, tenant_id: TenantId
) -> None:
    path = made(alice, wrap_mode="mandatory", outcome="")
    with gate.open(Scope.system(tenant_id)) as session:
        found = queues.get(session, tenant_id=tenant_id, queue_id=id_of(path))
    assert (found.wrap_up.value, found.needs_disposition, found.wraps_for) == ("mandatory", False, None)
    assert "Mandatory: until the agent has saved it" in alice.get(path).text
    refused = alice.post(path, GIVEN | {"revision": "1", "wrap_mode": "sometimes"})
    assert refused.status_code == 422
    assert "Choose one of the four." in refused.text
    refused = alice.post(path, GIVEN | {"revision": "1", "time_up": "later"})
    assert "Choose one of the two." in refused.text
    assert alice.post(path, GIVEN | {"revision": "1", "time_up": "stay"}).status_code == 303
    assert "The agent stays in wrap-up, overdue, until they give it" in alice.get(path).text
    address = path.removeprefix("/portal")
    assert ours.get(address).get_json()["time_up"] == "stay"
    tag = ours.get(address).headers["ETag"]
    wish = {"name": "Deliveries", "wrap_up": "optional", "wrap_up_s": 0, "disposition_required": True}
    changed = ours.call("PUT", address, json=wish, headers={"If-Match": tag}).get_json()
    assert (changed["wrap_up"], changed["wrap_up_s"], changed["disposition_required"]) == (
        "optional",
        0,
        True,
    )
    wrong = ours.call("PUT", address, json=wish | {"wrap_up": "sometimes"}, headers={"If-Match": tag})
    assert code_of(wrong) == (422, "invalid-request")


def test_a_queues_script_is_kept_shown_and_bounded(
    alice: Browser, ours: Program, gate: Gate, tenant_id: TenantId
) -> None:
    script = "Ask for the number.\r\nOffer <tomorrow>."
    path = made(alice, script=script)
    shown = alice.get(path).text
    assert "Offer &lt;tomorrow&gt;." in shown
    assert "Ask for the number." in alice.get(f"{path}/edit").text
    queue_id = ids.public("que", id_of(path))
    assert "Offer <tomorrow>." in ours.get(f"/queues/{queue_id}").get_json()["script"]
    refused = alice.post("/portal/queues", GIVEN | {"name": "Other", "script": "x" * 8001})
    assert refused.status_code == 422
    assert "at most 8,000 characters" in refused.text
    assert ours.call("POST", "/queues", json={"name": "Other", "script": "x" * 8001}).status_code == 422
    with gate.open(Scope.system(tenant_id)) as session:
        assert [one.name for one in queues.all_of(session, tenant_id=tenant_id)] == ["Deliveries"]
