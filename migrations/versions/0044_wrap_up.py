"""How a queue's agents wrap up, whether an outcome is needed, and outcomes under an outcome."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"

MODES = "'none', 'optional', 'mandatory', 'timed'"


def upgrade() -> None:
    op.add_column(
        "queues", sa.Column("wrap_up", sa.Text(), nullable=False, server_default="timed"), schema="app"
    )
    op.add_column(
        "queues",
        sa.Column("needs_disposition", sa.Boolean(), nullable=False, server_default=sa.true()),
        schema="app",
    )
    op.create_check_constraint("wrap_up", "queues", f"wrap_up IN ({MODES})", schema="app")
    op.add_column("work_items", sa.Column("wrap_up", sa.Text()), schema="app")
    op.add_column(
        "work_items",
        sa.Column("needs_disposition", sa.Boolean(), nullable=False, server_default=sa.true()),
        schema="app",
    )
    op.create_check_constraint("wrap_up", "work_items", f"wrap_up IN ({MODES})", schema="app")
    op.add_column("dispositions", sa.Column("parent", sa.Text()), schema="app")
    op.create_foreign_key(
        "dispositions_parent_fkey",
        "dispositions",
        "dispositions",
        ["tenant_id", "parent"],
        ["tenant_id", "code"],
        source_schema="app",
        referent_schema="app",
    )
    op.create_check_constraint("parent", "dispositions", "parent <> code", schema="app")


def downgrade() -> None:
    op.drop_constraint("ck_dispositions_parent", "dispositions", schema="app")
    op.drop_constraint("dispositions_parent_fkey", "dispositions", schema="app")
    op.drop_column("dispositions", "parent", schema="app")
    op.drop_constraint("ck_work_items_wrap_up", "work_items", schema="app")
    op.drop_column("work_items", "needs_disposition", schema="app")
    op.drop_column("work_items", "wrap_up", schema="app")
    op.drop_constraint("ck_queues_wrap_up", "queues", schema="app")
    op.drop_column("queues", "needs_disposition", schema="app")
    op.drop_column("queues", "wrap_up", schema="app")
