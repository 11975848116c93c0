"""The statement of account: what was owed, what came and went, what is owed now; on screen and as files."""

from flask import Response, render_template, request

from billing import ageing, statements
from billing.documents.document import Statement
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import statements as shown


@pages.get("/statement")
@permission("invoices.read")
def statement() -> str:
    """Show the statement of the days asked for, and what is open by how late it is."""
    found = _found()
    aged = ageing.of(scope.session(), tenant_id=identity.current().tenant_id)
    return render_template(
        "portal/statement.html",
        statement=shown.shown(found),
        shares=shown.shares(aged.buckets_minor, aged.currency),
        base="/portal/statement",
    )


@pages.get("/statement/pdf")
@permission("invoices.read")
def statement_pdf() -> Response:
    """Return it as PDF, in the language asked for."""
    aged = ageing.of(scope.session(), tenant_id=identity.current().tenant_id)
    language = request.args.get("language", "")
    return shown.pdf(_found(), language=language, aged_minor=aged.buckets_minor)


@pages.get("/statement/csv")
@permission("invoices.read")
def statement_csv() -> Response:
    """Return it as CSV."""
    return shown.csv(_found())


def _found() -> Statement:
    who = identity.current()
    first_on, last_on = shown.asked(
        request.args.get("from", ""), request.args.get("to", ""), zone=who.company.zone
    )
    return statements.of(scope.session(), tenant_id=who.tenant_id, first_on=first_on, last_on=last_on)
