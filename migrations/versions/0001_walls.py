"""The outbox, what is owed after it, and the trigger function that keeps frozen rows frozen."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION app.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " RAISE EXCEPTION '% is frozen', tg_table_name USING ERRCODE = '23001'; END $$"
    )
    # a platform table: ids and values, no personal data; the relay reads across tenants
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("relayed_at", sa.DateTime(timezone=True)),
        schema="app",
    )
    op.create_index(
        "ix_outbox_waiting", "outbox", ["id"], schema="app", postgresql_where=sa.text("relayed_at IS NULL")
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.outbox TO seatline_app")
    op.execute("GRANT SELECT ON app.outbox TO seatline_backup")
    # a platform table too: what is owed to each event, by each handler
    op.create_table(
        "duties",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("handler", sa.String(60), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("batch_id", sa.Uuid()),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("given_up_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(80)),
        sa.PrimaryKeyConstraint("subject_id", "handler", name="pk_duties"),
        schema="app",
    )
    op.create_index(
        "ix_duties_owed",
        "duties",
        ["due_at"],
        schema="app",
        postgresql_where=sa.text("settled_at IS NULL AND given_up_at IS NULL"),
    )
    op.create_index("ix_duties_batch", "duties", ["batch_id"], schema="app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON app.duties TO seatline_app")
    op.execute("GRANT SELECT ON app.duties TO seatline_backup")
    op.execute("GRANT SELECT ON meta.alembic_version TO seatline_app, seatline_backup")


def downgrade() -> None:
    op.drop_table("duties", schema="app")
    op.drop_table("outbox", schema="app")
    op.execute("DROP FUNCTION app.refuse_change()")
