"""The agent's console: one page, and the small requests it lives on."""

from web.console.views import pages
from web.console.warm import warm_up

__all__ = ["pages", "warm_up"]
