"""Passkeys: signing in by one, and one's own under Settings.

The browser's part is `web/front/src/passkeys.ts`. Adding and removing ask for a sign-in of the last quarter
of an hour, so that a screen left unlocked gives nobody a key of their own.
"""

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import Refused
from core.ids import OPERATOR, PasskeyId
from security.passkeys import (
    Challenges,
    PasskeyRefusedError,
    Site,
    asking_to_make,
    claim,
    site_of,
    verify_made,
)
from security.throttle import Limit, Throttle, TooManyError
from tenants import passkeys, second_step, users
from tenants.errors import MalformedPasskeyError, PasskeyTakenError, TooManyPasskeysError
from web import cookies, identity, refusals, said, scope
from web.account import signing
from web.account.renewal import renew
from web.account.settings import shell
from web.account.views import code_form, form, let_in, local_path, pages, wait
from web.guards import permission, public

_HERE = "/settings/passkeys"
_ADD = "add"
_ASKED = Limit("passkey-asked", 120, 15 * 60)


class SignInAgainError(Refused):
    """What lets one in is changed by who has signed in within the last quarter of an hour."""

    code = "sign-in-again"


@pages.post("/sign-in/passkey/options")
@public("nobody can be signed in before signing in")
def ask_for_passkey() -> Response:
    """Return a fresh challenge for whoever has a passkey.

    Raises:
        TooManyError: asked too often from this address.
        PasskeyRefusedError: this site takes no passkeys.
    """
    services = scope.services()
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(_ASKED, tenant_id=OPERATOR, subject=request.remote_addr or "")
    asked = signing.ask_for_passkey(
        services, bound_to=cookies.current().secret or "", token=request.form.get("token", "")
    )
    if asked is None:
        raise PasskeyRefusedError
    return _json(asked)


@pages.post("/sign-in/passkey")
@public("this is where one proves who one is")
def sign_in_by_passkey() -> BaseResponse:
    """Check a passkey's answer; begin a new session and go where one wanted to go."""
    token, wanted = request.form.get("token", ""), local_path(request.form.get("next", ""))
    headers: dict[str, str] = {}
    refused = "passkey"
    try:
        done = signing.by_passkey(
            scope.services(),
            answer=request.form.get("answer", ""),
            bound_to=cookies.current().secret or "",
            address=request.remote_addr or "",
            token=token,
        )
        status, text = 401, gettext("This passkey was not accepted. Try again, or sign in another way.")
    except TooManyError as error:
        done, status, text, refused = None, 429, wait(error), "rate"
        headers["Retry-After"] = str(error.details["retry_after_s"])
    if done is not None:
        return let_in(done, wanted)
    refusals.count(refused)
    page = (
        code_form(token=token, wanted=wanted, error=text, has_passkey=True)
        if token
        else form(wanted=wanted, errors=[text])
    )
    response = make_response(page, status)
    response.headers.update(headers)
    return response


@pages.get("/settings/passkeys")
@permission("self.read", is_enrolment=True)
def show_passkeys() -> BaseResponse:
    """Show one's own passkeys."""
    return _page()


@pages.post("/settings/passkeys/options")
@permission("self.write", is_enrolment=True)
def ask_for_new_passkey() -> Response:
    """Return what the browser needs to make a passkey.

    Raises:
        SignInAgainError: the sign-in is too long ago.
        PasskeyRefusedError: this site takes no passkeys.
    """
    _insist_on_fresh()
    who, services = identity.current(), scope.services()
    site = _site()
    challenges = Challenges(services.realtime.redis, secret=services.settings.secret_key)
    return _json(
        asking_to_make(
            site,
            challenge=challenges.make(_ADD, bound_to=_bound()),
            user_handle=passkeys.handle(who.user_id),
            name=who.email,
            shown_name=who.name,
            known=passkeys.credentials(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id),
        )
    )


