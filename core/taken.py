"""The same refusal for who comes second by a moment as for who comes second by a day.

A look whether a name is free sees nothing of what another transaction is just about to commit; the unique key
in the database does. What it says becomes the refusal the look would have given, and the transaction goes on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from psycopg import errors
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import SeatlineError

_TAKEN = (errors.UniqueViolation, errors.ExclusionViolation)


@contextmanager
def refused_as(session: Session, refusal: Callable[[], SeatlineError]) -> Iterator[None]:
    """Write what is added or changed inside, alone: raise a refusal when another row has its place already.

    Rows are to be changed inside: opening it writes what was changed before.
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError as error:
        if isinstance(error.orig, _TAKEN):
            raise refusal() from error
        raise
