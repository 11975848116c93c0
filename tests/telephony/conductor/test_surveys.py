"""A caller whose agent has hung up is asked for a rating: nobody pays for it, and no agent waits for it."""

import asyncio
import dataclasses
import wave
from pathlib import Path

import pytest
from sqlalchemy import text

from billing import wallets
from core import clock
from core.ids import CallId, QueueId, new_id
from customers import dispositions, interactions
from customers.dispositions import Disposition
from telephony import calls, queues
from telephony.admission import Bounds
from telephony.calls import Call, Left, Step
from telephony.conductor.directory import how_was_it, thanks
from telephony.conductor.phases import Phase
from tests.telephony.conductor.test_longest_call import beats
from tests.telephony.conductor.test_prepaid_call import put
from tests.telephony.conductor.theatre import START, Theatre, hire

TALKS = "0 caller calls\n5 bob answers\n"
# the agent's number is told for two seconds, then they talk
ASKED = TALKS + "20 bob hangs up\n"


@pytest.fixture
def theatre(theatre: Theatre) -> Theatre:
    asks(theatre, theatre.company.queue_id)
    return theatre


@pytest.fixture
def said(theatre: Theatre, tmp_path: Path) -> list[str]:
    """What a voice of two seconds has been asked to say, in order."""
    sound, told = tmp_path / "said.wav", list[str]()
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))

    def speak(words: str, _language: str) -> Path | None:
        told.append(words)
        return sound if words else None

    theatre.speak = speak
    return told


def asks(stage: Theatre, queue_id: QueueId, percent: int = 100, **more: object) -> None:
    """Let a queue ask so many of a hundred of its callers."""
    with stage.gate.open(stage.scope) as session:
        tenant_id = stage.company.tenant_id
        now = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
        wanted = dataclasses.replace(now.settings, survey_percent=percent, **more)  # type: ignore[arg-type]
        queues.change(session, tenant_id=tenant_id, queue_id=queue_id, revision=now.revision, settings=wanted)


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


def call_of(stage: Theatre) -> Call:
    """Return the company's last call."""
    with stage.gate.open(stage.scope) as session:
        return calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls[0]


def steps(stage: Theatre) -> list[Step]:
    with stage.gate.open(stage.scope) as session:
        return calls.timeline(session, tenant_id=stage.company.tenant_id, call_id=call_of(stage).call_id)


def why(stage: Theatre) -> object:
    """Return why the caller was asked no more."""
    return next(one.details["why"] for one in steps(stage) if one.kind == "survey-ended")


def test_who_stays_is_asked_gives_a_rating_and_is_thanked(theatre: Theatre, said: list[str]) -> None:
    perform(theatre, ASKED + "23 caller presses 4\n30 pulse beats")
    found = call_of(theatre)
    assert (found.survey_most, found.survey_rating, found.cause) == (5, 4, "agent-hung-up")
    assert said[-2:] == [how_was_it(5, "en"), thanks("en")]
    told = [one.kind for one in steps(theatre)]
    assert told[-4:] == ["bridged", "agent-gone", "survey-answered", "survey-ended"]
    assert why(theatre) == "answered"
    assert not theatre.conductor.live


@pytest.mark.usefixtures("said")
def test_the_talk_its_cost_and_its_recording_end_with_the_agent(theatre: Theatre) -> None:
    perform(theatre, ASKED + "26 caller presses 4\n40 pulse beats")
    found = call_of(theatre)
    assert found.bridged_at
    assert found.talk_ended_at
    assert found.ended_at
    talk_ms = clock.elapsed_ms(found.bridged_at, found.talk_ended_at)
    assert clock.elapsed_ms(found.talk_ended_at, found.ended_at) >= 6_000
    assert (found.talk_ms, theatre.usages_of(found.call_id)) == (talk_ms, [talk_ms])
    told = str(theatre.sim.transcript)
    gone, _, then = told.partition("Ended out-1")
    done = [one.split(" < ")[1].split()[0] for one in then.splitlines() if " < " in one]
    assert "stop_recording" not in gone
    assert done[:3] == ["stop_recording", "close_bridge", "play"]
    with theatre.gate.open(theatre.scope) as session:
        line = interactions.of_subject(
            session, tenant_id=theatre.company.tenant_id, vault=theatre.vault, subject_ref=found.call_id
        )
    assert line is not None
    assert line.duration_ms == talk_ms


