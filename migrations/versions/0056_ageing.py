"""What companies owe by how late it is, beside their other figures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    # code of before leaves both out
    op.add_column(
        "company_figures",
        sa.Column("aged_minor", JSONB(), nullable=False, server_default="[]"),
        schema="app",
    )
    op.add_column(
        "company_figures",
        sa.Column("on_account_minor", sa.BigInteger(), nullable=False, server_default="0"),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("company_figures", "on_account_minor", schema="app")
    op.drop_column("company_figures", "aged_minor", schema="app")
