"""Campaigns: lead files, leads, attempts, and the operator's list of what is being dialled."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.walls import fence, freeze, sealed

revision = "0011"
down_revision = "0010"

INSTANT = sa.DateTime(timezone=True)
CAMPAIGN = (["tenant_id", "campaign_id"], ["app.campaigns.tenant_id", "app.campaigns.id"])


def must(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind, nullable=False)


def may(name: str, kind: object) -> sa.Column:
    return sa.Column(name, kind)


def upgrade() -> None:
    op.create_table(
        "campaigns",
        must("tenant_id", sa.Uuid()),
        must("id", sa.Uuid()),
        must("revision", sa.Integer()),
        must("state", sa.Text()),
        must("name", sa.Text()),
        must("queue_id", sa.Uuid()),
        must("number_id", sa.Uuid()),
        must("opens", sa.SmallInteger()),
        must("closes", sa.SmallInteger()),
        must("weekdays", sa.SmallInteger()),
        must("ring_s", sa.SmallInteger()),
        must("max_attempts", sa.SmallInteger()),
        must("waits", JSONB()),
        must("max_per_second", sa.SmallInteger()),
        must("detects_machines", sa.Boolean()),
        must("script", sa.Text()),
        must("zones", JSONB()),
        must("files", sa.Integer()),
        must("created_at", INSTANT),
        must("changed_at", INSTANT),
        must("changed_by", sa.Uuid()),
        may("started_at", INSTANT),
        may("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.CheckConstraint("state IN ('draft', 'running', 'paused', 'stopped', 'finished')", name="state"),
        sa.CheckConstraint("ring_s >= 15", name="ring_s"),
        schema="app",
    )
    op.create_index("ix_campaigns_by_creation", "campaigns", ["tenant_id", "created_at", "id"], schema="app")
    fence("campaigns")

    op.create_table(
        "lead_imports",
        must("tenant_id", sa.Uuid()),
        must("id", sa.Uuid()),
        must("campaign_id", sa.Uuid()),
        must("ordinal", sa.Integer()),
        must("state", sa.Text()),
        must("format", sa.Text()),
        must("size_bytes", sa.BigInteger()),
        may("encoding", sa.Text()),
        may("delimiter", sa.Text()),
        must("has_header", sa.Boolean()),
        must("columns", JSONB()),
        must("region", sa.Text()),
        must("zone", sa.Text()),
        must("names_ct", sa.LargeBinary()),
        may("rows", sa.Integer()),
        must("offset", sa.BigInteger()),
        must("accepted", sa.Integer()),
        must("duplicates", sa.Integer()),
        must("bad", sa.Integer()),
        may("error", sa.Text()),
        must("created_at", INSTANT),
        must("created_by", sa.Uuid()),
        may("started_at", INSTANT),
        may("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(*CAMPAIGN),
        sa.CheckConstraint(
            "state IN ('staged', 'queued', 'reading', 'done', 'refused', 'discarded')", name="state"
        ),
        # no row is lost: at the end each is one of three things
        sa.CheckConstraint("state <> 'done' OR accepted + duplicates + bad = rows", name="adds_up"),
        schema="app",
    )
    op.create_index(
        "ix_lead_imports_of_campaign",
        "lead_imports",
        ["tenant_id", "campaign_id", "created_at"],
        schema="app",
    )
    sealed("lead_imports", "names_ct")
    fence("lead_imports")

    op.create_table(
        "lead_import_rows",
        must("tenant_id", sa.Uuid()),
        must("import_id", sa.Uuid()),
        must("row_number", sa.Integer()),
        must("reason", sa.Text()),
        must("row_ct", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("tenant_id", "import_id", "row_number"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "import_id"], ["app.lead_imports.tenant_id", "app.lead_imports.id"]
        ),
        schema="app",
    )
    sealed("lead_import_rows", "row_ct")
    fence("lead_import_rows")

    op.create_table(
        "leads",
        must("tenant_id", sa.Uuid()),
        must("id", sa.Uuid()),
        must("campaign_id", sa.Uuid()),
        must("position", sa.BigInteger()),
        must("person_ct", sa.LargeBinary()),
        must("index_version", sa.SmallInteger()),
        must("phone_index", sa.LargeBinary()),
        must("zone", sa.Text()),
        must("state", sa.Text()),
        must("attempts", sa.SmallInteger()),
        must("due_at", INSTANT),
        may("attempt_id", sa.Uuid()),
        may("customer_id", sa.Uuid()),
        may("outcome", sa.Text()),
        may("reason", sa.Text()),
        must("changed_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "campaign_id", "index_version", "phone_index"),
        sa.ForeignKeyConstraint(*CAMPAIGN),
        sa.CheckConstraint("octet_length(phone_index) = 16", name="phone_index"),
        sa.CheckConstraint("(state = 'claimed') = (attempt_id IS NOT NULL)", name="claimed"),
        schema="app",
    )
    op.create_index(
        "ix_leads_due",
        "leads",
        ["tenant_id", "campaign_id", "state", "zone", "due_at", "position"],
        schema="app",
    )
    op.create_index("ix_leads_in_order", "leads", ["tenant_id", "campaign_id", "position"], schema="app")
    sealed("leads", "person_ct")
    fence("leads")

    op.create_table(
        "lead_attempts",
        must("tenant_id", sa.Uuid()),
        must("id", sa.Uuid()),
        must("campaign_id", sa.Uuid()),
        must("lead_id", sa.Uuid()),
        must("claimed_at", INSTANT),
        may("outcome", sa.Text()),
        may("reason", sa.Text()),
        may("call_id", sa.Uuid()),
        may("agent_id", sa.Uuid()),
        may("answered_at", INSTANT),
        may("ended_at", INSTANT),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id", "lead_id"], ["app.leads.tenant_id", "app.leads.id"]),
        schema="app",
    )
    op.create_index(
        "ix_lead_attempts_of_campaign",
        "lead_attempts",
        ["tenant_id", "campaign_id", "outcome"],
        schema="app",
    )
    op.create_index(
        "ix_lead_attempts_of_lead", "lead_attempts", ["tenant_id", "lead_id", "claimed_at"], schema="app"
    )
    fence("lead_attempts")
    freeze("lead_attempts", when="OLD.outcome IS NOT NULL")

    op.create_table(
        "campaign_rounds",
        must("tenant_id", sa.Uuid()),
        must("campaign_id", sa.Uuid()),
        must("client_tenant_id", sa.Uuid()),
        must("queue_id", sa.Uuid()),
        must("revision", sa.Integer()),
        must("is_running", sa.Boolean()),
        sa.PrimaryKeyConstraint("tenant_id", "campaign_id"),
        schema="app",
    )
    fence("campaign_rounds")


def downgrade() -> None:
    for table in (
        "campaign_rounds",
        "lead_attempts",
        "leads",
        "lead_import_rows",
        "lead_imports",
        "campaigns",
    ):
        op.drop_table(table, schema="app")