@pytest.mark.usefixtures("said")
def test_the_agent_wraps_up_and_talks_to_the_next_while_the_caller_is_asked(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(ASKED)
        assert theatre.states("bob")[-1] == "wrap_up"
        first = theatre.conductor.live[0]
        assert (first.phase, first.offer) == (Phase.SURVEY, None)
        with theatre.gate.open(theatre.scope) as session:
            resolved = Disposition("resolved", "Resolved", "已解决")
            dispositions.define(session, tenant_id=theatre.company.tenant_id, disposition=resolved)
        with theatre.gate.open(theatre.scope) as session:
            calls.wrap_up(
                session,
                tenant_id=theatre.company.tenant_id,
                call_id=first.call_id,
                disposition="resolved",
                notes="",
                vault=theatre.vault,
            )
        await theatre.play("0 bob wraps up\n0.2 bob is available\n0.4 caller calls\n3 bob answers")
        assert [one.phase for one in theatre.conductor.live] == [Phase.SURVEY, Phase.ANNOUNCING]
        await theatre.play("0 routing looks again\n9 routing looks again\n12 caller hangs up")
        await theatre.down()

    asyncio.run(whole())
    with theatre.gate.open(theatre.scope) as session:
        found = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert [(one.cause, one.disposition, one.survey_most) for one in found] == [
        ("caller-hung-up", None, None),
        ("agent-hung-up", "resolved", 5),
    ]


@pytest.mark.usefixtures("said")
def test_who_presses_nothing_is_let_go_by_the_watchdog(theatre: Theatre) -> None:
    looks = "".join(f"{second} routing looks again\n" for second in range(21, 36))
    perform(theatre, ASKED + looks)
    assert why(theatre) == "silent"
    assert (call_of(theatre).survey_most, call_of(theatre).survey_rating) == (5, None)
    assert not theatre.conductor.live


@pytest.mark.usefixtures("said")
def test_a_question_whose_end_the_switch_never_tells_of_is_left_by_the_watchdog(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(ASKED)
        theatre.sim.drop_connection()
        await theatre.play("3 routing looks again")
        assert theatre.conductor.live, "nobody may be let go of while the switch is away"
        theatre.sim.reconnect()
        await theatre.play("1 routing looks again")
        await theatre.down()

    asyncio.run(whole())
    assert why(theatre) == "switchboard-away"
    assert call_of(theatre).cause == "agent-hung-up"


@pytest.mark.usefixtures("said")
def test_a_key_that_is_no_rating_changes_nothing_and_the_first_rating_stands(theatre: Theatre) -> None:
    perform(
        theatre,
        ASKED
        + "21 caller presses 7\n22 caller presses *\n23 caller presses 0\n24 caller presses 25\n"
        + "40 pulse beats",
    )
    assert call_of(theatre).survey_rating == 2
    assert [one.kind for one in steps(theatre)].count("survey-answered") == 1


@pytest.mark.usefixtures("said")
def test_the_question_stops_when_it_is_answered_before_its_end(theatre: Theatre) -> None:
    perform(theatre, ASKED + "20.6 caller presses 5\n30 pulse beats")
    assert "stop_playback" in str(theatre.sim.transcript)
    assert (call_of(theatre).survey_rating, why(theatre)) == (5, "answered")


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.0, 2.5, 6.0])
@pytest.mark.parametrize("answer", [None, 3])
def test_who_hangs_up_at_any_moment_leaves_nothing_behind(
    theatre: Theatre, after_s: float, answer: int | None
) -> None:
    pressed = f"{20 + after_s} caller presses {answer}\n" if answer else ""
    perform(theatre, f"{ASKED}{pressed}{20 + after_s} caller hangs up\n40 pulse beats")
    found = call_of(theatre)
    assert (found.state, found.cause) == ("ended", "agent-hung-up")
    assert theatre.usages_of(found.call_id) == [found.talk_ms]
    assert found.survey_rating == answer
    assert not theatre.conductor.live
    assert not theatre.conductor._live.by_channel


