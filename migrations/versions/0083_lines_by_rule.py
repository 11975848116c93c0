"""Let a line say by a rule which charges it holds, instead of a row for each charge (ADR 47).

An invoice holds what is due in [holds_from, period_end); the finalised ones of a company tile time, and on
an invoice a metered line is told apart by meter, destination, tariff and lateness: a charge has one line at
most. `invoice_line_charges` is a view of that from now on. For the rule to say for ever what was billed,
nothing may be added to a closed month or taken from it: whoever adds a charge keeps the company's closing
waiting until its transaction ends.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0083"
down_revision = "0082"

BEGINNING = "timestamptz '1970-01-01 00:00:00+00'"
TABLES = ("invoices", "invoice_lines", "invoice_line_charges", "rated_charges")
KEY = """l.meter = c.meter AND l.destination = c.destination AND l.tariff_id = c.tariff_id
    AND l.is_late = (c.occurred_at < i.period_start)"""
MEMBERS = f"""
    SELECT c.tenant_id, c.id AS rated_charge_id, l.invoice_id, l.line_no
    FROM app.rated_charges c
    JOIN app.invoices i ON i.tenant_id = c.tenant_id AND i.kind = 'invoice' AND i.state <> 'void'
      AND c.bill_at >= i.holds_from AND c.bill_at < i.period_end
    JOIN app.invoice_lines l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.id AND l.kind = 'metered'
      AND {KEY}
    WHERE c.superseded_by IS NULL AND c.outcome = 'rated'
