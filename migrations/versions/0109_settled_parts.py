"""Contradicting parts of shared calls may be settled: by a credit note, or a charge on the next invoice."""

import sqlalchemy as sa
from alembic import op

revision = "0109"
down_revision = "0108"

_VERDICTS = "'take-new', 'keep-old', 'throw-away', 'correct'"
_TAKEN = (
    "(verdict IN ('take-new', 'correct')) = (usage_id IS NOT NULL)"
    " AND (verdict = 'take-new') = (superseded_charge_id IS NOT NULL)"
)


def upgrade() -> None:
    op.add_column("usage_decisions", sa.Column("credit_note_id", sa.Uuid()), schema="app")
    op.create_foreign_key(
        "fk_usage_decisions_credit_note",
        "usage_decisions",
        "credit_notes",
        ["tenant_id", "credit_note_id"],
        ["tenant_id", "id"],
        source_schema="app",
        referent_schema="app",
    )
    _check(
        f"verdict IN ({_VERDICTS}, 'settle')",
        "(verdict = 'settle' OR (verdict IN ('take-new', 'correct')) = (usage_id IS NOT NULL))"
        " AND (verdict = 'take-new') = (superseded_charge_id IS NOT NULL)"
        " AND (credit_note_id IS NULL OR verdict = 'settle' AND usage_id IS NULL)",
    )


def downgrade() -> None:
    _check(f"verdict IN ({_VERDICTS})", _TAKEN)
    op.drop_constraint("fk_usage_decisions_credit_note", "usage_decisions", schema="app", type_="foreignkey")
    op.drop_column("usage_decisions", "credit_note_id", schema="app")


def _check(verdict: str, taken: str) -> None:
    for name, condition in (("verdict", verdict), ("taken", taken)):
        op.drop_constraint(f"ck_usage_decisions_{name}", "usage_decisions", schema="app", type_="check")
        op.create_check_constraint(f"ck_usage_decisions_{name}", "usage_decisions", condition, schema="app")
