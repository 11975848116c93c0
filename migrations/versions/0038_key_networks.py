"""The networks an API key may be used from; none listed: from everywhere."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.add_column(
        "api_keys", sa.Column("networks", sa.Text(), nullable=False, server_default=""), schema="app"
    )


def downgrade() -> None:
    op.drop_column("api_keys", "networks", schema="app")
