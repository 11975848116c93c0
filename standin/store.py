"""Everything the stand-in remembers: one SQLite file, so that it survives restarts.

One thread works at a time (the server's lock); a request is one transaction.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_kind ON objects (kind, seq);
CREATE TABLE IF NOT EXISTS hidden (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL, due REAL,
  attempt INTEGER NOT NULL DEFAULT 0, status INTEGER);
CREATE TABLE IF NOT EXISTS due (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, clock TEXT, what TEXT NOT NULL, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS choices (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request with an idempotency key was answered."""

    fingerprint: str
    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint; `due` None: held back."""

    seq: int
    event: str
    endpoint: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Due:
    """Something that happens when its time has come."""

    what: str
    id: str


class Store:
    """Objects by id and by kind, newest first, and what hangs on them."""

    def __init__(self, file: Path | str) -> None:
        """Open or make the file; ":memory:" for a short life."""
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode=WAL; {_TABLES}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep everything that is done inside, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put(self, kind: str, value: Object) -> Object:
        """Keep an object, new or changed."""
        self._db.execute(
            "INSERT INTO objects (id, kind, body) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (value["id"], kind, json.dumps(value)),
        )
        return value

    def get(self, object_id: str, *, kind: str | None = None) -> Object | None:
        """Return an object, or None."""
        row = self._db.execute("SELECT kind, body FROM objects WHERE id = ?", (object_id,)).fetchone()
        if row is None or (kind is not None and row[0] != kind):
            return None
        found: Object = json.loads(row[1])
        return found

    def remove(self, object_id: str) -> None:
        """Forget an object."""
        self._db.execute("DELETE FROM objects WHERE id = ?", (object_id,))

    def every(self, kind: str, *, before: str = "", after: str = "") -> Iterator[Object]:
        """Yield the objects of a kind, newest first; older than `before`, newer than `after`."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE kind = :kind"
            " AND (:before = '' OR seq < (SELECT seq FROM objects WHERE id = :before))"
            " AND (:after = '' OR seq > (SELECT seq FROM objects WHERE id = :after)) ORDER BY seq DESC",
            {"kind": kind, "before": before, "after": after},
        ).fetchall()
        for row in rows:
            yield json.loads(row[0])

    def hide(self, object_id: str, value: Object) -> None:
        """Keep what is never shown of an object."""
        self._db.execute("REPLACE INTO hidden VALUES (?, ?)", (object_id, json.dumps(value)))

    def hidden(self, object_id: str) -> Object:
        """Return what is never shown of an object."""
        row = self._db.execute("SELECT body FROM hidden WHERE id = ?", (object_id,)).fetchone()
        found: Object = json.loads(row[0]) if row else {}
        return found

    def answer(self, key: str) -> Answer | None:
        """Return what this idempotency key was answered before."""
        row = self._db.execute(
            "SELECT fingerprint, status, body FROM answers WHERE key = ?", (key,)
        ).fetchone()
        return Answer(*row) if row else None

    def keep_answer(self, key: str, answer: Answer) -> None:
        """Keep an answer for its idempotency key."""
        self._db.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?)", (key, answer.fingerprint, answer.status, answer.body)
        )

    def forget_answers(self) -> None:
        """Know no idempotency key any more."""
        self._db.execute("DELETE FROM answers")

    def owe(self, what: str, object_id: str, *, at: float, clock: str | None) -> None:
        """Let something happen at a time, or when a test clock gets there."""
        self._db.execute(
            "INSERT INTO due (at, clock, what, id) VALUES (?, ?, ?, ?)", (at, clock, what, object_id)
        )

    def take_due(self, *, until: float, clock: str | None) -> list[Due]:
        """Return what is due, in order, and forget that it was."""
        rows = self._db.execute(
            "DELETE FROM due WHERE at <= ? AND clock IS ? RETURNING seq, what, id", (until, clock)
        ).fetchall()
        return [Due(row[1], row[2]) for row in sorted(rows)]

    def send(self, event: str, endpoint: str, *, due: float | None) -> None:
        """Put an event on its way; `due` None holds it back."""
        self._db.execute(
            "INSERT INTO deliveries (event, endpoint, due) VALUES (?, ?, ?)", (event, endpoint, due)
        )

    def waiting(self, *, now: float) -> list[Delivery]:
        """Return the deliveries whose time has come."""
        rows = self._db.execute(
            "SELECT seq, event, endpoint, attempt FROM deliveries WHERE status IS NULL AND due <= ?"
            " ORDER BY due, seq LIMIT 50",
            (now,),
        )
        return [Delivery(*row) for row in rows.fetchall()]

    def delivered(self, delivery: Delivery, *, status: int, again_at: float | None) -> None:
        """Write down what came of a delivery; `again_at`: try again then."""
        self._db.execute(
            "UPDATE deliveries SET attempt = attempt + 1, status = ?, due = ? WHERE seq = ?",
            (None if again_at else status, again_at, delivery.seq),
        )

    def held(self) -> list[Delivery]:
        """Return the deliveries that are held back, oldest first."""
        rows = self._db.execute(
            "SELECT seq, event, endpoint, attempt FROM deliveries WHERE status IS NULL AND due IS NULL"
            " ORDER BY seq"
        )
        return [Delivery(*row) for row in rows.fetchall()]

    def drop(self, delivery: Delivery) -> None:
        """Forget a delivery."""
        self._db.execute("DELETE FROM deliveries WHERE seq = ?", (delivery.seq,))

    def pending(self) -> int:
        """Return how many deliveries are not done, held ones left out."""
        row = self._db.execute(
            "SELECT count(*) FROM deliveries WHERE status IS NULL AND due IS NOT NULL"
        ).fetchone()
        return int(row[0])

    def choice(self, name: str, otherwise: str) -> str:
        """Return a choice made by the control page."""
        row = self._db.execute("SELECT value FROM choices WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else otherwise

    def choose(self, name: str, value: str) -> None:
        """Keep a choice."""
        self._db.execute("REPLACE INTO choices VALUES (?, ?)", (name, value))
