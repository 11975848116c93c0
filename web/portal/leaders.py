"""Which agents lead the company's team, what each of them may do, and what is written to them all."""

from flask import redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from core.errors import SeatlineError
from core.ids import QueueId, parse, public
from seats import messages
from seats.roster import Lead
from telephony import queues
from web import identity, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import leaders
from web.shown import messages as writing

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
        messages=messages.recent(scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault),
        queues={one.queue_id: one.name for one in queues.ever(scope.session(), tenant_id=who.tenant_id)},
        to=[
            (public("que", one.queue_id), one.name)
            for one in queues.all_of(scope.session(), tenant_id=who.tenant_id)
        ],
        longest=messages.LONGEST,
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


@pages.post("/leaders/messages")
@permission("queues.write")
def write_message() -> Response:
    """Write to the company's agents, or to those of one queue."""
    to = request.form.get("queue", "")
    try:
        writing.send(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            text=request.form.get("text", ""),
            queue_id=QueueId(parse("que", to)) if to else None,
        )
    except SeatlineError as error:
        scope.rollback()
        said.why(error)
    else:
        said.done(gettext("Sent. It stands at their consoles until each of them has read it."))
    return redirect(_HERE, 303)
