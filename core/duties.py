"""Duties: what is owed after an event was announced, or because its time has come.

One row for each (event, handler) pair and for each slot of the periodic table. The work lives here and
Redis only wakes somebody up for it, so whatever is lost in Redis is found again. A platform table: ids,
names and instants, nothing personal. Written and read by `workers`.
"""

from uuid import UUID

from sqlalchemy import Index, SmallInteger, String, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Instant, OptionalInstant

OWED = text("settled_at IS NULL AND given_up_at IS NULL")


class DutyRow(Base):
    """One handler owed to one subject.

    Attributes:
        subject_id: the event's id in the outbox; of the periodic table, the number of the slot.
        due_at: from when it may be handed out, or, in a batch, handed out again.
        batch_id: the job that has it now.
        error: code of the last failure; never a message, which could quote a person.
    """

    __tablename__ = "duties"
    __table_args__ = (
        Index("ix_duties_owed", "due_at", postgresql_where=OWED),
        Index("ix_duties_batch", "batch_id"),
    )

    subject_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    handler: Mapped[str] = mapped_column(String(60), primary_key=True)
    due_at: Mapped[Instant]
    batch_id: Mapped[UUID | None] = mapped_column(Uuid)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    settled_at: Mapped[OptionalInstant]
    given_up_at: Mapped[OptionalInstant]
    error: Mapped[str | None] = mapped_column(String(80))
