"""Companies that are to be deleted: who asked, who confirmed, when, and the certificate."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0039"
down_revision = "0038"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "company_deletions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("money", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("confirmed_by", sa.Uuid()),
        sa.Column("due_at", INSTANT),
        sa.Column("called_off_by", sa.Uuid()),
        sa.Column("called_off_at", INSTANT),
        sa.Column("begun_at", INSTANT),
        sa.Column("done_at", INSTANT),
        sa.Column("certificate", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("confirmed_by <> asked_by", name="two"),
        sa.CheckConstraint("(confirmed_by IS NULL) = (due_at IS NULL)", name="confirmed"),
        sa.CheckConstraint("(done_at IS NULL) = (certificate IS NULL)", name="done"),
        schema="app",
    )
    fence("company_deletions")
    op.execute("REVOKE DELETE ON app.company_deletions FROM seatline_app")
    freeze("company_deletions", when="OLD.done_at IS NOT NULL")


def downgrade() -> None:
    op.drop_table("company_deletions", schema="app")
