"""What agents of a queue see while they talk with its callers."""

import sqlalchemy as sa
from alembic import op

revision = "0097"
down_revision = "0096"


def upgrade() -> None:
    op.add_column("queues", sa.Column("script", sa.Text(), nullable=False, server_default=""), schema="app")


def downgrade() -> None:
    op.drop_column("queues", "script", schema="app")
