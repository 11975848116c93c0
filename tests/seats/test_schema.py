"""The tables of seats and customers stand as the models say, and the walls hold around them."""

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
