"""Who hears what: event -> handlers, the whole list on one page.

A handler runs in one transaction of a tenant, together with the mark that it has done its duty, so its
work counts exactly once however often it is started. What it must do after the commit it returns. A
handler that needs several transactions is `Alone`: it opens its own, must stand repeating, and may say when
it wants to run again. What companies' programs hear by webhook stands in `wiring.outgoing`.
`workers.relay` hands the duties out, `workers.entry` runs them. Names are permanent: they stand in rows.
"""

import datetime as dt
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from billing import following, invoices, price_lists
from billing.documents.pdf import render_pdf
from billing.errors import BillingAccountNotFoundError
from billing.events import (
    CallsShared,
    CostShareAgreed,
    InvoiceFinalised,
    InvoicePaid,
    MonthAsked,
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
from billing.payments import attempts as payments
from billing.wallets import Stopped
from campaigns import attempts, imports, plans
from campaigns.attempts import End
from campaigns.events import LIVE_TOPIC, CampaignTurned, LeadFileConfirmed, LeadFileRead, LeadRowsWaiting
from campaigns.rules import Outcome
from core import clock
from core.errors import SeatlineError
from core.events import Event
from core.ids import OPERATOR, TenantId, UserId
from core.long_jobs import JobState
from core.mail import MailRefusedError, MalformedLetterError
from customers.events import PersonErasureAsked
from seats import desk, leases
from seats.events import SeatRentalChanged
from security.gate import Scope
from telephony import numbers, orders, recording, voicemail, work
from telephony.errors import RecordingNotFoundError
from telephony.events import (
    DialCleared,
    DialEnded,
    DialOutcome,
    NumberRentalChanged,
    RecordingCaptured,
    RecordingSealed,
    RoutingTrialAsked,
)
from telephony.orders import OrderKind
from telephony.outbound import promised, watch
from tenants import alarms, companies, letters, logins, resets, sessions
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
from wiring import (
    closing,
    collecting,
    copying,
    decks,
    downloading,
    dunning,
    erasing,
    exporting,
    prints,
    reconciling,
    rerating,
    rotation,
    sharing,
    topping_up,
    trying,
)
from wiring.assemble import House
from wiring.closing import Progress
from wiring.outgoing import TOLD, Told

E = TypeVar("E", bound=Event)
After = Callable[[], None] | None


def its_own(event: Event) -> TenantId:
    """Return the tenant the event happened to."""
    return event.tenant_id


@dataclass(frozen=True, slots=True)
class InTransaction(Generic[E]):
    """A handler that works in one tenant's transaction.

    Attributes:
        name: permanent, at most 60 signs.
        handle: gets the house, the session and the event; returns what to do after the commit, or None.
        whose: whose transaction it is.
    """

    event: type[E]
    name: str
    handle: Callable[[House, Session, E], After]
    whose: Callable[[E], TenantId] = its_own


@dataclass(frozen=True, slots=True)
class Alone(Generic[E]):
    """A handler that opens its own transactions; it may run again, and must not mind.

    Attributes:
        handle: returns None when its duty is done, or how long from now it is to run again.
    """

    event: type[E]
    name: str
    handle: Callable[[House, E], dt.timedelta | None]


Subscription = InTransaction[Any] | Alone[Any]


def _seal_recording(house: House, session: Session, event: RecordingCaptured) -> After:
    try:
        sealed = recording.seal(
            session,
            tenant_id=event.tenant_id,
            recording_id=event.recording_id,
            vault=house.vault,
            storage=house.storage,
            recording_dir=house.settings.recording_dir,
        )
    except RecordingNotFoundError:  # its caller was erased meanwhile
        return None

    def discard() -> None:
        recording.discard_scratch(
            tenant_id=event.tenant_id,
            recording_id=sealed.recording_id,
            recording_dir=house.settings.recording_dir,
        )

    return discard


def _mirror_rental(_house: House, session: Session, event: SeatRentalChanged) -> After:
    leases.mirror(session, tenant_id=event.renter_tenant_id, event=event)
    return None


def _follow_number(_house: House, session: Session, event: NumberRentalChanged) -> After:
    numbers.follow(session, tenant_id=event.renter_tenant_id, event=event)
    return None


def _archive_invoice(house: House, session: Session, event: InvoiceFinalised) -> After:
    """Keep the invoice as it was printed when it was finalised, sealed, in both languages."""
    invoice = invoices.find(session, tenant_id=event.tenant_id, invoice_id=event.invoice_id)
    for language, (name, field) in prints.places(event.tenant_id, event.invoice_id).items():
        printed = io.BytesIO(render_pdf(invoice, language=language))
        with house.storage.put(name) as sink:
            house.vault.seal_file(field, printed, sink)
    return None


def _order_dial(house: House, session: Session, event: DialCleared) -> After:
    """Leave the switchboard its order; the duty makes it one order for each clearance."""
    orders.leave(session, OrderKind.DIAL, tenant_id=event.tenant_id, attempt_id=event.attempt_id)
    return lambda: _wake_switchboard(house)


def _wake_switchboard(house: House) -> None:
    house.realtime.publish(OPERATOR, orders.WAKE_UP, {})


def _tell(told: Told) -> InTransaction[Any]:
    """Return the handler that owes an event to the company's webhooks."""

    def handle(_house: House, session: Session, event: Event) -> After:
        if told.when(event):
            deliveries.tell(session, tenant_id=told.whose(event), event_type=told.type, data=told.data(event))
        return None

    return InTransaction(told.event, f"webhooks.{told.type}", handle, whose=told.whose)


def _deliver(house: House, event: WebhookOwed) -> dt.timedelta | None:
    """Send one delivery; no transaction is open while the receiver takes its time."""
    scope = Scope.system(event.tenant_id)
    with house.gate.open(scope) as session:
        due = deliveries.begin(session, vault=house.vault, owed=event)
    if due is None:
        return None
    answer = house.egress.post(due.url, due.body, due.headers)
    with house.gate.open(scope) as session:
        return deliveries.finish(session, vault=house.vault, owed=event, due=due, answer=answer)


def _send_letter(house: House, event: LetterOwed) -> None:
    """Send one letter; while the server cannot be reached the duty fails, and is tried again."""
    scope = Scope.system(event.tenant_id)
    with house.gate.open(scope) as session:
        letter = letters.take(session, vault=house.vault, owed=event)
    if letter is None:
        return
    state = letters.State.SENT if house.post else letters.State.UNSENT
    try:
        if house.post:
            house.post.send(letter)
    except (MailRefusedError, MalformedLetterError):
        state = letters.State.REFUSED
    with house.gate.open(scope) as session:
        letters.settle(session, owed=event, state=state)


def _answer_reset(house: House, event: ResetAsked) -> None:
    """Find out whether somebody signs in with an address, and owe them a link; else nothing follows."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        email = resets.asked(session, vault=house.vault, request_id=event.request_id)
    entry = logins.find(house.gate, vault=house.vault, email=email) if email else None
    if entry:
        with house.gate.open(Scope.system(entry.tenant_id)) as session:
            resets.send(
                session,
                tenant_id=entry.tenant_id,
                vault=house.vault,
                user_id=UserId(entry.ref_id),
                public_url=house.settings.public_url,
                reset_id=event.request_id,
            )
    with house.gate.open(Scope.system(OPERATOR)) as session:
        resets.answered(session, request_id=event.request_id)


def _post_invoice(_house: House, session: Session, event: InvoiceFinalised) -> After:
    invoice = invoices.find(session, tenant_id=event.tenant_id, invoice_id=event.invoice_id)
    payments.use_on_account(session, tenant_id=event.tenant_id, invoice=invoice)
    return None


def _go_on_spending(house: House, session: Session, event: InvoicePaid) -> After:
    dunning.resume(house, session, tenant_id=event.tenant_id)
    return None


def _tell_wallet_low(house: House, session: Session, event: WalletLow) -> After:
    dunning.tell_low(
        house,
        session,
        tenant_id=event.tenant_id,
        minor=event.available_minor,
        currency=event.currency,
    )
    return None


def _tell_top_up_stopped(house: House, session: Session, event: TopUpFailed) -> After:
    dunning.tell_top_up_stopped(
        house,
        session,
        tenant_id=event.tenant_id,
        why=Stopped(event.reason),
        minor=event.amount_minor,
        currency=event.currency,
    )
    return None


def _collect(house: House, event: InvoiceFinalised) -> None:
    # what differs there is not charged, so the copy comes first
    copying.carry(house, tenant_id=event.tenant_id, invoice_id=event.invoice_id)
    collecting.collect(house, tenant_id=event.tenant_id, invoice_id=event.invoice_id)


def _keep_copy(house: House, event: InvoicePaid) -> None:
    """Let nobody pay at the provider what is paid."""
    copying.carry(house, tenant_id=event.tenant_id, invoice_id=event.invoice_id)


def _hear_news(house: House, event: ProviderNewsCame) -> None:
    collecting.hear(house, news_id=event.news_id)


def _hand_prices_over(house: House, event: PriceListPublished) -> None:
    """Give every client on the list its new version; one client's refusal does not hold up the others."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        published = price_lists.published(session, tenant_id=OPERATOR, code=event.price_list)
        clients = companies.served(session)
    version = next(one for one in published if one.version_id == event.version_id)
    refused: SeatlineError | None = None
    progress = Progress(
        house.gate, event.version_id, "prices.hand-over", about=event.price_list, total=len(clients)
    )
    for client in clients:
        progress.moved()
        try:
            with house.gate.open(Scope.system(client.tenant_id)) as session:
                progress.made += following.hand_over(
                    session,
                    tenant_id=client.tenant_id,
                    code=event.price_list,
                    versions=published,
                    version=version,
                )
        except BillingAccountNotFoundError:
            continue  # it takes its prices when its account is opened
        except SeatlineError as error:
            refused = error
            progress.failed += 1
    if refused:
        progress.write(JobState.RUNNING)  # it is tried again
        raise refused
    progress.write(JobState.DONE)


def _note_round(_house: House, session: Session, event: CampaignTurned) -> After:
    plans.note_round(session, event=event)
    return None


def _unpack_leads(house: House, session: Session, event: LeadFileConfirmed) -> After:
    started = Progress(house.gate, event.import_id, "leads.read", company_id=event.tenant_id)
    started.write(JobState.RUNNING)  # a large workbook takes a while before its first row is read
    imports.unpack(
        session,
        tenant_id=event.tenant_id,
        vault=house.vault,
        storage=house.storage,
        import_id=event.import_id,
    )
    return _lead_file_moved(house, session, event)


def _read_leads(house: House, session: Session, event: LeadRowsWaiting) -> After:
    imports.read_piece(
        session,
        tenant_id=event.tenant_id,
        vault=house.vault,
        storage=house.storage,
        import_id=event.import_id,
        offset=event.offset,
    )
    return _lead_file_moved(house, session, event)


def _lead_file_moved(house: House, session: Session, event: LeadFileConfirmed | LeadRowsWaiting) -> After:
    """Tell the company's pages, and the operator's list of long jobs, how far a lead file is."""
    found = imports.get(session, tenant_id=event.tenant_id, vault=house.vault, import_id=event.import_id)
    state = {"done": JobState.DONE, "refused": JobState.FAILED}.get(found.state, JobState.RUNNING)
    progress = Progress(
        house.gate,
        event.import_id,
        "leads.read",
        company_id=event.tenant_id,
        done=found.read,
        total=found.rows,
        made=found.accepted,
        failed=found.bad,
    )

    def tell() -> None:
        _tell_campaigns(house, event.tenant_id)
        progress.write(state)

    return tell


def _forget_lead_file(house: House, _session: Session, event: LeadFileRead) -> After:
    return lambda: imports.forget_files(house.storage, import_id=event.import_id)


def _tell_operator(house: House, event: AlarmRaised) -> None:
    """Give the operator its copy of a company's alarm."""
    if event.tenant_id == OPERATOR:
        return
    with house.gate.open(Scope.system(event.tenant_id)) as session:
        raised = alarms.read(session, tenant_id=event.tenant_id, alarm_id=event.alarm_id)
    with house.gate.open(Scope.system(OPERATOR)) as session:
        alarms.copy_to_operator(session, raised)


_LOOK_AGAIN = dt.timedelta(seconds=2)
_TALKING = {"talking", *work.DIALLING}


def _follow_agreement(house: House, event: AgreementPublished) -> dt.timedelta | None:
    """Let the floor follow a new version when it begins, and when the time of grace is over."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        for one in desk.serving(session):
            if one.presence is not None and (
                event.tenant_id == OPERATOR or event.tenant_id in one.clients | one.unsigned
            ):
                orders.leave(session, OrderKind.SERVES, agent_id=one.agent.id)
    _wake_switchboard(house)
    now = clock.now()
    due = min((at for at in (event.effective_at, event.closes_at) if at > now), default=None)
    return due - now if due else None


def _follow_signer(house: House, session: Session, event: SignerSettled) -> After:
    """Let the floor know whom somebody may serve now."""
    agent = desk.agent_by_user(session, user_id=event.user_id)
    if agent is None:
        return None
    orders.leave(session, OrderKind.SERVES, agent_id=agent.id)
    return lambda: _wake_switchboard(house)


def _end_sessions(house: House, event: SignerSettled) -> dt.timedelta | None:
    """End the sessions of who was shut out, and their live pages with them.

    Not while they talk: the browser is their telephone. The walls are shut to them from the revocation on.
    """
    if event.act != "revoked":
        return None
    with house.gate.open(Scope.system(OPERATOR)) as session:
        agent = desk.agent_by_user(session, user_id=event.user_id)
        held = work.in_hand(session, agent_id=agent.id) if agent else None
        if held is not None and held.state in _TALKING:
            return _LOOK_AGAIN
        ended = sessions.end_all(session, tenant_id=OPERATOR, user_id=event.user_id)
    for session_id in ended:
        house.realtime.publish(OPERATOR, sessions.ENDED, {"session": str(session_id)})
    return None


def _watch_calls_out(_house: House, session: Session, event: DialEnded) -> After:
    watch.ended(session, event=event)
    return None


def _settle_promise(_house: House, session: Session, event: DialEnded) -> After:
    promised.settle(session, event=event)
    return None


def _settle_attempt(house: House, session: Session, event: DialEnded) -> After:
    """Write what became of a campaign's call; one dialled by hand is nobody's attempt."""
    if event.outcome is DialOutcome.CANCELLED:  # only who dials by hand gives up
        return None
    end = End(
        outcome=Outcome(event.outcome.value),
        ended_at=event.ended_at,
        call_id=event.call_id,
        agent_id=event.agent_id,
        answered_at=event.answered_at,
    )
    if not attempts.settle(session, tenant_id=event.tenant_id, attempt_id=event.attempt_id, end=end):
        return None
    return lambda: _tell_campaigns(house, event.tenant_id)


def _tell_campaigns(house: House, tenant_id: TenantId) -> None:
    """Wake the pages that show campaigns."""
    house.realtime.publish(tenant_id, LIVE_TOPIC, {})


def _tell_of_message(house: House, session: Session, event: RecordingSealed) -> After:
    """Tell the consoles of who serves the queue that a caller has left a message."""
    queue_id = voicemail.left_for(session, tenant_id=event.tenant_id, call_id=event.call_id)
    if queue_id is None:
        return None

    def tell() -> None:
        with house.gate.open(Scope.system(OPERATOR)) as floor:
            to = desk.agents_for_queue(floor, queue_id=queue_id)
        house.realtime.publish_all(OPERATOR, {f"agent:{one}": {"type": "message-left"} for one in to})

    return tell


SUBSCRIPTIONS: tuple[Subscription, ...] = (
    InTransaction(RecordingSealed, "messages.tell", _tell_of_message),
    InTransaction(RecordingCaptured, "recordings.seal", _seal_recording),
    InTransaction(SeatRentalChanged, "rentals.mirror", _mirror_rental, whose=lambda e: e.renter_tenant_id),
    InTransaction(DialCleared, "dials.order", _order_dial, whose=lambda _: OPERATOR),
    InTransaction(NumberRentalChanged, "numbers.follow", _follow_number, whose=lambda e: e.renter_tenant_id),
    InTransaction(InvoiceFinalised, "invoices.archive", _archive_invoice),
    InTransaction(InvoiceFinalised, "ledger.invoice", _post_invoice),
    Alone(InvoiceFinalised, "payments.collect", _collect),
    InTransaction(InvoicePaid, "dunning.resume", _go_on_spending),
    Alone(InvoicePaid, "invoices.copy", _keep_copy),
    InTransaction(WalletLow, "wallets.low", _tell_wallet_low),
    Alone(TopUpWanted, "wallets.top-up", topping_up.by_itself),
    InTransaction(TopUpFailed, "wallets.top-up-stopped", _tell_top_up_stopped),
    Alone(ProviderNewsCame, "payments.news", _hear_news),
    Alone(PriceListPublished, "prices.hand-over", _hand_prices_over),
    Alone(CostShareAgreed, "cost-shares.mirror", sharing.tell),
    Alone(CallsShared, "cost-shares.charge", sharing.charge),
    Alone(MonthAsked, "invoices.month", closing.month),
    Alone(RateDeckAsked, decks.KIND, decks.run),
    Alone(ReconciliationAsked, reconciling.KIND, reconciling.go_on),
    Alone(RerunAsked, rerating.LOOKING, rerating.look),
    Alone(RerunApproved, rerating.APPLYING, rerating.apply),
    Alone(RatingAsked, "usage.rate-again", closing.rate_again),
    Alone(KeyRotationAsked, "keys.rotate", rotation.rotate),
    Alone(WebhookOwed, "webhooks.deliver", _deliver),
    Alone(PersonErasureAsked, erasing.KIND, erasing.run),
    Alone(CompanyExportAsked, exporting.KIND, exporting.run),
    Alone(DownloadAsked, downloading.KIND, downloading.run),
    Alone(RoutingTrialAsked, trying.KIND, trying.run),
    Alone(LetterOwed, "letters.send", _send_letter),
    Alone(ResetAsked, "resets.answer", _answer_reset),
    *(_tell(told) for told in TOLD),
    Alone(AlarmRaised, "alarms.operator", _tell_operator),
    Alone(AgreementPublished, "agreements.published", _follow_agreement),
    InTransaction(SignerSettled, "agreements.signer", _follow_signer, whose=lambda _event: OPERATOR),
    Alone(SignerSettled, "agreements.shut-out", _end_sessions),
    InTransaction(DialEnded, "campaigns.settle", _settle_attempt),
    InTransaction(DialEnded, "calls-out.watch", _watch_calls_out),
    InTransaction(DialEnded, "promised-calls.settle", _settle_promise),
    InTransaction(CampaignTurned, "campaigns.round", _note_round, whose=lambda _event: OPERATOR),
    InTransaction(LeadFileConfirmed, "leads.unpack", _unpack_leads),
    InTransaction(LeadRowsWaiting, "leads.read", _read_leads),
    InTransaction(LeadFileRead, "leads.forget-file", _forget_lead_file),
)

# Announced, and nobody listens yet; each with the room that will.
UNHEARD: dict[type[Event], str] = {}


def named(name: str) -> Subscription | None:
    """Return the subscription of that name, or None when this version of the code has none."""
    return _BY_NAME.get(name)


def known_events() -> frozenset[str]:
    """Return the names of all events this version of the code knows, heard or not."""
    return frozenset(one.event.name for one in SUBSCRIPTIONS) | {event.name for event in UNHEARD}


def heard(event_name: str) -> tuple[Subscription, ...]:
    """Return the subscriptions to an event, by the event's name."""
    return tuple(one for one in SUBSCRIPTIONS if one.event.name == event_name)


_BY_NAME = {one.name: one for one in SUBSCRIPTIONS}
