"""A second step of signing in: a secret shared with a person's phone, and codes for the day it is lost."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0025"
down_revision = "0024"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "second_steps",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT),
        sa.Column("last_step", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant_id", "user_id"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["app.users.tenant_id", "app.users.id"]),
        schema="app",
    )
    sealed("second_steps", "secret")
    fence("second_steps")
    op.create_table(
        "recovery_codes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", "digest"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["app.users.tenant_id", "app.users.id"]),
        sa.CheckConstraint("octet_length(digest) = 32", name="digest"),
        schema="app",
    )
    fence("recovery_codes")


def downgrade() -> None:
    op.drop_table("recovery_codes", schema="app")
    op.drop_table("second_steps", schema="app")
