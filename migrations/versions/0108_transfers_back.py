"""Money of a wallet that goes back by transfer: a refund of neither payment nor top-up, by two people too."""

from alembic import op

revision = "0108"
down_revision = "0107"


def upgrade() -> None:
    op.drop_constraint("ck_refunds_of_one", "refunds", schema="app")
    op.create_check_constraint("of_one", "refunds", "payment_id IS NULL OR top_up_id IS NULL", schema="app")


def downgrade() -> None:
    op.drop_constraint("ck_refunds_of_one", "refunds", schema="app")
    op.create_check_constraint(
        "of_one", "refunds", "(payment_id IS NULL) <> (top_up_id IS NULL)", schema="app"
    )
