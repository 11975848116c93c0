"""Who did what among the operator's staff: the operator's own evidence log."""

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from web.guards import permission
from web.operator.views import pages
from web.shown import evidence

_PAGES = {"ten": "/operator/companies/"}


@pages.get("/evidence")
@permission("audit.read")
def evidence_log() -> str | BaseResponse:
    """Show who did what."""
    return evidence.show("operator/evidence.html", pages=_PAGES)


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
