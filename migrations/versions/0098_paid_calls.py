"""Calls in of companies that pay beforehand: for how much talk has been paid."""

import sqlalchemy as sa
from alembic import op

revision = "0098"
down_revision = "0097"


def upgrade() -> None:
    op.add_column("calls", sa.Column("paid_s", sa.Integer(), nullable=True), schema="app")


def downgrade() -> None:
    op.drop_column("calls", "paid_s", schema="app")
