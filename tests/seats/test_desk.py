"""People and the floor: who works for whom, who serves what, what the switchboard loads."""

import datetime as dt

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from core import clock
from core.ids import AgentId, QueueId, TenantId, UserId, new_id
from seats import desk, presence, roster, stock
from seats.errors import AgentNotFoundError, AgentNumberTakenError, NotAssignedError
from seats.roster import AgentDetailsError
from seats.stock import RentalKind
from security.gate import Gate
from security.vault import SealError, Vault
from tests.seats.factory import ON_FLOOR, hired, stocked, working_for

SALES, HELP = QueueId(new_id()), QueueId(new_id())
CALL = new_id()


def test_agent_is_found_by_the_user_who_signs_in(gate: Gate, vault: Vault) -> None:
    bob = hired(gate, vault, number=1001)
    hired(gate, vault, number=1002)
    with gate.open(ON_FLOOR) as session:
        assert desk.agent_by_user(session, user_id=bob.user_id) == bob
        assert desk.agent_by_user(session, user_id=UserId(new_id())) is None
        roster.leave(session, agent_id=bob.id)
        assert desk.agent_by_user(session, user_id=bob.user_id) is None


def test_agents_name_is_sealed_and_bound_to_its_version(gate: Gate, vault: Vault) -> None:
    bob = hired(gate, vault, name=" 林晓 ")
    assert roster.display_name(vault, bob.name) == "林晓"
    assert "林" not in repr(bob)
    with gate.open(ON_FLOOR) as session:
        roster.rename(session, vault=vault, agent_id=bob.id, name="Bob")
        renamed = desk.agent_by_user(session, user_id=bob.user_id)
    assert renamed is not None
    assert roster.display_name(vault, renamed.name) == "Bob"
    with pytest.raises(SealError):
        roster.display_name(vault, roster.SealedName(bob.id, 2, bob.name.sealed))


def test_plaintext_name_cannot_land_in_the_table(gate: Gate, vault: Vault) -> None:
    bob = hired(gate, vault)
    with pytest.raises(IntegrityError, match="sealed"), gate.open(ON_FLOOR) as session:
        session.execute(
            text("UPDATE app.agents SET name_ct = :name WHERE id = :id"), {"name": b"Bob" * 40, "id": bob.id}
        )


def test_number_and_user_belong_to_one_agent(gate: Gate, vault: Vault) -> None:
    bob = hired(gate, vault, number=1001)
    with pytest.raises(AgentNumberTakenError):
        hired(gate, vault, number=1001)
    with pytest.raises(AgentNumberTakenError), gate.open(ON_FLOOR) as session:
        roster.hire(session, vault=vault, user_id=bob.user_id, number=1002, name="Bob")


@pytest.mark.parametrize("details", [{"name": " "}, {"languages": ["EN"]}, {"languages": ["en; DROP"]}])
def test_malformed_details_are_refused(gate: Gate, vault: Vault, details: dict[str, object]) -> None:
    with pytest.raises(AgentDetailsError), gate.open(ON_FLOOR) as session:
        roster.hire(
            session,
            vault=vault,
            user_id=UserId(new_id()),
            number=1,
            **{"name": "Bob", **details},  # type: ignore[arg-type] # wrong on purpose
        )


