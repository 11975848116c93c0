"""Each of the 26 things a metered bill has to hold names tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "billing" / "README.md"
ROW = re.compile(r"^\| (\d+) \| .*? \| (.*?) \| (.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:tests/[\w/]+/)?test_\w+(?:\.py)?|tests/\w+)`")


def held_by(text: str) -> dict[int, list[str]]:
    """Return which tests each number of the table names."""
    return {int(number): NAMED.findall(names) for number, _, names in ROW.findall(text)}


def said_how(text: str) -> dict[int, set[str]]:
    """Return of what kind the tests of each number are said to be."""
    return {int(number): set(kinds.split(", ")) for number, kinds, _ in ROW.findall(text)}


def kinds_of(text: str) -> set[str]:
    """Return of what kinds the tests in a file are; an example is none of them."""
    return {kind for kind, mark in KINDS.items() if re.search(mark, text)}


def files_of(name: str, at: Path) -> list[Path]:
    """Return the files behind a name of the table; billing's are without their path."""
    place = at / (name if name.startswith("tests/") else f"tests/billing/{name}")
    files = sorted(place.glob("test_*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return [one for one in files if one.is_file()]


def how_many(name: str, at: Path) -> int:
    """Return how many tests a file or folder has that the table names."""
    return sum(
        node.name.startswith("test_")
        for file in files_of(name, at)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )


KINDS = {
    "property": r"(?m)^@given\(",
    "machine": r"run_state_machine_as_test\(",
    "crash": r"pytest\.raises\(KilledError\)|except KilledError",
    "threads": r"ThreadPoolExecutor|threading\.",
    "database": r"information_schema|pg_constraint|pg_class|pytest\.raises\(DBAPIError",
    "published": r"published\.toml",
}
HELD = held_by(README.read_text(encoding="utf-8"))


def test_the_table_has_all_of_them() -> None:
    assert list(HELD) == list(range(1, 27))


@pytest.mark.parametrize("number", range(1, 27))
def test_each_names_tests_that_are_there(number: int) -> None:
    assert HELD[number], "nothing is said to hold it"
    assert [name for name in HELD[number] if not how_many(name, ROOT)] == []


@pytest.mark.parametrize("number", range(1, 27))
def test_each_is_held_by_more_than_examples(number: int) -> None:
    """A property, a state machine, a crash at each statement, or what the database itself refuses."""
    said = said_how(README.read_text(encoding="utf-8"))[number]
    assert said
    assert said <= set(KINDS), "no such kind"
    texts = [file.read_text(encoding="utf-8") for name in HELD[number] for file in files_of(name, ROOT)]
    there = set().union(*map(kinds_of, texts))
    assert said - there == set(), "no test of the named files is of this kind"


def test_an_example_is_no_property() -> None:
    assert kinds_of("@pytest.mark.parametrize\ndef test_one() -> None: ...") == set()
    assert kinds_of("@given(st.integers())\ndef test_any(n: int) -> None: ...") == {"property"}


def test_a_test_that_has_gone_is_missed(tmp_path: Path) -> None:
    gone = held_by(
        "| 1 | longest prefix | property | `test_never_written`, `tests/wiring/test_gone.py`: all |\n"
    )
    assert gone == {1: ["test_never_written", "tests/wiring/test_gone.py"]}
    assert [how_many(name, ROOT) for name in gone[1]] == [0, 0]
    (tmp_path / "tests" / "billing").mkdir(parents=True)
    (tmp_path / "tests" / "billing" / "test_empty.py").write_text("NOTHING = 1\n", encoding="utf-8")
    assert how_many("test_empty", tmp_path) == 0
