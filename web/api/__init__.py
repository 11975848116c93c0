"""The REST API for client companies' programs, `/api/v1`.

Start at `web.api.kit` (what every operation gets: validation, problems, idempotency, limits), then one module
per resource. `web.api.document` writes the OpenAPI 3.1 document from the code.
"""

from web.api import (
    agreements,
    alarms,
    calls,
    calls_out,
    campaigns,
    capacity,
    company,
    consent,
    customers,
    disputes,
    document,
    evidence,
    exports,
    invoices,
    keys,
    looks,
    me,
    payments,
    people,
    privacy,
    queue_hours,
    queues,
    reference,
    routing,
    webhooks,
)
from web.api.routes import pages

__all__ = [
    "agreements",
    "alarms",
    "calls",
    "calls_out",
    "campaigns",
    "capacity",
    "company",
    "consent",
    "customers",
    "disputes",
    "document",
    "evidence",
    "exports",
    "invoices",
    "keys",
    "looks",
    "me",
    "pages",
    "payments",
    "people",
    "privacy",
    "queue_hours",
    "queues",
    "reference",
    "routing",
    "webhooks",
]
