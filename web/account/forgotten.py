"""A forgotten password: ask for a link, and choose another password by it.

Known and unknown addresses get the same answer after the same work; whether somebody signs in with one is
found out by a worker (`tenants.resets`). The link's pages give no address away to whoever they lead to.
"""

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core.ids import OPERATOR, TenantId, new_id
from security.gate import Scope
from security.passwords import SHORTEST, WeakPasswordError
from security.throttle import Limit, Throttle, TooManyError
from tenants import resets, sessions, users
from tenants.errors import MalformedEmailError, ResetOverError
from web import invitations, refusals, said, scope
from web.account import signing
from web.account.views import pages, wait
from web.account.welcome import weak
from web.guards import public

_QUARTER_S = 15 * 60
ADDRESS = Limit("forgotten-address", 20, _QUARTER_S)
ACCOUNT = Limit("forgotten-account", 3, _QUARTER_S)
_TRIES = Limit("reset", 30, _QUARTER_S)


@pages.get("/forgot")
@public("who has forgotten the password cannot sign in")
def forgotten_form() -> str:
    """Show the form that asks for a link."""
    return _asking()


@pages.post("/forgot")
@public("who has forgotten the password cannot sign in")
def ask_for_reset() -> str | BaseResponse:
    """Note the address; the answer is the same whoever it belongs to."""
    services, email = scope.services(), request.form.get("email", "")
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    try:
        throttle.insist(ADDRESS, tenant_id=OPERATOR, subject=request.remote_addr or "")
    except TooManyError as error:
        refusals.count("rate")
        response = make_response(_asking(email=email, error=wait(error)), 429)
        response.headers["Retry-After"] = str(error.details["retry_after_s"])
        return response
    try:
        canonical = users.canonical_email(email)
    except MalformedEmailError:
        return _asking(is_sent=True)
    # who asks too often for one account has its letters already, and is told nothing of the account
    if not throttle.hit(ACCOUNT, tenant_id=OPERATOR, subject=canonical).is_over:
        with services.gate.open(Scope.system(OPERATOR)) as session:
            resets.ask(session, vault=services.vault, email=canonical)
    return _asking(is_sent=True)


@pages.get("/reset/<token>")
@public("the link that came by mail stands for who has forgotten the password")
def reset_form(token: str) -> BaseResponse:
    """Show the form for another password, or that the link is over."""
    return _choosing(token)


@pages.post("/reset/<token>")
@public("the link that came by mail stands for who has forgotten the password")
def reset_password(token: str) -> BaseResponse:
    """Replace the password; whoever holds the link still signs in with it, and with the second step.

    Raises:
        ResetOverError: the link was used, is too old, or was made up.
        TooManyError: tried too often.
    """
    services = scope.services()
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(_TRIES, tenant_id=OPERATOR, subject=request.remote_addr or "")
    tenant_id, digest = _whose(token)
    password = request.form.get("password", "")
    if password != request.form.get("again", ""):
        return _choosing(token, gettext("The two passwords differ. Type the same one twice."))
    try:
        with scope.within(tenant_id, principal_id=new_id()) as session:
            ended = resets.use(
                session, tenant_id=tenant_id, vault=services.vault, digest=digest, password=password
            )
    except WeakPasswordError:
        return _choosing(token, weak())
    signing.tell_ended(services, tenant_id=tenant_id, session_ids=ended)
    said.done(gettext("The password is set. Sign in with it."))
    return _unreferred(make_response(redirect("/sign-in", 303)))


def _whose(token: str) -> tuple[TenantId, bytes]:
    digest = sessions.digest(token)
    entry = scope.gate().resolve("reset", digest) if digest else None
    if digest is None or entry is None:
        raise ResetOverError
    return entry.tenant_id, digest


def _asking(*, email: str = "", error: str = "", is_sent: bool = False) -> str:
    return render_template(
        "forgot.html",
        email=email[:254],
        error=error,
        is_sent=is_sent,
        minutes=resets.MINUTES,
        is_mailed=invitations.is_mailed(),
    )


def _choosing(token: str, error: str = "") -> BaseResponse:
    tenant_id, digest = _whose(token)
    with scope.within(tenant_id, principal_id=new_id()) as session:
        resets.find(session, tenant_id=tenant_id, digest=digest)
    page = render_template("reset.html", error=error, shortest=SHORTEST)
    return _unreferred(make_response(page, 422 if error else 200))


def _unreferred(response: Response) -> Response:
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
