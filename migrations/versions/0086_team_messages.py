"""What is written to a team, and who has read it; a leader may be let write."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0086"
down_revision = "0085"

INSTANT = sa.DateTime(timezone=True)
_ACTS = "'listen', 'whisper', 'barge', 'take-over', 'move', 'force', 'assign'"


def upgrade() -> None:
    _allow(f"{_ACTS}, 'broadcast'")
    op.create_table(
        "team_messages",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("queue_id", sa.Uuid()),
        sa.Column("from_agent", sa.Integer()),
        sa.Column("text_ct", sa.LargeBinary(), nullable=False),
        sa.Column("sent_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="app",
    )
    fence("team_messages")
    sealed("team_messages", "text_ct")
    op.create_table(
        "team_readers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("agent_number", sa.Integer(), nullable=False),
        sa.Column("read_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "message_id", "agent_number"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "message_id"],
            ["app.team_messages.tenant_id", "app.team_messages.id"],
            ondelete="CASCADE",
        ),
        schema="app",
    )
    op.create_index(
        "ix_team_readers_unread",
        "team_readers",
        ["tenant_id", "agent_number"],
        schema="app",
        postgresql_where=sa.text("read_at IS NULL"),
    )
    fence("team_readers")


def downgrade() -> None:
    op.drop_table("team_readers", schema="app")
    op.drop_table("team_messages", schema="app")
    _allow(_ACTS)


def _allow(acts: str) -> None:
    op.drop_constraint("ck_agent_tenants_leads", "agent_tenants", schema="app")
    op.create_check_constraint("leads", "agent_tenants", f"leads <@ ARRAY[{acts}]::text[]", schema="app")
