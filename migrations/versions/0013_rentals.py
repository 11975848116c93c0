"""Prices of what is rented, how many units a charge is, and what of a rental is charged already."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0013"
down_revision = "0012"

INSTANT = sa.DateTime(timezone=True)
FROZEN_CHARGE = """
    CREATE TRIGGER frozen BEFORE DELETE OR UPDATE OF tenant_id, id, usage_id, charge_run, rating_seq,
      outcome, reason, tariff_id, meter, occurred_at, bill_at, prefix, destination, billed_seconds,
      {more}amount_nano, currency, rated_at
    ON app.rated_charges FOR EACH ROW EXECUTE FUNCTION app.refuse_change()
"""


def upgrade() -> None:
    op.create_table(
        "rental_prices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("price_list_version_id", sa.Uuid(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("unit_nano", sa.BigInteger(), nullable=False),
        sa.Column("proration", sa.Text(), nullable=False),
        sa.Column("step_s", sa.Integer(), nullable=False),
        sa.CheckConstraint("unit_nano >= 0 AND step_s >= 0", name="ck_rental_prices_bounds"),
        sa.CheckConstraint(
            "proration IN ('actual_days', 'fixed_30', 'per_second')", name="ck_rental_prices_proration"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_list_version_id"],
            ["app.price_list_versions.tenant_id", "app.price_list_versions.id"],
            name="fk_rental_prices_tenant_id_price_list_version_id",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "price_list_version_id", "meter", name="pk_rental_prices"),
        schema="app",
    )
    fence("rental_prices")
    op.execute("""
        CREATE FUNCTION app.refuse_published_rental() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE r app.rental_prices := CASE WHEN tg_op = 'DELETE' THEN OLD ELSE NEW END;
        BEGIN
          IF EXISTS (SELECT 1 FROM app.price_list_versions v WHERE v.tenant_id = r.tenant_id
                     AND v.id = r.price_list_version_id AND v.published_at IS NOT NULL) THEN
            RAISE EXCEPTION 'prices of a published version are frozen' USING ERRCODE = '23001';
          END IF;
          RETURN r;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER frozen BEFORE INSERT OR UPDATE OR DELETE ON app.rental_prices
        FOR EACH ROW EXECUTE FUNCTION app.refuse_published_rental()
    """)
    op.execute("ALTER TABLE app.price_list_versions ADD COLUMN revision integer NOT NULL DEFAULT 1")

    # the default reaches rows behind the fence: what they rented before now was not charged, and stays so
    op.execute("ALTER TABLE app.billing_accounts ADD COLUMN rentals_from timestamptz NOT NULL DEFAULT now()")
    op.add_column("billing_accounts", sa.Column("charged_until", INSTANT), schema="app")
    op.add_column("rated_charges", sa.Column("units_nano", sa.BigInteger()), schema="app")
    op.add_column("invoice_lines", sa.Column("units_nano", sa.BigInteger()), schema="app")
    op.execute("DROP TRIGGER frozen ON app.rated_charges")
    op.execute(FROZEN_CHARGE.format(more="units_nano, "))

    # nothing of the rental is left to charge
    op.execute("ALTER TABLE app.seat_rentals ADD COLUMN is_settled boolean NOT NULL DEFAULT false")
    op.create_index(
        "ix_seat_rentals_unsettled",
        "seat_rentals",
        ["tenant_id", "renter_tenant_id"],
        schema="app",
        postgresql_where=sa.text("NOT is_settled"),
    )


def downgrade() -> None:
    op.drop_index("ix_seat_rentals_unsettled", "seat_rentals", schema="app")
    op.drop_column("seat_rentals", "is_settled", schema="app")
    op.execute("DROP TRIGGER frozen ON app.rated_charges")
    op.drop_column("rated_charges", "units_nano", schema="app")
    op.drop_column("invoice_lines", "units_nano", schema="app")
    op.execute(FROZEN_CHARGE.format(more=""))
    op.drop_column("billing_accounts", "charged_until", schema="app")
    op.drop_column("billing_accounts", "rentals_from", schema="app")
    op.drop_column("price_list_versions", "revision", schema="app")
    op.drop_table("rental_prices", schema="app")
    op.execute("DROP FUNCTION app.refuse_published_rental()")
