"""The operator's pages: companies, money, usage, stock, jobs. No customer of anybody is seen here.

Each module adds the routes of one subject to `pages`; `rounds` is the one way into the companies' walls.
"""

from web.operator import companies, decisions, evidence, invoices, jobs, payments, prices, stock, usage
from web.operator.views import pages

__all__ = [
    "companies",
    "decisions",
    "evidence",
    "invoices",
    "jobs",
    "pages",
    "payments",
    "prices",
    "stock",
    "usage",
]
