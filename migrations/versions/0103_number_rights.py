"""Whose each number is and by which paper it may be shown: the operator's statements, the renter's copy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze

revision = "0103"
down_revision = "0102"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "number_rights",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("holder_name", sa.Text(), nullable=False),
        sa.Column("holder_tenant_id", sa.Uuid()),
        sa.Column("paper", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("attestation", sa.Text(), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT),
        sa.Column("withdrawn_at", INSTANT),
        sa.Column("stated_at", INSTANT, nullable=False),
        sa.Column("stated_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "number_id"], ["app.number_stock.tenant_id", "app.number_stock.id"]
        ),
        sa.UniqueConstraint("tenant_id", "number_id", "version"),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="number_rights_span"),
        sa.CheckConstraint("attestation IN ('A', 'B', 'C')", name="number_rights_attestation"),
        sa.CheckConstraint(
            "(holder = 'client') = (holder_tenant_id IS NOT NULL)", name="number_rights_client"
        ),
        schema="app",
    )
    fence("number_rights", append_only=True)
    freeze("number_rights")
    op.add_column("number_stock", sa.Column("holder_tenant_id", sa.Uuid()), schema="app")
    op.add_column("numbers", sa.Column("right_of_use", JSONB()), schema="app")
    op.add_column("numbers", sa.Column("right_told", sa.Text()), schema="app")


def downgrade() -> None:
    op.drop_column("numbers", "right_told", schema="app")
    op.drop_column("numbers", "right_of_use", schema="app")
    op.drop_column("number_stock", "holder_tenant_id", schema="app")
    op.drop_table("number_rights", schema="app")
