"""Calls an agent dials by hand: that agent talks, nobody takes their place, and they may give up."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core import clock
from core.ids import OPERATOR, TenantId
from core.phone import E164
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.outbound import stops
from telephony.outbound.gate import Clearance
from telephony.outbound.stops import Side
from tests.telephony.conductor.test_calls_out import kill
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

pytestmark = pytest.mark.slow

PERSON, BUSY, RINGS_OUT = (f"+44770090012{digit}" for digit in "056")
SIGNED_IN = ["away:signed-in", "available"]


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        # mara has been free for longer, and is not the one who dials
        stage.people["mara"] = hire(gate, vault, company, number=1002, seat="A-2")
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        yield stage


def perform(stage: Theatre, script: str) -> list[dict[str, str]]:
    """Play a script; return what bob's console was told of the calls he dialled."""
    told: list[dict[str, str]] = []

    async def whole() -> None:
        await stage.up()
        publish = stage.conductor.desk.telling.publish

        def heard(agent_id: object, kind: str, **body: str) -> None:
            if kind == "dial-ended" and agent_id == stage.people["bob"].agent_id:
                told.append(body)
            publish(agent_id, kind, **body)  # type: ignore[arg-type] # as it came

        stage.conductor.desk.telling.publish = heard  # type: ignore[method-assign] # to listen in
        await stage.play(script)
        await stage.down()

    asyncio.run(whole())
    return told


def items(stage: Theatre) -> list[str]:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = session.execute(text("SELECT state FROM app.work_items ORDER BY offered_at")).scalars()
        return [str(one) for one in found]


def test_who_dials_talks_wraps_up_and_it_is_billed_as_a_call_out(theatre: Theatre) -> None:
    told = perform(
        theatre,
        f"""
        0    bob dials {PERSON}
        1.4  bob answers
        11.4 bob hangs up
        12   bob wraps up
        """,
    )
    assert theatre.books_say() == [
        "cdr wait=1.4s talk=10s agent-hung-up agent=1001",
        "usage voice.outbound 10.4s rated 11 s = 13291667 nano",
    ]
    assert theatre.dials_say() == ["connected"]
    assert theatre.states("bob") == [*SIGNED_IN, "dialling", "talking", "wrap_up", "available"]
    assert theatre.states("mara") == SIGNED_IN
    assert items(theatre) == ["closed"]
    assert [one["outcome"] for one in told] == ["connected"]


def test_while_it_rings_it_is_in_hand_and_the_console_is_told_so(theatre: Theatre) -> None:
    seen: list[list[str]] = []

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 bob dials {RINGS_OUT}")
        seen.append(items(theatre))
        await theatre.sim.advance(500)
        await theatre.settle()
        seen.append(items(theatre))
        await theatre.play("1 bob gives up")
        await theatre.sim.advance(500)
        await theatre.down()

    asyncio.run(whole())
    assert seen == [["dialling"], ["alerting"]]
    assert items(theatre) == ["lost"]
    assert theatre.dials_say() == ["cancelled"]
    assert theatre.books_say()[0].endswith("cancelled agent=nobody")
    assert theatre.states("bob") == [*SIGNED_IN, "dialling", "available"]
    assert "given-up" in theatre.timeline()


def test_a_busy_number_frees_the_agent_and_says_so(theatre: Theatre) -> None:
    told = perform(theatre, f"0 bob dials {BUSY}\n3 pulse beats")
    assert [one["outcome"] for one in told] == ["busy"]
    assert theatre.states("bob") == [*SIGNED_IN, "dialling", "available"]
    assert items(theatre) == ["lost"]


def test_who_dials_while_away_is_away_afterwards(theatre: Theatre) -> None:
    perform(theatre, f"0 bob is break\n1 bob dials {BUSY}\n4 pulse beats")
    assert theatre.states("bob") == [*SIGNED_IN, "away:break", "dialling", "away:break"]


def test_nobody_takes_the_place_of_who_dialled(theatre: Theatre) -> None:
    told = perform(theatre, f"0 bob dials {PERSON}\n0.5 bob closes the browser\n10 pulse beats")
    assert theatre.dials_say() == ["abandoned"]
    assert theatre.states("mara") == SIGNED_IN
    assert [one["outcome"] for one in told] == ["abandoned"]


def test_who_has_a_call_in_hand_dials_nobody(theatre: Theatre) -> None:
    told = perform(theatre, f"0 bob dials {RINGS_OUT}\n1 bob dials {PERSON}\n60 pulse beats")
    assert theatre.sim.switch.dialled == [RINGS_OUT]
    assert sorted(theatre.dials_say()) == ["no-agent", "no-answer"]
    assert [one["outcome"] for one in told] == ["no-agent", "no-answer"]


def test_what_is_forbidden_after_it_was_cleared_is_told_with_its_reason(theatre: Theatre) -> None:
    """Who had dialled waited for a call that never came, and was told nothing."""
    told: list[dict[str, str]] = []

    async def whole() -> None:
        await theatre.up()

        def heard(agent_id: object, kind: str, **body: str) -> None:
            told.append({"kind": kind} | body)

        theatre.conductor.desk.telling.publish = heard  # type: ignore[method-assign] # to listen in
        bob = theatre.people["bob"]
        cleared = await asyncio.to_thread(theatre.dial_by_hand, bob, E164(PERSON))
        assert isinstance(cleared, Clearance)

        def stop() -> None:
            with theatre.gate.open(theatre.scope) as session:
                tenant_id = theatre.company.tenant_id
                stops.stop(session, tenant_id=tenant_id, side=Side.COMPANY, by=bob.agent_id)

        await asyncio.to_thread(stop)
        assert await theatre.conductor.dial(theatre.company.tenant_id, cleared.attempt_id) == "expired"
        await theatre.down()

    asyncio.run(whole())
    (ended,) = [one for one in told if one["kind"] == "dial-ended"]
    assert (ended["outcome"], ended["reason"]) == ("expired", "stopped")
    assert theatre.dials_say() == ["expired"]


def test_a_switchboard_killed_while_it_rings_goes_on_with_the_same_agent(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 bob dials {PERSON}")
        await theatre.sim.advance(300)
        await kill(theatre)
        await theatre.settle()
        await theatre.sim.advance(900)
        await theatre._act("bob", "answers")
        await theatre.settle()
        await theatre.sim.advance(5000)
        await theatre._act("bob", "hangs up")
        await theatre.settle()
        await theatre.sim.advance(500)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == [PERSON]
    assert theatre.dials_say() == ["connected"]
    assert theatre.states("mara") == SIGNED_IN


def test_who_was_called_hears_music_when_the_agents_line_breaks_and_the_agent_comes_back(
    theatre: Theatre,
) -> None:
    """Of a call out nobody was told that the agent's line had broken: the called person heard nothing."""
    perform(
        theatre,
        f"""
        0    bob dials {PERSON}
        1.4  bob answers
        3    bob closes the browser
        6    bob opens the browser
        8    bob answers
        10   bob hangs up
        """,
    )
    steps = theatre.timeline()
    assert steps.index("leg-lost") < steps.index("rejoined") < steps.index("agent-gone")
    assert theatre.dials_say() == ["connected"]
