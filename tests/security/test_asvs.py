"""asvs.yaml lists the items that decide, and what it points at is there."""

from typing import Any

import pytest
import yaml

from tests.security.test_attacks import TESTS, names_in

# the items of docs/adr/0003-walls.md's standard that a call centre's walls stand or fall with; a chapter
# without a second point stands for all its items
ITEMS = {
    *("1.2.10", "1.3.6", "1.3.11", "1.3.12", "1.5.2", "2.3.3", "2.3.4", "2.3.5", "2.4.1"),
    *(f"3.3.{number}" for number in range(1, 5)),
    *(f"3.4.{number}" for number in range(1, 9)),
    *(f"3.5.{number}" for number in range(1, 9)),
    *("4.4.2", "4.4.3", "4.4.4", "5.2.1", "5.2.2", "5.2.3", "5.2.4", "5.3.2", "5.4.1", "5.4.2", "5.4.3"),
    *("6.3.3", "6.3.4", "6.3.8", "6.4.3", "6.4.4", "6.4.5", "6.4.6", "6.5.1", "6.5.2"),
    *("7.2.4", *(f"7.4.{number}" for number in range(1, 6)), "7.5.3"),
    *("8.2.1", "8.2.2", "8.2.3", "8.3.2", "8.3.3", "8.4.1", "8.4.2"),
    *("10.4", "11.2.2", "11.3.3", "11.3.4", "11.4.2", "11.5.1", "12.3.5"),
    *(*(f"13.2.{number}" for number in range(1, 6)), "13.3.1", "13.3.4"),
    *("14.2.1", "14.2.6", "14.2.7", "14.3.1", "15.3.2", "15.3.3", "15.3.4", "15.4.2"),
    *("16.2.5", "16.4.1", "16.4.2", "16.4.3", "16.5.3", "17.1", "17.2", "17.3"),
}


def listed(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(
        (TESTS / f"security/{name}.yaml").read_text(encoding="utf-8")
    )
    return found


@pytest.fixture(scope="module")
def asvs() -> dict[str, dict[str, Any]]:
    return listed("asvs")


def test_every_item_is_listed_and_none_is_made_up(asvs: dict[str, dict[str, Any]]) -> None:
    assert asvs.keys() == ITEMS


def test_every_item_is_shown_or_says_why_not(asvs: dict[str, dict[str, Any]]) -> None:
    attacks = listed("attacks")
    for name, item in asvs.items():
        assert item.keys() <= {"asks", "tests", "cases", "exception"}, name
        assert item["asks"], name
        cases = item.get("cases", [])
        assert set(cases) <= attacks.keys(), name
        shown = bool(item.get("tests")) or any(attacks[case].get("tests") for case in cases)
        assert shown or item.get("exception"), f"{name} is neither shown by a test nor excepted"


def test_every_test_that_is_named_is_there(asvs: dict[str, dict[str, Any]]) -> None:
    named = {one for item in asvs.values() for one in item.get("tests", ())}
    files = {one.partition("::")[0] for one in named}
    there = {
        f"{file}::{name}" for file in files if (TESTS / file).is_file() for name in names_in(TESTS / file)
    }
    assert named - there == set()
