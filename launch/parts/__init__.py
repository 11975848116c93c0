"""The parts that are not ours: PostgreSQL, Valkey, Asterisk, Chromium. For tests, start at `trial`."""

from launch.parts.trial import find_chromium, start_asterisk, start_postgres, start_valkey

__all__ = ["find_chromium", "start_asterisk", "start_postgres", "start_valkey"]
