"""Campaigns may ask for consent: whoever has given none is not called."""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column("needs_consent", sa.Boolean(), nullable=False, server_default=sa.false()),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("campaigns", "needs_consent", schema="app")
