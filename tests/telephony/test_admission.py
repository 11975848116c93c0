"""The order of degradation: degrees rise in order, fall slowly, and nobody is refused before the last."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.admission import (
    BOX,
    CALM,
    COMPANY,
    MARGIN,
    Bounds,
    Degree,
    Gauge,
    Standing,
    follow,
    has_channel,
)

START = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.UTC)
HUNDRED = Bounds(at_once=100, per_second=40)
LADDERS = st.sampled_from([BOX, COMPANY])
LOADS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 250)), max_size=60)


def stood(loads: list[tuple[int, int]], ladder: dict[Degree, int]) -> list[tuple[dt.datetime, int, Standing]]:
    """Return how it stands after each load; each is (milliseconds after the last, percent)."""
    at, standing, story = START, Standing(), []
    for later_ms, percent in loads:
        at += dt.timedelta(milliseconds=later_ms)
        standing = follow(standing, percent, at, ladder)
        story.append((at, percent, standing))
    return story


@pytest.mark.parametrize(
    ("percent", "degree"),
    [
        (0, Degree.FULL),
        (69, Degree.FULL),
        (70, Degree.RECORDINGS),
        (80, Degree.MUSIC),
        (90, Degree.CAMPAIGNS),
        (100, Degree.CAMPAIGNS),
        (101, Degree.BUSY),
    ],
)
def test_degree_begins_where_the_table_says(percent: int, degree: Degree) -> None:
    assert follow(Standing(), percent, START, BOX).degree is degree


def test_load_is_the_fuller_of_the_two_and_one_more_than_full_is_too_much() -> None:
    assert HUNDRED.percent(at_once=60, in_a_second=30) == 75
    assert HUNDRED.percent(at_once=100, in_a_second=1) == 100
    assert Bounds(at_once=1000, per_second=1000).percent(at_once=1001, in_a_second=0) == 101


@given(loads=LOADS, ladder=LADDERS)
def test_degree_is_on_only_with_all_below_it(loads: list[tuple[int, int]], ladder: dict[Degree, int]) -> None:
    order = list(ladder)
    for _at, _percent, standing in stood(loads, ladder):
        assert [degree for degree, _since in standing.since] == order[: len(standing.since)]
        assert all(before[1] <= after[1] for before, after in pairwise(standing.since))


@given(loads=LOADS, ladder=LADDERS)
def test_more_load_at_the_same_time_never_means_a_lower_degree(
    loads: list[tuple[int, int]], ladder: dict[Degree, int]
) -> None:
    before = stood(loads, ladder)
    standing = before[-1][2] if before else Standing()
    at = (before[-1][0] if before else START) + dt.timedelta(milliseconds=1)
    degrees = [follow(standing, percent, at, ladder).degree for percent in range(0, 251, 5)]
    assert degrees == sorted(degrees)


@given(loads=LOADS)
def test_degree_falls_one_at_a_time_and_only_after_calm(loads: list[tuple[int, int]]) -> None:
    story = [(START, 0, Standing()), *stood(loads, dict(BOX))]
    for index, ((_, _, before), (at, percent, after)) in enumerate(pairwise(story)):
        if after.degree >= before.degree:
            continue
        assert after.degree == before.degree - 1
        assert before.calm_since is not None
        assert at - before.calm_since >= CALM
        since = [one for one in story[: index + 2] if one[0] >= before.calm_since and one[2] != Standing()]
        assert percent <= BOX[before.degree] - MARGIN
        assert all(one[1] <= BOX[before.degree] - MARGIN for one in since[1:])


@given(loads=LOADS, ladder=LADDERS)
def test_same_loads_give_the_same_degrees(loads: list[tuple[int, int]], ladder: dict[Degree, int]) -> None:
    assert stood(loads, ladder) == stood(loads, ladder)


@given(
    steps=st.lists(st.tuples(st.integers(0, 400), st.integers(-3, 5)), max_size=120),
    at_once=st.integers(1, 12),
    per_second=st.integers(1, 6),
)
def test_nobody_is_refused_before_every_lower_degree_is_on_and_bounds_hold(
    steps: list[tuple[int, int]], at_once: int, per_second: int
) -> None:
    gauge, at, live = Gauge(BOX, Bounds(at_once, per_second)), START, 0
    begun: list[dt.datetime] = []
    for later_ms, change in steps:
        at += dt.timedelta(milliseconds=later_ms)
        live = max(0, live + min(change, 0))  # some hang up
        for _ in range(max(change, 0)):  # some call
            if gauge.has_room(at, at_once=live):
                gauge.begins(at)
                begun.append(at)
                live += 1
            else:
                on = [degree for degree, _since in gauge.standing.since]
                assert on == [Degree.RECORDINGS, Degree.MUSIC, Degree.CAMPAIGNS, Degree.BUSY]
        assert live <= at_once
        assert sum(at - one < dt.timedelta(seconds=1) for one in begun) <= per_second


def test_everybody_is_let_in_again_when_it_has_been_calm() -> None:
    gauge = Gauge(BOX, Bounds(at_once=10, per_second=100))
    assert not gauge.has_room(START, at_once=10)
    assert gauge.look(START, at_once=2).degree is Degree.BUSY
    later = [START + n * CALM for n in range(1, 6)]
    assert [gauge.look(at, at_once=2).degree.value for at in later] == [3, 2, 1, 0, 0]


@given(in_use=st.integers(0, 200), channels=st.integers(1, 200))
def test_campaigns_leave_a_tenth_of_a_pool_to_everybody_else(in_use: int, channels: int) -> None:
    campaign, anybody = (
        has_channel(in_use=in_use, channels=channels, is_by_campaign=one) for one in (True, False)
    )
    assert anybody is (in_use < channels)
    assert anybody or not campaign
    assert campaign is (in_use + 1 <= channels * 9 // 10)
