"""Disputes: what a company says is wrong about an invoice, call by call, and how it was settled."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0050"
down_revision = "0049"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "disputes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("credit_note_id", sa.Uuid()),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "credit_note_id"], ["app.credit_notes.tenant_id", "app.credit_notes.id"]
        ),
        sa.CheckConstraint("(closed_at IS NULL) OR (answer <> '')", name="answered"),
        schema="app",
    )
    op.create_index("ix_disputes_invoice", "disputes", ["tenant_id", "invoice_id"], schema="app")
    fence("disputes")
    op.execute("REVOKE DELETE ON app.disputes FROM seatline_app")
    freeze("disputes", when="OLD.closed_at IS NOT NULL")
    op.create_table(
        "dispute_items",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("line_no", sa.Integer()),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("ours_ms", sa.BigInteger()),
        sa.Column("theirs_ms", sa.BigInteger()),
        sa.Column("ours_nano", sa.BigInteger()),
        sa.Column("theirs_nano", sa.BigInteger()),
        sa.Column("in_question_nano", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "dispute_id", "n"),
        sa.ForeignKeyConstraint(["tenant_id", "dispute_id"], ["app.disputes.tenant_id", "app.disputes.id"]),
        sa.CheckConstraint("kind IN ('line', 'missing', 'extra', 'duration', 'price')", name="kind"),
        sa.CheckConstraint("in_question_nano >= 0", name="amount"),
        schema="app",
    )
    fence("dispute_items", append_only=True)
    freeze("dispute_items")


def downgrade() -> None:
    op.drop_table("dispute_items", schema="app")
    op.drop_table("disputes", schema="app")
