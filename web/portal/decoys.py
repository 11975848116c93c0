"""The company's decoys: customers who do not exist. Their owner makes them, and nobody else knows which."""

from flask import redirect, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import CustomerId
from customers import decoys
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages

_HERE = "/portal/decoys"


@pages.get("/decoys")
@permission("decoys.write")
def decoy_list() -> str:
    """Show the company's decoys; looking at this list raises no alarm."""
    found = decoys.every(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return render_template(
        "portal/decoys.html",
        decoys=[
            {"id": ids.public("cus", one.customer_id), "name": one.name, "made_at": one.made_at}
            for one in found
        ],
    )


@pages.post("/decoys")
@permission("decoys.write")
def invent_decoy() -> BaseResponse:
    """Make up a customer nobody has a reason to open."""
    decoys.invent(scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault)
    said.done(gettext("A decoy stands among your customers now."))
    return redirect(_HERE, 303)


@pages.post("/customers/<customer_id>/decoy")
@permission("decoys.write")
def mark_decoy(customer_id: str) -> BaseResponse:
    """Make a decoy of a customer who is made up."""
    decoys.mark(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        customer_id=CustomerId(ids.parse("cus", customer_id)),
    )
    said.done(gettext("This is a decoy now. Do not open it: that ends your session, too."))
    return redirect(_HERE, 303)


@pages.post("/decoys/<customer_id>/remove")
@permission("decoys.write")
def unmark_decoy(customer_id: str) -> BaseResponse:
    """Make an ordinary customer of a decoy."""
    decoys.unmark(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        customer_id=CustomerId(ids.parse("cus", customer_id)),
    )
    said.done(gettext("This is an ordinary customer again."))
    return redirect(_HERE, 303)
