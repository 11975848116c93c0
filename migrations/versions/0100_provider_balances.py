"""What the provider holds beside our clearing account, and how much of it each difference explains."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0100"
down_revision = "0099"


def upgrade() -> None:
    op.add_column(
        "reconciliations",
        sa.Column("balances", JSONB(), nullable=False, server_default=sa.text("'[]'")),
        schema="app",
    )
    op.add_column(
        "differences",
        sa.Column("effects", JSONB(), nullable=False, server_default=sa.text("'{}'")),
        schema="app",
    )
    # what was found before says its amounts, though not its fee
    op.execute("""
        UPDATE app.differences
        SET effects = jsonb_build_object(currency, COALESCE(theirs_minor, 0) - COALESCE(ours_minor, 0))
        WHERE moved <> 'invoice'""")


def downgrade() -> None:
    op.drop_column("differences", "effects", schema="app")
    op.drop_column("reconciliations", "balances", schema="app")
