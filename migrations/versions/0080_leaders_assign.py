"""A leader may put agents into other queues."""

from alembic import op

revision = "0080"
down_revision = "0079"

_ACTS = "'listen', 'whisper', 'barge', 'take-over', 'move', 'force'"


def upgrade() -> None:
    _allow(f"{_ACTS}, 'assign'")


def downgrade() -> None:
    _allow(_ACTS)


def _allow(acts: str) -> None:
    op.drop_constraint("ck_agent_tenants_leads", "agent_tenants", schema="app")
    op.create_check_constraint("leads", "agent_tenants", f"leads <@ ARRAY[{acts}]::text[]", schema="app")
