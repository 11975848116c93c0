"""A company's price list may change from a day on; what was planned for a day may be planned again."""

import sqlalchemy as sa
from alembic import op

revision = "0111"
down_revision = "0110"

_OWN = sa.text("NOT is_extract")


def upgrade() -> None:
    op.add_column(
        "billing_accounts",
        sa.Column("next_price_list", sa.Text(), nullable=False, server_default=""),
        schema="app",
    )
    op.add_column(
        "billing_accounts", sa.Column("next_price_list_at", sa.DateTime(timezone=True)), schema="app"
    )
    op.create_check_constraint(
        "ck_billing_accounts_next_price_list",
        "billing_accounts",
        "(next_price_list = '') = (next_price_list_at IS NULL)",
        schema="app",
    )
    # the last one taken of an instant stands, and may be what an earlier one of it was
    op.create_index(
        "ix_tariffs_in_force",
        "tariffs",
        ["tenant_id", "effective_from", "id"],
        schema="app",
        postgresql_where=_OWN,
    )
    op.drop_index("uq_tariffs_in_force", "tariffs", schema="app")


def downgrade() -> None:
    op.create_index(
        "uq_tariffs_in_force",
        "tariffs",
        ["tenant_id", "effective_from", "sha256"],
        unique=True,
        schema="app",
        postgresql_where=_OWN,
    )
    op.drop_index("ix_tariffs_in_force", "tariffs", schema="app")
    op.drop_constraint("ck_billing_accounts_next_price_list", "billing_accounts", schema="app", type_="check")
    op.drop_column("billing_accounts", "next_price_list_at", schema="app")
    op.drop_column("billing_accounts", "next_price_list", schema="app")
