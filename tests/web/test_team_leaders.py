"""Team leaders: who may do what is the company's word, what they do is in its log, nobody else's is there."""

from collections.abc import Callable

import pytest

from core import clock
from core.ids import OPERATOR, AgentId, QueueId, TenantId, public
from seats import desk as seating
from seats import messages, roster
from seats.roster import Lead
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import orders, queues
from telephony.orders import OrderKind
from tests.factories import telephony as factory
from tests.web.conftest import Browsers, Cast, Programs
from tests.web.test_api import code_of
from tests.web.test_console_desk import Bob, bob
from tests.web.test_console_transfer import VAULT, hire, known, line

__all__ = ["bob", "hire", "known", "line"]

Hire = Callable[..., AgentId]


def let(gate: Gate, tenant_id: TenantId, *leads: Lead, number: int = 1001) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        roster.let_lead(session, client_tenant_id=tenant_id, leads={number: frozenset(leads)})


def last(gate: Gate) -> tuple[OrderKind, dict[str, object]] | None:
    with gate.open(Scope.system(OPERATOR)) as session:
        found = orders.waiting(session)
    return (found[-1].kind, found[-1].details) if found else None


def logged(gate: Gate, tenant_id: TenantId) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = session.connection().exec_driver_sql(
            "SELECT action FROM app.evidence WHERE action LIKE 'team.%%' ORDER BY seq"
        )
        return [str(one) for one in found.scalars()]


def test_an_administrator_gives_and_takes_what_leaders_may(
    bob: Bob, browser: Browsers, cast: Cast, gate: Gate
) -> None:
    alice = browser()
    alice.sign_in(cast.alice.email)
    page = alice.get("/portal/leaders").text
    assert "agent-1001-listen" in page
    form = {"agent-1001": "yes", "agent-1001-listen": "yes", "agent-1001-whisper": "yes"}
    assert alice.post("/portal/leaders", form).status_code == 303
    assert "Saved" in alice.get("/portal/leaders").text
    with gate.open(Scope.system(OPERATOR)) as session:
        (one,) = roster.members(session, client_tenant_id=cast.a.tenant_id, queue_id=None)
    assert one.leads == {Lead.LISTEN, Lead.WHISPER}
    alice.post("/portal/leaders", form)  # the same again
    assert logged(gate, cast.a.tenant_id) == ["team.leader-set"]
    assert "Team" in bob.browser.get("/console/").text


def test_programs_do_the_same(bob: Bob, program: Programs, cast: Cast) -> None:
    ours, theirs = program(cast.a), program(cast.b)
    body = {"data": [{"agent": 1001, "may": ["barge"]}]}
    assert ours.call("PUT", "/team-leaders", json=body).get_json()["data"] == [
        {"agent": 1001, "may": ["barge"]}
    ]
    assert ours.get("/team-leaders").get_json()["data"][0]["may"] == ["barge"]
    assert theirs.get("/team-leaders").get_json()["data"] == []
    assert code_of(theirs.call("PUT", "/team-leaders", json=body)) == (403, "agent-not-assigned")
    wrong = {"data": [{"agent": 1001, "may": ["everything"]}]}
    assert ours.call("PUT", "/team-leaders", json=wrong).status_code == 422


def test_who_leads_nobody_sees_no_team(bob: Bob) -> None:
    assert 'id="team-card"' not in bob.browser.get("/console/").text
    assert "You lead no team" in bob.browser.get("/console/team").text


