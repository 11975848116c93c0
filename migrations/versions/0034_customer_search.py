"""Narrow indexes of customers: some bits of the last four digits and of the beginning of the name."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0034"
down_revision = "0033"

INSTANT = sa.DateTime(timezone=True)
INDEXES = ("ending_index", "beginning_index")
LEAST = 1 << 24
"""Bits used stand above the hash, so that four digits themselves can never land there."""


def upgrade() -> None:
    for name in INDEXES:
        op.add_column("customers", sa.Column(name, sa.Integer()), schema="app")
        op.create_check_constraint(name, "customers", f"{name} >= {LEAST}", schema="app")
        op.create_index(f"ix_customers_{name}", "customers", ["tenant_id", name], schema="app")
    op.create_table(
        "customer_search",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("planned_for", sa.BigInteger(), nullable=False),
        sa.Column("ending_bits", sa.SmallInteger(), nullable=False),
        sa.Column("beginning_bits", sa.SmallInteger(), nullable=False),
        sa.Column("ending_before", sa.SmallInteger()),
        sa.Column("beginning_before", sa.SmallInteger()),
        sa.Column("planned_at", INSTANT, nullable=False),
        sa.Column("ready_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("(ending_before IS NULL) = (beginning_before IS NULL)", name="before"),
        schema="app",
    )
    fence("customer_search")


def downgrade() -> None:
    op.drop_table("customer_search", schema="app")
    for name in INDEXES:
        op.drop_index(f"ix_customers_{name}", "customers", schema="app")
        op.drop_constraint(name, "customers", schema="app")
        op.drop_column("customers", name, schema="app")
