"""The client company's pages. Each module adds the routes of one subject to `pages`."""

from web.portal import calls, capacity, customers, developers, home, invoices, people, webhooks
from web.portal.views import pages

__all__ = [
    "calls",
    "capacity",
    "customers",
    "developers",
    "home",
    "invoices",
    "pages",
    "people",
    "webhooks",
]
