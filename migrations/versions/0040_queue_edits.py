"""Queues are edited: a revision against two who edit at once, a longest wait, and closing."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    for column in (
        sa.Column("longest_wait_s", sa.Integer(), nullable=True),
        sa.Column("wait_message", sa.Text(), nullable=False, server_default=""),
        sa.Column("language", sa.Text(), nullable=False, server_default="en"),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("queues", column, schema="app")
    op.create_check_constraint("longest_wait_s", "queues", "longest_wait_s BETWEEN 10 AND 7200", schema="app")
    op.create_check_constraint("language", "queues", "language IN ('en', 'zh')", schema="app")
    op.create_index(
        "ix_calls_in_queue",
        "calls",
        ["tenant_id", "queue_id"],
        schema="app",
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_calls_in_queue", "calls", schema="app")
    for name in ("closed_at", "revision", "language", "wait_message", "longest_wait_s"):
        op.drop_column("queues", name, schema="app")
