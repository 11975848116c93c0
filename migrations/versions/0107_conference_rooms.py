"""Conference rooms, and of a call: in which one it is, or was."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0107"
down_revision = "0106"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "conference_rooms",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("most", sa.SmallInteger(), nullable=False),
        sa.Column("announces", sa.Boolean(), nullable=False),
        sa.Column("pin_version", sa.BigInteger(), nullable=False),
        sa.Column("pin_ct", sa.LargeBinary(), nullable=False),
        sa.Column("leader_pin_ct", sa.LargeBinary()),
        sa.Column("wrong", sa.SmallInteger(), nullable=False),
        sa.Column("closed_until", INSTANT),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("most BETWEEN 2 AND 20", name="ck_conference_rooms_most"),
        schema="app",
    )
    op.create_index(
        "uq_conference_rooms_name",
        "conference_rooms",
        ["tenant_id", "name"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    fence("conference_rooms")
    sealed("conference_rooms", "pin_ct")
    sealed("conference_rooms", "leader_pin_ct")
    op.add_column("calls", sa.Column("room_id", sa.Uuid()), schema="app")
    op.add_column("calls", sa.Column("leads_room", sa.Boolean()), schema="app")
    op.create_index(
        "ix_calls_in_room",
        "calls",
        ["tenant_id", "room_id"],
        schema="app",
        postgresql_where=sa.text("room_id IS NOT NULL AND ended_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_calls_in_room", "calls", schema="app")
    op.drop_column("calls", "leads_room", schema="app")
    op.drop_column("calls", "room_id", schema="app")
    op.drop_table("conference_rooms", schema="app")
