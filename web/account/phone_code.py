"""One's own second step: set up with a phone, confirmed by a code, turned off by a code."""

import segno
from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from core.ids import OPERATOR
from security.throttle import Throttle
from tenants import passkeys, second_step, users
from tenants.errors import WrongCodeError
from tenants.second_step import Enrolment
from web import identity, refusals, said, scope
from web.account.renewal import renew
from web.account.settings import shell
from web.account.signing import STEP
from web.account.views import pages, takes_passkeys
from web.guards import permission

_HERE = "/settings/second-step"


@pages.get("/settings/second-step")
@permission("self.read", is_enrolment=True)
def show_second_step() -> BaseResponse:
    """Show the picture for the phone, or that the second step is on."""
    return _page()


@pages.post("/settings/second-step")
@permission("self.write", is_enrolment=True)
def confirm_second_step() -> BaseResponse:
    """Turn it on by a first code; show the recovery codes, this once."""
    who = identity.current()
    _count()
    try:
        codes = second_step.confirm(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            user_id=who.user_id,
            code=request.form.get("code", "")[:80],
        )
    except WrongCodeError:
        refusals.count("second-step")
        return _page(error=gettext("This code does not fit. Type the six digits your phone shows now."))
    renew()
    return make_response(render_template("second_step_codes.html", shell=shell(), codes=codes))


@pages.post("/settings/second-step/off")
@permission("self.write")
def remove_second_step() -> BaseResponse:
    """Turn it off, by a code: a browser left open is not enough."""
    who = identity.current()
    _count()
    is_right = second_step.passes(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_id=who.user_id,
        code=request.form.get("code", "")[:80],
    )
    if not is_right:
        refusals.count("second-step")
        return _page(
            error=gettext("This code does not fit, or was used. Wait for the next one and type that.")
        )
    session, tenant_id, user_id = scope.session(), who.tenant_id, who.user_id
    has_passkey = passkeys.has_any(session, tenant_id=tenant_id, user_id=user_id)
    second_step.remove(session, tenant_id=tenant_id, user_id=user_id, are_codes_kept=has_passkey)
    renew()
    if has_passkey:
        said.done(gettext("No code is asked for any more. A passkey lets you in."))
    elif who.is_step_required:
        said.done(gettext("The second step is off. Set up another one now."))
    else:
        said.done(gettext("The second step is off. Your password alone lets you in."))
    return redirect("/settings", 303)


def _page(*, error: str = "") -> BaseResponse:
    who, session = identity.current(), scope.session()
    is_on = second_step.is_on(session, tenant_id=who.tenant_id, user_id=who.user_id)
    enrolment = None if is_on else _enrolment()
    page = render_template(
        "second_step.html",
        shell=shell(),
        is_on=is_on,
        codes_left=second_step.codes_left(session, tenant_id=who.tenant_id, user_id=who.user_id),
        secret=_grouped(enrolment.secret) if enrolment else "",
        picture=drawn(enrolment.uri) if enrolment else "",
        error=error,
        takes_passkeys=takes_passkeys(),
    )
    return make_response(page, 422 if error else 200)


def _enrolment() -> Enrolment:
    who, vault = identity.current(), scope.services().vault
    user = users.read(scope.session(), tenant_id=who.tenant_id, vault=vault, user_id=who.user_id)
    return second_step.pending(
        scope.session(), tenant_id=who.tenant_id, vault=vault, user_id=who.user_id, name=user.email
    )


def drawn(uri: str) -> Markup:
    """Return an address as a picture of squares, black on white in either theme, for a phone to scan."""
    picture = segno.make(uri, error="m").svg_inline(
        scale=4, border=3, dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=False
    )
    return Markup(picture)  # noqa: S704 - drawn by the library from our own text; it holds no markup of anybody


def _grouped(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _count() -> None:
    services, who = scope.services(), identity.current()
    throttle = Throttle(services.realtime.redis, secret=services.settings.secret_key)
    throttle.insist(STEP, tenant_id=OPERATOR, subject=str(who.user_id))
