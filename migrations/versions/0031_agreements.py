"""Agreements that agents sign: the texts. Who signed stands in schema sec, where the gate asks."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0031"
down_revision = "0030"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "agreements",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("effective_from", INSTANT, nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version"),
        sa.CheckConstraint("digest = sha256(convert_to(body, 'UTF8'))", name="digest"),
        sa.CheckConstraint("grace_days BETWEEN 0 AND 90", name="grace"),
        schema="app",
    )
    fence("agreements", append_only=True)
    freeze("agreements")


def downgrade() -> None:
    op.drop_table("agreements", schema="app")
