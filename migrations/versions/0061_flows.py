"""Flows: what callers hear and choose before they wait for a person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0061"
down_revision = "0060"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "flows",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("draft", JSONB(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="app",
    )
    op.create_table(
        "flow_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("flow_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
        sa.Column("published_by", sa.Uuid(), nullable=False),
        sa.Column("was", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "flow_id", "version"),
        sa.ForeignKeyConstraint(["tenant_id", "flow_id"], ["app.flows.tenant_id", "app.flows.id"]),
        schema="app",
    )
    op.create_table(
        "flow_runs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("flow_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("path", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id"),
        sa.ForeignKeyConstraint(["tenant_id", "call_id"], ["app.calls.tenant_id", "app.calls.id"]),
        schema="app",
    )
    op.create_index("ix_flow_runs_of_flow", "flow_runs", ["tenant_id", "flow_id", "began_at"], schema="app")
    fence("flows")
    fence("flow_versions", append_only=True)
    fence("flow_runs")
    op.add_column("numbers", sa.Column("flow_id", sa.Uuid(), nullable=True), schema="app")
    op.create_foreign_key(
        "fk_numbers_flow",
        "numbers",
        "flows",
        ["tenant_id", "flow_id"],
        ["tenant_id", "id"],
        source_schema="app",
        referent_schema="app",
    )


def downgrade() -> None:
    op.drop_constraint("fk_numbers_flow", "numbers", schema="app")
    op.drop_column("numbers", "flow_id", schema="app")
    op.drop_table("flow_runs", schema="app")
    op.drop_table("flow_versions", schema="app")
    op.drop_table("flows", schema="app")
