"""What rows were when they were written down, as one hash for the log: column by column in a fixed form.

So the log proves the rows as well, and whoever compares later needs nothing but them. A room lists its own
columns, and says by a letter in front by which list a digest was made.
"""

import datetime as dt
import hashlib
import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session


def of_rows(session: Session, *queries: Select[Any]) -> str:
    """Return the SHA-256, hex, of what some queries find; each one says its order."""
    session.flush()
    return of_values([[list(row) for row in session.execute(query)] for query in queries])


def of_values(found: list[list[list[Any]]]) -> str:
    """Return the SHA-256, hex, of the rows that some queries found."""
    written = json.dumps(found, default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date | UUID | Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
