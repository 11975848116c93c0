"""Money: price lists, tariffs, usage, rated charges, invoices.

What guards what stands in docs/adr/0004-money.md.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze, sealed

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)

TABLES = (
    "price_lists",
    "price_list_versions",
    "rates",
    "tariffs",
    "billing_accounts",
    "usage_events",
    "usage_conflicts",
    "usage_rejects",
    "usage_batches",
    "rated_charges",
    "invoices",
    "invoice_lines",
    "invoice_taxes",
    "invoice_line_charges",
    "invoice_series",
    "usage_staging",
)


def upgrade() -> None:
    op.create_table(
        "price_lists",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_price_lists"),
        sa.UniqueConstraint("tenant_id", "code", name="uq_price_lists_tenant_id_code"),
        schema="app",
    )
    op.create_table(
        "price_list_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_list_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_from", INSTANT, nullable=False),
        sa.Column("destinations", JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("published_at", INSTANT, nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(published_at IS NULL) = (content IS NULL) AND (content IS NULL) = (sha256 IS NULL)",
            name="ck_price_list_versions_published",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_list_id"],
            ["app.price_lists.tenant_id", "app.price_lists.id"],
            name="fk_price_list_versions_tenant_id_price_list_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_price_list_versions"),
        sa.UniqueConstraint(
            "tenant_id",
            "price_list_id",
            "version",
            name="uq_price_list_versions_tenant_id_price_list_id_version",
        ),
        schema="app",
    )
    op.create_table(
        "rates",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("price_list_version_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("is_blocked", sa.Boolean(), nullable=False),
        sa.Column("initial_s", sa.Integer(), nullable=False),
        sa.Column("minimum_nano", sa.BigInteger(), nullable=False),
        sa.Column("maximum_nano", sa.BigInteger(), nullable=True),
        sa.Column("bands", JSONB, nullable=False),
        sa.CheckConstraint("prefix ~ '^[0-9]{0,11}$'", name="ck_rates_prefix"),
        sa.CheckConstraint(
            "minimum_nano >= 0 AND coalesce(maximum_nano, minimum_nano) >= minimum_nano",
            name="ck_rates_bounds",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_list_version_id"],
            ["app.price_list_versions.tenant_id", "app.price_list_versions.id"],
            name="fk_rates_tenant_id_price_list_version_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "price_list_version_id", "meter", "prefix", name="pk_rates"),
        schema="app",
    )
    op.create_table(
        "tariffs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", INSTANT, nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("price_list_version_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_tariffs"),
        sa.UniqueConstraint("tenant_id", "effective_from", name="uq_tariffs_tenant_id_effective_from"),
        schema="app",
    )
    op.create_table(
        "billing_accounts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("tax_category", sa.Text(), nullable=False),
        sa.Column("tax_rate_ppm", sa.Integer(), nullable=False),
        sa.Column("terms_days", sa.Integer(), nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("buyer", JSONB, nullable=False),
        sa.Column("seller", JSONB, nullable=False),
        sa.Column("order_reference", sa.Text(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.CheckConstraint("tax_rate_ppm BETWEEN 0 AND 1000000", name="ck_billing_accounts_tax_rate"),
        sa.CheckConstraint("terms_days BETWEEN 0 AND 365", name="ck_billing_accounts_terms"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_billing_accounts"),
        schema="app",
    )
    op.create_table(
        "usage_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("subject_ref", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("quantity_ms", sa.BigInteger(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("agent_ref", sa.Uuid(), nullable=True),
        sa.Column("other_party", sa.LargeBinary(), nullable=True),
        sa.Column("payload_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("batch_row", sa.Integer(), nullable=True),
        sa.CheckConstraint("prefix ~ '^[0-9]{0,11}$'", name="ck_usage_events_prefix"),
        sa.CheckConstraint("source <> '' AND event_id <> '' AND meter <> ''", name="ck_usage_events_key"),
        sa.CheckConstraint("quantity_ms >= 0 AND ended_at >= occurred_at", name="ck_usage_events_extent"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_events"),
        sa.UniqueConstraint(
            "tenant_id", "source", "event_id", name="uq_usage_events_tenant_id_source_event_id"
        ),
        schema="app",
    )
    op.create_index(
        "ix_usage_events_subject", "usage_events", ["tenant_id", "subject_ref"], unique=False, schema="app"
    )
    op.create_table(
        "usage_conflicts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("payload_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_conflicts"),
        sa.UniqueConstraint(
            "tenant_id",
            "source",
            "event_id",
            "payload_sha256",
            name="uq_usage_conflicts_tenant_id_source_event_id_payload_sha256",
        ),
        schema="app",
    )
    op.create_table(
        "usage_rejects",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("batch_row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_rejects"),
        schema="app",
    )
    op.create_table(
        "usage_batches",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicate", sa.Integer(), nullable=False),
        sa.Column("conflict", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "received = accepted + duplicate + conflict + rejected", name="ck_usage_batches_adds_up"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_usage_batches"),
        schema="app",
    )
    op.create_table(
        "rated_charges",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("usage_id", sa.Uuid(), nullable=False),
        sa.Column("charge_run", sa.Text(), nullable=False),
        sa.Column("rating_seq", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tariff_id", sa.Uuid(), nullable=True),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("bill_at", INSTANT, nullable=False),
        sa.Column("prefix", sa.Text(), nullable=True),
        sa.Column("destination", sa.Text(), nullable=True),
        sa.Column("billed_seconds", sa.Integer(), nullable=True),
        sa.Column("amount_nano", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("rated_at", INSTANT, nullable=False),
        sa.Column("superseded_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(outcome = 'rated') = (amount_nano IS NOT NULL AND billed_seconds IS NOT NULL"
            " AND currency IS NOT NULL AND prefix IS NOT NULL AND destination IS NOT NULL"
            " AND tariff_id IS NOT NULL)",
            name="ck_rated_charges_rated_whole",
        ),
        sa.CheckConstraint("outcome IN ('rated', 'unrated', 'refused')", name="ck_rated_charges_outcome"),
        sa.CheckConstraint("coalesce(amount_nano, 0) >= 0", name="ck_rated_charges_amount"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "superseded_by"],
            ["app.rated_charges.tenant_id", "app.rated_charges.id"],
            name="fk_rated_charges_tenant_id_superseded_by",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tariff_id"],
            ["app.tariffs.tenant_id", "app.tariffs.id"],
            name="fk_rated_charges_tenant_id_tariff_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "usage_id"],
            ["app.usage_events.tenant_id", "app.usage_events.id"],
            name="fk_rated_charges_tenant_id_usage_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_rated_charges"),
        schema="app",
    )
    op.create_index(
        "ix_rated_charges_current",
        "rated_charges",
        ["tenant_id", "bill_at"],
        unique=False,
        schema="app",
        postgresql_where=sa.text("superseded_by IS NULL"),
    )
    op.create_index(
        "uq_rated_charges_current",
        "rated_charges",
        ["tenant_id", "usage_id", "charge_run"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("superseded_by IS NULL"),
    )
    op.create_table(
        "invoices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("period_start", INSTANT, nullable=False),
        sa.Column("period_end", INSTANT, nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("buyer", JSONB, nullable=False),
        sa.Column("seller", JSONB, nullable=False),
        sa.Column("order_reference", sa.Text(), nullable=False),
        sa.Column("terms_days", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("drafted_at", INSTANT, nullable=False),
        sa.Column("finalised_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "(state = 'draft') = (number IS NULL) AND (number IS NULL) = (finalised_at IS NULL)"
            " AND (number IS NULL) = (issued_on IS NULL) AND (number IS NULL) = (due_on IS NULL)",
            name="ck_invoices_numbered",
        ),
        sa.CheckConstraint("state IN ('draft', 'finalised', 'void')", name="ck_invoices_state"),
        sa.CheckConstraint("period_end > period_start", name="ck_invoices_period"),
        sa.CheckConstraint("total_minor = net_minor + tax_minor", name="ck_invoices_total"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_invoices"),
        sa.UniqueConstraint("tenant_id", "number", name="uq_invoices_tenant_id_number"),
        schema="app",
    )
    op.create_index(
        "uq_invoices_period",
        "invoices",
        ["tenant_id", "period_start"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("kind = 'invoice' AND state <> 'void'"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("names", JSONB, nullable=False),
        sa.Column("tariff_id", sa.Uuid(), nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("billed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unit_nano", sa.BigInteger(), nullable=True),
        sa.Column("amount_nano", sa.Numeric(precision=38, scale=0), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_category", sa.Text(), nullable=False),
        sa.Column("tax_rate_ppm", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["app.invoices.tenant_id", "app.invoices.id"],
            name="fk_invoice_lines_tenant_id_invoice_id",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tariff_id"],
            ["app.tariffs.tenant_id", "app.tariffs.id"],
            name="fk_invoice_lines_tenant_id_tariff_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id", "line_no", name="pk_invoice_lines"),
        schema="app",
    )
    op.create_table(
        "invoice_taxes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("rate_ppm", sa.Integer(), nullable=False),
        sa.Column("taxable_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id"],
            ["app.invoices.tenant_id", "app.invoices.id"],
            name="fk_invoice_taxes_tenant_id_invoice_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "invoice_id", "category", "rate_ppm", name="pk_invoice_taxes"),
        schema="app",
    )
    op.create_table(
        "invoice_line_charges",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rated_charge_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "invoice_id", "line_no"],
            ["app.invoice_lines.tenant_id", "app.invoice_lines.invoice_id", "app.invoice_lines.line_no"],
            name="fk_invoice_line_charges_tenant_id_invoice_id_line_no",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "rated_charge_id"],
            ["app.rated_charges.tenant_id", "app.rated_charges.id"],
            name="fk_invoice_line_charges_tenant_id_rated_charge_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "rated_charge_id", name="pk_invoice_line_charges"),
        schema="app",
    )
    op.create_index(
        "ix_invoice_line_charges_line",
        "invoice_line_charges",
        ["tenant_id", "invoice_id", "line_no"],
        unique=False,
        schema="app",
    )
    op.create_table(
        "invoice_series",
        sa.Column("issuer_id", sa.Uuid(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("issuer_id", "prefix", "year", name="pk_invoice_series"),
        schema="app",
    )
    op.create_table(
        "usage_staging",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("row_no", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("usage_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=True),
        sa.Column("subject_ref", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("quantity_ms", sa.BigInteger(), nullable=True),
        sa.Column("prefix", sa.Text(), nullable=True),
        sa.Column("number_id", sa.Uuid(), nullable=True),
        sa.Column("agent_ref", sa.Uuid(), nullable=True),
        sa.Column("payload_sha256", sa.LargeBinary(), nullable=True),
        sa.Column("reject_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "row_no", name="pk_usage_staging"),
        schema="app",
        prefixes=["UNLOGGED"],
    )
    guard()


def guard() -> None:
    for table in ("price_lists", "price_list_versions", "rates", "billing_accounts"):
        fence(table)
    for table in ("invoices", "invoice_lines", "invoice_taxes", "invoice_line_charges"):
        fence(table)
    for table in (
        "tariffs",
        "usage_events",
        "usage_conflicts",
        "usage_rejects",
        "usage_batches",
        "rated_charges",
    ):
        fence(table, append_only=True)

    # a published version and its rates stand for ever
    freeze("price_list_versions", when="OLD.published_at IS NOT NULL")
    op.execute("""
        CREATE FUNCTION app.refuse_published() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE r app.rates := CASE WHEN tg_op = 'DELETE' THEN OLD ELSE NEW END;
        BEGIN
          IF EXISTS (SELECT 1 FROM app.price_list_versions v WHERE v.tenant_id = r.tenant_id
                     AND v.id = r.price_list_version_id AND v.published_at IS NOT NULL) THEN
            RAISE EXCEPTION 'rates of a published version are frozen' USING ERRCODE = '23001';
          END IF;
          RETURN r;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON app.rates
        FOR EACH ROW EXECUTE FUNCTION app.refuse_published()
    """)

    # append-only tables: the service has no right to change them, and a trigger stops whoever has.
    # Of a usage event only the sealed number may change, when a key is rotated or a person erased.
    sealed("usage_events", "other_party")
    op.execute("GRANT UPDATE (other_party) ON app.usage_events TO seatline_app")
    op.execute("""
        CREATE TRIGGER frozen BEFORE DELETE OR UPDATE OF tenant_id, id, source, event_id, meter, subject_ref,
          occurred_at, ended_at, quantity_ms, prefix, number_id, agent_ref, payload_sha256, received_at,
          batch_id, batch_row
        ON app.usage_events FOR EACH ROW EXECUTE FUNCTION app.refuse_change()
    """)
    for table in ("tariffs", "usage_conflicts", "usage_rejects", "usage_batches"):
        freeze(table)
    # a rating may be superseded, once
    op.execute("GRANT UPDATE (superseded_by) ON app.rated_charges TO seatline_app")
    op.execute("""
        CREATE TRIGGER frozen BEFORE DELETE OR UPDATE OF tenant_id, id, usage_id, charge_run, rating_seq,
          outcome, reason, tariff_id, meter, occurred_at, bill_at, prefix, destination, billed_seconds,
          amount_nano, currency, rated_at
        ON app.rated_charges FOR EACH ROW EXECUTE FUNCTION app.refuse_change()
    """)
    op.execute("""
        CREATE TRIGGER superseded_once BEFORE UPDATE OF superseded_by ON app.rated_charges
        FOR EACH ROW WHEN (OLD.superseded_by IS NOT NULL) EXECUTE FUNCTION app.refuse_change()
    """)

    # a finalised invoice never changes, nor does what hangs on it; checked once per statement, because
    # a draft of a busy month takes in a hundred thousand charges
    freeze("invoices", when="OLD.state = 'finalised'")
    op.execute("""
        CREATE FUNCTION app.refuse_finalised() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          IF EXISTS (SELECT 1 FROM touched t JOIN app.invoices i
                     ON i.tenant_id = t.tenant_id AND i.id = t.invoice_id
                     WHERE i.state <> 'draft') THEN
            RAISE EXCEPTION '% of a finalised invoice are frozen', tg_table_name USING ERRCODE = '23001';
          END IF;
          RETURN NULL;
        END $$
    """)
    for table in ("invoice_lines", "invoice_taxes", "invoice_line_charges"):
        for verb, rows in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
            op.execute(
                f"CREATE TRIGGER frozen_{verb.lower()} AFTER {verb} ON app.{table}"
                f" REFERENCING {rows} TABLE AS touched"
                " FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_finalised()"
            )

    # the numbers of an issuer are one sequence across its client companies, so its counter cannot stand
    # behind one tenant's fence. Nobody may touch the table; the function counts, and its row lock holds
    # until the invoice that took the number is committed or the number is given back.
    op.execute("GRANT SELECT ON app.invoice_series TO seatline_backup")
    op.execute("""
        CREATE FUNCTION app.take_invoice_number(issuer uuid, series text, of_year integer)
        RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE taken integer;
        BEGIN
          PERFORM sec.tenant();
          INSERT INTO app.invoice_series AS s (issuer_id, prefix, year, last_number)
            VALUES (issuer, series, of_year, 1)
            ON CONFLICT (issuer_id, prefix, year) DO UPDATE SET last_number = s.last_number + 1
            RETURNING s.last_number INTO taken;
          RETURN taken;
        END $$
    """)

    # COPY is refused on fenced tables, so bulk usage lands here first, written by a role that can do
    # nothing else; out of it a tenant's transaction sees its own rows only, through two functions
    op.execute("GRANT INSERT ON app.usage_staging TO seatline_bill")
    op.execute("GRANT SELECT ON app.usage_staging TO seatline_backup")
    op.execute("""
        CREATE FUNCTION app.staged_usage(batch uuid) RETURNS SETOF app.usage_staging
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT * FROM app.usage_staging WHERE batch_id = batch AND tenant_id = (SELECT sec.tenant())
        $$
    """)
    op.execute("""
        CREATE FUNCTION app.clear_staged_usage(batch uuid) RETURNS void
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          DELETE FROM app.usage_staging WHERE batch_id = batch AND tenant_id = (SELECT sec.tenant())
        $$
    """)
    for function in (
        "take_invoice_number(uuid, text, integer)",
        "staged_usage(uuid)",
        "clear_staged_usage(uuid)",
    ):
        op.execute(f"REVOKE ALL ON FUNCTION app.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION app.{function} TO seatline_app")


def downgrade() -> None:
    for function in (
        "take_invoice_number(uuid, text, integer)",
        "staged_usage(uuid)",
        "clear_staged_usage(uuid)",
    ):
        op.execute(f"DROP FUNCTION app.{function}")
    for table in reversed(TABLES):
        op.drop_table(table, schema="app")
    op.execute("DROP FUNCTION app.refuse_published()")
    op.execute("DROP FUNCTION app.refuse_finalised()")
