"""Seats, rentals, agents, shifts and agent time.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from migrations.walls import fence, sealed

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "app"

# Agent time is a partition, and the database keeps it so, whoever writes:
#  - a row is born open, where its predecessor in the shift ended (the first where the shift began);
#  - of a row that stands only the end may be set, once; nothing is deleted;
#  - at commit the last row of a shift is open while the shift is, and ends with it.
# Together with the exclusion constraints: no gap, no overlap, no edit.
GUARDS = """
CREATE FUNCTION app.only_the_end_may_be_set() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE again record;
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'time of agents is never deleted' USING ERRCODE = '23514'; END IF;
  IF OLD.ended_at IS NOT NULL THEN
    RAISE EXCEPTION 'closed time of agents is never edited' USING ERRCODE = '23514'; END IF;
  again := NEW;
  again.ended_at := OLD.ended_at;
  IF again IS DISTINCT FROM OLD THEN
    RAISE EXCEPTION 'only the end of open time may be set' USING ERRCODE = '23514'; END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION app.agent_time_follows_on() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE expected timestamptz;
BEGIN
  IF NEW.ended_at IS NOT NULL THEN
    RAISE EXCEPTION 'time of agents begins open' USING ERRCODE = '23514'; END IF;
  IF NEW.position = 1 THEN
    SELECT started_at INTO expected FROM app.shifts
     WHERE tenant_id = NEW.tenant_id AND id = NEW.shift_id
       AND agent_id = NEW.agent_id AND ended_at IS NULL;
  ELSE
    SELECT before.ended_at INTO expected FROM app.agent_time before
      JOIN app.shifts s ON s.tenant_id = before.tenant_id AND s.id = before.shift_id
     WHERE before.tenant_id = NEW.tenant_id AND before.shift_id = NEW.shift_id
       AND before.position = NEW.position - 1 AND before.agent_id = NEW.agent_id
       AND s.ended_at IS NULL;
  END IF;
  IF expected IS DISTINCT FROM NEW.started_at THEN
    RAISE EXCEPTION 'time of agents must follow on' USING ERRCODE = '23514'; END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION app.shift_is_filled() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE shift uuid; last_end timestamptz; shift_end timestamptz;
BEGIN
  IF TG_TABLE_NAME = 'shifts' THEN shift := NEW.id; ELSE shift := NEW.shift_id; END IF;
  SELECT ended_at INTO shift_end FROM app.shifts WHERE tenant_id = NEW.tenant_id AND id = shift;
  SELECT ended_at INTO last_end FROM app.agent_time
   WHERE tenant_id = NEW.tenant_id AND shift_id = shift ORDER BY position DESC LIMIT 1;
  IF NOT FOUND OR last_end IS DISTINCT FROM shift_end THEN
    RAISE EXCEPTION 'the last time of an agent must end with the shift' USING ERRCODE = '23514'; END IF;
  RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION app.only_the_end_may_be_set(), app.agent_time_follows_on(),
  app.shift_is_filled() FROM PUBLIC;

CREATE TRIGGER shifts_are_kept BEFORE UPDATE OR DELETE ON app.shifts
  FOR EACH ROW EXECUTE FUNCTION app.only_the_end_may_be_set();
CREATE TRIGGER agent_time_is_kept BEFORE UPDATE OR DELETE ON app.agent_time
  FOR EACH ROW EXECUTE FUNCTION app.only_the_end_may_be_set();
CREATE TRIGGER agent_time_follows BEFORE INSERT ON app.agent_time
  FOR EACH ROW EXECUTE FUNCTION app.agent_time_follows_on();
