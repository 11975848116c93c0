"""Signing in and out, and the language: the pages everybody shares."""

from web.account.views import pages, please_sign_in

__all__ = ["pages", "please_sign_in"]
