"""How many lines a bill may have for each day of its period, and bills that are held for having more."""

import sqlalchemy as sa
from alembic import op

revision = "0115"
down_revision = "0114"

_BEFORE = "reason IN ('negative', 'above-most', 'above-mean')"
_SINCE = "reason IN ('negative', 'too-many-lines', 'above-most', 'above-mean')"


def upgrade() -> None:
    op.add_column(
        "safety_rules",
        sa.Column("lines_a_day", sa.Integer(), nullable=False, server_default="15"),
        schema="app",
    )
    op.create_check_constraint(op.f("ck_safety_rules_lines"), "safety_rules", "lines_a_day > 0", schema="app")
    for column in ("lines", "most_lines"):
        op.add_column("bill_holds", sa.Column(column, sa.Integer()), schema="app")
    op.drop_constraint(op.f("ck_bill_holds_reason"), "bill_holds", schema="app", type_="check")
    op.create_check_constraint(op.f("ck_bill_holds_reason"), "bill_holds", _SINCE, schema="app")
    op.create_check_constraint(
        op.f("ck_bill_holds_lines"),
        "bill_holds",
        "(lines IS NULL) = (most_lines IS NULL) AND (lines IS NULL) = (reason <> 'too-many-lines')",
        schema="app",
    )


def downgrade() -> None:
    for name in ("lines", "reason"):
        op.drop_constraint(op.f(f"ck_bill_holds_{name}"), "bill_holds", schema="app", type_="check")
    # what was held for its lines stays so: a hold that was released never changes
    op.execute(f"ALTER TABLE app.bill_holds ADD CONSTRAINT ck_bill_holds_reason CHECK ({_BEFORE}) NOT VALID")
    for column in ("lines", "most_lines"):
        op.drop_column("bill_holds", column, schema="app")
    op.drop_constraint(op.f("ck_safety_rules_lines"), "safety_rules", schema="app", type_="check")
    op.drop_column("safety_rules", "lines_a_day", schema="app")
