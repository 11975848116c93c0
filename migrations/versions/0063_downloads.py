"""Files of tables that are too long for one request."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, sealed

revision = "0063"
down_revision = "0062"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "downloads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_as", sa.Text(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address_ct", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("is_drawn", sa.Boolean(), nullable=False),
        sa.Column("layout", JSONB(), nullable=False),
        sa.Column("pieces", JSONB(), nullable=False),
        sa.Column("writing", sa.Text()),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("file", JSONB(none_as_null=True)),
        sa.Column("made_at", INSTANT),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("gone_at", INSTANT),
        sa.Column("gone_why", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('running', 'ready', 'gone')", name="state"),
        sa.CheckConstraint("(state = 'gone') = (gone_at IS NOT NULL AND gone_why IS NOT NULL)", name="gone"),
        sa.CheckConstraint("state <> 'ready' OR (made_at IS NOT NULL AND file IS NOT NULL)", name="made"),
        schema="app",
    )
    fence("downloads")
    sealed("downloads", "address_ct")
    op.execute("REVOKE DELETE ON app.downloads FROM seatline_app")
    op.create_index("ix_downloads_asked", "downloads", ["tenant_id", "asked_by", "id"], schema="app")


def downgrade() -> None:
    op.drop_table("downloads", schema="app")
