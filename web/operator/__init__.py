"""The operator's pages: companies, money, usage, stock, jobs. No customer of anybody is seen here.

Each module adds the routes of one subject to `pages`; `rounds` is the one way into the companies' walls.
"""

from web.operator import (
    agents,
    agreements,
    alarms,
    calendar,
    calls_out,
    companies,
    credit_notes,
    decisions,
    deletions,
    disputes,
    dunning,
    evidence,
    glass,
    invoices,
    jobs,
    keys,
    overview,
    payments,
    prices,
    receivables,
    recoveries,
    stock,
    usage,
)
from web.operator.views import pages

__all__ = [
    "agents",
    "agreements",
    "alarms",
    "calendar",
    "calls_out",
    "companies",
    "credit_notes",
    "decisions",
    "deletions",
    "disputes",
    "dunning",
    "evidence",
    "glass",
    "invoices",
    "jobs",
    "keys",
    "overview",
    "pages",
    "payments",
    "prices",
    "receivables",
    "recoveries",
    "stock",
    "usage",
]
