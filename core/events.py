"""Durable events: call down, announce up.

A room announces what happened into the outbox, in the transaction in which it happened; after the
commit `workers.relay` turns each (event, handler) of `wiring.subscriptions` into a job. Events carry ids
and values, never personal data, because the outbox is a platform table.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Self, get_args
from uuid import UUID

from sqlalchemy import DateTime, Index, String, Text, Uuid, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import clock
from core.db import Base
from core.ids import TenantId, new_id

# Event names to classes; filled by `Event.__init_subclass__` when a room's events module is imported.
_KNOWN: dict[str, type["Event"]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to one tenant; subclasses are named in the past tense."""

    name: ClassVar[str] = ""

    tenant_id: TenantId

    def __init_subclass__(cls, **kwargs: object) -> None:
        # slots=True makes the class anew, and the bare super() would still mean the first one
        super(Event, cls).__init_subclass__(**kwargs)
        cls.name = cls.__name__
        _KNOWN[cls.__name__] = cls

    def payload(self) -> str:
        """Return the event as JSON; ids as text, instants as RFC 3339."""
        return json.dumps(asdict(self), default=_plain, sort_keys=True)

    @classmethod
    def from_payload(cls, payload: str) -> Self:
        """Rebuild an event of this class from its JSON; a field it was announced without has its default."""
        raw: dict[str, Any] = json.loads(payload)
        return cls(
            **{field.name: _typed(field.type, raw[field.name]) for field in fields(cls) if field.name in raw}
        )


class OutboxRow(Base):
    """One announced event, waiting for the relay. A platform table: ids and values only."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "id", postgresql_where=text("relayed_at IS NULL")),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(60))
    payload: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    relayed_at: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))


def announce(session: Session, event: Event) -> None:
    """Put an event into the outbox of the running transaction; it is heard only after the commit."""
    session.add(
        OutboxRow(
            id=new_id(),
            tenant_id=event.tenant_id,
            name=event.name,
            payload=event.payload(),
            created_at=clock.now(),
        )
    )


def known() -> dict[str, type[Event]]:
    """Return every event class that has been imported, by name."""
    return dict(_KNOWN)


def rebuild(name: str, payload: str) -> Event:
    """Return the event a row of the outbox holds.

    Raises:
        KeyError: no room announces an event of this name.
    """
    return _KNOWN[name].from_payload(payload)


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    message = f"an event may not carry {type(value).__name__}"
    raise TypeError(message)


def _typed(annotation: object, value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if value is None:
        return None
    for part in get_args(annotation) or (annotation,):  # `UUID | None` is a UUID when it is there
        wanted = getattr(part, "__supertype__", part)
        if wanted is UUID:
            return UUID(value)
        if wanted is dt.datetime:
            return dt.datetime.fromisoformat(value)
        if isinstance(wanted, type) and issubclass(wanted, StrEnum):
            return wanted(value)
    return value
