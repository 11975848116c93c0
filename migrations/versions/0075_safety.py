"""What a bill may come to before somebody looks, and bills that are held."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0075"
down_revision = "0074"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "safety_rules",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("second_above", sa.BigInteger()),
        sa.Column("times_milli", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.BigInteger()),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("times_milli >= 1000 AND (most IS NULL OR most > 0)", name="bounds"),
        sa.CheckConstraint("second_above IS NULL OR second_above >= 0", name="second"),
        schema="app",
    )
    fence("safety_rules")
    op.execute("REVOKE DELETE ON app.safety_rules FROM seatline_app")
    op.create_table(
        "bill_holds",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("bound_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_at", INSTANT, nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid()),
        sa.Column("released_at", INSTANT),
        sa.Column("released_by", sa.Uuid()),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id"),
        sa.CheckConstraint("reason IN ('negative', 'above-most', 'above-mean')", name="reason"),
        sa.CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released"),
        sa.CheckConstraint("released_by IS NULL OR asked_by IS NOT NULL", name="asked"),
        sa.CheckConstraint("released_by IS NULL OR NOT needs_second OR released_by <> asked_by", name="two"),
        schema="app",
    )
    fence("bill_holds")
    op.execute("REVOKE DELETE ON app.bill_holds FROM seatline_app")
    freeze("bill_holds", when="OLD.released_at IS NOT NULL")


def downgrade() -> None:
    for table in ("bill_holds", "safety_rules"):
        op.drop_table(table, schema="app")
