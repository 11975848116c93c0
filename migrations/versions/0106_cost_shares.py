"""Calls with two payers: what was agreed, on both sides, and extracts of another company's prices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0106"
down_revision = "0105"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "cost_shares",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("other_name", sa.Text(), nullable=False),
        sa.Column("is_other", sa.Boolean(), nullable=False),
        sa.Column("effective_from", INSTANT, nullable=False),
        sa.Column("shares", JSONB(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="app",
    )
    op.create_index("ix_cost_shares_start", "cost_shares", ["tenant_id", "effective_from"], schema="app")
    fence("cost_shares", append_only=True)
    column = sa.Column("is_extract", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("tariffs", column, schema="app")
    op.create_index(
        "uq_tariffs_in_force",
        "tariffs",
        ["tenant_id", "effective_from", "sha256"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("NOT is_extract"),
    )
    op.create_index(
        "uq_tariffs_extract",
        "tariffs",
        ["tenant_id", "sha256"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("is_extract"),
    )
    op.drop_constraint("uq_tariffs_tenant_id_effective_from", "tariffs", schema="app")


def downgrade() -> None:
    op.create_unique_constraint(
        "uq_tariffs_tenant_id_effective_from", "tariffs", ["tenant_id", "effective_from"], schema="app"
    )
    op.drop_index("uq_tariffs_extract", "tariffs", schema="app")
    op.drop_index("uq_tariffs_in_force", "tariffs", schema="app")
    op.drop_column("tariffs", "is_extract", schema="app")
    op.drop_table("cost_shares", schema="app")
