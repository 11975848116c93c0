"""Tickets: what a customer complains of, asks or requests, until it is dealt with."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0053"
down_revision = "0052"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("subject_ct", sa.LargeBinary(), nullable=False),
        sa.Column("text_ct", sa.LargeBinary()),
        sa.Column("opened_in", sa.Uuid()),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"], ["app.customers.tenant_id", "app.customers.id"]
        ),
        sa.CheckConstraint("kind IN ('complaint', 'enquiry', 'request')", name="kind"),
        sa.CheckConstraint("state IN ('open', 'pending', 'closed')", name="state"),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
        schema="app",
    )
    op.create_index("ix_tickets_of_customer", "tickets", ["tenant_id", "customer_id", "id"], schema="app")
    fence("tickets")
    sealed("tickets", "subject_ct", "text_ct")


def downgrade() -> None:
    op.drop_table("tickets", schema="app")
