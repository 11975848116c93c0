"""Promised calls in words: what has become of each, and why."""

from flask_babel import gettext

from telephony.outbound.promised import Promised, State


def state(one: Promised) -> tuple[str, str]:
    """Return a mark and the words for what has become of a promise."""
    match one.state:
        case State.WAITING if one.tries:
            return "warn", str(gettext("called %(tries)s times, again later", tries=one.tries))
        case State.WAITING:
            return "live", str(gettext("keeps their place"))
        case State.CALLING:
            return "live", str(gettext("is being called"))
        case State.KEPT:
            return "ok", str(gettext("called back"))
        case State.GIVEN_UP:
            return "bad", str(gettext("not reached"))
        case State.EXPIRED:
            return "bad", str(gettext("their turn did not come within a day"))
        case State.WITHDRAWN:
            return "off", str(gettext("withdrawn"))
        case State.REFUSED:
            return "bad", str(gettext("may not be called"))
