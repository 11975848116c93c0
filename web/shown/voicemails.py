"""How far a message has come, as pages say it."""

from flask_babel import gettext

from telephony.voicemail import Message, MessageState


def state(one: Message) -> tuple[str, str]:
    """Return the mark and the word of a message's state."""
    match one.state:
        case MessageState.NEW:
            return "warn", gettext("new")
        case MessageState.HEARD:
            return "live", gettext("heard")
        case MessageState.TAKEN:
            return "call", gettext("with agent %(number)s", number=one.taken_by)
        case MessageState.DONE:
            return "ok", gettext("done by agent %(number)s", number=one.taken_by)
