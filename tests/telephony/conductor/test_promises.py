"""Callers who hang up and keep their place: called when it is their turn, through the gate."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from core import clock, ids
from core.ids import OPERATOR, TenantId, UserId, new_id
from core.phone import E164
from core.realtime import Realtime
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls
from telephony.calls import OUTBOUND
from telephony.errors import PromiseNotFoundError, PromiseOverError
from telephony.events import DialEnded, DialOutcome
from telephony.models import DialDecisionRow, OutboundDialRow
from telephony.outbound import dialling, promised
from telephony.outbound.promised import Promised, State
from tenants import companies
from tests.telephony.conductor.test_flows import lead
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre, hire, open_company


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    with clock.hold(START):
        with gate.open(Scope.system(OPERATOR)) as session:
            companies.open_company(
                session,
                name="Pelican Parcel",
                country="GB",
                zone="Europe/London",
                language="en",
                currency="GBP",
                initials="PP",
                colour=1,
                tenant_id=tenant_a,
            )
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        stage.people["bob"] = hire(gate, vault, company, number=1001, seat="A-1")
        queue = ids.public("que", company.queue_id)
        lead(
            stage,
            {
                "start": {"kind": "callback", "queue": queue, "next": "bye", "otherwise": "wait"},
                "bye": {"kind": "hang-up"},
                "wait": {"kind": "queue", "queue": queue},
            },
        )
        yield stage


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


def promises(stage: Theatre) -> list[Promised]:
    with stage.gate.open(stage.scope) as session:
        return list(promised.page(session, tenant_id=stage.company.tenant_id))


def dials(stage: Theatre) -> list[OutboundDialRow]:
    with stage.gate.open(stage.scope) as session:
        return list(session.scalars(select(OutboundDialRow)))


def settle(stage: Theatre, attempt_id: UUID, outcome: DialOutcome) -> None:
    now = clock.now()
    event = DialEnded(
        tenant_id=stage.company.tenant_id,
        attempt_id=attempt_id,
        call_id=None,
        outcome=outcome,
        started_at=now,
        answered_at=None,
        ended_at=now,
        agent_id=None,
    )
    with stage.gate.open(stage.scope) as session:
        assert promised.settle(session, event=event)


def test_who_hung_up_is_called_when_an_agent_is_there_for_them(theatre: Theatre) -> None:
    perform(
        theatre,
        """
        0   bob is break
        1   caller calls
        3   routing looks again
        9   bob is available
        10.5 bob answers
        20  bob hangs up
        """,
    )
    (one,) = promises(theatre)
    assert (one.state, one.tries) == (State.CALLING, 1)
    (dial,) = dials(theatre)
    assert (dial.outcome, dial.queue_id) == ("connected", theatre.company.queue_id)
    with theatre.gate.open(theatre.scope) as session:
        found = calls.page(session, tenant_id=theatre.company.tenant_id, vault=theatre.vault).calls
    assert [(each.direction, each.caller) for each in found] == [(OUTBOUND, CALLER), ("inbound", CALLER)]
    settle(theatre, dial.attempt_id, DialOutcome.CONNECTED)
    assert promises(theatre)[0].state is State.KEPT


def test_their_place_is_before_who_came_after_them(theatre: Theatre) -> None:
    """The second caller withholds their number, so the flow lets them wait on the line."""

    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break\n1 caller calls\n3 routing looks again")
        theatre.sim.arrive(DIALLED, "")
        await theatre.play("2 bob is available\n3.5 bob answers\n5 routing looks again")
        await theatre.down()

    asyncio.run(whole())
    (dial,) = dials(theatre)
    assert dial.outcome is None, "they talk"
    assert "offered" not in _timeline_of_who_waits(theatre)


def _timeline_of_who_waits(stage: Theatre) -> list[str]:
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        found = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        waits = next(one for one in found if one.direction != OUTBOUND and not one.caller)
        return [one.kind for one in calls.timeline(session, tenant_id=tenant_id, call_id=waits.call_id)]


def test_a_place_is_kept_through_a_crash(theatre: Theatre) -> None:
    perform(
        theatre,
        "0 bob is break\n1 caller calls\n3 routing looks again",
        "1 routing looks again\n2 bob is available\n3.5 bob answers\n8 bob hangs up",
    )
    (dial,) = dials(theatre)
    assert dial.outcome == "connected"


def test_who_may_not_be_called_is_not_and_the_agent_is_there_for_others(theatre: Theatre) -> None:
    with theatre.gate.open(theatre.scope) as session:
        do_not_call.add(
            session,
            tenant_id=theatre.company.tenant_id,
            vault=theatre.vault,
            phone=E164(CALLER),
            source="asked",
            by=UserId(new_id()),
        )
    perform(theatre, "0 bob is break\n1 caller calls\n3 bob is available\n4 routing looks again")
    (one,) = promises(theatre)
    assert (one.state, one.why) == (State.REFUSED, "do-not-call")
    assert dials(theatre) == []
    assert theatre.conductor.floor.agents[theatre.people["bob"].agent_id].call_id is None
    with theatre.gate.open(theatre.scope) as session:
        assert [row.is_cleared for row in session.scalars(select(DialDecisionRow))] == [False]


def test_a_withheld_number_is_promised_nothing(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break")
        theatre.sim.arrive(DIALLED, "")
        await theatre.play("1 routing looks again")
        await theatre.down()

    asyncio.run(whole())
    assert promises(theatre) == []
    assert "flow-led" in _timeline_of_who_waits(theatre)


def test_not_reached_thrice_is_given_up_and_not_rung_counts_for_nothing(theatre: Theatre) -> None:
    perform(theatre, "0 bob is break\n1 caller calls")
    (one,) = promises(theatre)
    tenant_id, at = theatre.company.tenant_id, clock.now()
    told = []
    for outcome in (DialOutcome.NO_AGENT, DialOutcome.NO_ANSWER, DialOutcome.BUSY, DialOutcome.NO_ANSWER):
        with clock.hold(at):
            with theatre.gate.open(theatre.scope) as session:
                attempt = promised.keep(
                    session, tenant_id=tenant_id, promise_id=one.promise_id, vault=theatre.vault, at=at
                )
            assert attempt is not None
            with theatre.gate.open(theatre.scope) as session:
                dialling.close(
                    session,
                    tenant_id=tenant_id,
                    attempt_id=attempt,
                    outcome=outcome,
                    started_at=at,
                    ended_at=at,
                )
            settle(theatre, attempt, outcome)
        now = promises(theatre)[0]
        told.append((now.state, now.tries, now.next_at - at if now.ended_at is None else None))
        at += dt.timedelta(minutes=6)
    later = promised.AGAIN_AFTER
    assert told == [
        (State.WAITING, 0, dt.timedelta(0)),
        (State.WAITING, 1, later),
        (State.WAITING, 2, later),
        (State.GIVEN_UP, 3, None),
    ]


def test_a_promise_ends_after_a_day_and_can_be_withdrawn_once(theatre: Theatre) -> None:
    perform(theatre, "0 bob is break\n1 caller calls")
    (one,) = promises(theatre)
    tenant_id, now = theatre.company.tenant_id, clock.now()
    with theatre.gate.open(theatre.scope) as session:
        late = now + dt.timedelta(days=2)
        assert (
            promised.keep(
                session, tenant_id=tenant_id, promise_id=one.promise_id, vault=theatre.vault, at=late
            )
            is None
        )
    assert promises(theatre)[0].state is State.EXPIRED
    with theatre.gate.open(theatre.scope) as session, pytest.raises(PromiseOverError):
        promised.withdraw(session, tenant_id=tenant_id, promise_id=one.promise_id, at=now)
    with theatre.gate.open(theatre.scope) as session, pytest.raises(PromiseNotFoundError):
        promised.withdraw(session, tenant_id=tenant_id, promise_id=new_id(), at=now)


def test_a_withdrawn_promise_calls_nobody(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        await theatre.play("0 bob is break\n1 caller calls\n2 routing looks again")

        def withdraw() -> None:
            with theatre.gate.open(theatre.scope) as session:
                (one,) = promised.page(session, tenant_id=theatre.company.tenant_id)
                promised.withdraw(
                    session,
                    tenant_id=theatre.company.tenant_id,
                    promise_id=one.promise_id,
                    at=clock.now(),
                )

        await asyncio.to_thread(withdraw)
        await theatre.play("6 routing looks again\n7 bob is available\n8 routing looks again")
        await theatre.down()

    asyncio.run(whole())
    assert dials(theatre) == []
    assert [one.state for one in promises(theatre)] == [State.WITHDRAWN]


def test_a_promise_of_another_company_is_not_there(theatre: Theatre, tenant_b: TenantId) -> None:
    perform(theatre, "0 bob is break\n1 caller calls")
    (one,) = promises(theatre)
    with theatre.gate.open(Scope.system(tenant_b)) as session:
        assert list(promised.page(session, tenant_id=tenant_b)) == []
        with pytest.raises(PromiseNotFoundError):
            promised.withdraw(session, tenant_id=tenant_b, promise_id=one.promise_id, at=clock.now())
