"""How far long jobs are, and how every company stands: the operator's own rows, copies for the eye."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence

revision = "0022"
down_revision = "0021"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "long_jobs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("company_id", sa.Uuid()),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("started_by", sa.Uuid()),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("moved_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="ck_long_jobs_state"),
        sa.CheckConstraint("done >= 0 AND made >= 0 AND failed >= 0", name="ck_long_jobs_counts"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_long_jobs"),
        schema="app",
    )
    op.create_index("ix_long_jobs_started", "long_jobs", ["tenant_id", "started_at"], schema="app")
    op.create_table(
        "company_figures",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("company_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("days_minor", JSONB(), nullable=False),
        sa.Column("running_minor", sa.BigInteger(), nullable=False),
        sa.Column("unrated", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.Column("rejects", sa.BigInteger(), nullable=False),
        sa.Column("drafts", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("overdue", sa.Integer(), nullable=False),
        sa.Column("owed_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "company_id", name="pk_company_figures"),
        schema="app",
    )
    for table in ("long_jobs", "company_figures"):
        fence(table)


def downgrade() -> None:
    op.drop_table("company_figures", schema="app")
    op.drop_table("long_jobs", schema="app")
