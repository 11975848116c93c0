"""What is agreed beyond single prices: with a version of a price list, and with the invoices it makes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.add_column(
        "price_list_versions",
        sa.Column("terms", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        schema="app",
    )
    op.add_column("invoices", sa.Column("terms_tariff_id", sa.Uuid()), schema="app")
    op.add_column("invoices", sa.Column("agreed", JSONB()), schema="app")
    op.add_column(
        "invoice_lines",
        sa.Column("kind", sa.Text(), nullable=False, server_default="metered"),
        schema="app",
    )
    op.add_column("invoice_lines", sa.Column("arithmetic", JSONB()), schema="app")
    op.create_check_constraint(
        "ck_invoice_lines_kind",
        "invoice_lines",
        "kind IN ('metered', 'allowance', 'discount', 'commitment')",
        schema="app",
    )
    op.create_check_constraint(
        "ck_invoice_lines_explained",
        "invoice_lines",
        "kind = 'metered' OR arithmetic IS NOT NULL",
        schema="app",
    )


def downgrade() -> None:
    for name in ("kind", "explained"):
        op.drop_constraint(f"ck_invoice_lines_{name}", "invoice_lines", schema="app", type_="check")
    op.drop_column("invoice_lines", "arithmetic", schema="app")
    op.drop_column("invoice_lines", "kind", schema="app")
    op.drop_column("invoices", "agreed", schema="app")
    op.drop_column("invoices", "terms_tariff_id", schema="app")
    op.drop_column("price_list_versions", "terms", schema="app")
