"""Routing, settled by people and by programs; and why a call waited, told to both."""

import datetime as dt
import re
from dataclasses import replace

import pytest

from core.ids import OPERATOR, TenantId, UserId, new_id, public
from customers import decoys
from seats import roster
from seats.roster import Station
from security.gate import Gate, Scope
from security.vault import Field, Vault
from telephony import calls, orders, queues
from telephony.flows import store
from telephony.flows.model import Flow
from telephony.orders import OrderKind
from telephony.routing import settings as routing
from telephony.routing.board import Why
from telephony.routing.settings import QueueRouting, Region, RoutingSettings, TierSettings
from telephony.routing.strategy import Circle, Model
from telephony.routing.trail import reasons
from tenants import alarms
from tests.factories import telephony
from tests.seats.factory import hired, working_for
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.test_api import code_of

GIVEN = {
    "model": "brand-region-progressive",
    "widen-0": "5",
    "widen-1": "10",
    "widen-2": "15",
    "sticky": "20",
    "days": "7",
    "opens": "240",
    "tier-0-code": "vip",
    "tier-0-name": "VIP",
    "tier-0-target_s": "5",
    "tier-0-once": "yes",
    "tier-1-code": "vip-gold",
    "tier-1-name": "VIP, gold",
    "tier-1-above": "vip",
    "tier-1-work_order_h": "3",
    "tier-2-code": "",
    "region-0-code": "north",
    "region-0-name": "North",
    "region-0-prefixes": "+44161, +44113",
    "region-1-code": "",
}
WANTED = RoutingSettings(
    Model.PROGRESSIVE,
    (5, 10, 15),
    20,
    7,
    (
        TierSettings("vip", "VIP", target_s=5, widens_at_once=True),
        TierSettings("vip-gold", "VIP, gold", "vip", work_order_h=3),
    ),
    (Region("north", "North", ("+44161", "+44113")),),
    kept_opens_s=240,
)


WHY = Why(
    7_000,
    Circle.QUEUE,
    Circle.QUEUE,
    level=2,
    idle_ms=40_000,
    able=3,
    tier="vip-gold",
    is_overdue=True,
    is_kept=True,
)


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def agent(gate: Gate, vault: Vault, tenant_id: TenantId) -> int:
    made = hired(gate, vault, number=2101)
    working_for(gate, made.id, tenant_id)
    return made.number


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def kept(gate: Gate, tenant_id: TenantId) -> RoutingSettings:
    with gate.open(Scope.system(tenant_id)) as session:
        return routing.read(session, tenant_id=tenant_id)


def test_a_person_settles_it_all_on_one_page(
    alice: Browser, gate: Gate, tenant_id: TenantId, agent: int
) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        complaints = queues.open_queue(session, tenant_id=tenant_id, name="Complaints").queue_id
    form = GIVEN | {
        "revision": "0",
        f"{public('que', complaints)}-central": "yes",
        f"agent-{agent}-region": "north",
        f"agent-{agent}-duty": "in",
    }
    assert alice.post("/portal/routing", form).status_code == 303
    found = kept(gate, tenant_id)
    assert found == RoutingSettings(
        *(WANTED.model, WANTED.widen_s, 20, 7, WANTED.tiers, WANTED.regions),
        queues=(QueueRouting(complaints, is_central=True),),
        kept_opens_s=240,
    )
    with gate.open(Scope.system(OPERATOR)) as session:
        (member,) = roster.members(session, client_tenant_id=tenant_id, queue_id=None)
        assert member.station == Station("north", "in")
        assert OrderKind.SERVES in [one.kind for one in orders.waiting(session)]
    page = alice.get("/portal/routing").text
    assert re.search(r'value="brand-region-progressive" checked', page)
    assert "VIP, gold" in page
    assert re.search(r'name="opens"[^>]* value="240"', page)


