"""Refusals by kind and company in an hour: a company's own, and the operator's of all."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0094"
down_revision = "0093"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("told_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "hour", "kind", "company_id"),
        sa.CheckConstraint("times > 0", name="times"),
        schema="app",
    )
    fence("refusals")
    # what the gate has refused in this hour and the last is counted every five minutes
    op.create_index(
        "ix_dial_decisions_refused",
        "dial_decisions",
        ["tenant_id", "decided_at"],
        schema="app",
        postgresql_where=sa.text("NOT is_cleared"),
    )


def downgrade() -> None:
    op.drop_index("ix_dial_decisions_refused", "dial_decisions", schema="app")
    op.drop_table("refusals", schema="app")
