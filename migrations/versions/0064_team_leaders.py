"""What an agent may do as a leader of a client's team."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0064"
down_revision = "0063"

_ACTS = "'listen', 'whisper', 'barge', 'take-over', 'move', 'force'"


def upgrade() -> None:
    op.add_column(
        "agent_tenants",
        sa.Column("leads", ARRAY(sa.Text()), nullable=False, server_default="{}"),
        schema="app",
    )
    op.create_check_constraint("leads", "agent_tenants", f"leads <@ ARRAY[{_ACTS}]::text[]", schema="app")


def downgrade() -> None:
    op.drop_constraint("ck_agent_tenants_leads", "agent_tenants", schema="app")
    op.drop_column("agent_tenants", "leads", schema="app")
