"""Live events: Server-Sent Events for the console and the portal.

A process of its own (greenlets; threads would be used up by open streams). Start at `web.live.views`.
"""

from web.live.own_stack import OwnStack
from web.live.views import HUB, install

__all__ = ["HUB", "OwnStack", "install"]
