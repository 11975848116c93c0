"""Saved views of tables, each one user's own."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("content_ct", sa.LargeBinary(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_saved_views"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["app.users.tenant_id", "app.users.id"],
            name="fk_saved_views_tenant_id_user_id",
        ),
        sa.Index("ix_saved_views_of_user", "tenant_id", "user_id", "page"),
        schema="app",
    )
    fence("saved_views")
    sealed("saved_views", "content_ct")


def downgrade() -> None:
    op.drop_table("saved_views", schema="app")
