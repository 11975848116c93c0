"""What happens when the time of a wrap-up is up and no outcome was given."""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.add_column(
        "queues", sa.Column("time_up", sa.Text(), nullable=False, server_default="free"), schema="app"
    )
    op.create_check_constraint("time_up", "queues", "time_up IN ('free', 'stay')", schema="app")
    op.add_column(
        "work_items",
        sa.Column("holds_over", sa.Boolean(), nullable=False, server_default=sa.false()),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("work_items", "holds_over", schema="app")
    op.drop_constraint("ck_queues_time_up", "queues", schema="app")
    op.drop_column("queues", "time_up", schema="app")
