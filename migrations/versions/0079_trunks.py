"""Trunks with channels that all companies share, and how many of them one company takes at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0079"
down_revision = "0078"


def upgrade() -> None:
    op.create_table(
        "trunks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name"),
        sa.CheckConstraint("channels >= 1", name="channels"),
        schema="app",
    )
    fence("trunks")
    op.add_column("calling_caps", sa.Column("channels", sa.Integer()), schema="app")
    op.create_check_constraint("some_channels", "calling_caps", "channels >= 1", schema="app")
    op.add_column(
        "switch_loads",
        sa.Column("trunks", JSONB(), nullable=False, server_default="{}"),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("switch_loads", "trunks", schema="app")
    op.drop_constraint("ck_calling_caps_some_channels", "calling_caps", schema="app")
    op.drop_column("calling_caps", "channels", schema="app")
    op.drop_table("trunks", schema="app")
