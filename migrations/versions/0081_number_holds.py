"""Numbers a client holds while it decides, and calls to numbers nobody rents."""

import sqlalchemy as sa
from alembic import op

revision = "0081"
down_revision = "0080"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("number_stock", sa.Column("held_for", sa.Uuid()), schema="app")
    op.add_column("number_stock", sa.Column("held_until", INSTANT), schema="app")
    op.execute("ALTER TABLE app.number_stock ADD COLUMN stray_calls integer NOT NULL DEFAULT 0")
    op.add_column("number_stock", sa.Column("strayed_at", INSTANT), schema="app")


def downgrade() -> None:
    for name in ("strayed_at", "stray_calls", "held_until", "held_for"):
        op.drop_column("number_stock", name, schema="app")
