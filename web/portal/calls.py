"""The list of calls, one call, and the look at a number that is kept masked."""

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from flask import Response, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from billing import invoices as billing
from billing import periods
from billing.invoices import Trace
from core import clock, ids
from core.ids import CallId, QueueId, public
from core.money import NANO
from core.phone import E164, InvalidNumberError, international, mask, parse_e164
from core.storage import ObjectMissingError
from customers import glance, reveals
from security import evidence
from security.vault import SealError
from telephony import calls as telephony
from telephony import hearings, queues, recording
from telephony.calls import Call, Filter, Order, Step
from telephony.errors import RecordingNotFoundError
from telephony.hearings import HeardFor
from tenants import users
from web import i18n, identity, said, scope, tables, tampered
from web.guards import permission
from web.portal.views import pages
from web.shown import audio, invoices, steps, wording
from web.shown import calls as shown
from web.shown.calls import CallRow
from web.words import HEARD_FOR


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


def queue_words() -> tables.Words:
    """Return the company's open queues, for a filter."""
    found = queues.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return [(ids.public("que", one.queue_id), one.name) for one in found]


def outcome_words() -> tables.Words:
    """Return how a call may end, for a filter."""
    words = shown.disposition_words(
        scope.session(), tenant_id=identity.current().tenant_id, language=i18n.language()
    )
    return [
        ("answered", gettext("Answered")),
        ("abandoned", gettext("Gave up")),
        ("message", gettext("Left a message")),
        *words.items(),
    ]


def _directions() -> tables.Words:
    return [("inbound", gettext("In")), ("outbound", gettext("Out"))]


def _kept() -> tables.Words:
    return [("yes", gettext("recorded")), ("no", gettext("not recorded"))]


def _cost(row: CallRow) -> object:
    return None if row.charge_nano is None else (Decimal(row.charge_nano) / NANO, row.currency)


COLUMNS: tuple[tables.Column[CallRow], ...] = (
    tables.Column("started", _l("Started"), lambda row: row.started_at, sorts=True),
    tables.Column("who", _l("Customer"), lambda row: row.who),
    tables.Column("queue", _l("Queue"), lambda row: row.queue),
    tables.Column("agent", _l("Agent"), lambda row: row.agent),
    tables.Column("outcome", _l("Outcome"), lambda row: row.disposition or row.outcome),
    tables.Column("wait", _l("Wait"), lambda row: row.wait_s, sorts=True, cls="r", unit="s"),
    tables.Column("talk", _l("Talk"), lambda row: row.talk_s, sorts=True, cls="r", unit="s"),
    tables.Column("cost", _l("Cost"), _cost, cls="r"),
)
CALLS = tables.Table(
    "calls",
    COLUMNS,
    filters=(
        tables.Choice("direction", _l("Direction"), _directions),
        tables.Choice("queue", _l("Queue"), queue_words),
        tables.Choice("outcome", _l("Outcome"), outcome_words),
        tables.Choice("recording", _l("Recording"), _kept),
        tables.Digits("agent", _l("Agent"), placeholder="1001"),
        tables.Day("from", _l("From")),
        tables.Day("to", _l("To")),
        tables.Sealed("caller", _l("Caller"), shown=lambda number: mask(E164(number))),
    ),
    order="-started",
)
# the calls behind one invoice line: newest first, nothing to choose
BEHIND = tables.Table("calls-of-line", tuple(replace(one, sorts=False) for one in COLUMNS))


