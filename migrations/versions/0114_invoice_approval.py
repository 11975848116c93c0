"""Who approved a draft, and when: before it is finalised."""

import sqlalchemy as sa
from alembic import op

revision = "0114"
down_revision = "0113"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("approved_by", sa.Uuid()), schema="app")
    op.add_column("invoices", sa.Column("approved_at", sa.DateTime(timezone=True)), schema="app")
    op.create_check_constraint(
        op.f("ck_invoices_approved"),
        "invoices",
        "(approved_by IS NULL) = (approved_at IS NULL)",
        schema="app",
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_invoices_approved"), "invoices", schema="app", type_="check")
    op.drop_column("invoices", "approved_at", schema="app")
    op.drop_column("invoices", "approved_by", schema="app")
