"""Stripe's form encoding: brackets make trees, `a[b]=1` and `a[0]=x`; keys that count from 0 make lists."""

import itertools
from typing import Any
from urllib.parse import parse_qsl

_DEEPEST = 8


def decode(text: str) -> dict[str, Any]:
    """Return the tree a query or a body stands for; leaves are text.

    Raises:
        ValueError: a name that cannot be read, is too deep, or stands for two things.
    """
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(
        text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=2000
    ):
        head, *rest = name.split("[")
        path = [head, *(part.removesuffix("]") for part in rest)]
        if len(path) > _DEEPEST or not all(one.endswith("]") for one in rest):
            raise ValueError(name)
        here = tree
        for part, following in itertools.pairwise(path):
            inner = here.setdefault(part or str(len(here)), {})
            if not isinstance(inner, dict):  # the name stands for a value and for a tree
                raise ValueError(following)  # noqa: TRY004 - wrong input, not a wrong type of ours
            here = inner
        here[path[-1] or str(len(here))] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(one) for name, one in value.items()}
    if inner and set(inner) == {str(place) for place in range(len(inner))}:
        return [inner[str(place)] for place in range(len(inner))]
    return inner