@pages.get("/calls")
@permission("calls.read")
def call_list() -> str | BaseResponse:
    """Show calls, newest first unless asked otherwise, filtered."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault

    def fetch(asked: tables.Asked) -> tables.Slice[CallRow]:
        wanted = _wanted(asked)
        found = telephony.page(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            wanted=wanted,
            after=place(asked.after),
            before=place(asked.before),
            limit=asked.size,
            order=Order(asked.sort),
            is_down=asked.is_down,
        )
        return tables.Slice(
            rows(found.calls),
            following=goes_on("after", found.following),
            preceding=goes_on("before", found.preceding),
            **counted(wanted, most=asked.counted) if not asked.export else {},
        )

    return tables.show(CALLS, "portal/calls.html", fetch, line=None)


@pages.post("/calls/find")
@permission("calls.read")
def find_caller() -> BaseResponse:
    """Look for a caller's number: sealed before it enters an address, because histories keep those."""
    try:
        number = parse_e164(request.form.get("caller", ""), region=identity.current().company.country)
    except InvalidNumberError:
        said.refused(gettext("That is not a telephone number. Write it like +44 7700 900123."))
        return redirect(url_for("portal.call_list"), 303)
    return tables.seal_into(url_for("portal.call_list"), "caller", number)


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
    rating, standing = _charged(found)
    player = _player(found, happened)
    return render_template(
        "portal/call.html",
        call={
            "id": ids.public("call", found.call_id),
            "who": shown.who(found, customer),
            "customer": customer,
            "inbound": found.direction == telephony.INBOUND,
            "started_at": found.arrived_at,
            "ended_at": found.ended_at,
            "number": found.dialled,
            "caller": shown.mask_caller(found),
            "caller_reveal_url": _reveal_url(found),
            "queue": found.queue_name,
            "agent": shown.agent(found.agent_number if found.bridged_at else None),
            "seat": found.seat_label if found.bridged_at else None,
            "outcome": shown.outcome(found),
            "disposition": _disposition(found, words),
            "wait_s": shown.wait_s(found),
            "talk_s": shown.talk_s(found),
            "best": found.survey_most,
            "rated": found.survey_rating,
        },
        parts=_parts(found, words),
        timeline=steps.story(happened, call=found, people=people),
        recording=player,
        recording_state=_recording_state(found) or ("" if player else "broken"),
        reasons=[(one.value, str(HEARD_FOR[one])) for one in HeardFor],
        rating=rating,
        invoice=standing,
    )


def _parts(call: Call, words: Mapping[str, str]) -> list[dict[str, object]]:
    """Return who had which part of a call, where more than one agent has had to do with it."""
    legs = telephony.legs(scope.session(), tenant_id=call.tenant_id, call_id=call.call_id)
    return [
        {
            "agent": shown.agent(leg.agent_number) or gettext("Number outside"),
            "href": "" if leg.agent_number is not None else f"/portal/calls/{public('call', leg.leg_id)}",
            "queue": leg.queue_name,
            "from": leg.joined_at,
            "length_s": ((leg.left_at or clock.now()) - leg.joined_at).total_seconds(),
            "how": steps.left(leg.how),
            "disposition": words.get(leg.disposition or "", leg.disposition or ""),
        }
        for leg in legs
    ]


@pages.post("/calls/<call_id>/reveal")
@permission("customers.read")
def reveal(call_id: str) -> Response:
    """Return the caller's number in full; who looked is written into the call, for good."""
    who, session = identity.current(), scope.session()
    found = find(call_id)
    telephony.look(
        session, tenant_id=who.tenant_id, call_id=found.call_id, kind=steps.REVEALED, by=who.principal_id
    )
    evidence.record(session, "number.revealed", "call", found.call_id)
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


@pages.post("/calls/<call_id>/hearing")
@permission("recordings.listen")
def open_recording(call_id: str) -> BaseResponse:
    """Keep why somebody wants to hear the recording; the player stands on the page then."""
    who, found = identity.current(), find(call_id)
    why = request.form.get("why", "")
    if why in set(HeardFor):
        hearings.open_for(
            scope.session(),
            tenant_id=who.tenant_id,
            call_id=found.call_id,
            why=HeardFor(why),
            by=who.principal_id,
        )
    else:
        said.refused(gettext("Choose what you hear the recording for."))
    return redirect(f"{url_for('portal.one_call', call_id=call_id)}#rec", 303)


@pages.post("/calls/<call_id>/recording/check")
@permission("recordings.listen")
def check_recording(call_id: str) -> BaseResponse:
    """Compare the stored recording with the hash taken when it was sealed."""
    found = find(call_id)
    if recording.is_whole(
        scope.session(),
        tenant_id=found.tenant_id,
        call_id=found.call_id,
        storage=scope.services().storage,
    ):
        said.done(gettext("The recording is, byte for byte, as it was sealed."))
    else:
        said.refused(gettext("The recording is not as it was sealed. Ask the operator what happened to it."))
    return redirect(f"{url_for('portal.one_call', call_id=call_id)}#rec", 303)


