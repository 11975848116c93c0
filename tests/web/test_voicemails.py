"""Messages callers leave: who sees that there are some, who takes one on, and what becomes of it."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core import clock
from core.ids import OPERATOR, CallId, RecordingId, TenantId, new_id, public
from core.realtime import Realtime, channel
from core.storage import Storage
from customers import budgets
from customers.budgets import Allowed
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, hearings, queues, recording, voicemail
from telephony.events import RecordingSealed
from telephony.hearings import HeardFor
from tests.factories import telephony as factory
from tests.web.conftest import Browsers, Cast, Programs
from tests.web.test_console_desk import Bob
from tests.web.test_console_dial import bob, decisions, line, noon
from tests.web.test_console_transfer import hire, known
from web.console import desk, voicemails
from wiring import subscriptions

__all__ = ["bob", "hire", "known", "line", "noon"]


def leave(gate: Gate, vault: Vault, line: factory.Line, *, with_sound: bool = True) -> CallId:
    """Let somebody leave a message an hour ago, as the switchboard writes it."""
    at = factory.hours_ago(1)
    left_in = factory.call(gate, vault, line, arrived_at=at, talk_s=None, cause=calls.LEFT_MESSAGE)
    with gate.open(Scope.system(line.tenant_id)) as session:
        calls.note(
            session,
            tenant_id=line.tenant_id,
            call_id=left_in,
            position=9,
            at=at,
            kind="message-began",
            details={},
        )
        if with_sound:
            made = RecordingId(new_id())
            recording.begin(
                session, tenant_id=line.tenant_id, recording_id=made, call_id=left_in, started_at=at
            )
    return left_in


def address(line: factory.Line, left_in: CallId, act: str) -> str:
    return f"voicemails/{public('ten', line.tenant_id)}/{public('call', left_in)}/{act}"


def states(program: Programs, cast: Cast) -> list[tuple[str, int | None]]:
    found = program(cast.a).get("/voicemails").get_json()["data"]
    return [(one["state"], one["agent"]) for one in found]


def test_a_message_is_new_then_heard_then_somebodys_then_done(
    bob: Bob, browser: Browsers, program: Programs, gate: Gate, vault: Vault, line: factory.Line, cast: Cast
) -> None:
    left_in = leave(gate, vault, line)
    factory.call(gate, vault, line, arrived_at=factory.hours_ago(2))  # no message
    leave(gate, vault, line, with_sound=False)  # its caller was erased
    assert states(program, cast) == [("new", None)]
    assert program(cast.b).get("/voicemails").get_json()["data"] == []
    alice = browser()
    alice.sign_in(cast.alice.email)
    page = alice.get("/portal/voicemails").text
    assert public("call", left_in) in page
    assert "/portal/voicemails" in alice.get("/portal/calls").text
    with gate.open(Scope.system(line.tenant_id)) as session:
        hearings.open_for(
            session, tenant_id=line.tenant_id, call_id=left_in, why=HeardFor.QUALITY, by=cast.alice.id
        )
    assert states(program, cast) == [("heard", None)]
    shown = bob.browser.get("/console/idle").text
    assert "Messages callers left" in shown
    assert f"/console/{address(line, left_in, 'dial')}" in shown
    answer = bob.posts(address(line, left_in, "dial"), {})
    assert answer.status_code == 202, answer.get_json()
    assert decisions(gate, line.tenant_id) == [(True, None, True)]  # through the one gate
    assert states(program, cast) == [("taken", 1001)]
    assert "with agent 1001" in alice.get("/portal/voicemails").text
    assert bob.posts(address(line, left_in, "kept"), {}).status_code == 204
    assert bob.posts(address(line, left_in, "kept"), {}).status_code == 204  # again
    assert states(program, cast) == [("done", 1001)]
    assert "Messages callers left" not in bob.browser.get("/console/idle").text


def test_what_the_gate_refuses_is_not_dialled_after_a_message(
    bob: Bob, program: Programs, gate: Gate, vault: Vault, line: factory.Line, cast: Cast
) -> None:
    left_in = leave(gate, vault, line)
    clock.advance(dt.timedelta(hours=11))
    answer = bob.posts(address(line, left_in, "dial"), {})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "dial-outside-hours")
    assert bob.orders() == []
    assert states(program, cast) == [("new", None)]  # it stays for whoever can call later


def test_who_serves_another_queue_or_company_has_no_part_in_it(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, cast: Cast
) -> None:
    strange = factory.line(gate, cast.b.tenant_id, digits="+448081570999")
    theirs = leave(gate, vault, strange)
    with gate.open(Scope.system(line.tenant_id)) as session:
        other = queues.open_queue(session, tenant_id=line.tenant_id, name="Other").queue_id
    not_served = leave(gate, vault, dataclasses.replace(line, queue_id=other))
    no_message = factory.call(gate, vault, line)
    for act in ("dial", "kept"):
        assert bob.posts(address(strange, theirs, act), {}).status_code == 404
        assert bob.posts(address(line, theirs, act), {}).status_code == 404
        assert bob.posts(address(line, not_served, act), {}).status_code == 404
        assert bob.posts(address(line, no_message, act), {}).status_code == 404
    assert "Messages callers left" not in bob.browser.get("/console/idle").text
    assert bob.orders() == []


def test_a_message_another_agent_has_taken_on_is_theirs(
    bob: Bob, program: Programs, gate: Gate, vault: Vault, line: factory.Line, cast: Cast
) -> None:
    left_in = leave(gate, vault, line)
    with gate.open(Scope.system(line.tenant_id)) as session:
        voicemail.take(session, tenant_id=line.tenant_id, call_id=left_in, agent_number=1002)
    assert "Messages callers left" not in bob.browser.get("/console/idle").text
    for act in ("dial", "kept"):
        answer = bob.posts(address(line, left_in, act), {})
        assert (answer.status_code, answer.get_json()["code"]) == (409, "message-taken")
    assert states(program, cast) == [("taken", 1002)]
    assert bob.orders() == []


def test_what_others_have_taken_on_crowds_out_nothing(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voicemails, "_MOST", 1)
    free = leave(gate, vault, line)
    taken = leave(gate, vault, line)
    with gate.open(Scope.system(line.tenant_id)) as session:
        voicemail.take(session, tenant_id=line.tenant_id, call_id=taken, agent_number=1002)
    shown = bob.browser.get("/console/idle").text
    assert address(line, free, "dial") in shown
    assert address(line, taken, "dial") not in shown


def test_the_consoles_of_the_queue_are_told_when_a_message_can_be_heard(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, realtime: Realtime
) -> None:
    house: Any = SimpleNamespace(gate=gate, realtime=realtime)
    store: Any = realtime.redis
    ear = store.pubsub()
    ear.subscribe(channel(OPERATOR, f"agent:{bob.agent_id}"))
    assert ear.get_message(timeout=5)["type"] == "subscribe"

    def sealed(call_id: CallId) -> Callable[[], object] | None:
        event = RecordingSealed(tenant_id=line.tenant_id, call_id=call_id, recording_id=RecordingId(new_id()))
        with gate.open(Scope.system(line.tenant_id)) as session:
            return subscriptions._tell_of_message(house, session, event)

    assert sealed(factory.call(gate, vault, line)) is None  # an ordinary call's
    tell = sealed(leave(gate, vault, line))
    assert tell is not None
    tell()
    assert json.loads(ear.get_message(timeout=5)["data"])["v"] == {"type": "message-left"}
    ear.close()


@pytest.fixture
def heard(
    gate: Gate, vault: Vault, line: factory.Line, storage: Storage, tmp_path: Path, bob: Bob
) -> Callable[[CallId], None]:
    """Let the company's agents hear messages, and give a message its sound."""

    def sealed(left_in: CallId) -> None:
        factory.recorded(gate, vault, storage, tmp_path, line.tenant_id, left_in)
        with gate.open(Scope.system(line.tenant_id)) as session:
            budgets.allow(session, tenant_id=line.tenant_id, wanted=Allowed(hears_messages=True))
        desk._clients.clear()  # known to a process for a minute

    return sealed


