"""Consent: for what, by which channel, when it was said, its proof. Do-not-call: uploads, why taken off."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import sealed

revision = "0020"
down_revision = "0019"

_PURPOSES = "'all', 'marketing', 'service', 'survey'"
_CHANNELS = "'call', 'web-form', 'paper', 'email', 'message', 'in-person', 'other'"
_WHY = "'holder-asked', 'new-holder', 'mistake', 'undone'"


def upgrade() -> None:
    for name, default, values in (("purpose", "all", _PURPOSES), ("channel", "other", _CHANNELS)):
        op.add_column(
            "consents", sa.Column(name, sa.Text(), nullable=False, server_default=default), schema="app"
        )
        op.create_check_constraint(f"ck_consents_{name}", "consents", f"{name} IN ({values})", schema="app")
    op.add_column("consents", sa.Column("said_at", sa.DateTime(timezone=True)), schema="app")
    op.add_column("consents", sa.Column("proof_ct", sa.LargeBinary()), schema="app")
    sealed("consents", "proof_ct")
    op.add_column("do_not_call", sa.Column("batch_id", sa.Uuid()), schema="app")
    op.add_column("do_not_call", sa.Column("removed_why", sa.Text()), schema="app")
    op.create_check_constraint("ck_do_not_call_why", "do_not_call", f"removed_why IN ({_WHY})", schema="app")


def downgrade() -> None:
    for name in ("removed_why", "batch_id"):
        op.drop_column("do_not_call", name, schema="app")
    for name in ("proof_ct", "said_at", "channel", "purpose"):
        op.drop_column("consents", name, schema="app")
