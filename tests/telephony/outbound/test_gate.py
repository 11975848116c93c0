"""The gate of outgoing calls: each rule refuses, what is decided is stored, and nobody else clears a call."""

import dataclasses
import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from billing import credit
from core import clock
from core.ids import OPERATOR, NumberId, TenantId, new_id
from core.phone import E164
from customers import consent, decoys, do_not_call, records
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers
from telephony.errors import QueueNotFoundError
from telephony.outbound import dialling
from telephony.outbound.gate import (
    Clearance,
    DialRequestError,
    Refusal,
    RefusalReason,
    clear,
    lock_key,
    redeem,
)
from telephony.switch.clearance import ClearanceExpiredError, UnclearedCallError
from tenants import companies
from tests.telephony.outbound.desk import INES, MONDAY_NOON, Caller, caller

SUE = new_id()


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    return caller(gate, vault, tenant_a)


def reason(found: Clearance | Refusal) -> RefusalReason | None:
    return found.reason if isinstance(found, Refusal) else None


def test_a_call_nothing_speaks_against_is_cleared_for_ten_seconds(desk: Caller) -> None:
    found = desk.ask()
    assert isinstance(found, Clearance)
    assert (found.to, found.caller) == (INES, "+448081570142")
    assert found.expires_at == MONDAY_NOON + dt.timedelta(seconds=10)
    assert INES not in repr(found)
    found.insist(found.expires_at)
    with pytest.raises(ClearanceExpiredError):
        found.insist(found.expires_at + dt.timedelta(milliseconds=1))


