"""Whether a company's people need a second step before any other page."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.add_column(
        "tenants",
        sa.Column("requires_second_step", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("tenants", "requires_second_step", schema="app")
