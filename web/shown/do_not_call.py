"""The do-not-call list as pages show it: sources and reasons in words."""

from collections.abc import Mapping

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from customers.do_not_call import Why
from customers.errors import DoNotCallReasonError

WHY: Mapping[Why, LazyString] = {
    Why.HOLDER_ASKED: _l("Its holder wants to be called again"),
    Why.NEW_HOLDER: _l("Somebody else has the number now"),
    Why.MISTAKE: _l("It was listed by mistake"),
    Why.UNDONE: _l("Taken back at once"),
}
SOURCES: Mapping[str, LazyString] = {
    "asked-in-call": _l("Asked for in a call"),
    "asked": _l("Asked for in writing"),
    "register": _l("From a public register"),
    "upload": _l("From a file"),
    "portal": _l("In the portal"),
    "api": _l("By a program"),
}


def reasons() -> list[tuple[str, str]]:
    """Return the reasons a person chooses from: value, word."""
    return [(one.value, str(word)) for one, word in WHY.items() if one is not Why.UNDONE]


def why(text: str) -> Why:
    """Return the reason a form names.

    Raises:
        DoNotCallReasonError: there is no such reason.
    """
    try:
        return Why(text)
    except ValueError as error:
        raise DoNotCallReasonError from error


def source(code: str) -> str:
    """Return a source in words; what somebody else wrote stands as it is."""
    return str(SOURCES.get(code, code))
