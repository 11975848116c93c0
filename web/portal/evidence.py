"""Who did what in the company: its evidence log, to read, to download and to check."""

from web.portal.views import pages
from web.shown import evidence

evidence.install(
    pages,
    "portal/evidence.html",
    leads_to={
        "call": "/portal/calls/",
        "cus": "/portal/customers/",
        "inv": "/portal/invoices/",
        "cmp": "/portal/campaigns/",
        "usr": "/portal/people/",
        "whk": "/portal/webhooks/",
    },
)
