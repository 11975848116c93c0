"""The list of calls, one call, and the look at a number that is kept masked."""

import datetime as dt
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import Any

from flask import Response, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import invoices as billing
from billing import periods
from billing.invoices import Trace
from core import ids
from core.ids import CallId, QueueId, TenantId
from core.phone import E164, InvalidNumberError, international, mask, parse_e164
from customers import glance, reveals
from security.vault import Field, SealError
from telephony import calls as telephony
from telephony import queues, recording
from telephony.calls import Call, Filter, Step
from telephony.errors import RecordingNotFoundError
from tenants import users
from web import i18n, identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import audio, invoices, steps, wording
from web.shown import calls as shown

_PAGE = 25
_LONGEST_AGENT = 9
_PART = "calls-found"


@dataclass(frozen=True, slots=True)
class Rating:
    """What a call cost, and by which price; see templates/portal/call.html."""

    price_list: str
    version: int
    prefix: str
    destination: str
    billed_s: int
    rate_nano: int | None
    charge_nano: int
    currency: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The invoice line a call stands on: of an invoice, of a draft, or of the running bill."""

    state: str
    number: str
    line_no: int
    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Player:
    """A recording that can be heard."""

    url: str
    download_url: str
    peaks_url: str
    duration_s: float
    channels: int
    peaks: tuple[tuple[int, int], ...]
    holds: list[tuple[float, float]]
    sha256: str


@dataclass(slots=True)
class _Chosen:
    """The filters as they stand in the address."""

    queue: str = ""
    agent: str = ""
    outcome: str = ""
    from_on: str = ""
    to_on: str = ""
    caller: str = ""
    caller_shown: str = ""

    def kept(self) -> dict[str, str]:
        """Return the filters as an address carries them."""
        named = {
            "queue": self.queue,
            "agent": self.agent,
            "outcome": self.outcome,
            "from": self.from_on,
            "to": self.to_on,
            "caller": self.caller,
        }
        return {name: value for name, value in named.items() if value}


@pages.get("/calls")
@permission("calls.read")
def call_list() -> str:
    """Show calls, newest first, filtered; htmx gets the part with the table alone."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    chosen, wanted = _filters()
    found = telephony.page(
        session,
        tenant_id=who.tenant_id,
        vault=vault,
        wanted=wanted,
        after=_place("after"),
        before=_place("before"),
        limit=_PAGE,
    )
    return render_list(
        found.calls,
        newer=_link("before", found.preceding, chosen),
        older=_link("after", found.following, chosen),
        filters=chosen,
        queues=[
            (ids.public("que", one.queue_id), one.name)
            for one in queues.all_of(session, tenant_id=who.tenant_id)
        ],
        dispositions=list(
            shown.disposition_words(session, tenant_id=who.tenant_id, language=i18n.language()).items()
        ),
    )


@pages.post("/calls/find")
@permission("calls.read")
def find_caller() -> BaseResponse:
    """Look for a caller's number: sealed before it enters an address, because histories keep those."""
    who = identity.current()
    try:
        number = parse_e164(request.form.get("caller", ""), region=who.company.country)
    except InvalidNumberError:
        flash(gettext("That is not a telephone number. Write it like +44 7700 900123."), "bad")
        return redirect(url_for("portal.call_list"), 303)
    sealed = scope.services().vault.seal(_search_field(who.tenant_id), number)
    token = urlsafe_b64encode(sealed).decode().rstrip("=")
    return redirect(url_for("portal.call_list", caller=token), 303)