def kinds(gate: Gate, tenant_id: TenantId, call_id: CallId) -> list[tuple[str, object, object]]:
    with gate.open(Scope.system(tenant_id)) as session:
        steps = calls.timeline(session, tenant_id=tenant_id, call_id=call_id)
        return [
            (one.kind, one.details.get("why"), one.details.get("agent"))
            for one in steps
            if one.kind.startswith("recording-")
        ]


def test_an_agent_hears_a_message_when_the_company_lets_them_and_they_say_what_for(
    bob: Bob,
    browser: Browsers,
    gate: Gate,
    vault: Vault,
    line: factory.Line,
    cast: Cast,
    heard: Callable[[CallId], None],
) -> None:
    left_in = leave(gate, vault, line, with_sound=False)
    heard(left_in)
    hear, sound = address(line, left_in, "hearing"), f"/console/{address(line, left_in, 'audio')}"
    page = bob.browser.get("/console/idle").text
    assert f'data-hearing="/console/{hear}"' in page
    assert ">new<" in page
    assert bob.browser.get(sound).status_code == 403  # they have not said what for
    for wrong in ({}, {"why": "curiosity"}, {"why": ["answer"]}):
        assert bob.posts(hear, wrong).status_code == 422
    answer = bob.posts(hear, {"why": "answer"})
    assert answer.status_code == 200, answer.text
    assert sound in answer.get_json()["player"]
    whole = bob.browser.get(sound)
    assert whole.status_code == 200
    assert whole.mimetype == "audio/wav"
    assert whole.data[:4] == b"RIFF"
    whole.close()
    assert ">heard<" in bob.browser.get("/console/idle").text
    assert {one for one in kinds(gate, line.tenant_id, left_in) if one[1]} == {
        ("recording-opened", "answer", 1001),
        ("recording-played", "answer", 1001),
    }
    alice = browser()
    alice.sign_in(cast.alice.email)
    story = alice.get(f"/portal/calls/{public('call', left_in)}").text
    assert "Agent 1001 opened the recording: To answer a message" in story
    assert "Agent 1001 played the recording" in story
    with clock.hold(clock.now() + dt.timedelta(minutes=61)):
        assert bob.browser.get(sound).status_code == 403  # a reason counts for an hour


