"""Pages of the portal; each subject has its own module, which adds its routes to `pages`."""

from flask import Blueprint

pages = Blueprint("portal", __name__, url_prefix="/portal")
