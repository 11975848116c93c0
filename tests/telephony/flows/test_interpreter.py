"""A flow from event to command: the rules, and that no flow can lose a caller."""

import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.flows import interpreter, rehearsal
from telephony.flows.interpreter import (
    Answered,
    AskProgram,
    CheckPin,
    Command,
    End,
    Enqueue,
    Enter,
    Event,
    Fail,
    FindCustomer,
    Play,
    Played,
    Pressed,
    Record,
    SeekPerson,
    State,
    StopPlaying,
    TimedOut,
    World,
)
from telephony.flows.model import Flow
from telephony.opening import Hours, read_spans

NOON = dt.datetime(2026, 11, 2, 12, 0, tzinfo=dt.UTC)
SALES, CARE = "que_0" + "a" * 25, "que_0" + "b" * 25


def flow(nodes: dict[str, dict[str, object]], start: str = "start") -> Flow:
    return Flow.model_validate({"start": start, "nodes": nodes})


MENU = flow(
    {
        "start": {"kind": "say", "prompt": {"text": "Welcome."}, "next": "menu"},
        "menu": {
            "kind": "menu",
            "prompt": {"text": "Sales 1, care 2."},
            "keys": {"1": {"to": "sales"}, "2": {"to": "care"}},
            "tries": 2,
            "otherwise": "care",
        },
        "sales": {"kind": "queue", "queue": SALES},
        "care": {"kind": "queue", "queue": CARE},
    }
)


def play(of: Flow, events: Sequence[Event], *, world: World = World()) -> tuple[State, list[Command]]:  # noqa: B008 - frozen
    state, commands = interpreter.begin(of, world, NOON)
    for event in events:
        state, more = interpreter.step(of, world, state, event)
        commands += more
    return state, commands


def nodes(commands: Sequence[Command]) -> list[str]:
    return [f"{one.way}>{one.node}" if one.way else one.node for one in commands if isinstance(one, Enter)]


