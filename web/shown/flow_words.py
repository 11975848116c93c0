"""The words of a flow's nodes, ways and faults."""

from flask_babel import gettext

from telephony.flows.lint import FlowFault


def kind(code: str) -> str:
    """Return what a node does, in words."""
    words = {
        "say": gettext("Say"),
        "play": gettext("Play a sound"),
        "menu": gettext("Menu"),
        "collect": gettext("Ask for digits"),
        "pin": gettext("Check the PIN"),
        "survey": gettext("Ask for a rating"),
        "hours": gettext("Opening hours"),
        "branch": gettext("Branch"),
        "lookup": gettext("Look up the customer"),
        "set": gettext("Set a value"),
        "webhook": gettext("Ask your program"),
        "announce": gettext("Say place and wait"),
        "callback": gettext("Promise a call back"),
        "voicemail": gettext("Take a message"),
        "person": gettext("Ring one agent"),
        "outside": gettext("Call a number outside"),
        "room": gettext("Conference room"),
        "queue": gettext("Queue"),
        "hang-up": gettext("Hang up"),
    }
    return str(words.get(code, code))


def way(code: str) -> str:
    """Return a way out of a node in words."""
    name, _, number = code.partition("-")
    match name:
        case "key":
            return str(gettext("key %(key)s", key=number))
        case "rated":
            return str(gettext("rated %(rating)s", rating=number))
        case "case":
            return str(gettext("case %(number)s", number=number))
    words = {
        "next": gettext("then"),
        "otherwise": gettext("otherwise"),
        "open": gettext("open"),
        "closed": gettext("closed"),
        "found": gettext("found"),
        "right": gettext("right"),
        "no_answer": gettext("no answer"),
        "busy": gettext("busy"),
        "refused": gettext("refused"),
        "full": gettext("full or locked"),
    }
    return str(words.get(code, code))


def fault(code: FlowFault) -> str:
    """Return what is wrong, in words."""
    words = {
        FlowFault.NO_START: gettext("There is no node to begin with."),
        FlowFault.DEAD_END: gettext("This way leads nowhere."),
        FlowFault.LEADS_NOWHERE: gettext("This way leads to a node that is not there."),
        FlowFault.NO_PROMPT: gettext("Nothing is said here."),
        FlowFault.NO_KEYS: gettext("The menu has no keys."),
        FlowFault.NO_QUEUE: gettext("Choose a queue that is open."),
        FlowFault.NO_SOUND: gettext("Choose a sound that is there."),
        FlowFault.NO_AGENT: gettext("Choose an agent."),
        FlowFault.NO_ROOM: gettext("Choose a conference room that is there."),
        FlowFault.NO_PHONE: gettext("Write the number to call."),
        FlowFault.WRONG_PHONE: gettext(
            "It cannot be called: it is one of your numbers, or of a barred kind."
        ),
        FlowFault.NO_ADDRESS: gettext("Write your program’s address."),
        FlowFault.NO_VALUES: gettext("Write at least one value."),
        FlowFault.FEWER_THAN_LEAST: gettext("It wants more digits than it takes."),
        FlowFault.CIRCLE: gettext("Callers go round in a circle without being asked anything."),
        FlowFault.UNREACHABLE: gettext("Nobody gets here."),
        FlowFault.TOO_DEEP: gettext("More than four questions one after another."),
        FlowFault.TIER_ELSEWHERE: gettext("Callers of this tier go through a flow of their own."),
    }
    return str(words[code])


def no_phone() -> str:
    """Return what is wrong with a phone that is none."""
    return str(gettext("Write a telephone number with its country code, like +44 20 7946 0134."))
