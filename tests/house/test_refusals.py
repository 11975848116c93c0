"""Every error that refuses is a declared kind of refusal, or one of every day with its reason."""

import ast
from collections.abc import Iterator

from core.errors import SeatlineError
from launch.choices import CHECKOUT
from security.refusals import KINDS
from tests.house import rooms
from web import errors, refusals, words
from web.shown.refusals import WORDS

# counted from what is stored already (`telephony.outbound.refused`), not by a call
FROM_ROWS = {"call-out"}
SEATLINE = ("security", "telephony", "wiring", "workers", "web")


def refusing() -> set[tuple[str, str]]:
    """Return code and kind of every error that refuses, ours and HTTP's own."""
    rooms.import_everything()
    ours = {(one.code, one.kind) for one in rooms.subclasses(SeatlineError)}
    found = {(code, kind) for code, kind in ours if kind in refusals.REFUSING}
    answered = {code for status, code in errors.HTTP_CODES.items() if status != 422}
    return found | {(code, "") for code in answered}


def counted(names: str = "count") -> Iterator[str]:
    """Yield the kinds that are counted by name, wherever that is."""
    for room in SEATLINE:
        for file in (CHECKOUT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == names and node.args:
                    for part in ast.walk(node.args[0]):
                        if isinstance(part, ast.Constant) and part.value in KINDS:
                            yield str(part.value)


def test_an_error_that_refuses_is_a_kind_or_has_its_reason() -> None:
    undeclared = {
        code
        for code, kind in refusing()
        if code not in refusals.DAILY and refusals.kind_of(code, kind) is None
    }
    assert undeclared == set()


def test_no_line_is_left_of_what_is_gone() -> None:
    codes = {code for code, _ in refusing()}
    assert refusals.DAILY.keys() | refusals.BY_CODE.keys() <= codes | {"cross-site", "foreign-host"}
    assert refusals.DAILY.keys() & refusals.BY_CODE.keys() == set()
    assert all(refusals.DAILY.values())


def test_a_new_one_without_a_declaration_is_seen() -> None:
    assert refusals.kind_of("planted", "refused") is None
    assert "planted" not in refusals.DAILY


def test_every_kind_is_counted_somewhere_and_every_one_counted_is_declared() -> None:
    by_error = set(refusals.BY_CODE.values()) | set(refusals.BY_KIND.values())
    by_name = set(counted()) | {"passkey"}  # by a variable beside "rate"
    assert by_error <= KINDS.keys()
    assert KINDS.keys() == by_error | by_name | FROM_ROWS


def test_every_kind_has_bounds_a_reason_and_words() -> None:
    assert WORDS.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        assert len(kind.why) > 15, name
        assert kind.company or kind.strangers, name
        assert kind.rings == "" or kind.rings in words.ALARMS, name
        if kind.rings:  # the first is the alarm
            assert {kind.company, kind.strangers} <= {1, None}, name
