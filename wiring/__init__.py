"""The composition root: settings become adapters, events meet their handlers, and nothing else.

Start at `wiring.assemble`, then `wiring.subscriptions`.
"""

from wiring.assemble import House, assemble

__all__ = ["House", "assemble"]
