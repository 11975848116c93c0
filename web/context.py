"""What every template may rely on; see `templates/shell/base.html`."""

from typing import Any

from flask import Flask
from flask_babel import gettext

from tenants.roles import Door
from web import identity, words
from web.operator import glass
from web.scope import services


def install(app: Flask) -> None:
    """Set the variables of the shell on every page."""
    app.context_processor(variables)


def variables() -> dict[str, Any]:
    """Return user, company, permissions, banners and the address of live events."""
    who = identity.known()
    settings = services().settings
    live = settings.live_url if settings.live_url != settings.public_url else ""
    shown: dict[str, Any] = {"user": None, "company": None, "live_url": live, "banners": _banners()}
    if who is not None and who.door is Door.OPERATOR and not who.must_enrol:
        shown["open_glasses"] = glass.open_now
    if who is not None:
        shown["user"] = {
            "name": who.name,
            "email": who.email,
            "role": words.role(who.roles),
            "language": who.language,
        }
        shown["must_enrol"] = who.must_enrol
        # until then the rail leads nowhere
        shown["permissions"] = frozenset() if who.must_enrol else who.permissions
        if who.door.value != "operator":
            shown["company"] = {"name": who.company.name, "initials": who.company.initials}
    return shown


def _banners() -> list[dict[str, str]]:
    banners, who = [], identity.known()
    if who is not None and who.must_enrol:
        banners.append(
            {
                "kind": "info",
                "text": gettext(
                    "Before you go on, set up a second step: whoever learns your password shall not come in."
                ),
            }
        )
    banners += [
        {
            "kind": "warn",
            "text": gettext(
                "PostgreSQL %(version)s is older than the security floor: Seatline serves this machine only."
                " Update the server before anybody else may reach it.",
                version=one.object,
            ),
        }
        for one in services().warnings
    ]
    if services().settings.is_simulated:
        banners.append(
            {
                "kind": "warn",
                "text": gettext(
                    "The switch simulator runs in place of Asterisk: no real call can come in or go out."
                ),
            }
        )
    return banners
