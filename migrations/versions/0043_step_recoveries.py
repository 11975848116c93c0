"""Lost second steps of owners and staff: who asked, who confirmed, when it is taken, what came of it."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0043"
down_revision = "0042"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "step_recoveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("confirmed_by", sa.Uuid()),
        sa.Column("due_at", INSTANT),
        sa.Column("outcome", sa.Text()),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("confirmed_by <> asked_by", name="two"),
        sa.CheckConstraint("user_id NOT IN (asked_by, confirmed_by)", name="of_others"),
        sa.CheckConstraint("(confirmed_by IS NULL) = (due_at IS NULL)", name="confirmed"),
        sa.CheckConstraint("due_at >= asked_at + interval '1 day'", name="waits"),
        sa.CheckConstraint("outcome IN ('called-off', 'not-lost', 'done')", name="outcome"),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended"),
        schema="app",
    )
    fence("step_recoveries")
    op.execute("REVOKE DELETE ON app.step_recoveries FROM seatline_app")
    freeze("step_recoveries", when="OLD.ended_at IS NOT NULL")


def downgrade() -> None:
    op.drop_table("step_recoveries", schema="app")
