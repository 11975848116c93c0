"""Signing in and out, the language, one's own settings: the pages everybody shares."""

from web.account import downloads, forgotten, lists, passkeys, password, phone_code, settings, welcome
from web.account.views import pages, please_sign_in

__all__ = [
    "downloads",
    "forgotten",
    "lists",
    "pages",
    "passkeys",
    "password",
    "phone_code",
    "please_sign_in",
    "settings",
    "welcome",
]
