"""The spool: what it gives back after a crash, and how it lives with its disk."""

import asyncio
import datetime as dt
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.ids import AgentId, CallId, NumberId, OfferId, QueueId, RecordingId, TenantId, new_id
from security.vault import Vault
from telephony.calls import Arrival
from telephony.conductor import facts, machine, outgoing
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.parties import Dial, Offer
from telephony.conductor.phases import Phase
from telephony.conductor.spool import Spool

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
CALLER = "+447700900123"


def arrival() -> Arrival:
    return Arrival(
        TenantId(new_id()),
        CallId(new_id()),
        NumberId(new_id()),
        "+442079460134",
        QueueId(new_id()),
        CALLER,
        AT,
    )


def offer() -> Offer:
    return Offer(
        OfferId(new_id()),
        AgentId(new_id()),
        1001,
        None,
        "A-1",
        "ep1",
        "agent-1",
        AT + dt.timedelta(seconds=20),
    )


def later(seconds: float) -> dt.datetime:
    return AT + dt.timedelta(seconds=seconds)


def talk() -> Sequence[Fact]:
    made = offer()
    return (
        facts.GreetingEnded(later(1)),
        facts.Offered(later(2), made),
        facts.AgentRinging(later(2.1), made.offer_id),
        facts.AgentAnswered(later(4), made.offer_id),
        facts.AnnouncementEnded(later(6)),
        facts.Bridged(later(6.1), RecordingId(new_id())),
    )


def tear(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-25])


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


async def keep(spool: Spool, said: Sequence[Fact]) -> LiveCall:
    came = arrival()
    call, _ = machine.begin(came, "in-1")
    await spool.begin(came, "in-1")
    for fact in said:
        machine.step(call, fact)
        call.position += 1
        await spool.fact(call.call_id, fact, call.position)
    return call


def test_a_call_comes_back_where_it_stood_with_its_caller(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        call = await keep(spool, talk())
        spool.proof(later(30), [call.call_id])
        spool.switch_boot("boot-7")
        spool.close()
        for _ in range(2):  # a second crash, right after the first recovery
            again = Spool(tmp_path, vault)
            remembered = await asyncio.to_thread(again.recover)
            again.close()
            (back,) = remembered.calls
            assert remembered.switch_boot == "boot-7"
            assert back == machine_with(call, proven_at=later(30))
        assert len(files(tmp_path)) == 1

    asyncio.run(whole())


def machine_with(call: LiveCall, *, proven_at: dt.datetime) -> LiveCall:
    call.proven_at = proven_at
    assert call.phase is Phase.TALKING
    return call


def test_a_call_out_comes_back_where_it_stood_and_its_number_is_nowhere(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        came, made = arrival(), offer()
        dial = Dial(came.call_id, None, detects_machines=True, offer=made)
        call, _ = outgoing.begin(came, "dial-1", dial)
        await spool.begin(came, "dial-1", dial=dial)
        for fact in (
            facts.CalledRinging(later(1)),
            facts.PickedUp(later(2)),
            facts.Heard(later(3), is_machine=False),
            facts.AgentAnswered(later(3.5), made.offer_id),
        ):
            outgoing.step(call, fact)
            call.position += 1
            await spool.fact(call.call_id, fact, call.position)
        spool.close()
        assert "7700900123" not in files(tmp_path)[0].read_text(encoding="utf-8")
        for _ in range(2):  # a second crash: from the summary the first recovery wrote
            again = Spool(tmp_path, vault)
            (back,) = (await asyncio.to_thread(again.recover)).calls
            again.close()
            assert back == call
            assert back.phase is Phase.ANNOUNCING

    asyncio.run(whole())


def test_a_call_whose_books_are_closed_does_not_come_back(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        call = await keep(spool, talk())
        spool.done(call.call_id)
        spool.close()
        again = Spool(tmp_path, vault)
        assert (await asyncio.to_thread(again.recover)).calls == []
        again.close()

    asyncio.run(whole())


def test_the_callers_number_is_nowhere_in_the_file(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        await keep(spool, talk())
        spool.close()

    asyncio.run(whole())
    text = files(tmp_path)[0].read_text(encoding="utf-8")
    assert "7700900123" not in text
    assert json.loads(text.splitlines()[0])["begin"]["caller"]


def test_a_line_torn_by_a_crash_is_passed_over(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        call = await keep(spool, talk())
        spool.close()
        tear(files(tmp_path)[0])
        again = Spool(tmp_path, vault)
        (back,) = (await asyncio.to_thread(again.recover)).calls
        again.close()
        assert back.call_id == call.call_id
        assert back.phase is Phase.ANNOUNCING

    asyncio.run(whole())


def test_a_grown_file_is_left_for_one_with_the_open_calls(vault: Vault, tmp_path: Path) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        over, open_call = await keep(spool, talk()), await keep(spool, talk())
        spool.done(over.call_id)
        (before,) = files(tmp_path)
        await spool.compact([open_call], "boot-7")
        await asyncio.sleep(0)
        assert before not in files(tmp_path)
        fact = facts.CallerGone(later(60), 16)
        machine.step(open_call, fact)
        await spool.fact(open_call.call_id, fact, open_call.position + 1)
        spool.close()
        again = Spool(tmp_path, vault)
        remembered = await asyncio.to_thread(again.recover)
        again.close()
        (back,) = remembered.calls
        assert (back.call_id, back.phase, back.ended_at) == (open_call.call_id, Phase.ENDED, later(60))
        assert remembered.switch_boot == "boot-7"

    asyncio.run(whole())


def test_a_disk_that_will_not_write_is_waited_for_and_nothing_is_lost(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whole() -> None:
        spool = Spool(tmp_path, vault)
        fsync, failures = os.fsync, iter([OSError(28, "no space"), OSError(28, "no space")])

        def full(descriptor: int) -> None:
            for error in failures:
                raise error
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        call = await keep(spool, talk())
        spool.close()
        again = Spool(tmp_path, vault)
        (back,) = (await asyncio.to_thread(again.recover)).calls
        again.close()
        assert (back.call_id, back.phase) == (call.call_id, Phase.TALKING)

    asyncio.run(whole())
