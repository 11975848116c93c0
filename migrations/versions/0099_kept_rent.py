"""What a wallet keeps for a month's rent: a reservation that names the end of the month."""

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0098"


def upgrade() -> None:
    op.add_column(
        "reservations", sa.Column("rent_until", sa.DateTime(timezone=True), nullable=True), schema="app"
    )


def downgrade() -> None:
    op.drop_column("reservations", "rent_until", schema="app")
