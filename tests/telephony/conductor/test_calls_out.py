"""Calls that go out: a table of what happens in; CDR, usage, dials and agents' states out."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.ids import OPERATOR, new_id
from core.phone import E164
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, numbers, orders, recording
from telephony.errors import RecordingNotFoundError
from telephony.orders import OrderKind
from telephony.switch.simulator import wav
from tests.telephony.conductor.theatre import START, Theatre, hire

pytestmark = pytest.mark.slow

PERSON, HANGS_UP, BUSY, RINGS_OUT, MACHINE, UNALLOCATED, REJECTS = (
    f"+44770090012{digit}" for digit in "0456789"
)
SIGNED_IN = ["away:signed-in", "available"]


def perform(stage: Theatre, script: str) -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down()

    asyncio.run(whole())


# The made-up network rings for a second, a person talks for fifteen; the agent's phone rings for two at most.
SCENARIOS: dict[str, tuple[str, list[str], list[str], list[str]]] = {
    "a person picks up and talks until the agent hangs up": (
        f"""
        0   dialler dials {PERSON}
        1.5 bob answers
        11.5 bob hangs up
        12  bob wraps up
        """,
        [
            "cdr wait=1.5s talk=10s agent-hung-up agent=1001",
            "usage voice.outbound 10.5s rated 11 s = 13291667 nano",
        ],
        ["connected"],
        ["dialling", "talking", "wrap_up", "available"],
    ),
    "a person picks up, talks and hangs up": (
        f"""
        0   dialler dials {PERSON}
        1.5 bob answers
        20  bob wraps up
        """,
        [
            "cdr wait=1.5s talk=14.5s called-hung-up agent=1001",
            "usage voice.outbound 15s rated 15 s = 18125000 nano",
        ],
        ["connected"],
        ["dialling", "talking", "wrap_up", "available"],
    ),
    "a person is told from a machine first; the agent is rung after that": (
        f"""
        0   dialler dials {PERSON} detecting
        3   bob answers
        20  bob wraps up
        """,
        [
            "cdr wait=3s talk=13s called-hung-up agent=1001",
            "usage voice.outbound 15s rated 15 s = 18125000 nano",
        ],
        ["connected"],
        ["dialling", "talking", "wrap_up", "available"],
    ),
    "a machine is hung up on, and costs what it took to hear it": (
        f"""
        0   dialler dials {MACHINE} detecting
        10  pulse beats
        """,
        [
            "cdr wait=2.5s talk=0s machine agent=nobody",
            "usage voice.outbound 1.5s rated 2 s = 2416667 nano",
        ],
        ["machine"],
        ["dialling", "available"],
    ),
    "busy": (
        f"""
        0   dialler dials {BUSY}
        5   pulse beats
        """,
        ["cdr wait=0.05s talk=0s busy agent=nobody"],
        ["busy"],
        ["dialling", "available"],
    ),
    "nobody has the number": (
        f"""
        0   dialler dials {UNALLOCATED}
        5   pulse beats
        """,
        ["cdr wait=0.05s talk=0s unallocated agent=nobody"],
        ["unallocated"],
        ["dialling", "available"],
    ),
    "refused": (
        f"""
        0   dialler dials {REJECTS}
        5   pulse beats
        """,
        ["cdr wait=0.05s talk=0s rejected agent=nobody"],
        ["rejected"],
        ["dialling", "available"],
    ),
    "it rings for as long as it was cleared for": (
        f"""
        0   dialler dials {RINGS_OUT}
        20  pulse beats
        """,
        ["cdr wait=15s talk=0s no-answer agent=nobody"],
        ["no-answer"],
        ["dialling", "available"],
    ),
    "a person hangs up before the agent is there": (
        f"""
        0   dialler dials {HANGS_UP}
        5   pulse beats
        """,
        [
            "cdr wait=1.2s talk=0s called-hung-up agent=nobody",
            "usage voice.outbound 0.2s rated 1 s = 1208333 nano",
        ],
        ["hung-up"],
        ["dialling", "available"],
    ),
    "the agent does not answer within two seconds: abandoned": (
        f"""
        0   dialler dials {PERSON}
        10  pulse beats
        """,
        [
            "cdr wait=3s talk=0s abandoned agent=nobody",
            "usage voice.outbound 2s rated 2 s = 2416667 nano",
        ],
        ["abandoned"],
        ["dialling", "away:missed"],
    ),
    "the agent's browser is gone when somebody picks up: abandoned": (
        f"""
        0   dialler dials {PERSON}
        0.5 bob closes the browser
        10  pulse beats
        """,
        [
            "cdr wait=1s talk=0s abandoned agent=nobody",
            "usage voice.outbound 0s rated 0 s = 0 nano",
        ],
        ["abandoned"],
        ["dialling", "offline"],
    ),
    "one agent, two cleared calls: the second is not dialled": (
        f"""
        0   dialler dials {RINGS_OUT}
        1   dialler dials {PERSON}
        20  pulse beats
        """,
        ["cdr wait=15s talk=0s no-answer agent=nobody"],
        ["no-answer", "no-agent"],
        ["dialling", "available"],
    ),
    "held in between": (
        f"""
        0   dialler dials {PERSON}
        1.5 bob answers
        4   bob holds on
        6   bob holds off
        11.5 bob hangs up
        """,
        [
            "cdr wait=1.5s talk=10s agent-hung-up agent=1001",
            "usage voice.outbound 10.5s rated 11 s = 13291667 nano",
        ],
        ["connected"],
        ["dialling", "talking", "holding", "talking", "wrap_up"],
    ),
    "the switch dies while it rings": (
        f"""
        0   dialler dials {RINGS_OUT}
        3   pulse beats
        5   switch dies
        9   pulse beats
        """,
        ["cdr wait=3s talk=0s switch-lost agent=nobody"],
        ["lost"],
        ["dialling", "available", "offline", "available"],
    ),
    "the line to the switch drops while it rings; the call goes on": (
        f"""
        0   dialler dials {PERSON}
        0.2 switch drops the line
        3   switch is back
        4   bob answers
        20  bob wraps up
        """,
        [
            "cdr wait=4s talk=12s called-hung-up agent=1001",
            "usage voice.outbound 13s rated 13 s = 15708333 nano",
        ],
        ["connected"],
        ["dialling", "talking", "wrap_up", "available"],
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(theatre: Theatre, name: str) -> None:
    script, books, dials, states = SCENARIOS[name]
    perform(theatre, script)
    assert theatre.books_say() == books
    assert theatre.dials_say() == dials
    assert theatre.states("bob") == [*SIGNED_IN, *states]


def test_a_company_without_a_free_agent_calls_nobody(theatre: Theatre) -> None:
    perform(theatre, f"0 bob is break\n1 dialler dials {PERSON}\n5 dialler dials {BUSY}")
    assert theatre.sim.switch.dialled == []
    assert theatre.dials_say() == ["no-agent", "no-agent"]
    assert theatre.books_say() == []


def test_another_free_agent_takes_the_place_of_one_whose_phone_is_gone(
    theatre: Theatre, gate: Gate, vault: Vault
) -> None:
    theatre.people["mara"] = hire(gate, vault, theatre.company, number=1002, seat="A-2")
    perform(
        theatre,
        f"""
        0    dialler dials {PERSON}
        0.5  bob closes the browser
        1.4  mara answers
        11.4 mara hangs up
        """,
    )
    assert theatre.books_say()[0] == "cdr wait=1.4s talk=10s agent-hung-up agent=1002"
    assert theatre.dials_say() == ["connected"]
    assert theatre.states("bob") == [*SIGNED_IN, "dialling", "offline"]
    assert theatre.states("mara") == [*SIGNED_IN, "dialling", "talking", "wrap_up"]


def test_the_second_agent_has_only_what_is_left_of_the_two_seconds(
    theatre: Theatre, gate: Gate, vault: Vault
) -> None:
    theatre.people["mara"] = hire(gate, vault, theatre.company, number=1002, seat="A-2")
    perform(
        theatre,
        f"""
        0    dialler dials {PERSON}
        1.6  bob closes the browser
        10   pulse beats
        """,
    )
    assert theatre.books_say()[0] == "cdr wait=3s talk=0s abandoned agent=nobody"
    assert theatre.states("mara") == [*SIGNED_IN, "dialling", "away:missed"]


def test_who_hangs_up_while_another_agent_is_looked_for_frees_them(
    theatre: Theatre, gate: Gate, vault: Vault
) -> None:
    theatre.people["mara"] = hire(gate, vault, theatre.company, number=1002, seat="A-2")
    perform(
        theatre,
        f"""
        0    dialler dials {PERSON}
        0.5  bob closes the browser
        1.3  called hangs up
        5    pulse beats
        """,
    )
    assert theatre.dials_say() == ["hung-up"]
    assert theatre.states("mara") == [*SIGNED_IN, "dialling", "available"]


def test_picked_up_while_the_switchboard_was_away_it_is_lost_and_never_dialled_again(
    theatre: Theatre,
) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 dialler dials {PERSON}")
        channel, sim = theatre.conductor.live[0].channel, theatre.sim
        await theatre.down(killed=True)
        del theatre.books  # nobody writes any now, and nobody waits for it
        await sim.advance(1500)  # they pick up, and nobody takes the call: the dialplan ends it
        sim.far_end_hangs_up(channel)
        await sim.advance(500)
        await theatre.up(sim=sim)
        await theatre.conductor.carry_out_orders()
        await sim.advance(20_000)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == [PERSON]
    assert theatre.dials_say() == ["lost"]
    assert theatre.states("bob")[-1] == "available"
    assert theatre.books_say()[0].endswith("lost-while-switchboard-away agent=nobody")


def test_an_order_that_comes_too_late_calls_nobody(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        attempt_id = await asyncio.to_thread(theatre.clear, E164(PERSON))
        await theatre.sim.advance(10_001)
        await theatre._order(OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=attempt_id)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == []
    assert theatre.dials_say() == ["expired"]
    assert theatre.states("bob") == SIGNED_IN


def test_who_asks_not_to_be_called_after_the_clearance_is_not_called(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        tenant_id = theatre.company.tenant_id
        attempt_id = await asyncio.to_thread(theatre.clear, E164(PERSON))
        with theatre.gate.open(Scope.system(tenant_id)) as session:
            do_not_call.add(
                session,
                tenant_id=tenant_id,
                vault=theatre.vault,
                phone=E164(PERSON),
                source="asked-in-call",
                by=new_id(),
            )
        await theatre._order(OrderKind.DIAL, tenant_id=tenant_id, attempt_id=attempt_id)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == []
    assert theatre.dials_say() == ["expired"]
    assert theatre.states("bob") == SIGNED_IN


def test_a_number_given_back_meanwhile_is_not_shown_any_more(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        attempt_id = await asyncio.to_thread(theatre.clear, E164(PERSON))
        with theatre.gate.open(theatre.scope) as session:
            numbers.release(session, tenant_id=theatre.company.tenant_id, number_id=theatre.company.number_id)
        await theatre._order(OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=attempt_id)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == []
    assert theatre.dials_say() == ["failed"]


def test_an_order_left_twice_calls_once(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        attempt_id = await asyncio.to_thread(theatre.clear, E164(BUSY))
        for _ in range(2):
            await theatre._order(OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=attempt_id)
        await theatre.sim.advance(2_000)
        await theatre._order(OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=attempt_id)
        await theatre.down()

    asyncio.run(whole())
    assert theatre.sim.switch.dialled == [BUSY]
    assert theatre.dials_say() == ["busy"]


def last_call(theatre: Theatre) -> calls.Call:
    with theatre.gate.open(theatre.scope) as session:
        found = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    return found[0]


def test_the_call_is_out_with_the_customer_and_without_the_number(theatre: Theatre) -> None:
    perform(theatre, f"0 dialler dials {PERSON[:-1]}3\n1.5 bob answers\n5 bob hangs up")
    call = last_call(theatre)
    assert (call.direction, call.caller, call.dialled) == ("outbound", f"{PERSON[:-1]}3", "+442079460134")
    assert call.customer_id is not None  # Ines has that number
    assert call.picked_up_at == START + dt.timedelta(seconds=2)  # the phones took one to register
    assert theatre.timeline() == [
        "dialled",
        "called-ringing",
        "picked-up",
        "agent-ringing",
        "agent-answered",
        "bridged",
        "agent-gone",
    ]
    spooled = "".join(one.read_text() for one in (theatre.folder / "spool").glob("*.jsonl"))
    assert "7700900123" not in spooled
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        assert orders.waiting(session) == []


def test_who_is_recorded_is_told_first_and_the_bridge_waits_for_it(theatre: Theatre) -> None:
    said: list[str] = []

    def speak(text: str, language: str) -> Path:
        said.append(text)
        file = theatre.folder / f"{language}-{len(said)}.wav"
        wav.write_tones(file, ms=1300 if "recorded" in text else 4000)
        return file

    theatre.speak = speak
    perform(theatre, f"0 dialler dials {PERSON}\n1.5 bob answers\n10 bob hangs up")
    assert any("recorded" in one for one in said)
    call = last_call(theatre)
    assert call.picked_up_at is not None
    assert call.bridged_at == call.picked_up_at + dt.timedelta(milliseconds=1300)
    assert call.recording_id is not None


def test_without_a_voice_to_tell_them_nobody_is_recorded(theatre: Theatre) -> None:
    perform(theatre, f"0 dialler dials {PERSON}\n1.5 bob answers\n10 bob hangs up")
    call = last_call(theatre)
    with theatre.gate.open(theatre.scope) as session, pytest.raises(RecordingNotFoundError):
        recording.of_call(session, tenant_id=theatre.company.tenant_id, call_id=call.call_id)


def test_for_whom_no_agent_is_there_hears_who_called(theatre: Theatre) -> None:
    said: list[str] = []

    def speak(text: str, language: str) -> Path:
        said.append(text)
        file = theatre.folder / f"{language}-{len(said)}.wav"
        wav.write_tones(file, ms=4000)
        return file

    theatre.speak = speak
    perform(theatre, f"0 dialler dials {PERSON}\n20 pulse beats")
    assert theatre.dials_say() == ["abandoned"]
    assert any("4 4 2 0 7 9 4 6 0 1 3 4" in one for one in said)
    assert (
        theatre.books_say()[0] == "cdr wait=9s talk=0s abandoned agent=nobody"
    )  # two, and the notice's rest


STEPS = ("pulse beats", "bob answers", "pulse beats", "called hangs up")


async def act(theatre: Theatre, step: str) -> None:
    """Do one step if it can be done now: after a kill the call may stand elsewhere than it did."""
    who, *what = step.split()
    try:
        await theatre._act(who, " ".join(what))
    except (LookupError, AssertionError):
        return


async def kill(theatre: Theatre) -> None:
    """Kill the switchboard and start it anew; orders not marked as done are read again."""
    sim = theatre.sim
    await theatre.down(killed=True)
    await theatre.up(sim=sim)
    await theatre.conductor.carry_out_orders()


async def see_it_through(theatre: Theatre, steps: Sequence[str] = STEPS) -> None:
    for step in steps:
        await act(theatre, step)
        await theatre.settle()
        await theatre.sim.advance(700)
    await theatre.sim.advance(30_000)
    await theatre.conductor.heartbeat()
    await theatre.settle()
    await theatre.down()


def check(theatre: Theatre) -> None:
    """Nobody was called twice, the dial has ended, and what was picked up is billed once."""
    assert len(theatre.sim.switch.dialled) <= 1
    assert "None" not in theatre.dials_say()
    if theatre.sim.switch.dialled:
        call = last_call(theatre)
        assert len(theatre.usages_of(call.call_id)) == (1 if call.picked_up_at else 0)


@dataclass
class Block:
    """Holds a step of the switchboard up for good, and says when it has been reached."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, *_args: object, **_more: object) -> None:
        self.reached.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("where", "dialled", "outcome"),
    [
        ("before it is on disk", [PERSON], "connected"),
        ("on disk, and not placed", [], "lost"),
        ("placed, and the order not marked", [PERSON], "connected"),
    ],
)
def test_killed_between_the_order_and_the_call_it_is_placed_once_or_not_at_all(
    theatre: Theatre, where: str, dialled: list[str], outcome: str
) -> None:
    async def whole() -> None:
        await theatre.up()
        conductor, block = theatre.conductor, Block()
        match where:
            case "before it is on disk":
                conductor._spool._due = Unwritten()
                conductor._dialler.place = block  # type: ignore[method-assign] # where it waits for the disk
            case "on disk, and not placed":
                theatre.sim.switch.originate = block  # type: ignore[method-assign] # held up
            case _:
                marking = asyncio.Event()
                loop = asyncio.get_running_loop()

                def never(*_: object) -> None:
                    loop.call_soon_threadsafe(marking.set)

                theatre.conductor.desk.orders._mark_done = never  # type: ignore[method-assign,assignment]
                block = Block(marking)
        attempt_id = await asyncio.to_thread(theatre.clear, E164(PERSON))
        with theatre.gate.open(Scope.system(OPERATOR)) as session:
            orders.leave(session, OrderKind.DIAL, tenant_id=theatre.company.tenant_id, attempt_id=attempt_id)
        ordering = asyncio.create_task(conductor.carry_out_orders())
        await block.reached.wait()
        if where.startswith("placed"):
            await theatre.settle()
        ordering.cancel()
        await asyncio.gather(ordering, return_exceptions=True)
        vars(theatre.sim.switch).pop("originate", None)
        await kill(theatre)
        await theatre.settle()
        await theatre.sim.advance(1500)
        await see_it_through(theatre)

    asyncio.run(whole())
    check(theatre)
    assert theatre.sim.switch.dialled == dialled
    assert theatre.dials_say() == [outcome]


class Unwritten(list[Any]):
    """Takes what is to be written and forgets it, as a disk does that dies with the process."""

    def append(self, _: Any) -> None:
        """Forget."""


@pytest.mark.parametrize("kill_before", range(len(STEPS) + 1))
def test_killed_between_the_steps_of_a_call_nobody_is_called_twice(
    theatre: Theatre, kill_before: int
) -> None:
    async def whole() -> None:
        await theatre.up()
        await act(theatre, f"dialler dials {PERSON}")
        for step in STEPS[:kill_before]:
            await theatre.sim.advance(700)
            await act(theatre, step)
        for _ in range(8):
            await asyncio.sleep(0)
        await kill(theatre)
        await see_it_through(theatre, STEPS[kill_before:])

    asyncio.run(whole())
    check(theatre)
    assert theatre.sim.switch.dialled == [PERSON]
