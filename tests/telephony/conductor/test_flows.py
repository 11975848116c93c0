"""Calls that go through a flow before they wait: where they get to, what the books say; none is lost."""

import asyncio
import json
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import OPERATOR, CallId, FlowId, QueueId, TenantId, UserId, new_id
from customers import pins, records
from security.egress import Answer
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, numbers, queue_hours, queues
from telephony.flows import chosen, sounds, store
from telephony.flows.model import Flow
from telephony.models import FlowRunRow, FlowSoundRow, RecordingRow
from telephony.opening import Hours, read_spans
from telephony.outbound import stops
from telephony.outbound.stops import Side
from telephony.queue_hours import Opening
from telephony.speech import length_ms
from telephony.switch.port import Sound, Speech
from tests.telephony.conductor.theatre import DIALLED, START, Company, Theatre, hire
from tests.telephony.flows.factory import tone

AFTERNOONS = Hours("Europe/London", (read_spans("13:00-17:00"),) * 7)


@pytest.fixture
def theatre(theatre: Theatre, tmp_path: Path) -> Theatre:
    with theatre.gate.open(theatre.scope) as session:
        tenant_id = theatre.company.tenant_id
        made = queues.open_queue(session, tenant_id=tenant_id, name="Returns", ring_timeout_s=15)
    theatre.queues["returns"] = made.queue_id
    sound = tmp_path / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))
    theatre.speak = lambda text, _language: sound if text else None
    return theatre


def perform(stage: Theatre, script: str, then: str = "", *, killed: bool = True) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=killed)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def menu(stage: Theatre) -> dict[str, object]:
    deliveries = ids.public("que", stage.company.queue_id)
    return {
        "start": {"kind": "say", "title": "Welcome", "prompt": {"text": "Welcome."}, "next": "menu"},
        "menu": {
            "kind": "menu",
            "prompt": {"text": "1 deliveries, 2 returns."},
            "keys": {"1": {"to": "deliveries"}, "2": {"to": "returns"}},
            "tries": 1,
            "otherwise": "deliveries",
        },
        "deliveries": {"kind": "queue", "queue": deliveries},
        "returns": {
            "kind": "queue",
            "title": "To returns",
            "queue": ids.public("que", stage.queues["returns"]),
        },
    }


def lead(stage: Theatre, nodes: dict[str, object]) -> FlowId:
    """Publish a flow and lead the company's number into it."""
    tenant_id, draft = stage.company.tenant_id, Flow.model_validate({"nodes": nodes})
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        made = store.make(session, tenant_id=tenant_id, name="Main", draft=draft, vault=stage.vault)
        store.publish(
            session,
            tenant_id=tenant_id,
            flow_id=made.flow_id,
            revision=1,
            by=UserId(new_id()),
            vault=stage.vault,
        )
        number = numbers.get(session, tenant_id=tenant_id, number_id=stage.company.number_id)
        store.lead_number(
            session,
            tenant_id=tenant_id,
            number_id=number.number_id,
            flow_id=made.flow_id,
            revision=number.revision,
        )
    return made.flow_id


def run_of(stage: Theatre) -> tuple[str, list[str]]:
    with stage.gate.open(stage.scope) as session:
        (row,) = session.query(FlowRunRow).all()
        return row.outcome, [f"{way}>{node}" if way else node for node, way, _ in row.path]


def queue_of(stage: Theatre) -> QueueId:
    with stage.gate.open(stage.scope) as session:
        (call,) = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
        return call.queue_id


