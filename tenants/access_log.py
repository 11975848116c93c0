"""Who let whom in: every change of what a person or a key may do, in the evidence log.

For the company to read (ISO/IEC 27001:2022, A.5.18: access is given, changed and removed on record). An entry
names people and keys by id; names are opened when it is read.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from core import ids
from core.ids import KeyId, TenantId, UserId
from security import evidence

_NOUN = "access."


class Deed(StrEnum):
    """What was done."""

    INVITED = "invited"
    LINK_MADE = "link-made"
    CHOSEN = "password-chosen"  # by somebody's link
    ROLE_CHANGED = "role-changed"
    SHUT_OUT = "shut-out"
    LET_IN = "let-in"
    STEP_TAKEN = "second-step-taken"  # away, from who has lost phone and codes
    KEY_MADE = "key-made"
    KEY_REVOKED = "key-revoked"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deed: its number in the log, when, by which user or key, to whom or to which key; roles."""

    number: int
    at: dt.datetime
    by: UUID
    deed: Deed
    user_id: UserId | None
    key_id: KeyId | None
    was: tuple[str, ...]
    now: tuple[str, ...]


def write(
    session: Session,
    *,
    by: UUID,
    deed: Deed,
    user_id: UserId | None = None,
    key_id: KeyId | None = None,
    was: Iterable[str] = (),
    now: Iterable[str] = (),
) -> None:
    """Write a deed down, in the transaction that does it."""
    kind, ref = ("usr", user_id) if user_id else ("key", key_id)
    evidence.record(session, f"{_NOUN}{deed}", kind, ref, by=str(by), was=" ".join(was), now=" ".join(now))


def of_user(session: Session, *, tenant_id: TenantId, user_id: UserId, limit: int) -> list[Entry]:
    """Return what was done to one person's access, newest first."""
    return _entries(session, tenant_id, limit, subject=ids.public("usr", user_id))


def latest(session: Session, *, tenant_id: TenantId, limit: int, after: int | None = None) -> list[Entry]:
    """Return what was done in the company, newest first, beginning after an entry's number."""
    return _entries(session, tenant_id, limit, after=after)


def _entries(
    session: Session, tenant_id: TenantId, limit: int, *, subject: str = "", after: int | None = None
) -> list[Entry]:
    found = evidence.page(
        session, tenant_id=tenant_id, limit=limit, below=after, action=_NOUN, subject=subject
    )
    return [_entry(one) for one in found.entries]


def _entry(found: evidence.Entry) -> Entry:
    fact = found.fact
    is_user = fact.subject.startswith("usr_")
    return Entry(
        found.seq,
        found.at,
        UUID(str(fact.details["by"])),
        Deed(fact.action.removeprefix(_NOUN)),
        UserId(ids.parse("usr", fact.subject)) if is_user else None,
        None if is_user else KeyId(ids.parse("key", fact.subject)),
        tuple(str(fact.details["was"]).split()),
        tuple(str(fact.details["now"]).split()),
    )
