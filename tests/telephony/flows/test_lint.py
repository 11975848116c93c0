"""What is wrong with a flow before anybody calls."""

import pytest

from telephony.flows.lint import FlowFault, lint
from telephony.flows.model import Flow
from tests.telephony.flows.test_interpreter import CARE, COLLECT, KEYED, MENU, SALES, flow

QUEUES = {SALES, CARE}
QUEUE: dict[str, object] = {"kind": "queue", "queue": SALES}
OWN = "+442079460134"
OUTSIDE: dict[str, object] = {
    "kind": "outside",
    "phone": "+44 7700 900120",
    "no_answer": "q",
    "busy": "q",
    "otherwise": "q",
}


def faults(of: Flow) -> list[tuple[FlowFault, str, str]]:
    return [(one.fault, one.node, one.way) for one in lint(of, queues=QUEUES, own={OWN})]


def test_a_case_for_tiers_with_flows_of_their_own_is_named_as_one_nobody_comes_by() -> None:
    nodes: dict[str, dict[str, object]] = {
        "start": {
            "kind": "branch",
            "on": "tier",
            "cases": [{"values": ["vip", "gold"], "to": "q"}, {"values": ["vip", "easy"], "to": "q"}],
            "otherwise": "q",
        },
        "q": QUEUE,
    }
    (found,) = lint(flow(nodes), queues=QUEUES, elsewhere={"vip", "gold"})
    assert (found.fault, found.node, found.way) == (FlowFault.TIER_ELSEWHERE, "start", "case-1")
    assert not found.forbids, "another number may lead here, or the tier be settled otherwise"
    assert lint(flow(nodes), queues=QUEUES, elsewhere={"vip"}) == []
    by_region = nodes | {"start": nodes["start"] | {"on": "region"}}
    assert lint(flow(by_region), queues=QUEUES, elsewhere={"vip", "gold"}) == []


@pytest.mark.parametrize("right", [MENU, COLLECT, KEYED])
def test_a_right_flow_has_no_faults(right: Flow) -> None:
    assert faults(right) == []


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ({}, (FlowFault.NO_START, "start", "")),
        ({"start": {"kind": "say", "prompt": {"text": "x"}}}, (FlowFault.DEAD_END, "start", "next")),
        (
            {"start": {"kind": "say", "prompt": {"text": "x"}, "next": "gone"}},
            (FlowFault.LEADS_NOWHERE, "start", "next"),
        ),
        ({"start": {"kind": "say", "next": "q"}, "q": QUEUE}, (FlowFault.NO_PROMPT, "start", "")),
        (
            {"start": {"kind": "menu", "prompt": {"text": "x"}, "otherwise": "q"}, "q": QUEUE},
            (FlowFault.NO_KEYS, "start", ""),
        ),
        (
            {
                "start": {"kind": "menu", "prompt": {"text": "x"}, "keys": {"1": {}}, "otherwise": "q"},
                "q": QUEUE,
            },
            (FlowFault.DEAD_END, "start", "key-1"),
        ),
        ({"start": {"kind": "queue", "queue": "que_0" + "z" * 25}}, (FlowFault.NO_QUEUE, "start", "")),
        ({"start": {"kind": "queue"}}, (FlowFault.NO_QUEUE, "start", "")),
        ({"start": QUEUE | {"keys": {"1": {"to": "q"}}}, "q": QUEUE}, (FlowFault.NO_PROMPT, "start", "")),
        ({"start": QUEUE | {"keys": {"1": {}}}}, (FlowFault.DEAD_END, "start", "key-1")),
        ({"start": QUEUE | {"keys": {"1": {"to": "gone"}}}}, (FlowFault.LEADS_NOWHERE, "start", "key-1")),
        (
            {"start": {"kind": "person", "queue": QUEUE["queue"], "otherwise": "q"}, "q": QUEUE},
            (FlowFault.NO_AGENT, "start", ""),
        ),
        (
            {"start": {"kind": "outside", "no_answer": "q", "busy": "q", "otherwise": "q"}, "q": QUEUE},
            (FlowFault.NO_PHONE, "start", ""),
        ),
        (
            {"start": OUTSIDE | {"busy": None}, "q": QUEUE},
            (FlowFault.DEAD_END, "start", "busy"),
        ),
        ({"start": OUTSIDE | {"phone": OWN}, "q": QUEUE}, (FlowFault.WRONG_PHONE, "start", "")),
        ({"start": OUTSIDE | {"phone": "+449098790000"}, "q": QUEUE}, (FlowFault.WRONG_PHONE, "start", "")),
        (
            {"start": {"kind": "webhook", "next": "q", "otherwise": "q"}, "q": QUEUE},
            (FlowFault.NO_ADDRESS, "start", ""),
        ),
        (
            {
                "start": {"kind": "branch", "cases": [{"to": "q"}], "otherwise": "q"},
                "q": QUEUE,
            },
            (FlowFault.NO_VALUES, "start", "case-1"),
        ),
        (
            {
                "start": {
                    "kind": "collect",
                    "prompt": {"text": "x"},
                    "least": 5,
                    "most": 4,
                    "next": "q",
                    "otherwise": "q",
                },
                "q": QUEUE,
            },
            (FlowFault.FEWER_THAN_LEAST, "start", ""),
        ),
        ({"start": QUEUE, "island": QUEUE}, (FlowFault.UNREACHABLE, "island", "")),
        (
            {
                "start": {
                    "kind": "menu",
                    "prompt": {"text": "x"},
                    "keys": {"1": {"to": "q"}},
                    "otherwise": "again",
                },
                "again": {"kind": "say", "prompt": {"text": "Sorry?"}, "next": "start"},
                "q": QUEUE,
            },
            (FlowFault.CIRCLE, "start", ""),
        ),
    ],
)
def test_each_fault_is_found(nodes: dict[str, dict[str, object]], fault: tuple[FlowFault, str, str]) -> None:
    assert fault in faults(flow(nodes))


