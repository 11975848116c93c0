"""What other companies tell us over HTTP, signed; each teller has its own module."""

from web.webhooks.stripe import pages

__all__ = ["pages"]
