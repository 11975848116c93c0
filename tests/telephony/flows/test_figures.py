"""What callers rated in a flow, as its page and programs see it."""

from decimal import Decimal

import pytest

from telephony.flows.figures import NodeFigures


@pytest.mark.parametrize(
    ("ways", "mean"),
    [
        ({"rated-1": 1, "rated-4": 2}, "3.0"),
        ({"rated-5": 1, "rated-4": 3, "next": 9}, "4.3"),  # 4.25, half up; who gave none does not count
        ({"rated-2": 1}, "2.0"),
    ],
)
def test_the_mean_counts_who_gave_a_rating(ways: dict[str, int], mean: str) -> None:
    assert NodeFigures("survey", 20, 0, ways).mean_rating == Decimal(mean)


def test_without_a_rating_there_is_no_mean() -> None:
    figures = NodeFigures("menu", 3, 0, {"key-1": 3, "next": 1})
    assert figures.mean_rating is None
    assert figures.ratings == {}


def test_ratings_stand_from_the_worst_to_the_best() -> None:
    figures = NodeFigures("survey", 3, 0, {"rated-5": 3, "rated-1": 1})
    assert list(figures.ratings.items()) == [(1, 1), (5, 3)]
