"""What an agent has written of a call so far, and calls promised back."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "call_drafts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("row_version", sa.BigInteger(), nullable=False),
        sa.Column("body_ct", sa.LargeBinary(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        schema="app",
    )
    fence("call_drafts")
    sealed("call_drafts", "body_ct")
    op.create_table(
        "callbacks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("subject_ref", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid()),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "subject_ref", name="uq_callbacks_tenant_id_subject_ref"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"], ["app.customers.tenant_id", "app.customers.id"]
        ),
        schema="app",
    )
    op.create_index("ix_callbacks_of_agent", "callbacks", ["tenant_id", "agent_id", "due_at"], schema="app")
    op.create_index("ix_callbacks_of_customer", "callbacks", ["tenant_id", "customer_id"], schema="app")
    fence("callbacks")


def downgrade() -> None:
    op.drop_table("callbacks", schema="app")
    op.drop_table("call_drafts", schema="app")
