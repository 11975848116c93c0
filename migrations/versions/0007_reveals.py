"""Who has seen which field of a customer in full: the client company's own access log."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "reveals",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("subject_ref", sa.Uuid()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"], ["app.customers.tenant_id", "app.customers.id"]
        ),
        schema="app",
    )
    op.create_index("ix_reveals_of_customer", "reveals", ["tenant_id", "customer_id"], schema="app")
    fence("reveals", append_only=True)
    freeze("reveals")


def downgrade() -> None:
    op.drop_table("reveals", schema="app")