def at(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


def test_a_menu_leads_to_the_queue_of_the_key() -> None:
    state, commands = play(MENU, [Played(at(2), 1), Played(at(4), 3), Pressed(at(5), "1")])
    assert nodes(commands) == ["start", "next>menu", "key-1>sales"]
    assert commands[-1] == Enqueue(SALES)
    assert state.is_over


def test_a_key_cuts_the_prompt_short() -> None:
    _, commands = play(MENU, [Played(at(2), 1), Pressed(at(3), "2")])
    assert StopPlaying(3) in commands
    assert commands[-1] == Enqueue(CARE)


def test_a_prompt_that_was_cut_short_ends_late_and_changes_nothing() -> None:
    state, _ = play(MENU, [Played(at(2), 1), Pressed(at(3), "9")])
    assert interpreter.step(MENU, World(), state, Played(at(3.1), 3)) == (state, [])
    assert state.is_playing


def test_who_says_nothing_is_asked_again_and_then_sent_on() -> None:
    silence: list[Event] = [
        Played(at(2), 1),
        Played(at(4), 3),
        TimedOut(at(9)),
        Played(at(11), 4),
        TimedOut(at(16)),
    ]
    _, commands = play(MENU, silence)
    assert sum(isinstance(one, Play) for one in commands) == 3
    assert commands[-1] == Enqueue(CARE)


def test_a_time_out_that_comes_early_changes_nothing() -> None:
    state, _ = play(MENU, [Played(at(2), 1), Played(at(4), 3)])
    assert interpreter.step(MENU, World(), state, TimedOut(at(8.9))) == (state, [])


def test_what_cannot_be_said_fails() -> None:
    _, commands = play(MENU, [Played(at(0), 1, ok=False)])
    assert commands[-1] == Fail("prompt-not-played")


def test_a_prompt_that_never_ends_fails() -> None:
    _, commands = play(MENU, [TimedOut(at(300))])
    assert commands[-1] == Fail("prompt-never-ended")


COLLECT = flow(
    {
        "start": {
            "kind": "collect",
            "prompt": {"text": "Your number?"},
            "into": "account",
            "least": 3,
            "most": 4,
            "tries": 1,
            "next": "which",
            "otherwise": "care",
        },
        "which": {
            "kind": "branch",
            "on": "account",
            "cases": [{"values": ["1234", "777"], "to": "sales"}],
            "otherwise": "care",
        },
        "sales": {"kind": "queue", "queue": SALES},
        "care": {"kind": "queue", "queue": CARE},
    }
)


@pytest.mark.parametrize(
    ("keys", "queue"), [("1234", SALES), ("777#", SALES), ("778#", CARE), ("77#", CARE), ("7*7#", CARE)]
)
def test_digits_are_collected_and_branched_on(keys: str, queue: str) -> None:
    state, commands = play(COLLECT, [Played(at(1), 1), *(Pressed(at(2), key) for key in keys)])
    assert commands[-1] == Enqueue(queue)
    assert "777" not in repr(state), "what a caller types is in no log"
    assert not any("777" in repr(one) for one in commands)


def test_digits_that_stop_coming_count_if_they_are_enough() -> None:
    keys: list[Event] = [Played(at(1), 1), *(Pressed(at(2), key) for key in "777")]
    _, commands = play(COLLECT, [*keys, TimedOut(at(10))])
    assert commands[-1] == Enqueue(SALES)


@pytest.mark.parametrize(
    ("world", "way"),
    [
        (World(caller="+447700900123"), "case-1"),
        (World(caller="+8613800138000"), "case-2"),
        (World(), "case-3"),
        (World(caller="+33123456789"), "otherwise"),
    ],
)
def test_a_branch_on_the_caller_goes_by_the_beginning_of_their_number(world: World, way: str) -> None:
    cases = [
        {"values": ["+44"], "to": "q"},
        {"values": ["+86"], "to": "q"},
        {"values": ["withheld"], "to": "q"},
    ]
    made = flow(
        {
            "start": {"kind": "branch", "on": "caller", "cases": cases, "otherwise": "q"},
            "q": {"kind": "queue", "queue": SALES},
        }
    )
    _, commands = play(made, [], world=world)
    assert nodes(commands) == ["start", f"{way}>q"]


@pytest.mark.parametrize(("hour", "way"), [(12, "open"), (20, "closed")])
def test_hours_lead_by_the_queues_own(hour: int, way: str) -> None:
    made = flow(
        {
            "start": {"kind": "hours", "queue": SALES, "open": "q", "closed": "bye"},
            "q": {"kind": "queue", "queue": SALES},
            "bye": {"kind": "hang-up"},
        }
    )
    hours = Hours("Europe/London", (read_spans("09:00-17:00"),) * 7)
    state, commands = interpreter.begin(made, World(hours={SALES: hours}), NOON.replace(hour=hour))
    assert f"{way}>" in nodes(commands)[-1]
    assert state.is_over


def test_a_customer_is_looked_up_and_their_tier_known() -> None:
    made = flow(
        {
            "start": {"kind": "lookup", "found": "tier", "otherwise": "care"},
            "tier": {
                "kind": "branch",
                "on": "tier",
                "cases": [{"values": ["gold"], "to": "sales"}],
                "otherwise": "care",
            },
            "sales": {"kind": "queue", "queue": SALES},
            "care": {"kind": "queue", "queue": CARE},
        }
    )
    found = Answered(at(0.1), 1, found=True, values={"tier": "gold"})
    assert play(made, [found])[1][1:] == [
        FindCustomer(1),
        Enter("tier", "branch", "", "found"),
        Enter("sales", "queue", "", "case-1"),
        Enqueue(SALES),
    ]
    assert play(made, [Answered(at(0.1), 1, found=False)])[1][-1] == Enqueue(CARE)
    assert play(made, [TimedOut(at(2))])[1][-1] == Enqueue(CARE)


def test_a_program_is_sent_what_the_node_names_and_nothing_else() -> None:
    made = flow(
        {
            "start": {"kind": "set", "name": "line", "value": "gas", "next": "more"},
            "more": {"kind": "set", "name": "secret", "value": "x", "next": "ask"},
            "ask": {
                "kind": "webhook",
                "url": "https://a.example/",
                "send": ["line", "account"],
                "next": "bye",
                "otherwise": "q",
            },
            "bye": {"kind": "hang-up"},
            "q": {"kind": "queue", "queue": SALES},
        }
    )
    _, commands = play(made, [])
    assert commands[-1] == AskProgram(1, "https://a.example/", {"line": "gas", "account": ""})
    assert play(made, [TimedOut(at(2))])[1][-1] == Enqueue(SALES)
    assert play(made, [Answered(at(1), 1, found=True)])[1][-1] == End()


@pytest.mark.parametrize(("key", "way"), [("4", "rated-4"), ("9", "next"), ("0", "next")])
def test_a_rating_is_the_way_taken(key: str, way: str) -> None:
    made = flow(
        {
            "start": {"kind": "survey", "prompt": {"text": "1 to 5?"}, "next": "bye"},
            "bye": {"kind": "hang-up", "prompt": {"text": "Bye."}},
        }
    )
    _, commands = play(made, [Played(at(1), 1), Pressed(at(2), key), Played(at(3), 3)])
    assert nodes(commands) == ["start", f"{way}>bye"]
    assert commands[-1] == End()


PIN = flow(
    {
        "start": {
            "kind": "pin",
            "prompt": {"text": "Your PIN, then hash."},
            "tries": 2,
            "right": "sales",
            "otherwise": "care",
        },
        "sales": {"kind": "queue", "queue": SALES},
        "care": {"kind": "queue", "queue": CARE},
    }
)


def typed(keys: str) -> list[Event]:
    return [Pressed(NOON, key) for key in keys]


def test_a_pin_is_asked_for_checked_and_forgotten() -> None:
    state, commands = play(PIN, [Played(NOON, 1), *typed("4071#")])
    assert commands[-1] == CheckPin(2, "4071")
    assert state.keys == ""
    assert "4071" not in repr((state, commands))
    state, commands = interpreter.step(PIN, World(), state, Answered(NOON, 2, found=True))
    assert commands[-1] == Enqueue(SALES)
    assert "4071" not in repr(state.values)


def test_a_wrong_pin_is_asked_again_and_then_sent_on() -> None:
    state, _ = play(PIN, [Played(NOON, 1), *typed("4071#")])
    state, commands = interpreter.step(PIN, World(), state, Answered(NOON, 2, found=False))
    assert isinstance(commands[-1], Play)
    for event in [Played(NOON, state.turn), *typed("40714071")]:
        state, commands = interpreter.step(PIN, World(), state, event)
    assert commands == [CheckPin(state.turn, "40714071")], "eight digits need no hash"
    state, commands = interpreter.step(PIN, World(), state, Answered(NOON, state.turn, found=False))
    assert commands[-1] == Enqueue(CARE)


def test_keys_while_a_pin_is_checked_mean_nothing_and_no_answer_leads_otherwise() -> None:
    state, _ = play(PIN, [Played(NOON, 1), *typed("4071#")])
    assert interpreter.step(PIN, World(), state, Pressed(NOON, "9")) == (state, [])
    later = NOON + interpreter.PATIENCE
    _, commands = interpreter.step(PIN, World(), state, TimedOut(later))
    assert commands[-1] == Enqueue(CARE)


def test_who_types_no_pin_at_all_is_asked_again() -> None:
    _, commands = play(PIN, [Played(NOON, 1), TimedOut(NOON + dt.timedelta(seconds=8))])
    assert isinstance(commands[-1], Play)


PERSON = flow(
    {
        "start": {"kind": "person", "agent": 1001, "queue": SALES, "otherwise": "care"},
        "care": {"kind": "queue", "queue": CARE},
    }
)


@pytest.mark.parametrize(("is_free", "queue"), [(True, SALES), (False, CARE)])
def test_one_agent_is_asked_for_and_the_other_way_taken_without_them(*, is_free: bool, queue: str) -> None:
    state, commands = play(PERSON, [])
    assert commands[-1] == SeekPerson(1, 1001)
    _, commands = interpreter.step(PERSON, World(), state, Answered(NOON, 1, found=is_free))
    assert commands[-1] == Enqueue(queue)


def test_a_message_is_recorded_until_the_hash_or_the_end_of_its_time() -> None:
    made = flow({"start": {"kind": "voicemail", "prompt": {"text": "Speak."}, "longest_s": 30}})
    state, commands = play(made, [Pressed(at(0.5), "#"), Played(at(1), 1), Pressed(at(5), "1")])
    assert commands[-1] == Record(), "a key before, or another one, ends nothing"
    assert state.until == at(31)
    assert interpreter.step(made, World(), state, Pressed(at(9), "#"))[1] == [End()]
    assert interpreter.step(made, World(), state, TimedOut(at(31)))[1] == [End()]


def test_a_circle_without_keys_ends_as_failed() -> None:
    made = flow({"start": {"kind": "set", "name": "a", "value": "b", "next": "start"}})
    state, commands = play(made, [])
    assert commands[-1] == Fail("runs-in-a-circle")
    assert state.is_over


def test_a_way_to_nowhere_fails() -> None:
    assert play(flow({"start": {"kind": "say", "prompt": {"text": "x"}}}), [Played(at(1), 1)])[1][-1] == Fail(
        "dead-end"
    )
    assert play(flow({}), [])[1] == [Fail("node-missing")]


_EVENTS = st.one_of(
    st.builds(Pressed, st.just(NOON), st.sampled_from("0123456789*#")),
    st.builds(Played, st.just(NOON), st.integers(0, 12), st.booleans()),
    st.builds(Answered, st.just(NOON), st.integers(0, 12), st.booleans()),
    st.builds(TimedOut, st.integers(0, 86_400).map(at)),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([MENU, COLLECT, PIN, PERSON]), st.lists(_EVENTS, max_size=30))
def test_every_state_that_waits_is_left_by_its_watchdog_and_every_flow_ends(
    of: Flow, events: list[Event]
) -> None:
    state, commands = play(of, events)
    again, same = play(of, events)
    assert (state, commands) == (again, same), "the same events give the same commands"
    for _ in range(interpreter.MOST_STEPS * 6):
        if state.is_over:
            break
        assert state.until is not None
        state, more = interpreter.step(of, World(), state, TimedOut(state.until))
        commands += more
    assert state.is_over
    assert sum(isinstance(one, (Enqueue, End, Fail)) for one in commands) == 1


OUTSIDE = flow(
    {
        "start": {"kind": "set", "name": "line", "value": "care", "next": "office"},
        "office": {
            "kind": "outside",
            "phone": "+447700900120",
            "no_answer": "by-line",
            "busy": "sales",
            "otherwise": "bye",
        },
        "by-line": {
            "kind": "branch",
            "on": "line",
            "cases": [{"values": ["care"], "to": "care"}],
            "otherwise": "bye",
        },
        "sales": {"kind": "queue", "queue": SALES},
        "care": {"kind": "queue", "queue": CARE},
        "bye": {"kind": "hang-up"},
    }
)


@pytest.mark.parametrize(
    ("way", "last"), [("busy", Enqueue(SALES)), ("no_answer", Enqueue(CARE)), ("otherwise", End())]
)
def test_a_number_outside_is_called_and_the_flow_goes_on_by_what_became_of_it(
    way: str, last: interpreter.Command
) -> None:
    state, commands = play(OUTSIDE, [])
    assert commands[-1] == interpreter.CallOutside("office")
    assert interpreter.step(OUTSIDE, World(), state, Pressed(NOON, "1"))[1] == []
    _, commands = interpreter.step(OUTSIDE, World(), state, interpreter.Onwards(NOON, way))
    assert commands[-1] == last, "what was set on the way is remembered"


def test_a_number_outside_that_is_never_told_of_has_a_watchdog_and_after_a_crash_its_way() -> None:
    state, _ = play(OUTSIDE, [])
    assert state.until == NOON + interpreter.LONGEST_AWAY
    assert interpreter.step(OUTSIDE, World(), state, TimedOut(state.until))[1][-1] == End()
    _, commands = interpreter.go_on(OUTSIDE, World(), NOON, node="office", way="busy")
    assert commands[-1] == Enqueue(SALES)
    assert interpreter.go_on(OUTSIDE, World(), NOON, node="gone", way="busy")[1] == [Fail("node-missing")]


@pytest.mark.parametrize(("outside", "end"), [("", "outside"), ("busy", "queue"), ("otherwise", "served")])
def test_a_number_outside_is_tried_without_calling_anybody(outside: str, end: str) -> None:
    made = rehearsal.rehearse(OUTSIDE, rehearsal.Scene(World(), NOON, outside=outside), [])
    assert made.end == end


KEYED = flow(
    {
        "start": {"kind": "set", "name": "line", "value": "gold", "next": "wait"},
        "wait": {
            "kind": "queue",
            "queue": SALES,
            "prompt": {"text": "1: a message, 2: another queue."},
            "keys": {"1": {"to": "bye", "label": "Bye"}, "2": {"to": "by"}, "3": {"to": "round"}},
        },
        "round": {"kind": "say", "prompt": {"text": "News."}, "next": "wait"},
        "by": {
            "kind": "branch",
            "on": "line",
            "cases": [{"values": ["gold"], "to": "care"}],
            "otherwise": "bye",
        },
        "care": {"kind": "queue", "queue": CARE},
        "bye": {"kind": "hang-up"},
    }
)


def test_who_waits_goes_on_by_a_key_and_what_was_set_before_is_remembered() -> None:
    state, commands = play(KEYED, [])
    assert (commands[-1], state.is_over) == (Enqueue(SALES), True)
    assert interpreter.step(KEYED, World(), state, Pressed(NOON, "2"))[1] == [], "the runner says which count"
    _, commands = interpreter.step(KEYED, World(), state, interpreter.Onwards(NOON, "key-2"))
    assert nodes(commands) == ["key-2>by", "case-1>care"]
    assert commands[-1] == Enqueue(CARE)
    assert interpreter.step(KEYED, World(), state, interpreter.Onwards(NOON, "key-9"))[1] == [
        Fail("dead-end")
    ]


def test_coming_back_to_a_queue_as_often_as_one_likes_is_no_circle() -> None:
    state, _ = play(KEYED, [])
    for _ in range(interpreter.MOST_STEPS):
        state, _ = interpreter.step(KEYED, World(), state, interpreter.Onwards(NOON, "key-3"))
        state, commands = interpreter.step(KEYED, World(), state, Played(NOON, state.turn))
        assert commands[-1] == Enqueue(SALES)


@pytest.mark.parametrize(
    ("inputs", "end", "last"),
    [([], "queue", "wait"), (["9"], "queue", "wait"), (["1"], "served", "bye"), (["2"], "queue", "care")],
)
def test_keys_of_a_queue_are_tried_without_waiting(inputs: list[str], end: str, last: str) -> None:
    made = rehearsal.rehearse(KEYED, rehearsal.Scene(World(), NOON), inputs)
    assert (made.end, made.passages[-1].node) == (end, last)
    assert made.passages[1].heard == ["1: a message, 2: another queue."]
