"""Check what charges refer to once per statement: a batch brings fifty thousand of them.

A foreign key looks at each row by itself, and locks the tariff's row as often: half the time of writing
charges. What is referred to never goes (both tables are frozen), so one look at all new rows says as much.
"""

from alembic import op

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION app.refuse_unfounded_charges() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          -- OFFSET 0: one look-up for each new row, whatever the statistics of a growing table say
          IF (SELECT count(*) FROM fresh) <> (SELECT count(*) FROM fresh f, LATERAL (
               SELECT 1 FROM app.usage_events u WHERE u.tenant_id = f.tenant_id AND u.id = f.usage_id
               OFFSET 0) u) THEN
            RAISE EXCEPTION 'a charge of no usage' USING ERRCODE = '23503';
          END IF;
          IF EXISTS (SELECT 1 FROM (SELECT DISTINCT tenant_id, tariff_id FROM fresh) f
             WHERE f.tariff_id IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM app.tariffs t WHERE t.tenant_id = f.tenant_id AND t.id = f.tariff_id)) THEN
            RAISE EXCEPTION 'a charge by no tariff' USING ERRCODE = '23503';
          END IF;
          RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER founded AFTER INSERT ON app.rated_charges REFERENCING NEW TABLE AS fresh
        FOR EACH STATEMENT EXECUTE FUNCTION app.refuse_unfounded_charges()
    """)
    for column in ("tariff_id", "usage_id"):
        op.execute(f"ALTER TABLE app.rated_charges DROP CONSTRAINT fk_rated_charges_tenant_id_{column}")


def downgrade() -> None:
    for column, table in (("tariff_id", "tariffs"), ("usage_id", "usage_events")):
        op.create_foreign_key(
            f"fk_rated_charges_tenant_id_{column}",
            "rated_charges",
            table,
            ["tenant_id", column],
            ["tenant_id", "id"],
            source_schema="app",
            referent_schema="app",
        )
    op.execute("DROP TRIGGER founded ON app.rated_charges")
    op.execute("DROP FUNCTION app.refuse_unfounded_charges()")
