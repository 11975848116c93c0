"""Files of rates that a job reads into a draft."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0066"
down_revision = "0065"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rate_decks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_list_id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", INSTANT, nullable=False),
        sa.Column("holiday_calendar", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("faults", JSONB(), nullable=False),
        sa.Column("version", sa.Integer()),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('waiting', 'done', 'refused', 'gone')", name="state"),
        sa.CheckConstraint("(state = 'done') = (version IS NOT NULL)", name="version"),
        schema="app",
    )
    fence("rate_decks")
    op.execute("REVOKE DELETE ON app.rate_decks FROM seatline_app")
    op.create_index(
        "uq_rate_decks_waiting",
        "rate_decks",
        ["tenant_id", "price_list_id"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_table("rate_decks", schema="app")