def test_skill_needs_an_assignment(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    bob = hired(gate, vault)
    with pytest.raises(NotAssignedError), gate.open(ON_FLOOR) as session:
        roster.teach(session, agent_id=bob.id, client_tenant_id=tenant_a, queue_id=SALES)


def test_queue_is_served_best_level_first(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    last, best, gone, left = (hired(gate, vault, number=number).id for number in (1001, 1002, 1003, 1004))
    for agent, level in ((last, 9), (best, 1), (gone, 2), (left, 2)):
        working_for(gate, agent, tenant_a, SALES, level=level)
    with gate.open(ON_FLOOR) as session:
        roster.leave(session, agent_id=left)
        roster.unassign(session, agent_id=gone, client_tenant_id=tenant_a, at=clock.now())
        assert desk.agents_for_queue(session, queue_id=SALES) == [best, last]
        assert desk.agents_for_queue(session, queue_id=HELP) == []
        roster.teach(session, agent_id=last, client_tenant_id=tenant_a, queue_id=SALES, level=1)
        assert desk.agents_for_queue(session, queue_id=SALES) == [last, best]
        roster.unteach(session, agent_id=last, queue_id=SALES)
        assert desk.agents_for_queue(session, queue_id=SALES) == [best]


def test_assignment_that_has_run_out_serves_no_queue(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    bob, now = hired(gate, vault).id, clock.now()
    with gate.open(ON_FLOOR) as session:
        roster.assign(
            session,
            agent_id=bob,
            client_tenant_id=tenant_a,
            starts_at=now,
            ends_at=now + dt.timedelta(hours=1),
        )
        roster.teach(session, agent_id=bob, client_tenant_id=tenant_a, queue_id=SALES)
        assert desk.agents_for_queue(session, queue_id=SALES) == [bob]
        with clock.hold(now + dt.timedelta(hours=1)):
            assert desk.agents_for_queue(session, queue_id=SALES) == []
            assert desk.serving_one(session, agent_id=bob).skills == ()


def test_assigning_twice_is_once(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    bob = hired(gate, vault).id
    for _ in range(2):
        working_for(gate, bob, tenant_a)
    with gate.open(ON_FLOOR) as session:
        assert session.execute(text("SELECT count(*) FROM app.agent_tenants")).scalar_one() == 1


def test_switchboard_loads_its_floor(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    bob, ann, gone = hired(gate, vault, number=1001), hired(gate, vault, number=1002), hired(gate, vault)
    seat = stocked(gate)
    now = presence.whole_ms(clock.now())
    working_for(gate, bob.id, tenant_a, HELP, level=3)
    working_for(gate, bob.id, tenant_b, SALES, level=1)
    with gate.open(ON_FLOOR) as session:
        roster.leave(session, agent_id=gone.id)
        stock.rent(session, seat_id=seat.id, renter_tenant_id=tenant_a, kind=RentalKind.MONTH, starts_at=now)
        presence.sign_in(session, agent_id=bob.id, at=now, seat_id=seat.id)
        presence.enter(session, agent_id=bob.id, state="available", at=now, payer_tenant_id=tenant_a)
    with gate.open(ON_FLOOR) as session:
        first, second = desk.serving(session)
        assert desk.serving_one(session, agent_id=bob.id) == first
    assert (first.agent, second.agent) == (bob, ann)
    assert roster.display_name(vault, first.agent.name) == "Bob Okafor"
    assert first.clients == {tenant_a, tenant_b}
    assert first.skills == (desk.Skill(SALES, tenant_b, 1), desk.Skill(HELP, tenant_a, 3))
    assert first.sitting == desk.Sitting(seat.id, "A-001", tenant_a, None)
    assert first.presence is not None
    assert (first.presence.state, first.presence.payer_tenant_id) == ("available", tenant_a)
    assert (second.sitting, second.presence, second.skills) == (None, None, ())


def test_pooled_seat_has_no_renter(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    bob, seat = hired(gate, vault), stocked(gate)
    now = presence.whole_ms(clock.now())
    with gate.open(ON_FLOOR) as session:
        rental = stock.rent(
            session,
            seat_id=seat.id,
            renter_tenant_id=tenant_a,
            kind=RentalKind.HOUR,
            starts_at=now + dt.timedelta(hours=1),
            ends_at=now + dt.timedelta(hours=2),
        )
        presence.sign_in(session, agent_id=bob.id, at=now, seat_id=seat.id)
        sitting = desk.serving_one(session, agent_id=bob.id).sitting
        assert sitting == desk.Sitting(seat.id, "A-001", None, None)
    with clock.hold(now + dt.timedelta(minutes=90)), gate.open(ON_FLOOR) as session:
        sitting = desk.serving_one(session, agent_id=bob.id).sitting
        assert sitting == desk.Sitting(seat.id, "A-001", tenant_a, rental.ends_at)


def test_loading_the_floor_takes_five_statements_for_any_number_of_agents(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    for _ in range(5):
        working_for(gate, hired(gate, vault).id, tenant_a, SALES, HELP)
    with gate.open(ON_FLOOR) as session:
        seen: list[str] = []
        event.listen(
            session.connection(), "before_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql)
        )
        assert len(desk.serving(session)) == 5
    assert len(seen) == 5


def test_who_is_not_there_is_not_found(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    nobody = AgentId(new_id())
    with gate.open(ON_FLOOR) as session:
        for act in (
            lambda: desk.serving_one(session, agent_id=nobody),
            lambda: roster.leave(session, agent_id=nobody),
            lambda: roster.rename(session, vault=vault, agent_id=nobody, name="Bob"),
            lambda: roster.assign(session, agent_id=nobody, client_tenant_id=tenant_a, starts_at=clock.now()),
        ):
            with pytest.raises(AgentNotFoundError):
                act()
