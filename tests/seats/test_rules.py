"""Which states follow which, and who pays."""

import itertools
from uuid import UUID

import pytest

from core.ids import TenantId, new_id
from seats import rules
from seats.errors import IllegalTransitionError, PayerError, SubjectError, UnknownStateError
from seats.rules import Activity

RENTER = TenantId(new_id())
OTHER = TenantId(new_id())
CALL, NEXT_CALL = new_id(), new_id()
BUSY = sorted(rules.WORKING)


def steps(*states: str) -> None:
    """Walk through the states; working ones belong to one call, a state marked `*` to the next."""
    for before, after in itertools.pairwise(states):
        rules.check_transition(
            state=before.rstrip("*"),
            subject_ref=subject(before),
            next_state=after.rstrip("*"),
            next_subject_ref=subject(after),
        )


def subject(state: str) -> UUID | None:
    if rules.activity(state.rstrip("*")) not in rules.WORKING:
        return None
    return NEXT_CALL if state.endswith("*") else CALL


@pytest.mark.parametrize(
    "walk",
    [
        "available reserved ringing talking holding talking wrap_up available",
        "available reserved talking wrap_up away:meal available",
        "available reserved available",
        "available ringing away:missed available",
        "available reserved offline away:back available",
        "available dialling talking wrap_up dialling* talking* wrap_up* available",
        "talking dialling talking",
        "talking offline talking wrap_up",
        "away:meal dialling wrap_up away:meal",
        "away:meal away:training away:meal",
        "talking available",
    ],
)
def test_a_working_day_is_allowed(walk: str) -> None:
    steps(*walk.split())


@pytest.mark.parametrize(
    "walk",
    [
        "available talking",
        "available holding",
        "available wrap_up",
        "reserved holding",
        "ringing reserved",
        "ringing wrap_up",
        "talking reserved",
        "talking ringing",
        "wrap_up talking",
        "wrap_up reserved",
        "away:meal reserved",
        "away:meal talking",
        "offline reserved",
        "offline ringing",
    ],
)
def test_what_cannot_follow_is_refused(walk: str) -> None:
    with pytest.raises(IllegalTransitionError):
        steps(*walk.split())


@pytest.mark.parametrize(
    "walk", ["talking talking*", "ringing talking*", "talking wrap_up*", "talking dialling*"]
)
def test_nobody_slides_from_one_call_into_another(walk: str) -> None:
    with pytest.raises(IllegalTransitionError):
        steps(*walk.split())


@pytest.mark.parametrize("state", [*(a.value for a in Activity if a is not Activity.AWAY), "away:x"])
def test_written_states_are_read_back(state: str) -> None:
    assert rules.activity(state) == state.partition(":")[0]


@pytest.mark.parametrize(
    "state",
    ["", "away", "away:", "away:Meal", "away:9", "away:a b", f"away:{'a' * 32}", "available:x", "ready"],
)
def test_other_states_are_unknown(state: str) -> None:
    with pytest.raises(UnknownStateError):
        rules.activity(state)


def test_an_away_reason_is_written_in_one_way() -> None:
    assert rules.away("team-meeting") == "away:team-meeting"
    with pytest.raises(UnknownStateError):
        rules.away("a\n")


@pytest.mark.parametrize("state", BUSY)
def test_work_needs_its_work_item(state: str) -> None:
    with pytest.raises(SubjectError):
        rules.check_moment(state=state, payer_tenant_id=None, subject_ref=None)


@pytest.mark.parametrize("state", ["available", "offline", "away:meal"])
def test_without_work_there_is_no_work_item(state: str) -> None:
    with pytest.raises(SubjectError):
        rules.check_moment(state=state, payer_tenant_id=None, subject_ref=CALL)


@pytest.mark.parametrize("state", ["offline", "away:meal"])
def test_nobody_can_be_made_to_pay_for_time_away(state: str) -> None:
    with pytest.raises(PayerError):
        rules.check_moment(state=state, payer_tenant_id=RENTER, subject_ref=None)
    assert rules.payer(state=state, seat_renter=RENTER, work_tenant=RENTER) is None


@pytest.mark.parametrize("state", ["available", *BUSY])
def test_renter_pays_for_waiting_and_working_on_a_dedicated_seat(state: str) -> None:
    assert rules.payer(state=state, seat_renter=RENTER) == RENTER
    assert rules.payer(state=state, seat_renter=RENTER, work_tenant=RENTER) == RENTER


@pytest.mark.parametrize("state", BUSY)
def test_whoever_owns_the_work_pays_for_it_on_any_seat(state: str) -> None:
    assert rules.payer(state=state, work_tenant=OTHER) == OTHER
    assert rules.payer(state=state, seat_renter=RENTER, work_tenant=OTHER) == OTHER


def test_pooled_agent_who_waits_is_idle() -> None:
    assert rules.payer(state="available") is None
    assert rules.payer(state="available", work_tenant=OTHER) is None