def test_what_cannot_stand_is_said_and_nothing_is_lost(
    alice: Browser, gate: Gate, tenant_id: TenantId
) -> None:
    answer = alice.post("/portal/routing", GIVEN | {"revision": "0", "tier-0-weight": "0"})
    assert answer.status_code == 422
    assert "A weight is 1 to 1000." in answer.text
    assert "+44161, +44113" in answer.text
    assert kept(gate, tenant_id) == RoutingSettings()
    late = alice.post("/portal/routing", GIVEN | {"revision": "0", "opens": "7201"})
    assert late.status_code == 422
    assert "Kept seats open after 1 to 7200 seconds of waiting, or never (0)." in late.text


def a_flow(gate: Gate, vault: Vault, tenant_id: TenantId, *, name: str = "Best customers") -> str:
    """Publish a flow and return its public id."""
    with gate.open(Scope.system(tenant_id)) as session:
        queue = public("que", queues.open_queue(session, tenant_id=tenant_id, name=name).queue_id)
        draft = Flow.model_validate({"nodes": {"start": {"kind": "queue", "queue": queue}}})
        made = store.make(session, tenant_id=tenant_id, name=name, draft=draft, vault=vault)
        by = UserId(new_id())
        store.publish(session, tenant_id=tenant_id, flow_id=made.flow_id, revision=1, by=by, vault=vault)
        return public("flow", made.flow_id)


