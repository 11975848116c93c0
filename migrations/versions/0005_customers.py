"""Customers, dispositions and interactions, sealed.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, sealed

revision = "0005"
down_revision = "0004"

SCHEMA = "app"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("tenant_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("row_version", sa.BigInteger, nullable=False),
        sa.Column("name_ct", sa.LargeBinary, nullable=False),
        sa.Column("phone_ct", sa.LargeBinary, nullable=False),
        sa.Column("email_ct", sa.LargeBinary),
        sa.Column("postcode_ct", sa.LargeBinary),
        sa.Column("notes_ct", sa.LargeBinary),
        sa.Column("index_version", sa.SmallInteger, nullable=False),
        sa.Column("phone_index", sa.LargeBinary, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "index_version", "phone_index"),
        # a keyed hash and nothing else: sixteen bytes, whichever path wrote them
        sa.CheckConstraint("octet_length(phone_index) = 16", name="phone_index"),
        sa.CheckConstraint("row_version >= 1", name="row_version"),
        schema=SCHEMA,
    )
    sealed("customers", "name_ct", "phone_ct", "email_ct", "postcode_ct", "notes_ct")
    fence("customers")

    op.create_table(
        "dispositions",
        sa.Column("tenant_id", sa.Uuid, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("label_en", sa.Text, nullable=False),
        sa.Column("label_zh", sa.Text, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "code"),
        schema=SCHEMA,
    )
    fence("dispositions")

    op.create_table(
        "interactions",
        sa.Column("tenant_id", sa.Uuid, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("row_version", sa.BigInteger, nullable=False),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("subject_ref", sa.Uuid, nullable=False),
        sa.Column("agent_number", sa.Integer),
        sa.Column("disposition", sa.Text),
        sa.Column("note_ct", sa.LargeBinary),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "subject_ref", "kind"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "customer_id"], [f"{SCHEMA}.customers.tenant_id", f"{SCHEMA}.customers.id"]
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "disposition"],
            [f"{SCHEMA}.dispositions.tenant_id", f"{SCHEMA}.dispositions.code"],
        ),
        sa.CheckConstraint("direction IN ('in', 'out')", name="direction"),
        sa.CheckConstraint("channel IN ('voice', 'voicemail', 'sms', 'email', 'chat')", name="channel"),
        sa.CheckConstraint("duration_ms >= 0", name="duration_ms"),
        schema=SCHEMA,
    )
    sealed("interactions", "note_ct")
    op.create_index(
        "ix_interactions_customer",
        "interactions",
        ["tenant_id", "customer_id", "started_at"],
        schema=SCHEMA,
    )
    fence("interactions")


def downgrade() -> None:
    for table in ("interactions", "dispositions", "customers"):
        op.drop_table(table, schema=SCHEMA)
