"""What a caller of a shared short code hears and keys, step by step."""

import datetime as dt
import itertools

import pytest

from core.ids import NumberId, TenantId, new_id
from telephony import shared_menu
from telephony.shared_codes import Choice, Outcome, SharedCode
from telephony.shared_menu import BETWEEN, PATIENCE, TRIES, Choose, End, Hush, Say

AT = dt.datetime(2026, 11, 23, 9, tzinfo=dt.UTC)
KEYS = ["1", "27", "28"]


def code(*choices: tuple[str, str, bool], language: str = "en", greeting: str = "Welcome.") -> SharedCode:
    made = tuple(
        Choice(NumberId(new_id()), TenantId(new_id()), keys, name, is_spoken, AT)
        for keys, name, is_spoken in choices
    )
    return SharedCode(NumberId(new_id()), "1252", greeting, language, 1, made)


def listening() -> shared_menu.State:
    state, commands = shared_menu.begin(AT, KEYS)
    assert commands == [Say(1)]
    state, commands = shared_menu.said(state, 1, AT)
    assert (commands, state.until) == ([], AT + PATIENCE)
    return state


def test_one_key_chooses() -> None:
    state, commands = shared_menu.pressed(listening(), "1", AT, KEYS)
    assert commands == [Choose("1")]
    assert state.until is None
    assert shared_menu.pressed(state, "2", AT, KEYS) == (state, []), "once chosen, no key means anything here"


def test_the_last_digit_of_two_chooses() -> None:
    state, commands = shared_menu.pressed(listening(), "2", AT, KEYS)
    assert (commands, state.until) == ([], AT + BETWEEN)
    assert shared_menu.pressed(state, "8", AT, KEYS)[1] == [Choose("28")]


def test_a_key_while_the_menu_is_said_hushes_it() -> None:
    state, _ = shared_menu.begin(AT, KEYS)
    assert shared_menu.pressed(state, "1", AT, KEYS)[1] == [Hush(1), Choose("1")]
    after, _ = shared_menu.pressed(state, "2", AT, KEYS)
    assert shared_menu.said(after, 1, AT) == (after, []), "the end of what was hushed means nothing"


@pytest.mark.parametrize("key", ["9", "*", "#", "0"])
def test_a_key_of_nobody_is_asked_again(key: str) -> None:
    _, commands = shared_menu.pressed(listening(), key, AT, KEYS)
    assert commands == [Say(2, after_wrong=True)]


def test_half_of_the_keys_is_wrong_and_not_nothing() -> None:
    state, _ = shared_menu.pressed(listening(), "2", AT, KEYS)
    assert shared_menu.timed_out(state, AT + BETWEEN)[1] == [Say(2, after_wrong=True)]


@pytest.mark.parametrize(("key", "outcome"), [("", Outcome.NOTHING), ("9", Outcome.WRONG)])
def test_who_never_chooses_hears_goodbye_after_the_third_time(key: str, outcome: Outcome) -> None:
    state, at, heard = listening(), AT, 1
    while True:
        at += PATIENCE
        state, commands = (
            shared_menu.pressed(state, key, at, KEYS) if key else shared_menu.timed_out(state, at)
        )
        (say,) = commands
        assert isinstance(say, Say)
        if say.is_goodbye:
            break
        heard += 1
        state, _ = shared_menu.said(state, say.turn, at)
    assert heard == TRIES
    assert shared_menu.pressed(state, "1", at, KEYS) == (state, []), "goodbye is goodbye"
    assert shared_menu.said(state, say.turn, at)[1] == [End(outcome)]


def test_a_switch_that_never_says_the_menu_has_ended_keeps_nobody() -> None:
    state, _ = shared_menu.begin(AT, KEYS)
    at = AT
    commands: list[shared_menu.Command] = []
    for _ in range(2 * TRIES + 1):
        assert state.until is not None
        at = state.until
        state, commands = shared_menu.timed_out(state, at)
    assert commands == [End(Outcome.NOTHING)]
    assert at - AT <= shared_menu.LONGEST, "the switch's own bound would cut the goodbye"


def test_a_code_with_nobody_on_it_says_goodbye_at_once() -> None:
    assert shared_menu.begin(AT, [])[1] == [Say(1, is_goodbye=True)]


def test_whatever_is_keyed_every_state_ends_and_nobody_is_chosen_but_by_their_keys() -> None:
    for keyed in itertools.product(["", "1", "2", "7", "#"], repeat=4):
        state, _ = shared_menu.begin(AT, KEYS)
        at, typed = AT, ""
        for key in (*keyed, *[""] * 20):
            if state.until is None:
                break
            if key:
                before = state.keys
                state, commands = shared_menu.pressed(state, key, at, KEYS)
                typed = before + key
            else:
                at = state.until or at
                state, commands = shared_menu.timed_out(state, at)
            for one in commands:
                if isinstance(one, Choose):
                    assert one.keys == typed
                    assert one.keys in KEYS
        assert state.until is None, keyed


@pytest.mark.parametrize(
    ("dnis", "keys"),
    [
        ("1252", ""),
        ("125227", "27"),
        ("12521", "1"),
        ("12522", None),
        ("12519", None),
        ("1253", None),
        ("+1252", None),
    ],
)
def test_data_dialled_after_the_code_leads_in_only_when_it_is_somebodys(dnis: str, keys: str | None) -> None:
    shared = code(("1", "Pelican", True), ("27", "Heron", False))
    found = shared_menu.dialled(dnis, [shared])
    assert (found[1] if found else None) == keys


def test_the_menu_names_who_wants_to_be_named() -> None:
    shared = code(("1", "Pelican", True), ("27", "Heron", False), ("28", "Kite", True))
    assert shared_menu.menu_text(shared) == "Welcome. For Pelican, press 1. For Kite, press 2 8."
    assert shared_menu.menu_text(shared, after_wrong=True).startswith("Nobody has that number. For Pelican")
    silent = code(("27", "Heron", False), greeting="")
    assert shared_menu.menu_text(silent) == "Please key in the number of the company."
    chinese = code(("1", "百鹭", True), language="zh", greeting="欢迎。")
    assert shared_menu.menu_text(chinese) == "欢迎。百鹭请按1。"


def test_keys_stay_out_of_what_is_logged() -> None:
    state, _ = shared_menu.pressed(listening(), "2", AT, KEYS)
    assert "keys" not in repr(state)
