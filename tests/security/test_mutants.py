"""mutants.yaml against the sources, in every run; and each wall taken down, in `make deep`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.choices import CHECKOUT
from tests.security import mutants
from tests.security.mutants import Mutant

ALL = mutants.listed()


@pytest.mark.parametrize("mutant", ALL, ids=lambda one: one.wall)
def test_each_wall_stands_where_the_list_says(mutant: Mutant) -> None:
    text = (CHECKOUT / mutant.file).read_text(encoding="utf-8")
    for old, new in mutant.changes:
        assert text.count(old) == 1, old
        assert new != old
    for name in mutant.tests:
        assert (CHECKOUT / "tests" / name.partition("::")[0]).is_file()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with mutants.copied() as copy:
        yield copy


@pytest.mark.deep
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mutant", ALL, ids=lambda one: one.wall)
def test_no_wall_comes_down_unseen(mutant: Mutant, folder: Path) -> None:
    outcome = mutants.tried(mutant, folder)
    assert outcome.is_noticed, outcome.words
