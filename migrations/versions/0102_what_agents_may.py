"""Whether a company's agents hear the messages left for their queues, and see no number."""

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"


def upgrade() -> None:
    for name in ("hears_messages", "hides_numbers"):
        column = sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column("look_budgets", column, schema="app")


def downgrade() -> None:
    op.drop_column("look_budgets", "hides_numbers", schema="app")
    op.drop_column("look_budgets", "hears_messages", schema="app")
