"""The pages everybody shares: the front door, sign-in and -out, language, password."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response as BaseResponse

from security.passkeys import site_of
from security.throttle import TooManyError
from tenants import users
from tenants.companies import LANGUAGES
from tenants.roles import Door
from web import cookies, i18n, identity, refusals, scope
from web.account import signing
from web.account.signing import HalfWay, SignedInNow
from web.guards import public
from web.identity import NotSignedInError

pages = Blueprint("account", __name__)

_HOMES = {Door.PORTAL: "/portal/", Door.CONSOLE: "/console/", Door.OPERATOR: "/operator/"}
YEAR_S = 365 * 24 * 3600


@pages.get("/")
@public("only sends people on: home when signed in, else to the sign-in page")
def front() -> BaseResponse:
    """Send people where they work."""
    try:
        return redirect(_HOMES[identity.current().door], 303)
    except NotSignedInError:
        return redirect("/sign-in", 303)


@pages.get("/sign-in")
@public("nobody can be signed in before signing in")
def sign_in_form() -> str | BaseResponse:
    """Show the sign-in form, or send on who is signed in already."""
    wanted = local_path(request.args.get("next", ""))
    if "again" in request.args:  # signed in, and to prove it once more
        return form(wanted=wanted)
    try:
        home = _HOMES[identity.current().door]
    except NotSignedInError:
        return form(wanted=wanted)
    return redirect(wanted or home, 303)


@pages.post("/sign-in")
@public("this is where one proves who one is")
def sign_in() -> BaseResponse:
    """Check e-mail and password; begin a new session and go where one wanted to go."""
    email = request.form.get("email", "")
    wanted = local_path(request.form.get("next", ""))
    services = scope.services()
    try:
        done = signing.sign_in(
            services,
            email=email,
            password=request.form.get("password", ""),
            address=request.remote_addr or "",
        )
    except TooManyError as error:
        refusals.count("rate")
        response = make_response(form(wanted=wanted, email=email, errors=[wait(error)]), 429)
        response.headers["Retry-After"] = str(error.details["retry_after_s"])
        return response
    if done is None:
        text = gettext("E-mail and password do not match. Check both and try again.")
        return make_response(form(wanted=wanted, email=email, errors=[text]), 401)
    if isinstance(done, HalfWay):
        return make_response(code_form(token=done.token, wanted=wanted, has_passkey=done.has_passkey))
    return let_in(done, wanted)


@pages.post("/sign-in/code")
@public("who is half way in has proven the password; the signed token stands for it")
def sign_in_code() -> BaseResponse:
    """Check the code of the second step; begin a new session and go where one wanted to go."""
    token, wanted = request.form.get("token", ""), local_path(request.form.get("next", ""))
    try:
        done = signing.finish(scope.services(), token=token, code=request.form.get("code", "")[:80])
    except TooManyError as error:
        refusals.count("rate")
        response = make_response(code_form(token=token, wanted=wanted, error=wait(error)), 429)
        response.headers["Retry-After"] = str(error.details["retry_after_s"])
        return response
    if done is None:
        text = gettext("This code does not fit, or was used. Wait for the next one and type that.")
        has_passkey = request.form.get("passkey") == "1"
        return make_response(code_form(token=token, wanted=wanted, error=text, has_passkey=has_passkey), 401)
    return let_in(done, wanted)


@pages.post("/sign-out")
@public("signing out twice is no error")
def sign_out() -> BaseResponse:
    """End the session, here and on its live pages."""
    _end_current()
    cookies.current().end()
    response = redirect("/sign-in", 303)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@pages.post("/language")
@public("who is not signed in yet reads the sign-in page, too")
def choose_language() -> BaseResponse:
    """Remember the language: with the user, and on this device."""
    chosen = request.form.get("language", "")
    response = redirect(local_path(request.form.get("next", "")) or "/", 303)
    if chosen not in LANGUAGES:
        return response
    try:
        who = identity.current()
    except NotSignedInError:
        pass
    else:
        users.set_language(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id, language=chosen)
    response.set_cookie(i18n.COOKIE, chosen, max_age=YEAR_S, path="/", httponly=True, samesite="Lax")
    return response


def form(*, wanted: str = "", email: str = "", errors: list[str] | None = None) -> str:
    """Return the sign-in page."""
    return render_template(
        "sign_in.html",
        email=email[:254],
        errors=errors or [],
        next=wanted,
        has_passkey=takes_passkeys(),
    )


def code_form(*, token: str, wanted: str = "", error: str = "", has_passkey: bool = False) -> str:
    """Return the page that asks for the second step."""
    return render_template(
        "sign_in_code.html",
        token=token[:400],
        error=error,
        next=wanted,
        has_passkey=has_passkey and takes_passkeys(),
    )


def takes_passkeys() -> bool:
    """Return whether browsers would make passkeys for this site: for a domain, not for a bare address."""
    return site_of(scope.services().settings.public_url) is not None


def please_sign_in() -> Response:
    """Return the sign-in page in place of a page that needs somebody: 401, and back here afterwards."""
    wanted = request.full_path.rstrip("?") if request.method == "GET" else ""
    note = gettext("Please sign in to go on. Sessions end after a while without use.")
    return make_response(form(wanted=local_path(wanted), errors=[note]), 401)


def local_path(text: str) -> str:
    """Return a path on this very site, or nothing: never a way to another site."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable() or "\\" in text:
        return ""
    parts = urlsplit(text)
    return "" if parts.scheme or parts.netloc else text


def let_in(done: SignedInNow, wanted: str) -> BaseResponse:
    """Give the browser its new session, and send it where it wanted to go."""
    # a session that was open before is a lower privilege: it ends
    _end_current()
    cookies.current().issue(done.started.secret)
    return redirect(wanted or _HOMES[done.started.door], 303)


def wait(error: TooManyError) -> str:
    """Return how long to wait, in words."""
    return str(
        ngettext(
            "Too many tries. Wait %(num)s minute, then try again.",
            "Too many tries. Wait %(num)s minutes, then try again.",
            -(-int(str(error.details["retry_after_s"])) // 60),
        )
    )


def _end_current() -> None:
    try:
        who = identity.current()
    except NotSignedInError:
        return
    scope.leave()
    if who.session_id is not None:
        signing.sign_out(
            scope.services(), tenant_id=who.tenant_id, user_id=who.user_id, session_id=who.session_id
        )
