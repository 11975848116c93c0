"""A person's own settings: language, zone, theme."""

from flask import flash, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from tenants import access_log, passkeys, second_step, users
from tenants.companies import zones
from tenants.errors import MalformedSettingError
from tenants.roles import Door
from web import i18n, identity, scope
from web.account.views import YEAR_S, pages
from web.guards import permission
from web.shown import access

THEME_COOKIE = "seatline_theme"
_DEEDS = 10
_THEMES = ("", "light", "dark")
_SHELLS = {Door.OPERATOR: "shell/operator.html", Door.PORTAL: "shell/portal.html"}


def shell() -> str:
    """Return the template around what is one's own: portal's or operator's."""
    return _SHELLS.get(identity.current().door, "shell/portal.html")


@pages.get("/settings")
@permission("self.read")
def show_settings() -> str:
    """Show one's own settings."""
    who = identity.current()
    return render_template(
        "settings.html",
        shell=shell(),
        language=who.language,
        zone=who.zone,
        zones=zones_offered(who.zone),
        theme=request.cookies.get(THEME_COOKIE, ""),
        deeds=_deeds(),
        passkey_count=len(
            passkeys.credentials(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id)
        ),
        has_second_step=second_step.is_on(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id),
    )


@pages.post("/settings")
@permission("self.write")
def save_settings() -> BaseResponse:
    """Keep language and zone with the user, the theme on this device.

    Raises:
        MalformedSettingError: a language, zone or theme that is not on the list.
    """
    who = identity.current()
    language, theme = request.form.get("language", ""), request.form.get("theme", "")
    if theme not in _THEMES:
        raise MalformedSettingError(field="theme")
    users.set_language(
        scope.session(),
        tenant_id=who.tenant_id,
        user_id=who.user_id,
        language=language,
        zone=request.form.get("zone", ""),
    )
    flash(gettext("Saved."))
    response = redirect("/settings", 303)
    response.set_cookie(i18n.COOKIE, language, max_age=YEAR_S, path="/", httponly=True, samesite="Lax")
    # the page's script reads and writes this one
    response.set_cookie(THEME_COOKIE, theme, max_age=YEAR_S if theme else 0, path="/", samesite="Lax")
    return response


def _deeds() -> list[access.DeedRow]:
    """Return what others did to one's own access; of the operator's staff there is no record."""
    who = identity.current()
    done = access_log.of_user(scope.session(), tenant_id=who.tenant_id, user_id=who.user_id, limit=_DEEDS)
    return access.rows(done)


def zones_offered(present: str) -> list[str]:
    """Return the zones named after places, and the one in use."""
    areas = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return sorted({zone for zone in zones() if zone.startswith(areas)} | {"UTC", present})
