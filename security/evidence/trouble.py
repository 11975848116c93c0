"""What is said when the evidence does not hold together."""

from core.errors import SeatlineError


class EvidenceBrokenError(SeatlineError):
    """The log was changed, shortened, or signed by somebody else; the message names the first fault."""

    code = "evidence-broken"
