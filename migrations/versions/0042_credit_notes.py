"""Credit notes: what an invoice is lessened by, with numbers of their own, two people above a limit."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0042"
down_revision = "0041"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "credit_notes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Text()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", INSTANT),
        sa.Column("issued_on", sa.Date()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "number"),
        sa.ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        sa.CheckConstraint("state IN ('waiting', 'issued', 'refused')", name="state"),
        sa.CheckConstraint("net_minor > 0 AND tax_minor >= 0", name="amount"),
        sa.CheckConstraint(
            "(state = 'issued') = (number IS NOT NULL) AND (number IS NULL) = (issued_on IS NULL)",
            name="numbered",
        ),
        sa.CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided"),
        sa.CheckConstraint("state <> 'issued' OR NOT needs_second OR decided_by <> asked_by", name="two"),
        schema="app",
    )
    op.create_index("ix_credit_notes_invoice", "credit_notes", ["tenant_id", "invoice_id"], schema="app")
    fence("credit_notes")
    op.execute("REVOKE DELETE ON app.credit_notes FROM seatline_app")
    freeze("credit_notes", when="OLD.state <> 'waiting'")

    op.create_table(
        "credit_note_lines",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("line_no", sa.Integer()),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", sa.Text(), nullable=False),
        sa.Column("tax_rate_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "credit_note_id", "n"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        schema="app",
    )
    op.create_table(
        "credit_note_taxes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("credit_note_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rate_ppm", sa.Integer(), nullable=False),
        sa.Column("taxable_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "credit_note_id", "category", "rate_ppm"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        schema="app",
    )
    for table in ("credit_note_lines", "credit_note_taxes"):
        fence(table, append_only=True)
        freeze(table)


def downgrade() -> None:
    for table in ("credit_note_taxes", "credit_note_lines", "credit_notes"):
        op.drop_table(table, schema="app")
