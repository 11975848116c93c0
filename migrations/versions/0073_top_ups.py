"""Topping wallets up through the payment provider: each top-up, and when a wallet tops itself up."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0073"
down_revision = "0072"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("auto_below_nano", "auto_minor", "auto_cap_minor"):
        op.add_column("wallets", sa.Column(name, sa.BigInteger()), schema="app")
    op.add_column(
        "wallets", sa.Column("auto_stopped", sa.Text(), nullable=False, server_default=""), schema="app"
    )
    op.add_column("wallets", sa.Column("auto_stopped_at", INSTANT), schema="app")
    op.add_column(
        "wallets",
        sa.Column("is_auto_asked", sa.Boolean(), nullable=False, server_default=sa.false()),
        schema="app",
    )
    op.create_check_constraint(
        "automatic",
        "wallets",
        "num_nulls(auto_below_nano, auto_minor, auto_cap_minor) IN (0, 3)"
        " AND auto_minor > 0 AND auto_cap_minor >= auto_minor",
        schema="app",
    )
    op.create_table(
        "top_ups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("initiator", sa.Text(), nullable=False),
        sa.Column("by_user", sa.Uuid()),
        sa.Column("method_id", sa.Uuid()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text()),
        sa.Column("page_id", sa.Text()),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["app.wallets.tenant_id"]),
        sa.ForeignKeyConstraint(
            ["tenant_id", "method_id"], ["app.payment_methods.tenant_id", "app.payment_methods.id"]
        ),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.CheckConstraint(
            "state IN ('started', 'requires-action', 'processing', 'succeeded', 'failed', 'cancelled')",
            name="state",
        ),
        sa.CheckConstraint("(initiator = 'person') = (by_user IS NOT NULL)", name="initiator"),
        schema="app",
    )
    op.create_index(
        "uq_top_ups_automatic",
        "top_ups",
        ["tenant_id"],
        unique=True,
        schema="app",
        postgresql_where=sa.text(
            "initiator = 'automatic' AND state IN ('started', 'requires-action', 'processing')"
        ),
    )
    op.create_index("ix_top_ups_remote", "top_ups", ["tenant_id", "remote_id"], schema="app")
    fence("top_ups")
    op.execute("REVOKE DELETE ON app.top_ups FROM seatline_app")


def downgrade() -> None:
    op.drop_table("top_ups", schema="app")
    op.drop_constraint("ck_wallets_automatic", "wallets", schema="app")
    for name in (
        "auto_below_nano",
        "auto_minor",
        "auto_cap_minor",
        "auto_stopped",
        "auto_stopped_at",
        "is_auto_asked",
    ):
        op.drop_column("wallets", name, schema="app")
