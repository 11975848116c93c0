"""What a migration calls after creating a table: the fence, the grants, the checks on sealed columns."""

from alembic import op

OWN_ROW = "tenant_id = (SELECT sec.tenant())"
OWN_ROW_OR_OPERATOR = f"{OWN_ROW} OR (SELECT sec.is_operator())"
SEALED_MIN_BYTES = 87


def fence(table: str, *, append_only: bool = False, operator_too: bool = False) -> None:
    """Put `app.<table>` behind the tenant fence.

    Args:
        table: name without schema.
        append_only: the service may insert and read, never change or remove.
        operator_too: only for the list of client companies, which the operator reads and extends.
    """
    rule = OWN_ROW_OR_OPERATOR if operator_too else OWN_ROW
    verbs = "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"ALTER TABLE app.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE app.{table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant_fence ON app.{table} AS RESTRICTIVE FOR ALL TO PUBLIC"
        f" USING ({rule}) WITH CHECK ({rule})"
    )
    op.execute(
        f"CREATE POLICY service ON app.{table} AS PERMISSIVE FOR ALL TO seatline_app"
        " USING (true) WITH CHECK (true)"
    )
    op.execute(f"GRANT {verbs} ON app.{table} TO seatline_app")
    op.execute(f"GRANT SELECT ON app.{table} TO seatline_backup")


def sealed(table: str, *columns: str) -> None:
    """Add the checks that plaintext can never land in a sealed column, whichever path wrote it."""
    for column in columns:
        op.execute(
            f"ALTER TABLE app.{table} ADD CONSTRAINT ck_{table}_{column}_sealed CHECK ("
            f"octet_length({column}) >= {SEALED_MIN_BYTES}"
            f" AND get_byte({column}, 0) = 1 AND get_byte({column}, 1) = 1)"
        )


def freeze(table: str, *, when: str | None = None) -> None:
    """Refuse UPDATE and DELETE on `app.<table>`, always or while the old row fits `when`."""
    condition = f" WHEN ({when})" if when else ""
    op.execute(
        f"CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON app.{table}"
        f" FOR EACH ROW{condition} EXECUTE FUNCTION app.refuse_change()"
    )