@pytest.mark.parametrize(
    ("act", "kind", "action"),
    [
        (Lead.LISTEN, OrderKind.WATCH, "team.call-heard"),
        (Lead.WHISPER, OrderKind.WATCH, "team.call-heard"),
        (Lead.BARGE, OrderKind.WATCH, "team.call-heard"),
        (Lead.TAKE_OVER, OrderKind.TAKE_OVER, "team.call-taken"),
        (Lead.MOVE, OrderKind.MOVE, "team.caller-moved"),
    ],
)
def test_an_act_needs_its_grant_and_is_in_the_companys_log(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, act: Lead, kind: OrderKind, action: str
) -> None:
    call_id = factory.call(gate, vault, line, is_over=False)
    with gate.open(Scope.system(line.tenant_id)) as session:
        other = queues.open_queue(session, tenant_id=line.tenant_id, name="Other")
    wanted = {
        "act": act,
        "company": public("ten", line.tenant_id),
        "call": public("call", call_id),
        "queue": public("que", other.queue_id),
    }
    let(gate, line.tenant_id, *(set(Lead) - {act}))
    assert code_of(bob.posts("team/acts", wanted)) == (403, "not-a-leader")
    assert logged(gate, line.tenant_id) == []
    assert last(gate) is None
    let(gate, line.tenant_id, act)
    assert bob.posts("team/acts", wanted).status_code == 202
    assert logged(gate, line.tenant_id) == [action]
    found = last(gate)
    assert found is not None
    assert found[0] is kind
    assert found[1]["call_id"] == str(call_id)


def test_a_call_of_another_company_or_one_that_is_over_is_not_there(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, cast: Cast
) -> None:
    let(gate, line.tenant_id, *Lead)
    over = factory.call(gate, vault, line)
    strange = factory.call(
        gate, vault, factory.line(gate, cast.b.tenant_id, digits="+448081570999"), is_over=False
    )
    about = {"act": "listen", "company": public("ten", line.tenant_id)}
    assert code_of(bob.posts("team/acts", about | {"call": public("call", over)})) == (409, "call-moved-on")
    assert bob.posts("team/acts", about | {"call": public("call", strange)}).status_code == 404
    theirs = about | {"company": public("ten", cast.b.tenant_id), "call": public("call", strange)}
    assert code_of(bob.posts("team/acts", theirs)) == (403, "not-a-leader")
    assert last(gate) is None


def test_out_of_a_call_one_always_comes(bob: Bob, gate: Gate, cast: Cast) -> None:
    """The grant may be gone by then."""
    about = {"act": "leave", "company": public("ten", cast.a.tenant_id)}
    assert bob.posts("team/acts", about).status_code == 202
    found = last(gate)
    assert found is not None
    assert (found[0], found[1]["ear"]) == (OrderKind.WATCH, "")


