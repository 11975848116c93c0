"""Pages of the operator's staff; each subject has its own module, which adds its routes to `pages`."""

from flask import Blueprint

pages = Blueprint("operator", __name__, url_prefix="/operator")