def test_without_the_companys_word_no_agent_hears_a_message(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, heard: Callable[[CallId], None]
) -> None:
    left_in = leave(gate, vault, line, with_sound=False)
    heard(left_in)
    with gate.open(Scope.system(line.tenant_id)) as session:
        budgets.allow(session, tenant_id=line.tenant_id, wanted=Allowed())
    answer = bob.posts(address(line, left_in, "hearing"), {"why": "answer"})
    assert (answer.status_code, answer.get_json()["code"]) == (403, "messages-not-heard")
    desk._clients.clear()
    assert "data-hearing" not in bob.browser.get("/console/idle").text
    assert kinds(gate, line.tenant_id, left_in) == []


def test_an_agent_hears_neither_calls_nor_others_messages(
    bob: Bob,
    gate: Gate,
    vault: Vault,
    line: factory.Line,
    cast: Cast,
    storage: Storage,
    tmp_path: Path,
    heard: Callable[[CallId], None],
) -> None:
    left_in = leave(gate, vault, line, with_sound=False)
    heard(left_in)
    ordinary = factory.call(gate, vault, line)
    factory.recorded(gate, vault, storage, tmp_path, line.tenant_id, ordinary)
    strange = factory.line(gate, cast.b.tenant_id, digits="+448081570999")
    theirs = leave(gate, vault, strange)
    for where, call_id in ((line, ordinary), (strange, theirs), (line, theirs)):
        assert bob.posts(address(where, call_id, "hearing"), {"why": "answer"}).status_code == 404
        assert bob.browser.get(f"/console/{address(where, call_id, 'audio')}").status_code == 404
    with gate.open(Scope.system(line.tenant_id)) as session:
        voicemail.take(session, tenant_id=line.tenant_id, call_id=left_in, agent_number=1002)
    taken = bob.posts(address(line, left_in, "hearing"), {"why": "answer"})
    assert (taken.status_code, taken.get_json()["code"]) == (409, "message-taken")


def test_of_many_messages_those_who_wait_longest_are_there(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voicemails, "_MOST", 1)
    first = leave(gate, vault, line)
    clock.advance(dt.timedelta(minutes=5))
    second = leave(gate, vault, line)
    shown = bob.browser.get("/console/idle").text
    assert address(line, first, "dial") in shown
    assert address(line, second, "dial") not in shown
