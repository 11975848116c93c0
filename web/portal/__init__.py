"""The client company's pages. Each module adds the routes of one subject to `pages`."""

from web.portal import calls, capacity, company, customers, developers, home, invoices, live, people, webhooks
from web.portal.views import pages

__all__ = [
    "calls",
    "capacity",
    "company",
    "customers",
    "developers",
    "home",
    "invoices",
    "live",
    "pages",
    "people",
    "webhooks",
]