@pages.get("/calls/<call_id>/recording")
@permission("recordings.listen")
def play(call_id: str) -> Response:
    """Return the recording, or the range of it that the player asks for, to who has said what for."""
    who, found = identity.current(), find(call_id)
    why = hearings.insist(
        scope.session(), tenant_id=who.tenant_id, call_id=found.call_id, by=who.principal_id
    )
    return audio.serve(found.call_id, why=why, is_download="download" in request.args)


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


def rows(found: Sequence[Call]) -> list[CallRow]:
    """Return calls as rows of a list."""
    who = identity.current()
    return shown.rows(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        calls=found,
        language=i18n.language(),
        currency=who.company.currency,
    )


def _wanted(asked: tables.Asked) -> Filter:
    """Return what the filters ask for; days are the reader's own."""
    first, last, zone = asked.day("from"), asked.day("to"), i18n.zone()
    caller = asked.clear("caller")
    return Filter(
        queue_id=QueueId(ids.parse("que", asked.get("queue"))) if asked.get("queue") else None,
        agent_number=int(asked.get("agent")) if asked.get("agent") else None,
        caller=E164(caller) if caller else None,
        outcome=asked.get("outcome") or None,
        direction=asked.get("direction") or None,
        is_recorded={"yes": True, "no": False}.get(asked.get("recording")),
        since=periods.day_start(first, zone=zone) if first else None,
        until=periods.day_start(last + dt.timedelta(days=1), zone=zone) if last else None,
    )


def counted(wanted: Filter, *, most: int) -> dict[str, Any]:
    """Return how many calls match, as a slice of a table says it."""
    found = telephony.add_up(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        wanted=wanted,
        most=most,
    )
    return {"total": found.calls, "at_least": found.at_least}


def place(text: str) -> tuple[dt.datetime, CallId] | None:
    """Return where a page goes on: a call of this company, by its id."""
    if not text:
        return None
    found = find(text)
    return found.arrived_at, found.call_id


def goes_on(name: str, place: tuple[dt.datetime, CallId] | None) -> dict[str, str] | None:
    """Return what the address of the next, or the previous, page adds."""
    return {name: ids.public("call", place[1])} if place else None


def _masked_name(found: Call) -> str | None:
    if found.customer_id is None:
        return None
    names = glance.masked_names(
        scope.session(),
        tenant_id=found.tenant_id,
        vault=scope.services().vault,
        customer_ids=[found.customer_id],
        broken=tampered.tell,
    )
    return names.get(found.customer_id)


def _reveal_url(found: Call) -> str | None:
    if not found.caller or "customers.read" not in identity.current().permissions:
        return None
    return url_for("portal.reveal", call_id=ids.public("call", found.call_id))


def _recording_state(found: Call) -> str:
    """Return what to say where no player stands: none, soon, closed, why, or empty when it can be heard."""
    who = identity.current()
    if found.recording_id is None or found.recording_state == "missing":
        return "none"
    if found.recording_state != "sealed":
        return "soon"
    if "recordings.listen" not in who.permissions:
        return "closed"
    has_said = hearings.reason(
        scope.session(), tenant_id=who.tenant_id, call_id=found.call_id, by=who.principal_id
    )
    return "" if has_said else "why"


def _player(found: Call, happened: list[Step]) -> Player | None:
    if _recording_state(found) or found.recording_id is None:
        return None
    sealed = recording.of_call(scope.session(), tenant_id=found.tenant_id, call_id=found.call_id)
    loud = _loudness(found)
    if loud is None:
        return None
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


def _loudness(found: Call) -> audio.Loudness | None:
    """Return how loud a call's recording is; None: it is gone, or it is not what was sealed."""
    assert found.recording_id is not None  # noqa: S101 - asked before
    try:
        opened = audio.open_recording(tenant_id=found.tenant_id, recording_id=found.recording_id)
        with closing(opened):
            return audio.loudness(opened)
    except ObjectMissingError:
        return None
    except SealError as error:  # the rest of the call is as it was
        tampered.tell(error)
        return None


def _charged(found: Call) -> tuple[Rating | None, Standing | None]:
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


def _disposition(call: Call, words: dict[str, str]) -> str:
    """Return the outcome in words; of a wrap-up that ended by the clock that there is none."""
    if call.disposition:
        return words.get(call.disposition, call.disposition)
    return gettext("No outcome given") if call.wrapped_at and call.bridged_at else ""
