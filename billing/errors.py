"""What can go wrong with money, in billing's own words.

An unmatched prefix and a blocked one are not errors: they are outcomes of rating (`Outcome`).
"""

from uuid import UUID

from core.errors import Conflict, Invalid, NotFound, Refused, Unavailable


class PriceListError(Invalid):
    """A price list cannot be like this; `problems` in the details name each rate, `fields` what it is."""

    code = "price-list-invalid"


class RerunNotFoundError(NotFound):
    """No such run of rating again."""

    code = "rerun-not-found"


class RateDeckGoneError(NotFound):
    """No such file of rates."""

    code = "rate-deck-gone"


class PriceListNotFoundError(NotFound):
    """No such price list or version."""

    code = "price-list-not-found"


class PriceListTakenError(Conflict):
    """A price list of this code exists already."""

    code = "price-list-taken"


class VersionPublishedError(Refused):
    """A published version never changes; make a new one."""

    code = "price-list-version-published"


class RatingChangedError(Conflict):
    """What rating again would change is not what was looked at and approved."""

    code = "rating-changed"


class DraftChangedError(Conflict):
    """Somebody else changed the draft meanwhile; look at both before saving."""

    code = "draft-changed"


class TariffConflictError(Conflict):
    """The tenant already has other prices from the same instant, or of the same version."""

    code = "tariff-conflict"


class PriceListChangeError(Invalid):
    """A company's price list cannot be changed like that; `reason` is a `billing.following.NoChange`."""

    code = "price-list-change"


class CostShareInvalidError(Invalid):
    """Shares of calls that cannot be agreed; `faults` says why, one sentence each."""

    code = "cost-share-invalid"


class CostSharePayerError(Conflict):
    """This company cannot pay a part of another's calls; `reason` is a `billing.sharing.NoPayer`."""

    code = "cost-share-payer"


class PaysForOthersError(Conflict):
    """Who pays a part of another company's calls pays by invoice."""

    code = "pays-for-others"


class TariffCorruptError(Conflict):
    """A stored tariff no longer has the hash it was stored with."""

    code = "tariff-corrupt"


class BillingAccountNotFoundError(NotFound):
    """The tenant has no billing account yet."""

    code = "billing-account-not-found"


class BillingAccountInvalidError(Invalid):
    """A currency, zone, language or tax rate that we cannot bill in."""

    code = "billing-account-invalid"


class BillingDetailsChangedError(Conflict):
    """Somebody else changed the billing details or the terms since they were read."""

    code = "billing-details-changed"


class BuyerNumberError(Invalid):
    """Under this tax the buyer is known by its tax number: it is missing, or is no VAT number."""

    code = "buyer-number"


class SellerInvalidError(Invalid):
    """The operator's head holds what no invoice can; `fields` names it."""

    code = "seller-invalid"


class SellerChangedError(Conflict):
    """Somebody else changed the operator's head since it was read."""

    code = "seller-changed"


class SeriesInUseError(Conflict):
    """Invoices have taken numbers from the series, up to `last`; to leave it has to be meant."""

    code = "series-in-use"


class UsageInvalidError(Invalid):
    """A usage event that cannot be: it ends before it begins, or says nothing of its key."""

    code = "usage-invalid"


class UsageConflictNotFoundError(NotFound):
    """No such contradicting report or rejected row of this company."""

    code = "usage-conflict-not-found"


class UsageDecidedError(Conflict):
    """Somebody has decided about it already."""

    code = "usage-decided"


class SettlementChangedError(Conflict):
    """What settling would do has changed since somebody looked at it."""

    code = "settlement-changed"


class UsageBilledError(Refused):
    """The report that stands is on a finalised invoice, which never changes; `number` says on which."""

    code = "usage-billed"


class DecisionReasonError(Invalid):
    """A decision needs a reason of 1 to 400 signs."""

    code = "decision-reason"


class PeriodInvalidError(Invalid):
    """The period does not begin and end with a local month of the account's zone."""

    code = "period-invalid"


class StatementPeriodError(Invalid):
    """A statement ends on the day it begins or later, within three years."""

    code = "statement-period"


class DunningStepsError(Invalid):
    """Days rise, there are eight steps at most, and nothing follows suspending."""

    code = "dunning-steps"


class DunningReasonError(Invalid):
    """Leaving a company alone, or a step out, wants a reason of up to 200 signs."""

    code = "dunning-reason"


class DunningPauseNotFoundError(NotFound):
    """There is no such pause, or it is over."""

    code = "dunning-pause-not-found"


class WalletNotFoundError(NotFound):
    """The company has no wallet: it pays by invoice."""

    code = "wallet-not-found"


class WalletAmountError(Invalid):
    """No such amount moves in or out of a wallet, or is its credit."""

    code = "wallet-amount"


class WalletShortError(Refused):
    """More than lies in the wallet and is not kept for calls."""

    code = "wallet-short"


class InvoiceNotApprovedError(Refused):
    """A draft becomes an invoice when a person has approved it."""

    code = "invoice-not-approved"


class PeriodNotOverError(Refused):
    """An invoice is finalised only when its period is over."""

    code = "period-not-over"


class PeriodClosedError(Refused):
    """An invoice of this or a later period is final; late usage goes to the next open one."""

    code = "period-closed"


class UnratedUsageError(Refused):
    """Usage of the period still waits for a price; it must be rated or waived first."""

    code = "usage-unrated"


class SafetyInvalidError(Invalid):
    """Bounds of bills that let nothing through, or cannot be."""

    code = "safety-invalid"


class BillHeldError(Refused):
    """The bill leaves its account's bounds: draft it anew, or release it. `reason`, `bound_minor` say why."""

    code = "bill-held"

    def __init__(self, *, invoice_id: UUID, reason: str, bound_minor: int) -> None:
        super().__init__(reason=reason, bound_minor=bound_minor)
        self.invoice_id = invoice_id


