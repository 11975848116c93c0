import dataclasses
import datetime as dt

import pytest
from werkzeug.test import TestResponse

from campaigns import attempts, plans
from core import clock
from core.ids import OPERATOR, AgentId, CallId, OfferId, RecordingId, TenantId, new_id, public
from core.phone import E164
from core.storage import DiskStorage
from customers import callbacks, dispositions, interactions, records
from customers.dispositions import Disposition
from customers.records import CustomerDetails
from seats import lines, presence, roster
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, drafts, orders, queues, recording, work
from telephony.orders import OrderKind
from telephony.queues import WrapUp
from telephony.routing import settings as routing
from telephony.routing.settings import RoutingSettings, TierSettings
from tests.campaigns import factory as campaigning
from tests.factories import agreements
from tests.factories import telephony as factory
from tests.tenants.people import People
from tests.web.conftest import HOST, Browser, Browsers, Cast


class Bob:
    """An agent of the operator at their console, on a shift."""

    def __init__(self, browser: Browser, gate: Gate, agent_id: AgentId) -> None:
        self.browser, self.gate, self.agent_id = browser, gate, agent_id

    offer_id: OfferId

    def offered(self, tenant_id: TenantId, call_id: CallId | None = None) -> OfferId:
        offer_id, now = OfferId(new_id()), clock.now()
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.offer(
                session,
                offer_id=offer_id,
                agent_id=self.agent_id,
                tenant_id=tenant_id,
                call_id=call_id or CallId(new_id()),
                offered_at=now,
                expires_at=now + dt.timedelta(seconds=20),
            )
        return offer_id

    def talks(self, call_id: CallId, tenant_id: TenantId) -> None:
        """Answer a call; it is in hand from then on."""
        offer_id = self.offered(tenant_id, call_id)
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.advance(session, offer_id=offer_id, state="talking", at=clock.now())
        self.offer_id = offer_id

    def wraps_up(
        self,
        *,
        for_s: float | None = 60,
        mode: WrapUp = WrapUp.TIMED,
        needs_disposition: bool = True,
        began_at: dt.datetime | None = None,
    ) -> None:
        """End the call in hand."""
        now = began_at or clock.now()
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.advance(
                session,
                offer_id=self.offer_id,
                state="wrap_up",
                at=now,
                wrap_until=None if for_s is None else now + dt.timedelta(seconds=for_s),
                wrap_up=mode,
                needs_disposition=needs_disposition,
            )

    def posts(self, path: str, body: object) -> TestResponse:
        return self.browser.client.post(
            f"/console/{path}",
            base_url=HOST,
            json=body,
            headers={"X-CSRF-Token": self.browser.token(), "Accept": "application/json"},
        )

    def orders(self) -> list[OrderKind]:
        with self.gate.open(Scope.system(OPERATOR)) as session:
            return [one.kind for one in orders.waiting(session)]

    def closed(self, offer_id: OfferId) -> None:
        with self.gate.open(Scope.system(OPERATOR)) as session:
            work.advance(session, offer_id=offer_id, state="closed", at=clock.now())

    def wants(self, body: object) -> TestResponse:
        return self.browser.client.post(
            "/console/status",
            base_url=HOST,
            json=body,
            headers={"X-CSRF-Token": self.browser.token()},
        )

    def next_status(self) -> object:
        return self.browser.get("/console/state").get_json()["next_status"]


@pytest.fixture
def bob(browser: Browsers, people: People, cast: Cast, gate: Gate, vault: Vault) -> Bob:
    user = people.user(people.operator().tenant_id, "Bob", "agent")
    with gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(session, vault=vault, user_id=user.id, number=1001, name="Bob")
        roster.assign(session, agent_id=agent.id, client_tenant_id=cast.a.tenant_id, starts_at=clock.now())
        presence.sign_in(session, agent_id=agent.id, at=clock.now())
    agreements.signed(gate, user.id, cast.a.tenant_id)
    made = browser()
    assert made.sign_in(user.email).status_code == 303
    return Bob(made, gate, AgentId(agent.id))


