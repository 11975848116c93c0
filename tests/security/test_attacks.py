"""attacks.yaml lists every case of the catalogue, and names tests that are there."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from security.refusals import KINDS

TESTS = Path(__file__).parents[1]
# the catalogue's numbering, with its gaps
CASES = {
    f"T{number:02}"
    for first, last in (
        (1, 24), (30, 47), (50, 66), (70, 79), (80, 88), (90, 95), (100, 122), (125, 134)
    )
    for number in range(first, last + 1)
} | {f"G{number}" for number in range(1, 7)}  # fmt: skip


@pytest.fixture(scope="module")
def attacks() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(
        (TESTS / "security/attacks.yaml").read_text(encoding="utf-8")
    )
    return found


def names_in(file: Path) -> set[str]:
    """Return the names of a file's tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_case_is_listed_and_none_is_made_up(attacks: dict[str, dict[str, Any]]) -> None:
    assert attacks.keys() == CASES


def test_every_case_has_a_test_or_says_why_not(attacks: dict[str, dict[str, Any]]) -> None:
    bare = [name for name, case in attacks.items() if not case.get("tests") and not case.get("waits")]
    assert bare == []
    known = {"tried", "alarm", "counted", "tests", "waits"}
    assert all(case.keys() <= known and case["tried"] for case in attacks.values())


def test_every_test_that_is_named_is_there(attacks: dict[str, dict[str, Any]]) -> None:
    named = {one for case in attacks.values() for one in case.get("tests", ())}
    files = {one.partition("::")[0] for one in named}
    there = {
        f"{file}::{name}" for file in files if (TESTS / file).is_file() for name in names_in(TESTS / file)
    }
    assert named - there == set()


def test_every_kind_a_case_is_counted_as_is_one(attacks: dict[str, dict[str, Any]]) -> None:
    assert {kind for case in attacks.values() for kind in case.get("counted", ())} <= KINDS.keys()
