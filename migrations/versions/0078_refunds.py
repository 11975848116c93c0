"""Refunds that the staff asks for: above a limit they wait for a second person."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0078"
down_revision = "0077"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "refunds",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "payment_id"], ["app.payments.tenant_id", "app.payments.id"]),
        sa.CheckConstraint("amount_minor > 0 AND reason <> ''", name="asked"),
        sa.CheckConstraint(
            "standing IN ('waiting', 'refused', 'approved', 'made', 'came-back')", name="standing"
        ),
        sa.CheckConstraint(
            "NOT needs_second OR standing IN ('waiting', 'refused')"
            " OR (decided_by IS NOT NULL AND decided_by <> asked_by)",
            name="two_people",
        ),
        schema="app",
    )
    op.create_index("ix_refunds_payment", "refunds", ["tenant_id", "payment_id"], schema="app")
    op.create_index("ix_refunds_standing", "refunds", ["tenant_id", "standing"], schema="app")
    fence("refunds")
    op.execute("REVOKE DELETE ON app.refunds FROM seatline_app")


def downgrade() -> None:
    op.drop_table("refunds", schema="app")
