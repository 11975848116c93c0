"""Which campaign a use was for, so that what it brought can be shown by campaign."""

import sqlalchemy as sa
from alembic import op

revision = "0084"
down_revision = "0083"


def upgrade() -> None:
    op.add_column("usage_events", sa.Column("campaign_ref", sa.Uuid()), schema="app")


def downgrade() -> None:
    op.drop_column("usage_events", "campaign_ref", schema="app")
