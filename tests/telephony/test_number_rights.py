"""Whose a number is and by which paper: stated by the operator, followed by the renter, asked by the gate."""

import dataclasses
import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.ids import OPERATOR, NumberId, TenantId, new_id
from core.phone import E164
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import number_rentals, number_rights, numbers, queues, rights
from telephony.errors import NumberNotFoundError, NumberTakenError
from telephony.number_rentals import NumberRental, Settings
from telephony.number_rights import (
    NumberRightChangedError,
    NumberRightError,
    NumberRightMissingError,
)
from telephony.outbound import by_hand
from telephony.outbound.gate import Clearance, ForbiddenSinceError, Refusal, RefusalReason, redeem
from telephony.rights import Attestation, Holder, Paper, Right, Standing
from tests.factories import telephony
from tests.telephony.outbound.desk import MONDAY_NOON, Caller, caller
from wiring import proving

ON_FLOOR = Scope.system(OPERATOR)
FREE = "+448081570190"
OMAR = new_id()
DAY = dt.timedelta(days=1)
LETTER = Right(
    holder=Holder.CARRIER,
    holder_name="Harbour Telecom Ltd",
    paper=Paper.LETTER,
    reference="LOA 2026/114",
    attestation=Attestation.A,
    starts_at=MONDAY_NOON - 90 * DAY,
    ends_at=MONDAY_NOON + 60 * DAY,
    version=0,
)


@pytest.fixture
def number(gate: Gate) -> NumberId:
    return telephony.stocked(gate, FREE).number_id


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    with clock.hold(MONDAY_NOON - DAY):
        return caller(gate, vault, tenant_a)


def follow(gate: Gate, rental: NumberRental | None) -> None:
    assert rental is not None
    event = number_rentals.changed(rental, Settings())
    event = type(event).from_payload(event.payload())
    with gate.open(Scope.system(rental.renter_tenant_id)) as session:
        numbers.follow(session, tenant_id=rental.renter_tenant_id, event=event)


def state(gate: Gate, number: NumberId, wanted: Right = LETTER, **changes: object) -> NumberRental | None:
    """State papers, whatever was stated before, and let the renter's row follow."""
    with gate.open(ON_FLOOR) as session:
        before = rights.newest(session, number_id=number)
        wanted = dataclasses.replace(
            wanted,
            version=before.version if before else 0,
            **changes,  # type: ignore[arg-type]
        )
        found = number_rights.state(session, number_id=number, wanted=wanted, by=OMAR)
    if found is not None:
        follow(gate, found)
    return found


def withdraw(gate: Gate, number: NumberId, *, version: int = 1) -> None:
    with gate.open(ON_FLOOR) as session:
        found = number_rights.withdraw(session, number_id=number, version=version, by=OMAR)
    if found is not None:
        follow(gate, found)


def reason(found: Clearance | Refusal) -> RefusalReason | None:
    return found.reason if isinstance(found, Refusal) else None


def test_a_paper_stands_from_its_first_instant_to_its_last() -> None:
    paper = dataclasses.replace(LETTER, starts_at=MONDAY_NOON, ends_at=MONDAY_NOON + 60 * DAY)
    end = MONDAY_NOON + 60 * DAY
    moment = dt.timedelta(microseconds=1)
    assert paper.standing(MONDAY_NOON - moment) is Standing.NOT_YET
    assert paper.standing(MONDAY_NOON) is Standing.STANDS
    assert paper.standing(end - 30 * DAY - moment) is Standing.STANDS
    assert paper.standing(end - 30 * DAY) is Standing.ENDS_SOON
    assert paper.stands(end - moment)
    assert paper.standing(end) is Standing.ENDED
    endless = dataclasses.replace(paper, ends_at=None)
    assert endless.standing(end + 9999 * DAY) is Standing.STANDS
    gone = dataclasses.replace(endless, withdrawn_at=end)
    assert gone.stands(end - moment)
    assert gone.standing(end) is Standing.WITHDRAWN
    assert rights.read(None) is None


def test_statements_follow_one_another_and_none_is_changed(gate: Gate, number: NumberId) -> None:
    assert state(gate, number) is None  # nobody rents it
    state(gate, number, holder=Holder.OPERATOR, holder_name="", paper=Paper.RANGE, reference="BNR 808157")
    withdraw(gate, number, version=2)
    with gate.open(ON_FLOOR) as session:
        found = rights.history(session, number_id=number)
        assert [(one.version, one.holder.value) for one in found] == [
            (3, "operator"),
            (2, "operator"),
            (1, "carrier"),
        ]
        assert found[0].withdrawn_at is not None
        assert rights.of_all(session) == {number: found[0]}
        entries = evidence.page(session, tenant_id=OPERATOR, limit=10).entries
        said = [one.fact.action for one in entries if one.fact.action.startswith("number.")]
        assert sorted(said) == ["number.right-stated", "number.right-stated", "number.right-withdrawn"]
    for statement in ("UPDATE app.number_rights SET attestation = 'A'", "DELETE FROM app.number_rights"):
        with pytest.raises(DBAPIError), gate.open(ON_FLOOR) as session:
            session.execute(text(statement))


