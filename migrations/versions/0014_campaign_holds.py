"""Why a campaign does not dial for the moment, and until when it is not tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("held_reason", sa.Text()), schema="app")
    op.add_column("campaigns", sa.Column("held_until", sa.DateTime(timezone=True)), schema="app")


def downgrade() -> None:
    op.drop_column("campaigns", "held_until", schema="app")
    op.drop_column("campaigns", "held_reason", schema="app")
