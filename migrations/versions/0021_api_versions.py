"""Which version of the API a key is pinned to."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    # keys that were made before there was a version read what that version says
    op.add_column(
        "api_keys",
        sa.Column("api_version", sa.Text(), nullable=False, server_default="2026-11-22"),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("api_keys", "api_version", schema="app")
