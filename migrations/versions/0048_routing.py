"""How a company's calls come to its agents: settings, tiers of customers, an agent's region and direction."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    op.create_table(
        "routing_settings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("document", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        schema="app",
    )
    fence("routing_settings")
    op.create_table(
        "customer_tiers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
        schema="app",
    )
    fence("customer_tiers")
    for column in (
        sa.Column("region", sa.Text(), nullable=False, server_default=""),
        sa.Column("duty", sa.Text(), nullable=False, server_default="both"),
    ):
        op.add_column("agent_tenants", column, schema="app")
    op.create_check_constraint("duty", "agent_tenants", "duty IN ('both', 'in', 'out')", schema="app")


def downgrade() -> None:
    for name in ("duty", "region"):
        op.drop_column("agent_tenants", name, schema="app")
    op.drop_table("customer_tiers", schema="app")
    op.drop_table("routing_settings", schema="app")
