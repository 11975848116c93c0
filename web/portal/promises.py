"""Promised calls: callers who hung up and keep their place in a queue, and what became of them."""

from flask import redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids
from telephony.errors import PromiseOverError
from telephony.outbound import promised
from telephony.outbound.promised import State
from web import identity, said, scope
from web.guards import permission
from web.portal.flows import queue_names
from web.portal.views import pages
from web.shown import promises as shown


@pages.get("/callbacks")
@permission("calls.read")
def promised_calls() -> str:
    """Show who keeps a place without being on the line, and what became of the others."""
    who, names = identity.current(), queue_names()
    found = promised.page(scope.session(), tenant_id=who.tenant_id)
    return render_template(
        "portal/promises.html",
        promises=[
            {
                "id": ids.public("cbk", one.promise_id),
                "queue": names.get(ids.public("que", one.queue_id), ""),
                "call": url_for("portal.one_call", call_id=ids.public("call", one.call_id)),
                "place_at": one.place_at,
                "next_at": one.next_at if one.state is State.WAITING and one.tries else None,
                "mark": shown.state(one)[0],
                "word": shown.state(one)[1],
                "is_open": one.state is State.WAITING,
            }
            for one in found
        ],
        may_write="queues.write" in who.permissions,
    )


@pages.post("/callbacks/<promise_id>/withdraw")
@permission("queues.write")
def withdraw_promise(promise_id: str) -> BaseResponse:
    """Call nobody: they have been reached otherwise."""
    try:
        promised.withdraw(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            promise_id=ids.parse("cbk", promise_id),
            at=clock.now(),
        )
    except PromiseOverError:
        said.refused(gettext("This promise is being kept, or over."))
    else:
        said.done(gettext("Withdrawn: they are not called."))
    return redirect(url_for("portal.promised_calls"), 303)
