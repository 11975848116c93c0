"""Languages: English and Simplified Chinese, from the first string.

The reader's own setting decides, then the cookie, then what the browser asks for. The API always speaks
English, because programs compare what it says.
"""

from babel import Locale
from flask import Flask, request
from flask_babel import Babel

from tenants.companies import LANGUAGES, zones
from web import identity

COOKIE = "seatline_language"
_BROWSER_TAGS = {"zh": "zh_Hans_CN", "en": "en"}


def install(app: Flask) -> None:
    """Give the application gettext, the reader's locale and the reader's zone."""
    Babel(
        app,
        default_locale="en",
        default_timezone="UTC",
        default_translation_directories="translations",
        locale_selector=language,
        timezone_selector=zone,
    )


def language() -> str:
    """Return the language of this response, one of `tenants.companies.LANGUAGES`."""
    if request.blueprint == "api" or request.path.startswith("/api/v1"):
        return "en"
    who = identity.known()
    if who is not None and who.language in LANGUAGES:
        return who.language
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return _BROWSER_TAGS[request.accept_languages.best_match(list(_BROWSER_TAGS), "en") or "en"]


def zone() -> str:
    """Return the IANA zone times are shown in."""
    who = identity.known()
    if who is not None and who.zone in zones():
        return who.zone
    return "UTC"


def locale() -> Locale:
    """Return babel's locale of this response."""
    return Locale.parse(language())
