"""Dunning: steps of an account, what was done about each late invoice, and what is put off."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze

revision = "0059"
down_revision = "0058"

INSTANT = sa.DateTime(timezone=True)
OF_INVOICE = (["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"])


def upgrade() -> None:
    # code of before places holds by people alone
    op.add_column(
        "credit_holds", sa.Column("cause", sa.Text(), nullable=False, server_default="person"), schema="app"
    )
    op.create_table(
        "dunning_settings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("steps", JSONB(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        schema="app",
    )
    fence("dunning_settings")
    op.create_table(
        "dunning_steps",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("deed", sa.Text(), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.Column("due_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_skipped", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid()),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id", "n"),
        sa.ForeignKeyConstraint(*OF_INVOICE),
        sa.CheckConstraint("deed IN ('remind', 'warn', 'suspend')", name="deed"),
        sa.CheckConstraint("is_skipped = (by IS NOT NULL) AND is_skipped = (reason <> '')", name="skipped"),
        schema="app",
    )
    fence("dunning_steps", append_only=True)
    freeze("dunning_steps")
    op.create_table(
        "dunning_pauses",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until_on", sa.Date()),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lifted_by", sa.Uuid()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(*OF_INVOICE),
        sa.CheckConstraint("reason <> ''", name="reason"),
        schema="app",
    )
    fence("dunning_pauses")
    op.execute("REVOKE DELETE ON app.dunning_pauses FROM seatline_app")
    freeze("dunning_pauses", when="OLD.lifted_at IS NOT NULL")


def downgrade() -> None:
    for table in ("dunning_pauses", "dunning_steps", "dunning_settings"):
        op.drop_table(table, schema="app")
    op.drop_column("credit_holds", "cause", schema="app")
