"""The latest trial of other ways of routing on a company's own calls."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0085"
down_revision = "0084"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "routing_trials",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("more", sa.Integer(), nullable=False),
        sa.Column("is_example", sa.Boolean(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("answer", JSONB(), nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("percent BETWEEN 0 AND 100", name="percent"),
        schema="app",
    )
    fence("routing_trials")


def downgrade() -> None:
    op.drop_table("routing_trials", schema="app")
