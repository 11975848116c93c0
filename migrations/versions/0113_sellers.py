"""The operator's own head on invoices, and what companies' billing details and terms say besides."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0113"
down_revision = "0112"


def upgrade() -> None:
    # every company's invoices carry it, the operator alone writes it: a platform table, fenced for writing
    op.create_table(
        "sellers",
        sa.Column("issuer_id", sa.Uuid(), nullable=False),
        sa.Column("head", JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer_id"),
        schema="app",
    )
    op.execute("ALTER TABLE app.sellers ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.sellers FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY service ON app.sellers FOR SELECT USING (true)")
    op.execute(
        "CREATE POLICY tell ON app.sellers FOR INSERT TO seatline_app WITH CHECK ((SELECT sec.is_operator()))"
    )
    op.execute(
        "CREATE POLICY again ON app.sellers FOR UPDATE TO seatline_app"
        " USING ((SELECT sec.is_operator())) WITH CHECK ((SELECT sec.is_operator()))"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON app.sellers TO seatline_app")
    op.execute("GRANT SELECT ON app.sellers TO seatline_backup")
    # how far each series has come: nobody but this function reads the counters, and for the operator alone
    op.execute("""
        CREATE FUNCTION app.invoice_series_of(issuer uuid)
        RETURNS TABLE (prefix text, year integer, last_number integer)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT s.prefix, s.year, s.last_number FROM app.invoice_series s
          WHERE s.issuer_id = issuer AND (SELECT sec.is_operator())
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION app.invoice_series_of(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION app.invoice_series_of(uuid) TO seatline_app")
    for table in ("billing_accounts", "invoices"):
        op.add_column(
            table, sa.Column("tax_reason", sa.Text(), server_default="", nullable=False), schema="app"
        )
    op.add_column(
        "billing_accounts",
        sa.Column("revision", sa.Integer(), server_default=sa.text("1"), nullable=False),
        schema="app",
    )


def downgrade() -> None:
    op.drop_column("billing_accounts", "revision", schema="app")
    for table in ("invoices", "billing_accounts"):
        op.drop_column(table, "tax_reason", schema="app")
    op.execute("DROP FUNCTION app.invoice_series_of(uuid)")
    op.drop_table("sellers", schema="app")
