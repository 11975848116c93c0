"""The agent's console: one page, and the small requests it lives on."""

from web.console.views import pages

__all__ = ["pages"]
