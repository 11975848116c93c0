"""Passwords: Argon2id at 19 MiB, 2 passes, 1 lane (the OWASP minimum), behind a gate.

One verification costs about 30 ms and 19 MiB; without the gate a flood of sign-ins would be the cheapest
way to take a process down, so no more run at once than there are cores, a few wait in line, and who finds
the line full or waits too long is told to try again: each who waits holds a thread that serves pages.
Rules for a new password follow ASVS 5.0 6.2: long, nothing else.
"""

import os
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import Invalid, Unavailable

SHORTEST = 15
LONGEST = 128
PATIENCE_S = 5.0
# a process serves with 16 threads (`launch.ours`): most are left to those who have signed in; callers' PINs
# are checked on no more threads than cores and four (`asyncio.to_thread`), which never fill it
LINE = 6
# NFKC may shorten, so a little more than the longest is looked at, and a megabyte never is.
_RAW_LONGEST = 4 * LONGEST
_FEWEST_SIGNS = 5

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_GATE = threading.BoundedSemaphore(os.cpu_count() or 1)
_LINE = threading.BoundedSemaphore(LINE)
# verified when the account is unknown, so that known and unknown take the same time
_NOBODY = _HASHER.hash("nobody has this password")


class WeakPasswordError(Invalid):
    """The password is too short, too long, or a handful of signs repeated."""

    code = "weak-password"


class HashingBusyError(Unavailable):
    """More people sign in at this moment than the machine can check."""

    code = "sign-in-busy"


def hash_password(password: str) -> str:
    """Return the Argon2id string of a password that keeps the rules.

    Raises:
        WeakPasswordError: it does not keep them.
        HashingBusyError: the line is full, or did not move for five seconds.
    """
    checked = check(password)
    with _Turn():
        return _HASHER.hash(checked)


def hash_digits(digits: str) -> str:
    """Return the Argon2id string of a PIN; of so few digits it has to be sealed as well.

    Raises:
        HashingBusyError: the line is full, or did not move for five seconds.
    """
    with _Turn():
        return _HASHER.hash(digits)


def verify(stored: str | None, password: str) -> bool:
    """Return whether the password fits; with no stored hash, spend the same time and return False.

    Raises:
        HashingBusyError: the line is full, or did not move for five seconds.
    """
    # Too long is never cut to fit: it is compared as another password, at the same cost.
    candidate = _canonical(password)[: LONGEST + 1]
    with _Turn():
        try:
            _HASHER.verify(stored or _NOBODY, candidate)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None and len(password) <= _RAW_LONGEST


def check(password: str) -> str:
    """Return the password in the form that is hashed (NFKC).

    Raises:
        WeakPasswordError: outside 15 to 128 signs, control signs, or fewer than five different ones.
    """
    canonical = _canonical(password)
    if len(password) > _RAW_LONGEST or not SHORTEST <= len(canonical) <= LONGEST:
        raise WeakPasswordError(shortest=SHORTEST, longest=LONGEST)
    if any(unicodedata.category(sign) == "Cc" for sign in canonical) or len(set(canonical)) < _FEWEST_SIGNS:
        raise WeakPasswordError(shortest=SHORTEST, longest=LONGEST)
    return canonical


def _canonical(password: str) -> str:
    return unicodedata.normalize("NFKC", password[:_RAW_LONGEST])


class _Turn:
    """One turn at the gate."""

    def __enter__(self) -> None:
        if _GATE.acquire(blocking=False):
            return
        if not _LINE.acquire(blocking=False):
            raise HashingBusyError
        try:
            if not _GATE.acquire(timeout=PATIENCE_S):
                raise HashingBusyError
        finally:
            _LINE.release()

    def __exit__(self, *_: object) -> None:
        _GATE.release()
