"""Archives of everything a company owns: asked for, made part by part, and removed after a week."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, sealed

revision = "0046"
down_revision = "0045"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "company_exports",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("key_ct", sa.LargeBinary()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cursor", JSONB(), nullable=False),
        sa.Column("writing", sa.Text()),
        sa.Column("parts", JSONB(), nullable=False),
        sa.Column("counts", JSONB(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("stalled", sa.Text()),
        sa.Column("made_at", INSTANT),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("gone_at", INSTANT),
        sa.Column("gone_why", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('running', 'ready', 'gone')", name="state"),
        sa.CheckConstraint("(state = 'gone') = (gone_at IS NOT NULL AND gone_why IS NOT NULL)", name="gone"),
        sa.CheckConstraint("state <> 'ready' OR made_at IS NOT NULL", name="made"),
        schema="app",
    )
    fence("company_exports")
    sealed("company_exports", "key_ct")
    op.execute("REVOKE DELETE ON app.company_exports FROM seatline_app")
    op.create_index(
        "uq_company_exports_one",
        "company_exports",
        ["tenant_id"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("state = 'running'"),
    )


def downgrade() -> None:
    op.drop_table("company_exports", schema="app")
