"""The life of a worker process: it says when it serves, ends when told to, and outlives its parts.

The supervisor waits for `<state_dir>/ready/<process>`, which holds the pid.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from core import log
from core.config import Settings

logger = log.get(__name__)


class Life:
    """One process between its start and its SIGTERM."""

    def __init__(self, settings: Settings, *, process: str) -> None:
        self.stopping = threading.Event()
        self._file = settings.state_dir / "ready" / process
        self._trouble = ""

    @contextlib.contextmanager
    def lived(self) -> Iterator[None]:
        """End in good order on SIGTERM and SIGINT: they set `stopping`."""
        self.listen()
        try:
            yield
        finally:
            self._file.unlink(missing_ok=True)

    def listen(self) -> None:
        """Take the two signals (again: RQ takes them over while it works)."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)

    def serves(self) -> None:
        """Say that the process serves; after trouble, that it is over."""
        if self._trouble:
            logger.warning("back", after=self._trouble)
            self._trouble = ""
        if not self._file.exists():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part = Path(f"{self._file}.part")
            part.write_text(f"{os.getpid()}\n", encoding="ascii")
            part.replace(self._file)

    def troubled(self, part: str, error: str) -> None:
        """Log that a part is away, once until it is back."""
        if self._trouble != part:
            logger.warning("away", part=part, error=error)
            self._trouble = part

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping.set()
