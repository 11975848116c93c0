"""The simulator: against the exact formula, against itself, and what it says of the models."""

import math
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ids import QueueId
from telephony.routing.simulator import (
    ARMS,
    POOLED,
    Figures,
    Outcome,
    Seats,
    SimulatedCall,
    Stream,
    attended_ms,
    compare,
    generate,
    loads_of,
    share_out,
    simulate,
    staff,
)
from telephony.routing.strategy import Model, Policy

ONE, TWO = QueueId(UUID(int=1)), QueueId(UUID(int=2))
_MINUTE = 60_000


def erlang_a(*, arrivals: float, service: float, patience: float, servers: int) -> float:
    """Return the share of callers who give up in M/M/n+M, from its birth and death rates."""
    weights, weight = [1.0], 1.0
    for here in range(1, servers + 400):
        weight *= arrivals / (min(here, servers) * service + max(0, here - servers) * patience)
        weights.append(weight)
    waiting = sum(max(0, here - servers) * one for here, one in enumerate(weights)) / math.fsum(weights)
    return patience * waiting / arrivals


def test_it_agrees_with_erlang_a() -> None:
    seats, work_s, patience_s, load = 12, 60.0, 90.0, 1.0
    # exponential lengths: a lognormal one of the same variation has nearly the same share of givers-up
    stream = Stream(ONE, "", 1, work_s, patience_s, spread=1.0)
    calls = generate([stream], seats=seats, load=load, hours=60, seed=7, unsteady=0.0)
    got = simulate(calls, staff([Seats(ONE, "", seats)]), Policy()).whole.abandonment
    exact = erlang_a(
        arrivals=load * seats / work_s, service=1 / work_s, patience=1 / patience_s, servers=seats
    )
    assert got == pytest.approx(exact, rel=0.06)


def test_the_same_seed_gives_the_same_day_and_the_same_outcome() -> None:
    streams = [Stream(ONE, "north", 2, 120, 60), Stream(ONE, "south", 1, 120, 60)]
    calls = generate(streams, seats=9, load=0.95, hours=2, seed=3)
    assert calls == generate(streams, seats=9, load=0.95, hours=2, seed=3)
    assert calls != generate(streams, seats=9, load=0.95, hours=2, seed=4)
    seats = share_out(loads_of(calls), 9)
    policy = Policy(Model.PROGRESSIVE)
    assert simulate(calls, staff(seats), policy) == simulate(calls, staff(seats), policy)


def test_each_model_is_compared_on_the_same_calls_and_wider_is_never_worse_for_who_gives_up() -> None:
    streams = [
        Stream(queue, region, share, 130, 90)
        for queue, share in ((ONE, 2), (TWO, 1))
        for region in ("north", "south")
    ]
    calls = generate(streams, seats=40, load=0.95, hours=6, seed=11)
    seats = share_out(loads_of(calls), 40)
    told: list[tuple[str, float]] = []
    found = compare(
        calls,
        seats,
        Policy(helpers={ONE: (TWO,), TWO: (ONE,)}),
        progress=lambda arm, share: told.append((arm, share)),
    )
    assert list(found) == list(ARMS)
    assert {one.whole.offered for one in found.values()} == {len(calls)}
    gave_up = {arm: one.whole.abandonment for arm, one in found.items()}
    assert gave_up[POOLED] < gave_up[Model.PROGRESSIVE] < gave_up[Model.BRAND] < gave_up[Model.FIXED]
    wasted = {arm: one.idle_beside for arm, one in found.items()}
    assert wasted[POOLED] == 0
    assert 0 < wasted[Model.PROGRESSIVE] < wasted[Model.BRAND] < wasted[Model.FIXED]
    assert found[Model.FIXED].away == 0
    assert found[Model.PROGRESSIVE].away > 0
    assert [share for arm, share in told if arm == POOLED][-1] == 1.0


def test_what_is_answered_away_from_home_takes_longer_where_that_is_so() -> None:
    calls = [SimulatedCall(at * 1_000, ONE, "south", _MINUTE, 10 * _MINUTE) for at in range(3)]
    seats = staff([Seats(ONE, "north", 3)])
    policy = Policy(Model.PROGRESSIVE)
    assert simulate(calls, seats, policy).busy_ms == 3 * _MINUTE
    assert simulate(calls, seats, policy, foreign=1.5).busy_ms == 4.5 * _MINUTE


def test_who_is_free_beside_callers_of_others_is_counted_one_for_each_caller() -> None:
    """One agent of ONE has two calls for two minutes; two of TWO are free, and one of them was wanted."""
    calls = [SimulatedCall(0, ONE, "", _MINUTE, 10 * _MINUTE)] * 2
    found = simulate(calls, staff([Seats(ONE, "", 1), Seats(TWO, "", 2)]), Policy())
    assert (found.beside_ms, found.busy_ms) == (_MINUTE, 2 * _MINUTE)


def test_a_night_is_no_idle_time() -> None:
    calls = [SimulatedCall(at * _MINUTE, ONE, "", _MINUTE, _MINUTE) for at in (0, 30, 480, 490)]
    assert attended_ms(calls) == 100 * _MINUTE
    assert simulate(calls, staff([Seats(ONE, "", 2)]), Policy()).utilisation == 4 / 200


def test_ninety_five_of_a_hundred_wait_no_longer_than_that() -> None:
    found = Figures(offered=100, answered=100, waits_ms=list(range(100_000, 0, -1_000)))
    assert found.answer_95_s == 95.0
    assert Figures().answer_95_s == 0.0


def test_no_calls_make_no_figures() -> None:
    empty = simulate([], staff([Seats(ONE, "", 2)]), Policy())
    assert (empty.whole.service_level, empty.worst.offered, empty.utilisation) == (1.0, 0, 0.0)
    assert empty == Outcome()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.builds(
            SimulatedCall,
            st.integers(0, 600_000),
            st.sampled_from([ONE, TWO]),
            st.sampled_from(["", "north", "south"]),
            st.integers(1, 120_000),
            st.integers(0, 60_000),
        ),
        max_size=60,
    ),
    st.sampled_from(Model),
)
def test_every_caller_is_answered_or_gives_up_and_nobody_waits_longer_than_they_would(
    calls: list[SimulatedCall], model: Model
) -> None:
    calls.sort(key=lambda one: one.at_ms)
    seats = staff([Seats(ONE, "north", 1), Seats(TWO, "", 2)])
    found = simulate(calls, seats, Policy(model, helpers={ONE: (TWO,)}))
    whole = found.whole
    assert whole.offered == whole.answered + whole.abandoned == len(calls)
    assert whole.within <= whole.answered
    assert whole.wait_ms <= sum(one.patience_ms for one in calls)


@given(
    st.dictionaries(
        st.tuples(st.just(ONE), st.sampled_from(["", "a", "b", "c"])), st.floats(0.1, 50), min_size=1
    ),
    st.integers(10, 200),
)
def test_seats_are_shared_out_whole_and_everybody_has_one(
    loads: dict[tuple[QueueId, str], float], seats: int
) -> None:
    shared = share_out(loads, seats)
    assert sum(one.count for one in shared) == seats
    assert {(one.queue, one.region) for one in shared} == set(loads)
    assert min(one.count for one in shared) >= 1


def test_seats_go_by_load_and_its_root() -> None:
    assert [one.count for one in share_out({(ONE, ""): 64.0, (TWO, ""): 16.0}, 92)] == [72, 20]
