"""What can go wrong with customers and their interactions."""

from core.errors import Conflict, Invalid, NotFound, Refused


class CustomerNotFoundError(NotFound):
    """No such customer of this company."""

    code = "customer-not-found"


class CustomerExistsError(Conflict):
    """Another customer of this company has the telephone number."""

    code = "customer-exists"


class CustomerChangedError(Conflict):
    """Somebody else has saved the customer since it was read; `version` in the details is the present one."""

    code = "customer-changed"


class CustomerDetailsError(Invalid):
    """A detail is empty or too long; `field` in the details says which, never its value."""

    code = "customer-details"


class InteractionNotFoundError(NotFound):
    """No such interaction of this company."""

    code = "interaction-not-found"


class UnknownDispositionError(Invalid):
    """The company has no such disposition, or has retired it."""

    code = "unknown-disposition"


class DispositionCodeError(Invalid):
    """A disposition's code is not lower case letters, digits and hyphens, or it has no label."""

    code = "disposition-code"


class SubCodeError(Invalid):
    """A sub-code stands under an outcome in use that is none itself, and has none under it."""

    code = "sub-code"


class SubCodeNeededError(Refused):
    """The outcome has sub-codes: one of them says how the contact ended."""

    code = "sub-code-needed"


class CardNumberError(Invalid):
    """A note holds what looks like a payment card's number; it is kept nowhere."""

    code = "card-number"


class TicketNotFoundError(NotFound):
    """No such ticket of this company."""

    code = "ticket-not-found"


class TicketChangedError(Conflict):
    """Somebody else has saved the ticket since it was read; `version` in the details is the present one."""

    code = "ticket-changed"


class TicketDetailsError(Invalid):
    """A detail is empty, too long or out of time; `field` in the details says which, never its value."""

    code = "ticket-details"


class TicketWithoutCustomerError(Refused):
    """The caller is in no record, so there is nobody whose ticket it would be."""

    code = "ticket-without-customer"


class CallbackTimeError(Invalid):
    """A call back is promised for a time that is over, or too far away."""

    code = "callback-time"


class InteractionDetailsError(Invalid):
    """A note is too long, or a duration negative."""

    code = "interaction-details"


class DoNotCallSourceError(Invalid):
    """A number goes on the do-not-call list with a word on where that came from, up to 60 signs."""

    code = "do-not-call-source"


class ConsentBasisError(Invalid):
    """Consent is recorded with its basis, up to 200 signs."""

    code = "consent-basis"


class ConsentProofError(Invalid):
    """The proof of a consent is over 2,000 signs."""

    code = "consent-proof"


class ConsentTimeError(Invalid):
    """Nobody has said in the future what is recorded today."""

    code = "consent-time"


class DoNotCallReasonError(Invalid):
    """There is no such reason to take a number off the do-not-call list."""

    code = "do-not-call-reason"


class ErasureNotFoundError(NotFound):
    """There is no such erasure in this company."""

    code = "erasure-not-found"


class LookBudgetError(Invalid):
    """Looks an hour are 0 to 1000, granted ones 1 to 100."""

    code = "look-budget"


class LooksUsedUpError(Refused):
    """The agent has looked behind masks as often as the company allows in an hour."""

    code = "looks-used-up"


class NumbersHiddenError(Refused):
    """The company shows its agents no number of a customer."""

    code = "numbers-hidden"


class LookPurposeError(Invalid):
    """Who looks behind a mask says why, by one of the purposes there are."""

    code = "look-purpose"


class PinError(Invalid):
    """A PIN is four to eight digits, not all the same and not a run like 1234."""

    code = "pin"


class DecoyOpenedError(NotFound):
    """Somebody opened a decoy; `details` hold the ids. The doorway raises the alarm and ends the session."""

    code = "decoy-opened"