@pytest.mark.parametrize("body", [{"status": "away", "reason": "meal"}, {"status": "away:meal"}])
def test_what_an_agent_wants_to_be_next_is_forgotten_with_the_call(
    bob: Bob, cast: Cast, body: dict[str, str]
) -> None:
    first = bob.offered(cast.a.tenant_id)
    assert bob.next_status() is None
    assert bob.wants(body).status_code == 202
    assert bob.next_status() == "away:meal"
    bob.closed(first)
    bob.offered(cast.a.tenant_id)
    assert bob.next_status() is None


def test_a_wish_taken_back_leaves_none(bob: Bob, cast: Cast) -> None:
    bob.offered(cast.a.tenant_id)
    bob.wants({"status": "away", "reason": "meal"})
    assert bob.wants({"status": None}).status_code == 202
    assert bob.next_status() is None


@pytest.mark.parametrize("status", ["away", "talking", "away:", "away:meal:now", ["available"], {}])
def test_a_status_that_is_not_on_the_list_is_refused(bob: Bob, status: object) -> None:
    assert bob.wants({"status": status}).status_code == 422


@pytest.fixture
def call_id(gate: Gate, vault: Vault, cast: Cast, bob: Bob) -> CallId:
    """A call Bob has answered, and outcomes to choose from."""
    line = factory.line(gate, cast.a.tenant_id)
    made = factory.call(gate, vault, line, is_over=False)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        resolved = Disposition("resolved", "Resolved", "已解决")
        dispositions.define(session, tenant_id=cast.a.tenant_id, disposition=resolved)
    bob.talks(made, cast.a.tenant_id)
    return made


def test_a_campaigns_call_pops_with_its_name_and_script(
    bob: Bob, cast: Cast, gate: Gate, vault: Vault, storage: DiskStorage
) -> None:
    tenant_id = cast.a.tenant_id
    line = factory.line(gate, tenant_id)
    campaign = campaigning.campaign(gate, tenant_id, line=line, name="Late parcels", script="Offer tomorrow.")
    campaigning.with_leads(gate, vault, storage, campaign, 1)
    with gate.open(Scope.system(tenant_id)) as session:
        there = plans.get(session, tenant_id=tenant_id, campaign_id=campaign.campaign_id)
        (claim,) = attempts.claim(
            session,
            tenant_id=tenant_id,
            vault=vault,
            campaign_id=there.campaign_id,
            zones=there.zones,
            most=1,
            at=clock.now(),
        )
    bob.talks(factory.call_out(gate, vault, line, attempt_id=claim.attempt_id), tenant_id)
    shown = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").get_data(as_text=True)
    assert "Late parcels" in shown
    assert "Offer tomorrow." in shown


