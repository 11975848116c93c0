"""One line per contact: once, completed in the wrap-up, there when the customer calls again."""

import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.ids import CustomerId, InteractionId, TenantId, new_id
from customers import dispositions, interactions
from customers.dispositions import Disposition
from customers.errors import (
    DispositionCodeError,
    InteractionDetailsError,
    InteractionNotFoundError,
    SubCodeError,
    SubCodeNeededError,
    UnknownDispositionError,
)
from customers.interactions import Channel, Direction, Interaction
from security.gate import Gate, Scope
from security.vault import SealError, Vault
from tests.customers.factory import CHEN, stored

NOON = dt.datetime(2026, 11, 19, 12, 0, tzinfo=dt.UTC)
REDELIVERY = Disposition("redelivery", "Redelivery booked", "已改签", 1)


def line(
    gate: Gate, tenant: TenantId, subject: UUID, customer: CustomerId | None = None, *, minute: int = 0
) -> InteractionId:
    with gate.open(Scope.system(tenant)) as session:
        return interactions.append(
            session,
            tenant_id=tenant,
            subject_ref=subject,
            started_at=NOON + dt.timedelta(minutes=minute),
            duration_ms=164_000,
            direction=Direction.INBOUND,
            customer_id=customer,
            agent_number=1001,
        )


def history(
    gate: Gate, vault: Vault, tenant: TenantId, customer: CustomerId, limit: int = 10
) -> list[Interaction]:
    with gate.open(Scope.system(tenant)) as session:
        return interactions.recent(session, tenant_id=tenant, vault=vault, customer_id=customer, limit=limit)


def define(gate: Gate, tenant: TenantId, *wanted: Disposition) -> None:
    with gate.open(Scope.system(tenant)) as session:
        for disposition in wanted:
            dispositions.define(session, tenant_id=tenant, disposition=disposition)


def dispose(
    gate: Gate, vault: Vault, tenant: TenantId, subject: UUID, code: str | None, note: str | None
) -> None:
    with gate.open(Scope.system(tenant)) as session:
        interactions.dispose(
            session, tenant_id=tenant, vault=vault, subject_ref=subject, disposition=code, note=note
        )


