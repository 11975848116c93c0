"""What turns a decision into a clearance; import-linter lets the gate of outgoing calls alone have it."""

from typing import Final

MARK: Final = object()
