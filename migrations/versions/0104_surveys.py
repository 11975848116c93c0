"""What a queue asks a caller when the agent has hung up; and of a call: since when, and what was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0104"
down_revision = "0103"


def upgrade() -> None:
    op.add_column(
        "queues",
        sa.Column("survey_percent", sa.SmallInteger(), nullable=False, server_default="0"),
        schema="app",
    )
    op.add_column(
        "queues", sa.Column("survey_prompt", sa.Text(), nullable=False, server_default=""), schema="app"
    )
    op.add_column(
        "queues",
        sa.Column("survey_most", sa.SmallInteger(), nullable=False, server_default="5"),
        schema="app",
    )
    op.add_column("calls", sa.Column("talk_ended_at", sa.DateTime(timezone=True)), schema="app")
    op.add_column("calls", sa.Column("survey_most", sa.SmallInteger()), schema="app")
    op.add_column("calls", sa.Column("survey_rating", sa.SmallInteger()), schema="app")


def downgrade() -> None:
    for name in ("survey_rating", "survey_most", "talk_ended_at"):
        op.drop_column("calls", name, schema="app")
    for name in ("survey_most", "survey_prompt", "survey_percent"):
        op.drop_column("queues", name, schema="app")
