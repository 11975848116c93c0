"""How many of a hundred calls a queue records, and whether it tells its callers."""

import sqlalchemy as sa
from alembic import op

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    percent = sa.Column("record_percent", sa.SmallInteger(), nullable=False, server_default="100")
    tells = sa.Column("tells_callers", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("queues", percent, schema="app")
    op.add_column("queues", tells, schema="app")
    op.create_check_constraint("record_percent", "queues", "record_percent BETWEEN 1 AND 100", schema="app")


def downgrade() -> None:
    op.drop_constraint("ck_queues_record_percent", "queues", schema="app")
    op.drop_column("queues", "tells_callers", schema="app")
    op.drop_column("queues", "record_percent", schema="app")
