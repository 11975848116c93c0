"""Letters to people who sign in: owed in the transaction that gives the reason, sent after it."""

from tenants.letters.box import State, put, settle, sweep, take, tell
from tenants.letters.wording import Kind

__all__ = ["Kind", "State", "put", "settle", "sweep", "take", "tell"]
