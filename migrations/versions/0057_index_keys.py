"""Every blind index says of which version of the index key it is, so that the key can be rotated."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"

TABLES = ("consents", "do_not_call", "calls", "dial_decisions")
# frozen tables, what may change of them when a key is rotated, and what must stay there or away
PROOF = " OR (OLD.proof_ct IS NULL) <> (NEW.proof_ct IS NULL)"
LIFTED = ("consents", "'proof_ct' - 'phone_index' - 'index_version'", PROOF)
DECIDED = ("dial_decisions", "'to_index' - 'index_version'", "")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(
            table,
            sa.Column("index_version", sa.SmallInteger(), nullable=False, server_default="1"),
            schema="app",
        )
    _frozen(*LIFTED)
    op.execute("DROP TRIGGER frozen ON app.dial_decisions")
    op.execute(
        "CREATE TRIGGER frozen_rows BEFORE DELETE ON app.dial_decisions"
        " FOR EACH ROW EXECUTE FUNCTION app.refuse_change()"
    )
    _freeze_but(*DECIDED)
    op.execute("GRANT UPDATE (phone_index, index_version) ON app.consents TO seatline_app")
    op.execute("GRANT UPDATE (to_index, index_version) ON app.dial_decisions TO seatline_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (to_index, index_version) ON app.dial_decisions FROM seatline_app")
    op.execute("REVOKE UPDATE (phone_index, index_version) ON app.consents FROM seatline_app")
    op.execute("DROP TRIGGER frozen_rows ON app.dial_decisions")
    op.execute("DROP TRIGGER frozen ON app.dial_decisions")
    op.execute(
        "CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON app.dial_decisions"
        " FOR EACH ROW EXECUTE FUNCTION app.refuse_change()"
    )
    _frozen("consents", "'proof_ct'", PROOF)
    for table in TABLES:
        op.drop_column(table, "index_version", schema="app")


def _frozen(table: str, but: str, also: str) -> None:
    op.execute(f"DROP TRIGGER frozen ON app.{table}")
    _freeze_but(table, but, also)


def _freeze_but(table: str, but: str, also: str) -> None:
    op.execute(
        f"CREATE TRIGGER frozen BEFORE UPDATE ON app.{table} FOR EACH ROW WHEN ("
        f"to_jsonb(OLD) - {but} IS DISTINCT FROM to_jsonb(NEW) - {but}{also})"
        " EXECUTE FUNCTION app.refuse_change()"
    )
