"""Calls promised from a queue to callers who hung up and keep their place."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0077"
down_revision = "0076"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "queue_callbacks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("place_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("attempt_id", sa.Uuid()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text()),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "call_id", name="uq_queue_callbacks_call"),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        sa.CheckConstraint(
            "state IN ('waiting', 'calling', 'kept', 'given-up', 'expired', 'withdrawn', 'refused')",
            name="state",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('waiting', 'calling'))", name="ended"),
        schema="app",
    )
    op.create_index(
        "ix_queue_callbacks_open",
        "queue_callbacks",
        ["tenant_id", "place_at"],
        schema="app",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_queue_callbacks_attempt", "queue_callbacks", ["tenant_id", "attempt_id"], schema="app"
    )
    fence("queue_callbacks")


def downgrade() -> None:
    op.drop_table("queue_callbacks", schema="app")