@pytest.mark.parametrize("answer", [None, 3])
@pytest.mark.usefixtures("said")
def test_a_switchboard_that_dies_meanwhile_lets_the_caller_go_and_keeps_the_rating(
    theatre: Theatre, answer: int | None
) -> None:
    perform(theatre, ASKED + (f"21 caller presses {answer}\n" if answer else ""), then="5 pulse beats")
    found = call_of(theatre)
    assert found.talk_ended_at
    assert (found.cause, found.survey_rating) == ("agent-hung-up", answer)
    assert found.bridged_at
    assert found.talk_ms == clock.elapsed_ms(found.bridged_at, found.talk_ended_at)
    assert theatre.usages_of(found.call_id) == [found.talk_ms]
    assert why(theatre) == "switchboard-away"
    with theatre.gate.open(theatre.scope) as session:
        assert len(calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls) == 1


@pytest.mark.usefixtures("said")
def test_a_switch_that_dies_meanwhile_costs_nothing_more(theatre: Theatre) -> None:
    perform(theatre, ASKED + "22 switch dies\n30 pulse beats")
    found = call_of(theatre)
    assert found.bridged_at
    assert found.talk_ended_at
    assert found.cause == "switch-lost"
    assert found.talk_ms == clock.elapsed_ms(found.bridged_at, found.talk_ended_at)
    assert theatre.states("bob")[-1] == "wrap_up"


@pytest.mark.usefixtures("said")
def test_a_held_caller_whose_agent_hangs_up_hears_no_more_music(theatre: Theatre) -> None:
    perform(theatre, TALKS + "10 bob holds on\n20 bob hangs up\n24 caller presses 1\n40 pulse beats")
    music = [one for one in str(theatre.sim.transcript).splitlines() if "hold_music" in one]
    assert music[-1].endswith("off")
    assert call_of(theatre).survey_rating == 1


def test_what_the_queue_asks_in_its_own_words_and_language_is_said(theatre: Theatre, said: list[str]) -> None:
    asks(theatre, theatre.company.queue_id, survey_prompt="Bis neun?", survey_most=9, language="zh")
    perform(theatre, ASKED + "24 caller presses 9\n40 pulse beats")
    assert said[-2:] == ["Bis neun?", thanks("zh")]
    assert (call_of(theatre).survey_most, call_of(theatre).survey_rating) == (9, 9)


def test_without_a_voice_nobody_is_kept_on_the_line(theatre: Theatre) -> None:
    perform(theatre, ASKED + "21 pulse beats")
    assert why(theatre) == "not-said"
    assert not theatre.conductor.live


@pytest.mark.usefixtures("said")
def test_when_the_switch_is_nearly_full_nobody_is_asked(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=1, per_second=100)
    perform(theatre, ASKED + "30 pulse beats")
    found, told = call_of(theatre), [one.kind for one in steps(theatre)]
    assert (found.cause, found.talk_ended_at) == ("agent-hung-up", None)
    assert told[-2:] == ["no-survey", "agent-gone"]


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    "script",
    [
        TALKS + "20 caller hangs up",
        TALKS + "10 bob closes the browser\n20 caller hangs up",
        "0 caller calls\n5 bob answers\n5.2 bob hangs up",  # before they talked
        "0 bob dials +447700900120\n1.4 bob answers\n11.4 bob hangs up",
    ],
    ids=["caller-ends", "line-lost", "before-they-talked", "call-out"],
)
def test_who_is_not_left_by_their_agent_is_not_asked(theatre: Theatre, script: str) -> None:
    perform(theatre, script + "\n40 pulse beats")
    assert call_of(theatre).talk_ended_at is None


