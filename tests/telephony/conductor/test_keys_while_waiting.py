"""Callers who wait are told where they stand, and leave the queue by a key: a message, a call, another."""

import asyncio
import datetime as dt
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import clock, ids
from core.ids import OPERATOR, CallId, TenantId
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, queue_hours, queues
from telephony.flows import figures
from telephony.flows.trace import Outcome
from telephony.opening import Hours, read_spans
from telephony.outbound import promised
from telephony.outbound.promised import State
from telephony.queue_hours import Opening
from tenants import companies
from tests.telephony.conductor.test_flows import lead, queue_of, run_of, steps
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

KEYS = "Press 1 to leave a message, 2 for a call back, 3 for returns, 4 to hear the menu."
AWAY = "0 bob is break\n1 caller calls\n2 routing looks again\n"


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    with clock.hold(START):
        with gate.open(Scope.system(OPERATOR)) as session:
            companies.open_company(
                session,
                name="Pelican Parcel",
                country="GB",
                zone="Europe/London",
                language="en",
                currency="GBP",
                initials="PP",
                colour=1,
                tenant_id=tenant_a,
            )
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        with gate.open(stage.scope) as session:
            made = queues.open_queue(session, tenant_id=company.tenant_id, name="Returns", ring_timeout_s=15)
            stage.queues["returns"] = made.queue_id
        yield stage


@pytest.fixture
def said(theatre: Theatre, tmp_path: Path) -> list[str]:
    """What a voice of two seconds has been asked to say, in order."""
    sound, told = tmp_path / "said.wav", list[str]()
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))

    def speak(text: str, _language: str) -> Path | None:
        told.append(text)
        return sound if text else None

    theatre.speak = speak
    return told


def nodes(stage: Theatre) -> dict[str, object]:
    deliveries = ids.public("que", stage.company.queue_id)
    return {
        "start": {
            "kind": "queue",
            "title": "Deliveries",
            "queue": deliveries,
            "prompt": {"text": KEYS},
            "keys": {
                "1": {"to": "message", "label": "A message"},
                "2": {"to": "call", "label": "A call back"},
                "3": {"to": "returns"},
                "4": {"to": "news"},
            },
            "announces": True,
            "every_s": 30,
        },
        "message": {"kind": "voicemail", "prompt": {"text": "Speak."}, "longest_s": 30},
        "call": {"kind": "callback", "queue": deliveries, "next": "bye", "otherwise": "start"},
        "bye": {"kind": "hang-up", "prompt": {"text": "We call you."}},
        "returns": {"kind": "queue", "queue": ids.public("que", stage.queues["returns"])},
        "news": {"kind": "say", "prompt": {"text": "Nothing new."}, "next": "start"},
    }


def perform(stage: Theatre, script: str, then: str = "") -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=True)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    asyncio.run(whole())


def waits(stage: Theatre) -> list[float]:
    """Return since when those on the floor wait, in seconds after the company's first call."""
    return sorted(
        round(clock.elapsed_ms(START, one.since) / 1000) for one in stage.conductor.floor.waiting.values()
    )


def commands(stage: Theatre) -> list[str]:
    told = str(stage.sim.transcript)
    return [line for line in told.splitlines() if "play" in line or "hold_music" in line]


@pytest.mark.usefixtures("said")
def test_a_key_takes_who_waits_to_where_they_leave_a_message(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "12 caller presses 1\n30 caller hangs up")
    assert theatre.books_say()[0].endswith("left-message agent=nobody")
    assert run_of(theatre) == ("served", ["start", "key-1>message"])
    told = theatre.timeline()
    assert told.index("wait-left") < told.index("message-began")
    assert next(one.details for one in steps(theatre) if one.kind == "wait-left") == {"way": "key-1"}


@pytest.mark.usefixtures("said")
def test_a_call_back_keeps_the_place_from_when_they_began_to_wait(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "60 caller presses 2\n70 routing looks again")
    with theatre.gate.open(theatre.scope) as session:
        (one,) = promised.page(session, tenant_id=theatre.company.tenant_id)
    assert one.state is State.WAITING
    assert clock.elapsed_ms(START, one.place_at) < 5_000, "not from the key on"
    assert theatre.books_say()[0].endswith("served agent=nobody")


@pytest.mark.usefixtures("said")
def test_another_queue_is_joined_at_its_end_and_greets(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))

    async def whole() -> None:
        await theatre.up()
        await theatre.play(AWAY)
        (before,) = waits(theatre)
        await theatre.play("20 caller presses 3\n24 routing looks again")
        (after,) = waits(theatre)
        assert after - before > 15
        await theatre.play("5 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert queue_of(theatre) == theatre.queues["returns"]
    assert theatre.books_say()[0].endswith("caller-left-queue agent=nobody")
    assert run_of(theatre) == ("queued", ["start", "key-3>returns"])


@pytest.mark.usefixtures("said")
def test_who_comes_back_stands_where_they_stood(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))

    async def whole() -> None:
        await theatre.up()
        await theatre.play(AWAY)
        before = waits(theatre)
        await theatre.play("20 caller presses 4\n21 routing looks again")
        assert waits(theatre) == [], "meanwhile they are offered to nobody"
        await theatre.play("5 routing looks again")
        assert waits(theatre) == before
        await theatre.play("0 bob is available\n1 routing looks again\n3 bob answers\n9 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert run_of(theatre)[1] == ["start", "key-4>news", "next>start"]


@pytest.mark.usefixtures("said")
def test_who_comes_back_is_not_turned_away_though_the_queue_has_closed(theatre: Theatre) -> None:
    company, until = theatre.company, START + dt.timedelta(minutes=1)
    open_till = Hours("UTC", (read_spans(f"00:00-{until:%H:%M}"),) * 7)
    with theatre.gate.open(theatre.scope) as session:
        queue_hours.change(
            session, tenant_id=company.tenant_id, queue_id=company.queue_id, wanted=Opening(open_till)
        )
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "59 caller presses 4\n65 routing looks again\n70 caller hangs up")
    assert run_of(theatre)[1][-1] == "next>start"
    assert theatre.books_say()[0].endswith("caller-left-queue agent=nobody")


