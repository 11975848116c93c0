"""A call's story: the stretches of its recording in which nobody talks to the caller."""

import datetime as dt

import pytest

from telephony.calls import Step
from web.shown import steps

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)


def happened(*told: tuple[int, str]) -> list[Step]:
    return [
        Step(place, AT + dt.timedelta(seconds=seconds), kind.partition(":")[0], {"on": kind.endswith(":on")})
        for place, (seconds, kind) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "silent"),
    [
        ([(5, "held:on"), (9, "held")], [(5, 9)]),
        ([(5, "transferred"), (8, "offer-lost"), (20, "bridged")], [(5, 20)]),
        ([(5, "consulted"), (9, "agent-answered"), (20, "merged"), (30, "consult-ended")], [(5, 20)]),
        ([(5, "consulted"), (12, "swapped"), (20, "swapped"), (30, "agent-left")], [(5, 12), (20, 30)]),
        ([(5, "consulted"), (9, "offer-lost"), (40, "transferred")], [(5, 9), (40, 60)]),
        ([(2, "offer-lost"), (4, "bridged")], []),
    ],
)
def test_the_recording_shows_where_the_caller_waits(
    told: list[tuple[int, str]], silent: list[tuple[float, float]]
) -> None:
    assert steps.holds(happened(*told), started_at=AT, length_s=60) == silent
