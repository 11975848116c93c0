"""Who let whom in: the record of every change of access."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0018"
down_revision = "0017"

_DEEDS = (
    "invited",
    "link-made",
    "password-chosen",
    "role-changed",
    "shut-out",
    "let-in",
    "key-made",
    "key-revoked",
)


def upgrade() -> None:
    listed = ", ".join(f"'{one}'" for one in _DEEDS)
    op.create_table(
        "access_log",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("deed", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_access_log"),
        sa.CheckConstraint(f"deed IN ({listed})", name="ck_access_log_deed"),
        sa.CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name="ck_access_log_about"),
        sa.Index("ix_access_log_of_user", "tenant_id", "user_id", "id"),
        schema="app",
    )
    fence("access_log", append_only=True)


def downgrade() -> None:
    op.drop_table("access_log", schema="app")