def test_a_suspended_company_calls_nobody(desk: Caller) -> None:
    with desk.gate.open(Scope.system(OPERATOR)) as session:
        companies.open_company(
            session,
            tenant_id=desk.tenant_id,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
        companies.suspend(session, tenant_id=desk.tenant_id)
    assert reason(desk.ask()) is RefusalReason.SUSPENDED


def test_an_account_on_hold_calls_nobody(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        credit.hold(session, tenant_id=desk.tenant_id, reason="unpaid", by=SUE)
    assert reason(desk.ask()) is RefusalReason.ON_HOLD


@pytest.mark.parametrize(
    ("to", "why"),
    [("+12025550123", RefusalReason.NOT_PRICED), ("+449900000000", RefusalReason.DESTINATION_BLOCKED)],
)
def test_a_destination_without_a_price_or_blocked_is_not_called(
    desk: Caller, to: str, why: RefusalReason
) -> None:
    desk.allow("US")
    assert reason(desk.ask(to=E164(to))) is why


def test_who_asked_not_to_be_called_is_not(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        do_not_call.add(
            session, tenant_id=desk.tenant_id, vault=desk.vault, phone=INES, source="asked-in-call", by=SUE
        )
    assert reason(desk.ask()) is RefusalReason.DO_NOT_CALL
    assert reason(desk.ask(to=E164("+447700900124"))) is None


def test_a_decoy_is_dialled_by_nobody(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        details = records.CustomerDetails(name="Nobody", phone=INES)
        made = records.add(session, tenant_id=desk.tenant_id, vault=desk.vault, details=details)
        decoys.mark(session, tenant_id=desk.tenant_id, customer_id=made.id)
    assert reason(desk.ask()) is RefusalReason.DO_NOT_CALL


def test_consent_withdrawn_refuses_and_missing_only_where_it_is_needed(desk: Caller) -> None:
    def say(*, is_given: bool) -> None:
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            consent.record(
                session,
                tenant_id=desk.tenant_id,
                vault=desk.vault,
                phone=INES,
                is_given=is_given,
                basis="web form",
                by=SUE,
            )

    assert reason(desk.ask()) is None
    assert reason(desk.ask(needs_consent=True)) is RefusalReason.CONSENT_MISSING
    say(is_given=True)
    assert reason(desk.ask(needs_consent=True)) is None
    say(is_given=False)
    assert reason(desk.ask()) is RefusalReason.CONSENT_WITHDRAWN


def test_outside_the_called_persons_hours_it_says_when_to_try_again(desk: Caller) -> None:
    found = desk.ask(zone="America/Los_Angeles")  # four in the morning there
    assert found == Refusal(RefusalReason.OUTSIDE_HOURS, MONDAY_NOON + dt.timedelta(hours=5))
    assert reason(desk.ask(zone="Mars/Olympus")) is RefusalReason.ZONE_UNKNOWN


def test_a_number_not_rented_now_is_not_shown(desk: Caller) -> None:
    assert reason(desk.ask(caller_number_id=NumberId(new_id()))) is RefusalReason.CALLER_NOT_OURS
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        numbers.release(session, tenant_id=desk.tenant_id, number_id=desk.number_id)
    assert reason(desk.ask()) is RefusalReason.CALLER_NOT_OURS


def test_an_attempt_is_cleared_once_ever(desk: Caller) -> None:
    attempt = new_id()
    assert reason(desk.ask(attempt_id=attempt, zone="Mars/Olympus")) is RefusalReason.ZONE_UNKNOWN
    assert reason(desk.ask(attempt_id=attempt)) is None
    assert reason(desk.ask(attempt_id=attempt)) is RefusalReason.REPEATED


def place(desk: Caller, **changes: Any) -> Clearance | Refusal:
    """Ask, and hand the call on when it is cleared."""
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = clear(session, request=desk.request(**changes), vault=desk.vault, at=MONDAY_NOON)
        if isinstance(found, Clearance):
            dialling.dial(session, clearance=found, vault=desk.vault)
        return found


def test_a_number_that_is_being_called_is_not_called_a_second_time_beside(desk: Caller) -> None:
    first = place(desk, campaign_id=new_id())
    assert isinstance(first, Clearance)
    minute = dt.timedelta(minutes=1)
    assert place(desk, campaign_id=new_id()) == Refusal(RefusalReason.UNDER_WAY, MONDAY_NOON + minute)
    assert reason(place(desk)) is RefusalReason.UNDER_WAY  # by hand no more than by a campaign
    assert reason(place(desk, to=E164("+447700900124"))) is None
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        dialling.close(
            session,
            tenant_id=desk.tenant_id,
            attempt_id=first.attempt_id,
            outcome=dialling.DialOutcome.BUSY,
            started_at=MONDAY_NOON,
            ended_at=MONDAY_NOON,
        )
    assert reason(place(desk)) is None


def test_many_who_want_the_same_person_at_once_get_one_call(desk: Caller) -> None:
    start = threading.Barrier(6)

    def worker(_: int) -> RefusalReason | None:
        start.wait()
        return reason(place(desk, campaign_id=new_id()))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(worker, range(6)))
    assert sorted(map(str, found)) == ["None"] + ["under-way"] * 5


def test_a_clearance_taken_back_places_no_call_and_others_stand(desk: Caller) -> None:
    mine, other = new_id(), new_id()
    taken, stays = place(desk, campaign_id=mine), place(desk, campaign_id=other, to=E164("+447700900124"))
    assert isinstance(taken, Clearance)
    assert isinstance(stays, Clearance)
    known: dict[str, Any] = {"tenant_id": desk.tenant_id, "vault": desk.vault}
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, clock.hold(MONDAY_NOON):
        assert dialling.recall(session, tenant_id=desk.tenant_id, campaign_id=mine) == 1
        assert dialling.recall(session, tenant_id=desk.tenant_id, campaign_id=mine) == 0
        found = redeem(session, **known, attempt_id=taken.attempt_id)
        assert found is not None
        with pytest.raises(ClearanceExpiredError):
            found.insist(MONDAY_NOON)
        assert redeem(session, **known, attempt_id=stays.attempt_id) == stays


def test_calls_per_second_are_counted_over_every_second(desk: Caller) -> None:
    half = dt.timedelta(milliseconds=500)
    assert reason(desk.ask(max_per_second=2)) is None
    assert reason(desk.ask(max_per_second=2, at=MONDAY_NOON + half)) is None
    found = desk.ask(max_per_second=2, at=MONDAY_NOON + half)
    assert found == Refusal(RefusalReason.TOO_FAST, MONDAY_NOON + 2 * half)
    assert reason(desk.ask(max_per_second=2, at=MONDAY_NOON + 2 * half)) is None
    assert reason(desk.ask(max_per_second=2, at=MONDAY_NOON + 2 * half)) is RefusalReason.TOO_FAST


def test_calls_per_second_are_exact_with_workers_side_by_side(desk: Caller) -> None:
    start = threading.Barrier(8)

    def worker(number: int) -> list[RefusalReason | None]:
        start.wait()
        # each looks at a clock of its own, some ms beside the others'
        at = MONDAY_NOON + dt.timedelta(milliseconds=7 * number)
        return [reason(desk.ask(max_per_second=10, at=at)) for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        found = [one for each in pool.map(worker, range(8)) for one in each]
    assert found.count(None) == 10
    assert found.count(RefusalReason.TOO_FAST) == 30


def test_one_attempt_asked_for_by_many_at_once_is_cleared_for_one(desk: Caller) -> None:
    attempt, start = new_id(), threading.Barrier(6)

    def worker(_: int) -> RefusalReason | None:
        start.wait()
        return reason(desk.ask(attempt_id=attempt))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(worker, range(6)))
    assert sorted(map(str, found)) == ["None"] + ["repeated"] * 5


def test_what_was_decided_is_stored_without_the_number_and_stays(desk: Caller) -> None:
    desk.ask(zone="Mars/Olympus")
    desk.ask()
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        rows = session.execute(text("SELECT * FROM app.dial_decisions ORDER BY id")).mappings().all()
        assert [(row["is_cleared"], row["reason"], row["prefix"]) for row in rows] == [
            (False, "zone-unknown", "44770090"),
            (True, None, "44770090"),
        ]
        assert len(rows[0]["to_index"]) == 16
        assert "0123" not in str([row["prefix"] for row in rows])
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, pytest.raises(Exception, match="denied"):
        session.execute(text("UPDATE app.dial_decisions SET is_cleared = true"))


def test_a_request_that_can_never_be_right_is_refused_at_once(desk: Caller, tenant_b: TenantId) -> None:
    for wrong in ({"ring_s": 14}, {"ring_s": 121}, {"max_per_second": 0}):
        with pytest.raises(DialRequestError):
            desk.request(**wrong)
    with pytest.raises(QueueNotFoundError), desk.gate.open(Scope.system(tenant_b)) as session:
        clear(session, request=desk.request(tenant_id=tenant_b), vault=desk.vault, at=MONDAY_NOON)


def test_a_clearance_is_made_by_the_gate_alone(desk: Caller) -> None:
    found = desk.ask()
    assert isinstance(found, Clearance)
    fields: dict[str, Any] = {one.name: getattr(found, one.name) for one in dataclasses.fields(found)}
    with pytest.raises(TypeError):
        Clearance(**fields)
    with pytest.raises(UnclearedCallError):
        Clearance(**fields, mark=object())
    with pytest.raises(ValueError, match="mark"):
        dataclasses.replace(found, to=E164("+447700900999"))  # type: ignore[call-arg] # that is what is tried
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.to = E164("+447700900999")  # type: ignore[misc] # that is what is tried


def test_a_dial_is_handed_on_once_and_redeemed_as_it_was_cleared(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = clear(session, request=desk.request(), vault=desk.vault, at=MONDAY_NOON)
        assert isinstance(found, Clearance)
        for _ in range(2):
            dialling.dial(session, clearance=found, vault=desk.vault)
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        (row,) = session.execute(text("SELECT * FROM app.outbound_dials")).mappings()
        assert b"7700900123" not in bytes(row["to_ct"])
        again = redeem(session, tenant_id=desk.tenant_id, attempt_id=found.attempt_id, vault=desk.vault)
    assert again == found
    assert outbox(desk) == ["DialCleared"]


@pytest.mark.parametrize("word", ["do-not-call", "consent"])
def test_who_asks_not_to_be_called_between_clearance_and_dial_is_not_called(desk: Caller, word: str) -> None:
    known: dict[str, Any] = {"tenant_id": desk.tenant_id, "vault": desk.vault}
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = clear(session, request=desk.request(), vault=desk.vault, at=MONDAY_NOON)
        assert isinstance(found, Clearance)
        dialling.dial(session, clearance=found, vault=desk.vault)
        if word == "consent":
            consent.record(session, **known, phone=INES, is_given=False, basis="by letter", by=SUE)
        else:
            do_not_call.add(session, **known, phone=INES, source="asked-in-call", by=SUE)
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, pytest.raises(ClearanceExpiredError):
        redeem(session, **known, attempt_id=found.attempt_id)


def test_the_books_of_a_dial_are_closed_and_told_of_once(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, clock.hold(MONDAY_NOON):
        found = clear(session, request=desk.request(), vault=desk.vault, at=MONDAY_NOON)
        assert isinstance(found, Clearance)
        dialling.dial(session, clearance=found, vault=desk.vault)
        known: dict[str, Any] = {"tenant_id": desk.tenant_id, "attempt_id": found.attempt_id}
        end: dict[str, Any] = known | {"started_at": MONDAY_NOON, "ended_at": MONDAY_NOON}
        assert dialling.close(session, **end, outcome=dialling.DialOutcome.BUSY)
        assert not dialling.close(session, **end, outcome=dialling.DialOutcome.CONNECTED)
        assert redeem(session, **known, vault=desk.vault) is None
    assert outbox(desk) == ["DialCleared", "DialEnded"]


def test_a_dial_nobody_reports_on_is_closed_as_lost_after_half_a_day(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = clear(session, request=desk.request(), vault=desk.vault, at=MONDAY_NOON)
        assert isinstance(found, Clearance)
        dialling.dial(session, clearance=found, vault=desk.vault)
        with clock.hold(MONDAY_NOON + dt.timedelta(hours=11)):
            assert dialling.close_forsaken(session, tenant_id=desk.tenant_id) == 0
        with clock.hold(MONDAY_NOON + dt.timedelta(hours=13)):
            assert dialling.close_forsaken(session, tenant_id=desk.tenant_id) == 1
            assert dialling.close_forsaken(session, tenant_id=desk.tenant_id) == 0
    assert outbox(desk) == ["DialCleared", "DialEnded"]


def outbox(desk: Caller) -> list[str]:
    with desk.gate.outside() as connection:
        rows = connection.execute(
            text("SELECT name FROM app.outbox WHERE tenant_id = :tenant ORDER BY id"),
            {"tenant": desk.tenant_id},
        ).scalars()
        return [name for name in rows if name.startswith("Dial")]


def test_one_companys_line_holds_no_other_up(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as first, gate.open(Scope.system(tenant_b)) as second:
        first.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(tenant_a)})
        free = text("SELECT pg_try_advisory_xact_lock(:key)")
        assert second.execute(free, {"key": lock_key(tenant_b)}).scalar_one() is True
        assert second.execute(free, {"key": lock_key(tenant_a)}).scalar_one() is False
