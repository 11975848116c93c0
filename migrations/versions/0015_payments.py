"""Money in: the ledger, payers and their methods, payments, and the provider's news.

What guards what stands in billing/README.md.
"""

import sqlalchemy as sa
from alembic import op

from migrations.walls import fence, freeze, sealed

revision = "0015"
down_revision = "0014"

INSTANT = sa.DateTime(timezone=True)
TABLES = (
    "journals",
    "postings",
    "payers",
    "payment_methods",
    "payments",
    "payment_steps",
    "provider_events",
)


def _table(name: str, *columns: sa.Column | sa.Constraint, key: tuple[str, ...] = ("id",)) -> None:
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("tenant_id", *key, name=f"pk_{name}"),
        schema="app",
    )


def _uuid(name: str, *, may_lack: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=may_lack)


def _text(name: str, *, may_lack: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=may_lack)


def _instant(name: str, *, may_lack: bool = False) -> sa.Column:
    return sa.Column(name, INSTANT, nullable=may_lack)


def _belongs(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], [f"app.{to}.tenant_id", f"app.{to}.id"], name=f"fk_{table}_tenant_id_{column}"
    )


def upgrade() -> None:
    _table(
        "journals",
        _uuid("id"),
        _text("key"),
        _text("kind"),
        _uuid("invoice_id", may_lack=True),
        _uuid("payment_id", may_lack=True),
        _instant("effective_at"),
        _instant("created_at"),
        sa.UniqueConstraint("tenant_id", "key", name="uq_journals_tenant_id_key"),
        sa.CheckConstraint("key <> '' AND kind <> ''", name="ck_journals_named"),
    )
    op.create_index("ix_journals_invoice", "journals", ["tenant_id", "invoice_id"], schema="app")
    op.create_index("ix_journals_time", "journals", ["tenant_id", "effective_at"], schema="app")
    _table(
        "postings",
        _uuid("journal_id"),
        sa.Column("n", sa.Integer(), nullable=False),
        _text("account"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        _text("currency"),
        _belongs("postings", "journal_id", "journals"),
        sa.CheckConstraint("amount_minor <> 0", name="ck_postings_amount"),
        key=("journal_id", "n"),
    )
    op.create_index("ix_postings_account", "postings", ["tenant_id", "account", "currency"], schema="app")
    _table("payers", _text("account"), _text("remote_id"), _instant("created_at"), key=("account",))
    _table(
        "payment_methods",
        _uuid("id"),
        _text("account"),
        _text("remote_id"),
        _text("kind"),
        sa.Column("shown_ct", sa.LargeBinary(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        _instant("added_at"),
        _instant("removed_at", may_lack=True),
        sa.UniqueConstraint(
            "tenant_id", "account", "remote_id", name="uq_payment_methods_tenant_id_account_remote_id"
        ),
    )
    op.create_index(
        "uq_payment_methods_default",
        "payment_methods",
        ["tenant_id", "account"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("is_default AND removed_at IS NULL"),
    )
    _table(
        "payments",
        _uuid("id"),
        _uuid("invoice_id"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        _text("account"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        _text("currency"),
        _text("initiator"),
        _uuid("by_user", may_lack=True),
        _uuid("method_id", may_lack=True),
        _text("state"),
        _text("reason"),
        _text("remote_id", may_lack=True),
        _text("page_id", may_lack=True),
        _instant("started_at"),
        _instant("changed_at"),
        _instant("retry_at", may_lack=True),
        sa.UniqueConstraint(
            "tenant_id", "invoice_id", "attempt", name="uq_payments_tenant_id_invoice_id_attempt"
        ),
        _belongs("payments", "invoice_id", "invoices"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "method_id"],
            ["app.payment_methods.tenant_id", "app.payment_methods.id"],
            name="fk_payments_tenant_id_method_id",
        ),
        sa.CheckConstraint("amount_minor > 0 AND attempt > 0", name="ck_payments_amount"),
        sa.CheckConstraint(
            "state IN ('started', 'requires-action', 'processing', 'succeeded', 'failed', 'cancelled')",
            name="ck_payments_state",
        ),
        sa.CheckConstraint("initiator IN ('automatic', 'retry', 'person')", name="ck_payments_initiator"),
    )
    op.create_index(
        "uq_payments_under_way",
        "payments",
        ["tenant_id", "invoice_id"],
        unique=True,
        schema="app",
        postgresql_where=sa.text("state IN ('started', 'requires-action', 'processing')"),
    )
    op.create_index(
        "ix_payments_retry",
        "payments",
        ["tenant_id", "retry_at"],
        schema="app",
        postgresql_where=sa.text("retry_at IS NOT NULL"),
    )
    _table(
        "payment_steps",
        _uuid("id"),
        _uuid("payment_id"),
        _instant("at"),
        _text("kind"),
        _text("reason"),
        _text("source"),
        _belongs("payment_steps", "payment_id", "payments"),
    )
    op.create_index(
        "ix_payment_steps_payment", "payment_steps", ["tenant_id", "payment_id", "id"], schema="app"
    )
    _table(
        "provider_events",
        _uuid("id"),
        _text("account"),
        _text("event_id"),
        _text("kind"),
        _text("subject"),
        _instant("happened_at"),
        _instant("received_at"),
        _text("source"),
        sa.Column("times", sa.Integer(), nullable=False),
        _text("state"),
        _text("outcome"),
        _uuid("for_tenant", may_lack=True),
        _uuid("payment_id", may_lack=True),
        _instant("handled_at", may_lack=True),
        sa.UniqueConstraint(
            "tenant_id", "account", "event_id", name="uq_provider_events_tenant_id_account_event_id"
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'ignored', 'unmatched', 'failed')",
            name="ck_provider_events_state",
        ),
    )
    op.create_index("ix_provider_events_time", "provider_events", ["tenant_id", "happened_at"], schema="app")
    op.create_index("ix_provider_events_state", "provider_events", ["tenant_id", "state"], schema="app")

    for table in TABLES:
        fence(table, append_only=table in {"journals", "postings", "payment_steps"})
    sealed("payment_methods", "shown_ct")
    for table in ("journals", "postings", "payment_steps"):
        freeze(table)

    # looked at when the transaction commits: by then a journal has all its postings, and they sum to zero
    op.execute("""
        CREATE FUNCTION app.insist_on_balance() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, pg_temp AS $$
        DECLARE journal uuid;
        BEGIN
          IF tg_table_name = 'journals' THEN
            journal := NEW.id;
            IF (SELECT count(*) FROM app.postings p
                WHERE p.tenant_id = NEW.tenant_id AND p.journal_id = journal) < 2 THEN
              RAISE EXCEPTION 'a journal has two postings at least' USING ERRCODE = '23514';
            END IF;
          ELSE
            journal := NEW.journal_id;
          END IF;
          IF EXISTS (SELECT 1 FROM app.postings p WHERE p.tenant_id = NEW.tenant_id AND p.journal_id = journal
                     GROUP BY p.currency HAVING sum(p.amount_minor) <> 0) THEN
            RAISE EXCEPTION 'the postings of a journal sum to zero in each currency' USING ERRCODE = '23514';
          END IF;
          RETURN NULL;
        END $$
    """)
    for table in ("journals", "postings"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON app.{table} DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION app.insist_on_balance()"
        )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table, schema="app")
    op.execute("DROP FUNCTION app.insist_on_balance()")
