"""The doorway for people and programs: portal, console, operator, API, live events.

Start at `create_app`; then `web.guards` (who may), `web.scope` (one request, one transaction),
`web.errors` (what goes wrong, said once).
"""

from web.factory import create_app

__all__ = ["create_app"]