def test_a_circle_in_which_a_key_is_pressed_is_none() -> None:
    nodes: dict[str, dict[str, object]] = {
        "start": {
            "kind": "menu",
            "prompt": {"text": "x"},
            "keys": {"9": {"to": "start"}, "1": {"to": "q"}},
            "otherwise": "q",
        },
        "q": QUEUE,
    }
    assert faults(flow(nodes)) == []


@pytest.mark.parametrize(("menus", "is_deep"), [(4, False), (5, True)])
def test_more_than_four_questions_behind_one_another_are_told(menus: int, *, is_deep: bool) -> None:
    nodes: dict[str, dict[str, object]] = {
        ("start" if n == 0 else f"m{n}"): {
            "kind": "menu",
            "prompt": {"text": "x"},
            "keys": {"1": {"to": "q" if n == menus - 1 else f"m{n + 1}"}},
            "otherwise": "q" if n == menus - 1 else f"m{n + 1}",
        }
        for n in range(menus)
    }
    found = lint(flow(nodes | {"q": QUEUE}), queues=QUEUES)
    assert [one.fault for one in found] == ([FlowFault.TOO_DEEP] if is_deep else [])
    assert not any(one.forbids for one in found)


def test_thousands_of_ways_are_read_in_no_time() -> None:
    nodes: dict[str, dict[str, object]] = {
        ("start" if n == 0 else f"n{n}"): {
            "kind": "branch",
            "cases": [{"values": ["x"], "to": f"n{(n * 7 + k) % 199 + 1}"} for k in range(20)],
            "otherwise": f"n{min(n + 1, 199)}",
        }
        for n in range(200)
    }
    assert lint(flow(nodes), queues=QUEUES)


def test_a_number_outside_that_leads_back_to_itself_is_a_circle() -> None:
    """Nobody is asked anything on the way: it would ring for ever, at the company's cost."""
    ways = {"no_answer": "start", "busy": "q", "otherwise": "q"}
    assert (FlowFault.CIRCLE, "start", "") in faults(flow({"start": OUTSIDE | ways, "q": QUEUE}))


def test_a_phone_is_kept_as_one_however_it_is_written() -> None:
    made = flow({"start": OUTSIDE, "q": QUEUE})
    assert faults(made) == []
    assert made.phones() == {"start": "+447700900120"}
    with pytest.raises(ValueError, match="country code"):
        flow({"start": OUTSIDE | {"phone": "020 7946 0134"}, "q": QUEUE})
