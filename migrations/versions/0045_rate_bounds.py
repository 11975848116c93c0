"""Rates: a grace, what is done above the maximum; versions: whose public holidays they know."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    for column in (
        sa.Column("grace_s", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("ceiling", sa.Text(), nullable=False, server_default="cap"),
    ):
        op.add_column("rates", column, schema="app")
    op.create_check_constraint("grace", "rates", "grace_s >= 0", schema="app")
    op.create_check_constraint("ceiling", "rates", "ceiling IN ('cap', 'refuse')", schema="app")
    op.add_column(
        "price_list_versions",
        sa.Column("holiday_calendar", sa.Text(), nullable=False, server_default=""),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("price_list_versions", "holiday_calendar", schema="app")
    op.drop_column("rates", "ceiling", schema="app")
    op.drop_column("rates", "grace_s", schema="app")
