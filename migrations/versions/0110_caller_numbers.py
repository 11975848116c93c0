"""Numbers held elsewhere that a company asks to show: what was asked, the paper, the proof and the answer."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0110"
down_revision = "0109"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "numbers",
        sa.Column("is_elsewhere", sa.Boolean(), nullable=False, server_default=sa.false()),
        schema="app",
    )
    op.create_table(
        "caller_numbers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digits", sa.Text(), nullable=False),
        sa.Column("holder_name", sa.Text(), nullable=False),
        sa.Column("paper", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("queue_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("file_kind", sa.Text(), nullable=False),
        sa.Column("file_bytes", sa.Integer(), nullable=False),
        sa.Column("file_ct", sa.LargeBinary(), nullable=False),
        sa.Column("number_id", sa.Uuid()),
        sa.Column("code_ct", sa.LargeBinary()),
        sa.Column("code_at", INSTANT),
        sa.Column("wrong", sa.SmallInteger(), nullable=False),
        sa.Column("codes", sa.SmallInteger(), nullable=False),
        sa.Column("proven_at", INSTANT),
        sa.Column("decided_at", INSTANT),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "queue_id"], ["app.queues.tenant_id", "app.queues.id"]),
        sa.ForeignKeyConstraint(["tenant_id", "number_id"], ["app.numbers.tenant_id", "app.numbers.id"]),
        sa.CheckConstraint(
            "state IN ('asked', 'allowed', 'refused', 'withdrawn', 'replaced', 'provided')",
            name="ck_caller_numbers_state",
        ),
        sa.CheckConstraint("ends_at > starts_at", name="ck_caller_numbers_span"),
        sa.CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="ck_caller_numbers_decided"),
        sa.CheckConstraint(
            "state <> 'allowed' OR (number_id IS NOT NULL AND proven_at IS NOT NULL)",
            name="ck_caller_numbers_allowed",
        ),
        schema="app",
    )
    op.create_index(
        "uq_caller_numbers_asked",
        "caller_numbers",
        ["tenant_id", "digits"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("state = 'asked'"),
    )
    fence("caller_numbers")
    sealed("caller_numbers", "file_ct")
    sealed("caller_numbers", "code_ct")


def downgrade() -> None:
    op.drop_table("caller_numbers", schema="app")
    op.drop_column("numbers", "is_elsewhere", schema="app")
