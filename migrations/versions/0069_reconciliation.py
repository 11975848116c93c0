"""Comparing our books with the payment provider's: runs, and differences with an owner and a reason."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0069"
down_revision = "0068"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("start_at", INSTANT, nullable=False),
        sa.Column("end_at", INSTANT, nullable=False),
        sa.Column("cursor_at", INSTANT, nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.BigInteger(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("started_by", sa.Uuid()),
        sa.Column("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("start_at <= cursor_at AND cursor_at <= end_at", name="stretch"),
        schema="app",
    )
    op.create_index(
        "uq_reconciliations_going",
        "reconciliations",
        ["tenant_id", "account"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    fence("reconciliations")
    op.execute("REVOKE DELETE ON app.reconciliations FROM seatline_app")
    op.create_table(
        "differences",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("differs", sa.Text(), nullable=False),
        sa.Column("happened_at", INSTANT, nullable=False),
        sa.Column("for_tenant", sa.Uuid()),
        sa.Column("payment_id", sa.Uuid()),
        sa.Column("ours_minor", sa.BigInteger()),
        sa.Column("ours", sa.Text(), nullable=False),
        sa.Column("theirs_minor", sa.BigInteger()),
        sa.Column("theirs", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("owner", sa.Uuid()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "account", "moved", "remote_id", "differs"),
        sa.CheckConstraint("standing IN ('open', 'explained', 'settled', 'agrees')", name="standing"),
        sa.CheckConstraint(
            "standing NOT IN ('explained', 'settled') OR (reason <> '' AND decided_by IS NOT NULL)",
            name="reason",
        ),
        schema="app",
    )
    op.create_index(
        "ix_differences_standing", "differences", ["tenant_id", "standing", "first_at"], schema="app"
    )
    op.create_index(
        "ix_differences_time", "differences", ["tenant_id", "account", "happened_at"], schema="app"
    )
    fence("differences")
    op.execute("REVOKE DELETE ON app.differences FROM seatline_app")


def downgrade() -> None:
    for table in ("differences", "reconciliations"):
        op.drop_table(table, schema="app")