@pages.post("/settings/passkeys")
@permission("self.write", is_enrolment=True)
def add_passkey() -> BaseResponse:
    """Keep a passkey the browser has made; show recovery codes, this once, to who has none.

    Raises:
        SignInAgainError: the sign-in is too long ago.
    """
    _insist_on_fresh()
    who, services, session = identity.current(), scope.services(), scope.session()
    site, answer = _site(), request.form.get("answer", "")
    try:
        claimed = claim(answer)
        challenges = Challenges(services.realtime.redis, secret=services.settings.secret_key)
        challenges.take(_ADD, bound_to=_bound(), challenge=claimed.challenge)
        made = verify_made(site, answer, challenge=claimed.challenge)
        kept = passkeys.add(
            session,
            tenant_id=who.tenant_id,
            vault=services.vault,
            user=users.read(session, tenant_id=who.tenant_id, vault=services.vault, user_id=who.user_id),
            name=request.form.get("name", ""),
            made=made,
        )
    except PasskeyRefusedError as error:
        refusals.note(error, error.code)
        return _page(error=gettext("The passkey could not be checked. Try once more."))
    except PasskeyTakenError:
        return _page(error=gettext("This passkey is kept already."))
    except TooManyPasskeysError:
        return _page(error=gettext("You have as many passkeys as are kept. Remove one first."))
    except MalformedPasskeyError:
        return _page(error=_about_name())
    codes = (
        ()
        if second_step.codes_left(session, tenant_id=who.tenant_id, user_id=who.user_id)
        else second_step.give_codes(session, tenant_id=who.tenant_id, user_id=who.user_id)
    )
    renew()
    if codes:
        return make_response(render_template("second_step_codes.html", shell=shell(), codes=codes))
    said.done(gettext("The passkey “%(name)s” lets you in from now on.", name=kept.name))
    return redirect(_HERE, 303)


@pages.post("/settings/passkeys/<passkey_id>/name")
@permission("self.write")
def rename_passkey(passkey_id: str) -> BaseResponse:
    """Call a passkey something else."""
    who = identity.current()
    try:
        passkeys.rename(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            user_id=who.user_id,
            passkey_id=PasskeyId(ids.parse("pky", passkey_id)),
            name=request.form.get("name", ""),
        )
    except MalformedPasskeyError:
        return _page(error=_about_name())
    said.done(gettext("Saved."))
    return redirect(_HERE, 303)


@pages.post("/settings/passkeys/<passkey_id>/remove")
@permission("self.write")
def remove_passkey(passkey_id: str) -> BaseResponse:
    """Forget a passkey; the password stays a way in.

    Raises:
        SignInAgainError: the sign-in is too long ago.
    """
    _insist_on_fresh()
    who, session = identity.current(), scope.session()
    gone = passkeys.remove(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_id=who.user_id,
        passkey_id=PasskeyId(ids.parse("pky", passkey_id)),
    )
    has_more = passkeys.has_any(session, tenant_id=who.tenant_id, user_id=who.user_id)
    if not has_more and not second_step.is_on(session, tenant_id=who.tenant_id, user_id=who.user_id):
        second_step.forget_codes(session, tenant_id=who.tenant_id, user_id=who.user_id)
    renew()
    said.done(
        gettext(
            "The passkey “%(name)s” lets nobody in any more. Remove it on the device, too.", name=gone.name
        )
    )
    return redirect(_HERE, 303)


def _page(*, error: str = "") -> BaseResponse:
    who, session = identity.current(), scope.session()
    page = render_template(
        "passkeys.html",
        shell=shell(),
        passkeys=[
            {
                "id": ids.public("pky", one.id),
                "name": one.name,
                "is_synced": one.is_synced,
                "created_at": one.created_at,
                "used_at": one.used_at,
            }
            for one in passkeys.of_user(
                session, tenant_id=who.tenant_id, vault=scope.services().vault, user_id=who.user_id
            )
        ],
        is_possible=site_of(scope.services().settings.public_url) is not None,
        is_fresh=who.is_fresh,
        error=error,
        longest=passkeys.LONGEST_NAME,
    )
    return make_response(page, 422 if error else 200)


def _site() -> Site:
    site = site_of(scope.services().settings.public_url)
    if site is None:
        raise PasskeyRefusedError
    return site


def _insist_on_fresh() -> None:
    if not identity.current().is_fresh:
        raise SignInAgainError


def _bound() -> str:
    """Return what a challenge for a new passkey is bound to: this session and this person."""
    return f"{cookies.current().secret}/{identity.current().user_id}"


def _about_name() -> str:
    return str(gettext("Give the passkey a name of at most %(most)s signs.", most=passkeys.LONGEST_NAME))


def _json(text: str) -> Response:
    return Response(text, mimetype="application/json")
