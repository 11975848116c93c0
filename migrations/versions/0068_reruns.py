"""Rating a stretch again: looked at piece by piece, approved, applied piece by piece."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0068"
down_revision = "0067"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reruns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid()),
        sa.Column("start_at", INSTANT, nullable=False),
        sa.Column("end_at", INSTANT, nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("approved_by", sa.Uuid()),
        sa.Column("approved_at", INSTANT),
        sa.Column("apply_id", sa.Uuid(), nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("cursor", JSONB(), nullable=False),
        sa.Column("pieces", JSONB(), nullable=False),
        sa.Column("moves", JSONB(), nullable=False),
        sa.Column("settled", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('looking', 'looked', 'applying', 'done', 'gone')", name="state"),
        sa.CheckConstraint("start_at < end_at", name="stretch"),
        sa.CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved"),
        schema="app",
    )
    fence("reruns")
    op.execute("REVOKE DELETE ON app.reruns FROM seatline_app")


def downgrade() -> None:
    op.drop_table("reruns", schema="app")
