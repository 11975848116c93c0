"""How long a company keeps what, and what each night removed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze

revision = "0055"
down_revision = "0054"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "kind"),
        sa.CheckConstraint("days > 0", name="days"),
        schema="app",
    )
    op.create_table(
        "retention_runs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("counts", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "on_day"),
        schema="app",
    )
    fence("retention_rules")
    fence("retention_runs")
    op.execute("REVOKE DELETE ON app.retention_runs FROM seatline_app")
    freeze("retention_runs", when="OLD.ended_at IS NOT NULL")


def downgrade() -> None:
    op.drop_table("retention_runs", schema="app")
    op.drop_table("retention_rules", schema="app")
