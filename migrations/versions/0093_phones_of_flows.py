"""The phones outside that flows call, sealed beside them."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import sealed

revision = "0093"
down_revision = "0092"


def upgrade() -> None:
    for table in ("flows", "flow_versions"):
        op.add_column(table, sa.Column("phones_ct", sa.LargeBinary()), schema="app")
        sealed(table, "phones_ct")
    op.execute("GRANT UPDATE (phones_ct) ON app.flow_versions TO seatline_app")  # under another key, no more


def downgrade() -> None:
    for table in ("flows", "flow_versions"):
        op.drop_column(table, "phones_ct", schema="app")
