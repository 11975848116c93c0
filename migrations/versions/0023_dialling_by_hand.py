"""Calls an agent dials by hand: whose they are, how they may end, and what is in hand while it rings."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_OUTCOMES = (
    "'connected', 'abandoned', 'machine', 'busy', 'no-answer', 'unallocated', 'rejected', 'hung-up',"
    " 'failed', 'lost', 'no-agent', 'expired'"
)
_STATES = "'offered', 'ringing', 'talking', 'wrap_up', 'closed', 'declined', 'missed', 'lost'"
_IN_HAND = "'offered', 'ringing', 'talking', 'wrap_up'"


def _check(table: str, name: str, rule: str) -> None:
    op.execute(f"ALTER TABLE app.{table} DROP CONSTRAINT IF EXISTS ck_{table}_{name}")
    op.execute(f"ALTER TABLE app.{table} DROP CONSTRAINT IF EXISTS {name}")
    # in two steps, so that nobody waits while the rows are read
    op.execute(f"ALTER TABLE app.{table} ADD CONSTRAINT ck_{table}_{name} CHECK ({rule}) NOT VALID")
    op.execute(f"ALTER TABLE app.{table} VALIDATE CONSTRAINT ck_{table}_{name}")


def _one_in_hand(states: str) -> None:
    op.drop_index("uq_work_items_in_hand", "work_items", schema="app")
    op.execute(
        "CREATE UNIQUE INDEX uq_work_items_in_hand ON app.work_items (tenant_id, agent_id)"
        f" WHERE state IN ({states})"
    )


def upgrade() -> None:
    for table in ("dial_decisions", "outbound_dials"):
        op.add_column(table, sa.Column("by_agent_id", sa.Uuid()), schema="app")
    _check("outbound_dials", "outcome", f"outcome IN ({_OUTCOMES}, 'cancelled')")
    _check("work_items", "state", f"state IN ({_STATES}, 'dialling', 'alerting')")
    _one_in_hand(f"{_IN_HAND}, 'dialling', 'alerting'")
    # what a pause takes back, and what the sweep looks for, among all dials there ever were
    op.execute(
        "CREATE INDEX ix_outbound_dials_open ON app.outbound_dials (tenant_id, campaign_id)"
        " WHERE outcome IS NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_outbound_dials_open", "outbound_dials", schema="app")
    _one_in_hand(_IN_HAND)
    _check("work_items", "state", f"state IN ({_STATES})")
    _check("outbound_dials", "outcome", f"outcome IN ({_OUTCOMES})")
    for table in ("outbound_dials", "dial_decisions"):
        op.drop_column(table, "by_agent_id", schema="app")
