"""One's own password: the old one proves who asks; every other session ends, this one gets a new secret."""

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core.ids import OPERATOR
from security import passwords
from security.passwords import SHORTEST, WeakPasswordError
from security.throttle import Limit, Throttle
from tenants import letters, users
from web import identity, refusals, said, scope
from web.account.renewal import renew
from web.account.settings import shell
from web.account.views import pages
from web.account.welcome import weak
from web.guards import permission

_TRIES = Limit("own-password", 10, 15 * 60)


@pages.get("/settings/password")
@permission("self.read")
def show_password() -> BaseResponse:
    """Show the form."""
    return _form()


@pages.post("/settings/password")
@permission("self.write")
def change_password() -> BaseResponse:
    """Change one's own password.

    Raises:
        TooManyError: tried too often.
    """
    who, services, form = identity.current(), scope.services(), request.form
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(_TRIES, tenant_id=OPERATOR, subject=str(who.user_id))
    known = users.credential(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id)
    if not passwords.verify(known.password_hash if known else None, form.get("present", "")):
        refusals.count("sign-in")
        return _form(present=gettext("This is not your present password."))
    if form.get("password", "") != form.get("again", ""):
        return _form(chosen=gettext("The two passwords differ. Type the same one twice."))
    try:
        hashed = passwords.hash_password(form.get("password", ""))
    except WeakPasswordError:
        return _form(chosen=weak())
    session = scope.session()
    users.set_password(session, tenant_id=who.tenant_id, user_id=who.user_id, password_hash=hashed)
    letters.tell(
        session,
        letters.Kind.PASSWORD_CHANGED,
        tenant_id=who.tenant_id,
        vault=services.vault,
        user_id=who.user_id,
    )
    renew()
    throttle.forgive(_TRIES, tenant_id=OPERATOR, subject=str(who.user_id))
    said.done(gettext("Your password is changed. You are signed out everywhere else."))
    return redirect("/settings", 303)


def _form(*, present: str = "", chosen: str = "") -> BaseResponse:
    errors = {name: text for name, text in (("present", present), ("password", chosen)) if text}
    page = render_template("password.html", shell=shell(), errors=errors, shortest=SHORTEST)
    return make_response(page, 422 if errors else 200)
