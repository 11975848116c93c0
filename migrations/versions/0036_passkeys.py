"""Passkeys: the public halves of keys that people's devices hold."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0036"
down_revision = "0035"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "passkeys",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("is_synced", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "credential_id"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["app.users.tenant_id", "app.users.id"]),
        sa.CheckConstraint("octet_length(credential_id) BETWEEN 1 AND 1023", name="credential_id"),
        schema="app",
    )
    op.create_index("ix_passkeys_of_user", "passkeys", ["tenant_id", "user_id"], schema="app")
    sealed("passkeys", "name")
    fence("passkeys")


def downgrade() -> None:
    op.drop_table("passkeys", schema="app")
