"""How full the switch is: its limits and standing, its minutes, and a company's lines for callers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0074"
down_revision = "0073"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for column in ("in_at_once", "in_per_second"):
        op.add_column("calling_caps", sa.Column(column, sa.Integer()), schema="app")
    op.create_check_constraint(
        "most_in", "calling_caps", "in_at_once >= 1 AND in_per_second >= 1", schema="app"
    )
    # every company's gate reads it, the operator's processes write it: a platform table, fenced for writing
    op.create_table(
        "switch_loads",
        sa.Column("switch", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("at_once", sa.Integer()),
        sa.Column("per_second", sa.Integer()),
        sa.Column("usual_at_once", sa.Integer()),
        sa.Column("usual_per_second", sa.Integer()),
        sa.Column("since", JSONB(), nullable=False, server_default="[]"),
        sa.Column("calls", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("begun", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("told_at", INSTANT),
        sa.PrimaryKeyConstraint("switch"),
        sa.CheckConstraint("at_once >= 1 AND per_second >= 1", name="bounds"),
        schema="app",
    )
    op.execute("ALTER TABLE app.switch_loads ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE app.switch_loads FORCE ROW LEVEL SECURITY")
    op.execute("CREATE POLICY service ON app.switch_loads FOR SELECT USING (true)")
    op.execute(
        "CREATE POLICY tell ON app.switch_loads FOR INSERT TO seatline_app"
        " WITH CHECK ((SELECT sec.is_operator()))"
    )
    op.execute(
        "CREATE POLICY again ON app.switch_loads FOR UPDATE TO seatline_app"
        " USING ((SELECT sec.is_operator())) WITH CHECK ((SELECT sec.is_operator()))"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON app.switch_loads TO seatline_app")
    op.execute("GRANT SELECT ON app.switch_loads TO seatline_backup")
    op.create_table(
        "load_minutes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("minute", INSTANT, nullable=False),
        sa.Column("switch", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in (
                "most_calls",
                "most_begun",
                "degree",
                "unrecorded",
                "without_music",
                "not_dialled",
                "refused",
                "refused_by_company",
            )
        ),
        sa.PrimaryKeyConstraint("tenant_id", "minute", "switch"),
        schema="app",
    )
    fence("load_minutes")


def downgrade() -> None:
    op.drop_table("load_minutes", schema="app")
    op.drop_table("switch_loads", schema="app")
    op.drop_constraint("ck_calling_caps_most_in", "calling_caps", schema="app")
    for column in ("in_per_second", "in_at_once"):
        op.drop_column("calling_caps", column, schema="app")
