"""Agent time: every second in one state and one payer, whatever is repeated, late, lost or forged."""

import datetime as dt
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.ids import AgentId, SeatId, TenantId, new_id
from seats import presence
from seats.errors import (
    AgentNotFoundError,
    AlreadySignedInError,
    BeforeShiftError,
    CallInHandError,
    FutureChangeError,
    IllegalTransitionError,
    NotSignedInError,
    SeatNotFoundError,
    SeatTakenError,
)
from seats.presence import Slice
from security.gate import Gate, Scope
from security.vault import Vault
from tests.seats.factory import ON_FLOOR, hired, stocked

START = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)
CALL = new_id()


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def evening() -> Iterator[None]:
    with clock.hold(at(36_000)):
        yield


@pytest.fixture
def bob(gate: Gate, vault: Vault) -> AgentId:
    """Bob has signed in at 08:00 and is available since 08:00:10."""
    agent = hired(gate, vault).id
    with gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=agent, at=at(0))
    put(gate, agent, "available", 10)
    return agent


def put(gate: Gate, agent: AgentId, state: str, seconds: float, **more: Any) -> presence.Presence:
    with gate.open(ON_FLOOR) as session:
        return presence.enter(session, agent_id=agent, state=state, at=at(seconds), **more)


def out(gate: Gate, agent: AgentId, seconds: float, *, force: bool = False) -> bool:
    with gate.open(ON_FLOOR) as session:
        return presence.sign_out(session, agent_id=agent, at=at(seconds), force=force)


def spent(gate: Gate, agent: AgentId, start: float, end: float) -> list[tuple[str, TenantId | None, int]]:
    with gate.open(ON_FLOOR) as session:
        found = presence.partition(session, agent_id=agent, start=at(start), end=at(end))
    assert found.total_ms() == (found.end - found.start) // dt.timedelta(milliseconds=1)
    return [(part.state, part.payer_tenant_id, part.duration_ms) for part in found.slices]


def now_doing(session: Session, agent: AgentId) -> presence.Presence:
    found = presence.current(session, agent_id=agent)
    assert found is not None
    return found


def rows(gate: Gate, agent: AgentId) -> int:
    with gate.open(ON_FLOOR) as session:
        count: int = session.execute(
            text("SELECT count(*) FROM app.agent_time WHERE agent_id = :agent"), {"agent": agent}
        ).scalar_one()
    return count


def a_call(gate: Gate, agent: AgentId, payer: TenantId, *, begins: float, call: UUID = CALL) -> None:
    for state, seconds in (("reserved", 0), ("ringing", 1), ("talking", 5), ("wrap_up", 65)):
        put(gate, agent, state, begins + seconds, payer_tenant_id=payer, subject_ref=call)


def test_a_shift_adds_up(gate: Gate, bob: AgentId, tenant_a: TenantId) -> None:
    a_call(gate, bob, tenant_a, begins=100)
    put(gate, bob, "away:meal", 200)
    assert out(gate, bob, 300)
    assert spent(gate, bob, -50, 400) == [
        ("available", None, 90_000),
        ("away:meal", None, 100_000),
        ("away:signed-in", None, 10_000),
        ("reserved", tenant_a, 1_000),
        ("ringing", tenant_a, 4_000),
        (presence.SIGNED_OUT, None, 150_000),
        ("talking", tenant_a, 60_000),
        ("wrap_up", tenant_a, 35_000),
    ]


def test_partition_is_cut_to_the_asked_time_and_to_now(gate: Gate, bob: AgentId) -> None:
    assert spent(gate, bob, 5, 15) == [("available", None, 5_000), ("away:signed-in", None, 5_000)]
    assert spent(gate, bob, 35_990, 99_999) == [("available", None, 10_000)]
    assert spent(gate, bob, 50_000, 60_000) == []


def test_time_is_counted_by_payer(gate: Gate, bob: AgentId, tenant_a: TenantId, tenant_b: TenantId) -> None:
    a_call(gate, bob, tenant_a, begins=100)
    put(gate, bob, "available", 170)
    a_call(gate, bob, tenant_b, begins=200, call=new_id())
    put(gate, bob, "available", 300)
    with gate.open(ON_FLOOR) as session:
        found = presence.partition(session, agent_id=bob, start=at(0), end=at(400))
    assert found.total_ms(payer_tenant_id=tenant_a) == 70_000
    assert found.total_ms(payer_tenant_id=tenant_b) == 100_000
    assert Slice("talking", tenant_a, 60_000) in found.slices


def test_same_change_twice_is_a_no_op(gate: Gate, bob: AgentId, tenant_a: TenantId) -> None:
    first = put(gate, bob, "reserved", 100, payer_tenant_id=tenant_a, subject_ref=CALL)
    again = put(gate, bob, "reserved", 100, payer_tenant_id=tenant_a, subject_ref=CALL)
    assert first.changed
    assert not again.changed
    assert rows(gate, bob) == 3


