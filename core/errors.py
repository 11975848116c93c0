"""What can go wrong, in five kinds.

Rooms subclass a kind in the words of their domain and give each class a stable kebab-case `code`;
`web.errors` maps kinds to HTTP once. Refusals that are normal business (no credit, do-not-call) are
return values, not errors.
"""

from typing import ClassVar


class SeatlineError(Exception):
    """The root of our own errors.

    Attributes:
        code: stable, kebab-case, part of the API's contract.
        details: values that help the caller; never personal data, because they reach logs.
    """

    code: ClassVar[str] = "error"
    kind: ClassVar[str] = "error"

    def __init__(self, message: str = "", **details: object) -> None:
        super().__init__(message or self.code)
        self.details = details


class NotFound(SeatlineError):  # noqa: N818 - kinds are adjectives; their subclasses end in Error
    """It is not there, or not yours: the outside cannot tell which."""

    code = "not-found"
    kind = "not-found"


class Invalid(SeatlineError):  # noqa: N818
    """The input cannot be understood or breaks a rule the sender could have known."""

    code = "invalid"
    kind = "invalid"


class Refused(SeatlineError):  # noqa: N818
    """Understood, and not allowed to this caller or in this state."""

    code = "refused"
    kind = "refused"


class Conflict(SeatlineError):  # noqa: N818
    """Somebody else was first, or the thing has changed since it was read."""

    code = "conflict"
    kind = "conflict"


class Unavailable(SeatlineError):  # noqa: N818
    """A part we need is away for the moment; trying again later is right."""

    code = "unavailable"
    kind = "unavailable"
