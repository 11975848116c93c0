"""Short codes that companies share: the operator's code, who is chosen by which keys, what callers did."""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence

revision = "0095"
down_revision = "0094"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "shared_codes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("greeting", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("shared_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "id"], ["app.number_stock.tenant_id", "app.number_stock.id"]),
        schema="app",
    )
    fence("shared_codes")
    op.create_table(
        "shared_code_choices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code_id", sa.Uuid(), nullable=False),
        sa.Column("renter_tenant_id", sa.Uuid(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_spoken", sa.Boolean(), nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "code_id"], ["app.shared_codes.tenant_id", "app.shared_codes.id"]
        ),
        sa.CheckConstraint("keys ~ '^[0-9]{1,6}$'", name="shared_code_choices_keys"),
        schema="app",
    )
    fence("shared_code_choices")
    still = sa.text("ends_at IS NULL")
    for name, column in (
        ("ux_shared_code_choices_keys", "keys"),
        ("ux_shared_code_choices_renter", "renter_tenant_id"),
    ):
        op.create_index(
            name,
            "shared_code_choices",
            ["tenant_id", "code_id", column],
            unique=True,
            postgresql_where=still,
            schema="app",
        )
    op.create_table(
        "shared_code_counts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("code_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "code_id", "day", "outcome"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "code_id"], ["app.shared_codes.tenant_id", "app.shared_codes.id"]
        ),
        schema="app",
    )
    fence("shared_code_counts")
    op.add_column("numbers", sa.Column("keys", sa.Text()), schema="app")


def downgrade() -> None:
    op.drop_column("numbers", "keys", schema="app")
    op.drop_table("shared_code_counts", schema="app")
    op.drop_table("shared_code_choices", schema="app")
    op.drop_table("shared_codes", schema="app")
