"""What a company records unless a queue differs; queues say whether they do."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0101"
down_revision = "0100"


def upgrade() -> None:
    op.create_table(
        "recording_policies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("is_recorded", sa.Boolean(), nullable=False),
        sa.Column("record_percent", sa.SmallInteger(), nullable=False),
        sa.Column("tells_callers", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("record_percent BETWEEN 1 AND 100", name="record_percent"),
        schema="app",
    )
    fence("recording_policies")
    op.add_column(
        "queues",
        sa.Column("records_as_company", sa.Boolean(), server_default=sa.false(), nullable=False),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("queues", "records_as_company", schema="app")
    op.drop_table("recording_policies", schema="app")
