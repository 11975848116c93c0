"""The evidence log: numbered entries, how many there are, and the signed checkpoints."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0018"
down_revision = "0017"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "evidence_heads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        schema="app",
    )
    fence("evidence_heads")
    op.execute("REVOKE DELETE ON app.evidence_heads FROM seatline_app")
    op.create_table(
        "evidence",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "seq"),
        sa.CheckConstraint("seq >= 0", name="numbered"),
        sa.CheckConstraint("octet_length(leaf) = 32", name="leaf"),
        schema="app",
    )
    for name, column in (("action", "action"), ("actor", "actor_id"), ("subject", "subject")):
        op.create_index(f"ix_evidence_{name}", "evidence", ["tenant_id", column, "seq"], schema="app")
    fence("evidence", append_only=True)
    freeze("evidence")
    op.create_table(
        "evidence_checkpoints",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("peaks", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "size"),
        schema="app",
    )
    fence("evidence_checkpoints", append_only=True)
    freeze("evidence_checkpoints")


def downgrade() -> None:
    for table in ("evidence_checkpoints", "evidence", "evidence_heads"):
        op.drop_table(table, schema="app")