class BillNotHeldError(Conflict):
    """No such bill is held; it was released, or drafted anew."""

    code = "bill-not-held"


class ServiceCountError(Invalid):
    """No such count of a service: more in time than was offered, no queue, or no such number."""

    code = "service-count-invalid"


class ServiceNotPromisedError(Invalid):
    """The company's prices promise nothing of this name in that month."""

    code = "service-not-promised"


class ServiceNotCountedError(Refused):
    """Service is promised for the month, and nobody has said yet how it was; `codes` says which."""

    code = "service-not-counted"


class RentalsOpenError(Refused):
    """Not everything rented in the period is charged yet; the invoice would leave it out."""

    code = "rentals-open"


class InvoiceNotFoundError(NotFound):
    """No such invoice."""

    code = "invoice-not-found"


class InvoiceFinalError(Refused):
    """A finalised invoice never changes."""

    code = "invoice-final"


class InvoiceNotFinalError(Refused):
    """A draft may still change: it has no proof, no e-invoice and no credit note."""

    code = "invoice-not-final"


class ProofBrokenError(Invalid):
    """A proof does not hold together; the message names the first record that differs."""

    code = "proof-broken"


class DisputeNotFoundError(NotFound):
    """No such dispute."""

    code = "dispute-not-found"


class DisputeClosedError(Conflict):
    """The dispute is settled or refused, or its credit note waits for a second person."""

    code = "dispute-closed"


class DisputeReasonError(Invalid):
    """A dispute, and its refusal, need a reason of 1 to 400 signs."""

    code = "dispute-reason"


class DisputeEmptyError(Invalid):
    """No line is marked, and no call differs: there is nothing to dispute."""

    code = "dispute-empty"


class ClaimsInvalidError(Invalid):
    """A company's own list of calls cannot be read; `missing` names columns, `row` the first bad row."""

    code = "claims-invalid"


class EInvoiceRefusedError(Refused):
    """The e-invoice would break rules of EN 16931, named in `rules`; the PDF is the invoice."""

    code = "e-invoice-refused"


class CopyNotStoppedError(Conflict):
    """There is no copy of the invoice at the provider that has stopped."""

    code = "copy-not-stopped"


class CreditNoteNotFoundError(NotFound):
    """No such credit note."""

    code = "credit-note-not-found"


class CreditNoteDecidedError(Conflict):
    """The credit note is issued or refused already."""

    code = "credit-note-decided"


class CreditReasonError(Invalid):
    """A credit note needs a reason of 1 to 400 signs; it stands on the paper."""

    code = "credit-reason"


class ItemInvalidError(Invalid):
    """One to ten thousand of something are ordered at a time."""

    code = "item-invalid"


class ItemUnpricedError(Refused):
    """The company's price list has no price for it."""

    code = "item-unpriced"


class CreditTooLargeError(Invalid):
    """Nothing, or more than the invoice leaves of a line or in all; `left_minor` says how much that is."""

    code = "credit-too-large"


class SecondPersonError(Refused):
    """Who asked for it cannot decide it: above the limit two people are needed."""

    code = "second-person"


class DraftStaleError(Conflict):
    """More charges came since the draft, or some were rated again; draft anew."""

    code = "draft-stale"


class CreditHoldReasonError(Invalid):
    """An account is put on hold for a reason, up to 200 signs."""

    code = "credit-hold-reason"


class UnbalancedJournalError(Conflict):
    """The postings of a journal do not sum to zero: a bug of ours, and nothing is written."""

    code = "journal-unbalanced"


class PaymentNotFoundError(NotFound):
    """No such payment."""

    code = "payment-not-found"


class TopUpNotFoundError(NotFound):
    """No such top-up of the wallet."""

    code = "top-up-not-found"


class PaymentMethodNotFoundError(NotFound):
    """No such way to pay, or it was removed."""

    code = "payment-method-not-found"


class NothingDueError(Refused):
    """There is nothing to pay on this invoice: it is a draft, or it is paid."""

    code = "nothing-due"


class PaymentUnderWayError(Refused):
    """A payment of this invoice is on its way; a second one would pay twice."""

    code = "payment-under-way"


class PaymentMismatchError(Conflict):
    """The provider speaks of another amount, currency or payment than ours; nothing is booked."""

    code = "payment-mismatch"


class RefundTooLargeError(Invalid):
    """More than is left of the payment, or nothing."""

    code = "refund-too-large"


class RefundReasonError(Invalid):
    """Money is given back for a reason of 1 to 400 signs."""

    code = "refund-reason"


class RefundDecidedError(Conflict):
    """The refund is decided already."""

    code = "refund-decided"


class RefundAskedError(Conflict):
    """This refund was asked for already, over another amount."""

    code = "refund-asked"


class ProviderAwayError(Unavailable):
    """The payment provider does not answer, or not now; try again later with the same key."""

    code = "payment-provider-away"


class ProviderRefusesError(Unavailable):
    """The payment provider does not take our key, or not our request; somebody has to look."""

    code = "payment-provider-refuses"


class NotConnectedError(Refused):
    """No payment provider is connected: invoices are paid by bank transfer."""

    code = "payments-not-connected"


class NewsRefusedError(Invalid):
    """News that the payment provider did not sign, not for us, or not now; `why` says which."""

    code = "news-refused"


class DifferenceNotFoundError(NotFound):
    """No such difference between our books and the provider's."""

    code = "difference-not-found"


class DifferenceReasonError(Invalid):
    """A difference is explained or settled with a reason; one that agrees by itself needs none."""

    code = "difference-reason"
