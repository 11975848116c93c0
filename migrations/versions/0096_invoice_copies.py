"""The payment provider's copies of our invoices: how far each has come."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0096"
down_revision = "0095"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "invoice_copies",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("page_url", sa.Text(), nullable=False),
        sa.Column("pdf_url", sa.Text(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("remaining_minor", sa.BigInteger(), nullable=False),
        sa.Column("credited", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id"),
        sa.ForeignKeyConstraint(["tenant_id", "invoice_id"], ["app.invoices.tenant_id", "app.invoices.id"]),
        sa.CheckConstraint("state IN ('begun', 'differs', 'refused', 'open', 'paid', 'void')", name="state"),
        sa.CheckConstraint("version > 0 AND lines BETWEEN 0 AND 250", name="version"),
        schema="app",
    )
    fence("invoice_copies")


def downgrade() -> None:
    op.drop_table("invoice_copies", schema="app")
