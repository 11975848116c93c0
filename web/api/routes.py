"""All operations of version 1 on one blueprint."""

from flask import Blueprint

from web.api import limits, versions
from web.csrf import protect

pages = Blueprint("api", __name__, url_prefix="/api/v1")
pages.before_request(limits.count)
pages.before_request(versions.insist)
pages.after_request(limits.tell)
pages.after_request(versions.tell)
# programs send no cookie, and a cookie means nothing here
protect.exempt(pages)
