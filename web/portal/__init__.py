"""The client company's pages."""

from web.portal.views import pages

__all__ = ["pages"]
