"""Passwords: Argon2id at 19 MiB, 2 passes, 1 lane (the OWASP minimum), behind a gate.

One verification costs about 30 ms and 19 MiB; without the gate a flood of sign-ins would be the cheapest
way to take a process down, so no more than two run at once and the rest wait in line.
"""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_GATE = threading.BoundedSemaphore(2)
# verified when the account is unknown, so that known and unknown take the same time
_NOBODY = _HASHER.hash("nobody has this password")


def hash_password(password: str) -> str:
    """Return the Argon2id string of a password."""
    with _GATE:
        return _HASHER.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Return whether the password fits; with no stored hash, spend the same time and return False."""
    with _GATE:
        try:
            _HASHER.verify(stored or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None
