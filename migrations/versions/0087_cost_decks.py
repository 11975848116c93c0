"""What carriers charge the operator: price lists that name their carrier and reach no company."""

import sqlalchemy as sa
from alembic import op

revision = "0087"
down_revision = "0086"


def upgrade() -> None:
    op.add_column(
        "price_lists", sa.Column("carrier", sa.Text(), nullable=False, server_default=""), schema="app"
    )


def downgrade() -> None:
    op.drop_column("price_lists", "carrier", schema="app")
