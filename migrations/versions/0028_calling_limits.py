"""Limits of calls out: where, when and how much a company may call, and the switch that stops it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0028"
down_revision = "0027"

INSTANT = sa.DateTime(timezone=True)
TABLES = ("calling_rules", "calling_caps", "calling_stops", "calling_days", "calling_countries")


def upgrade() -> None:
    op.add_column(
        "outbound_dials",
        sa.Column("longest_s", sa.Integer(), nullable=False, server_default="7200"),
        schema="app",
    )
    op.add_column(
        "outbound_dials",
        sa.Column("reserved_nano", sa.BigInteger(), nullable=False, server_default="0"),
        schema="app",
    )
    op.create_table(
        "calling_rules",
        tenant(),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("countries", JSONB(), nullable=False),
        sa.Column("prefixes", JSONB(), nullable=False),
        sa.Column("opens", sa.Time()),
        sa.Column("closes", sa.Time()),
        sa.Column("days", JSONB(), nullable=False),
        sa.Column("a_day_minor", sa.BigInteger()),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("(opens IS NULL) = (closes IS NULL)", name="hours"),
        sa.CheckConstraint("a_day_minor > 0", name="a_day"),
        schema="app",
    )
    op.create_table(
        "calling_caps",
        tenant(),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("at_once", sa.Integer()),
        sa.Column("per_second", sa.Integer()),
        sa.Column("a_day_minor", sa.BigInteger()),
        sa.Column("longest_in_s", sa.Integer()),
        sa.Column("longest_out_s", sa.Integer()),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("at_once >= 0 AND per_second >= 1 AND a_day_minor >= 0", name="most"),
        sa.CheckConstraint("longest_in_s >= 60 AND longest_out_s >= 60", name="longest"),
        schema="app",
    )
    op.create_table(
        "calling_stops",
        tenant(),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("stopped_at", INSTANT, nullable=False),
        sa.Column("stopped_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "side"),
        sa.CheckConstraint("side IN ('company', 'operator')", name="side"),
        schema="app",
    )
    op.create_table(
        "calling_days",
        tenant(),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("spent_nano", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day"),
        schema="app",
    )
    op.create_table(
        "calling_countries",
        tenant(),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "country"),
        schema="app",
    )
    for table in TABLES:
        fence(table)
    # every company's gate reads it, the operator alone writes it: a platform table with a fence for writing
    op.create_table(
        "barred_prefixes",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("barred_at", INSTANT, nullable=False),
        sa.Column("barred_by", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("prefix"),
        sa.CheckConstraint("prefix ~ '^[0-9]{0,15}$'", name="prefix"),
        sa.CheckConstraint("(prefix = '') = (kind = 'everything')", name="everything"),
        schema="app",
    )
    op.execute("ALTER TABLE app.barred_prefixes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.barred_prefixes FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY service ON app.barred_prefixes FOR SELECT USING (true)")
    op.execute(
        "CREATE POLICY bar ON app.barred_prefixes FOR INSERT TO seatline_app"
        " WITH CHECK ((SELECT sec.is_operator()))"
    )
    op.execute(
        "CREATE POLICY lift ON app.barred_prefixes FOR DELETE TO seatline_app"
        " USING ((SELECT sec.is_operator()))"
    )
    op.execute("GRANT SELECT, INSERT, DELETE ON app.barred_prefixes TO seatline_app")
    op.execute("GRANT SELECT ON app.barred_prefixes TO seatline_backup")


def downgrade() -> None:
    for table in ("barred_prefixes", *reversed(TABLES)):
        op.drop_table(table, schema="app")
    for column in ("reserved_nano", "longest_s"):
        op.drop_column("outbound_dials", column, schema="app")


def tenant() -> sa.Column[object]:
    return sa.Column("tenant_id", sa.Uuid(), nullable=False)
