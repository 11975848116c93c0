"""A number that forwards its callers to the client's own phone: both legs told and billed, no loops."""

import asyncio

import pytest

from core import clock
from core.ids import OPERATOR
from core.phone import E164
from security.gate import Scope
from telephony import calls, numbers
from telephony.calls import Call
from telephony.conductor.phases import Phase
from telephony.errors import NumberChangedError
from telephony.numbers import Forwarding
from telephony.outbound import forwarding, stops
from telephony.outbound.forwarding import ForwardTargetError
from telephony.outbound.stops import Side
from tests.telephony.conductor.test_opening import MORNINGS, keep
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, Theatre

pytestmark = pytest.mark.slow

PHONE, BUSY, RINGS_OUT = (E164(f"+44770090012{digit}") for digit in "056")


def forward(stage: Theatre, to: E164 | None, when: Forwarding = Forwarding.ALWAYS) -> None:
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        one = numbers.get(session, tenant_id=stage.company.tenant_id, number_id=stage.company.number_id)
        forwarding.set_up(
            session,
            tenant_id=stage.company.tenant_id,
            number_id=stage.company.number_id,
            to=to,
            when=when,
            revision=one.revision,
            vault=stage.vault,
        )


def perform(stage: Theatre, *lines: str) -> list[str]:
    """Play lines; return what the switchboard still had in hand at their end, by phase."""
    seen: list[str] = []

    async def whole() -> None:
        await stage.up()
        await stage.play("\n".join(lines))
        seen.extend(call.phase.value for call in stage.conductor.live)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())
    return seen


def found(stage: Theatre) -> tuple[Call, list[Call]]:
    """Return the call, and the calls out that are part of it."""
    with stage.gate.open(stage.scope) as session:
        every = calls.page(session, tenant_id=stage.company.tenant_id, vault=stage.vault).calls
    (call,) = (one for one in every if one.part_of is None)
    return call, [one for one in every if one.part_of]


def steps(stage: Theatre) -> list[str]:
    call, _ = found(stage)
    with stage.gate.open(stage.scope) as session:
        told = calls.timeline(session, tenant_id=stage.company.tenant_id, call_id=call.call_id)
    return [f"{one.kind} {one.details['why']}" if "why" in one.details else one.kind for one in told]


def test_a_forwarded_call_is_one_call_and_both_its_legs_are_billed(theatre: Theatre) -> None:
    forward(theatre, PHONE)
    assert perform(theatre, "0 caller calls", "10 pulse beats") == [Phase.OUTSIDE]
    call, (outside,) = found(theatre)
    assert (outside.dialled, outside.caller, outside.part_of) == (DIALLED, PHONE, call.call_id)


