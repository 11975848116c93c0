"""Erasing a person: who asked for it and what came of it, legal holds, and what never changes lets go."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze

revision = "0035"
down_revision = "0034"

INSTANT = sa.DateTime(timezone=True)
# each frozen table from which a person is taken out, and what the erasing role may do there
LETS_GO = {
    "consents": "SELECT, DELETE",
    "dial_decisions": "SELECT, UPDATE",
    "outbound_dials": "SELECT, UPDATE",
    "lead_attempts": "SELECT, DELETE",
}
REFUSE = "RAISE EXCEPTION '% is frozen', tg_table_name USING ERRCODE = '23001'"


def upgrade() -> None:
    op.create_table(
        "legal_holds",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
        sa.Column("lifted_by", sa.Uuid()),
        sa.Column("lifted_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint(
            "kind IN ('company', 'customer', 'call') AND (kind = 'company') = (subject_id IS NULL)",
            name="kind",
        ),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
        schema="app",
    )
    op.create_index("ix_legal_holds_set", "legal_holds", ["tenant_id", "set_at"], schema="app")
    fence("legal_holds")
    op.execute("REVOKE DELETE ON app.legal_holds FROM seatline_app")
    freeze("legal_holds", when="OLD.lifted_at IS NOT NULL")
    op.create_table(
        "erasures",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid()),
        sa.Column("marks", JSONB()),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.Column("counts", JSONB(), nullable=False),
        sa.Column("certificate", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("(done_at IS NULL) = (certificate IS NULL)", name="done"),
        schema="app",
    )
    op.create_index("ix_erasures_asked", "erasures", ["tenant_id", "asked_at"], schema="app")
    fence("erasures")
    op.execute("REVOKE DELETE ON app.erasures FROM seatline_app")
    freeze("erasures", when="OLD.done_at IS NOT NULL")
    # who looked stays in evidence when the customer is gone
    op.drop_constraint("fk_reveals_tenant_id_customer_id", "reveals", schema="app", type_="foreignkey")
    op.alter_column("outbound_dials", "to_ct", nullable=True, schema="app")
    for table, verbs in LETS_GO.items():
        op.execute(f"GRANT {verbs} ON app.{table} TO seatline_eraser")
        op.execute(
            f"CREATE POLICY erasure ON app.{table} AS PERMISSIVE FOR ALL TO seatline_eraser"
            " USING (true) WITH CHECK (true)"
        )
    _refuse_change(
        "IF current_user = 'seatline_eraser' THEN"
        " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END IF; " + REFUSE
    )


def downgrade() -> None:
    _refuse_change(REFUSE)
    for table, verbs in LETS_GO.items():
        op.execute(f"DROP POLICY erasure ON app.{table}")
        op.execute(f"REVOKE {verbs} ON app.{table} FROM seatline_eraser")
    op.drop_table("erasures", schema="app")
    op.drop_table("legal_holds", schema="app")


def _refuse_change(body: str) -> None:
    """Write anew what the triggers of all frozen tables call."""
    op.execute(
        "CREATE OR REPLACE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, pg_temp AS $$ BEGIN {body}; END $$"
    )
