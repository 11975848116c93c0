"""A name and a password a carrier knows us by, or we know a carrier by: read from a file of its owner alone.

Never in the environment, an argument, a setting or the repository: the person names the file, and the
switch's own configuration, which only its account can read, is the one other place where it stands. SIP
digest (RFC 3261 22.4) sends no password, only what follows from it.
"""

import dataclasses
import os
import re
import stat
from pathlib import Path
from typing import Final

# Visible ASCII: a semicolon begins a comment in Asterisk's files and a backslash escapes one.
_USER: Final = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")
_PASSWORD: Final = re.compile(r"[!-:<-\[\]-~]{8,128}")


class LoginError(ValueError):
    """The file is missing, open to others or no login; the text names the file and never what it holds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """A name and its password; only the name shows.

    Raises:
        LoginError: a sign the switch's files could take for something else, or less than 8 of them.
    """

    user: str
    password: str = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user) or not _PASSWORD.fullmatch(self.password):
            message = (
                "a login is `name:password`: the name of letters, digits and _.+@-, the password of 8 to 128"
                " visible ASCII signs without ; and \\"
            )
            raise LoginError(message)


def keep_apart(ours: Login | None, theirs: Login | None) -> None:
    """Refuse one password for both ways.

    A digest answers a question: whoever is asked by us could ask us the same, and pass our answer off as his.

    Raises:
        LoginError: what we sign in with at a carrier is what carriers sign in with here.
    """
    if ours and theirs and ours.password == theirs.password:
        message = "carriers sign in with a password of their own, never with the one we sign in with"
        raise LoginError(message)


def read(file: Path) -> Login:
    """Read a file of one line, `name:password`.

    Raises:
        LoginError: it cannot be read, others can read it, or it holds no login.
    """
    try:
        there, text = file.stat(), file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the login {file} cannot be read"
        raise LoginError(message) from error
    mode = stat.S_IMODE(there.st_mode)
    if mode & 0o077 or there.st_uid != os.geteuid():
        message = f"the login {file} is open to others (mode {mode:04o}); make it yours alone, chmod 600"
        raise LoginError(message)
    user, _, password = text.removesuffix("\n").partition(":")
    try:
        return Login(user, password)
    except LoginError as error:
        message = f"the login {file} cannot be used: {error}"
        raise LoginError(message) from None