def test_greeting_menu_and_the_queue_of_the_key(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n3 caller presses 1\n4 bob answers\n12 caller hangs up")
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert theatre.timeline()[:6] == [
        "arrived",
        "flow-entered",
        "flow-moved",
        "flow-moved",
        "flow-moved",
        "flow-led",
    ]
    assert run_of(theatre) == ("queued", ["start", "next>menu", "key-1>deliveries"])


def test_the_other_key_leads_to_the_other_queue(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n3 caller presses 2\n9 caller hangs up")
    assert queue_of(theatre) == theatre.queues["returns"]
    assert "caller-left-queue" in theatre.books_say()[0]
    assert "offered" not in theatre.timeline(), "bob serves deliveries, not returns"
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=tenant_id, vault=theatre.vault).calls
        said = chosen.of_call(session, tenant_id=tenant_id, call_id=call.call_id)
    assert [(one.key, one.kind, one.title) for one in said] == [("2", "queue", "To returns")]


def test_who_presses_nothing_is_sent_on_by_the_watchdog(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(
        theatre,
        "0 caller calls\n8.9 routing looks again\n9.2 routing looks again\n10 bob answers\n"
        "12 caller hangs up",
    )
    assert "agent=1001" in theatre.books_say()[0]
    assert run_of(theatre)[1][-1] == "otherwise>deliveries"


def test_who_hangs_up_in_the_flow_left_it(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n3 caller hangs up")
    assert theatre.books_say() == ["cdr wait=3s talk=0s caller-left-flow agent=nobody"]
    assert run_of(theatre) == ("left", ["start", "next>menu"])


def test_a_prompt_without_a_voice_comes_to_the_queue(theatre: Theatre) -> None:
    theatre.speak = lambda _text, _language: None
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n1 bob answers\n9 caller hangs up")
    assert "agent=1001" in theatre.books_say()[0]
    assert run_of(theatre) == ("failed", ["start"])
    assert "flow-failed" in theatre.timeline()


def test_a_number_without_a_flow_is_as_it_was(theatre: Theatre) -> None:
    perform(theatre, "0 caller calls\n1 bob answers\n9 caller hangs up")
    assert "agent=1001" in theatre.books_say()[0]
    assert not any(kind.startswith("flow") for kind in theatre.timeline())


def test_a_closed_queue_turns_away_who_the_flow_leads_there(theatre: Theatre) -> None:
    company = theatre.company
    lead(theatre, menu(theatre))
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        queue_hours.change(
            session, tenant_id=company.tenant_id, queue_id=company.queue_id, wanted=Opening(AFTERNOONS)
        )
    perform(theatre, "0 caller calls\n3 caller presses 1\n9 pulse beats")
    assert "outside-hours" in theatre.books_say()[0]


def test_the_number_itself_is_not_closed_by_its_queues_hours(theatre: Theatre) -> None:
    company = theatre.company
    lead(theatre, menu(theatre))
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        queue_hours.change(
            session, tenant_id=company.tenant_id, queue_id=company.queue_id, wanted=Opening(AFTERNOONS)
        )
    perform(theatre, "0 caller calls\n3 caller presses 2\n9 caller hangs up")
    assert queue_of(theatre) == theatre.queues["returns"]


def test_a_flow_that_ends_the_call_has_served_it(theatre: Theatre) -> None:
    lead(
        theatre,
        {
            "start": {"kind": "survey", "prompt": {"text": "1 to 5?"}, "next": "bye"},
            "bye": {"kind": "hang-up", "prompt": {"text": "Thank you."}},
        },
    )
    perform(theatre, "0 caller calls\n3 caller presses 4\n9 pulse beats")
    assert theatre.books_say()[0].endswith("served agent=nobody")
    assert run_of(theatre) == ("served", ["start", "rated-4>bye"])


def test_a_program_decides_and_one_that_is_slow_does_not(theatre: Theatre) -> None:
    asked: list[dict[str, object]] = []

    def answers(url: str, body: bytes) -> Answer:
        asked.append({"url": url} | json.loads(body))
        return Answer(200, "", 5, b'{"values": {"line": "returns"}}')

    theatre.ask = answers
    returns = ids.public("que", theatre.queues["returns"])
    lead(
        theatre,
        {
            "start": {
                "kind": "collect",
                "prompt": {"text": "Account?"},
                "into": "account",
                "most": 4,
                "next": "ask",
                "otherwise": "q",
            },
            "ask": {
                "kind": "webhook",
                "url": "https://crm.example.com/",
                "send": ["account"],
                "next": "by",
                "otherwise": "q",
            },
            "by": {
                "kind": "branch",
                "on": "line",
                "cases": [{"values": ["returns"], "to": "returns"}],
                "otherwise": "q",
            },
            "returns": {"kind": "queue", "queue": returns},
            "q": {"kind": "queue", "queue": ids.public("que", theatre.company.queue_id)},
        },
    )
    perform(theatre, "0 caller calls\n3 caller presses 4471\n9 caller hangs up")
    assert queue_of(theatre) == theatre.queues["returns"]
    assert asked[0]["values"] == {"account": "4471"}
    kept = [json.dumps(step.details) for step in steps(theatre)]
    assert not any("4471" in one for one in kept), "what a caller types stands nowhere"
    spool = "".join(one.read_text() for one in (theatre.folder / "spool").glob("*"))
    assert "4471" not in spool


def steps(stage: Theatre) -> list[calls.Step]:
    tenant_id = stage.company.tenant_id
    with stage.gate.open(Scope.system(tenant_id)) as session:
        (last,) = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        return list(calls.timeline(session, tenant_id=tenant_id, call_id=CallId(last.call_id)))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(None, "timeout", 2000),
        Answer(500, "", 5, b"{}"),
        Answer(200, "", 5, b"<html>"),
        Answer(200, "", 5, b'{"values": {"line": 7}}'),
        Answer(200, "", 5, b'["no"]'),
    ],
)
def test_a_program_that_does_not_answer_as_it_should_leads_otherwise(
    theatre: Theatre, answer: Answer
) -> None:
    theatre.ask = lambda _url, _body: answer
    lead(
        theatre,
        {
            "start": {"kind": "webhook", "url": "https://crm.example.com/", "next": "bye", "otherwise": "q"},
            "bye": {"kind": "hang-up"},
            "q": {"kind": "queue", "queue": ids.public("que", theatre.company.queue_id)},
        },
    )
    perform(theatre, "0 caller calls\n1 bob answers\n9 caller hangs up")
    assert "agent=1001" in theatre.books_say()[0]


def test_a_customer_is_found_by_their_number(theatre: Theatre) -> None:
    lead(
        theatre,
        {
            "start": {"kind": "lookup", "found": "bye", "otherwise": "q"},
            "bye": {"kind": "hang-up"},
            "q": {"kind": "queue", "queue": ids.public("que", theatre.company.queue_id)},
        },
    )
    perform(theatre, "0 caller calls\n5 pulse beats")
    assert run_of(theatre) == ("served", ["start", "found>bye"])


def behind_a_pin(stage: Theatre) -> dict[str, object]:
    return {
        "start": {
            "kind": "pin",
            "prompt": {"text": "Your PIN, then hash."},
            "right": "bye",
            "otherwise": "q",
        },
        "bye": {"kind": "hang-up"},
        "q": {"kind": "queue", "queue": ids.public("que", stage.company.queue_id)},
    }


def give_pin(stage: Theatre, digits: str) -> None:
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        tenant_id = stage.company.tenant_id
        (card,) = records.page(session, tenant_id=tenant_id, vault=stage.vault, limit=2).customers
        pins.put(session, tenant_id=tenant_id, vault=stage.vault, customer_id=card.id, digits=digits)


def test_the_right_pin_leads_on_and_stands_nowhere(
    theatre: Theatre, capsys: pytest.CaptureFixture[str]
) -> None:
    give_pin(theatre, "40719")
    lead(theatre, behind_a_pin(theatre))
    perform(theatre, "0 caller calls\n3 caller presses 40718#\n6 caller presses 40719#\n12 pulse beats")
    assert run_of(theatre) == ("served", ["start", "right>bye"])
    kept = [json.dumps(step.details) for step in steps(theatre)]
    spool = "".join(one.read_text() for one in (theatre.folder / "spool").glob("*"))
    said = "".join(capsys.readouterr())
    assert not any("4071" in one for one in [*kept, spool, said])


def test_three_wrong_pins_lead_otherwise_and_the_right_one_is_closed(theatre: Theatre) -> None:
    give_pin(theatre, "40719")
    lead(theatre, behind_a_pin(theatre))
    perform(
        theatre,
        "0 caller calls\n3 caller presses 5555#\n6 caller presses 6666#\n9 caller presses 7777#\n"
        "12 bob answers\n15 caller hangs up",
    )
    assert run_of(theatre) == ("queued", ["start", "otherwise>q"])
    with theatre.gate.open(theatre.scope) as session:
        tenant_id = theatre.company.tenant_id
        (card,) = records.page(session, tenant_id=tenant_id, vault=theatre.vault, limit=2).customers
        pin = pins.of(session, tenant_id=tenant_id, customer_id=card.id)
    assert pin
    assert pin.closed_until


def to_a_person(stage: Theatre) -> dict[str, object]:
    """To bob, who serves deliveries alone; and if he lets it ring, first in returns."""
    return {
        "start": {
            "kind": "person",
            "agent": 1001,
            "queue": ids.public("que", stage.queues["returns"]),
            "otherwise": "bye",
        },
        "bye": {"kind": "hang-up"},
    }


def test_one_agent_is_rung_by_number_whatever_queues_they_serve(theatre: Theatre) -> None:
    lead(theatre, to_a_person(theatre))
    perform(theatre, "0 caller calls\n3 bob answers\n12 caller hangs up")
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert run_of(theatre) == ("queued", ["start"])
    assert queue_of(theatre) == theatre.queues["returns"]
    told = theatre.timeline()
    assert told.index("flow-led") < told.index("offered")


def test_an_agent_who_is_not_there_is_not_waited_for(theatre: Theatre) -> None:
    lead(theatre, to_a_person(theatre))
    perform(theatre, "0 bob is break\n1 caller calls\n4 pulse beats")
    assert run_of(theatre) == ("served", ["start", "otherwise>bye"])
    assert "offered" not in theatre.timeline()


def test_an_agent_of_another_company_cannot_be_asked_for(
    theatre: Theatre, gate: Gate, vault: Vault, tenant_b: TenantId
) -> None:
    with clock.hold(START):
        with gate.open(Scope.system(tenant_b)) as session:
            theirs = queues.open_queue(session, tenant_id=tenant_b, name="Theirs", ring_timeout_s=15)
        stranger = Company(tenant_b, theirs.queue_id, theatre.company.number_id)
        theatre.people["eve"] = hire(gate, vault, stranger, number=1009)
    nodes = to_a_person(theatre)
    assert isinstance(nodes["start"], dict)
    nodes["start"]["agent"] = 1009
    lead(theatre, nodes)
    perform(theatre, "0 caller calls\n4 pulse beats")
    assert run_of(theatre) == ("served", ["start", "otherwise>bye"])


def test_who_is_let_ring_waits_first_in_the_queue_of_that_step(theatre: Theatre) -> None:
    lead(theatre, to_a_person(theatre))
    perform(theatre, "0 caller calls\n3 bob declines\n9 caller hangs up")
    assert "caller-left-queue" in theatre.books_say()[0]
    assert theatre.timeline().count("offered") == 1, "nobody serves returns"
    assert queue_of(theatre) == theatre.queues["returns"]


def test_an_uploaded_sound_is_played_to_the_caller(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        made = sounds.add(
            session,
            tenant_id=theatre.company.tenant_id,
            vault=theatre.vault,
            name="Welcome",
            data=tone(3),
            by=new_id(),
        )
    lead(
        theatre,
        {"start": {"kind": "play", "sound": made.ref, "next": "bye"}, "bye": {"kind": "hang-up"}},
    )
    perform(theatre, "0 caller calls\n2 pulse beats\n6 pulse beats")
    assert theatre.books_say() == ["cdr wait=3s talk=0s served agent=nobody"], "as long as it is"
    assert length_ms(theatre.folder / f"upload-{made.ref}.wav") == made.length_ms


def test_a_sound_that_is_gone_leads_to_the_queue(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        made = sounds.add(
            session,
            tenant_id=theatre.company.tenant_id,
            vault=theatre.vault,
            name="Welcome",
            data=tone(),
            by=new_id(),
        )
    lead(
        theatre,
        {"start": {"kind": "play", "sound": made.ref, "next": "bye"}, "bye": {"kind": "hang-up"}},
    )
    with theatre.gate.open(theatre.scope) as session:
        session.query(FlowSoundRow).delete()
    perform(theatre, "0 caller calls\n3 bob answers\n9 caller hangs up")
    assert run_of(theatre) == ("failed", ["start"])
    assert "agent=1001" in theatre.books_say()[0]


def test_a_look_up_that_breaks_is_somebody_unknown(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_args: object, **_more: object) -> None:
        raise RuntimeError

    lead(
        theatre,
        {
            "start": {"kind": "lookup", "found": "bye", "otherwise": "q"},
            "bye": {"kind": "hang-up"},
            "q": {"kind": "queue", "queue": ids.public("que", theatre.company.queue_id)},
        },
    )
    monkeypatch.setattr("telephony.conductor.flow_runner.tier_of", breaks)
    perform(theatre, "0 caller calls\n1 bob answers\n9 caller hangs up")
    assert run_of(theatre) == ("queued", ["start", "otherwise>q"])


def test_after_a_crash_the_call_goes_on_at_the_node_where_it_stood(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n2.5 routing looks again", then="3 caller presses 2\n9 caller hangs up")
    assert queue_of(theatre) == theatre.queues["returns"]
    assert run_of(theatre) == ("queued", ["start", "next>menu", "menu", "key-2>returns"])


def test_after_a_crash_a_flow_that_is_another_by_now_comes_to_the_queue(theatre: Theatre) -> None:
    flow_id = lead(theatre, menu(theatre))

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.5 routing looks again")
        await theatre.down(killed=True)
        with theatre.gate.open(theatre.scope) as session:
            store.publish(
                session,
                tenant_id=theatre.company.tenant_id,
                flow_id=flow_id,
                revision=2,
                by=UserId(new_id()),
                vault=theatre.vault,
            )
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 bob answers\n9 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert "agent=1001" in theatre.books_say()[0]
    assert run_of(theatre)[0] == "failed"


def test_the_switch_that_dies_ends_the_call_once(theatre: Theatre) -> None:
    lead(theatre, menu(theatre))
    perform(theatre, "0 caller calls\n1 pulse beats\n2 switch dies\n20 pulse beats")
    assert "switch-lost" in theatre.books_say()[0]
    assert run_of(theatre)[0] == "left"


def test_how_many_wait_is_said(theatre: Theatre) -> None:
    said: list[str] = []
    before = theatre.speak

    def speak(text: str, language: str) -> Path | None:
        said.append(text)
        return before(text, language)

    theatre.speak = speak
    queue = ids.public("que", theatre.company.queue_id)
    lead(
        theatre,
        {"start": {"kind": "announce", "queue": queue, "next": "q"}, "q": {"kind": "queue", "queue": queue}},
    )
    perform(
        theatre,
        "0 bob is break\n1 caller calls\n5 caller calls\n9 caller hangs up\n10 pulse beats",
    )
    assert "You are next." in said
    assert "There is one caller before you." in said


def test_the_wait_that_is_announced_is_what_the_last_callers_waited(theatre: Theatre) -> None:
    said: list[str] = []
    before = theatre.speak

    def speak(text: str, language: str) -> Path | None:
        said.append(text)
        return before(text, language)

    theatre.speak = speak
    queue = ids.public("que", theatre.company.queue_id)
    lead(
        theatre,
        {"start": {"kind": "announce", "queue": queue, "next": "q"}, "q": {"kind": "queue", "queue": queue}},
    )
    perform(
        theatre,
        """
        0   bob is break
        1   caller calls
        123 bob is available
        125 bob answers
        130 caller calls
        140 caller calls
        """,
    )
    assert "There is one caller before you. The wait is about 2 minutes." in said


def voicemail() -> dict[str, object]:
    return {
        "start": {
            "kind": "voicemail",
            "prompt": {"text": "Leave a message; it is recorded. Press hash when you are done."},
            "longest_s": 30,
        }
    }


def recordings(stage: Theatre) -> list[str]:
    with stage.gate.open(stage.scope) as session:
        return [row.state for row in session.query(RecordingRow).all()]


def test_a_tone_says_when_to_speak(theatre: Theatre, tmp_path: Path) -> None:
    played: list[list[str]] = []

    async def whole() -> None:
        await theatre.up()
        before = theatre.sim.switch.play

        async def play(channel: str, sounds: Sequence[Sound], *, playback: str) -> None:
            played.append([one.path.name for one in sounds if isinstance(one, Speech)])
            await before(channel, sounds, playback=playback)

        theatre.sim.switch.play = play  # type: ignore[method-assign] # an ear on the line
        await theatre.play("0 caller calls\n8 caller presses #")
        await theatre.down()

    lead(theatre, voicemail())
    with clock.hold(START):
        asyncio.run(whole())
    assert played == [["said.wav", "beep.wav"]]
    assert length_ms(tmp_path / "beep.wav") == 400


@pytest.mark.parametrize("end", ["8 caller presses #", "8 caller hangs up", "33 routing looks again"])
def test_a_caller_leaves_a_message(theatre: Theatre, end: str) -> None:
    lead(theatre, voicemail())
    perform(theatre, f"0 caller calls\n{end}\n40 pulse beats")
    assert theatre.books_say()[0].endswith("left-message agent=nobody")
    assert recordings(theatre) == ["captured"]
    assert run_of(theatre) == ("served", ["start"])
    assert "message-began" in theatre.timeline()
    assert "RecordingCaptured" in theatre.announced()


def test_who_hangs_up_before_they_may_speak_leaves_no_message(theatre: Theatre) -> None:
    lead(theatre, voicemail())
    perform(theatre, "0 caller calls\n1 caller hangs up")
    assert "caller-left-flow" in theatre.books_say()[0]
    assert recordings(theatre) == []


def test_a_message_goes_on_when_the_switchboard_is_started_anew(theatre: Theatre) -> None:
    lead(theatre, voicemail())
    perform(theatre, "0 caller calls\n5 routing looks again", then="6 caller presses #\n9 pulse beats")
    assert theatre.books_say()[0].endswith("left-message agent=nobody")
    assert recordings(theatre) == ["captured"]
    assert theatre.timeline().count("message-began") == 1


PHONE, TAKEN, SILENT = "+447700900120", "+447700900125", "+447700900126"  # answers; is busy; rings out
AWAY_WAYS = {"no_answer": "message", "busy": "returns", "otherwise": "bye"}


def to_a_number(stage: Theatre, phone: str, **more: object) -> dict[str, object]:
    """To a number outside; each way it may go wrong leads elsewhere."""
    return {
        "start": {"kind": "say", "prompt": {"text": "One moment."}, "next": "branch-office"},
        "branch-office": {"kind": "outside", "phone": phone, **AWAY_WAYS, **more},
        "message": {"kind": "say", "prompt": {"text": "Nobody is there."}, "next": "bye"},
        "returns": {"kind": "queue", "queue": ids.public("que", stage.queues["returns"])},
        "bye": {"kind": "hang-up"},
    }


def legs(stage: Theatre) -> tuple[calls.Call, list[calls.Call]]:
    """Return the call, and the calls out that are part of it."""
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
    (call,) = (one for one in every if one.part_of is None)
    return call, [one for one in every if one.part_of]


@pytest.mark.parametrize(("who", "cause"), [("caller", "caller-hung-up"), ("outsider", "outside-hung-up")])
def test_a_flow_gives_the_caller_to_a_number_outside_and_both_legs_are_billed_once(
    theatre: Theatre, who: str, cause: str
) -> None:
    lead(theatre, to_a_number(theatre, PHONE))
    perform(theatre, f"0 caller calls\n12 {who} hangs up")
    call, (outside,) = legs(theatre)
    assert (call.cause, outside.caller, outside.dialled) == (cause, PHONE, DIALLED)
    assert [len(theatre.usages_of(one.call_id)) for one in (call, outside)] == [1, 1]
    assert sorted(line.split()[1] for line in theatre.books_say() if line.startswith("usage")) == [
        "voice.inbound",
        "voice.outbound",
    ]
    assert run_of(theatre) == ("outside", ["start", "next>branch-office"])
    with theatre.gate.open(theatre.scope) as session:
        told = calls.timeline(session, tenant_id=theatre.company.tenant_id, call_id=call.call_id)
    assert [one.kind for one in told] == [
        "arrived",
        "flow-entered",
        "flow-moved",
        "flow-moved",
        "flow-led-outside",
        "forwarded",
        "outside-answered",
        "caller-gone" if who == "caller" else "outside-gone",
    ]
    assert theatre.dials_say() == ["connected"]


@pytest.mark.parametrize(
    ("phone", "end", "became"),
    [(TAKEN, "busy>returns", "busy"), (SILENT, "no_answer>message", "no-answer")],
)
def test_a_number_that_is_not_reached_lets_the_flow_go_on_by_its_way(
    theatre: Theatre, phone: str, end: str, became: str
) -> None:
    lead(theatre, to_a_number(theatre, phone, ring_s=20))
    perform(theatre, "0 caller calls\n40 pulse beats\n45 caller hangs up")
    call, (outside,) = legs(theatre)
    assert end in run_of(theatre)[1]
    assert outside.cause == became
    assert theatre.usages_of(outside.call_id) == theatre.usages_of(call.call_id) == []


def test_a_number_rings_no_longer_than_its_step_lets_it(theatre: Theatre) -> None:
    lead(theatre, to_a_number(theatre, SILENT, ring_s=15))
    perform(theatre, "0 caller calls\n20 pulse beats\n25 caller hangs up")
    _, (outside,) = legs(theatre)
    assert outside.ended_at is not None
    assert (outside.ended_at - outside.arrived_at).total_seconds() == pytest.approx(15, abs=1)


def test_what_the_gate_refuses_goes_the_other_way_and_nobody_is_called(theatre: Theatre) -> None:
    lead(theatre, to_a_number(theatre, PHONE))
    tenant_id = theatre.company.tenant_id
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        stops.stop(session, tenant_id=tenant_id, side=Side.OPERATOR, by=tenant_id)
    perform(theatre, "0 caller calls\n10 pulse beats")
    assert run_of(theatre) == ("served", ["start", "next>branch-office", "otherwise>bye"])
    assert "not-forwarded" in theatre.timeline()
    assert legs(theatre)[1] == []


def test_a_flow_never_calls_a_number_of_ours_whoever_rents_it(theatre: Theatre) -> None:
    """Rented after the flow was published: the lint could not know."""
    lead(theatre, to_a_number(theatre, PHONE))
    with clock.hold(START), theatre.gate.open(Scope.system(OPERATOR)) as session:
        number = numbers.stock(session, digits=PHONE, region="GB")
        let = numbers.let(session, number_id=number.number_id, renter=theatre.company.tenant_id)
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        numbers.rent(
            session,
            tenant_id=theatre.company.tenant_id,
            number=let,
            queue_id=theatre.company.queue_id,
            greeting="",
            language="en",
        )
    perform(theatre, "0 caller calls\n10 pulse beats")
    assert run_of(theatre)[1][-1] == "otherwise>bye"
    assert legs(theatre)[1] == []


def test_who_hangs_up_while_the_number_rings_has_left_the_flow_and_pays_nothing(theatre: Theatre) -> None:
    lead(theatre, to_a_number(theatre, SILENT))
    perform(theatre, "0 caller calls\n10 caller hangs up")
    call, (outside,) = legs(theatre)
    assert (call.cause, outside.cause) == ("caller-left-flow", "cancelled")
    assert theatre.usages_of(call.call_id) == theatre.usages_of(outside.call_id) == []
    assert run_of(theatre) == ("left", ["start", "next>branch-office"])


def test_keys_pressed_while_the_number_rings_mean_nothing(theatre: Theatre) -> None:
    lead(theatre, to_a_number(theatre, SILENT, ring_s=20))
    perform(theatre, "0 caller calls\n5 caller presses 1\n10 routing looks again\n40 pulse beats")
    assert "no_answer>message" in run_of(theatre)[1]


@pytest.mark.parametrize("dies_at_s", [1, 2, 3, 6])
def test_a_switchboard_that_dies_calls_the_number_once_and_bills_both_legs_once(
    theatre: Theatre, dies_at_s: int
) -> None:
    lead(theatre, to_a_number(theatre, PHONE))
    perform(theatre, f"0 caller calls\n{dies_at_s} pulse beats", "4 pulse beats\n6 caller hangs up")
    call, outsides = legs(theatre)
    assert [len(theatre.usages_of(one.call_id)) for one in (call, *outsides)] == [1, 1]
    assert (call.cause, theatre.dials_say()) == ("caller-hung-up", ["connected"])


def test_a_number_that_ends_while_nobody_listens_lets_the_flow_go_on(theatre: Theatre) -> None:
    """What the caller has typed is forgotten with the switchboard; the way out is not."""
    lead(theatre, to_a_number(theatre, PHONE))

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n2.5 pulse beats")
        (call,) = theatre.conductor.live
        assert call.phase.value == "reaching"
        channel = call.outsides[-1].channel
        await theatre.down(killed=True)
        theatre.sim.far_end_hangs_up(channel)
        await theatre.sim.advance(100)
        await theatre.up(sim=theatre.sim)
        await theatre.play("5 pulse beats")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert run_of(theatre) == ("served", ["start", "next>branch-office", "otherwise>bye"])
    assert len(legs(theatre)[1]) == 1


def test_the_phones_of_a_flow_are_sealed_and_come_back_with_an_earlier_version(theatre: Theatre) -> None:
    flow_id = lead(theatre, to_a_number(theatre, PHONE))
    tenant_id, vault = theatre.company.tenant_id, theatre.vault
    with theatre.gate.open(theatre.scope) as session:
        for table, column in (("flows", "draft"), ("flow_versions", "body")):
            rows = session.execute(text(f"SELECT {column}::text, phones_ct FROM app.{table}")).all()
            ((body, sealed),) = rows
            assert PHONE not in body
            assert sealed is not None
            assert PHONE.encode() not in bytes(sealed)
        there = store.read(session, tenant_id=tenant_id, flow_id=flow_id, vault=vault)
        assert there.draft.phones() == {"branch-office": PHONE}
        other = there.draft.with_phones({"branch-office": TAKEN})
        saved = store.save(
            session,
            tenant_id=tenant_id,
            flow_id=flow_id,
            revision=there.revision,
            name="Main",
            draft=other,
            vault=vault,
        )
        by = UserId(new_id())
        of: dict[str, Any] = {"tenant_id": tenant_id, "flow_id": flow_id}
        made = store.publish(session, **of, revision=saved.revision, by=by, vault=vault)
        back = store.bring_back(session, **of, version=1, revision=made.revision, by=by, vault=vault)
        assert back.draft.phones() == {"branch-office": PHONE}
        told = store.versions(session, **of, vault=vault)
        assert [one.flow.phones()["branch-office"] for one in told] == [PHONE, TAKEN, PHONE]
        assert store.published(session, **of).flow.phones() == {}


def test_phones_that_do_not_open_leave_the_rest_of_the_flow_readable(theatre: Theatre) -> None:
    flow_id = lead(theatre, to_a_number(theatre, PHONE))
    with theatre.gate.open(theatre.scope) as session:
        session.execute(text("UPDATE app.flows SET phones_ct = set_byte(phones_ct, 20, 0)"))
        session.execute(text("UPDATE app.flow_versions SET phones_ct = set_byte(phones_ct, 20, 0)"))
        found = store.read(session, tenant_id=theatre.company.tenant_id, flow_id=flow_id, vault=theatre.vault)
    assert found.damage is not None
    assert found.draft.phones() == {}
    assert "branch-office" in found.draft.nodes
    perform(theatre, "0 caller calls\n10 pulse beats")
    assert run_of(theatre)[1][-1] == "otherwise>bye", "the caller goes on"