@pages.get("/calls/<call_id>")
@permission("calls.read")
def one_call(call_id: str) -> str:
    """Show one call: what happened, its recording, its cost."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    found = find(call_id)
    happened = telephony.timeline(session, tenant_id=who.tenant_id, call_id=found.call_id)
    people = users.names(session, tenant_id=who.tenant_id, vault=vault, user_ids=steps.lookers(happened))
    words = shown.disposition_words(session, tenant_id=who.tenant_id, language=i18n.language())
    customer = _masked_name(found)
    rating, standing = _cost(found)
    return render_template(
        "portal/call.html",
        call={
            "id": ids.public("call", found.call_id),
            "who": shown.who(found, customer),
            "customer": customer,
            "started_at": found.arrived_at,
            "ended_at": found.ended_at,
            "number": found.dialled,
            "caller": shown.mask_caller(found),
            "caller_reveal_url": _reveal_url(found),
            "queue": found.queue_name,
            "agent": shown.agent(found.agent_number if found.bridged_at else None),
            "seat": found.seat_label if found.bridged_at else None,
            "outcome": shown.outcome(found),
            "disposition": words.get(found.disposition, found.disposition) if found.disposition else "",
            "wait_s": shown.wait_s(found),
            "talk_s": shown.talk_s(found),
        },
        timeline=steps.story(happened, call=found, people=people),
        recording=_player(found, happened),
        recording_state=_recording_state(found),
        rating=rating,
        invoice=standing,
    )


@pages.post("/calls/<call_id>/reveal")
@permission("customers.read")
def reveal(call_id: str) -> Response:
    """Return the caller's number in full; who looked is written into the call, for good."""
    who, session = identity.current(), scope.session()
    found = find(call_id)
    telephony.look(
        session, tenant_id=who.tenant_id, call_id=found.call_id, kind=steps.REVEALED, by=who.principal_id
    )
    if found.customer_id is not None:
        reveals.reveal(
            session,
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            customer_id=found.customer_id,
            field="phone",
            principal_id=who.principal_id,
            subject_ref=found.call_id,
        )
    return jsonify({"value": international(found.caller) if found.caller else shown.mask_caller(found)})


@pages.get("/calls/<call_id>/recording")
@permission("recordings.listen")
def play(call_id: str) -> Response:
    """Return the recording, or the range of it that the player asks for."""
    return audio.serve(find(call_id).call_id, is_download="download" in request.args)


@pages.get("/calls/<call_id>/peaks")
@permission("recordings.listen")
def peaks(call_id: str) -> Response:
    """Return the recording's loudness along its length, worked out here: the browser need not fetch it all.

    Raises:
        RecordingNotFoundError: there is none that can be played.
    """
    who, found = identity.current(), find(call_id)
    if found.recording_id is None:
        raise RecordingNotFoundError
    opened = audio.open_recording(tenant_id=who.tenant_id, recording_id=found.recording_id)
    try:
        loud = audio.loudness(opened)
    finally:
        opened.close()
    return jsonify({"duration_s": loud.duration_s, "channels": loud.channels, "peaks": loud.peaks})


def find(call_id: str) -> Call:
    """Return a call of the asker's company by its outside id.

    Raises:
        CallNotFoundError, UnknownIdError: not there, or not yours.
    """
    return telephony.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        call_id=CallId(ids.parse("call", call_id)),
        vault=scope.services().vault,
    )


def render_list(found: Any, *, newer: str | None, older: str | None, **more: Any) -> str:  # noqa: ANN401 - the template's
    """Return the page of calls, or its table alone when htmx asks for that."""
    rows = shown.rows(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        calls=found,
        language=i18n.language(),
        currency=identity.current().company.currency,
    )
    is_part = request.headers.get("HX-Target", "").endswith(f"#{_PART}")
    return render_template(
        "portal/_calls_found.html" if is_part else "portal/calls.html",
        calls=rows,
        newer=newer,
        older=older,
        **more,
    )


def _filters() -> tuple[_Chosen, Filter]:
    """Return the filters of the address, and what they ask for; one that makes no sense is left out."""
    who, args = identity.current(), request.args
    chosen = _Chosen(
        queue=args.get("queue", ""),
        outcome=args.get("outcome", "") if args.get("outcome", "").isprintable() else "",
        from_on=args.get("from", ""),
        to_on=args.get("to", ""),
    )
    agent = args.get("agent", "")
    if agent.isascii() and agent.isdigit() and len(agent) <= _LONGEST_AGENT:
        chosen.agent = agent
    caller = _caller(args.get("caller", ""), who.tenant_id)
    if caller:
        chosen.caller, chosen.caller_shown = args["caller"], mask(caller)
    first, last = _day(chosen.from_on), _day(chosen.to_on)
    zone = i18n.zone()
    return chosen, Filter(
        queue_id=QueueId(ids.parse("que", chosen.queue)) if chosen.queue else None,
        agent_number=int(chosen.agent) if chosen.agent else None,
        caller=caller,
        outcome=chosen.outcome or None,
        since=periods.day_start(first, zone=zone) if first else None,
        until=periods.day_start(last + dt.timedelta(days=1), zone=zone) if last else None,
    )


