"""Each of the 26 things a metered bill has to hold names tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "billing" / "README.md"
ROW = re.compile(r"^\| (\d+) \| .*? \| (.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:tests/[\w/]+/)?test_\w+(?:\.py)?|tests/\w+)`")


def held_by(text: str) -> dict[int, list[str]]:
    """Return which tests each number of the table names."""
    return {int(number): NAMED.findall(names) for number, names in ROW.findall(text)}


def how_many(name: str, at: Path) -> int:
    """Return how many tests a file or folder has that the table names; billing's without their path."""
    place = at / (name if name.startswith("tests/") else f"tests/billing/{name}")
    files = sorted(place.glob("test_*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return sum(
        node.name.startswith("test_")
        for file in files
        if file.is_file()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )


HELD = held_by(README.read_text(encoding="utf-8"))


def test_the_table_has_all_of_them() -> None:
    assert list(HELD) == list(range(1, 27))


@pytest.mark.parametrize("number", range(1, 27))
def test_each_names_tests_that_are_there(number: int) -> None:
    assert HELD[number], "nothing is said to hold it"
    assert [name for name in HELD[number] if not how_many(name, ROOT)] == []


def test_a_test_that_has_gone_is_missed(tmp_path: Path) -> None:
    gone = held_by("| 1 | longest prefix | `test_never_written`, `tests/wiring/test_gone.py`: all |\n")
    assert gone == {1: ["test_never_written", "tests/wiring/test_gone.py"]}
    assert [how_many(name, ROOT) for name in gone[1]] == [0, 0]
    (tmp_path / "tests" / "billing").mkdir(parents=True)
    (tmp_path / "tests" / "billing" / "test_empty.py").write_text("NOTHING = 1\n", encoding="utf-8")
    assert how_many("test_empty", tmp_path) == 0
