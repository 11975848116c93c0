"""What client companies' programs can hear by webhook: event -> public type, one line each.

A line names the event, its public type (permanent: programs compare it), what it says (ids, in their
outside form) and one sentence for the documentation. The rest follows from it: the handler in
`wiring.subscriptions`, the choice in portal and API, the section `webhooks` of the OpenAPI document.
Every event is either here or among `INTERNAL`; a house test sees to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from billing.events import (
    CallsShared,
    CostShareAgreed,
    InvoiceFinalised,
    InvoicePaid,
    MonthAsked,
    PaymentFailed,
    PriceListPublished,
    ProviderNewsCame,
    RateDeckAsked,
    RatingAsked,
    ReconciliationAsked,
    RerunApproved,
    RerunAsked,
    TopUpFailed,
    TopUpWanted,
    WalletLow,
)
from campaigns.events import CampaignTurned, LeadFileConfirmed, LeadFileRead, LeadRowsWaiting
from core import ids
from core.events import Event
from core.ids import TenantId
from customers.events import PersonErased, PersonErasureAsked
from seats.events import SeatRentalChanged
from telephony.events import (
    CallEnded,
    DialCleared,
    DialEnded,
    NumberRentalChanged,
    RecordingCaptured,
    RecordingSealed,
    RoutingTrialAsked,
)
from tenants.events import (
    AgreementPublished,
    AlarmRaised,
    CompanyExportAsked,
    DownloadAsked,
    KeyRotationAsked,
    LetterOwed,
    ResetAsked,
    SignerSettled,
    WebhookOwed,
)
from tenants.webhooks import deliveries


@dataclass(frozen=True, slots=True)
class Told:
    """One type of event that programs can hear.

    Attributes:
        event: the class; several lines may share one, each with its own `when`.
        type: `<noun>.<past tense>`, permanent, at most 40 signs.
        says: public name -> (prefix of the id, the event's attribute). Ids only: whoever may, fetches the
            rest, and what is fetched stands in the access log.
        about: one sentence, in English, as in the rest of the API's document.
        whose: the company that hears it, when that is not the event's own tenant.
        when: which events of the class are meant.
    """

    event: type[Event]
    type: str
    says: Mapping[str, tuple[str, str]]
    about: str
    whose: Callable[[Any], TenantId] = lambda event: event.tenant_id
    when: Callable[[Any], bool] = lambda _event: True

    def data(self, event: Event) -> dict[str, str]:
        """Return what the event says, as it goes out; what it has none of is left out."""
        return {
            name: ids.public(prefix, getattr(event, found))
            for name, (prefix, found) in self.says.items()
            if getattr(event, found) is not None
        }


TOLD: tuple[Told, ...] = (
    Told(CallEnded, "call.ended", {"call": ("call", "call_id")}, "A call is over; its record stands."),
    Told(RecordingSealed, "recording.ready", {"call": ("call", "call_id")}, "A recording can be fetched."),
    Told(InvoiceFinalised, "invoice.finalised", {"invoice": ("inv", "invoice_id")}, "An invoice is final."),
    Told(
        InvoicePaid,
        "invoice.paid",
        {"invoice": ("inv", "invoice_id"), "payment": ("pay", "payment_id")},
        "Nothing is owed on an invoice any more; without a payment when money on account paid it.",
    ),
    Told(
        PaymentFailed,
        "payment.failed",
        {"invoice": ("inv", "invoice_id"), "payment": ("pay", "payment_id")},
        "An attempt to collect an invoice has failed; the payment says why.",
    ),
    Told(
        CampaignTurned,
        "campaign.finished",
        {"campaign": ("cmp", "campaign_id")},
        "Every lead of a campaign has been closed.",
        when=lambda event: bool(event.state == "finished"),
    ),
    Told(
        LeadFileRead,
        "leads.imported",
        {"campaign": ("cmp", "campaign_id"), "import": ("limp", "import_id")},
        "Every row of a lead file has become a lead, a duplicate or a bad row.",
    ),
    Told(AlarmRaised, "alarm.raised", {"alarm": ("alm", "alarm_id")}, "Something has to be looked at."),
    Told(
        PersonErased,
        "customer.erased",
        {"customer": ("cus", "customer_id"), "erasure": ("era", "erasure_id")},
        "Somebody was forgotten; remove them too. Without a customer when only a number was known.",
    ),
    *(
        Told(
            event,
            f"{noun}.{verb}",
            {noun: (prefix, f"{noun}_id")},
            about,
            whose=lambda event: event.renter_tenant_id,
            when=(lambda event: event.revision == 1)
            if verb == "rented"
            else (lambda event: event.revision > 1),
        )
        for event, noun, prefix, verb, about in (
            (SeatRentalChanged, "seat", "seat", "rented", "A seat is rented."),
            (
                SeatRentalChanged,
                "seat",
                "seat",
                "changed",
                "A seat's rental ends at another time than before.",
            ),
            (NumberRentalChanged, "number", "num", "rented", "A number is rented."),
            (
                NumberRentalChanged,
                "number",
                "num",
                "changed",
                "A number's rental ends at another time, or its papers were stated anew.",
            ),
        )
    ),
)

# Not for programs, each with its reason.
INTERNAL: dict[type[Event], str] = {
    RecordingCaptured: "the file is not sealed yet; recording.ready follows",
    PriceListPublished: "the operator's own",
    CallsShared: "a worker's own; each side's lines say what its part is",
    CostShareAgreed: "the operator's own; both companies find it in their logs",
    DialCleared: "the switchboard's own",
    DialEnded: "campaigns tell it, with the lead it was made for",
    LeadFileConfirmed: "the file is not read yet; leads.imported follows",
    LeadRowsWaiting: "a piece of a file",
    MonthAsked: "the operator's own",
    CompanyExportAsked: "its owner waits for it on the page, or asks how far it is",
    DownloadAsked: "who asked waits for it on the page, or asks how far it is",
    RoutingTrialAsked: "who asked waits for it on the page, or asks how far it is",
    KeyRotationAsked: "the operator's own; the company finds it in its log",
    RateDeckAsked: "the operator's own",
    RatingAsked: "the operator's own",
    TopUpWanted: "a worker's own",
    TopUpFailed: "a letter to who pays; programs ask for the wallet",
    WalletLow: "a letter to who pays; programs ask for the wallet",
    ReconciliationAsked: "the operator's own",
    RerunAsked: "the operator's own",
    RerunApproved: "the operator's own; the company finds it in its log",
    ProviderNewsCame: "the operator's own: a hint that has not been looked into",
    LetterOwed: "a letter to one person",
    ResetAsked: "nobody knows yet whose password it is",
    AgreementPublished: "between the operator's agents and the company that published it",
    SignerSettled: "the company settles its signers itself",
    PersonErasureAsked: "it is not done yet; customer.erased follows",
    WebhookOwed: "the delivery of a webhook itself",
}

TYPES: dict[str, str] = {one.type: one.about for one in TOLD}
TEST = deliveries.TEST  # heard by every webhook, when its owner asks for it
TEST_ABOUT = "A test that you asked for; it says only which webhook it is for."
