"""Bulk usage says for which campaign it was, as usage that is reported singly does."""

import sqlalchemy as sa
from alembic import op

revision = "0092"
down_revision = "0091"


def upgrade() -> None:
    op.add_column("usage_staging", sa.Column("campaign_ref", sa.Uuid()), schema="app")


def downgrade() -> None:
    op.drop_column("usage_staging", "campaign_ref", schema="app")