def test_who_states_over_somebody_else_is_told(gate: Gate, number: NumberId) -> None:
    state(gate, number)
    with pytest.raises(NumberRightChangedError), gate.open(ON_FLOOR) as session:
        number_rights.state(session, number_id=number, wanted=LETTER, by=OMAR)
    with pytest.raises(NumberRightChangedError), gate.open(ON_FLOOR) as session:
        number_rights.withdraw(session, number_id=number, version=9, by=OMAR)


def test_nothing_is_withdrawn_that_was_not_stated(gate: Gate, number: NumberId) -> None:
    with pytest.raises(NumberRightMissingError), gate.open(ON_FLOOR) as session:
        number_rights.withdraw(session, number_id=number, version=0, by=OMAR)
    with pytest.raises(NumberNotFoundError), gate.open(ON_FLOOR) as session:
        number_rights.withdraw(session, number_id=NumberId(new_id()), version=0, by=OMAR)
    with pytest.raises(NumberNotFoundError), gate.open(ON_FLOOR) as session:
        number_rights.state(session, number_id=NumberId(new_id()), wanted=LETTER, by=OMAR)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("holder_name", {"holder_name": ""}),
        ("holder_name", {"holder_name": "x" * 81}),
        ("holder_name", {"holder_name": "a\nb"}),
        ("holder_name", {"holder": Holder.OPERATOR}),
        ("company", {"holder": Holder.CLIENT, "holder_name": ""}),
        ("company", {"holder_tenant_id": TenantId(new_id())}),
        ("reference", {"reference": ""}),
        ("reference", {"reference": "x" * 81}),
        ("reference", {"reference": "a\tb"}),
        ("ends_on", {"ends_at": LETTER.starts_at}),
    ],
)
def test_papers_that_cannot_be_so_are_refused(
    gate: Gate, number: NumberId, field: str, changes: dict[str, object]
) -> None:
    with pytest.raises(NumberRightError) as refused:
        state(gate, number, LETTER, **changes)
    assert refused.value.details["field"] == field


