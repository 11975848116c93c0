"""Who did what among the operator's staff: the operator's own evidence log."""

from web.operator.views import pages
from web.shown import evidence

evidence.install(pages, "operator/evidence.html", leads_to={"ten": "/operator/companies/"})
