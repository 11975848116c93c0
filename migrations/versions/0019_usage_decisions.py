"""What people decide about contradicting and rejected usage; rows that never change."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "usage_decisions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("usage_id", sa.Uuid()),
        sa.Column("superseded_charge_id", sa.Uuid()),
        sa.CheckConstraint(
            "verdict IN ('take-new', 'keep-old', 'throw-away')", name="ck_usage_decisions_verdict"
        ),
        sa.CheckConstraint("reason <> ''", name="ck_usage_decisions_reason"),
        sa.CheckConstraint(
            "(verdict = 'take-new') = (usage_id IS NOT NULL)"
            " AND (usage_id IS NULL) = (superseded_charge_id IS NULL)",
            name="ck_usage_decisions_taken",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "usage_id"],
            ["app.usage_events.tenant_id", "app.usage_events.id"],
            name="fk_usage_decisions_usage",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "superseded_charge_id"],
            ["app.rated_charges.tenant_id", "app.rated_charges.id"],
            name="fk_usage_decisions_charge",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_decisions"),
        schema="app",
    )
    op.create_index(
        "ix_usage_decisions_key", "usage_decisions", ["tenant_id", "source", "event_id"], schema="app"
    )
    fence("usage_decisions", append_only=True)
    freeze("usage_decisions")


def downgrade() -> None:
    op.drop_table("usage_decisions", schema="app")