"""  # noqa: S608 - text of ours


def upgrade() -> None:
    op.add_column("invoices", sa.Column("holds_from", sa.DateTime(timezone=True)), schema="app")
    # The owner is fenced too. Within this transaction, whose locks keep everybody else out, it is not.
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute("SET LOCAL statement_timeout = 0")
    move()
    for table in TABLES:
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
    op.alter_column("invoices", "holds_from", nullable=False, schema="app")
    op.create_check_constraint("holds", "invoices", "holds_from <= period_start", schema="app")
    op.create_index(
        "uq_invoice_lines_metered",
        "invoice_lines",
        ["tenant_id", "invoice_id", "meter", "destination", "tariff_id", "is_late"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("kind = 'metered'"),
    )
    op.execute("DROP TRIGGER members_on_lines ON app.invoices")
    op.execute("DROP FUNCTION app.refuse_lost_members()")
    op.drop_table("invoice_line_charges", schema="app")
    op.execute("DROP FUNCTION app.refuse_unfounded_members()")
    op.execute(f"CREATE VIEW app.invoice_line_charges WITH (security_invoker = true) AS {MEMBERS}")
    op.execute("GRANT SELECT ON app.invoice_line_charges TO seatline_app, seatline_backup")
    guard()


def move() -> None:
    """Give each invoice what it holds from; see that the rule says of each charge what was written."""
    op.execute("ALTER TABLE app.invoices DISABLE TRIGGER frozen")
    op.execute(f"""
        UPDATE app.invoices i SET holds_from = coalesce((SELECT max(b.period_end) FROM app.invoices b
          WHERE b.tenant_id = i.tenant_id AND b.state <> 'void' AND b.period_end <= i.period_start),
          {BEGINNING})
    """)  # noqa: S608 - text of ours
    op.execute("ALTER TABLE app.invoices ENABLE TRIGGER frozen")
    # a charge whose transaction was under way while its month was closed is due on the next bill
    op.execute("ALTER TABLE app.rated_charges DISABLE TRIGGER frozen")
    op.execute("""
        UPDATE app.rated_charges c SET bill_at = i.holds_from
        FROM app.invoice_line_charges m
        JOIN app.invoices i ON i.tenant_id = m.tenant_id AND i.id = m.invoice_id
        WHERE m.tenant_id = c.tenant_id AND m.rated_charge_id = c.id AND i.state = 'finalised'
          AND c.bill_at < i.holds_from
    """)
    op.execute("""
        UPDATE app.rated_charges c SET bill_at = closed.until
        FROM (SELECT tenant_id, max(period_end) AS until FROM app.invoices WHERE state = 'finalised'
              GROUP BY tenant_id) AS closed
        WHERE closed.tenant_id = c.tenant_id AND c.bill_at < closed.until AND c.superseded_by IS NULL
          AND NOT EXISTS (SELECT 1 FROM app.invoice_line_charges m
            JOIN app.invoices i ON i.tenant_id = m.tenant_id AND i.id = m.invoice_id AND i.state = 'finalised'
            WHERE m.tenant_id = c.tenant_id AND m.rated_charge_id = c.id)
    """)
    op.execute("ALTER TABLE app.rated_charges ENABLE TRIGGER frozen")
    # a draft whose sums are other ones by now is made anew before it is finalised, as ever
    ruled = f"{MEMBERS} AND i.state = 'finalised'"
    written = """
        SELECT m.tenant_id, m.rated_charge_id, m.invoice_id, m.line_no FROM app.invoice_line_charges m
        JOIN app.invoices i ON i.tenant_id = m.tenant_id AND i.id = m.invoice_id AND i.state = 'finalised'"""
    op.execute(f"""
        DO $$ BEGIN
          IF EXISTS (({written} EXCEPT {ruled}) UNION ALL ({ruled} EXCEPT {written})) THEN
            RAISE EXCEPTION 'the rule says of a charge another line than was written';
          END IF;
        END $$
    """)


def guard() -> None:
    op.execute("""
        CREATE FUNCTION app.closed_until(company uuid) RETURNS timestamptz LANGUAGE plpgsql VOLATILE
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE found timestamptz;
        BEGIN
          -- waits for a finalising under way, and keeps the next one waiting until this transaction ends;
          -- what follows sees what it did, because each statement here looks anew
          PERFORM pg_advisory_xact_lock_shared(hashtextextended('closing ' || company, 0));
          SELECT max(i.period_end) INTO found FROM app.invoices i
            WHERE i.tenant_id = company AND i.state = 'finalised';
          RETURN found;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION app.hold_closing(company uuid) RETURNS void LANGUAGE plpgsql VOLATILE
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          PERFORM pg_advisory_xact_lock(hashtextextended('closing ' || company, 0));
        END $$
    """)
    op.execute("""
        CREATE FUNCTION app.refuse_charge_of_closed_month() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          IF EXISTS (SELECT 1 FROM (SELECT t.tenant_id, min(t.bill_at) AS bill_at FROM touched t
               GROUP BY t.tenant_id) t WHERE t.bill_at < app.closed_until(t.tenant_id)) THEN
            RAISE EXCEPTION 'charges of a closed month are frozen' USING ERRCODE = '23001';
          END IF;
          RETURN NULL;
        END $$
    """)
    for verb, rows in (("INSERT", "NEW"), ("UPDATE", "OLD")):
        op.execute(
            f"CREATE TRIGGER of_open_month_{verb.lower()} AFTER {verb} ON app.rated_charges"
            f" REFERENCING {rows} TABLE AS touched"
            " FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_charge_of_closed_month()"
        )
    op.execute(f"""
        CREATE FUNCTION app.refuse_gap_in_time() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          PERFORM app.hold_closing(NEW.tenant_id);
          IF NEW.holds_from IS DISTINCT FROM coalesce((SELECT max(i.period_end) FROM app.invoices i
               WHERE i.tenant_id = NEW.tenant_id AND i.state = 'finalised'), {BEGINNING}) THEN
            RAISE EXCEPTION 'an invoice begins where the last one ended' USING ERRCODE = '23514';
          END IF;
          RETURN NEW;
        END $$
    """)  # noqa: S608 - text of ours
    op.execute("""
        CREATE TRIGGER tiles_time BEFORE UPDATE OF state ON app.invoices
        FOR EACH ROW WHEN (OLD.state = 'draft' AND NEW.state = 'finalised')
        EXECUTE FUNCTION app.refuse_gap_in_time()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER tiles_time ON app.invoices")
    for verb in ("insert", "update"):
        op.execute(f"DROP TRIGGER of_open_month_{verb} ON app.rated_charges")
    for function in (
        "refuse_gap_in_time()",
        "refuse_charge_of_closed_month()",
        "hold_closing(uuid)",
        "closed_until(uuid)",
    ):
        op.execute(f"DROP FUNCTION app.{function}")
    op.execute("ALTER VIEW app.invoice_line_charges RENAME TO lines_by_rule")
    op.create_table(
        "invoice_line_charges",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rated_charge_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "rated_charge_id", name="pk_invoice_line_charges"),
        schema="app",
    )
    for table in TABLES[:2] + TABLES[3:]:
        op.execute(f"ALTER TABLE app.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO app.invoice_line_charges SELECT tenant_id, rated_charge_id, invoice_id, line_no"
        " FROM app.lines_by_rule"
    )
    for table in TABLES[:2] + TABLES[3:]:
        op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
    op.execute("DROP VIEW app.lines_by_rule")
    fence("invoice_line_charges")
    op.create_index(
        "ix_invoice_line_charges_line",
        "invoice_line_charges",
        ["tenant_id", "invoice_id", "line_no"],
        schema="app",
    )
    op.drop_index("uq_invoice_lines_metered", "invoice_lines", schema="app")
    op.drop_column("invoices", "holds_from", schema="app")