def test_when_the_caller_hangs_up_both_legs_end_and_cost(theatre: Theatre) -> None:
    forward(theatre, PHONE)
    perform(theatre, "0 caller calls", "11 caller hangs up")
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("caller-hung-up", "caller-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, outside)] == [1, 1]
    assert sorted(line.split()[1] for line in theatre.books_say() if line.startswith("usage")) == [
        "voice.inbound",
        "voice.outbound",
    ]
    assert theatre.dials_say() == ["connected"]
    assert steps(theatre) == [
        "arrived",
        "forwards",
        "greeting-ended",
        "forwarded",
        "outside-answered",
        "caller-gone",
    ]


def test_when_the_phone_hangs_up_the_call_is_over(theatre: Theatre) -> None:
    forward(theatre, PHONE)
    perform(theatre, "0 caller calls", "11 outsider hangs up")
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("outside-hung-up", "outside-hung-up")


@pytest.mark.parametrize(("phone", "cause", "after_s"), [(BUSY, "busy", 6), (RINGS_OUT, "no-answer", 36)])
def test_a_phone_that_is_not_reached_leaves_the_caller_to_the_queue(
    theatre: Theatre, phone: E164, cause: str, after_s: int
) -> None:
    forward(theatre, phone)
    perform(theatre, "0 caller calls", f"{after_s} bob answers", "60 caller hangs up")
    call, (outside,) = found(theatre)
    assert (call.cause, call.agent_number, outside.cause) == ("caller-hung-up", 1001, cause)
    assert theatre.usages_of(outside.call_id) == []
    assert len(theatre.usages_of(call.call_id)) == 1


def test_who_hangs_up_while_the_phone_rings_costs_nothing(theatre: Theatre) -> None:
    forward(theatre, RINGS_OUT)
    perform(theatre, "0 caller calls", "10 caller hangs up")
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("caller-left-queue", "cancelled")
    assert theatre.usages_of(call.call_id) == theatre.usages_of(outside.call_id) == []


def test_a_call_the_gate_refuses_waits_in_the_queue(theatre: Theatre) -> None:
    forward(theatre, PHONE)
    tenant_id = theatre.company.tenant_id
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        stops.stop(session, tenant_id=tenant_id, side=Side.OPERATOR, by=tenant_id)
    assert perform(theatre, "0 caller calls", "10 pulse beats") == [Phase.OFFERED]
    assert "not-forwarded stopped-by-operator" in steps(theatre)
    assert found(theatre)[1] == []


def test_no_call_is_forwarded_in_a_circle(theatre: Theatre) -> None:
    """To a number of another client, or for a caller who is one of ours: it would come back in for ever."""
    with clock.hold(START), theatre.gate.open(Scope.system(OPERATOR)) as session:
        number = numbers.stock(session, digits=PHONE, region="GB")
        let = numbers.let(session, number_id=number.number_id, renter=theatre.company.tenant_id)
    forward(theatre, PHONE)
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        numbers.rent(
            session,
            tenant_id=theatre.company.tenant_id,
            number=let,
            queue_id=theatre.company.queue_id,
            greeting="",
            language="en",
        )
    perform(theatre, "0 caller calls", "10 caller hangs up")
    assert "not-forwarded own-number" in steps(theatre)
    assert found(theatre)[1] == []


def test_a_call_that_comes_from_one_of_our_numbers_is_not_forwarded_again(theatre: Theatre) -> None:
    with clock.hold(START), theatre.gate.open(Scope.system(OPERATOR)) as session:
        number = numbers.stock(session, digits=CALLER, region="GB")
        let = numbers.let(session, number_id=number.number_id, renter=theatre.company.tenant_id)
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        numbers.rent(
            session,
            tenant_id=theatre.company.tenant_id,
            number=let,
            queue_id=theatre.company.queue_id,
            greeting="",
            language="en",
        )
    forward(theatre, PHONE)
    perform(theatre, "0 caller calls", "10 caller hangs up")
    assert "not-forwarded own-number" in steps(theatre)


def test_while_the_queue_is_closed_alone_the_phone_rings_or_the_caller_is_told(theatre: Theatre) -> None:
    forward(theatre, PHONE, Forwarding.CLOSED)
    assert perform(theatre, "0 caller calls", "10 pulse beats", "12 caller hangs up") == []
    assert found(theatre)[1] == []  # it is open: an agent is rung


@pytest.mark.parametrize(("phone", "cause"), [(PHONE, "caller-hung-up"), (BUSY, "outside-hours")])
def test_a_closed_queue_forwards_and_turns_away_who_is_not_taken(
    theatre: Theatre, phone: E164, cause: str
) -> None:
    forward(theatre, phone, Forwarding.CLOSED)
    keep(theatre, MORNINGS)
    perform(theatre, "120 caller calls", "135 caller hangs up", "140 pulse beats")
    call, (outside,) = found(theatre)
    assert call.cause == cause
    assert bool(theatre.usages_of(call.call_id)) == (phone == PHONE)
    assert outside.part_of == call.call_id


@pytest.mark.parametrize("dies_at_s", [1, 3, 6])
def test_a_switchboard_that_dies_calls_the_phone_once_and_bills_both_legs_once(
    theatre: Theatre, dies_at_s: int
) -> None:
    """While the phone rings, as it is answered, while they talk: another takes the call over."""
    forward(theatre, PHONE)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 caller calls\n{dies_at_s} pulse beats")
        await theatre.down(killed=True)
        await theatre.up(sim=theatre.sim)
        await theatre.play("3 pulse beats")
        assert [call.phase for call in theatre.conductor.live] == [Phase.OUTSIDE]
        await theatre.play("3 caller hangs up\n5 pulse beats")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    call, (outside,) = found(theatre)
    assert (call.cause, outside.cause) == ("caller-hung-up", "caller-hung-up")
    assert [len(theatre.usages_of(one.call_id)) for one in (call, outside)] == [1, 1]
    assert theatre.dials_say() == ["connected"]


def test_what_cannot_be_forwarded_to_is_refused(theatre: Theatre) -> None:
    for wrong in (E164(DIALLED), E164("+449098790000")):
        with pytest.raises(ForwardTargetError):
            forward(theatre, wrong)
    with pytest.raises(NumberChangedError), theatre.gate.open(theatre.scope) as session:
        forwarding.set_up(
            session,
            tenant_id=theatre.company.tenant_id,
            number_id=theatre.company.number_id,
            to=PHONE,
            revision=9,
            vault=theatre.vault,
        )
    with theatre.gate.open(theatre.scope) as session:
        assert (
            forwarding.target(
                session,
                tenant_id=theatre.company.tenant_id,
                number_id=theatre.company.number_id,
                vault=theatre.vault,
            )
            is None
        )
