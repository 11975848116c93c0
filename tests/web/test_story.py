"""A call's story: the stretches of its recording in which nobody talks to the caller."""

import dataclasses
import datetime as dt

import pytest
from flask import Flask

from telephony.calls import Call, Step
from telephony.conductor import timeline
from telephony.conductor.facts import Fact
from web.shown import steps

AT = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
# of whom these lines of the story say nothing
CALL = Call(**dict.fromkeys(one.name for one in dataclasses.fields(Call)))  # type: ignore[arg-type] # see above


def happened(*told: tuple[int, str]) -> list[Step]:
    return [
        Step(place, AT + dt.timedelta(seconds=seconds), kind.partition(":")[0], {"on": kind.endswith(":on")})
        for place, (seconds, kind) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "last"),
    [
        (
            ((5, "sent-outside"), (9, "outside-gone")),
            "Not reached outside: busy; back to the head of the queue",
        ),
        (((5, "sent-outside"), (7, "outside-answered"), (9, "outside-gone")), "The number outside: busy"),
        (((5, "outside-asked"), (9, "outside-gone")), "The number outside: busy"),
    ],
)
def test_a_number_outside_that_is_not_reached_says_where_the_caller_is(
    app: Flask, told: tuple[tuple[int, str], ...], last: str
) -> None:
    found = [dataclasses.replace(step, details={"cause": 17}) for step in happened(*told)]
    with app.test_request_context():
        assert steps.story(found, call=CALL, people={})[-1].text == last


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


@pytest.mark.parametrize("fact", Fact.__args__, ids=lambda fact: str(fact.__name__))
def test_every_fact_has_words_in_the_story(app: Flask, fact: type) -> None:
    kind = timeline.name(object.__new__(fact))
    call = dataclasses.replace(CALL, dialled="+442079460134", direction="inbound")
    with app.test_request_context():
        told = steps.story([Step(1, AT, kind, {})], call=call, people={})
    assert told[0].text != kind, f"the portal has no words for {kind}"


def test_a_call_to_an_agents_telephone_is_told_with_why_it_was_not_made(app: Flask) -> None:
    told: list[tuple[str, dict[str, object]]] = [
        ("offered", {"agent": 1001}),
        ("telephone-called", {}),
        ("telephone-picked-up", {}),
        ("telephone-gone", {"cause": 17}),
        ("offer-lost", {"why": "not-called", "gate": "stopped"}),
        ("offer-lost", {"why": "not-called", "gate": "failed"}),
    ]
    found = [Step(place, AT, kind, details) for place, (kind, details) in enumerate(told)]
    call = dataclasses.replace(CALL, dialled="+442079460134", direction="inbound")
    with app.test_request_context():
        texts = [one.text for one in steps.story(found, call=call, people={})]
    assert texts[1:] == [
        "The telephone of Agent 1001 is called",
        "It is picked up there; a key has to be pressed",
        "The telephone of the agent: busy",
        "The telephone of Agent 1001 is not called: You have stopped calls out",
        "The telephone of Agent 1001 is not called: it could not be called",
    ]