@pytest.mark.usefixtures("said")
def test_a_queue_that_asks_nobody_asks_nobody(theatre: Theatre) -> None:
    asks(theatre, theatre.company.queue_id, percent=0)
    perform(theatre, ASKED)
    found = call_of(theatre)
    assert (found.talk_ended_at, found.cause) == (None, "agent-hung-up")


def test_which_callers_are_asked_is_chance_of_its_own(theatre: Theatre) -> None:
    asks(theatre, theatre.company.queue_id, percent=30, record_percent=50)
    with theatre.gate.open(theatre.scope) as session:
        tenant_id, queue_id = theatre.company.tenant_id, theatre.company.queue_id
        queue = queues.get(session, tenant_id=tenant_id, queue_id=queue_id)
    drawn = [CallId(new_id()) for _ in range(4000)]
    asked = [one for one in drawn if queue.surveys(one)]
    assert 0.25 < len(asked) / len(drawn) < 0.35
    assert 0.4 < sum(queue.records(one) for one in asked) / len(asked) < 0.6


@pytest.mark.usefixtures("said")
def test_the_queue_the_call_was_given_to_asks_and_its_agents_part_ends_with_them(theatre: Theatre) -> None:
    asks(theatre, theatre.company.queue_id, percent=0)
    with clock.hold(START):
        company = theatre.company
        with theatre.gate.open(theatre.scope) as session:
            made = queues.open_queue(session, tenant_id=company.tenant_id, name="Returns", ring_timeout_s=15)
        theatre.queues["returns"] = made.queue_id
        theirs = dataclasses.replace(company, queue_id=made.queue_id)
        theatre.people["carol"] = hire(theatre.gate, theatre.vault, theirs, number=1002, seat="A-2")
        asks(theatre, made.queue_id, survey_most=3)
    perform(
        theatre,
        TALKS
        + "10 bob transfers to returns\n12 carol answers\n20 carol hangs up\n23 caller presses 3\n"
        + "40 pulse beats",
    )
    found = call_of(theatre)
    assert (found.survey_most, found.survey_rating, found.agent_number) == (3, 3, 1002)
    with theatre.gate.open(theatre.scope) as session:
        legs = calls.legs(session, tenant_id=theatre.company.tenant_id, call_id=found.call_id)
    assert [(one.agent_number, one.how) for one in legs] == [(1001, Left.TRANSFERRED), (1002, Left.ENDED)]
    assert legs[1].left_at == found.talk_ended_at
    with theatre.gate.open(theatre.scope) as session:
        line = interactions.of_subject(
            session, tenant_id=theatre.company.tenant_id, vault=theatre.vault, subject_ref=found.call_id
        )
    assert line is not None
    assert line.duration_ms == clock.elapsed_ms(legs[1].joined_at, found.talk_ended_at or START)


@pytest.mark.usefixtures("said")
def test_a_wallet_that_runs_dry_meanwhile_cuts_nobody_off(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id)
    put(theatre, 24)  # three minutes of talk, and one kept beside them
    asked = "\n180 bob hangs up\n190 pulse beats\n200 pulse beats\n202 caller presses 5\n210 pulse beats"
    perform(theatre, TALKS + beats(180) + asked)
    found = call_of(theatre)
    assert (found.cause, found.survey_rating) == ("agent-hung-up", 5)


@pytest.mark.usefixtures("said")
def test_what_was_not_written_before_a_crash_is_written_after_it(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(ASKED + "21 caller presses 3")
        hung_up_at = call_of(theatre).talk_ended_at
        await theatre.down(killed=True)
        with theatre.gate.open(theatre.scope) as session:  # as if the books had been away
            lost = "UPDATE app.calls SET talk_ended_at = NULL, survey_most = NULL, survey_rating = NULL"
            session.execute(text(lost))
            session.execute(text("DELETE FROM app.interactions"))
        await theatre.up(sim=theatre.sim)
        await theatre.play("5 pulse beats")
        await theatre.down()
        found = call_of(theatre)
        assert (found.talk_ended_at, found.survey_most, found.survey_rating) == (hung_up_at, 5, 3)

    asyncio.run(whole())
