"""Logs: one JSON line per event, no personal data.

Rooms log ids and codes. A value that could hold a name or a number has no place in a log call; the
processor below is the last guard, it masks anything that looks like a telephone number.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

# an id is kept; what else looks like a telephone number is not
_ID_OR_NUMBER = re.compile(
    r"(?P<id>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"
    r"|(?<![0-9a-f-])\+?[0-9][0-9 ()-]{7,}[0-9](?![0-9a-f-])"
)


def configure(process: str, *, as_json: bool = True) -> None:
    """Set up logging for this process; `process` stands on every line."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_numbers,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def _hide_numbers(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for field, value in event.items():
        if isinstance(value, str) and field not in {"timestamp", "process"}:
            event[field] = _ID_OR_NUMBER.sub(_kept, value)
    return event


def _kept(found: re.Match[str]) -> str:
    return found["id"] or "•••"
