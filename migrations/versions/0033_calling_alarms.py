"""What alarms about calls out look at: how many of a day were answered, and what ended last."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.add_column(
        "calling_days",
        sa.Column("answered", sa.Integer(), nullable=False, server_default="0"),
        schema="app",
    )
    op.add_column(
        "calling_days",
        sa.Column("is_told", sa.Boolean(), nullable=False, server_default="false"),
        schema="app",
    )
    op.execute(
        "CREATE INDEX ix_outbound_dials_ended ON app.outbound_dials (tenant_id, ended_at)"
        " WHERE outcome IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index("ix_outbound_dials_ended", "outbound_dials", schema="app")
    for column in ("is_told", "answered"):
        op.drop_column("calling_days", column, schema="app")
