"""Refunds of top-ups: of a payment or of a top-up, by the same two people."""

import sqlalchemy as sa
from alembic import op

revision = "0091"
down_revision = "0090"


def upgrade() -> None:
    op.add_column("refunds", sa.Column("top_up_id", sa.Uuid()), schema="app")
    op.alter_column("refunds", "payment_id", nullable=True, schema="app")
    op.create_foreign_key(
        "refunds_tenant_id_top_up_id_fkey",
        "refunds",
        "top_ups",
        ["tenant_id", "top_up_id"],
        ["tenant_id", "id"],
        source_schema="app",
        referent_schema="app",
    )
    op.create_check_constraint(
        "of_one", "refunds", "(payment_id IS NULL) <> (top_up_id IS NULL)", schema="app"
    )
    op.create_index("ix_refunds_top_up", "refunds", ["tenant_id", "top_up_id"], schema="app")


def downgrade() -> None:
    op.drop_index("ix_refunds_top_up", "refunds", schema="app")
    op.drop_constraint("ck_refunds_of_one", "refunds", schema="app")
    op.drop_constraint("refunds_tenant_id_top_up_id_fkey", "refunds", schema="app")
    op.alter_column("refunds", "payment_id", nullable=False, schema="app")
    op.drop_column("refunds", "top_up_id", schema="app")
