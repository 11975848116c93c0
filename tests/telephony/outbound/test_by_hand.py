"""Dialling by hand: which number is shown, at which hours, and that the gate is asked like for any call."""

import datetime as dt

import pytest

from core import clock
from core.ids import AgentId, TenantId, new_id
from core.phone import E164
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.outbound import by_hand
from telephony.outbound.gate import Clearance, Refusal, RefusalReason
from tests.factories import telephony
from tests.telephony.outbound.desk import INES, MONDAY_NOON, Caller, caller

BOB = AgentId(new_id())
NIGHT = dt.datetime(2026, 11, 2, 23, 30, tzinfo=dt.UTC)


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    return caller(gate, vault, tenant_a)


def dial(
    desk: Caller,
    *,
    to: E164 = INES,
    at: dt.datetime = MONDAY_NOON,
    promised_for: dt.datetime | None = None,
) -> Clearance | Refusal:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, clock.hold(at):
        return by_hand.dial(
            session,
            tenant_id=desk.tenant_id,
            agent_id=BOB,
            to=to,
            queue_id=desk.queue_id,
            home="Europe/London",
            promised_for=promised_for,
            vault=desk.vault,
            at=at,
        )


def test_a_number_is_called_by_who_dialled_it_showing_the_queues_number(desk: Caller) -> None:
    found = dial(desk)
    assert isinstance(found, Clearance)
    assert (found.by_agent_id, found.caller_number_id, found.campaign_id) == (BOB, desk.number_id, None)
    assert not found.detects_machines


def test_at_night_nobody_is_called_but_who_asked_for_that_hour(desk: Caller) -> None:
    opening = dt.datetime(2026, 11, 3, 8, tzinfo=dt.UTC)
    assert dial(desk, at=NIGHT) == Refusal(RefusalReason.OUTSIDE_HOURS, opening)
    yesterday = NIGHT - dt.timedelta(hours=2)
    assert isinstance(dial(desk, at=NIGHT, promised_for=yesterday), Refusal)
    assert isinstance(dial(desk, at=NIGHT, promised_for=NIGHT + dt.timedelta(minutes=10)), Clearance)


def test_who_asked_not_to_be_called_is_not_called_by_hand_either(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        do_not_call.add(
            session, tenant_id=desk.tenant_id, vault=desk.vault, phone=INES, source="asked-in-call", by=BOB
        )
    assert dial(desk, promised_for=MONDAY_NOON) == Refusal(RefusalReason.DO_NOT_CALL)


def test_a_number_that_may_ring_in_several_zones_is_called_when_all_are_open() -> None:
    coasts = ("America/New_York", "America/Los_Angeles")
    morning = dt.datetime(2026, 11, 2, 14, tzinfo=dt.UTC)  # nine in the east, six in the west
    window = by_hand.LAWFUL
    assert by_hand.strictest_zone(coasts, home="UTC", window=window, at=morning) == "America/Los_Angeles"
    evening = morning + dt.timedelta(hours=4)
    assert by_hand.strictest_zone(coasts, home=coasts[1], window=window, at=evening) == coasts[1]
    assert by_hand.strictest_zone((), home="UTC", window=window, at=evening) == ""


def test_each_queue_shows_its_own_number(desk: Caller, gate: Gate) -> None:
    with gate.open(Scope.system(desk.tenant_id)) as session:
        shown = by_hand.number_to_show(
            session, tenant_id=desk.tenant_id, queue_id=desk.queue_id, at=MONDAY_NOON
        )
    assert shown == desk.number_id
    other = telephony.line(gate, desk.tenant_id, digits="+442079460134", queue="Returns")
    with gate.open(Scope.system(desk.tenant_id)) as session:
        for queue_id, number_id in ((other.queue_id, other.number_id), (desk.queue_id, desk.number_id)):
            assert (
                by_hand.number_to_show(session, tenant_id=desk.tenant_id, queue_id=queue_id, at=MONDAY_NOON)
                == number_id
            )