def test_call_leaves_one_line_however_often_it_ends(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    customer, call = stored(gate, vault, tenant_a).id, new_id()
    first = line(gate, tenant_a, call, customer)
    assert line(gate, tenant_a, call, customer, minute=5) == first
    (found,) = history(gate, vault, tenant_a, customer)
    assert found == Interaction(
        id=first,
        customer_id=customer,
        kind="call",
        channel=Channel.VOICE,
        direction=Direction.INBOUND,
        started_at=NOON,
        duration_ms=164_000,
        subject_ref=call,
        agent_number=1001,
        disposition=None,
        note=None,
    )


def test_one_subject_may_leave_lines_of_several_kinds(gate: Gate, tenant_a: TenantId) -> None:
    call = new_id()
    with gate.open(Scope.system(tenant_a)) as session:
        ids = {
            interactions.append(
                session,
                tenant_id=tenant_a,
                subject_ref=call,
                started_at=NOON,
                duration_ms=0,
                direction=Direction.OUTBOUND,
                kind=kind,
            )
            for kind in ("call", "callback", "call")
        }
    assert len(ids) == 2


def test_wrap_up_says_how_it_ended_and_may_be_corrected(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    customer, call = stored(gate, vault, tenant_a).id, new_id()
    define(gate, tenant_a, REDELIVERY, Disposition("refund", "Refund", "已退款", 2))
    line(gate, tenant_a, call, customer)
    dispose(gate, vault, tenant_a, call, "redelivery", "Gate B on Mill Lane")
    dispose(gate, vault, tenant_a, call, "refund", "Wants her money back")
    line(gate, tenant_a, call, customer)
    (found,) = history(gate, vault, tenant_a, customer)
    assert (found.disposition, found.note) == ("refund", "Wants her money back")
    assert "money" not in repr(found)
    with gate.open(Scope.system(tenant_a)) as session:
        assert interactions.of_subject(session, tenant_id=tenant_a, vault=vault, subject_ref=call) == found
        row = session.execute(text("SELECT i::text, note_ct FROM app.interactions i")).one()
    assert b"money" not in row.note_ct
    assert "money" not in row[0]


def test_disposition_must_be_the_companys_own_and_in_use(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    call = new_id()
    define(gate, tenant_b, REDELIVERY)
    line(gate, tenant_a, call)
    with pytest.raises(UnknownDispositionError):
        dispose(gate, vault, tenant_a, call, "redelivery", None)
    define(gate, tenant_a, REDELIVERY)
    dispose(gate, vault, tenant_a, call, "redelivery", None)
    with gate.open(Scope.system(tenant_a)) as session:
        dispositions.retire(session, tenant_id=tenant_a, code="redelivery")
    with pytest.raises(UnknownDispositionError):
        dispose(gate, vault, tenant_a, call, "redelivery", None)
    with gate.open(Scope.system(tenant_a)) as session:
        found = interactions.of_subject(session, tenant_id=tenant_a, vault=vault, subject_ref=call)
    assert found is not None
    assert found.disposition == "redelivery"


def test_database_refuses_a_disposition_nobody_defined(gate: Gate, tenant_a: TenantId) -> None:
    line(gate, tenant_a, new_id())
    with pytest.raises(IntegrityError, match="disposition"), gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("UPDATE app.interactions SET disposition = 'made-up'"))


def test_customer_of_another_company_is_no_customer(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    """Nor is one who was erased while they were calling: the line is kept, and is nobody's."""
    theirs, call = stored(gate, vault, tenant_b).id, new_id()
    line(gate, tenant_a, call, theirs)
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(text("SELECT customer_id FROM app.interactions")).scalar_one() is None
    assert history(gate, vault, tenant_b, theirs) == []


def test_subject_of_another_company_is_not_there(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    call = new_id()
    line(gate, tenant_a, call)
    with pytest.raises(InteractionNotFoundError):
        dispose(gate, vault, tenant_b, call, None, "hello")
    with gate.open(Scope.system(tenant_b)) as session:
        assert interactions.of_subject(session, tenant_id=tenant_b, vault=vault, subject_ref=call) is None


def test_history_is_newest_first_and_the_customers_own(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    ines, chen = stored(gate, vault, tenant_a).id, stored(gate, vault, tenant_a, phone=CHEN).id
    calls = [new_id() for _ in range(4)]
    for minute, call in enumerate(calls):
        line(gate, tenant_a, call, ines, minute=minute)
    line(gate, tenant_a, new_id(), chen)
    line(gate, tenant_a, new_id())
    assert [each.subject_ref for each in history(gate, vault, tenant_a, ines)] == calls[::-1]
    assert [each.subject_ref for each in history(gate, vault, tenant_a, ines, 2)] == calls[:1:-1]


def test_note_moved_to_another_line_does_not_open(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    customer, one, two = stored(gate, vault, tenant_a).id, new_id(), new_id()
    for call in (one, two):
        line(gate, tenant_a, call, customer)
        dispose(gate, vault, tenant_a, call, None, f"note of {call}")
    with gate.open(Scope.system(tenant_a)) as session:
        session.execute(
            text(
                "UPDATE app.interactions i SET note_ct = o.note_ct FROM app.interactions o"
                " WHERE i.subject_ref = :one AND o.subject_ref = :two"
            ),
            {"one": one, "two": two},
        )
    with pytest.raises(SealError):
        history(gate, vault, tenant_a, customer)


def test_time_does_not_run_backwards(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(InteractionDetailsError), gate.open(Scope.system(tenant_a)) as session:
        interactions.append(
            session,
            tenant_id=tenant_a,
            subject_ref=new_id(),
            started_at=NOON,
            direction=Direction.INBOUND,
            duration_ms=-1,
        )


def test_note_has_an_end(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    call = new_id()
    line(gate, tenant_a, call)
    with pytest.raises(InteractionDetailsError):
        dispose(gate, vault, tenant_a, call, None, "x" * 10_001)


def test_dispositions_are_offered_in_their_order_and_language(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    define(
        gate,
        tenant_a,
        Disposition("zebra", "Zebra", "斑马", 2),
        Disposition("ape", "Ape", "猿", 2),
        Disposition("cow", "Cow", "牛", 1),
        Disposition("cow", "Cattle", "牛群", 1),
    )
    with gate.open(Scope.system(tenant_a)) as session:
        offered = dispositions.offered(session, tenant_id=tenant_a)
    assert [each.label("en-GB") for each in offered] == ["Cattle", "Ape", "Zebra"]
    assert [each.label("zh_Hans_CN") for each in offered] == ["牛群", "猿", "斑马"]
    with gate.open(Scope.system(tenant_b)) as session:
        assert dispositions.offered(session, tenant_id=tenant_b) == []
        with pytest.raises(UnknownDispositionError):
            dispositions.retire(session, tenant_id=tenant_b, code="cow")


COMPLAINT = Disposition("complaint", "Complaint", "投诉", 1)
LATE = Disposition("late", "Late parcel", "包裹延误", 1, parent="complaint")


def test_a_sub_code_is_offered_under_its_outcome_and_named_after_it(gate: Gate, tenant_a: TenantId) -> None:
    define(gate, tenant_a, COMPLAINT, REDELIVERY, LATE)
    with gate.open(Scope.system(tenant_a)) as session:
        offered = dispositions.offered(session, tenant_id=tenant_a)
        assert dispositions.labels(offered, "en")["late"] == "Complaint · Late parcel"
        assert dispositions.labels(offered, "zh")["redelivery"] == "已改签"
        with pytest.raises(SubCodeNeededError):
            dispositions.require_whole(session, tenant_id=tenant_a, code="complaint")
        dispositions.require_whole(session, tenant_id=tenant_a, code="late")
        dispositions.retire(session, tenant_id=tenant_a, code="late")
        dispositions.require_whole(session, tenant_id=tenant_a, code="complaint")
        dispositions.define(session, tenant_id=tenant_a, disposition=LATE)
        dispositions.retire(session, tenant_id=tenant_a, code="complaint")
        assert [one.code for one in dispositions.offered(session, tenant_id=tenant_a)] == ["redelivery"]


@pytest.mark.parametrize(
    "wrong",
    [
        Disposition("broken", "Broken", "破损", parent="nothing"),
        Disposition("broken", "Broken", "破损", parent="late"),  # a sub-code itself
        Disposition("broken", "Broken", "破损", parent="broken"),
        Disposition("complaint", "Complaint", "投诉", parent="redelivery"),  # has one under it
    ],
)
def test_a_sub_code_stands_one_level_deep(gate: Gate, tenant_a: TenantId, wrong: Disposition) -> None:
    define(gate, tenant_a, COMPLAINT, LATE, REDELIVERY)
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(SubCodeError):
        dispositions.define(session, tenant_id=tenant_a, disposition=wrong)


def test_retired_disposition_comes_back_when_defined_again(gate: Gate, tenant_a: TenantId) -> None:
    define(gate, tenant_a, REDELIVERY)
    with gate.open(Scope.system(tenant_a)) as session:
        dispositions.retire(session, tenant_id=tenant_a, code="redelivery")
        assert dispositions.offered(session, tenant_id=tenant_a) == []
    define(gate, tenant_a, REDELIVERY)
    with gate.open(Scope.system(tenant_a)) as session:
        assert dispositions.offered(session, tenant_id=tenant_a) == [REDELIVERY]


MALFORMED = (
    Disposition("Refund", "Refund", "退款"),
    Disposition("", "x", "x"),
    Disposition("x", " ", "x"),
    Disposition("x", "x", ""),
)


def test_malformed_dispositions_are_refused(gate: Gate, tenant_a: TenantId) -> None:
    for wrong in MALFORMED:
        with pytest.raises(DispositionCodeError):
            define(gate, tenant_a, wrong)
