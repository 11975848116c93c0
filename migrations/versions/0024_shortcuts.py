"""The keys a person has chosen for the console; absent: the usual ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("users", sa.Column("shortcuts", JSONB()), schema="app")


def downgrade() -> None:
    op.drop_column("users", "shortcuts", schema="app")
