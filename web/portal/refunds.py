"""What was given back to the company: each refund, of which invoice or top-up, and how it stands."""

from flask import render_template, request
from flask_babel import lazy_gettext as _l

from billing.payments import attempts, refunds
from billing.payments.refunds import TOLD, Standing
from core import ids
from core.money import Money
from web import identity, scope
from web.guards import permission
from web.portal.views import pages

_PAGE = 25
WORDS = {
    Standing.APPROVED: ("call", _l("on its way")),
    Standing.MADE: ("ok", _l("given back")),
    Standing.CAME_BACK: ("warn", _l("came back: your bank did not take it")),
}


@pages.get("/refunds")
@permission("invoices.read")
def refund_list() -> str:
    """Show what was given back, newest first."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    before = request.args.get("before", "")
    found = refunds.every(
        session,
        tenant_id=tenant_id,
        standings=TOLD,
        before=ids.parse("ref", before) if before else None,
        limit=_PAGE + 1,
    )
    rows = []
    for one in found[:_PAGE]:
        invoice = None
        if one.payment_id is not None:
            payment = attempts.find(session, tenant_id=tenant_id, payment_id=one.payment_id)
            invoice = f"/portal/invoices/{ids.public('inv', payment.invoice_id)}"
        mark, word = WORDS[one.standing]
        rows.append(
            {
                "id": ids.public("ref", one.refund_id),
                "asked_at": one.asked_at,
                "invoice": invoice,
                "amount": Money(one.amount_minor, one.currency),
                "mark": mark,
                "word": word,
            }
        )
    return render_template(
        "portal/refunds.html",
        refunds=rows,
        newer="/portal/refunds" if before else None,
        older=f"/portal/refunds?before={rows[-1]['id']}" if len(found) > _PAGE else None,
    )
