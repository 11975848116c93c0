"""A queue that is closed, and one in which nobody waits for ever: what callers get, what the books say."""

import asyncio
import datetime as dt
import wave

import pytest

from core import clock
from core.ids import QueueId
from telephony import figures, queue_hours, queues
from telephony.opening import Hours, read_spans
from telephony.queue_hours import Opening
from telephony.queues import Settings
from tests.telephony.conductor.theatre import START, Theatre

# the stage begins on a Monday at nine in London
AFTERNOONS = Hours("Europe/London", (read_spans("13:00-17:00"),) * 7)
MORNINGS = Hours("Europe/London", (read_spans("09:00-09:01"),) * 7)


def perform(stage: Theatre, script: str, then: str = "") -> None:
    """Play a script; with `then` the switchboard is killed before that and starts again."""

    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=True)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def keep(stage: Theatre, hours: Hours, *, leads_to: QueueId | None = None) -> None:
    company = stage.company
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        queue_hours.change(
            session,
            tenant_id=company.tenant_id,
            queue_id=company.queue_id,
            wanted=Opening(hours, leads_to=leads_to),
        )


def lets_wait(stage: Theatre, seconds: int) -> None:
    company = stage.company
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        wanted = Settings("Deliveries", ring_timeout_s=15, longest_wait_s=seconds)
        queues.change(
            session,
            tenant_id=company.tenant_id,
            queue_id=company.queue_id,
            revision=1,
            settings=wanted,
        )


def speaks_for(stage: Theatre, *, seconds: int) -> None:
    """Give the stage a voice whose every sentence is that long."""
    sound = stage.folder / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * seconds))
    stage.speak = lambda _text, _language: sound


def test_a_caller_outside_the_hours_is_told_and_the_call_ends(theatre: Theatre) -> None:
    keep(theatre, AFTERNOONS)
    perform(theatre, "0 caller calls\n5 pulse beats")
    assert theatre.books_say() == ["cdr wait=0s talk=0s outside-hours agent=nobody"]
    assert "outside-hours" in theatre.timeline()
    assert "offered" not in theatre.timeline()
    with theatre.gate.open(theatre.scope) as session:
        counted = figures.by_queue(session, tenant_id=theatre.company.tenant_id, since=START)
    assert counted[theatre.company.queue_id].abandoned == 0


def test_within_the_hours_it_is_a_call_like_any(theatre: Theatre) -> None:
    keep(theatre, MORNINGS)
    perform(theatre, "1 caller calls\n3.6 bob answers\n9 caller hangs up")
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]
    assert "outside-hours" not in theatre.timeline()


def test_the_last_minute_is_over_on_the_second(theatre: Theatre) -> None:
    keep(theatre, MORNINGS)
    perform(theatre, "59 caller calls\n60 pulse beats")
    assert "outside-hours" in theatre.books_say()[0]


@pytest.mark.parametrize("is_open", [True, False])
def test_callers_go_to_the_other_queue_if_that_is_open(theatre: Theatre, *, is_open: bool) -> None:
    company = theatre.company
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        night = queues.open_queue(session, tenant_id=company.tenant_id, name="Night").queue_id
        if not is_open:
            queue_hours.change(
                session, tenant_id=company.tenant_id, queue_id=night, wanted=Opening(AFTERNOONS)
            )
    keep(theatre, AFTERNOONS, leads_to=night)
    perform(theatre, "0 caller calls\n20 caller hangs up")
    (said,) = theatre.books_say()
    assert ("caller-left-queue" in said, "outside-hours" in said) == (is_open, not is_open)
    if is_open:
        with theatre.gate.open(theatre.scope) as session:
            assert set(figures.by_queue(session, tenant_id=company.tenant_id, since=START)) == {night}


def test_who_hangs_up_during_the_message_came_while_it_was_closed(theatre: Theatre) -> None:
    keep(theatre, AFTERNOONS)
    speaks_for(theatre, seconds=4)
    perform(theatre, "0 caller calls\n2 caller hangs up")
    assert theatre.books_say() == ["cdr wait=2s talk=0s outside-hours agent=nobody"]
    assert theatre.timeline()[-1] == "caller-gone"


def test_a_caller_waits_no_longer_than_the_queue_lets_them(theatre: Theatre) -> None:
    lets_wait(theatre, 30)
    perform(theatre, "0 bob is break\n1 caller calls\n25 pulse beats\n35 pulse beats")
    (said,) = theatre.books_say()
    assert "waited-too-long agent=nobody" in said
    assert theatre.timeline()[-2:] == ["waited-too-long", "apology-ended"]


def test_nobody_who_is_being_rung_for_is_turned_away(theatre: Theatre) -> None:
    lets_wait(theatre, 10)
    perform(theatre, "1 caller calls\n14 pulse beats\n14.5 bob answers\n20 caller hangs up")
    assert "caller-hung-up agent=1001" in theatre.books_say()[0]


def test_a_caller_who_came_while_the_switchboard_died_is_not_queued_in_a_closed_queue(
    theatre: Theatre,
) -> None:
    keep(theatre, AFTERNOONS)
    speaks_for(theatre, seconds=4)
    perform(theatre, "0 caller calls", then="5 pulse beats")
    (said,) = theatre.books_say()
    assert "outside-hours" in said
    assert "queued" not in said


def test_a_long_wait_is_long_after_a_crash_too(theatre: Theatre) -> None:
    lets_wait(theatre, 30)
    perform(theatre, "0 bob is break\n1 caller calls\n2 pulse beats", then="40 pulse beats")
    assert "waited-too-long" in theatre.books_say()[0]


def test_summer_time_moves_nothing_on_the_wall() -> None:
    in_summer = dt.datetime(2026, 7, 1, 12, 30, tzinfo=dt.UTC)  # 13:30 in London
    assert AFTERNOONS.is_open(in_summer)
    assert not AFTERNOONS.is_open(in_summer.replace(month=12))