def test_the_pop_says_the_customers_tier_and_who_talked_with_them_last(
    bob: Bob, cast: Cast, gate: Gate, vault: Vault
) -> None:
    tenant_id = cast.a.tenant_id
    line = factory.line(gate, tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        details = CustomerDetails(name="Ines Carvalho", phone=E164(factory.INES))
        ines = records.add(session, tenant_id=tenant_id, vault=vault, details=details)
        settings = RoutingSettings(tiers=(TierSettings("vip", "Golden"),))
        routing.write(session, tenant_id=tenant_id, settings=settings)
        routing.put_in_tier(session, tenant_id=tenant_id, customer_id=ines.id, tier="vip")
    made = factory.call(gate, vault, line, customer_id=ines.id, is_over=False)
    bob.talks(made, tenant_id)
    path = f"/console/offers/{public('off', bob.offer_id)}"
    first = bob.browser.get(path).get_data(as_text=True)
    assert "Golden" in first
    assert "last spoke with" not in first
    factory.call(gate, vault, line, customer_id=ines.id, agent_number=1002)
    assert "last spoke with agent 1002" in bob.browser.get(path).get_data(as_text=True)


def test_the_pop_says_what_the_caller_chose_in_the_flows_menus(
    bob: Bob, cast: Cast, gate: Gate, vault: Vault
) -> None:
    tenant_id = cast.a.tenant_id
    made = factory.call(gate, vault, factory.line(gate, tenant_id), is_over=False)
    bob.talks(made, tenant_id)
    path = f"/console/offers/{public('off', bob.offer_id)}"
    assert "chose" not in bob.browser.get(path).get_data(as_text=True)
    came_by = [
        ("next", "menu", "Welcome"),
        ("key-9", "menu", "Something else"),
        ("otherwise", "speak", "Try again"),
        ("key-2", "menu", "Deliveries"),
        ("key-1", "menu", ""),
        ("key-3", "queue", "Late <parcels>"),
    ]
    with gate.open(Scope.system(tenant_id)) as session:
        for step, (way, kind, title) in enumerate(came_by):
            calls.note(
                session,
                tenant_id=tenant_id,
                call_id=made,
                position=800 + step,
                at=factory.ARRIVED + dt.timedelta(seconds=step),
                kind="flow-moved",
                details={"node": f"n{step}", "kind": kind, "title": title, "way": way},
            )
    shown = bob.browser.get(path).get_data(as_text=True)
    said = shown[shown.index("chose ") :]
    assert said.index("Deliveries") < said.index(">1</kbd> Menu") < said.index("Late &lt;parcels&gt;")
    assert "Something else" not in shown  # the last three say most
    assert "Try again" not in shown


def test_the_pop_of_a_call_in_shows_its_queues_script_and_what_to_say_first(
    bob: Bob, cast: Cast, gate: Gate, vault: Vault
) -> None:
    tenant_id = cast.a.tenant_id
    line = factory.line(gate, tenant_id)
    bob.talks(factory.call(gate, vault, line, is_over=False), tenant_id)
    path = f"/console/offers/{public('off', bob.offer_id)}"
    assert "Script:" not in bob.browser.get(path).text
    with gate.open(Scope.system(tenant_id)) as session:
        found = queues.get(session, tenant_id=tenant_id, queue_id=line.queue_id)
        wanted = dataclasses.replace(found.settings, script="Ask for <the> number.")
        queues.change(session, tenant_id=tenant_id, queue_id=line.queue_id, revision=1, settings=wanted)
    shown = bob.browser.get(path).text
    assert "Script: Deliveries" in shown
    assert "Ask for &lt;the&gt; number." in shown
    assert "Good day, Pelican Parcel" in shown


def test_a_call_out_shows_no_script_of_the_queue(bob: Bob, cast: Cast, gate: Gate, vault: Vault) -> None:
    tenant_id = cast.a.tenant_id
    line = factory.line(gate, tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        found = queues.get(session, tenant_id=tenant_id, queue_id=line.queue_id)
        wanted = dataclasses.replace(found.settings, script="Ask for the number.")
        queues.change(session, tenant_id=tenant_id, queue_id=line.queue_id, revision=1, settings=wanted)
    bob.talks(factory.call_out(gate, vault, line), tenant_id)
    shown = bob.browser.get(f"/console/offers/{public('off', bob.offer_id)}").text
    assert "Ask for the number." not in shown
    assert "Good day" in shown


def test_notes_are_kept_as_they_are_typed_and_survive_a_reload(bob: Bob, call_id: CallId) -> None:
    path = f"calls/{public('call', call_id)}/draft"
    assert bob.browser.get(f"/console/{path}").get_json()["saved_at"] is None
    assert bob.posts(path, {"notes": "Gate"}).status_code == 200
    kept = bob.posts(path, {"disposition": "resolved", "notes": "Gate B", "callback_at": None})
    assert kept.status_code == 200
    read = bob.browser.get(f"/console/{path}").get_json()
    assert (read["disposition"], read["notes"]) == ("resolved", "Gate B")
    assert read["saved_at"] == kept.get_json()["saved_at"]


def test_notes_stand_sealed_in_the_database(bob: Bob, call_id: CallId, gate: Gate, cast: Cast) -> None:
    bob.posts(f"calls/{public('call', call_id)}/draft", {"notes": "Gate B"})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        (body,) = session.connection().exec_driver_sql("SELECT body_ct FROM app.call_drafts").scalars()
    assert b"Gate B" not in bytes(body)


def test_a_card_number_is_refused_in_clear_words(bob: Bob, call_id: CallId) -> None:
    refused = bob.posts(f"calls/{public('call', call_id)}/draft", {"notes": "4111 1111 1111 1111"})
    assert refused.status_code == 422
    problem = refused.get_json()
    assert problem["code"] == "card-number"
    assert "card numbers are kept nowhere" in str(problem)
    assert "4111" not in str(problem)


@pytest.mark.parametrize(
    "body",
    [
        {"notes": 7},
        {"notes": "x" * 4001},
        {"notes": "", "callback_at": "tomorrow"},
        {"notes": "", "callback_at": "2026-11-22T10:00:00"},
        {"notes": "", "callback_at": "9999-12-31T23:59:59-14:00"},
        {"notes": "", "callback_at": "0001-01-01T00:00:00+14:00"},
        {"notes": "", "disposition": ["resolved"]},
    ],
)
def test_a_draft_that_is_none_is_refused(bob: Bob, call_id: CallId, body: object) -> None:
    assert bob.posts(f"calls/{public('call', call_id)}/draft", body).status_code == 422


def test_a_call_that_is_not_in_hand_takes_no_notes(bob: Bob, call_id: CallId) -> None:
    bob.closed(bob.offer_id)
    assert bob.posts(f"calls/{public('call', call_id)}/draft", {"notes": "late"}).status_code == 404
    other = public("call", CallId(new_id()))
    assert bob.posts(f"calls/{other}/draft", {"notes": "not mine"}).status_code == 404


def test_a_saved_wrap_up_promises_a_call_back_and_drops_the_draft(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    tenant_id, path = cast.a.tenant_id, f"calls/{public('call', call_id)}"
    bob.posts(f"{path}/draft", {"notes": "Gate B"})
    with gate.open(Scope.system(tenant_id)) as session:
        calls.finish(
            session, ending=calls.Ending(tenant_id, call_id, clock.now(), "caller-hung-up", "boot-1")
        )
        answerer = calls.Answerer(bob.agent_id, 1001, None, "A-1")
        calls.mark(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            instants={"popped_at": clock.now()},
            answerer=answerer,
        )
    bob.wraps_up()
    written = {"disposition": "resolved", "notes": "Gate B", "callback_at": "2020-01-01T10:00:00+00:00"}
    assert bob.posts(f"{path}/wrap-up", written).get_json()["code"] == "callback-time"
    due = clock.now() + dt.timedelta(days=1)
    written["callback_at"] = due.isoformat()
    assert bob.posts(f"{path}/wrap-up", written).status_code == 204
    assert bob.orders()[-1] is OrderKind.WRAPPED
    with gate.open(Scope.system(tenant_id)) as session:
        (promised,) = callbacks.open_of_agent(session, tenant_id=tenant_id, agent_id=bob.agent_id)
        line = interactions.of_subject(session, tenant_id=tenant_id, vault=vault, subject_ref=call_id)
        assert session.connection().exec_driver_sql("SELECT count(*) FROM app.call_drafts").scalar() == 0
    assert promised.due_at == due
    assert line is not None
    assert line.note == "Gate B"
    bob.closed(bob.offer_id)
    idle = bob.browser.get("/console/idle").get_data(as_text=True)
    address = f"callbacks/{public('ten', tenant_id)}/{public('cb', promised.callback_id)}/kept"
    assert address in idle
    assert bob.posts(address, {}).status_code == 204
    assert address not in bob.browser.get("/console/idle").get_data(as_text=True)
    strange = f"callbacks/{public('ten', cast.b.tenant_id)}/{public('cb', promised.callback_id)}/kept"
    assert bob.posts(strange, {}).status_code == 404


def test_a_wrap_up_may_be_given_more_time_but_not_for_ever(bob: Bob, call_id: CallId) -> None:
    path = f"calls/{public('call', call_id)}/extend"
    assert bob.posts(path, {}).get_json()["code"] == "not-wrapping-up"
    bob.wraps_up()
    assert bob.browser.get("/console/state").get_json()["wrap"]["can_extend"] is True
    assert bob.posts(path, {}).status_code == 202
    assert bob.orders()[-1] is OrderKind.EXTEND


def over(gate: Gate, tenant_id: TenantId, call_id: CallId) -> None:
    """Let the caller hang up."""
    with gate.open(Scope.system(tenant_id)) as session:
        ending = calls.Ending(tenant_id, call_id, clock.now(), "caller-hung-up", "boot-1")
        calls.finish(session, ending=ending)


def test_an_outcome_is_needed_where_the_queue_says_so(
    bob: Bob, call_id: CallId, gate: Gate, cast: Cast
) -> None:
    path = f"calls/{public('call', call_id)}/wrap-up"
    over(gate, cast.a.tenant_id, call_id)
    bob.wraps_up()
    assert bob.browser.get("/console/state").get_json()["wrap"]["needs_outcome"] is True
    refused = bob.posts(path, {"notes": "Gate B"})
    assert (refused.status_code, refused.get_json()["code"]) == (403, "disposition-needed")
    assert bob.orders() == []


def test_where_it_does_not_notes_are_enough(bob: Bob, call_id: CallId, gate: Gate, cast: Cast) -> None:
    path = f"calls/{public('call', call_id)}/wrap-up"
    over(gate, cast.a.tenant_id, call_id)
    bob.wraps_up(needs_disposition=False)
    assert bob.posts(path, {"notes": "Gate B"}).status_code == 204
    assert bob.orders()[-1] is OrderKind.WRAPPED


def test_an_outcome_with_others_under_it_is_not_enough(
    bob: Bob, call_id: CallId, gate: Gate, cast: Cast
) -> None:
    tenant_id, path = cast.a.tenant_id, f"calls/{public('call', call_id)}/wrap-up"
    with gate.open(Scope.system(tenant_id)) as session:
        late = Disposition("late", "Late parcel", "包裹延误", parent="resolved")
        dispositions.define(session, tenant_id=tenant_id, disposition=late)
    over(gate, tenant_id, call_id)
    bob.wraps_up()
    refused = bob.posts(path, {"disposition": "resolved", "notes": ""})
    assert refused.get_json()["code"] == "sub-code-needed"
    assert bob.posts(path, {"disposition": "late", "notes": ""}).status_code == 204


def test_only_an_optional_wrap_up_is_skipped(bob: Bob, call_id: CallId) -> None:
    path = f"calls/{public('call', call_id)}/skip"
    assert bob.posts(path, {}).get_json()["code"] == "not-wrapping-up"
    bob.wraps_up(for_s=None, mode=WrapUp.MANDATORY)
    wrap = bob.browser.get("/console/state").get_json()["wrap"]
    assert (wrap["can_skip"], wrap["can_extend"], wrap["ends_at"]) == (False, False, None)
    assert bob.posts(path, {}).get_json()["code"] == "wrap-up-needed"
    assert bob.orders() == []
    bob.wraps_up(mode=WrapUp.OPTIONAL)
    assert bob.browser.get("/console/state").get_json()["wrap"]["can_skip"] is True
    assert bob.posts(path, {}).status_code == 202
    assert bob.orders()[-1] is OrderKind.WRAPPED


def test_a_forgotten_wrap_up_shows_no_customer_any_more(bob: Bob, call_id: CallId) -> None:
    address = f"/console/offers/{public('off', bob.offer_id)}"
    bob.wraps_up(for_s=None, mode=WrapUp.MANDATORY)
    assert bob.browser.get(address).status_code == 200
    bob.wraps_up(for_s=None, mode=WrapUp.MANDATORY, began_at=clock.now() - dt.timedelta(minutes=61))
    assert bob.browser.get(address).status_code == 404


def test_the_longest_wrap_up_is_not_given_more(bob: Bob, call_id: CallId) -> None:
    bob.wraps_up(for_s=work.LONGEST_WRAP_UP.total_seconds())
    refused = bob.posts(f"calls/{public('call', call_id)}/extend", {})
    assert refused.get_json()["code"] == "wrap-up-longest"


def test_only_a_recording_that_runs_can_be_paused(bob: Bob, call_id: CallId, gate: Gate, cast: Cast) -> None:
    tenant_id, path = cast.a.tenant_id, f"calls/{public('call', call_id)}/recording"
    assert bob.posts(path, {"paused": True}).get_json()["code"] == "not-recording"
    with gate.open(Scope.system(tenant_id)) as session:
        recording.begin(
            session,
            tenant_id=tenant_id,
            recording_id=RecordingId(new_id()),
            call_id=call_id,
            started_at=clock.now(),
        )
    assert bob.posts(path, {"paused": "yes"}).status_code == 422
    assert bob.posts(path, {"paused": True}).status_code == 202
    assert bob.orders()[-1] is OrderKind.PAUSE
    held = bob.browser.get("/console/state").get_json()["call"]
    assert (held["recording"], held["paused"]) == (True, False)  # until the switch has done it


def test_a_bad_line_is_reported_with_its_figures_and_nothing_else(
    bob: Bob, call_id: CallId, gate: Gate, cast: Cast
) -> None:
    path = f"calls/{public('call', call_id)}/problem"
    figures = {"mos": 2.345, "loss_percent": 7, "rtt_ms": -1, "note": "Ines", "jitter_ms": "much"}
    assert bob.posts(path, {"what": "choppy", "figures": figures}).status_code == 204
    for body in ({"what": "her fault", "figures": {}}, {"what": "echo"}, {"what": ["echo"], "figures": {}}):
        assert bob.posts(path, body).status_code == 422
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        told = calls.timeline(session, tenant_id=cast.a.tenant_id, call_id=call_id)[-1]
    assert told.kind == "problem-reported"
    assert set(told.details) == {"what", "mos", "loss_percent", "by", "agent"}
    assert told.details["agent"] == 1001  # by which the company knows them in the call's story


def test_a_missed_call_is_told_as_such_and_today_is_counted(bob: Bob, gate: Gate, call_id: CallId) -> None:
    bob.closed(bob.offer_id)
    with gate.open(Scope.system(OPERATOR)) as session:
        presence.enter(session, agent_id=bob.agent_id, state="away:missed", at=clock.now())
    state = bob.browser.get("/console/state").get_json()
    assert (state["status"], state["reason"], state["activity"]) == ("away", "missed", "idle")
    page = bob.browser.get("/console/idle").get_data(as_text=True)
    assert "Calls today" in page
    assert "Available today" in page


@pytest.mark.usefixtures("call_id")
def test_a_page_loaded_in_a_call_brings_the_record_with_it(bob: Bob) -> None:
    page = bob.browser.get("/console/").get_data(as_text=True)
    assert f'data-popped="{public("off", bob.offer_id)}"' in page
    assert 'id="who"' in page
    bob.closed(bob.offer_id)
    assert "data-popped" not in bob.browser.get("/console/").get_data(as_text=True)


def test_a_call_closed_by_the_clock_says_that_no_outcome_was_given(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        ending = calls.Ending(cast.a.tenant_id, call_id, clock.now(), "caller-hung-up", "boot-1")
        calls.finish(session, ending=ending)
    bob.wraps_up(for_s=0)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        drafts.settle(session, tenant_id=cast.a.tenant_id, call_id=call_id, vault=vault)
    bob.closed(bob.offer_id)
    assert "None given" in bob.browser.get("/console/idle").get_data(as_text=True)


def closed_by_the_clock(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, tenant_id: TenantId, *, mode: WrapUp = WrapUp.TIMED
) -> str:
    """Let a wrap-up end with notes and without an outcome; return the address at which it is completed."""
    with gate.open(Scope.system(tenant_id)) as session:
        calls.mark(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            instants={},
            answerer=calls.Answerer(bob.agent_id, 1001, None, "A-1"),
        )
        ending = calls.Ending(tenant_id, call_id, clock.now(), "caller-hung-up", "boot-1")
        calls.finish(session, ending=ending)
    bob.wraps_up(for_s=0, mode=mode)
    assert bob.posts(f"calls/{public('call', call_id)}/draft", {"notes": "Gate B"}).status_code == 200
    with gate.open(Scope.system(tenant_id)) as session:
        drafts.settle(session, tenant_id=tenant_id, call_id=call_id, vault=vault)
    bob.closed(bob.offer_id)
    return f"calls/{public('call', call_id)}/outcome"


def test_a_call_without_its_outcome_waits_in_the_agents_list_and_is_completed_once(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    tenant_id = cast.a.tenant_id
    path = closed_by_the_clock(bob, call_id, gate, vault, tenant_id)
    assert f'data-outcome="/console/{path}"' in bob.browser.get("/console/idle").get_data(as_text=True)
    for body in ({}, {"disposition": ""}, {"disposition": "unheard-of"}, {"disposition": 7}):
        assert bob.posts(path, body).status_code == 422
    assert bob.posts(path, {"disposition": "resolved"}).status_code == 204
    assert "data-outcome" not in bob.browser.get("/console/idle").get_data(as_text=True)
    with gate.open(Scope.system(tenant_id)) as session:
        line = interactions.of_subject(session, tenant_id=tenant_id, vault=vault, subject_ref=call_id)
        call = calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=vault)
    assert line is not None
    assert (call.disposition, line.note) == ("resolved", "Gate B")
    assert bob.posts(path, {"disposition": "resolved"}).status_code == 404


def test_a_wrap_up_that_may_be_skipped_and_a_call_in_hand_owe_no_outcome(
    bob: Bob, call_id: CallId, gate: Gate, vault: Vault, cast: Cast
) -> None:
    in_hand = f"calls/{public('call', call_id)}/outcome"
    assert bob.posts(in_hand, {"disposition": "resolved"}).status_code == 404
    path = closed_by_the_clock(bob, call_id, gate, vault, cast.a.tenant_id, mode=WrapUp.OPTIONAL)
    assert "data-outcome" not in bob.browser.get("/console/idle").get_data(as_text=True)
    assert bob.posts(path, {"disposition": "resolved"}).status_code == 404


def test_the_check_of_a_line_is_judged_in_words_and_kept_and_a_simulator_says_that_it_has_none(
    bob: Bob, gate: Gate
) -> None:
    assert "The simulator has no sound" in bob.browser.get("/console/").get_data(as_text=True)
    figures = {"mos": 2.4, "loss_percent": 9.25, "rtt_ms": None, "jitter_ms": 31}
    told = bob.posts("line-check", {"figures": figures}).get_data(as_text=True)
    for said in ('data-verdict="poor"', "Poor line", "9.2 %", "2.4 of 5"):
        assert said in told
    with gate.open(Scope.system(OPERATOR)) as session:
        kept = lines.last(session, agent_id=bob.agent_id)
    assert kept is not None
    assert kept.figures == lines.Figures(2.4, 9.25, None, 31)
    blocked = figures | {"mos": 1, "loss_percent": 100}
    assert "No sound comes back" in bob.posts("line-check", {"figures": blocked}).get_data(as_text=True)


@pytest.mark.parametrize(
    "figures",
    [
        None,
        {},
        {"mos": 9, "loss_percent": 0, "rtt_ms": 1, "jitter_ms": 1},
        {"mos": 4, "loss_percent": -1, "rtt_ms": 1, "jitter_ms": 1},
        {"mos": 4, "loss_percent": None, "rtt_ms": 1, "jitter_ms": 1},
        {"mos": True, "loss_percent": 0, "rtt_ms": 1, "jitter_ms": 1},
        {"mos": 4, "loss_percent": 0, "rtt_ms": "1", "jitter_ms": 1},
    ],
)
def test_figures_that_cannot_be_are_no_check(bob: Bob, figures: object) -> None:
    assert bob.posts("line-check", {"figures": figures}).status_code == 422


def test_keys_are_kept_for_the_agent_and_come_back_with_the_page(bob: Bob) -> None:
    assert bob.posts("shortcuts", {"is_on": False, "keys": {"answer": "W"}}).status_code == 204
    assert '"is_on": false, "keys": {"answer": "w"}' in bob.browser.get("/console/").get_data(as_text=True)


def test_two_keys_may_change_places_and_what_is_held_with_them_is_kept(bob: Bob) -> None:
    swapped = {"answer": "d", "decline": "a"}
    wish = {"is_on": True, "keys": swapped, "family": "alt+shift"}
    assert bob.posts("shortcuts", wish).status_code == 204
    page = bob.browser.get("/console/").get_data(as_text=True)
    assert '"family": "alt+shift"' in page
    assert '"keys": {"answer": "d", "decline": "a"}' in page


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"is_on": "yes", "keys": {}},
        {"is_on": True, "keys": {"fly": "f"}},
        {"is_on": True, "keys": {"answer": "5"}},
        {"is_on": True, "keys": {"answer": "ab"}},
        {"is_on": True, "keys": {"answer": "z", "decline": "z"}},
        {"is_on": True, "keys": {"answer": "d"}},  # which declines, as usual
        {"is_on": True, "keys": {}, "family": "ctrl"},
        {"is_on": True, "keys": {}, "family": None},
        {"is_on": True, "keys": {"answer": 7}},
    ],
)
def test_keys_that_cannot_be_are_refused(bob: Bob, body: object) -> None:
    assert bob.posts("shortcuts", body).status_code == 422