CREATE CONSTRAINT TRIGGER shift_is_filled AFTER INSERT OR UPDATE ON app.shifts
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.shift_is_filled();
CREATE CONSTRAINT TRIGGER agent_time_is_filled AFTER UPDATE ON app.agent_time
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.shift_is_filled();
"""

STATE = (
    "state IN ('available', 'reserved', 'ringing', 'dialling', 'talking', 'holding', 'wrap_up', "
    "'offline') OR state ~ '^away:[a-z][a-z0-9-]{0,30}$'"
)


def upgrade() -> None:
    op.create_table(
        "seats",
        _tenant(),
        _id(),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "label"),
        schema=SCHEMA,
    )
    fence("seats")

    op.create_table(
        "seat_rentals",
        _tenant(),
        _id(),
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("renter_tenant_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _instant("starts_at"),
        _instant("ends_at", nullable=True),
        sa.Column("revision", sa.Integer, nullable=False),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        _points_at("seats", "seat_id"),
        sa.CheckConstraint("kind IN ('month', 'day', 'hour')", name="kind"),
        sa.CheckConstraint("ends_at >= starts_at", name="period"),
        schema=SCHEMA,
    )
    _no_overlap("seat_rentals", "seat_id", "starts_at", "ends_at", name="one_renter")
    op.create_index(
        "ix_seat_rentals_renter",
        "seat_rentals",
        ["tenant_id", "renter_tenant_id", "starts_at"],
        schema=SCHEMA,
    )
    fence("seat_rentals")

    op.create_table(
        "agents",
        _tenant(),
        _id(),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("row_version", sa.BigInteger, nullable=False),
        sa.Column("name_ct", sa.LargeBinary, nullable=False),
        sa.Column("languages", ARRAY(sa.Text), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "user_id"),
        sa.UniqueConstraint("tenant_id", "number"),
        sa.CheckConstraint("number BETWEEN 1 AND 99999999", name="number"),
        schema=SCHEMA,
    )
    sealed("agents", "name_ct")
    fence("agents")

    op.create_table(
        "agent_tenants",
        _tenant(),
        _id(),
        sa.Column("agent_id", sa.Uuid, nullable=False),
        sa.Column("client_tenant_id", sa.Uuid, nullable=False),
        _instant("starts_at"),
        _instant("ends_at", nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        _points_at("agents", "agent_id"),
        sa.CheckConstraint("ends_at >= starts_at", name="period"),
        schema=SCHEMA,
    )
    _no_overlap("agent_tenants", "agent_id", "starts_at", "ends_at", name="once", also="client_tenant_id")
    op.create_index(
        "ix_agent_tenants_agent",
        "agent_tenants",
        ["tenant_id", "agent_id", "starts_at"],
        schema=SCHEMA,
    )
    fence("agent_tenants")

    op.create_table(
        "agent_skills",
        _tenant(),
        sa.Column("agent_id", sa.Uuid, nullable=False),
        sa.Column("queue_id", sa.Uuid, nullable=False),
        sa.Column("client_tenant_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "queue_id"),
        _points_at("agents", "agent_id"),
        sa.CheckConstraint("level BETWEEN 1 AND 9", name="level"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_agent_skills_queue", "agent_skills", ["tenant_id", "queue_id", "level"], schema=SCHEMA
    )
    fence("agent_skills")

    op.create_table(
        "shifts",
        _tenant(),
        _id(),
        sa.Column("agent_id", sa.Uuid, nullable=False),
        sa.Column("seat_id", sa.Uuid),
        _instant("started_at"),
        _instant("ended_at", nullable=True),
        _instant("reported_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        _points_at("agents", "agent_id"),
        _points_at("seats", "seat_id"),
        sa.CheckConstraint("ended_at >= started_at", name="period"),
        schema=SCHEMA,
    )
    _no_overlap("shifts", "agent_id", "started_at", "ended_at", name="one_shift")
    _no_overlap("shifts", "seat_id", "started_at", "ended_at", name="one_sitter")
    op.create_index("ix_shifts_agent", "shifts", ["tenant_id", "agent_id", "started_at"], schema=SCHEMA)
    op.create_index(
        "ix_shifts_open",
        "shifts",
        ["tenant_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        schema=SCHEMA,
    )
    fence("shifts")

    op.create_table(
        "agent_time",
        _tenant(),
        _id(),
        sa.Column("agent_id", sa.Uuid, nullable=False),
        sa.Column("shift_id", sa.Uuid, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("payer_tenant_id", sa.Uuid),
        sa.Column("subject_ref", sa.Uuid),
        _instant("started_at"),
        _instant("ended_at", nullable=True),
        _instant("state_since"),
        _instant("reported_at"),
        sa.Column("is_late", sa.Boolean, nullable=False),
        sa.Column("event_id", sa.Uuid),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.UniqueConstraint("tenant_id", "shift_id", "position"),
        sa.UniqueConstraint("tenant_id", "event_id"),
        _points_at("agents", "agent_id"),
        _points_at("shifts", "shift_id"),
        sa.CheckConstraint(STATE, name="state"),
        sa.CheckConstraint("ended_at >= started_at", name="period"),
        sa.CheckConstraint("state_since <= started_at", name="state_since"),
        sa.CheckConstraint("position >= 1", name="position"),
        sa.CheckConstraint(
            "payer_tenant_id IS NULL OR state <> 'offline' AND state NOT LIKE 'away:%'",
            name="payer",
        ),
        schema=SCHEMA,
    )
    _no_overlap("agent_time", "agent_id", "started_at", "ended_at", name="one_state")
    op.create_index(
        "ix_agent_time_open",
        "agent_time",
        ["tenant_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_agent_time_agent", "agent_time", ["tenant_id", "agent_id", "started_at"], schema=SCHEMA
    )
    op.create_index("ix_agent_time_ended", "agent_time", ["tenant_id", "ended_at"], schema=SCHEMA)
    fence("agent_time")
    op.execute(GUARDS)

    op.create_table(
        "seat_leases",
        _tenant(),
        _id(),
        sa.Column("seat_id", sa.Uuid, nullable=False),
        sa.Column("seat_label", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        _instant("starts_at"),
        _instant("ends_at", nullable=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        schema=SCHEMA,
    )
    fence("seat_leases")

    op.create_table(
        "agent_hours",
        _tenant(),
        _instant("hour_starts_at"),
        sa.Column("agent_number", sa.Integer, nullable=False),
        *(
            sa.Column(f"{kind}_ms", sa.BigInteger, nullable=False)
            for kind in ("available", "ringing", "talking", "holding", "wrap_up")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hour_starts_at", "agent_number"),
        sa.CheckConstraint(
            "least(available_ms, ringing_ms, talking_ms, holding_ms, wrap_up_ms) >= 0 AND "
            "available_ms + ringing_ms + talking_ms + holding_ms + wrap_up_ms <= 3600000",
            name="within_the_hour",
        ),
        schema=SCHEMA,
    )
    fence("agent_hours")


def downgrade() -> None:
    for table in (
        "agent_hours",
        "seat_leases",
        "agent_time",
        "shifts",
        "agent_skills",
        "agent_tenants",
        "agents",
        "seat_rentals",
        "seats",
    ):
        op.drop_table(table, schema=SCHEMA)
    for function in ("only_the_end_may_be_set", "agent_time_follows_on", "shift_is_filled"):
        op.execute(f"DROP FUNCTION app.{function}()")


def _tenant() -> sa.Column:
    return sa.Column("tenant_id", sa.Uuid, nullable=False)


def _id() -> sa.Column:
    return sa.Column("id", sa.Uuid, nullable=False)


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _points_at(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], [f"{SCHEMA}.{table}.tenant_id", f"{SCHEMA}.{table}.id"]
    )


def _no_overlap(table: str, column: str, start: str, end: str, *, name: str, also: str = "") -> None:
    """Nobody and nothing twice at one instant; a null `column` collides with nothing."""
    keys = "".join(f"{key} WITH =, " for key in (column, also) if key)
    op.execute(
        f"ALTER TABLE {SCHEMA}.{table} ADD CONSTRAINT {name}_{table} "
        f"EXCLUDE USING gist ({keys}tstzrange({start}, {end}) WITH &&)"
    )
