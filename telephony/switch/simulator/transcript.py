"""What went in and out, as a table a person can read and a test can compare.

Ids made at run time would differ every time, so each is shown under the name of its kind and order:
`in-1` (a caller), `out-1` (a rung phone), `bridge-1`, `playback-1`, `recording-1`.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from core import clock


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: milliseconds since the start, `>` an event or `<` a command, what."""

    at_ms: int
    direction: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_ms:>8} {self.direction} {self.text}"


class Transcript:
    """The table, and the names in it."""

    def __init__(self) -> None:
        self._began_at: dt.datetime = clock.now()
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self.entries: list[Entry] = []

    def name(self, identifier: str, kind: str) -> str:
        """Return the name of an id, giving it the next one of its kind when it is new."""
        if identifier not in self._names:
            self._counts[kind] += 1
            self._names[identifier] = f"{kind}-{self._counts[kind]}"
        return self._names[identifier]

    def event(self, text: str) -> None:
        """Note an event."""
        self._note(">", text)

    def command(self, text: str) -> None:
        """Note a command."""
        self._note("<", text)

    def commands(self, *, since_ms: int = 0) -> list[str]:
        """Return the commands in their order, without times."""
        return [e.text for e in self.entries if e.direction == "<" and e.at_ms >= since_ms]

    def __str__(self) -> str:
        return "\n".join(map(str, self.entries))

    def _note(self, direction: str, text: str) -> None:
        at_ms = clock.elapsed_ms(self._began_at, clock.now())
        self.entries.append(Entry(at_ms, direction, text))
