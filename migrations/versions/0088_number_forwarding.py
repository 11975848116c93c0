"""Numbers whose callers are forwarded to the client's own phone, which stands sealed."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import sealed

revision = "0088"
down_revision = "0087"


def upgrade() -> None:
    op.add_column("numbers", sa.Column("forward_ct", sa.LargeBinary()), schema="app")
    op.add_column("numbers", sa.Column("forwards", sa.Text()), schema="app")
    sealed("numbers", "forward_ct")
    op.create_check_constraint(
        "forwards",
        "numbers",
        "(forwards IS NULL) = (forward_ct IS NULL) AND forwards IN ('always', 'closed')",
        schema="app",
    )


def downgrade() -> None:
    op.drop_constraint("ck_numbers_forwards", "numbers", schema="app")
    op.drop_column("numbers", "forwards", schema="app")
    op.drop_column("numbers", "forward_ct", schema="app")
