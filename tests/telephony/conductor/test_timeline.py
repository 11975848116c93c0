"""Every step of a call stands on its timeline, in order; `tests.web.test_story` has the words for each."""

import asyncio
import dataclasses
import wave
from pathlib import Path

import pytest

from core import clock
from core.ids import OPERATOR, TenantId
from core.realtime import Realtime
from seats import roster
from seats.roster import Lead
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, numbers, queues
from telephony.outbound import forwarding
from tests.telephony.conductor.test_flows import lead, voicemail
from tests.telephony.conductor.theatre import START, Theatre, hire, open_company

pytestmark = pytest.mark.slow

RUNG = ["arrived", "greeting-ended", "offered", "agent-ringing", "agent-answered"]
TALKS = [*RUNG, "announcement-ended", "bridged"]
ANSWERED = "0 caller calls\n2.6 bob answers"
OUTSIDE = "+447700900120"


@pytest.fixture
def theatre(gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path) -> Theatre:
    """Bob and Mara take calls, Lea leads and serves another queue."""
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        with gate.open(stage.scope) as session:
            made = queues.open_queue(session, tenant_id=tenant_a, name="Billing", ring_timeout_s=10)
        stage.queues["billing"] = made.queue_id
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        there = dataclasses.replace(company, queue_id=made.queue_id)
        stage.people["lea"] = hire(gate, vault, there, number=1002, seat="A-2")
        with gate.open(Scope.system(OPERATOR)) as session:
            roster.let_lead(session, client_tenant_id=tenant_a, leads={1002: frozenset(Lead)})
    return stage


def perform(stage: Theatre, script: str) -> list[str]:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        (call,) = (one for one in every if one.part_of is None)
        return [step.kind for step in calls.timeline(session, tenant_id=tenant_id, call_id=call.call_id)]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("20 caller hangs up", ["caller-gone"]),
        ("20 bob hangs up", ["agent-gone"]),
        ("8 bob holds on\n12 bob holds off\n20 caller hangs up", ["held", "held", "caller-gone"]),
        (
            "8 bob pauses on\n12 bob pauses off\n20 caller hangs up",
            ["recording-paused", "recording-paused", "caller-gone"],
        ),
        ("8 bob transfers to billing\n30 caller hangs up", ["transferred"]),
        (
            "8 bob asks lea\n9 lea answers\n12 bob swaps\n14 bob merges\n20 bob leaves",
            ["consulted", "swapped", "merged", "agent-left"],
        ),
        (
            f"8 bob transfers to {OUTSIDE}\n12 pulse beats\n14 outsider hangs up",
            ["sent-outside", "outside-answered", "outside-gone"],
        ),
        (
            f"8 bob asks {OUTSIDE}\n12 bob drops\n20 caller hangs up",
            ["outside-asked", "outside-answered", "consult-ended", "caller-gone"],
        ),
        (
            "8 lea listens\n9 lea answers\n14 lea listens no more\n20 caller hangs up",
            ["overheard", "overheard-no-more", "caller-gone"],
        ),
        ("8 lea takes over\n9 lea answers\n20 caller hangs up", ["caller-gone"]),
        ("8 bob closes the browser\n12 pulse beats", ["leg-lost"]),
        ("8 switch dies\n20 pulse beats", ["vanished"]),
    ],
)
def test_what_happens_in_a_call_stands_on_its_timeline(
    theatre: Theatre, script: str, told: list[str]
) -> None:
    found = perform(theatre, f"{ANSWERED}\n{script}")
    assert [kind for kind in found if kind in TALKS][: len(TALKS)] == TALKS
    after = iter(found[found.index("bridged") :])
    assert all(kind in after for kind in told), found


def test_a_message_left_stands_on_the_timeline(theatre: Theatre, tmp_path: Path) -> None:
    sound = tmp_path / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))
    theatre.speak = lambda text, _language: sound if text else None
    lead(theatre, voicemail())
    found = perform(theatre, "0 caller calls\n8 caller presses #")
    assert found == ["arrived", "flow-entered", "flow-moved", "message-began", "flow-served"]


def test_a_forwarded_call_stands_on_the_timeline(theatre: Theatre) -> None:
    tenant_id, number_id = theatre.company.tenant_id, theatre.company.number_id
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        forwarding.set_up(
            session,
            tenant_id=tenant_id,
            number_id=number_id,
            to=numbers.canonical(OUTSIDE),  # type: ignore[arg-type] # no short code
            revision=1,
            vault=theatre.vault,
        )
    assert perform(theatre, "0 caller calls\n9 caller hangs up") == [
        "arrived",
        "forwards",
        "greeting-ended",
        "forwarded",
        "outside-answered",
        "caller-gone",
    ]
