"""Every regular expression of the product, on strings made to be hard for it (T118).

    python -m bench.patterns

For each pattern, strings are made of the signs it speaks of, repeated and then spoilt at the end, so that it
must give up late. What it takes for 4,000 and for 8,000 signs is compared: twice is linear, four times is
quadratic. What is slower than linear and can be felt stands in the report; no pattern comes from a user.
"""

import ast
import json
import re
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.choices import CHECKOUT

_ROOMS = (
    *("billing", "campaigns", "core", "customers", "launch", "seats", "security", "standin", "telephony"),
    *("tenants", "web", "wiring", "workers"),
)
_CALLS = frozenset({"compile", "fullmatch", "match", "search", "sub", "split", "finditer", "findall"})
_SHORT, _LONG = 4_000, 8_000
_LINEAR = 3.0
_FELT_S = 0.01
SEEDS = (
    "a",
    "A",
    "0",
    " ",
    ".",
    "-",
    "_",
    "/",
    ":",
    "@",
    "+",
    "=",
    '"',
    "\\",
    "\n",
    "<",
    "(",
    "a0",
    "a.",
    "a-",
    "1,",
    " \t",
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern, how it is used, and where it stands."""

    place: str
    use: str
    text: str
    flags: int


def patterns() -> Iterator[Pattern]:
    """Yield every pattern that stands in the product as a text of its own."""
    for room in _ROOMS:
        for file in sorted((CHECKOUT / room).rglob("*.py")):
            yield from _of(file)


def _of(file: Path) -> Iterator[Pattern]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _CALLS
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            flags = sum(
                int(getattr(re, one.attr))
                for word in (*node.args[1:], *(keyword.value for keyword in node.keywords))
                for one in ast.walk(word)
                if isinstance(one, ast.Attribute) and isinstance(getattr(re, one.attr, None), re.RegexFlag)
            )
            yield Pattern(
                f"{file.relative_to(CHECKOUT)}:{node.lineno}", node.func.attr, node.args[0].value, flags
            )


def worst(pattern: Pattern) -> tuple[float, float]:
    """Return the longest time for 8,000 signs, in seconds, and how many times that for 4,000."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = re.compile(pattern.text, pattern.flags)
    tries = (compiled.fullmatch,) if pattern.use == "fullmatch" else (compiled.search, compiled.fullmatch)
    found = (0.0, 0.0)
    for seed in (*SEEDS, *re.findall(r"[^\W_]{2,}", pattern.text)[:4]):
        for end in ("!", "\x00"):
            for ask in tries:
                short, long = (_took(ask, (seed * size)[:size] + end) for size in (_SHORT, _LONG))
                if long > found[0]:
                    found = (long, long / short)
    return found


def _took(ask: Any, text: str) -> float:  # noqa: ANN401 - a bound method of a pattern
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        ask(text)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Print the report."""
    known = list(patterns())
    slow = []
    longest = 0.0
    for one in known:
        seconds, growth = worst(one)
        longest = max(longest, seconds)
        if seconds > _FELT_S and growth > _LINEAR:
            slow.append({"place": one.place, "ms": round(seconds * 1000, 2), "growth": round(growth, 1)})
    report = {
        "measure": "patterns",
        "patterns": len(known),
        "signs": _LONG,
        "longest_ms": round(longest * 1000, 2),
        "slower_than_linear": slow,
    }
    json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
