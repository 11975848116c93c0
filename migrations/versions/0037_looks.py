"""Why somebody looked, how often an agent may, and decoys: customers nobody has a reason to open."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze

revision = "0037"
down_revision = "0036"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("reveals", sa.Column("purpose", sa.Text(), nullable=False, server_default=""), schema="app")
    op.create_index("ix_reveals_of_principal", "reveals", ["tenant_id", "principal_id", "at"], schema="app")
    op.create_table(
        "look_budgets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id"),
        sa.CheckConstraint("per_hour BETWEEN 0 AND 1000", name="per_hour"),
        schema="app",
    )
    fence("look_budgets")
    op.create_table(
        "look_grants",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("extra", sa.Integer(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("extra BETWEEN 1 AND 100", name="extra"),
        schema="app",
    )
    op.create_index("ix_look_grants_of", "look_grants", ["tenant_id", "principal_id", "until"], schema="app")
    fence("look_grants", append_only=True)
    freeze("look_grants")
    op.create_table(
        "decoys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            ["app.customers.tenant_id", "app.customers.id"],
            ondelete="CASCADE",
        ),
        schema="app",
    )
    fence("decoys")


def downgrade() -> None:
    op.drop_table("decoys", schema="app")
    op.drop_table("look_grants", schema="app")
    op.drop_table("look_budgets", schema="app")
    op.drop_index("ix_reveals_of_principal", "reveals", schema="app")
    op.drop_column("reveals", "purpose", schema="app")
