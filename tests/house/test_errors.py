"""Every error has a code of its own, and the web knows what to say to it."""

from collections import Counter

from core.errors import NotFound, SeatlineError
from tests.house import rooms
from web import errors, words

# An id that does not parse must read as one that is not there.
SHARED = {NotFound.code}


def _errors() -> set[type[SeatlineError]]:
    rooms.import_everything()
    return set(rooms.subclasses(SeatlineError))


def test_every_error_has_a_distinct_code() -> None:
    counted = Counter(error.code for error in _errors())
    assert {code for code, times in counted.items() if times > 1} <= SHARED
    assert SeatlineError.code not in counted


def test_codes_are_kebab_case() -> None:
    odd = [error for error in _errors() if not all(part.isalnum() for part in error.code.split("-"))]
    assert not odd
    assert all(error.code == error.code.lower() for error in _errors())


def test_every_kind_has_a_status_and_words() -> None:
    kinds = {error.kind for error in _errors()} - {SeatlineError.kind}  # those are our bugs: 500
    assert kinds <= set(errors.STATUS)
    assert {error.kind for error in _errors() if error.code not in words.PROBLEMS} - {
        SeatlineError.kind
    } <= set(words.PROBLEMS)


def test_errors_are_named_as_errors() -> None:
    named = {error.__name__ for error in _errors() if not error.__name__.endswith("Error")}
    assert named == {"NotFound", "Invalid", "Refused", "Conflict", "Unavailable"}