@pytest.mark.usefixtures("said")
def test_who_gives_up_after_they_waited_counts_as_given_up(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "20 caller presses 4\n21 caller hangs up")
    assert theatre.books_say()[0].endswith("caller-left-queue agent=nobody")


@pytest.mark.usefixtures("said")
def test_who_was_promised_a_call_and_hangs_up_has_not_given_up(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "20 caller presses 2\n21 caller hangs up")
    assert theatre.books_say()[0].endswith("caller-left-flow agent=nobody")


@pytest.mark.usefixtures("said")
def test_a_key_of_nothing_changes_nothing(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "20 caller presses 9\n22 caller hangs up")
    assert "wait-left" not in theatre.timeline()


def test_place_wait_and_keys_are_told_at_once_and_again(theatre: Theatre, said: list[str]) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "8 routing looks again\n33 routing looks again\n36 caller hangs up")
    assert [one for one in said if one] == ["You are next.", KEYS] * 2
    on = [one for one in commands(theatre) if one.rstrip().endswith(" on")]
    off = [one for one in commands(theatre) if one.rstrip().endswith(" off")]
    assert len(on) == 1
    assert len(off) == 2, "the second time it was still being said"


def test_who_is_put_through_hears_no_more_of_it(theatre: Theatre, said: list[str]) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "3 bob is available\n3.5 routing looks again\n4 bob answers\n20 caller hangs up")
    assert "agent=1001" in theatre.books_say()[0]
    assert any("stop_playback" in one for one in commands(theatre))
    assert said.count(KEYS) == 1


def test_who_finds_an_agent_free_is_told_nothing(theatre: Theatre, said: list[str]) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, "0 caller calls\n1 bob answers\n9 caller hangs up")
    assert KEYS not in said


def test_without_a_voice_they_hear_music_and_the_keys_count(theatre: Theatre) -> None:
    body = nodes(theatre)
    body["news"] = {"kind": "hang-up"}
    lead(theatre, body)
    perform(theatre, AWAY + "20 caller presses 4\n22 routing looks again")
    assert theatre.books_say()[0].endswith("served agent=nobody")
    assert any(one.rstrip().endswith(" on") for one in commands(theatre))


@pytest.mark.usefixtures("said")
def test_keys_count_after_a_crash(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "10 routing looks again", "2 caller presses 1\n20 caller hangs up")
    assert theatre.books_say()[0].endswith("left-message agent=nobody")


@pytest.mark.usefixtures("said")
def test_a_crash_right_after_the_key_goes_on_by_it(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(
        theatre,
        AWAY + "10 caller presses 4",
        "0 routing looks again\n6 routing looks again\n8 caller hangs up",
    )
    assert run_of(theatre)[1][-1] == "next>start"


@pytest.mark.usefixtures("said")
def test_who_was_given_on_by_an_agent_has_no_keys(theatre: Theatre) -> None:
    body = nodes(theatre)
    lead(theatre, body)
    perform(
        theatre,
        "0 caller calls\n1 bob answers\n5 bob transfers to returns\n9 caller presses 1\n12 caller hangs up",
    )
    assert "wait-left" not in theatre.timeline()


@pytest.mark.usefixtures("said")
def test_the_figures_count_a_call_once_though_it_comes_by_twice(theatre: Theatre) -> None:
    flow_id = lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "20 caller presses 4\n30 caller hangs up")
    with theatre.gate.open(theatre.scope) as session:
        made = figures.of_flow(
            session, tenant_id=theatre.company.tenant_id, flow_id=flow_id, version=1, since=START
        )
    assert (made.calls, made.outcomes[Outcome.QUEUED]) == (1, 1)
    came = {one.node: (one.came, dict(one.ways)) for one in made.nodes}
    assert came["start"] == (1, {"key-4": 1})


@pytest.mark.usefixtures("said")
def test_a_caller_in_the_queue_is_counted_as_waiting_again(theatre: Theatre) -> None:
    lead(theatre, nodes(theatre))
    perform(theatre, AWAY + "20 caller presses 4\n30 caller hangs up")
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        (one,) = calls.page(session, tenant_id=tenant_id, vault=theatre.vault).calls
        told = [
            step.kind for step in calls.timeline(session, tenant_id=tenant_id, call_id=CallId(one.call_id))
        ]
    assert told.count("flow-led") == 2
