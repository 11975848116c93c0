"""Links that replace a forgotten password, and the addresses somebody asked for one, sealed."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0029"
down_revision = "0028"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reset_requests",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema="app",
    )
    sealed("reset_requests", "email")
    fence("reset_requests")
    op.create_table(
        "password_resets",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("stamp", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "digest"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["app.users.tenant_id", "app.users.id"]),
        sa.CheckConstraint("octet_length(digest) = 32 AND octet_length(stamp) = 32", name="digests"),
        schema="app",
    )
    fence("password_resets")


def downgrade() -> None:
    op.drop_table("password_resets", schema="app")
    op.drop_table("reset_requests", schema="app")
