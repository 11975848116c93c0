"""Calling out: do-not-call, consent, credit holds, decisions of the gate, dials; calls that go out."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze, sealed

revision = "0008"
down_revision = "0007"

INSTANT = sa.DateTime(timezone=True)


def tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid(), nullable=False)


def row_id(name: str = "id") -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False)


def key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("tenant_id", *names)


def upgrade() -> None:
    op.create_table(
        "do_not_call",
        tenant(),
        row_id(),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("added_at", INSTANT, nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("removed_at", INSTANT),
        sa.Column("removed_by", sa.Uuid()),
        key("id"),
        # a keyed hash and nothing else: sixteen bytes, whichever path wrote them
        sa.CheckConstraint("octet_length(phone_index) = 16", name="phone_index"),
        sa.CheckConstraint("(removed_at IS NULL) = (removed_by IS NULL)", name="removed"),
        schema="app",
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_do_not_call_present ON app.do_not_call (tenant_id, phone_index)"
        " WHERE removed_at IS NULL"
    )
    fence("do_not_call")
    op.create_table(
        "consents",
        tenant(),
        row_id(),
        sa.Column("phone_index", sa.LargeBinary(), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        key("id"),
        sa.CheckConstraint("octet_length(phone_index) = 16", name="phone_index"),
        schema="app",
    )
    op.create_index(
        "ix_consents_of_number", "consents", ["tenant_id", "phone_index", "recorded_at"], schema="app"
    )
    fence("consents", append_only=True)
    freeze("consents")
    op.create_table(
        "credit_holds",
        tenant(),
        row_id(),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("placed_by", sa.Uuid(), nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lifted_by", sa.Uuid()),
        key("id"),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
        schema="app",
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_credit_holds_present ON app.credit_holds (tenant_id) WHERE lifted_at IS NULL"
    )
    fence("credit_holds")
    op.create_table(
        "dial_decisions",
        tenant(),
        row_id(),
        row_id("attempt_id"),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("is_cleared", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("retry_at", INSTANT),
        sa.Column("expires_at", INSTANT),
        sa.Column("to_index", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        row_id("number_id"),
        row_id("queue_id"),
        sa.Column("campaign_id", sa.Uuid()),
        sa.Column("zone", sa.Text(), nullable=False),
        key("id"),
        sa.CheckConstraint("octet_length(to_index) = 16", name="to_index"),
        sa.CheckConstraint("is_cleared = (reason IS NULL)", name="reason"),
        sa.CheckConstraint("is_cleared = (expires_at IS NOT NULL)", name="expires_at"),
        schema="app",
    )
    op.create_index(
        "ix_dial_decisions_of_attempt", "dial_decisions", ["tenant_id", "attempt_id"], schema="app"
    )
    op.create_index("ix_dial_decisions_of_number", "dial_decisions", ["tenant_id", "to_index"], schema="app")
    op.execute(
        "CREATE INDEX ix_dial_decisions_cleared ON app.dial_decisions (tenant_id, decided_at)"
        " WHERE is_cleared"
    )
    op.execute(
        "CREATE UNIQUE INDEX uq_dial_decisions_cleared_once ON app.dial_decisions (tenant_id, attempt_id)"
        " WHERE is_cleared"
    )
    fence("dial_decisions", append_only=True)
    freeze("dial_decisions")
    op.create_table(
        "outbound_dials",
        tenant(),
        row_id("attempt_id"),
        sa.Column("to_ct", sa.LargeBinary(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        row_id("number_id"),
        row_id("queue_id"),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("campaign_id", sa.Uuid()),
        sa.Column("ring_s", sa.Integer(), nullable=False),
        sa.Column("detects_machines", sa.Boolean(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("started_at", INSTANT),
        sa.Column("answered_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("agent_id", sa.Uuid()),
        key("attempt_id"),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "number_id"], ["app.numbers.tenant_id", "app.numbers.id"]),
        sa.CheckConstraint("ring_s BETWEEN 15 AND 120", name="ring_s"),
        sa.CheckConstraint(
            "outcome IN ('connected', 'abandoned', 'machine', 'busy', 'no-answer', 'unallocated', 'rejected',"
            " 'hung-up', 'failed', 'lost', 'no-agent', 'expired')",
            name="outcome",
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (ended_at IS NULL) AND (outcome IS NULL) = (started_at IS NULL)",
            name="ended",
        ),
        schema="app",
    )
    sealed("outbound_dials", "to_ct")
    fence("outbound_dials")
    # what is decided stays; only the outcome is added, once
    freeze("outbound_dials", when="OLD.outcome IS NOT NULL")
    for table in ("calls", "cdrs"):
        op.add_column(table, sa.Column("called_prefix", sa.Text()), schema="app")
        op.add_column(table, sa.Column("picked_up_at", INSTANT), schema="app")


def downgrade() -> None:
    for table in ("calls", "cdrs"):
        for column in ("called_prefix", "picked_up_at"):
            op.drop_column(table, column, schema="app")
    for table in ("outbound_dials", "dial_decisions", "credit_holds", "consents", "do_not_call"):
        op.drop_table(table, schema="app")
