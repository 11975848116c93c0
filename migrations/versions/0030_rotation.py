"""Of rows that never change the sealed values may be sealed anew when a key is rotated; nothing else may."""

from alembic import op

revision = "0030"
down_revision = "0029"

# table, sealed column, what else has to hold for the row to be frozen
FROZEN = (("consents", "proof_ct", ""), ("outbound_dials", "to_ct", "OLD.outcome IS NOT NULL AND "))


def upgrade() -> None:
    for table, column, when in FROZEN:
        op.execute(f"DROP TRIGGER frozen ON app.{table}")
        op.execute(
            f"CREATE TRIGGER frozen BEFORE UPDATE ON app.{table} FOR EACH ROW WHEN ({when}("
            f"to_jsonb(OLD) - '{column}' IS DISTINCT FROM to_jsonb(NEW) - '{column}'"
            f" OR (OLD.{column} IS NULL) <> (NEW.{column} IS NULL))) EXECUTE FUNCTION app.refuse_change()"
        )
        gone = f" WHEN ({when.removesuffix(' AND ')})" if when else ""
        op.execute(
            f"CREATE TRIGGER frozen_rows BEFORE DELETE ON app.{table}"
            f" FOR EACH ROW{gone} EXECUTE FUNCTION app.refuse_change()"
        )
    op.execute("GRANT UPDATE (proof_ct) ON app.consents TO seatline_app")


def downgrade() -> None:
    op.execute("REVOKE UPDATE (proof_ct) ON app.consents FROM seatline_app")
    for table, _column, when in FROZEN:
        op.execute(f"DROP TRIGGER frozen_rows ON app.{table}")
        op.execute(f"DROP TRIGGER frozen ON app.{table}")
        condition = f" WHEN ({when.removesuffix(' AND ')})" if when else ""
        op.execute(
            f"CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON app.{table}"
            f" FOR EACH ROW{condition} EXECUTE FUNCTION app.refuse_change()"
        )
