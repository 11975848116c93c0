"""PINs by which customers prove on the phone who they are."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0082"
down_revision = "0081"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "customer_pins",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("pin_ct", sa.LargeBinary(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("wrong", sa.SmallInteger(), nullable=False),
        sa.Column("closed_until", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["app.customers.tenant_id", "app.customers.id"],
            ondelete="CASCADE",
        ),
        schema="app",
    )
    fence("customer_pins")
    sealed("customer_pins", "pin_ct")


def downgrade() -> None:
    op.drop_table("customer_pins", schema="app")
