"""A company's own words for why its agents are away."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    op.create_table(
        "agent_statuses",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label_en", sa.Text(), nullable=False),
        sa.Column("label_zh", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "code"),
        sa.CheckConstraint("code ~ '^[a-z][a-z0-9-]{0,30}$'", name="code"),
        schema="app",
    )
    fence("agent_statuses")


def downgrade() -> None:
    op.drop_table("agent_statuses", schema="app")
