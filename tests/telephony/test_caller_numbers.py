"""Numbers held elsewhere: asked for with a paper, proven by a code, allowed, shown, ended."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from campaigns import plans
from campaigns.rules import Settings
from core import clock
from core.ids import CallerNumberId, NumberId, QueueId, TenantId, new_id, public
from core.phone import E164
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import caller_numbers, numbers, queues
from telephony.caller_numbers import (
    CODE_COUNTS,
    LARGEST,
    MOST_ASKED,
    MOST_CODES,
    MOST_FOR_ONE,
    MOST_WRONG,
    PROOF_COUNTS,
    CallerNumber,
    CallerNumberChangedError,
    CallerNumberCodesError,
    CallerNumberError,
    CallerNumberNotFoundError,
    CallerNumberState,
    CallerNumberThereError,
    CallerNumberUnprovenError,
    CallerPaperError,
    Proof,
    TooManyCallerNumbersError,
)
from telephony.conductor.directory import Directory
from telephony.errors import NumberNotFoundError, QueueNotFoundError
from telephony.outbound import by_hand, forwarding
from telephony.outbound.gate import Clearance, ForbiddenSinceError, Refusal, RefusalReason, redeem
from telephony.rights import Attestation, Paper, Standing
from tests.factories import telephony
from tests.factories.telephony import ELSEWHERE, PAPER, Line
from tests.telephony.outbound.desk import MONDAY_NOON, Caller, caller
from wiring import proving

DAY = dt.timedelta(days=1)


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    with clock.hold(MONDAY_NOON - DAY):
        return caller(gate, vault, tenant_a)


@pytest.fixture
def line(desk: Caller) -> Line:
    return Line(desk.tenant_id, desk.number_id, desk.queue_id, telephony.DIALLED)


def reason(found: Clearance | Refusal) -> RefusalReason | None:
    return found.reason if isinstance(found, Refusal) else None


def ask(desk: Caller, line: Line, **differs: Any) -> CallerNumber:
    with clock.hold(MONDAY_NOON - DAY):
        return telephony.asked_elsewhere(desk.gate, desk.vault, line, **differs)


def allow(desk: Caller, line: Line, **differs: Any) -> NumberId:
    with clock.hold(MONDAY_NOON - DAY):
        found = telephony.allowed_elsewhere(desk.gate, desk.vault, line, **differs)
    assert found.number_id is not None
    return found.number_id


def withdraw(desk: Caller, one: CallerNumber, **how: Any) -> CallerNumber:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        return caller_numbers.withdraw(
            session, tenant_id=desk.tenant_id, caller_number_id=one.caller_number_id, by=new_id(), **how
        )


def prove(desk: Caller, one: CallerNumber, code: str) -> Proof:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        return caller_numbers.prove(
            session,
            tenant_id=desk.tenant_id,
            vault=desk.vault,
            caller_number_id=one.caller_number_id,
            code=code,
        )


def find(desk: Caller, one: CallerNumber) -> CallerNumber:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        return caller_numbers.find(session, tenant_id=desk.tenant_id, caller_number_id=one.caller_number_id)


def decide(desk: Caller, one: CallerNumber, *, revision: int = 0, why: str = "") -> CallerNumber:
    """Allow a request, or refuse it with a reason, at the revision it is at."""
    revision = revision or find(desk, one).revision
    key: dict[str, Any] = {"tenant_id": desk.tenant_id, "caller_number_id": one.caller_number_id}
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        if why:
            return caller_numbers.refuse(session, reason=why, revision=revision, by=new_id(), **key)
        return caller_numbers.allow(session, attestation=Attestation.B, revision=revision, by=new_id(), **key)


def log(desk: Caller) -> list[str]:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        entries = evidence.page(session, tenant_id=desk.tenant_id, limit=50).entries
    return [one.fact.action for one in reversed(entries) if one.fact.action.startswith("caller-number.")]


def test_a_number_is_asked_for_proven_allowed_shown_and_withdrawn(desk: Caller, line: Line) -> None:
    with clock.hold(MONDAY_NOON):
        asked = ask(desk, line)
        assert (asked.state, asked.number_id, asked.proven_at) == (CallerNumberState.ASKED, None, None)
        with pytest.raises(CallerNumberUnprovenError):
            decide(desk, asked)
        code = telephony.told_code(desk.gate, desk.vault, asked)
        assert len(code) == 6
        assert prove(desk, asked, f"{code[:3]} {code[3:]}") is Proof.PROVEN
        allowed = decide(desk, asked)
        assert allowed.number_id is not None
        cleared = desk.place(caller_number_id=allowed.number_id)
        assert isinstance(cleared, Clearance)
        assert cleared.caller == ELSEWHERE
        withdraw(desk, allowed)
        with (
            pytest.raises(ForbiddenSinceError) as refused,
            desk.gate.open(Scope.system(desk.tenant_id)) as session,
        ):
            redeem(session, tenant_id=desk.tenant_id, attempt_id=cleared.attempt_id, vault=desk.vault)
        assert refused.value.reason is RefusalReason.CALLER_UNPROVEN
    assert reason(desk.ask(caller_number_id=allowed.number_id)) is RefusalReason.CALLER_UNPROVEN
    assert log(desk) == [
        f"caller-number.{act}" for act in ("asked", "check-begun", "proven", "allowed", "withdrawn")
    ]


def test_the_right_ends_with_its_paper_and_both_sides_are_told_before(desk: Caller, line: Line) -> None:
    number_id = allow(desk, line, starts_at=MONDAY_NOON, ends_at=MONDAY_NOON + 60 * DAY)
    moment = dt.timedelta(microseconds=1)
    assert (
        reason(desk.ask(caller_number_id=number_id, at=MONDAY_NOON - moment)) is RefusalReason.CALLER_UNPROVEN
    )
    assert reason(desk.ask(caller_number_id=number_id)) is None
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        one = numbers.get(session, tenant_id=desk.tenant_id, number_id=number_id)
    assert one.right is not None
    assert one.may_be_shown(MONDAY_NOON + 60 * DAY - moment)
    assert not one.may_be_shown(MONDAY_NOON + 60 * DAY)
    assert (one.right.holder_name, one.right.standing(MONDAY_NOON)) == ("Pelican Parcel Ltd", Standing.STANDS)
    assert proving.tell(desk.gate, tenant_id=desk.tenant_id, at=MONDAY_NOON) == 0
    assert proving.tell(desk.gate, tenant_id=desk.tenant_id, at=MONDAY_NOON + 40 * DAY) == 1
    assert proving.tell(desk.gate, tenant_id=desk.tenant_id, at=MONDAY_NOON + 41 * DAY) == 0
    assert proving.tell(desk.gate, tenant_id=desk.tenant_id, at=MONDAY_NOON + 61 * DAY) == 1


def test_only_the_code_that_was_told_proves_it_for_an_hour_and_five_tries(desk: Caller, line: Line) -> None:
    asked = ask(desk, line)
    assert prove(desk, asked, "204817") is Proof.OVER  # nobody has called yet
    with clock.hold(MONDAY_NOON):
        code = telephony.told_code(desk.gate, desk.vault, asked)
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        for _ in range(MOST_WRONG):
            assert prove(desk, asked, wrong) is Proof.WRONG
        assert prove(desk, asked, code) is Proof.OVER  # too many were wrong
        assert (find(desk, asked).is_failed, find(desk, asked).code_until) == (True, None)
        older = telephony.told_code(desk.gate, desk.vault, asked)
        code = telephony.told_code(desk.gate, desk.vault, asked)
        if older != code:
            assert prove(desk, asked, older) is Proof.WRONG
        assert prove(desk, asked, "") is Proof.WRONG
        clock.advance(CODE_COUNTS)
        assert prove(desk, asked, code) is Proof.OVER
    assert log(desk).count("caller-number.check-failed") == 1


def test_few_codes_are_made_for_a_request_and_the_one_that_came_back_is_gone(
    desk: Caller, line: Line
) -> None:
    asked = ask(desk, line)
    with clock.hold(MONDAY_NOON):
        codes = [telephony.told_code(desk.gate, desk.vault, asked) for _ in range(MOST_CODES)]
        assert find(desk, asked).codes_left == 0
        with pytest.raises(CallerNumberCodesError):  # nobody is called a fourth time
            telephony.told_code(desk.gate, desk.vault, asked)
        assert prove(desk, asked, codes[-1]) is Proof.PROVEN  # and the newest counts on
        assert prove(desk, asked, "anything") is Proof.PROVEN
    assert log(desk).count("caller-number.check-begun") == MOST_CODES
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        assert session.execute(text("SELECT code_ct FROM app.caller_numbers")).scalar_one() is None


def test_a_proof_nobody_decided_upon_lapses(desk: Caller, line: Line) -> None:
    asked = ask(desk, line)
    with clock.hold(MONDAY_NOON):
        prove(desk, asked, telephony.told_code(desk.gate, desk.vault, asked))
        assert find(desk, asked).is_proven(clock.now())
        clock.advance(PROOF_COUNTS)
        assert not find(desk, asked).is_proven(clock.now())
        with pytest.raises(CallerNumberUnprovenError):
            decide(desk, asked)
        prove(desk, asked, telephony.told_code(desk.gate, desk.vault, asked))
        assert decide(desk, asked).state is CallerNumberState.ALLOWED


def test_a_proof_is_of_one_request_alone(desk: Caller, line: Line) -> None:
    first = ask(desk, line)
    code = telephony.told_code(desk.gate, desk.vault, first)
    prove(desk, first, code)
    withdraw(desk, first)
    second = ask(desk, line)
    with pytest.raises(CallerNumberUnprovenError):
        decide(desk, second)
    assert prove(desk, second, code) is Proof.OVER


def test_what_somebody_rents_here_by_now_is_theirs_to_show(
    desk: Caller, line: Line, tenant_b: TenantId
) -> None:
    number_id = allow(desk, line)

    def shown() -> NumberId | None:
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            return by_hand.number_to_show(
                session, tenant_id=desk.tenant_id, queue_id=line.queue_id, at=MONDAY_NOON
            )

    with clock.hold(MONDAY_NOON):
        cleared = desk.place(caller_number_id=number_id)
        assert isinstance(cleared, Clearance)
        assert proving.end_provided(desk.gate, tenant_id=desk.tenant_id) == 0
        theirs = telephony.line(desk.gate, tenant_b, digits=ELSEWHERE, queue="Theirs")
        assert reason(desk.ask(caller_number_id=number_id)) is RefusalReason.CALLER_UNPROVEN
        with (
            pytest.raises(ForbiddenSinceError),  # cleared before, and dialled a second after
            desk.gate.open(Scope.system(desk.tenant_id)) as session,
        ):
            redeem(session, tenant_id=desk.tenant_id, attempt_id=cleared.attempt_id, vault=desk.vault)
        assert shown() == desk.number_id  # agents go on, and show what the company rents
        assert proving.end_provided(desk.gate, tenant_id=desk.tenant_id) == 1
        assert proving.end_provided(desk.gate, tenant_id=desk.tenant_id) == 0
        with desk.gate.open(Scope.system(tenant_b)) as session:
            numbers.release(session, tenant_id=tenant_b, number_id=theirs.number_id)
        assert reason(desk.ask(caller_number_id=number_id)) is RefusalReason.CALLER_UNPROVEN  # for good
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        (ended,) = caller_numbers.all_of(session, tenant_id=desk.tenant_id)
    assert ended.state is CallerNumberState.PROVIDED
    assert log(desk)[-1] == "caller-number.provided"


def test_a_number_that_comes_into_stock_ends_what_is_shown_and_nothing_else(desk: Caller, line: Line) -> None:
    allow(desk, line)
    kept = allow(desk, line, digits=E164("+442079460188"))
    waits = ask(desk, line, digits=E164("+442079460189"))
    for digits in (ELSEWHERE, "+442079460189"):
        telephony.stocked(desk.gate, digits)
    assert proving.end_provided(desk.gate, tenant_id=desk.tenant_id) == 1
    assert reason(desk.ask(caller_number_id=kept)) is None
    assert find(desk, waits).state is CallerNumberState.ASKED  # the staff refuse it themselves


@pytest.mark.parametrize(
    ("part", "differs"),
    [
        ("number", {"digits": E164("+449098790000")}),  # premium: whoever calls it pays
        ("number", {"digits": E164("+447012345678")}),  # personal
        ("number", {"digits": E164("+881612345678")}),  # satellite
        ("holder_name", {"holder_name": " "}),
        ("holder_name", {"holder_name": "x" * 81}),
        ("paper", {"paper": Paper.RANGE}),  # the regulator's allocation is no client's
        ("reference", {"reference": ""}),
        ("reference", {"reference": "a\nb"}),
        ("ends_on", {"ends_at": MONDAY_NOON - 2 * DAY}),
        ("ends_on", {"starts_at": MONDAY_NOON + DAY, "ends_at": MONDAY_NOON + DAY}),
        ("ends_on", {"starts_at": MONDAY_NOON, "ends_at": MONDAY_NOON + 1100 * DAY}),
    ],
)
def test_what_cannot_be_so_is_not_asked(desk: Caller, line: Line, part: str, differs: dict[str, Any]) -> None:
    with pytest.raises(CallerNumberError) as refused:
        ask(desk, line, **differs)
    assert refused.value.details["field"] == part


def test_a_paper_is_a_document_or_a_picture_and_is_kept_sealed(desk: Caller, line: Line) -> None:
    asked = ask(desk, line)
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        key: dict[str, Any] = {"tenant_id": desk.tenant_id, "vault": desk.vault}
        assert caller_numbers.paper(session, caller_number_id=asked.caller_number_id, **key) == (
            PAPER,
            "application/pdf",
        )
        row = session.execute(text("SELECT * FROM app.caller_numbers")).one()
        assert b"Pelican" not in bytes(row.file_ct)
        wanted = dataclasses.replace(asked.asked, digits=E164("+442079460188"))
        for data, kind in ((b"\x89PNG\r\n\x1a\n..", "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg")):
            made = caller_numbers.ask(session, wanted=wanted, file_name="a\nb", data=data, by=new_id(), **key)
            assert (made.file_kind, made.file_name) == (kind, "a b")
            caller_numbers.withdraw(
                session, tenant_id=desk.tenant_id, caller_number_id=made.caller_number_id, by=new_id()
            )
        for data in (b"", b"MZ\x90", b"<html>", PAPER + bytes(LARGEST)):
            with pytest.raises(CallerPaperError):
                caller_numbers.ask(session, wanted=wanted, file_name="x", data=data, by=new_id(), **key)


def test_a_number_is_asked_for_once_at_a_time_and_never_when_it_is_rented(desk: Caller, line: Line) -> None:
    first = ask(desk, line)
    with pytest.raises(CallerNumberThereError):
        ask(desk, line)
    with pytest.raises(CallerNumberThereError):
        ask(desk, line, digits=E164(telephony.DIALLED))
    withdraw(desk, first)
    assert withdraw(desk, first).state is CallerNumberState.WITHDRAWN  # twice is once
    second = ask(desk, line)
    assert decide(desk, second, why="The paper names another number.").reason.startswith("The paper")
    assert ask(desk, line).state is CallerNumberState.ASKED
    with pytest.raises(CallerNumberChangedError):
        withdraw(desk, second)
    with pytest.raises(QueueNotFoundError):
        ask(desk, dataclasses.replace(line, queue_id=QueueId(new_id())), digits=E164("+442079460188"))


def test_few_numbers_wait_and_one_is_asked_for_seldom(desk: Caller, line: Line) -> None:
    for _ in range(MOST_FOR_ONE):
        withdraw(desk, ask(desk, line))
    with pytest.raises(TooManyCallerNumbersError) as refused:
        ask(desk, line)  # withdrawn or not: whoever answers there is not called on and on
    assert refused.value.details["most"] == MOST_FOR_ONE
    made = [ask(desk, line, digits=E164(f"+4420794601{n:02d}")) for n in range(MOST_ASKED - MOST_FOR_ONE)]
    withdraw(desk, made[-1])
    other = E164("+442079460188")
    with pytest.raises(TooManyCallerNumbersError) as refused:
        ask(desk, line, digits=other)
    assert refused.value.details["most"] == MOST_ASKED

    def later(days: int, digits: E164) -> CallerNumber:
        with clock.hold(MONDAY_NOON + (days - 1) * DAY):
            return telephony.asked_elsewhere(desk.gate, desk.vault, line, digits=digits)

    assert later(1, other).state is CallerNumberState.ASKED
    with pytest.raises(TooManyCallerNumbersError):
        later(29, ELSEWHERE)
    assert later(30, ELSEWHERE).state is CallerNumberState.ASKED


def test_what_was_done_since_it_was_looked_at_stands_in_the_way(desk: Caller, line: Line) -> None:
    asked = ask(desk, line, ends_at=MONDAY_NOON + 2 * DAY)
    with clock.hold(MONDAY_NOON):
        code = telephony.told_code(desk.gate, desk.vault, asked)
        prove(desk, asked, code)
    for why in ("", "No."):
        with pytest.raises(CallerNumberChangedError):
            decide(desk, asked, revision=asked.revision, why=why)
    with pytest.raises(CallerNumberError):
        decide(desk, asked, why=" ")
    with clock.hold(MONDAY_NOON + 3 * DAY), pytest.raises(CallerNumberError):
        decide(desk, asked)  # its paper has ended
    with pytest.raises(CallerNumberError):
        withdraw(desk, asked, is_operators=True)  # the staff say why
    decide(desk, asked, why="The paper is another company’s.")
    for act in (lambda: decide(desk, asked), lambda: telephony.told_code(desk.gate, desk.vault, asked)):
        with pytest.raises(CallerNumberChangedError):
            act()
    with pytest.raises(CallerNumberChangedError):
        prove(desk, asked, code)


def test_a_newer_request_replaces_the_older_one_and_keeps_the_number(desk: Caller, line: Line) -> None:
    first = allow(desk, line, ends_at=MONDAY_NOON + 20 * DAY)
    second = allow(desk, line, ends_at=MONDAY_NOON + 400 * DAY, reference="C-2027-4")
    assert first == second
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = caller_numbers.all_of(session, tenant_id=desk.tenant_id)
        assert [one.state for one in found] == [CallerNumberState.ALLOWED, CallerNumberState.REPLACED]
        (shown,) = [one for one in numbers.shown_by(session, tenant_id=desk.tenant_id) if one.is_elsewhere]
    assert shown.right is not None
    assert shown.right.reference == "C-2027-4"
    assert reason(desk.ask(caller_number_id=first)) is None


def test_agents_of_its_queue_show_it_and_a_campaign_may_choose_it(desk: Caller, line: Line) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        other = queues.open_queue(session, tenant_id=desk.tenant_id, name="Returns").queue_id
    number_id = allow(desk, line)

    def shown(queue_id: Any, dialled: str = "") -> NumberId | None:
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            return by_hand.number_to_show(
                session, tenant_id=desk.tenant_id, queue_id=queue_id, at=MONDAY_NOON, dialled=dialled
            )

    assert shown(line.queue_id) == number_id
    assert shown(line.queue_id, telephony.DIALLED) == desk.number_id  # by which the caller came
    assert shown(other) == desk.number_id
    with clock.hold(MONDAY_NOON), desk.gate.open(Scope.system(desk.tenant_id)) as session:
        made = plans.create(
            session,
            tenant_id=desk.tenant_id,
            queue_id=other,
            number_id=number_id,
            settings=Settings(name="Winter"),
            by=new_id(),
        )
    assert made.number_id == number_id


def test_nobody_is_reached_on_it_and_nothing_is_led_by_it(
    desk: Caller, line: Line, tenant_b: TenantId, tmp_path: Path
) -> None:
    theirs = telephony.line(desk.gate, tenant_b, digits=ELSEWHERE, queue="Theirs")  # in our own stock
    number_id = allow(desk, line)
    key: dict[str, Any] = {"tenant_id": desk.tenant_id, "number_id": number_id}
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        assert [one.number_id for one in numbers.all_of(session, tenant_id=desk.tenant_id)] == [
            desk.number_id
        ]
        assert [one.number_id for one in numbers.ever(session, tenant_id=desk.tenant_id)] == [desk.number_id]
        with pytest.raises(NumberNotFoundError):
            numbers.set_up(session, queue_id=desk.queue_id, greeting="", language="en", revision=1, **key)
        with pytest.raises(NumberNotFoundError):
            numbers.lead_into(session, flow_id=None, revision=1, **key)
        with pytest.raises(NumberNotFoundError):
            numbers.release(session, **key)
        with pytest.raises(NumberNotFoundError):
            forwarding.set_up(session, to=None, revision=1, vault=desk.vault, **key)
        with pytest.raises(NumberNotFoundError):
            numbers.stop_showing(session, tenant_id=desk.tenant_id, number_id=desk.number_id)
    found = Directory(desk.gate, desk.vault, lambda _text, _language: None, sounds=tmp_path)
    with pytest.raises(NumberNotFoundError):
        found.entry(desk.tenant_id, number_id)
    line_of_theirs = found.find(ELSEWHERE)
    assert line_of_theirs is not None
    assert line_of_theirs.number.tenant_id == tenant_b
    assert theirs.number_id != number_id


def test_another_company_is_not_there_and_may_ask_for_the_same(
    desk: Caller, line: Line, gate: Gate, vault: Vault, tenant_b: TenantId
) -> None:
    first = ask(desk, line)
    with gate.open(Scope.system(tenant_b)) as session:
        for key in (first.caller_number_id, CallerNumberId(new_id())):
            with pytest.raises(CallerNumberNotFoundError):
                caller_numbers.find(session, tenant_id=tenant_b, caller_number_id=key)
            with pytest.raises(CallerNumberNotFoundError):
                caller_numbers.prove(
                    session, tenant_id=tenant_b, vault=vault, caller_number_id=key, code="204817"
                )
        assert caller_numbers.all_of(session, tenant_id=tenant_b) == []
    theirs = telephony.line(gate, tenant_b, digits="+442079460134")
    with clock.hold(MONDAY_NOON - DAY):
        second = telephony.asked_elsewhere(gate, vault, theirs)
    assert second.state is first.state  # nothing tells that somebody else waits for it
    assert public("cnum", second.caller_number_id) == second.ref
