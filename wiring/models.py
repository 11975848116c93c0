"""Imports every room's tables, so that migrations and tests see one metadata."""

from core import events as outbox

__all__ = ["outbox"]
