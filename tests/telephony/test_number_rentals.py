"""A number has one holder at an instant, rests when it is given back, and rings where it should."""

import concurrent.futures
import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import clock
from core.ids import OPERATOR, NumberId, TenantId, new_id
from core.phone import E164
from seats import limits
from seats.errors import RentalLimitError, RentalNotFoundError, RestoreTooLateError
from seats.limits import Limits
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import number_rentals, numbers, queues
from telephony.errors import (
    HoldAgainError,
    HoldLimitError,
    NumberChangedError,
    NumberHeldError,
    NumberKindError,
    NumberNotFoundError,
    NumberRestingError,
    NumberTakenError,
)
from telephony.number_rentals import HOLD, MOST_HELD, QUARANTINE, UNDO, NumberRental, Settings
from telephony.outbound import forwarding
from tests.factories import telephony

ON_FLOOR = Scope.system(OPERATOR)
NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
FREE = "+448081570190"


@pytest.fixture
def number(gate: Gate) -> NumberId:
    """A freephone number in stock."""
    return telephony.stocked(gate, FREE).number_id


def rent(gate: Gate, number: NumberId, renter: TenantId, **how: object) -> NumberRental:
    wanted = Settings(greeting="Hello.", language="en")
    with gate.open(ON_FLOOR) as session:
        made = number_rentals.rent(
            session,
            number_id=number,
            renter_tenant_id=renter,
            wanted=wanted,
            **how,  # type: ignore[arg-type]
        )
    follow(gate, made, wanted)
    return made


def follow(gate: Gate, rental: NumberRental, wanted: Settings | None = None) -> None:
    event = number_rentals.changed(rental, wanted or Settings())
    with gate.open(Scope.system(rental.renter_tenant_id)) as session:
        numbers.follow(session, tenant_id=rental.renter_tenant_id, event=event)


def release(gate: Gate, rental: NumberRental) -> NumberRental:
    with gate.open(ON_FLOOR) as session:
        gone = number_rentals.release(session, rental_id=rental.id)
    follow(gate, gone)
    return gone


def holder(gate: Gate) -> TenantId | None:
    found = gate.resolve(numbers.DIRECTORY, numbers.directory_key(FREE))
    return found.tenant_id if found else None


