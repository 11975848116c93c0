"""The client company's pages. Each module adds the routes of one subject to `pages`."""

from web.portal import (
    alarms,
    calls,
    campaigns,
    company,
    customers,
    developers,
    do_not_call,
    evidence,
    home,
    invoices,
    leads,
    live,
    numbers,
    payments,
    people,
    seats,
    webhooks,
)
from web.portal.views import pages

__all__ = [
    "alarms",
    "calls",
    "campaigns",
    "company",
    "customers",
    "developers",
    "do_not_call",
    "evidence",
    "home",
    "invoices",
    "leads",
    "live",
    "numbers",
    "pages",
    "payments",
    "people",
    "seats",
    "webhooks",
]
