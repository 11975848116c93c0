"""Sounds that companies upload for their flows."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0089"
down_revision = "0088"


def upgrade() -> None:
    op.create_table(
        "flow_sounds",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sound_ct", sa.LargeBinary(), nullable=False),
        sa.Column("length_ms", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="app",
    )
    fence("flow_sounds")
    sealed("flow_sounds", "sound_ct")


def downgrade() -> None:
    op.drop_table("flow_sounds", schema="app")