def test_a_number_a_client_holds_is_rented_to_that_client_alone(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    state(gate, number, holder=Holder.CLIENT, holder_name="", holder_tenant_id=tenant_a)
    with gate.open(ON_FLOOR) as session:
        theirs, others = (
            number_rentals.search(session, renter_tenant_id=one, digits="190") for one in (tenant_a, tenant_b)
        )
        assert [one.number_id for one in theirs] == [number]
        assert others == []
        with pytest.raises(NumberTakenError):
            number_rentals.rent(
                session, number_id=number, renter_tenant_id=tenant_b, wanted=Settings(language="en")
            )
        number_rentals.rent(session, number_id=number, renter_tenant_id=tenant_a, wanted=Settings())
    with pytest.raises(NumberRightError) as refused:
        state(gate, number, holder=Holder.CLIENT, holder_name="", holder_tenant_id=tenant_b)
    assert refused.value.details["field"] == "company"


def test_a_release_is_not_taken_back_once_another_client_is_the_holder(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with gate.open(ON_FLOOR) as session:
        rented = number_rentals.rent(
            session, number_id=number, renter_tenant_id=tenant_a, wanted=Settings(language="en")
        )
        number_rentals.release(session, rental_id=rented.id)
    state(gate, number, holder=Holder.CLIENT, holder_name="", holder_tenant_id=tenant_b)
    with pytest.raises(NumberTakenError), gate.open(ON_FLOOR) as session:
        number_rentals.restore(session, rental_id=rented.id, renter_tenant_id=tenant_a)
    state(gate, number, holder=Holder.CLIENT, holder_name="", holder_tenant_id=tenant_a)
    with gate.open(ON_FLOOR) as session:
        number_rentals.restore(session, rental_id=rented.id, renter_tenant_id=tenant_a)


def test_who_rents_a_number_gets_its_papers_with_it_and_what_is_stated_later(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    state(gate, number)
    with gate.open(ON_FLOOR) as session:
        made = number_rentals.rent(session, number_id=number, renter_tenant_id=tenant_a, wanted=Settings())
    follow(gate, made)

    def mine() -> Right | None:
        with gate.open(Scope.system(tenant_a)) as session:
            return numbers.get(session, tenant_id=tenant_a, number_id=number).right

    found = mine()
    assert found is not None
    assert (found.holder_name, found.reference, found.ends_at) == (
        "Harbour Telecom Ltd",
        "LOA 2026/114",
        LETTER.ends_at,
    )
    later = state(gate, number, reference="LOA 2027/9")
    found = mine()
    assert found is not None
    assert (found.reference, found.version) == ("LOA 2027/9", 2)
    follow(gate, made)  # late: the older news changes nothing
    follow(gate, later)
    assert mine() == found
    with gate.open(Scope.system(tenant_a)) as session:
        entries = evidence.page(session, tenant_id=tenant_a, limit=20).entries
        assert [one.fact.action for one in entries].count("number.right-changed") == 2


def test_a_number_let_by_the_operator_comes_with_its_papers(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    state(gate, number)
    withdraw(gate, number)
    with gate.open(ON_FLOOR) as session:
        given = numbers.let(session, number_id=number, renter=tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        queue_id = queues.open_queue(session, tenant_id=tenant_a, name="Main").queue_id
        made = numbers.rent(
            session, tenant_id=tenant_a, number=given, queue_id=queue_id, greeting="", language="en"
        )
    assert not made.may_be_shown(clock.now())


def test_an_event_announced_before_papers_were_known_is_still_heard(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    with gate.open(ON_FLOOR) as session:
        made = number_rentals.rent(session, number_id=number, renter_tenant_id=tenant_a, wanted=Settings())
    event = number_rentals.changed(made, Settings())
    old = event.payload().replace('"right": "", ', "")
    assert "right" not in old
    assert type(event).from_payload(old) == event


def test_the_gate_shows_a_number_only_while_its_papers_stand(desk: Caller) -> None:
    assert reason(desk.ask()) is None  # nothing is stated: whoever rents it may show it
    state(desk.gate, desk.number_id)
    assert reason(desk.ask()) is None
    state(desk.gate, desk.number_id, ends_at=MONDAY_NOON)
    assert reason(desk.ask()) is RefusalReason.CALLER_UNPROVEN
    state(desk.gate, desk.number_id, starts_at=MONDAY_NOON + DAY)
    assert reason(desk.ask()) is RefusalReason.CALLER_UNPROVEN
    state(desk.gate, desk.number_id)
    with clock.hold(MONDAY_NOON - DAY):
        withdraw(desk.gate, desk.number_id, version=4)
    assert reason(desk.ask()) is RefusalReason.CALLER_UNPROVEN
    state(desk.gate, desk.number_id)
    assert reason(desk.ask()) is None


def test_a_call_cleared_and_not_yet_dialled_is_stopped_by_a_withdrawal(desk: Caller) -> None:
    with clock.hold(MONDAY_NOON):
        state(desk.gate, desk.number_id)
        cleared = desk.place()
        assert isinstance(cleared, Clearance)
        tenant_id, attempt = desk.tenant_id, cleared.attempt_id
        with desk.gate.open(Scope.system(tenant_id)) as session:
            found = redeem(session, tenant_id=tenant_id, attempt_id=attempt, vault=desk.vault)
            assert found == cleared
        withdraw(desk.gate, desk.number_id)
        with (
            pytest.raises(ForbiddenSinceError) as refused,
            desk.gate.open(Scope.system(tenant_id)) as session,
        ):
            redeem(session, tenant_id=tenant_id, attempt_id=attempt, vault=desk.vault)
        assert refused.value.reason is RefusalReason.CALLER_UNPROVEN


def test_a_call_by_hand_shows_another_number_whose_papers_stand(desk: Caller, number: NumberId) -> None:
    with desk.gate.open(ON_FLOOR) as session:
        made = number_rentals.rent(
            session, number_id=number, renter_tenant_id=desk.tenant_id, wanted=Settings()
        )
    follow(desk.gate, made)

    def shown(dialled: str = "") -> NumberId | None:
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            return by_hand.number_to_show(
                session, tenant_id=desk.tenant_id, queue_id=desk.queue_id, at=MONDAY_NOON, dialled=dialled
            )

    assert shown() == desk.number_id  # its queue's own
    assert shown(FREE) == number  # by which the call came in
    state(desk.gate, desk.number_id, ends_at=MONDAY_NOON)
    assert shown() == number
    state(desk.gate, number, ends_at=MONDAY_NOON)
    assert shown() == desk.number_id  # none may be shown: the gate says why
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        refused = by_hand.dial(
            session,
            tenant_id=desk.tenant_id,
            agent_id=telephony.AGENT,
            to=E164("+447700900123"),
            queue_id=desk.queue_id,
            home="Europe/London",
            vault=desk.vault,
            at=MONDAY_NOON,
        )
    assert reason(refused) is RefusalReason.CALLER_UNPROVEN


def test_both_sides_are_told_a_month_before_and_at_the_end_once_each(desk: Caller) -> None:
    state(desk.gate, desk.number_id)
    end = MONDAY_NOON + 60 * DAY

    def told(at: dt.datetime) -> int:
        return proving.tell(desk.gate, tenant_id=desk.tenant_id, at=at)

    assert told(end - 31 * DAY) == 0
    assert told(end - 30 * DAY) == 1
    assert told(end - DAY) == 0
    assert told(end) == 1
    assert told(end + DAY) == 0
    kinds = text("SELECT kind, details ->> 'until' FROM app.alarms ORDER BY kind")
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        assert session.execute(kinds).all() == [
            ("number-papers-ended", end.isoformat()),
            ("number-papers-ending", end.isoformat()),
        ]
    state(desk.gate, desk.number_id, ends_at=end + 365 * DAY)
    assert told(end + DAY) == 0
    assert told(end + 364 * DAY) == 1
    with clock.hold(MONDAY_NOON):
        withdraw(desk.gate, desk.number_id, version=2)
    assert told(end + 365 * DAY) == 0  # it is gone already