def test_a_person_chooses_what_callers_of_a_tier_go_through_and_the_flow_says_so_and_stays(
    alice: Browser, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    flow = a_flow(gate, vault, tenant_id)
    form = GIVEN | {"revision": "0", "tier-0-flow": flow}
    assert alice.post("/portal/routing", form).status_code == 303
    flows = kept(gate, tenant_id).flows
    assert {code: public("flow", one) for code, one in flows.items()} == {"vip": flow, "vip-gold": flow}
    with gate.open(Scope.system(OPERATOR)) as session:
        assert OrderKind.RELOAD in [one.kind for one in orders.waiting(session)], "it counts from now on"
    page = alice.get("/portal/routing").text
    assert re.search(rf'<option value="{flow}" selected>Best customers', page)
    assert "for the tiers VIP, VIP, gold" in alice.get("/portal/flows").text
    one = alice.get(f"/portal/flows/{flow}").text
    assert "Callers of these tiers go through it whichever number they call: VIP, VIP, gold." in one
    alice.post(f"/portal/flows/{flow}/remove", {"revision": "2"})
    assert "Numbers or tiers use this flow." in alice.get(f"/portal/flows/{flow}").text
    form |= {"revision": "1", "tier-0-flow": public("flow", new_id())}
    answer = alice.post("/portal/routing", form)
    assert answer.status_code == 422
    assert "A tier’s flow is one of yours that is published." in answer.text


def test_a_program_chooses_it_too_and_is_told_of_cases_nobody_comes_by(
    ours: Program, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    flow = a_flow(gate, vault, tenant_id)
    tag = {"If-Match": ours.get("/routing").headers["ETag"]}
    tiers = [{"code": "vip", "name": "VIP", "flow": flow}, {"code": "gold", "name": "Gold", "above": "vip"}]
    saved = ours.call("PUT", "/routing", json={"model": "brand", "tiers": tiers}, headers=tag)
    assert [one["flow"] for one in saved.get_json()["tiers"]] == [flow, None]
    held = ours.call("DELETE", f"/flows/{flow}", headers={"If-Match": '"2"'})
    assert code_of(held) == (409, "flow-in-use")
    assert held.get_json()["tiers"] == ["vip", "gold"]
    branch = {
        "start": {
            "kind": "branch",
            "on": "tier",
            "cases": [{"values": ["gold"], "to": "end"}],
            "otherwise": "end",
        },
        "end": {"kind": "hang-up"},
    }
    other = ours.post("/flows", {"name": "Main", "flow": {"nodes": branch}}).get_json()
    assert [(one["fault"], one["forbids"]) for one in other["findings"]] == [("tier-elsewhere", False)]
    tag = {"If-Match": saved.headers["ETag"]}
    tiers = [{"code": "vip", "name": "VIP", "flow": public("flow", new_id())}]
    refused = ours.call("PUT", "/routing", json={"model": "brand", "tiers": tiers}, headers=tag)
    assert code_of(refused) == (422, "routing-setting")


@pytest.mark.parametrize(
    ("noted", "told", "words"),
    [
        (
            ("flow-entered", {"flow": "flow_1", "version": 3, "tier": "vip"}),
            {"flow": "flow_1", "version": 3, "tier": "vip", "missed": ""},
            "Enters the flow of tier vip, version 3",
        ),
        (
            ("tier-flow-missing", {"tier": "vip"}),
            {"flow": None, "version": 0, "tier": "", "missed": "tier-flow-missing"},
            "The flow of tier vip cannot be read; on by the number’s own way",
        ),
        (
            ("tier-unknown", {}),
            {"flow": None, "version": 0, "tier": "", "missed": "tier-unknown"},
            "Who calls was not known in time; on by the number’s own way",
        ),
    ],
)
def test_a_call_says_whose_flow_it_went_through_and_why_not_that_of_its_tier(
    alice: Browser,
    ours: Program,
    gate: Gate,
    vault: Vault,
    tenant_id: TenantId,
    noted: tuple[str, dict[str, object]],
    told: dict[str, object],
    words: str,
) -> None:
    call_id = telephony.call(gate, vault, telephony.line(gate, tenant_id))
    path, (kind, details) = f"/calls/{public('call', call_id)}", noted
    assert ours.get(path).get_json()["went_through"] is None
    with gate.open(Scope.system(tenant_id)) as session:
        calls.note(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            position=900,
            at=telephony.ARRIVED,
            kind=kind,
            details=details,
        )
    assert words in alice.get(f"/portal{path}").text
    assert ours.get(path).get_json()["went_through"] == told


def test_who_saves_second_is_shown_both(alice: Browser, gate: Gate, tenant_id: TenantId) -> None:
    assert alice.post("/portal/routing", GIVEN | {"revision": "0"}).status_code == 303
    answer = alice.post("/portal/routing", GIVEN | {"revision": "0", "sticky": "30"})
    assert answer.status_code == 409
    assert kept(gate, tenant_id).sticky_s == 20


def test_a_program_reads_and_replaces_it(ours: Program, gate: Gate, tenant_id: TenantId, agent: int) -> None:
    read = ours.get("/routing")
    assert read.get_json()["model"] == "brand"
    body = {
        "model": "value",
        "tiers": [{"code": "vip", "name": "VIP", "weight": 9}],
        "regions": [{"code": "north", "name": "North", "prefixes": ["+44161"]}],
        "agents": [{"agent": agent, "region": "north", "duty": "out"}],
    }
    saved = ours.call("PUT", "/routing", json=body, headers={"If-Match": read.headers["ETag"]})
    assert saved.status_code == 200, saved.text
    (told,) = saved.get_json()["agents"]
    assert told == {"agent": agent, "region": "north", "duty": "out", "kept_queue": None, "kept_tier": ""}
    assert kept(gate, tenant_id).whole("vip").weight == 9
    assert saved.get_json()["kept_opens_s"] == 300
    again = ours.call("PUT", "/routing", json=body, headers={"If-Match": read.headers["ETag"]})
    assert again.status_code == 412
    never = ours.call(
        "PUT", "/routing", json=body | {"kept_opens_s": 0}, headers={"If-Match": saved.headers["ETag"]}
    )
    assert never.get_json()["kept_opens_s"] == 0
    # who does not name it leaves it as it is
    as_it_was = ours.call("PUT", "/routing", json=body, headers={"If-Match": never.headers["ETag"]})
    assert as_it_was.get_json()["kept_opens_s"] == 0


def test_a_program_is_told_what_cannot_stand(ours: Program, agent: int) -> None:
    tag = {"If-Match": ours.get("/routing").headers["ETag"]}
    unknown = {"agents": [{"agent": agent, "region": "nowhere"}]}
    assert code_of(ours.call("PUT", "/routing", json=unknown, headers=tag)) == (422, "routing-setting")
    stranger = {"agents": [{"agent": 9_999}]}
    assert code_of(ours.call("PUT", "/routing", json=stranger, headers=tag)) == (403, "agent-not-assigned")


def test_a_program_puts_a_customer_in_a_tier(ours: Program, gate: Gate, tenant_id: TenantId) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        routing.write(session, tenant_id=tenant_id, settings=WANTED)
    made = ours.post("/customers", {"name": "Ines Carvalho", "phone": "+447700900123"}).get_json()["id"]
    path = f"/customers/{made}/tier"
    assert ours.get(path).get_json() == {"tier": ""}
    assert ours.call("PUT", path, json={"tier": "vip-gold"}).get_json() == {"tier": "vip-gold"}
    assert ours.get(path).get_json() == {"tier": "vip-gold"}
    assert code_of(ours.call("PUT", path, json={"tier": "nobody"})) == (422, "routing-setting")


def test_a_customers_tier_is_told_and_set_without_opening_the_record(
    ours: Program, gate: Gate, tenant_id: TenantId, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So there is no look that the access log would have to show; a decoy is one all the same."""
    with gate.open(Scope.system(tenant_id)) as session:
        routing.write(session, tenant_id=tenant_id, settings=WANTED)
        decoy = decoys.invent(session, tenant_id=tenant_id, vault=vault)
    made = ours.post("/customers", {"name": "Ines Carvalho", "phone": "+447700900123"}).get_json()["id"]
    opened: list[str] = []
    real = Vault.open

    def watched(self: Vault, field: Field, sealed: bytes) -> str:
        opened.append(field.table)
        return real(self, field, sealed)

    monkeypatch.setattr(Vault, "open", watched)
    path = f"/customers/{made}/tier"
    assert ours.call("PUT", path, json={"tier": "vip-gold"}).status_code == 200
    assert ours.get(path).get_json() == {"tier": "vip-gold"}
    assert "customers" not in opened
    with gate.open(Scope.system(tenant_id)) as session:
        before = len(alarms.page(session, tenant_id=tenant_id, limit=9))
    assert ours.get(f"/customers/{public('cus', decoy)}/tier").status_code != 200
    with gate.open(Scope.system(tenant_id)) as session:
        assert len(alarms.page(session, tenant_id=tenant_id, limit=9)) == before + 1


def test_a_seat_is_kept_for_a_tier_by_people_and_for_a_queue_by_programs(
    alice: Browser, ours: Program, gate: Gate, tenant_id: TenantId, agent: int
) -> None:
    form = GIVEN | {"revision": "0", f"agent-{agent}-duty": "in", f"agent-{agent}-kept": "tier:vip"}
    assert alice.post("/portal/routing", form).status_code == 303
    (found,) = kept(gate, tenant_id).kept
    assert (found.tier, found.queue_id) == ("vip", None)
    page = alice.get("/portal/routing").text
    assert re.search(r'<option value="tier:vip" selected>tier VIP', page)
    read = ours.get("/routing")
    (told,) = read.get_json()["agents"]
    assert (told["kept_tier"], told["kept_queue"]) == ("vip", None)

    with gate.open(Scope.system(tenant_id)) as session:
        queue = public("que", queues.open_queue(session, tenant_id=tenant_id, name="Returns").queue_id)
    body = read.get_json() | {"agents": [{"agent": agent, "duty": "in", "kept_queue": queue}]}
    saved = ours.call("PUT", "/routing", json=body, headers={"If-Match": read.headers["ETag"]})
    assert saved.status_code == 200, saved.text
    (told,) = saved.get_json()["agents"]
    assert (told["kept_tier"], told["kept_queue"]) == ("", queue)
    # agents that are not named stay as they are
    body = saved.get_json() | {"agents": []}
    again = ours.call("PUT", "/routing", json=body, headers={"If-Match": saved.headers["ETag"]})
    assert again.get_json()["agents"][0]["kept_queue"] == queue
    # and a tier for which a seat is kept cannot go
    gone = GIVEN | {"revision": "3", f"agent-{agent}-kept": "tier:nobody"}
    answer = alice.post("/portal/routing", gone)
    assert answer.status_code == 422
    assert "A seat is kept for one of your queues or tiers." in answer.text


def test_a_call_says_why_it_waited_and_why_its_agent_got_it_to_people_and_to_programs(
    alice: Browser, ours: Program, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    made = telephony.line(gate, tenant_id)
    call_id = telephony.call(gate, vault, made)
    kept_of_it: list[tuple[str, dict[str, object]]] = [
        ("waits", {"ahead": 2, "serving": 1, "circle": 0, "tier": "vip-gold", "region": "north", "kept": 2}),
        (
            "widened",
            {"ahead": 0, "serving": 5, "circle": 1, "tier": "vip-gold", "region": "north"} | {"opened": 2},
        ),
        ("offered", {"agent": 1001, "seat": "A-1"} | reasons(WHY)),
    ]
    with gate.open(Scope.system(tenant_id)) as session:
        for step, (kind, details) in enumerate(kept_of_it):
            calls.note(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                position=900 + step,
                at=telephony.ARRIVED + dt.timedelta(seconds=step),
                kind=kind,
                details=details,
            )
    page = alice.get(f"/portal/calls/{public('call', call_id)}").text
    for words in (
        "tier vip-gold, own region; 2 callers before them; 1 agent may take it",
        "1 agent may take it; 2 more are kept for others’ calls",
        "May go further: tier vip-gold, whole queue; 0 callers before them; 5 agents may take it, 2 of them",
        "5 agents may take it, 2 of them on seats kept for others’ calls, which opened after this wait",
        "(whole queue, level 2, idle for 40 s; 3 agents were free) – their seat is kept for such calls",
    ):
        assert words in page
    waits, widened, offered = ours.get(f"/calls/{public('call', call_id)}").get_json()["wait"]
    assert (waits["circle"], waits["region"], waits["ahead"], waits["kept"]) == ("home", "north", 2, 2)
    assert (waits["kept_seat"], offered["kept_seat"], offered["kept"]) == (False, True, 0)
    assert (widened["kind"], widened["serving"], widened["opened"]) == ("widened", 5, 2)
    assert (waits["opened"], offered["opened"], offered["opened_seat"]) == (0, 0, False)
    assert (offered["able"], offered["level"], offered["waited_s"], offered["overdue"]) == (3, 2, 7.0, True)


def test_a_call_says_that_a_seat_kept_for_others_had_opened_to_it(
    alice: Browser, ours: Program, gate: Gate, vault: Vault, tenant_id: TenantId
) -> None:
    made = telephony.line(gate, tenant_id)
    call_id = telephony.call(gate, vault, made)
    because = reasons(replace(WHY, is_kept=False, is_opened=True))
    with gate.open(Scope.system(tenant_id)) as session:
        calls.note(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            position=900,
            at=telephony.ARRIVED,
            kind="offered",
            details={"agent": 1001, "seat": "A-1"} | because,
        )
    page = alice.get(f"/portal/calls/{public('call', call_id)}").text
    assert "3 agents were free) – their seat is kept for others’ calls, and opened after this wait" in page
    (offered,) = ours.get(f"/calls/{public('call', call_id)}").get_json()["wait"]
    assert (offered["kept_seat"], offered["opened_seat"]) == (False, True)
