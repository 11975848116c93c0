"""A rejected row of usage may be corrected and billed; what waits is counted from indexes of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

_CURRENT = "superseded_by IS NULL"


def upgrade() -> None:
    for name in ("verdict", "taken"):
        op.drop_constraint(f"ck_usage_decisions_{name}", "usage_decisions", schema="app", type_="check")
    op.create_check_constraint(
        "ck_usage_decisions_verdict",
        "usage_decisions",
        "verdict IN ('take-new', 'keep-old', 'throw-away', 'correct')",
        schema="app",
    )
    op.create_check_constraint(
        "ck_usage_decisions_taken",
        "usage_decisions",
        "(verdict IN ('take-new', 'correct')) = (usage_id IS NOT NULL)"
        " AND (verdict = 'take-new') = (superseded_charge_id IS NOT NULL)",
        schema="app",
    )
    op.create_index(
        "ix_rated_charges_unpriced",
        "rated_charges",
        ["tenant_id", "outcome"],
        schema="app",
        postgresql_where=sa.text(f"{_CURRENT} AND outcome <> 'rated'"),
    )
    op.create_index(
        "ix_rated_charges_late",
        "rated_charges",
        ["tenant_id"],
        schema="app",
        postgresql_where=sa.text(f"{_CURRENT} AND bill_at > occurred_at"),
    )


def downgrade() -> None:
    op.drop_index("ix_rated_charges_late", "rated_charges", schema="app")
    op.drop_index("ix_rated_charges_unpriced", "rated_charges", schema="app")