def test_a_rented_number_rings_at_its_renter_until_it_is_given_back(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    made = rent(gate, number, tenant_a)
    follow(gate, made)  # the announced event comes as well
    assert holder(gate) == tenant_a
    with gate.open(Scope.system(tenant_a)) as session:
        mine = numbers.get(session, tenant_id=tenant_a, number_id=number)
        assert (mine.greeting, mine.rental_id) == ("Hello.", made.id)
        assert queues.get(session, tenant_id=tenant_a, queue_id=mine.queue_id).name == "Main"
    gone = release(gate, made)
    assert holder(gate) is None
    follow(gate, made)  # late: the older news changes nothing
    follow(gate, gone)
    assert holder(gate) is None
    with pytest.raises(NumberNotFoundError), gate.open(Scope.system(tenant_a)) as session:
        numbers.get(session, tenant_id=tenant_a, number_id=number)


def test_a_number_given_back_keeps_no_phone_it_forwarded_to(
    gate: Gate, vault: Vault, number: NumberId, tenant_a: TenantId
) -> None:
    made = rent(gate, number, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        revision = numbers.get(session, tenant_id=tenant_a, number_id=number).revision
        forwarding.set_up(
            session,
            tenant_id=tenant_a,
            number_id=number,
            to=E164("+447700900120"),
            revision=revision,
            vault=vault,
        )
    kept = text("SELECT forward_ct IS NOT NULL, forwards FROM app.numbers")
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(kept).all() == [(True, "always")]
    follow(gate, release(gate, made))
    with gate.open(Scope.system(tenant_a)) as session:
        assert session.execute(kept).all() == [(False, None)]


def test_a_number_given_back_rests_for_all_but_its_last_renter(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with clock.hold(NOON):
        release(gate, rent(gate, number, tenant_a))
        with pytest.raises(NumberRestingError):
            rent(gate, number, tenant_b)
        with gate.open(ON_FLOOR) as session:
            assert number_rentals.search(session, renter_tenant_id=tenant_b, digits="0190") == []
            assert len(number_rentals.search(session, renter_tenant_id=tenant_a, digits="0190")) == 1
        again = rent(gate, number, tenant_a)
        assert holder(gate) == tenant_a
        release(gate, again)
    with clock.hold(NOON + QUARANTINE):
        rent(gate, number, tenant_b)
        assert holder(gate) == tenant_b
    with gate.open(ON_FLOOR) as session:
        assert [one.renter_tenant_id for one in number_rentals.history(session, number_id=number)] == [
            tenant_b,
            tenant_a,
            tenant_a,
        ]


def test_the_operator_may_end_the_rest(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    release(gate, rent(gate, number, tenant_a))
    with gate.open(ON_FLOOR) as session:
        number_rentals.end_quarantine(session, number_id=number)
    rent(gate, number, tenant_b)
    assert holder(gate) == tenant_b


def test_a_release_is_taken_back_for_ten_minutes(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with clock.hold(NOON):
        made = rent(gate, number, tenant_a)
        release(gate, made)
    with clock.hold(NOON + UNDO):
        with pytest.raises(RentalNotFoundError), gate.open(ON_FLOOR) as session:
            number_rentals.restore(session, rental_id=made.id, renter_tenant_id=tenant_b)
        with gate.open(ON_FLOOR) as session:
            back = number_rentals.restore(session, rental_id=made.id, renter_tenant_id=tenant_a)
        follow(gate, back)
        assert (holder(gate), back.ends_at) == (tenant_a, None)
        release(gate, back)
    with clock.hold(NOON + 3 * UNDO), pytest.raises(RestoreTooLateError), gate.open(ON_FLOOR) as session:
        number_rentals.restore(session, rental_id=made.id, renter_tenant_id=tenant_a)


def test_two_companies_cannot_hold_one_number(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def take(renter: TenantId) -> bool:
        try:
            with gate.open(ON_FLOOR) as session:
                number_rentals.rent(session, number_id=number, renter_tenant_id=renter, wanted=Settings())
        except NumberTakenError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, (tenant_a, tenant_b))) == [False, True]
    with pytest.raises(IntegrityError, match="one_renter_number_rentals"), gate.open(ON_FLOOR) as session:
        session.execute(
            text(
                "INSERT INTO app.number_rentals (tenant_id, id, number_id, renter_tenant_id, starts_at,"
                " revision, created_at) SELECT tenant_id, gen_random_uuid(), number_id, renter_tenant_id,"
                " starts_at, 1, now() FROM app.number_rentals"
            )
        )


def test_the_same_request_rents_once_and_the_limit_holds(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    with gate.open(ON_FLOOR) as session:
        limits.put(session, renter_tenant_id=tenant_a, limits=Limits(most_seats=0, most_numbers=1))
    key = new_id()
    first = rent(gate, number, tenant_a, request_key=key, is_limited=True)
    assert rent(gate, number, tenant_a, request_key=key, is_limited=True).id == first.id
    other = telephony.stocked(gate, "+448081570191").number_id
    with pytest.raises(RentalLimitError):
        rent(gate, other, tenant_a, is_limited=True)


def test_what_was_rented_before_rentals_were_kept_gets_one(
    gate: Gate, number: NumberId, tenant_a: TenantId
) -> None:
    with gate.open(ON_FLOOR) as session:
        session.execute(
            text("UPDATE app.number_stock SET renter_tenant_id = :renter, rented_at = :at"),
            {"renter": tenant_a, "at": NOON},
        )
    with gate.open(ON_FLOOR) as session:
        number_rentals.unsettled(session, renter_tenant_id=tenant_a)
    with gate.open(ON_FLOOR) as session:
        (one,) = number_rentals.unsettled(session, renter_tenant_id=tenant_a)
    assert (one.number_id, one.starts_at, one.ends_at) == (number, NOON, None)


def test_two_who_set_a_number_up_see_each_other(gate: Gate, number: NumberId, tenant_a: TenantId) -> None:
    rent(gate, number, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        now = numbers.get(session, tenant_id=tenant_a, number_id=number)
        saved = numbers.set_up(
            session,
            tenant_id=tenant_a,
            number_id=number,
            queue_id=now.queue_id,
            greeting="Good day.",
            language="zh",
            revision=now.revision,
        )
        assert (saved.greeting, saved.language, saved.revision) == ("Good day.", "zh", 2)
        with pytest.raises(NumberChangedError):
            numbers.set_up(
                session,
                tenant_id=tenant_a,
                number_id=number,
                queue_id=now.queue_id,
                greeting="Hi.",
                language="en",
                revision=now.revision,
            )


def held(gate: Gate, number: NumberId, renter: TenantId) -> number_rentals.Offered:
    with gate.open(ON_FLOOR) as session:
        return number_rentals.hold(session, number_id=number, renter_tenant_id=renter)


def test_a_held_number_is_nobody_elses_until_the_hold_is_over(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with clock.hold(NOON):
        assert held(gate, number, tenant_a).held_until == NOON + HOLD
        assert held(gate, number, tenant_a).held_until == NOON + HOLD
        for act in (held, rent):
            with pytest.raises(NumberHeldError):
                act(gate, number, tenant_b)
        with gate.open(ON_FLOOR) as session:
            assert number_rentals.search(session, renter_tenant_id=tenant_b, digits="0190") == []
            assert [
                one.held_until
                for one in number_rentals.search(session, renter_tenant_id=tenant_a, digits="0190")
            ] == [NOON + HOLD]
            assert len(number_rentals.holds(session, renter_tenant_id=tenant_a)) == 1
    with clock.hold(NOON + HOLD):
        with gate.open(ON_FLOOR) as session:
            assert number_rentals.holds(session, renter_tenant_id=tenant_a) == []
        with pytest.raises(HoldAgainError):
            held(gate, number, tenant_a)
        rent(gate, number, tenant_b)
        with pytest.raises(NumberTakenError):
            held(gate, number, tenant_a)


def test_who_holds_a_number_rents_it_or_lets_it_go(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with clock.hold(NOON):
        held(gate, number, tenant_a)
        with pytest.raises(NumberNotFoundError), gate.open(ON_FLOOR) as session:
            number_rentals.let_go(session, number_id=number, renter_tenant_id=tenant_b)
        rent(gate, number, tenant_a)
        other = telephony.stocked(gate, "+448081570191").number_id
        held(gate, other, tenant_a)
        with gate.open(ON_FLOOR) as session:
            number_rentals.let_go(session, number_id=other, renter_tenant_id=tenant_a)
        rent(gate, other, tenant_b)


def test_a_client_holds_a_few_numbers_at_once(gate: Gate, number: NumberId, tenant_a: TenantId) -> None:
    for last in range(MOST_HELD):
        held(gate, telephony.stocked(gate, f"+44808157010{last}").number_id, tenant_a)
    with pytest.raises(HoldLimitError):
        held(gate, number, tenant_a)


def test_of_two_who_hold_a_number_at_once_one_does(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def attempt(renter: TenantId) -> bool:
        try:
            held(gate, number, renter)
        except NumberHeldError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, (tenant_a, tenant_b))) == [False, True]


def test_calls_to_a_number_that_rests_are_told_to_who_had_it_and_to_who_rents_it_next(
    gate: Gate, number: NumberId, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    def called() -> None:
        with gate.open(ON_FLOOR) as session:
            number_rentals.stray(session, digits=FREE)

    with clock.hold(NOON):
        made = rent(gate, number, tenant_a)
        called()  # rented meanwhile: it is no stray
        release(gate, made)
        called()
        called()
        with gate.open(ON_FLOOR) as session:
            (mine,) = number_rentals.resting(session, renter_tenant_id=tenant_a)
            assert (mine.stray_calls, mine.strayed_at) == (2, NOON)
            assert number_rentals.resting(session, renter_tenant_id=tenant_b) == []
    with clock.hold(NOON + QUARANTINE):
        with gate.open(ON_FLOOR) as session:
            assert number_rentals.resting(session, renter_tenant_id=tenant_a) == []
            (offered,) = number_rentals.search(session, renter_tenant_id=tenant_b, digits="0190")
            assert offered.stray_calls == 2
        release(gate, rent(gate, number, tenant_b))
        with gate.open(ON_FLOOR) as session:
            (now,) = number_rentals.resting(session, renter_tenant_id=tenant_b)
            assert now.stray_calls == 0


@pytest.mark.parametrize(
    ("digits", "said", "kind"),
    [
        ("+448081570170", "", "tollfree"),
        ("+448081570170", "tollfree", "tollfree"),
        ("+448081570170", "national", None),
        ("+442079460170", "", "local"),
        ("+442079460170", "national", "national"),
        ("+442079460170", "tollfree", None),
        ("+442079460170", "short", None),
        ("+443069990170", "", "national"),
        ("+8618912345670", "", "mobile"),
        ("1252", "", "short"),
        ("1252", "local", None),
    ],
)
def test_the_numbering_plan_says_what_kind_a_number_is(
    gate: Gate, digits: str, said: str, kind: str | None
) -> None:
    with gate.open(ON_FLOOR) as session:
        if kind is None:
            with pytest.raises(NumberKindError):
                numbers.stock(session, digits=digits, kind=said, region="GB")
        else:
            assert numbers.stock(session, digits=digits, kind=said, region="GB").kind == kind
