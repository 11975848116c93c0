"""The client company's pages. Each module adds the routes of one subject to `pages`."""

from web.portal import (
    calls,
    campaigns,
    capacity,
    company,
    customers,
    developers,
    home,
    invoices,
    leads,
    live,
    people,
    webhooks,
)
from web.portal.views import pages

__all__ = [
    "calls",
    "campaigns",
    "capacity",
    "company",
    "customers",
    "developers",
    "home",
    "invoices",
    "leads",
    "live",
    "pages",
    "people",
    "webhooks",
]
