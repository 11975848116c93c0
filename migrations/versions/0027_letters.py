"""Letters on their way by mail: recipient and words sealed until they are sent, then forgotten."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0027"
down_revision = "0026"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "letters",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("written_at", INSTANT, nullable=False),
        sa.Column("good_until", INSTANT, nullable=False),
        sa.Column("settled_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "user_id"], ["app.users.tenant_id", "app.users.id"]),
        sa.CheckConstraint("(content IS NULL) = (settled_at IS NOT NULL)", name="settled_is_forgotten"),
        schema="app",
    )
    op.create_index("ix_letters_by_age", "letters", ["tenant_id", "written_at"], schema="app")
    sealed("letters", "content")
    fence("letters")


def downgrade() -> None:
    op.drop_table("letters", schema="app")
