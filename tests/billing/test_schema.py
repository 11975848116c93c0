"""The tables that the migrations make are the tables the room maps."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from billing import models
from core.db import Base
from security import catalogue
from security.gate import Gate
from wiring.prepare import DatabaseUrls

OURS = {
    mapper.class_.__tablename__
    for mapper in Base.registry.mappers
    if mapper.class_.__module__ == models.__name__
}


def _is_ours(thing: Any, _name: str | None, kind: str, *_: object) -> bool:
    return (thing if kind == "table" else thing.table).name in OURS


def test_the_mapped_tables_are_those_of_the_migrations(database: DatabaseUrls) -> None:
    url = database.migrator.replace("postgresql://", "postgresql+psycopg://", 1)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("SET ROLE seatline_owner")
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "table" or name in OURS,
                "include_object": _is_ours,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_walls_stand_around_every_table_of_money(gate: Gate) -> None:
    assert catalogue.violations(gate) == []


def test_no_amount_is_kept_as_a_binary_fraction(database: DatabaseUrls) -> None:
    url = database.migrator.replace("postgresql://", "postgresql+psycopg://", 1)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE c.relnamespace = 'app'::regnamespace"
            " AND atttypid IN ('float4'::regtype, 'float8'::regtype, 'money'::regtype)"
        ).all()
    assert found == []
