"""Rentals of numbers, giving back and taking back, and how much a client may rent by itself."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0017"
down_revision = "0016"

INSTANT = sa.DateTime(timezone=True)
KINDS = "('national', 'mobile', 'tollfree', 'short')"
MORE_KINDS = "('local', 'national', 'mobile', 'tollfree', 'short')"


def tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid(), nullable=False)


def row_id(name: str = "id") -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "number_rentals",
        tenant(),
        row_id(),
        row_id("number_id"),
        row_id("renter_tenant_id"),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("released_at", INSTANT),
        sa.Column("request_key", sa.Uuid()),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "number_id"], ["app.number_stock.tenant_id", "app.number_stock.id"]
        ),
        sa.CheckConstraint("ends_at >= starts_at", name="period"),
        schema="app",
    )
    op.execute(
        "ALTER TABLE app.number_rentals ADD CONSTRAINT one_renter_number_rentals"
        " EXCLUDE USING gist (number_id WITH =, tstzrange(starts_at, ends_at) WITH &&)"
    )
    op.create_index(
        "ix_number_rentals_renter", "number_rentals", ["tenant_id", "renter_tenant_id"], schema="app"
    )
    fence("number_rentals")
    op.create_table(
        "rental_limits",
        tenant(),
        row_id("renter_tenant_id"),
        sa.Column("most_seats", sa.Integer(), nullable=False),
        sa.Column("most_numbers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "renter_tenant_id"),
        sa.CheckConstraint("most_seats >= 0 AND most_numbers >= 0", name="bounds"),
        schema="app",
    )
    fence("rental_limits")
    # after a release a number rests, so that nobody gets calls meant for the company before
    op.add_column("number_stock", sa.Column("quarantined_until", INSTANT), schema="app")
    op.add_column("number_stock", sa.Column("quarantined_for", sa.Uuid()), schema="app")
    op.add_column("numbers", sa.Column("rental_id", sa.Uuid()), schema="app")
    op.execute("ALTER TABLE app.numbers ADD COLUMN rental_revision integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE app.numbers ADD COLUMN revision integer NOT NULL DEFAULT 1")
    for name in ("released_at", "ends_before"):
        op.add_column("seat_rentals", sa.Column(name, INSTANT), schema="app")
    op.add_column("seat_rentals", sa.Column("request_key", sa.Uuid()), schema="app")
    op.execute("ALTER TABLE app.number_stock DROP CONSTRAINT IF EXISTS ck_number_stock_kind")
    op.execute("ALTER TABLE app.number_stock DROP CONSTRAINT IF EXISTS kind")
    op.execute(
        f"ALTER TABLE app.number_stock ADD CONSTRAINT ck_number_stock_kind CHECK (kind IN {MORE_KINDS})"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE app.number_stock DROP CONSTRAINT ck_number_stock_kind")
    op.execute(f"ALTER TABLE app.number_stock ADD CONSTRAINT ck_number_stock_kind CHECK (kind IN {KINDS})")
    for name in ("request_key", "ends_before", "released_at"):
        op.drop_column("seat_rentals", name, schema="app")
    op.drop_column("numbers", "revision", schema="app")
    op.drop_column("numbers", "rental_revision", schema="app")
    op.drop_column("numbers", "rental_id", schema="app")
    op.drop_column("number_stock", "quarantined_for", schema="app")
    op.drop_column("number_stock", "quarantined_until", schema="app")
    op.drop_table("rental_limits", schema="app")
    op.drop_table("number_rentals", schema="app")
