"""Who has taken on a message a caller left, and when they were done."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0090"
down_revision = "0089"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "messages_left",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("taken_by", sa.Integer(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "call_id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        schema="app",
    )
    fence("messages_left")


def downgrade() -> None:
    op.drop_table("messages_left", schema="app")