def _place(name: str) -> tuple[dt.datetime, CallId] | None:
    """Return where a page goes on: a call of this company, by its id."""
    text = request.args.get(name)
    if not text:
        return None
    found = find(text)
    return found.arrived_at, found.call_id


def _link(name: str, place: tuple[dt.datetime, CallId] | None, chosen: _Chosen) -> str | None:
    if place is None:
        return None
    values: dict[str, Any] = {**chosen.kept(), name: ids.public("call", place[1])}
    return url_for("portal.call_list", **values)


def _day(text: str) -> dt.date | None:
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return found if dt.date(1970, 1, 2) <= found <= dt.date(9000, 1, 1) else None


def _search_field(tenant_id: TenantId) -> Field:
    return Field(tenant_id, "calls", "search", tenant_id, 1)


def _caller(token: str, tenant_id: TenantId) -> E164 | None:
    if not token or not token.isascii():
        return None
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return E164(scope.services().vault.open(_search_field(tenant_id), sealed))
    except (SealError, Base64Error, ValueError):
        return None


def _masked_name(found: Call) -> str | None:
    if found.customer_id is None:
        return None
    names = glance.masked_names(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        customer_ids=[found.customer_id],
    )
    return names.get(found.customer_id)


def _reveal_url(found: Call) -> str | None:
    if not found.caller or "customers.read" not in identity.current().permissions:
        return None
    return url_for("portal.reveal", call_id=ids.public("call", found.call_id))


def _recording_state(found: Call) -> str:
    """Return what to say where no player stands: none, soon, closed, or empty when it can be heard."""
    if found.recording_id is None or found.recording_state == "missing":
        return "none"
    if found.recording_state != "sealed":
        return "soon"
    return "" if "recordings.listen" in identity.current().permissions else "closed"


def _player(found: Call, happened: list[Step]) -> Player | None:
    if _recording_state(found) or found.recording_id is None:
        return None
    sealed = recording.of_call(scope.session(), tenant_id=found.tenant_id, call_id=found.call_id)
    opened = audio.open_recording(tenant_id=found.tenant_id, recording_id=found.recording_id)
    try:
        loud = audio.loudness(opened)
    finally:
        opened.close()
    length_s = loud.duration_s or (sealed.duration_ms or 0) / 1000
    call_id = ids.public("call", found.call_id)
    return Player(
        url=url_for("portal.play", call_id=call_id),
        download_url=url_for("portal.play", call_id=call_id, download=1),
        peaks_url=url_for("portal.peaks", call_id=call_id),
        duration_s=length_s,
        channels=loud.channels,
        peaks=loud.peaks,
        holds=steps.holds(happened, started_at=sealed.started_at, length_s=length_s),
        sha256=sealed.sha256 or "",
    )


def _cost(found: Call) -> tuple[Rating | None, Standing | None]:
    """Return what the call cost and the line it stands on; nothing while it has no price."""
    who = identity.current()
    traced = billing.trace(scope.session(), tenant_id=who.tenant_id, subject_ref=found.call_id)
    if not traced or traced[0].amount_nano is None:
        return None, None
    one = traced[0]
    return _rating(one), _standing(one) if "invoices.read" in who.permissions else None


def _rating(one: Trace) -> Rating:
    names = one.line.line.names if one.line else {}
    return Rating(
        price_list=one.price_list or "",
        version=one.version or 0,
        prefix=one.prefix or "",
        destination=wording.named(names, one.destination or ""),
        billed_s=one.billed_seconds or 0,
        rate_nano=one.line.line.unit_nano if one.line else None,
        charge_nano=one.amount_nano or 0,
        currency=one.currency or "",
    )


def _standing(one: Trace) -> Standing | None:
    if one.line is None:
        return None
    line = one.line.line
    href = url_for("portal.bill_preview")
    if one.line.invoice_id is not None:
        invoice_id = ids.public("inv", one.line.invoice_id)
        href = url_for("portal.calls_of_line", invoice_id=invoice_id, line_no=line.line_no)
    return Standing(one.line.state, one.line.number or "", line.line_no, invoices.line_name(line), href)
