"""Queues, numbers, calls and recordings with fixed defaults; only what a test says differs."""

import datetime as dt
import math
import struct
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from core import clock
from core.ids import (
    OPERATOR,
    AgentId,
    CallId,
    CustomerId,
    NumberId,
    QueueId,
    RecordingId,
    SeatId,
    TenantId,
    new_id,
)
from core.phone import E164
from core.storage import Storage
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import caller_numbers, calls, numbers, queues, recording
from telephony.caller_numbers import Asked, CallerNumber, Proof
from telephony.calls import Answerer, Arrival, Ending
from telephony.rights import Attestation, Paper

INES = "+447700900471"
DIALLED = "+448081570142"
AGENT = AgentId(new_id())
ELSEWHERE = E164("+442079460187")  # a number the company has from another carrier
PAPER = b"%PDF-1.7\nWe let Pelican Parcel show this number."
_DAY = dt.timedelta(days=1)
ARRIVED = dt.datetime(2026, 11, 19, 11, 56, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Line:
    """A rented number and the queue its callers reach."""

    tenant_id: TenantId
    number_id: NumberId
    queue_id: QueueId
    digits: str


def stocked(gate: Gate, digits: str = DIALLED) -> numbers.StockNumber:
    with gate.open(Scope.system(OPERATOR)) as session:
        return numbers.stock(session, digits=digits, region="GB")


def line(gate: Gate, tenant_id: TenantId, *, digits: str = DIALLED, queue: str = "Deliveries") -> Line:
    """Rent a number of the stock to a company, with a queue for its callers."""
    number = stocked(gate, digits)
    with gate.open(Scope.system(OPERATOR)) as session:
        numbers.let(session, number_id=number.number_id, renter=tenant_id)
    with gate.open(Scope.system(tenant_id)) as session:
        made = queues.open_queue(session, tenant_id=tenant_id, name=queue)
        numbers.rent(
            session,
            tenant_id=tenant_id,
            number=number,
            queue_id=made.queue_id,
            greeting="Welcome to Pelican Parcel.",
            language="en",
        )
    return Line(tenant_id, number.number_id, made.queue_id, digits)


def query_elsewhere(queue: str, **differs: str) -> dict[str, str]:
    """Return what a program says of a number the company holds elsewhere."""
    today = clock.now().date()
    return {
        "number": ELSEWHERE,
        "holder_name": "Pelican Parcel Ltd",
        "paper": "contract",
        "reference": "C-2026-118",
        "first_on": str(today - 10 * _DAY),
        "last_on": str(today + 400 * _DAY),
        "queue": queue,
    } | differs


def wanted_elsewhere(line: Line, **differs: Any) -> Asked:
    """Return what a company says of a number it holds elsewhere."""
    wanted: dict[str, Any] = {
        "digits": ELSEWHERE,
        "holder_name": "Pelican Parcel Ltd",
        "paper": Paper.CONTRACT,
        "reference": "C-2026-118",
        "starts_at": clock.now() - 10 * _DAY,
        "ends_at": clock.now() + 400 * _DAY,
        "queue_id": line.queue_id,
    }
    return Asked(**(wanted | differs))


def asked_elsewhere(gate: Gate, vault: Vault, line: Line, **differs: Any) -> CallerNumber:
    """Ask to show a number the company holds elsewhere; nobody has looked at it yet."""
    with gate.open(Scope.system(line.tenant_id)) as session:
        return caller_numbers.ask(
            session,
            tenant_id=line.tenant_id,
            vault=vault,
            wanted=wanted_elsewhere(line, **differs),
            file_name="contract.pdf",
            data=PAPER,
            by=new_id(),
        )


def told_code(gate: Gate, vault: Vault, found: CallerNumber) -> str:
    """Make the code the operator's staff tell whoever answers at the number."""
    with gate.open(Scope.system(found.tenant_id)) as session:
        return caller_numbers.begin_check(
            session,
            tenant_id=found.tenant_id,
            vault=vault,
            caller_number_id=found.caller_number_id,
            by=new_id(),
        )


def allowed_elsewhere(gate: Gate, vault: Vault, line: Line, **differs: Any) -> CallerNumber:
    """Ask for a number held elsewhere, prove it, and have it allowed."""
    found = asked_elsewhere(gate, vault, line, **differs)
    code = told_code(gate, vault, found)
    with gate.open(Scope.system(line.tenant_id)) as session:
        key: dict[str, Any] = {"tenant_id": line.tenant_id, "caller_number_id": found.caller_number_id}
        assert caller_numbers.prove(session, vault=vault, code=code, **key) is Proof.PROVEN
        revision = caller_numbers.find(session, **key).revision
        return caller_numbers.allow(session, attestation=Attestation.A, revision=revision, by=new_id(), **key)


def call(
    gate: Gate,
    vault: Vault,
    line: Line,
    *,
    caller: str = INES,
    arrived_at: dt.datetime = ARRIVED,
    wait_s: float = 12,
    talk_s: float | None = 65,
    agent_number: int = 1001,
    customer_id: CustomerId | None = None,
    cause: str = "caller-hung-up",
    is_over: bool = True,
) -> CallId:
    """Write a call as the switchboard does; `talk_s` None: nobody answered."""
    call_id, tenant_id = CallId(new_id()), line.tenant_id
    arrival = Arrival(tenant_id, call_id, line.number_id, line.digits, line.queue_id, caller, arrived_at)
    answered_at = arrived_at + dt.timedelta(seconds=wait_s)
    with gate.open(Scope.system(tenant_id)) as session:
        calls.begin(session, arrival=arrival, customer_id=customer_id, vault=vault)
        steps: list[tuple[str, dt.datetime, dict[str, object]]] = [
            ("arrived", arrived_at, {"trunk": "trunk-1"}),
            ("greeting-ended", arrived_at, {}),
        ]
        instants = {"greeting_ended_at": arrived_at, "queued_at": arrived_at}
        ended_at = answered_at
        if talk_s is not None:
            instants |= dict.fromkeys(("ringing_at", "popped_at", "answered_at", "bridged_at"), answered_at)
            ended_at += dt.timedelta(seconds=talk_s)
            steps += [
                ("offered", answered_at, {"agent": agent_number, "seat": "A-014"}),
                ("agent-answered", answered_at, {}),
                ("bridged", answered_at, {"recorded": True}),
            ]
        calls.mark(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            instants=instants,
            answerer=Answerer(AGENT, agent_number, SeatId(new_id()), "A-014") if talk_s is not None else None,
        )
        if is_over:
            steps.append(("caller-gone", ended_at, {"cause": 16}))
        for position, (kind, at, details) in enumerate(steps, start=1):
            calls.note(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                position=position,
                at=at,
                kind=kind,
                details=details,
            )
    if is_over:
        with gate.open(Scope.system(tenant_id)) as session:
            calls.finish(session, ending=Ending(tenant_id, call_id, ended_at, cause, "boot-1"))
    return call_id


def call_out(
    gate: Gate,
    vault: Vault,
    line: Line,
    *,
    to: str = INES,
    dialled_at: dt.datetime = ARRIVED,
    talk_s: float | None = 65,
    cause: str = "called-hung-up",
    q850: int = 16,
    attempt_id: UUID | None = None,
) -> CallId:
    """Write a call out as the switchboard does: picked up after two seconds; `talk_s` None: not reached."""
    call_id, tenant_id = CallId(attempt_id or new_id()), line.tenant_id
    arrival = Arrival(
        tenant_id, call_id, line.number_id, line.digits, line.queue_id, to, dialled_at, calls.OUTBOUND
    )
    picked_up_at = dialled_at + dt.timedelta(seconds=2)
    bridged_at = picked_up_at + dt.timedelta(seconds=1)
    steps: list[tuple[str, dt.datetime, dict[str, object]]] = [
        ("dialled", dialled_at, {"agent": 1001, "seat": "A-014"}),
        ("called-ringing", dialled_at, {}),
    ]
    ended_at = dialled_at + dt.timedelta(seconds=20)
    with gate.open(Scope.system(tenant_id)) as session:
        calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
        if talk_s is not None:
            ended_at = bridged_at + dt.timedelta(seconds=talk_s)
            steps += [("picked-up", picked_up_at, {}), ("bridged", bridged_at, {"recorded": False})]
            calls.mark(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                instants={"picked_up_at": picked_up_at, "answered_at": bridged_at, "bridged_at": bridged_at},
                answerer=Answerer(AGENT, 1001, SeatId(new_id()), "A-014"),
            )
        steps.append(("caller-gone", ended_at, {"cause": q850}))
        for position, (kind, at, details) in enumerate(steps, start=1):
            calls.note(
                session,
                tenant_id=tenant_id,
                call_id=call_id,
                position=position,
                at=at,
                kind=kind,
                details=details,
            )
    with gate.open(Scope.system(tenant_id)) as session:
        calls.finish(session, ending=Ending(tenant_id, call_id, ended_at, cause, "boot-1"))
    return call_id


def recorded(
    gate: Gate,
    vault: Vault,
    storage: Storage,
    folder: Path,
    tenant_id: TenantId,
    call_id: CallId,
    *,
    seconds: float = 2.0,
    started_at: dt.datetime = ARRIVED,
) -> RecordingId:
    """Give a call a sealed recording: a tone that grows louder."""
    recording_id = RecordingId(new_id())
    file = folder / f"{recording.scratch_name(tenant_id, recording_id)}.wav"
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = int(8000 * seconds)
    tone = b"".join(
        struct.pack("<h", int(30000 * at / frames * math.sin(2 * math.pi * 440 * at / 8000)))
        for at in range(frames)
    )
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(tone)
    with gate.open(Scope.system(tenant_id)) as session:
        recording.begin(
            session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id, started_at=started_at
        )
        recording.captured(session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id)
    with gate.open(Scope.system(tenant_id)) as session:
        recording.seal(
            session,
            tenant_id=tenant_id,
            recording_id=recording_id,
            vault=vault,
            storage=storage,
            recording_dir=folder,
        )
    recording.discard_scratch(tenant_id=tenant_id, recording_id=recording_id, recording_dir=folder)
    return recording_id


def hours_ago(hours: float) -> dt.datetime:
    return clock.now() - dt.timedelta(hours=hours)
