"""Callers whose number is none: they are taken in as if they had withheld it, and nothing of it is kept."""

import asyncio

import pytest

from core import clock
from telephony import calls
from tests.telephony.conductor.theatre import DIALLED, START, Theatre


@pytest.mark.parametrize(
    "says",
    [
        pytest.param("9" * 40, id="40-digits"),
        pytest.param("+" + "4" * 40, id="40-digits-with-plus"),
        pytest.param("+447700900123\r\nX-Evil: 1", id="line-break"),
        pytest.param("\r\n\r\n", id="line-breaks-alone"),
        pytest.param("x" * 5_000, id="5000-letters"),
        pytest.param("\u202e321009007744+", id="reversed"),
        pytest.param("+447700900123\x00", id="nul"),
        pytest.param("'; DROP TABLE calls; --", id="sql"),
    ],
)
def test_who_calls_from_what_is_no_number_is_taken_in_as_withheld(theatre: Theatre, says: str) -> None:
    async def whole() -> None:
        await theatre.up()
        theatre.caller = theatre.sim.arrive(DIALLED, says)
        await theatre.settle()
        await theatre.play("3 bob answers\n12 caller hangs up")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    tenant_id = theatre.company.tenant_id
    with theatre.gate.open(theatre.scope) as session:
        (call,) = calls.page(session, tenant_id=tenant_id, vault=theatre.vault).calls
        told = calls.timeline(session, tenant_id=tenant_id, call_id=call.call_id)
    assert (call.caller or "", call.cause, call.agent_number) == ("", "caller-hung-up", 1001)
    assert len(theatre.usages_of(call.call_id)) == 1
    assert says not in str([step.details for step in told])
    assert says not in "".join(
        one.read_text(errors="replace") for one in theatre.folder.rglob("*") if one.is_file()
    )


@pytest.mark.parametrize("dialled", ["9" * 40, "+442079460134\r\nX: 1", "", "\x00"])
def test_who_dials_what_is_no_number_is_refused_and_leaves_nothing(theatre: Theatre, dialled: str) -> None:
    async def whole() -> None:
        await theatre.up()
        theatre.caller = theatre.sim.arrive(dialled, "+447700900123")
        await theatre.settle()
        await theatre.sim.advance(1_000)
        await theatre.settle()
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert theatre.sim.answered_with(theatre.caller) == 404
    assert theatre.books_say() == []
