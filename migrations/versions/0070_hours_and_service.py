"""Lines for what agents' hours cost more and for service that fell short, and how service was counted."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0070"
down_revision = "0069"

_BEFORE = "'metered', 'allowance', 'discount', 'commitment'"
_KIND = "ck_invoice_lines_kind"


def upgrade() -> None:
    _kinds(f"{_BEFORE}, 'surcharge', 'credit'")
    op.create_table(
        "service_counts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("month_on", sa.Date(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("offered", sa.BigInteger(), nullable=False),
        sa.Column("in_time", sa.BigInteger(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "month_on", "code", "queue"),
        sa.CheckConstraint("in_time >= 0 AND in_time <= offered", name="counts"),
        schema="app",
    )
    fence("service_counts")


def downgrade() -> None:
    op.drop_table("service_counts", schema="app")
    _kinds(_BEFORE)


def _kinds(every: str) -> None:
    op.drop_constraint(_KIND, "invoice_lines", schema="app", type_="check")
    op.create_check_constraint(_KIND, "invoice_lines", f"kind IN ({every})", schema="app")
