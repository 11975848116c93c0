"""Pages of the operator's staff; each subject has its own module, which adds its routes to `pages`."""

from flask import Blueprint, redirect
from werkzeug.wrappers import Response as BaseResponse

from web.guards import public

pages = Blueprint("operator", __name__, url_prefix="/operator")


@pages.get("/")
@public("only sends people on, to a page that asks who they are")
def front() -> BaseResponse:
    """Send staff to their first page: the address people type."""
    return redirect("/operator/companies", 303)
