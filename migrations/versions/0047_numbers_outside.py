"""Numbers outside that are brought into a call: a call out of its own, bound to the one it is part of."""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    for table in ("calls", "cdrs", "outbound_dials"):
        op.add_column(table, sa.Column("part_of", sa.Uuid()), schema="app")
    op.add_column(
        "outbound_dials",
        sa.Column("is_given", sa.Boolean(), nullable=False, server_default=sa.false()),
        schema="app",
    )
    op.alter_column("call_legs", "agent_id", nullable=True, schema="app")
    op.alter_column("call_legs", "agent_number", nullable=True, schema="app")
    op.create_check_constraint(
        "agent", "call_legs", "(agent_id IS NULL) = (agent_number IS NULL)", schema="app"
    )
    op.add_column(
        "calling_rules",
        sa.Column("may_type", sa.Boolean(), nullable=False, server_default=sa.true()),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("calling_rules", "may_type", schema="app")
    op.drop_constraint("ck_call_legs_agent", "call_legs", schema="app")
    op.alter_column("call_legs", "agent_number", nullable=False, schema="app")
    op.alter_column("call_legs", "agent_id", nullable=False, schema="app")
    op.drop_column("outbound_dials", "is_given", schema="app")
    for table in ("outbound_dials", "cdrs", "calls"):
        op.drop_column(table, "part_of", schema="app")
