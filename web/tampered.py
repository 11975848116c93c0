"""What happens when something sealed does not open: an alarm, once, and an answer that says nothing of why.

Whatever had been begun is rolled back. The bytes stay where they are: what they were stands in the backups.
"""

from flask import Flask, Response

from security.vault import SealError
from tenants import tampering
from web import errors, refusals, scope


def install(app: Flask) -> None:
    """Answer whoever meets it, whatever page or operation it was."""
    app.register_error_handler(SealError, answer)


def tell(error: SealError) -> None:
    """Raise the alarm of something that is left out of what is shown."""
    tampering.sealed(scope.gate(), error, counter=refusals.counter())


def answer(error: SealError) -> Response:
    """Raise the alarm and say that this cannot be shown."""
    scope.rollback()
    tell(error)
    return errors.say(errors.make(error.code, 500))
