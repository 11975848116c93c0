"""Numbers, queues, calls, CDRs, recordings; phones, work items and orders to the switchboard."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze, sealed

revision = "0006"
down_revision = "0005"

INSTANT = sa.DateTime(timezone=True)


def key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("tenant_id", *names)


def tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid(), nullable=False)


def row_id(name: str = "id") -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "number_stock",
        tenant(),
        row_id(),
        sa.Column("digits", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("renter_tenant_id", sa.Uuid()),
        sa.Column("rented_at", INSTANT),
        key("id"),
        sa.UniqueConstraint("tenant_id", "digits"),
        sa.CheckConstraint("kind IN ('national', 'mobile', 'tollfree', 'short')", name="kind"),
        schema="app",
    )
    op.create_table(
        "queues",
        tenant(),
        row_id(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ring_timeout_s", sa.Integer(), nullable=False),
        sa.Column("wrap_up_s", sa.Integer(), nullable=False),
        sa.Column("target_s", sa.Integer(), nullable=False),
        sa.Column("is_recorded", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        key("id"),
        sa.UniqueConstraint("tenant_id", "name"),
        sa.CheckConstraint("ring_timeout_s BETWEEN 5 AND 120", name="ring_timeout_s"),
        sa.CheckConstraint("wrap_up_s BETWEEN 0 AND 3600", name="wrap_up_s"),
        schema="app",
    )
    op.create_table(
        "numbers",
        tenant(),
        row_id(),
        sa.Column("digits", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("greeting", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("rented_at", INSTANT, nullable=False),
        sa.Column("released_at", INSTANT),
        key("id"),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        schema="app",
    )
    op.create_table(
        "calls",
        tenant(),
        row_id(),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("caller_ct", sa.LargeBinary()),
        sa.Column("caller_index", sa.LargeBinary()),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("agent_id", sa.Uuid()),
        sa.Column("agent_number", sa.Integer()),
        sa.Column("seat_id", sa.Uuid()),
        sa.Column("seat_label", sa.Text()),
        sa.Column("arrived_at", INSTANT, nullable=False),
        *(
            sa.Column(name, INSTANT)
            for name in (
                "greeting_ended_at",
                "queued_at",
                "ringing_at",
                "popped_at",
                "answered_at",
                "bridged_at",
                "ended_at",
            )
        ),
        sa.Column("cause", sa.Text()),
        sa.Column("disposition", sa.Text()),
        sa.Column("wrapped_at", INSTANT),
        key("id"),
        sa.CheckConstraint("direction IN ('inbound', 'outbound')", name="direction"),
        schema="app",
    )
    sealed("calls", "caller_ct")
    op.create_index("ix_calls_by_arrival", "calls", ["tenant_id", "arrived_at", "id"], schema="app")
    op.create_index("ix_calls_of_caller", "calls", ["tenant_id", "caller_index"], schema="app")
    op.create_index("ix_calls_of_customer", "calls", ["tenant_id", "customer_id"], schema="app")
    op.create_table(
        "call_events",
        tenant(),
        row_id("call_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        key("call_id", "position"),
        schema="app",
    )
    op.create_table(
        "cdrs",
        tenant(),
        row_id("call_id"),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("dialled", sa.Text(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid()),
        sa.Column("agent_number", sa.Integer()),
        sa.Column("arrived_at", INSTANT, nullable=False),
        sa.Column("bridged_at", INSTANT),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("wait_ms", sa.BigInteger(), nullable=False),
        sa.Column("talk_ms", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("switch_boot", sa.Text(), nullable=False),
        sa.Column("written_at", INSTANT, nullable=False),
        key("call_id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        sa.CheckConstraint("talk_ms >= 0 AND wait_ms >= 0 AND ended_at >= arrived_at", name="spans"),
        schema="app",
    )
    op.create_table(
        "recordings",
        tenant(),
        row_id(),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger()),
        sa.Column("plain_bytes", sa.BigInteger()),
        sa.Column("sealed_bytes", sa.BigInteger()),
        sa.Column("sha256", sa.Text()),
        sa.Column("sealed_at", INSTANT),
        key("id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        sa.CheckConstraint("state IN ('capturing', 'captured', 'sealed', 'missing')", name="state"),
        sa.CheckConstraint("(state = 'sealed') = (sha256 IS NOT NULL)", name="hashed_when_sealed"),
        schema="app",
    )
    op.create_index("ix_recordings_of_call", "recordings", ["tenant_id", "call_id"], schema="app")
    op.create_table(
        "endpoints",
        tenant(),
        row_id(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_ct", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("dropped_at", INSTANT),
        key("id"),
        schema="app",
    )
    sealed("endpoints", "password_ct")
    op.execute(
        "CREATE UNIQUE INDEX uq_endpoints_one_per_agent ON app.endpoints (tenant_id, agent_id)"
        " WHERE dropped_at IS NULL"
    )
    op.create_table(
        "work_items",
        tenant(),
        row_id(),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("client_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("offered_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        *(
            sa.Column(name, INSTANT)
            for name in ("painted_at", "ringing_at", "answered_at", "ended_at", "wrap_until", "closed_at")
        ),
        key("id"),
        sa.CheckConstraint(
            "state IN ('offered', 'ringing', 'talking', 'wrap_up', 'closed', 'declined', 'missed', 'lost')",
            name="state",
        ),
        schema="app",
    )
    op.create_index(
        "ix_work_items_of_agent", "work_items", ["tenant_id", "agent_id", "offered_at"], schema="app"
    )
    # an agent has one thing in hand at a time
    op.execute(
        "CREATE UNIQUE INDEX uq_work_items_in_hand ON app.work_items (tenant_id, agent_id)"
        " WHERE state IN ('offered', 'ringing', 'talking', 'wrap_up')"
    )
    op.create_table(
        "switch_orders",
        tenant(),
        row_id(),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.Column("outcome", sa.Text()),
        key("id"),
        schema="app",
    )
    op.create_index("ix_switch_orders_waiting", "switch_orders", ["tenant_id", "done_at", "id"], schema="app")
    for table in (
        "number_stock",
        "queues",
        "numbers",
        "calls",
        "recordings",
        "endpoints",
        "work_items",
        "switch_orders",
    ):
        fence(table)
    for table in ("call_events", "cdrs"):
        fence(table, append_only=True)
        freeze(table)


def downgrade() -> None:
    for table in (
        "switch_orders",
        "work_items",
        "endpoints",
        "recordings",
        "cdrs",
        "call_events",
        "calls",
        "numbers",
        "queues",
        "number_stock",
    ):
        op.drop_table(table, schema="app")
