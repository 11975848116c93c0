"""The last check of an agent's line: figures of their browser, nobody's data."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    op.add_column("agents", sa.Column("line_check", JSONB()), schema="app")


def downgrade() -> None:
    op.drop_column("agents", "line_check", schema="app")
