"""Which calls a queue records: drawn once, by their ids; who was to be told and was not is not recorded."""

import asyncio
import datetime as dt
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from core.ids import CallId, TenantId
from security.gate import Gate, Scope
from telephony import calls, queues, recording_policy
from telephony.calls import Call
from telephony.errors import QueueSettingError
from telephony.recording_policy import RecordingPolicy
from telephony.switch.simulator import wav
from tests.telephony.conductor.theatre import Theatre

TOLD_MS = 1300
ANSWERED = "0 caller calls\n6 bob answers\n30 caller hangs up"


def with_a_voice(stage: Theatre) -> list[str]:
    said: list[str] = []

    def speak(words: str, language: str) -> Path | None:
        if not words:
            return None
        said.append(words)
        file = stage.folder / f"{language}-{len(said)}.wav"
        wav.write_tones(file, ms=TOLD_MS)
        return file

    stage.speak = speak
    return said


def rules(stage: Theatre, *, percent: int = 100, tells: bool = False, is_recorded: bool = True) -> None:
    with stage.gate.open(stage.scope) as session:
        session.execute(
            text("UPDATE app.queues SET record_percent = :p, tells_callers = :t, is_recorded = :r"),
            {"p": percent, "t": tells, "r": is_recorded},
        )


def perform(stage: Theatre, script: str = ANSWERED) -> Call:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down()

    asyncio.run(whole())
    with stage.gate.open(stage.scope) as session:
        (only,) = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
    assert only.bridged_at is not None
    return only


def decided(stage: Theatre, call: Call) -> list[dict[str, object]]:
    with stage.gate.open(stage.scope) as session:
        steps = calls.timeline(session, tenant_id=stage.company.tenant_id, call_id=call.call_id)
    return [dict(one.details) for one in steps if one.kind == "recording-decided"]


@pytest.mark.slow
def test_a_caller_is_told_before_they_wait_and_then_recorded(theatre: Theatre) -> None:
    said = with_a_voice(theatre)
    rules(theatre, tells=True)
    call = perform(theatre)
    assert "This call is recorded." in said
    assert call.queued_at == call.arrived_at + dt.timedelta(milliseconds=TOLD_MS)
    assert call.recording_id is not None
    assert decided(theatre, call) == [{"recorded": True, "percent": 100, "told": True}]


@pytest.mark.slow
def test_a_caller_who_cannot_be_told_is_not_recorded(theatre: Theatre) -> None:
    rules(theatre, tells=True)  # and this theatre has no voice
    call = perform(theatre)
    assert call.recording_id is None
    assert decided(theatre, call) == [{"recorded": False, "percent": 100, "told": False}]


@pytest.mark.slow
def test_where_the_greeting_says_it_nobody_is_told_again(theatre: Theatre) -> None:
    said = with_a_voice(theatre)
    call = perform(theatre)
    assert "This call is recorded." not in said
    assert call.recording_id is not None
    assert decided(theatre, call) == []


@pytest.mark.slow
def test_a_part_of_the_calls_is_recorded_as_their_ids_fall(theatre: Theatre) -> None:
    rules(theatre, percent=50)
    call = perform(theatre)
    is_drawn = call.call_id.int % (1 << 48) % 100 < 50
    assert (call.recording_id is not None) is is_drawn
    assert decided(theatre, call) == [{"recorded": is_drawn, "percent": 50, "told": False}]


@pytest.mark.slow
def test_a_queue_that_records_nothing_tells_nothing(theatre: Theatre) -> None:
    said = with_a_voice(theatre)
    rules(theatre, tells=True, is_recorded=False)
    call = perform(theatre)
    assert "This call is recorded." not in said
    assert call.recording_id is None


def test_of_many_calls_as_many_are_drawn_as_the_queue_says(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        queue = queues.make(
            session, tenant_id=tenant_a, settings=queues.Settings(name="Some", record_percent=20)
        )
        all_of_them = queues.make(session, tenant_id=tenant_a, settings=queues.Settings(name="All"))
    ids = [CallId(UUID(int=(7 << 76) | (2 << 62) | one * 7919)) for one in range(10_000)]
    drawn = [one for one in ids if queue.records(one)]
    assert len(drawn) == pytest.approx(2_000, abs=150)
    assert all(all_of_them.records(one) for one in ids)
    assert [one for one in ids if queue.records(one)] == drawn


@pytest.mark.parametrize("percent", [0, 101, -1])
def test_a_share_that_cannot_be_is_refused(gate: Gate, tenant_a: TenantId, percent: int) -> None:
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(QueueSettingError) as refused:
        queues.make(
            session, tenant_id=tenant_a, settings=queues.Settings(name="Some", record_percent=percent)
        )
    assert refused.value.details["field"] == "record_percent"


def test_a_queue_that_follows_its_company_records_as_that_decides_from_the_next_call_on(
    theatre: Theatre,
) -> None:
    with_a_voice(theatre)
    tenant_id = theatre.company.tenant_id
    rules(theatre)
    with theatre.gate.open(theatre.scope) as session:
        session.execute(text("UPDATE app.queues SET records_as_company = true"))
        wanted = RecordingPolicy(is_recorded=False)
        recording_policy.write(session, tenant_id=tenant_id, policy=wanted)
    assert perform(theatre).recording_state is None, "its own rule would record it"
