"""Alembic's entry: online only, as the migrator acting for the schema's owner, with short patience."""

from alembic import context
from sqlalchemy import create_engine, pool, text

from core.db import Base
from wiring import models

__all__ = ["models"]  # importing it fills the metadata

engine = create_engine(
    context.config.attributes["url"].replace("postgresql://", "postgresql+psycopg://", 1),
    poolclass=pool.NullPool,
    hide_parameters=True,
)
with engine.connect() as connection:
    connection.execute(text("SET ROLE seatline_owner"))
    connection.execute(text("SET lock_timeout = '4s'"))
    connection.execute(text("SET statement_timeout = '60s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema="meta",
        include_schemas=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
