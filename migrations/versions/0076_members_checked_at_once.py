"""Check what stands on a bill's lines once per statement, and once more when the bill is finalised.

Two foreign keys looked at each charge of a draft by itself, one of them at commit. Now one look at all new
members says that their charges are there, and a bill is not finalised while one of them names no line of it:
members are written first and lines are summed from them, so a draft may lack its lines for a moment.
"""

from alembic import op

revision = "0076"
down_revision = "0075"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION app.refuse_unfounded_members() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          -- OFFSET 0: one look-up for each new row, whatever the statistics of a growing table say
          IF (SELECT count(*) FROM fresh) <> (SELECT count(*) FROM fresh f, LATERAL (
               SELECT 1 FROM app.rated_charges c WHERE c.tenant_id = f.tenant_id AND c.id = f.rated_charge_id
               OFFSET 0) c) THEN
            RAISE EXCEPTION 'a line of no charge' USING ERRCODE = '23503';
          END IF;
          RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER founded AFTER INSERT ON app.invoice_line_charges REFERENCING NEW TABLE AS fresh
        FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_unfounded_members()
    """)
    op.execute("""
        CREATE FUNCTION app.refuse_lost_members() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          IF EXISTS (SELECT 1 FROM (SELECT DISTINCT m.line_no FROM app.invoice_line_charges m
               WHERE m.tenant_id = NEW.tenant_id AND m.invoice_id = NEW.id) m
             WHERE NOT EXISTS (SELECT 1 FROM app.invoice_lines l WHERE l.tenant_id = NEW.tenant_id
               AND l.invoice_id = NEW.id AND l.line_no = m.line_no)) THEN
            RAISE EXCEPTION 'a charge on no line' USING ERRCODE = '23503';
          END IF;
          RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER members_on_lines BEFORE UPDATE OF state ON app.invoices
        FOR EACH ROW WHEN (OLD.state = 'draft' AND NEW.state = 'finalised')
        EXECUTE FUNCTION app.refuse_lost_members()
    """)
    for key in ("invoice_id_line_no", "rated_charge_id"):
        op.execute(
            f"ALTER TABLE app.invoice_line_charges DROP CONSTRAINT fk_invoice_line_charges_tenant_id_{key}"
        )


def downgrade() -> None:
    op.create_foreign_key(
        "fk_invoice_line_charges_tenant_id_rated_charge_id",
        "invoice_line_charges",
        "rated_charges",
        ["tenant_id", "rated_charge_id"],
        ["tenant_id", "id"],
        source_schema="app",
        referent_schema="app",
    )
    op.create_foreign_key(
        "fk_invoice_line_charges_tenant_id_invoice_id_line_no",
        "invoice_line_charges",
        "invoice_lines",
        ["tenant_id", "invoice_id", "line_no"],
        ["tenant_id", "invoice_id", "line_no"],
        source_schema="app",
        referent_schema="app",
        deferrable=True,
        initially="DEFERRED",
    )
    # gone already: the step back from 0083 does not make them again
    op.execute("DROP TRIGGER IF EXISTS members_on_lines ON app.invoices")
    op.execute("DROP TRIGGER IF EXISTS founded ON app.invoice_line_charges")
    op.execute("DROP FUNCTION IF EXISTS app.refuse_lost_members()")
    op.execute("DROP FUNCTION IF EXISTS app.refuse_unfounded_members()")