@pytest.mark.parametrize("with_ids", [True, False])
def test_replaying_the_whole_spool_changes_nothing(
    gate: Gate, bob: AgentId, tenant_a: TenantId, *, with_ids: bool
) -> None:
    spool = [
        ("reserved", 100, CALL),
        ("ringing", 101, CALL),
        ("available", 130, None),
        ("available", 140, None),
        ("reserved", 150, CALL),
        ("talking", 155, CALL),
    ]
    ids = {index: new_id() if with_ids else None for index in range(len(spool))}

    def play() -> list[bool]:
        return [
            put(
                gate,
                bob,
                state,
                seconds,
                subject_ref=call,
                payer_tenant_id=tenant_a if call else None,
                event_id=ids[index],
            ).changed
            for index, (state, seconds, call) in enumerate(spool)
        ]

    assert play() == [True, True, True, False, True, True]
    before = spent(gate, bob, 0, 1000)
    assert not any(play())
    assert spent(gate, bob, 0, 1000) == before


def test_event_ids_tell_apart_what_one_instant_holds(gate: Gate, bob: AgentId) -> None:
    """Found in thought: the simulator's clock stands still between a reservation and its release."""
    first, release = new_id(), new_id()
    put(gate, bob, "reserved", 100, subject_ref=CALL, event_id=first)
    assert put(gate, bob, "available", 100, event_id=release).state == "available"
    assert not put(gate, bob, "reserved", 100, subject_ref=CALL, event_id=first).changed
    assert not put(gate, bob, "available", 100, event_id=release).changed
    with gate.open(ON_FLOOR) as session:
        assert now_doing(session, bob).state == "available"


def test_late_change_takes_effect_where_closed_time_ends(gate: Gate, bob: AgentId) -> None:
    put(gate, bob, "reserved", 100, subject_ref=CALL)
    late = put(gate, bob, "ringing", 99, subject_ref=CALL)
    assert (late.since, late.is_late, late.changed) == (at(100), True, True)
    assert not put(gate, bob, "ringing", 99, subject_ref=CALL).changed
    put(gate, bob, "talking", 110, subject_ref=CALL)
    assert not put(gate, bob, "ringing", 99, subject_ref=CALL).changed
    assert ("ringing", None, 10_000) in spent(gate, bob, 0, 200)


def test_what_was_so_at_another_time_is_no_repetition(gate: Gate, bob: AgentId) -> None:
    put(gate, bob, "reserved", 100, subject_ref=CALL)
    put(gate, bob, "available", 130)
    put(gate, bob, "reserved", 150, subject_ref=CALL)
    late = put(gate, bob, "available", 120)
    assert (late.changed, late.is_late, late.since) == (True, True, at(150))
    put(gate, bob, "reserved", 160, subject_ref=CALL)
    assert not put(gate, bob, "available", 140).changed


def test_late_sign_out_takes_effect_at_the_last_change(gate: Gate, bob: AgentId) -> None:
    put(gate, bob, "away:meal", 200)
    assert out(gate, bob, 150)
    assert spent(gate, bob, 10, 300) == [("available", None, 190_000), (presence.SIGNED_OUT, None, 100_000)]


def test_change_from_before_the_shift_is_refused(gate: Gate, bob: AgentId) -> None:
    with pytest.raises(BeforeShiftError):
        put(gate, bob, "away:meal", -1)


def test_replay_from_an_earlier_shift_is_known(gate: Gate, bob: AgentId) -> None:
    put(gate, bob, "away:meal", 100)
    out(gate, bob, 200)
    with gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=bob, at=at(300))
    assert not put(gate, bob, "away:meal", 100).changed
    assert not out(gate, bob, 200)
    with gate.open(ON_FLOOR) as session:
        assert now_doing(session, bob).since == at(300)


def test_replayed_sign_in_of_an_earlier_shift_signs_nobody_in(gate: Gate, bob: AgentId) -> None:
    out(gate, bob, 200)
    with gate.open(ON_FLOOR) as session:
        assert not presence.sign_in(session, agent_id=bob, at=at(0)).changed
        assert presence.current(session, agent_id=bob) is None


def test_instants_are_cut_to_whole_milliseconds(gate: Gate, bob: AgentId) -> None:
    """Three changes 0.6 ms apart would lose a millisecond if each were rounded by itself."""
    for number in range(3):
        put(gate, bob, f"away:r{number}", 100 + (number + 1) * 0.0006)
    with gate.open(ON_FLOOR) as session:
        assert now_doing(session, bob).since == at(100.001)
    assert sum(ms for _, _, ms in spent(gate, bob, 0, 100.0029)) == 100_002


