"""How a company writes numbers, days and hours, and what it means to spend in a month."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_FORMATS = {
    "number_format": ("auto", "comma-point", "point-comma", "space-comma", "apostrophe-point"),
    "date_format": ("auto", "day-month", "month-day", "iso"),
    "clock_format": ("auto", "24", "12"),
}


def upgrade() -> None:
    op.add_column(
        "tenants",
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"),
        schema="app",
    )
    for name, values in _FORMATS.items():
        op.add_column(
            "tenants",
            sa.Column(name, sa.Text(), nullable=False, server_default="auto"),
            schema="app",
        )
        listed = ", ".join(f"'{value}'" for value in values)
        op.create_check_constraint(f"ck_tenants_{name}", "tenants", f"{name} IN ({listed})", schema="app")
    op.add_column("tenants", sa.Column("budget_minor", sa.BigInteger()), schema="app")
    op.create_check_constraint("ck_tenants_budget", "tenants", "budget_minor > 0", schema="app")


def downgrade() -> None:
    for name in ("revision", *_FORMATS, "budget_minor"):
        op.drop_column("tenants", name, schema="app")
