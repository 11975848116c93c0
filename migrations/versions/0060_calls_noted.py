"""Call records are found by the minute they were written in, for the evidence log."""

from alembic import op

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    op.create_index("ix_cdrs_written", "cdrs", ["tenant_id", "written_at"], schema="app")


def downgrade() -> None:
    op.drop_index("ix_cdrs_written", "cdrs", schema="app")
