"""Imports every room's tables, so that migrations and tests see one metadata."""

from billing import models as billing
from core import events as outbox
from telephony import models as telephony

__all__ = ["billing", "outbox"]
