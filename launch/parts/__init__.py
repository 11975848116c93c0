"""The parts that are not ours: PostgreSQL, Valkey, Asterisk, Chromium. For tests, start at `trial`."""

from launch.parts.trial import start_postgres, start_valkey

__all__ = ["start_postgres", "start_valkey"]
