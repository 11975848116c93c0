"""Tables of the evidence log. Read and written here only."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Instant, TenantOwned


class HeadRow(TenantOwned, Base):
    """How many entries a tenant has; locked while the next is written, so that there is no gap."""

    __tablename__ = "evidence_heads"

    size: Mapped[int] = mapped_column(BigInteger)


class EntryRow(TenantOwned, Base):
    """One entry; `body` is what was hashed, the other columns repeat parts of it to be searched by."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_action", "tenant_id", "action", "seq"),
        Index("ix_evidence_actor", "tenant_id", "actor_id", "seq"),
        Index("ix_evidence_subject", "tenant_id", "subject", "seq"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[Instant]
    actor_id: Mapped[UUID] = mapped_column(Uuid)
    actor_kind: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    leaf: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(TenantOwned, Base):
    """What was signed at a size; `note` is the signed text, `peaks` let it be continued."""

    __tablename__ = "evidence_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[Instant]
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str] = mapped_column(Text)
