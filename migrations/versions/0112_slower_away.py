"""A trial of the traffic models may say how much longer a call takes that is answered away from home."""

import sqlalchemy as sa
from alembic import op

revision = "0112"
down_revision = "0111"


def upgrade() -> None:
    column = sa.Column("slower_percent", sa.Integer(), nullable=False, server_default="0")
    op.add_column("routing_trials", column, schema="app")


def downgrade() -> None:
    op.drop_column("routing_trials", "slower_percent", schema="app")
