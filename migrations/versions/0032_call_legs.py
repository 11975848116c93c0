"""Who had which part of a call that was given on, or in which a second agent was asked."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0032"
down_revision = "0031"

INSTANT = sa.DateTime(timezone=True)
_STAGES = "'talking', 'ringing', 'private', 'aside', 'together', 'over'"
_LEFT = "'transferred', 'left', 'line-lost', 'asked-only', 'not-there', 'ended'"


def upgrade() -> None:
    op.create_table(
        "call_legs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("agent_number", sa.Integer(), nullable=False),
        sa.Column("seat_id", sa.Uuid()),
        sa.Column("seat_label", sa.Text(), nullable=False),
        sa.Column("joined_at", INSTANT, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("left_at", INSTANT),
        sa.Column("how", sa.Text()),
        sa.Column("disposition", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        sa.CheckConstraint(f"stage IN ({_STAGES})", name="stage"),
        sa.CheckConstraint(f"how IN ({_LEFT})", name="how"),
        sa.CheckConstraint("(left_at IS NULL) = (how IS NULL)", name="left"),
        sa.CheckConstraint("left_at >= joined_at", name="order"),
        schema="app",
    )
    op.create_index("ix_call_legs_of_call", "call_legs", ["tenant_id", "call_id"], schema="app")
    fence("call_legs")


def downgrade() -> None:
    op.drop_table("call_legs", schema="app")
