"""Agents' own telephones: whose calls may ring there, and whether one does in the browser's place."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from migrations.walls import fence, sealed

revision = "0105"
down_revision = "0104"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "agent_telephones",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("number_ct", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("clients", ARRAY(sa.Uuid()), nullable=False),
        sa.Column("is_chosen", sa.Boolean(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("checked_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id"),
        sa.ForeignKeyConstraint(["tenant_id", "agent_id"], ["app.agents.tenant_id", "app.agents.id"]),
        sa.CheckConstraint("code ~ '^[0-9]{4}$'", name="agent_telephones_code"),
        schema="app",
    )
    fence("agent_telephones")
    sealed("agent_telephones", "number_ct")


def downgrade() -> None:
    op.drop_table("agent_telephones", schema="app")
