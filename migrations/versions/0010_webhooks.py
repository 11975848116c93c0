"""Outgoing webhooks: addresses, events as they are told, deliveries and their tries."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0010"
down_revision = "0009"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("url", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary()),
        sa.Column("old_secret_until", INSTANT),
        sa.Column("types", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("succeeded_at", INSTANT),
        sa.Column("failing_since", INSTANT),
        sa.CheckConstraint("state IN ('on', 'off', 'gone', 'failing')", name="ck_webhooks_state"),
        sa.CheckConstraint(
            "(old_secret IS NULL) = (old_secret_until IS NULL)", name="ck_webhooks_old_secret_ends"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhooks"),
        schema="app",
    )
    fence("webhooks")
    sealed("webhooks", "url", "secret", "old_secret")

    op.create_table(
        "webhook_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint("octet_length(body) < 20000", name="ck_webhook_events_thin"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_events"),
        sa.Index("ix_webhook_events_by_age", "tenant_id", "created_at"),
        schema="app",
    )
    fence("webhook_events")

    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("round_began_at", INSTANT, nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("next_at", INSTANT),
        sa.Column("settled_at", INSTANT),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed', 'missed')", name="ck_webhook_deliveries_state"
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (settled_at IS NULL)", name="ck_webhook_deliveries_settled"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_deliveries"),
        sa.UniqueConstraint(
            "tenant_id", "webhook_id", "event_id", name="uq_webhook_deliveries_tenant_id_webhook_id_event_id"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "webhook_id"],
            ["app.webhooks.tenant_id", "app.webhooks.id"],
            name="fk_webhook_deliveries_tenant_id_webhook_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "event_id"],
            ["app.webhook_events.tenant_id", "app.webhook_events.id"],
            name="fk_webhook_deliveries_tenant_id_event_id",
        ),
        schema="app",
    )
    op.create_index(
        "ix_webhook_deliveries_newest",
        "webhook_deliveries",
        ["tenant_id", "webhook_id", "id"],
        schema="app",
    )
    fence("webhook_deliveries")

    op.create_table(
        "webhook_attempts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("duration_ms", sa.Integer()),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", "number", name="pk_webhook_attempts"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["app.webhook_deliveries.tenant_id", "app.webhook_deliveries.id"],
            name="fk_webhook_attempts_tenant_id_delivery_id",
        ),
        schema="app",
    )
    fence("webhook_attempts")
    sealed("webhook_attempts", "answer")


def downgrade() -> None:
    for table in ("webhook_attempts", "webhook_deliveries", "webhook_events", "webhooks"):
        op.drop_table(table, schema="app")
