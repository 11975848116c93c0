"""Which agents lead the company's team, and what each of them may do."""

from flask import redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from seats.roster import Lead
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import leaders

_HERE = "/portal/leaders"


@pages.get("/leaders")
@permission("queues.read")
def leader_list() -> str:
    """Show what each agent may do as a leader."""
    who = identity.current()
    return render_template(
        "portal/leaders.html",
        agents=sorted(leaders.of_company(tenant_id=who.tenant_id).items()),
        acts=list(leaders.ACTS.items()),
        may_write="queues.write" in who.permissions,
    )


@pages.post("/leaders")
@permission("queues.write")
def save_leaders() -> Response:
    """Give and take what agents may do; who was not on the page stays as they are."""
    tenant_id = identity.current().tenant_id
    wanted = {
        number: frozenset(act for act in Lead if f"agent-{number}-{act}" in request.form)
        for number in leaders.of_company(tenant_id=tenant_id)
        if f"agent-{number}" in request.form
    }
    if leaders.change(scope.session(), tenant_id=tenant_id, leads=wanted):
        said.done(gettext("Saved. It counts from the next act on."))
    else:
        said.done(gettext("Nothing was changed."))
    return redirect(_HERE, 303)
