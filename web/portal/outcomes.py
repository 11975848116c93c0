"""How a contact may end, in the company's own words: outcomes, and those under an outcome."""

from flask import redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from core.errors import NotFound, SeatlineError
from customers import dispositions
from customers.dispositions import Disposition
from customers.errors import UnknownDispositionError
from web import identity, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages

_HERE = "/portal/outcomes"
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_LONGEST_LABEL, _LONGEST_PLACE = 80, 4


@pages.get("/outcomes")
@permission("customers.read")
def outcome_list() -> str:
    """Show how a contact may end."""
    who = identity.current()
    found = dispositions.offered(scope.session(), tenant_id=who.tenant_id)
    return render_template(
        "portal/outcomes.html",
        outcomes=[
            (one, [below for below in found if below.parent == one.code]) for one in found if not one.parent
        ],
        language=who.language,
        may_write="settings.write" in who.permissions,
    )


@pages.post("/outcomes")
@permission("settings.write")
def save_outcome() -> Response:
    """Add an outcome, or one under another, or change the words of one."""
    form, who = request.form, identity.current()
    made = Disposition(
        form.get("code", "").strip(),
        form.get("label_en", "").strip()[:_LONGEST_LABEL],
        form.get("label_zh", "").strip()[:_LONGEST_LABEL],
        whole(form.get("position", "").strip(), longest=_LONGEST_PLACE) or 0,
        form.get("parent") or None,
    )
    try:
        dispositions.define(scope.session(), tenant_id=who.tenant_id, disposition=made)
    except SeatlineError as error:
        if error.kind not in _BUSINESS:
            raise
        scope.rollback()
        said.why(error)
        return redirect(_HERE, 303)
    said.done(gettext("“%(label)s” is offered to agents within a minute.", label=made.label(who.language)))
    return redirect(_HERE, 303)


@pages.post("/outcomes/<code>/retire")
@permission("settings.write")
def retire_outcome(code: str) -> Response:
    """Offer an outcome no longer; contacts that ended so keep it."""
    try:
        dispositions.retire(scope.session(), tenant_id=identity.current().tenant_id, code=code)
    except UnknownDispositionError as error:
        raise NotFound from error  # it was named by an address
    said.done(gettext("Not offered any more. Add it with the same code, and it is back."))
    return redirect(_HERE, 303)
