"""When queues are open, and what callers hear outside these hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    op.create_table(
        "queue_hours",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("week", JSONB(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("own", JSONB(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("leads_to", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "queue_id"),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "leads_to"], ["app.queues.tenant_id", "app.queues.id"]),
        schema="app",
    )
    fence("queue_hours")


def downgrade() -> None:
    op.drop_table("queue_hours", schema="app")
