"""Every error that refuses is a declared kind of refusal, or one of every day with its reason."""

import ast
import importlib
from collections.abc import Iterator, Mapping

from core.errors import SeatlineError
from launch.choices import CHECKOUT
from security.refusals import KINDS
from tests.house import rooms
from web import errors, refusals, words
from web.identity import NotSignedInError
from web.shown.refusals import WORDS

# counted from what is stored already (`telephony.outbound.refused`), not by a call
FROM_ROWS = {"call-out"}
SEATLINE = ("security", "tenants", "telephony", "wiring", "workers", "web")
# where a page's view shows a sentence in place of an error, one of these counts it
COUNTS = {"note", "count", "why"}
# handlers that catch widely and need not count: what they take no wall refuses
UNCOUNTED: Mapping[tuple[str, str], str] = {
    ("web/cli/said.py", "in_words"): "whoever runs a command on the machine stands behind the walls",
    ("web/console/views.py", "_popped_already"): "the page asks again by itself: answered, and counted",
    ("web/console/desk.py", "_together"): "who is shut out in a call sees the rest of it, again and again",
    ("web/console/desk.py", "_came_back"): "who is shut out in a call sees the rest of it, again and again",
    ("web/operator/agents.py", "hire_agent"): "takes what a form gets wrong; a refusal goes on",
    ("web/operator/companies.py", "open_company"): "takes what a form gets wrong; a refusal goes on",
    ("web/uploads.py", "_raise_limit"): "the guards answer right after it, and are counted",
    ("web/account/signing.py", "by_passkey"): "its one caller counts what comes back as nobody",
}


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
        for file in rooms.files(room):
            for node in ast.walk(rooms.tree(file)):
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


def handlers() -> Iterator[tuple[str, str, bool]]:
    """Yield file and function of each handler that takes a page's refusal, and whether it counts it."""
    rooms.import_everything()
    walls = {one for one in rooms.subclasses(SeatlineError) if one.code in refusals.BY_CODE} | {SeatlineError}
    walls -= {NotSignedInError}  # who catches it only asks whether somebody is there
    for file in rooms.files("web"):
        name = file.relative_to(CHECKOUT).as_posix()
        module = importlib.import_module(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        functions = [
            one
            for one in ast.walk(rooms.tree(file))
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        counting = {one.name for one in functions if called(one) & COUNTS}
        for function in functions:
            for handler in ast.walk(function):
                if isinstance(handler, ast.ExceptHandler) and handler.type is not None:
                    caught = {getattr(module, one, None) for one in named(handler.type)}
                    if caught & walls and not isinstance(handler.body[-1], ast.Raise):
                        counts = function.name in counting or called(handler) & (counting | {"refuse"})
                        yield name, function.name, bool(counts)


def called(node: ast.AST) -> set[str]:
    """Return the last names of what is called in it."""
    calls = [one.func for one in ast.walk(node) if isinstance(one, ast.Call)]
    return {str(getattr(one, "attr", getattr(one, "id", ""))) for one in calls}


def named(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def test_a_page_that_says_a_refusal_in_a_sentence_counts_it() -> None:
    found = list(handlers())
    assert len(found) > 30
    uncounted = {(file, function) for file, function, counts in found if not counts}
    assert uncounted == UNCOUNTED.keys()
