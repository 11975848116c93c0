"""No call lasts for ever: the switchboard ends it after a warning, the switch where that is dead."""

import asyncio
import datetime as dt

import pytest
from sqlalchemy import text

from telephony.orders import OrderKind
from telephony.outbound import limits
from telephony.outbound.limits import Caps
from telephony.switch.simulator import public
from tests.telephony.conductor.test_calls_out import PERSON
from tests.telephony.conductor.theatre import Theatre

pytestmark = pytest.mark.slow

MINUTES = dt.timedelta(minutes=1)


@pytest.fixture
def theatre(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> Theatre:
    # a person who never stops talking
    monkeypatch.setattr(public, "lasts_ms", lambda _habit: 36_000_000)
    caps = Caps(longest_in=5 * MINUTES, longest_out=3 * MINUTES)
    with theatre.gate.open(theatre.scope) as session:
        limits.change_caps(session, tenant_id=theatre.company.tenant_id, caps=caps)
    return theatre


def perform(stage: Theatre, script: str, *, killed: bool = False) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down(killed=killed)

    asyncio.run(whole())


def beats(until: int) -> str:
    return "\n".join(f"{second} pulse beats" for second in range(10, until, 10))


def steps(stage: Theatre) -> list[str]:
    with stage.gate.open(stage.scope) as session:
        rows = session.execute(text("SELECT kind FROM app.call_events ORDER BY at, position")).scalars()
        return list(rows)


def spent(stage: Theatre) -> list[tuple[str, int, int]]:
    with stage.gate.open(stage.scope) as session:
        rows = session.execute(text("SELECT day, spent_nano, calls FROM app.calling_days")).all()
        return [(str(row.day), row.spent_nano, row.calls) for row in rows]


def test_a_call_that_came_in_is_ended_when_it_is_as_long_as_calls_may_be(theatre: Theatre) -> None:
    perform(theatre, f"0 caller calls\n5 bob answers\n{beats(320)}")
    said = theatre.books_say()
    assert said[0].endswith("too-long agent=1001")
    # 300 s from the arrival, seen within the ten seconds of a heartbeat, and billed to that instant
    assert said[1].startswith("usage voice.inbound 29")
    assert [one for one in steps(theatre) if one in {"ends-soon", "cut"}] == ["ends-soon", "cut"]
    assert theatre.states("bob")[-1] == "wrap_up"
    assert theatre.conductor.live == []


def test_a_call_that_went_out_is_ended_so_long_after_the_answer(theatre: Theatre) -> None:
    perform(theatre, f"0 dialler dials {PERSON}\n1.5 bob answers\n{beats(210)}")
    said = theatre.books_say()
    assert said[0].endswith("too-long agent=1001")
    assert said[1].startswith("usage voice.outbound 18")
    assert theatre.dials_say() == ["connected"]
    assert theatre.states("bob")[-1] == "wrap_up"
    # what it cost stands in its day, in the transaction that closed its books
    ((day, nano, number),) = spent(theatre)
    assert (day, number) == ("2026-11-02", 1)
    assert nano == int(said[1].split(" = ")[1].split()[0])


def test_the_switch_ends_a_call_whose_switchboard_is_dead(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 dialler dials {PERSON}\n1.5 bob answers\n10 pulse beats")
        await theatre.down(killed=True)
        # three minutes, the fifteen seconds it might have rung, and a minute to spare
        await theatre.sim.advance(240_000)
        assert len(theatre.sim.switch._channels) == 2
        await theatre.sim.advance(6_000)
        (left,) = theatre.sim.switch._channels
        assert left.startswith("agent-")  # whose phone the next start hangs up
        await theatre.up(sim=theatre.sim)
        await theatre.down()

    asyncio.run(whole())
    said = theatre.books_say()
    assert said[0] == "cdr wait=1.5s talk=8.5s lost-while-switchboard-away agent=1001"
    assert said[1].startswith("usage voice.outbound 9s")  # to the last second that was proven, no further


def test_the_switch_ends_a_call_that_came_in_whose_switchboard_is_dead(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 caller calls\n5 bob answers\n10 pulse beats")
        await theatre.down(killed=True)
        await theatre.sim.advance(340_000)
        assert len(theatre.sim.switch._channels) == 2
        await theatre.sim.advance(12_000)  # five minutes from the arrival and one to spare
        (left,) = theatre.sim.switch._channels
        assert left.startswith("agent-")
        await theatre.up(sim=theatre.sim)
        await theatre.down()

    asyncio.run(whole())


def test_calls_out_that_are_stopped_end_at_once_and_others_go_on(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 dialler dials {PERSON}\n1.5 bob answers\n10 pulse beats")
        await theatre._order(OrderKind.END_CALLS_OUT, tenant_id=new_tenant())
        assert len(theatre.conductor.live) == 1  # another company's
        await theatre._order(OrderKind.END_CALLS_OUT, tenant_id=theatre.company.tenant_id)
        await theatre.settle()
        assert theatre.conductor.live == []
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say()[0].endswith("stopped agent=1001")
    assert theatre.states("bob")[-1] == "wrap_up"


def new_tenant() -> str:
    return "018f5c7e-6f0a-7000-8000-000000000001"
