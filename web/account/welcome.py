"""The link of an invitation: its holder chooses a password, once, and may then sign in."""

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core.ids import OPERATOR
from security.passwords import LONGEST, SHORTEST, WeakPasswordError
from security.throttle import Limit, Throttle
from tenants import staff, users
from tenants.errors import InvitationOverError
from web import invitations, said, scope
from web.account import signing
from web.account.views import pages
from web.guards import public

_TRIES = Limit("welcome", 30, 15 * 60)


@pages.get("/welcome/<token>")
@public("who is invited cannot sign in yet; the signed link stands for it")
def welcome(token: str) -> BaseResponse:
    """Show the form for a first password, or that the link is over."""
    return _form(token)


@pages.post("/welcome/<token>")
@public("who is invited cannot sign in yet; the signed link stands for it")
def choose_password(token: str) -> BaseResponse:
    """Set the password the link's holder chose.

    Raises:
        InvitationOverError: the link was used, is too old, or was made up.
    """
    services = scope.services()
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(_TRIES, tenant_id=OPERATOR, subject=request.remote_addr or "")
    found = invitations.read(token)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _form(token, gettext("The two passwords differ. Type the same one twice."))
    try:
        with scope.within(found.tenant_id, principal_id=found.user_id) as session:
            ended = staff.accept(
                session,
                tenant_id=found.tenant_id,
                user_id=found.user_id,
                made_by=found.made_by,
                proven=found.proven,
                password=password,
            )
    except WeakPasswordError:
        return _form(token, weak())
    signing.tell_ended(services, tenant_id=found.tenant_id, session_ids=ended)
    said.done(gettext("The password is set. Sign in with it."))
    return redirect("/sign-in", 303)


def weak() -> str:
    """Return what to say of a password that is too easy."""
    return str(
        gettext(
            "Use %(shortest)s to %(longest)s characters; several words in a row are good.",
            shortest=SHORTEST,
            longest=LONGEST,
        )
    )


def _form(token: str, error: str = "") -> BaseResponse:
    found = invitations.read(token)
    with scope.within(found.tenant_id, principal_id=found.user_id) as session:
        # a link that was used says so at once
        present = staff.proof(
            session, tenant_id=found.tenant_id, user_id=found.user_id, made_by=found.made_by
        )
        if present != found.proven:
            raise InvitationOverError
        user = users.read(
            session, tenant_id=found.tenant_id, vault=scope.services().vault, user_id=found.user_id
        )
    page = render_template("welcome.html", name=user.name, email=user.email, error=error, shortest=SHORTEST)
    return make_response(page, 422 if error else 200)
