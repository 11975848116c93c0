"""Why the company's agents are away, in its own words."""

from flask import redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from seats import statuses
from seats.errors import StatusCodeError
from seats.statuses import Status
from web import identity, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages

_HERE = "/portal/statuses"
_LONGEST_PLACE = 4


@pages.get("/statuses")
@permission("queues.read")
def status_list() -> str:
    """Show the company's own statuses."""
    who = identity.current()
    return render_template(
        "portal/statuses.html",
        statuses=statuses.offered(scope.session(), tenant_id=who.tenant_id),
        language=who.language,
        may_write="queues.write" in who.permissions,
    )


@pages.post("/statuses")
@permission("queues.write")
def save_status() -> Response:
    """Add a status, or change the words of one."""
    form, who = request.form, identity.current()
    made = Status(
        form.get("code", "").strip(),
        form.get("label_en", ""),
        form.get("label_zh", ""),
        whole(form.get("position", "").strip(), longest=_LONGEST_PLACE) or 0,
    )
    try:
        statuses.define(scope.session(), tenant_id=who.tenant_id, status=made)
    except StatusCodeError as error:
        scope.rollback()
        said.why(error)
    else:
        said.done(
            gettext("“%(label)s” is offered to agents within a minute.", label=made.label(who.language))
        )
    return redirect(_HERE, 303)


@pages.post("/statuses/<code>/retire")
@permission("queues.write")
def retire_status(code: str) -> Response:
    """Offer a status no longer."""
    statuses.retire(scope.session(), tenant_id=identity.current().tenant_id, code=code)
    said.done(gettext("Not offered any more. Add it with the same code, and it is back."))
    return redirect(_HERE, 303)
