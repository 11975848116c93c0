"""Who did what in the company: its evidence log, to read, to download and to check."""

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from web.guards import permission
from web.portal.views import pages
from web.shown import evidence

_PAGES = {
    "call": "/portal/calls/",
    "cus": "/portal/customers/",
    "inv": "/portal/invoices/",
    "cmp": "/portal/campaigns/",
    "usr": "/portal/people/",
    "whk": "/portal/webhooks/",
}


@pages.get("/evidence")
@permission("audit.read")
def evidence_log() -> str | BaseResponse:
    """Show who did what."""
    return evidence.show("portal/evidence.html", pages=_PAGES)


@pages.get("/evidence/log")
@permission("audit.read")
def evidence_file() -> Response:
    """Download the whole log."""
    return evidence.log()


@pages.get("/evidence/checkpoint")
@permission("audit.read")
def evidence_checkpoint() -> Response:
    """Download the newest checkpoint."""
    return evidence.checkpoint()