def test_change_from_the_future_is_refused(gate: Gate, bob: AgentId) -> None:
    with pytest.raises(FutureChangeError):
        put(gate, bob, "away:meal", 36_061)
    assert put(gate, bob, "away:meal", 36_059).changed


def test_illegal_transition_writes_nothing(gate: Gate, bob: AgentId) -> None:
    with pytest.raises(IllegalTransitionError):
        put(gate, bob, "talking", 100, subject_ref=CALL)
    assert rows(gate, bob) == 2


def test_what_the_switch_observed_is_not_judged(gate: Gate, bob: AgentId) -> None:
    assert put(gate, bob, "talking", 100, subject_ref=CALL, observed=True).changed


def test_nobody_works_without_a_shift(gate: Gate, vault: Vault) -> None:
    agent = hired(gate, vault).id
    with pytest.raises(NotSignedInError):
        put(gate, agent, "available", 10)
    assert not out(gate, agent, 10)


def test_sign_in_twice_is_a_no_op_and_elsewhere_a_conflict(gate: Gate, bob: AgentId) -> None:
    with gate.open(ON_FLOOR) as session:
        assert not presence.sign_in(session, agent_id=bob, at=at(0)).changed
    with pytest.raises(AlreadySignedInError), gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=bob, at=at(1))


def test_nobody_leaves_a_caller_unless_forced(gate: Gate, bob: AgentId) -> None:
    put(gate, bob, "reserved", 100, subject_ref=CALL)
    with pytest.raises(CallInHandError):
        out(gate, bob, 110)
    assert out(gate, bob, 110, force=True)
    assert not out(gate, bob, 110)


def test_one_seat_holds_one_agent(gate: Gate, vault: Vault) -> None:
    seat = stocked(gate)
    bob, ann = hired(gate, vault).id, hired(gate, vault).id
    with gate.open(ON_FLOOR) as session:
        assert presence.sign_in(session, agent_id=bob, at=at(0), seat_id=seat.id).seat_id == seat.id
        with pytest.raises(SeatTakenError):
            presence.sign_in(session, agent_id=ann, at=at(60), seat_id=seat.id)
    out(gate, bob, 120)
    with gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=ann, at=at(120), seat_id=seat.id)


def test_nobody_sits_on_a_seat_that_is_not_there(gate: Gate, vault: Vault) -> None:
    agent = hired(gate, vault).id
    with pytest.raises(SeatNotFoundError), gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=agent, at=at(0), seat_id=SeatId(new_id()))
    with pytest.raises(AgentNotFoundError), gate.open(ON_FLOOR) as session:
        presence.sign_in(session, agent_id=AgentId(new_id()), at=at(0))


def test_two_reporters_at_once_take_turns(gate: Gate, bob: AgentId) -> None:
    """Both want another state at the same time; one row follows the other, none is lost."""
    ready = threading.Barrier(2)
    failures: list[Exception] = []

    def report(state: str) -> None:
        try:
            with gate.open(ON_FLOOR) as session:
                session.execute(text("SELECT 1"))
                ready.wait(timeout=10)
                presence.enter(session, agent_id=bob, state=state, at=at(50))
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=report, args=(f"away:{name}",)) for name in ("meal", "break")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert failures == []
    assert rows(gate, bob) == 4


def sql(gate: Gate, statement: str, **values: object) -> None:
    with gate.open(ON_FLOOR) as session:
        session.execute(text(statement), values)


FORGED = (
    "INSERT INTO app.agent_time (tenant_id, id, agent_id, shift_id, position, state, started_at,"
    " reported_at, is_late, state_since) SELECT tenant_id, gen_random_uuid(), agent_id, shift_id, {position},"
    " 'available', {start}, reported_at, false, state_since FROM app.agent_time"
    " WHERE agent_id = :agent AND ended_at IS NULL"
)
CLOSE = "UPDATE app.agent_time SET ended_at = :end WHERE agent_id = :agent AND ended_at IS NULL"


BENT = (
    ("DELETE FROM app.agent_time WHERE agent_id = :agent", "never deleted"),
    ("DELETE FROM app.shifts WHERE agent_id = :agent", "never deleted"),
    (
        "UPDATE app.agent_time SET ended_at = now() WHERE position = 1 AND agent_id = :agent",
        "never edited",
    ),
    (
        "UPDATE app.agent_time SET ended_at = NULL WHERE position = 1 AND agent_id = :agent",
        "never edited",
    ),
    (
        "UPDATE app.agent_time SET state = 'offline' WHERE position = 2 AND agent_id = :agent",
        "only the end",
    ),
    (
        "UPDATE app.agent_time SET payer_tenant_id = agent_id WHERE position = 2 AND agent_id = :agent",
        "only",
    ),
    ("UPDATE app.shifts SET started_at = now() WHERE agent_id = :agent", "only the end"),
    ("UPDATE app.shifts SET ended_at = now() WHERE agent_id = :agent", "must end with the shift"),
    (FORGED.format(position=3, start="started_at"), "follow on"),
    (FORGED.format(position=3, start="now()"), "follow on"),
    (FORGED.format(position=9, start="started_at"), "follow on"),
    (FORGED.format(position=1, start="started_at"), "follow on"),
)


