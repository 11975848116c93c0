"""Imports every room's tables, so that migrations and tests see one metadata."""

from billing import models as billing
from campaigns import models as campaigns
from core import duties, long_jobs
from core import events as outbox
from customers import models as customers
from seats import models as seats
from security.evidence import models as evidence
from telephony import models as telephony
from tenants import models as tenants

__all__ = [
    "billing",
    "campaigns",
    "customers",
    "duties",
    "evidence",
    "long_jobs",
    "outbox",
    "seats",
    "telephony",
    "tenants",
]
