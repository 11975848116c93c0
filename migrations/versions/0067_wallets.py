"""Wallets of companies that pay beforehand: balance, what is kept for calls, every movement."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0067"
down_revision = "0066"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "wallets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_nano", sa.BigInteger(), nullable=False),
        sa.Column("reserved_nano", sa.BigInteger(), nullable=False),
        sa.Column("credit_nano", sa.BigInteger(), nullable=False),
        sa.Column("low_nano", sa.BigInteger()),
        sa.Column("is_low_told", sa.Boolean(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("balance_nano - reserved_nano + credit_nano >= 0", name="covered"),
        sa.CheckConstraint("reserved_nano >= 0 AND credit_nano >= 0", name="amounts"),
        schema="app",
    )
    fence("wallets")
    op.execute("REVOKE DELETE ON app.wallets FROM seatline_app")
    op.create_table(
        "wallet_entries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("use_id", sa.Uuid()),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "key"),
        sa.CheckConstraint("kind IN ('top-up', 'used', 'invoiced', 'withdrawn')", name="kind"),
        schema="app",
    )
    fence("wallet_entries", append_only=True)
    freeze("wallet_entries")
    op.create_table(
        "reservations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount_nano", sa.BigInteger(), nullable=False),
        sa.Column("taken_nano", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('open', 'settled', 'released')", name="state"),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
        sa.CheckConstraint("amount_nano >= 0 AND taken_nano >= 0", name="amounts"),
        schema="app",
    )
    op.create_index(
        "ix_reservations_open",
        "reservations",
        ["tenant_id", "until"],
        schema="app",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    fence("reservations")
    op.execute("REVOKE DELETE ON app.reservations FROM seatline_app")
    freeze("reservations", when="OLD.closed_at IS NOT NULL")


def downgrade() -> None:
    for table in ("reservations", "wallet_entries", "wallets"):
        op.drop_table(table, schema="app")