def test_database_refuses_to_bend_time(gate: Gate, bob: AgentId) -> None:
    for statement, message in BENT:
        with pytest.raises(DBAPIError, match=message):
            sql(gate, statement, agent=bob)
        assert rows(gate, bob) == 2


def test_ended_shift_takes_no_more_time(gate: Gate, bob: AgentId) -> None:
    out(gate, bob, 200)
    with pytest.raises(DBAPIError, match="follow on"):
        sql(
            gate,
            "INSERT INTO app.agent_time (tenant_id, id, agent_id, shift_id, position, state, started_at,"
            " reported_at, is_late, state_since) SELECT tenant_id, gen_random_uuid(), agent_id, shift_id, 3,"
            " 'available', ended_at, ended_at, false, ended_at FROM app.agent_time"
            " WHERE agent_id = :agent AND position = 2",
            agent=bob,
        )


def test_shifts_of_one_agent_never_overlap(gate: Gate, bob: AgentId) -> None:
    out(gate, bob, 200)
    with pytest.raises(IntegrityError, match="one_shift"):
        sql(
            gate,
            "INSERT INTO app.shifts (tenant_id, id, agent_id, started_at, reported_at)"
            " VALUES (sec.tenant(), gen_random_uuid(), :agent, :start, :start)",
            agent=bob,
            start=at(100),
        )


def test_time_closed_without_a_successor_does_not_commit(gate: Gate, bob: AgentId) -> None:
    with pytest.raises(DBAPIError, match="must end with the shift"):
        sql(gate, CLOSE, agent=bob, end=at(100))


def test_a_shift_without_time_does_not_commit(gate: Gate, vault: Vault) -> None:
    agent = hired(gate, vault).id
    with pytest.raises(DBAPIError, match="must end with the shift"):
        sql(
            gate,
            "INSERT INTO app.shifts (tenant_id, id, agent_id, started_at, reported_at)"
            " VALUES (sec.tenant(), gen_random_uuid(), :agent, now(), now())",
            agent=agent,
        )


def test_database_lets_nobody_pay_for_time_away(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with pytest.raises(IntegrityError, match="payer"), gate.open(ON_FLOOR) as session:
        agent = hired(gate, vault).id
        presence.sign_in(session, agent_id=agent, at=at(0))
        session.execute(text(CLOSE), {"agent": agent, "end": at(10)})
        session.execute(
            text(
                "INSERT INTO app.agent_time (tenant_id, id, agent_id, shift_id, position, state,"
                " payer_tenant_id, started_at, reported_at, is_late, state_since) SELECT tenant_id,"
                " gen_random_uuid(), agent_id, shift_id, 2, 'away:meal', :payer, :start, :start, false,"
                " :start FROM app.agent_time WHERE agent_id = :agent"
            ),
            {"agent": agent, "payer": tenant_a, "start": at(10)},
        )


def test_a_client_sees_nothing_of_the_floor(gate: Gate, bob: AgentId, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        assert presence.current(session, agent_id=bob) is None
        for table in ("agents", "shifts", "agent_time", "seats", "seat_rentals"):
            assert session.execute(text(f"SELECT count(*) FROM app.{table}")).scalar_one() == 0


def test_change_of_payer_does_not_restart_the_wait(gate: Gate, bob: AgentId, tenant_a: TenantId) -> None:
    """A rental begins while Bob waits: he stays the longest idle, and the seconds change their payer."""
    changed = put(gate, bob, "available", 60, payer_tenant_id=tenant_a)
    assert (changed.changed, changed.since) == (True, at(10))
    with gate.open(ON_FLOOR) as session:
        assert now_doing(session, bob).since == at(10)
    assert spent(gate, bob, 10, 100) == [("available", None, 50_000), ("available", tenant_a, 40_000)]


def test_repetition_is_kept_so_that_its_replay_is_known(gate: Gate, bob: AgentId) -> None:
    """Found by the machine: a repetition that left no row came back as a change in a replay."""
    again = new_id()
    repeated = put(gate, bob, "available", 90, event_id=again)
    assert (repeated.changed, repeated.since) == (False, at(10))
    put(gate, bob, "reserved", 80, subject_ref=CALL, event_id=new_id())
    assert not put(gate, bob, "available", 90, event_id=again).changed
    with gate.open(ON_FLOOR) as session:
        assert now_doing(session, bob).state == "reserved"