def test_a_status_is_set_for_an_agent_of_the_company(
    bob: Bob, gate: Gate, hire: Hire, line: factory.Line, cast: Cast
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    hire(2001, "Strange Person", cast.b.tenant_id)
    let(gate, line.tenant_id, Lead.FORCE)
    about = {"act": "force", "company": public("ten", line.tenant_id), "status": "away", "reason": "break"}
    assert bob.posts("team/acts", about | {"agent": 1002}).status_code == 202
    found = last(gate)
    assert found is not None
    assert (found[0], found[1]["reason"]) == (OrderKind.FORCE, "break")
    assert logged(gate, line.tenant_id) == ["team.status-set"]
    for nobody in (2001, 1001, 4711):
        assert code_of(bob.posts("team/acts", about | {"agent": nobody})) == (409, "call-moved-on")
    assert bob.posts("team/acts", about | {"agent": 1002, "reason": "nonsense"}).status_code == 422


def test_an_agent_is_signed_out_for_a_reason_that_is_in_the_companys_log(
    bob: Bob, gate: Gate, hire: Hire, line: factory.Line, cast: Cast
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    about = {"act": "force", "company": public("ten", line.tenant_id), "status": "signed-out", "agent": 1002}
    assert code_of(bob.posts("team/acts", about | {"reason": "left"})) == (403, "not-a-leader")
    let(gate, line.tenant_id, Lead.FORCE)
    for nothing in ("", "because", "break"):
        assert bob.posts("team/acts", about | {"reason": nothing}).status_code == 422
    assert bob.posts("team/acts", about | {"reason": "left"}).status_code == 202
    found = last(gate)
    assert found is not None
    assert (found[0], found[1]["status"], found[1]["reason"]) == (OrderKind.FORCE, "signed-out", "left")
    assert logged(gate, line.tenant_id) == ["team.signed-out"]


def served(gate: Gate, tenant_id: TenantId, number: int) -> dict[QueueId, int]:
    """The queues of a company an agent serves, and how well."""
    with gate.open(Scope.system(OPERATOR)) as session:
        (one,) = [each for each in seating.serving(session) if each.agent.number == number]
    return {skill.queue_id: skill.level for skill in one.skills if skill.client_tenant_id == tenant_id}


def test_an_agent_is_put_into_another_queue_as_good_as_they_were_and_back(
    bob: Bob, gate: Gate, hire: Hire, line: factory.Line
) -> None:
    mara = hire(1002, "Mara Lindqvist", line.tenant_id)
    with gate.open(Scope.system(line.tenant_id)) as session:
        other = queues.open_queue(session, tenant_id=line.tenant_id, name="Other").queue_id
    with gate.open(Scope.system(OPERATOR)) as session:
        mine = line.tenant_id, line.queue_id
        roster.teach(session, agent_id=mara, client_tenant_id=mine[0], queue_id=mine[1], level=3)
    first, second = public("que", line.queue_id), public("que", other)
    about = {"act": "assign", "company": public("ten", line.tenant_id), "agent": 1002}
    there = about | {"queue": second, "from": first}
    let(gate, line.tenant_id, *(set(Lead) - {Lead.ASSIGN}))
    assert code_of(bob.posts("team/acts", there)) == (403, "not-a-leader")
    let(gate, line.tenant_id, Lead.ASSIGN)
    assert bob.posts("team/acts", there).status_code == 202
    assert served(gate, line.tenant_id, 1002) == {other: 3}
    found = last(gate)
    assert found is not None
    assert (found[0], found[1]["agent_id"]) == (OrderKind.SERVES, str(mara))
    assert logged(gate, line.tenant_id) == ["team.agent-moved"]
    assert code_of(bob.posts("team/acts", there)) == (409, "agent-moved-on")
    assert bob.posts("team/acts", about | {"queue": first, "from": second}).status_code == 202
    assert served(gate, line.tenant_id, 1002) == {line.queue_id: 3}
    assert bob.posts("team/acts", about | {"queue": second}).status_code == 202
    assert served(gate, line.tenant_id, 1002) == {line.queue_id: 3, other: 1}
    assert bob.posts("team/acts", about | {"from": second}).status_code == 202
    assert served(gate, line.tenant_id, 1002) == {line.queue_id: 3}


def test_nobody_is_put_into_a_queue_of_another_company_a_closed_one_or_none(
    bob: Bob, gate: Gate, hire: Hire, line: factory.Line, cast: Cast
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    hire(2001, "Strange Person", cast.b.tenant_id)
    strange = factory.line(gate, cast.b.tenant_id, digits="+448081570999").queue_id
    with gate.open(Scope.system(line.tenant_id)) as session:
        closed = queues.open_queue(session, tenant_id=line.tenant_id, name="Other").queue_id
        queues.close(session, tenant_id=line.tenant_id, queue_id=closed)
    let(gate, line.tenant_id, *Lead)
    about = {"act": "assign", "company": public("ten", line.tenant_id), "agent": 1002}
    assert bob.posts("team/acts", about | {"queue": public("que", strange)}).status_code == 404
    ended = about | {"queue": public("que", closed)}
    assert code_of(bob.posts("team/acts", ended)) == (409, "call-moved-on")
    assert bob.posts("team/acts", about).status_code == 422
    theirs = about | {"agent": 2001, "queue": public("que", line.queue_id)}
    assert code_of(bob.posts("team/acts", theirs)) == (409, "call-moved-on")
    assert served(gate, line.tenant_id, 1002) == {line.queue_id: 1}
    assert logged(gate, line.tenant_id) == []


def waiting(bob: Bob) -> str:
    return bob.browser.get("/console/messages").text


def test_a_message_to_a_queue_stands_at_its_agents_consoles_until_each_has_read_it(
    bob: Bob, browser: Browsers, program: Programs, gate: Gate, hire: Hire, line: factory.Line, cast: Cast
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    alice = browser()
    alice.sign_in(cast.alice.email)
    to_queue = {"text": "The website is down", "queue": public("que", line.queue_id)}
    assert alice.post("/portal/leaders/messages", to_queue).status_code == 303
    assert "website" not in waiting(bob)  # he does not serve it
    assert "0 of 1" in alice.get("/portal/leaders").text
    assert alice.post("/portal/leaders/messages", {"text": "Good morning"}).status_code == 303
    shown = waiting(bob)
    assert "Good morning" in shown
    ours, theirs = program(cast.a), program(cast.b)
    (all_of_us, _) = ours.get("/team-messages").get_json()["data"]
    assert (all_of_us["readers"], all_of_us["have_read"], all_of_us["from_agent"]) == (2, 0, None)
    about = {"company": public("ten", line.tenant_id), "message": all_of_us["id"]}
    assert bob.posts("messages", about).status_code == 200
    assert bob.posts("messages", about).status_code == 200  # again
    assert "Good morning" not in waiting(bob)
    (read, other) = ours.get("/team-messages").get_json()["data"]
    assert (read["have_read"], other["have_read"]) == (1, 0)
    assert code_of(bob.posts("messages", about | {"message": other["id"]})) == (404, "not-found")
    strange = about | {"company": public("ten", cast.b.tenant_id)}
    assert code_of(bob.posts("messages", strange)) == (404, "not-found")
    assert theirs.get("/team-messages").get_json()["data"] == []
    assert logged(gate, line.tenant_id) == ["team.message-sent"] * 2
    with gate.open(Scope.system(line.tenant_id)) as session:
        rows = session.connection().exec_driver_sql("SELECT text_ct FROM app.team_messages").scalars()
        assert not any(b"website" in bytes(row) for row in rows)


def test_a_leader_writes_to_the_team_by_a_grant_of_its_own(
    bob: Bob, program: Programs, gate: Gate, hire: Hire, line: factory.Line, cast: Cast
) -> None:
    hire(1002, "Mara Lindqvist", line.tenant_id)
    about = {"act": "broadcast", "company": public("ten", line.tenant_id), "text": "Well done today"}
    let(gate, line.tenant_id, *(set(Lead) - {Lead.BROADCAST}))
    assert code_of(bob.posts("team/acts", about)) == (403, "not-a-leader")
    assert 'id="write-form"' not in bob.browser.get("/console/").text
    let(gate, line.tenant_id, Lead.BROADCAST)
    assert 'id="write-form"' in bob.browser.get("/console/").text
    assert bob.posts("team/acts", about).status_code == 202
    (one,) = program(cast.a).get("/team-messages").get_json()["data"]
    assert (one["text"], one["readers"], one["from_agent"]) == ("Well done today", 1, 1001)
    assert "Well done" not in waiting(bob)  # his own
    assert logged(gate, line.tenant_id) == ["team.message-sent"]


def test_a_message_without_text_readers_or_sense_is_refused(
    bob: Bob, program: Programs, gate: Gate, line: factory.Line, cast: Cast
) -> None:
    ours = program(cast.a)

    def refused(**body: object) -> tuple[int, str]:
        return code_of(ours.call("POST", "/team-messages", json={"text": "Hello"} | body))

    assert refused(text="   ") == (422, "message-text")
    assert refused(text="x" * 501)[0] == 422
    assert refused(text="Take 4111 1111 1111 1111")[1] == "card-number"
    assert refused(queue=public("que", line.queue_id)) == (422, "message-text")  # nobody serves it
    strange = factory.line(gate, cast.b.tenant_id, digits="+448081570999").queue_id
    assert refused(queue=public("que", strange))[0] == 404
    assert bob.posts("messages", {"company": 1, "message": "x"}).status_code == 422


def test_an_old_message_is_shown_no_more_and_goes_with_the_next(
    bob: Bob, program: Programs, gate: Gate, line: factory.Line, cast: Cast
) -> None:
    ours = program(cast.a)
    assert ours.call("POST", "/team-messages", json={"text": "Old news"}).status_code == 201
    with clock.hold(clock.now() + messages.KEPT):
        with gate.open(Scope.system(line.tenant_id)) as session:
            assert messages.recent(session, tenant_id=line.tenant_id, vault=VAULT[0]) == []
            messages.write(
                session,
                tenant_id=line.tenant_id,
                vault=VAULT[0],
                text="News",
                queue_id=None,
                to=[1001],
                from_agent=None,
            )
        with gate.open(Scope.system(line.tenant_id)) as session:
            for table in ("team_messages", "team_readers"):
                counted = session.connection().exec_driver_sql(f"SELECT count(*) FROM app.{table}").scalar()
                assert counted == 1
