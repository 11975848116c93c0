"""The tables of seats and customers stand as the models say, and the walls hold around them."""

import re

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from core.db import Base
from security.catalogue import violations
from security.gate import Gate
from wiring import models
from wiring.prepare import DatabaseUrls

OURS = ("seat", "agent", "shift", "customers", "dispositions", "interactions")


def test_catalogue_finds_nothing(gate: Gate) -> None:
    assert violations(gate) == []


def test_models_and_migrations_agree(database: DatabaseUrls) -> None:
    assert models.__all__
    engine = create_engine(database.migrator.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        connection.exec_driver_sql("SET ROLE seatline_owner")
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_object": lambda item, name, kind, *_: (
                    item.name if kind == "table" else item.table.name
                ).startswith(OURS),
            },
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


def test_nothing_of_the_floor_can_be_had_twice_at_once(database: DatabaseUrls) -> None:
    """Exclusion constraints, which autogenerate does not compare; they stand across all client companies."""
    with psycopg.connect(database.migrator) as connection:
        rows = connection.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'x'"
            " AND conrelid::regclass::text = ANY(%s)",
            (["app.seat_rentals", "app.shifts", "app.agent_time", "app.agent_tenants"],),
        ).fetchall()
    assert {name for name, _ in rows} == {
        "one_renter_seat_rentals",
        "one_shift_shifts",
        "one_sitter_shifts",
        "one_state_agent_time",
        "once_agent_tenants",
    }
    assert not any(re.search(r"\btenant_id WITH", shape) for _, shape in rows)
