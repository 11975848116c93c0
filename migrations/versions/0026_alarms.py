"""Alarms: what a company, and the operator, have to be told at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0026"
down_revision = "0025"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", INSTANT),
        sa.Column("acknowledged_by", sa.Uuid()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("times > 0", name="times"),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged_by_somebody"
        ),
        schema="app",
    )
    op.create_index(
        "ix_alarms_open",
        "alarms",
        ["tenant_id", "company_id", "kind", "subject"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("acknowledged_at IS NULL"),
    )
    fence("alarms")
    op.execute("REVOKE DELETE ON app.alarms FROM seatline_app")


def downgrade() -> None:
    op.drop_table("alarms", schema="app")
