"""Calls as rows: what is written once stays, and nothing is left open for ever."""

import datetime as dt

import pytest

from core import clock
from core.ids import CallId, NumberId, QueueId, TenantId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls
from telephony.calls import Arrival, Ending
from telephony.errors import CallNotFoundError
from tests.telephony.conductor.theatre import CALLER, DIALLED, START, open_company


@pytest.fixture
def begun(gate: Gate, vault: Vault, tenant_a: TenantId) -> CallId:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        call_id = CallId(new_id())
        arrival = Arrival(
            tenant_a, call_id, NumberId(new_id()), DIALLED, QueueId(company.queue_id), CALLER, START
        )
        for _ in range(2):  # written again after a crash
            with gate.open(Scope.system(tenant_a)) as session:
                calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
    return call_id


def test_an_instant_once_written_stays(gate: Gate, vault: Vault, tenant_a: TenantId, begun: CallId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        for seconds in (5, 9):
            at = START + dt.timedelta(seconds=seconds)
            calls.mark(
                session, tenant_id=tenant_a, call_id=begun, instants={"queued_at": at, "ringing_at": at}
            )
        call = calls.get(session, tenant_id=tenant_a, call_id=begun, vault=vault)
        assert call.queued_at == START + dt.timedelta(seconds=5)
        # the ring belongs to the offer that led somewhere: the last one before the bridge
        assert call.ringing_at == START + dt.timedelta(seconds=9)


def test_finishing_twice_bills_once(gate: Gate, tenant_a: TenantId, begun: CallId) -> None:
    bridged = START + dt.timedelta(seconds=10)
    ending = Ending(tenant_a, begun, START + dt.timedelta(seconds=70), "caller-hung-up", "boot-1")
    with gate.open(Scope.system(tenant_a)) as session:
        calls.mark(session, tenant_id=tenant_a, call_id=begun, instants={"bridged_at": bridged})
    for expected in (True, False):
        with gate.open(Scope.system(tenant_a)) as session:
            assert calls.finish(session, ending=ending) is expected


def test_a_call_nobody_conducts_is_ended_unbilled_after_half_a_day(
    gate: Gate, vault: Vault, tenant_a: TenantId, begun: CallId
) -> None:
    with clock.hold(START + dt.timedelta(hours=11)), gate.open(Scope.system(tenant_a)) as session:
        assert calls.forsaken(session, tenant_id=tenant_a) == []
    with clock.hold(START + dt.timedelta(hours=13)), gate.open(Scope.system(tenant_a)) as session:
        (ending,) = calls.forsaken(session, tenant_id=tenant_a)
        calls.finish(session, ending=ending)
        call = calls.get(session, tenant_id=tenant_a, call_id=begun, vault=vault)
        assert (call.talk_ms, call.cause) == (0, "lost-while-switchboard-away")
        assert calls.forsaken(session, tenant_id=tenant_a) == []


def test_a_connected_call_is_never_swept_away_however_long_it_lasts(
    gate: Gate, tenant_a: TenantId, begun: CallId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        bridged = START + dt.timedelta(seconds=10)
        calls.mark(session, tenant_id=tenant_a, call_id=begun, instants={"bridged_at": bridged})
    with clock.hold(START + dt.timedelta(days=2)), gate.open(Scope.system(tenant_a)) as session:
        assert calls.forsaken(session, tenant_id=tenant_a) == []


def test_another_company_has_no_such_call(
    gate: Gate, vault: Vault, tenant_b: TenantId, begun: CallId
) -> None:
    with gate.open(Scope.system(tenant_b)) as session:
        with pytest.raises(CallNotFoundError):
            calls.get(session, tenant_id=tenant_b, call_id=begun, vault=vault)
        assert calls.timeline(session, tenant_id=tenant_b, call_id=begun) == []


def test_the_callers_number_is_found_by_its_index_and_sealed_in_its_row(
    gate: Gate, vault: Vault, tenant_a: TenantId, begun: CallId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        page = calls.page(
            session,
            tenant_id=tenant_a,
            vault=vault,
            wanted=calls.Filter(caller=CALLER),  # type: ignore[arg-type] # canonical
        )
        assert [call.call_id for call in page.calls] == [begun]
        assert page.calls[0].caller == CALLER
