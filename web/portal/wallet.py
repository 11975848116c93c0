"""The wallet of a company that pays beforehand: what is left, what is kept for calls, every movement."""

from flask import render_template, request

from billing import wallets
from core import ids
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import wallets as shown

_PAGE = 50


@pages.get("/wallet")
@permission("invoices.read")
def wallet() -> str:
    """Show the wallet, or that the company pays by invoice."""
    tenant_id, session = identity.current().tenant_id, scope.session()
    found = wallets.find(session, tenant_id=tenant_id)
    before = request.args.get("before", "")
    entries = wallets.entries(
        session, tenant_id=tenant_id, before=ids.parse("wen", before) if before else None, limit=_PAGE + 1
    )
    rows = shown.rows(entries[:_PAGE], currency=found.currency) if found else []
    return render_template(
        "portal/wallet.html",
        wallet=shown.wallet(found) if found else None,
        entries=rows,
        newer="/portal/wallet" if before else None,
        older=f"/portal/wallet?before={rows[-1].id}" if len(entries) > _PAGE else None,
    )
