"""What may follow what, without a database."""

import datetime as dt
import itertools

import pytest

from campaigns.errors import CampaignSettingError, CampaignStateError
from campaigns.export import guarded
from campaigns.pacing import Demand, lines, share
from campaigns.rules import (
    DEFAULT_WAITS,
    RETRIED,
    UNATTEMPTED,
    WORKING_HOURS,
    LeadState,
    Outcome,
    Settings,
    State,
    after,
    check,
    may_turn,
    open_zones,
    turn,
    zone_among,
)
from core.ids import new_id
from telephony.outbound.hours import Window

AT = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)  # a Monday


@pytest.mark.parametrize(
    ("path", "is_right"),
    [
        ("draft running paused running stopped", True),
        ("draft running finished running", True),
        ("draft paused", False),
        ("stopped running", False),
        ("draft finished", False),
        ("running draft", False),
    ],
)
def test_a_campaigns_states_follow_each_other(path: str, *, is_right: bool) -> None:
    states = [State(one) for one in path.split()]
    assert all(may_turn(one, other) for one, other in itertools.pairwise(states)) is is_right
    if not is_right:
        with pytest.raises(CampaignStateError):
            turn(states[0], states[1])


@pytest.mark.parametrize(
    ("outcome", "attempts", "state", "minutes"),
    [
        (Outcome.CONNECTED, 1, LeadState.REACHED, None),
        (Outcome.UNALLOCATED, 1, LeadState.UNREACHABLE, None),
        (Outcome.LOST, 1, LeadState.UNKNOWN, None),
        (Outcome.BUSY, 1, LeadState.RETRY, 15),
        (Outcome.BUSY, 3, LeadState.EXHAUSTED, None),
        (Outcome.ABANDONED, 2, LeadState.RETRY, 4320),
        (Outcome.NO_AGENT, 0, LeadState.WAITING, 0),
        (Outcome.EXPIRED, 1, LeadState.RETRY, 0),
    ],
)
def test_an_outcome_decides_what_becomes_of_a_lead(
    outcome: Outcome, attempts: int, state: LeadState, minutes: int | None
) -> None:
    found = after(outcome, attempts=attempts, max_attempts=3, waits=DEFAULT_WAITS, at=AT)
    assert found.state is state
    moment = dt.timedelta(seconds=5 if minutes == 0 else 0)
    assert found.due_at == (None if minutes is None else AT + dt.timedelta(minutes=minutes) + moment)


def test_every_outcome_leads_somewhere() -> None:
    for outcome in Outcome:
        for attempts in range(4):
            found = after(outcome, attempts=attempts, max_attempts=3, waits={}, at=AT)
            assert (found.due_at is None) == (found.state not in {LeadState.WAITING, LeadState.RETRY})
    assert set(DEFAULT_WAITS) == set(RETRIED)
    assert not set(RETRIED) & UNATTEMPTED


def test_only_zones_in_their_hours_are_called() -> None:
    zones = ["Europe/London", "America/Los_Angeles", "Asia/Shanghai", "Nowhere/Land"]
    assert open_zones(zones, WORKING_HOURS, AT) == ["Europe/London"]
    assert open_zones(zones, WORKING_HOURS, AT.replace(hour=11)) == ["Europe/London", "Asia/Shanghai"]
    assert open_zones(zones, WORKING_HOURS, AT.replace(hour=18)) == ["Europe/London", "America/Los_Angeles"]


@pytest.mark.parametrize(
    ("field", "differs"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a\nb"}),
        ("name", {"name": "n" * 81}),
        ("window", {"window": Window(dt.time(7), dt.time(20), frozenset({1}))}),
        ("window", {"window": Window(dt.time(9), dt.time(21, 1), frozenset({1}))}),
        ("ring_s", {"ring_s": 14}),
        ("ring_s", {"ring_s": 61}),
        ("max_attempts", {"max_attempts": 0}),
        ("waits", {"waits": {Outcome.BUSY: 0}}),
        ("waits", {"waits": {Outcome.CONNECTED: 5}}),
        ("max_per_second", {"max_per_second": 21}),
        ("script", {"script": "s" * 8001}),
    ],
)
def test_a_setting_that_cannot_stand_is_named(field: str, differs: dict[str, object]) -> None:
    given: dict[str, object] = {"name": "Winter", **differs}
    with pytest.raises(CampaignSettingError) as raised:
        check(Settings(**given))  # type: ignore[arg-type] # a test's table
    assert raised.value.details["field"] == field
    check(Settings(name="Winter"))


@pytest.mark.parametrize(
    ("free", "in_flight", "per_second", "left", "wanted"),
    [(5, 3, 2, 100, 2), (0, 0, 9, 9, 0), (2, 5, 9, 9, 0), (9, 0, 9, 4, 4), (9, 0, 2, 4, 2)],
)
def test_no_more_lines_than_free_agents(
    free: int, in_flight: int, per_second: int, left: int, wanted: int
) -> None:
    assert lines(free=free, in_flight=in_flight, per_second=per_second, left=left) == wanted


def test_an_agent_is_spent_on_one_campaign() -> None:
    ann, bob, cat = sorted(new_id() for _ in range(3))
    demands = [
        Demand(new_id(), frozenset({ann, bob, cat})),
        Demand(new_id(), frozenset({ann})),
        Demand(new_id(), frozenset()),
    ]
    for turn_no in range(4):
        given = share(demands, turn=turn_no)
        assert given[demands[1].campaign_id] == {ann}  # who has no other comes first
        assert given[demands[0].campaign_id] == {bob, cat}
        assert given[demands[2].campaign_id] == set()
    assert share([], turn=1) == {}


def test_the_first_pick_goes_round() -> None:
    agent = new_id()
    demands = [Demand(new_id(), frozenset({agent})) for _ in range(3)]
    chosen = [next(one for one, got in share(demands, turn=at).items() if got) for at in range(3)]
    assert chosen == [one.campaign_id for one in demands]


@pytest.mark.parametrize(
    ("zones", "home", "found"),
    [
        (("Europe/London",), "America/New_York", "Europe/London"),
        (("America/Chicago", "America/New_York"), "America/New_York", "America/New_York"),
        (("America/Chicago", "America/New_York"), "Europe/London", None),
        (("Europe/Guernsey", "Europe/London"), "Asia/Shanghai", "Europe/Guernsey"),  # the same hour all year
        ((), "Europe/London", None),
    ],
)
def test_a_numbers_zone_is_told_only_where_it_is_certain(
    zones: tuple[str, ...], home: str, found: str | None
) -> None:
    assert zone_among(zones, home=home) == found


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+447700900123", "+447700900123"),
        ("+44 (20) 7946-0101", "+44 (20) 7946-0101"),
        ("-5", "-5"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_no_cell_on_the_way_out_is_a_formula(cell: str, written: str) -> None:
    assert guarded(cell) == written
