"""Numbers: what the company rents and how callers are received; finding, renting and giving back."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from billing.errors import BillingAccountNotFoundError
from core import clock, ids
from core.errors import SeatlineError
from core.ids import NumberId, QueueId, new_id
from core.money import Money, nano_to_minor
from core.phone import international, mask, parse_e164
from seats.errors import RentalLimitError, RentalNotFoundError
from telephony import caller_numbers as asked
from telephony import numbers, queues
from telephony.caller_numbers import CallerNumberState
from telephony.errors import NumberChangedError, NumberNotFoundError, QueueNotFoundError
from telephony.number_rentals import UNDO, Offered, Settings
from telephony.numbers import Forwarding, Number
from telephony.outbound import forwarding
from web import edits, identity, renting, said, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import caller_numbers, rights, wallets, wording
from web.shown.rights import RightShown

_HERE = "/portal/numbers"
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_LONGEST_GREETING = 500
_LANGUAGES = frozenset({"en", "zh"})


class NumberFormError(SeatlineError):
    """The greeting is too long or not text, or the language is not spoken here."""

    code = "number-form"
    kind = "invalid"


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One rented number; see templates/portal/numbers.html."""

    id: str
    number: str
    kind: str
    queue_id: str
    entry: str
    greeting: str
    language: str
    revision: int
    since: dt.datetime | None
    forwards: str
    forward_to: str
    keys: str = ""
    right: RightShown | None = None


@dataclass(frozen=True, slots=True)
class GoneRow:
    """A number given back: `undo` is the rental to take back, "" when it is too late for that."""

    number: str
    undo: str
    rests_until: dt.datetime | None
    stray_calls: int
    strayed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class OfferRow:
    """A number that can be rented; `month` is None where it has no price."""

    id: str
    number: str
    kind: str
    kind_code: str
    region: str
    month: Money | None
    now: Money | None
    held_until: dt.datetime | None
    stray_calls: int
    strayed_at: dt.datetime | None


@pages.get("/numbers")
@permission("numbers.read")
def number_list() -> str:
    """Show the company's numbers, and what the stock has that fits."""
    who, session = identity.current(), scope.session()
    digits, kind = request.args.get("digits", "")[:40], request.args.get("kind", "")
    may_rent = "numbers.rent" in who.permissions
    found = queues.all_of(session, tenant_id=who.tenant_id)
    names = {queue.queue_id: queue.name for queue in found}
    now = clock.now()
    every = numbers.ever(session, tenant_id=who.tenant_id)
    # who has none comes for one, and need not guess digits first
    looked = may_rent and ("digits" in request.args or all(one.released_at for one in every))
    held = renting.held_numbers() if may_rent else []
    found_free = renting.find_numbers(digits=digits, kind=kind) if looked else []
    return render_template(
        "portal/numbers.html",
        numbers=[_row(one, names, may_rent=may_rent) for one in every if one.released_at is None],
        released=_gone(every, now) if may_rent else [],
        held=[_offer(one) for one in held],
        queues=[(ids.public("que", one.queue_id), one.name) for one in found],
        kinds=[(code, wording.number_kind(code)) for code in wording.NUMBER_KINDS],
        digits=digits,
        kind=kind,
        looked=looked,
        offers=[_offer(one) for one in found_free if one.held_until is None],
        request_key=str(new_id()),
        may_rent=may_rent,
        elsewhere=[
            caller_numbers.row(one, queue=names.get(one.asked.queue_id, ""))
            for one in asked.all_of(session, tenant_id=who.tenant_id)
            if one.state is CallerNumberState.ALLOWED
        ],
    )


@pages.post("/numbers/rent")
@permission("numbers.rent")
def rent_number() -> Response:
    """Rent a number from now on; the same form sent twice rents once."""
    form = request.form
    try:
        queue_id, greeting, language = _settings()
        made = renting.rent_number(
            scope.session(),
            NumberId(ids.parse("num", form.get("number", ""))),
            Settings(queue_id, greeting, language),
            request_key=UUID(form.get("request_key", "") or str(new_id())),
            kind=form.get("kind", ""),
        )
    except ValueError:
        return _refused(NumberFormError())
    except SeatlineError as error:
        return _refused(error)
    said.done(
        gettext("%(number)s is yours: callers reach you from now on.", number=international(made.digits))
    )
    return redirect(_HERE, 303)


@pages.post("/numbers/hold")
@permission("numbers.rent")
def hold_number() -> Response:
    """Keep a free number for the company while it decides."""
    try:
        held = renting.hold_number(
            scope.session(), NumberId(ids.parse("num", request.form.get("number", "")))
        )
    except SeatlineError as error:
        return _refused(error)
    said.done(gettext("%(number)s is held for you for two hours.", number=international(held.digits)))
    return redirect(_HERE, 303)


@pages.post("/numbers/holds/<number_id>/end")
@permission("numbers.rent")
def end_hold(number_id: str) -> Response:
    """Let a number go that the company holds."""
    renting.let_number_go(NumberId(ids.parse("num", number_id)))
    said.done(gettext("The number is let go; somebody else may rent it now."))
    return redirect(_HERE, 303)


@pages.post("/numbers/<number_id>")
@permission("numbers.rent")
def save_number(number_id: str) -> Response:
    """Change what callers hear and where they go; when somebody saved first, show both."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    wanted = NumberId(ids.parse("num", number_id))
    given = edits.given(_fields(), request.form)
    try:
        queue_id, greeting, language = _settings(given)
        saved = numbers.set_up(
            session,
            tenant_id=tenant_id,
            number_id=wanted,
            queue_id=queue_id,
            greeting=greeting,
            language=language,
            revision=edits.revision(request.form),
        )
    except NumberChangedError:
        now = numbers.get(session, tenant_id=tenant_id, number_id=wanted)
        return edits.conflicting(
            international(now.digits),
            edits.differences(_fields(), yours=given, theirs=_typed(now)),
            action=f"{_HERE}/{number_id}",
            revision=now.revision,
            back=_HERE,
            nav="numbers",
        )
    except SeatlineError as error:
        return _refused(error)
    renting.tell_switchboard()
    said.done(
        gettext("%(number)s: saved. It counts from the next call on.", number=international(saved.digits))
    )
    return redirect(_HERE, 303)


@pages.post("/numbers/<number_id>/forward")
@permission("numbers.rent")
def forward_number(number_id: str) -> Response:
    """Forward callers to the company's own phone from the next call on; without a phone no more."""
    tenant_id, phone = identity.current().tenant_id, request.form.get("phone", "").strip()
    wanted = NumberId(ids.parse("num", number_id))
    numbers.get(scope.session(), tenant_id=tenant_id, number_id=wanted)
    try:
        saved = forwarding.set_up(
            scope.session(),
            tenant_id=tenant_id,
            number_id=wanted,
            to=parse_e164(phone) if phone else None,
            when=Forwarding(request.form.get("when", "")),
            revision=edits.revision(request.form),
            vault=scope.services().vault,
        )
    except ValueError:
        return _refused(NumberFormError())
    except SeatlineError as error:
        return _refused(error)
    renting.tell_switchboard()
    said.done(
        gettext("%(number)s forwards its callers from the next call on.", number=international(saved.digits))
        if saved.forwards
        else gettext("%(number)s forwards nobody any more.", number=international(saved.digits))
    )
    return redirect(_HERE, 303)


@pages.post("/numbers/<number_id>/release")
@permission("numbers.rent")
def release_number(number_id: str) -> Response:
    """Give a number back now, or go out of a shared short code."""
    here = NumberId(ids.parse("num", number_id))
    try:
        is_shared = numbers.get(scope.session(), tenant_id=identity.current().tenant_id, number_id=here).keys
        gone = renting.release_number(scope.session(), here)
    except SeatlineError as error:
        return _refused(error)
    if is_shared:
        said.done(gettext("Nobody reaches you by %(code)s any more.", code=gone.digits))
        return redirect(_HERE, 303)
    said.done(
        gettext("%(number)s is given back.", number=international(gone.digits)),
        undo=f"{_HERE}/rentals/{gone.id}/restore",
    )
    return redirect(_HERE, 303)


@pages.post("/numbers/rentals/<uuid:rental_id>/restore")
@permission("numbers.rent")
def restore_number(rental_id: UUID) -> Response:
    """Take a release back."""
    try:
        back = renting.restore_number(scope.session(), rental_id)
    except SeatlineError as error:
        return _refused(error)
    said.done(gettext("%(number)s is yours again.", number=international(back.digits)))
    return redirect(_HERE, 303)


def _fields() -> list[edits.Field]:
    return [
        edits.Field("queue", gettext("Calls go to")),
        edits.Field("greeting", gettext("Callers hear")),
        edits.Field("language", gettext("Spoken in")),
    ]


def _typed(number: Number) -> dict[str, str]:
    return {
        "queue": ids.public("que", number.queue_id),
        "greeting": number.greeting,
        "language": number.language,
    }


def _settings(given: dict[str, str] | None = None) -> tuple[QueueId, str, str]:
    form = given or {one.name: request.form.get(one.name, "").strip() for one in _fields()}
    greeting, language = form["greeting"], form["language"]
    if len(greeting) > _LONGEST_GREETING or not greeting.isprintable() or language not in _LANGUAGES:
        raise NumberFormError
    try:
        return QueueId(ids.parse("que", form["queue"])), greeting, language
    except SeatlineError as error:
        raise QueueNotFoundError from error


def _gone(every: list[Number], now: dt.datetime) -> list[GoneRow]:
    """Return what was given back lately: what may be taken back, and who still called what rests."""
    resting = {one.digits: one for one in renting.resting_numbers()}
    rows = []
    for one in every:
        rests = resting.get(one.digits)
        is_late = one.released_at is None or one.released_at <= now - UNDO
        # a share of a short code that was left is nobody's to take back: the operator gives it anew
        if one.keys or one.released_at is None or (is_late and rests is None):
            continue
        rows.append(
            GoneRow(
                one.digits,
                "" if is_late or one.rental_id is None else str(one.rental_id),
                rests.rests_until if rests else None,
                rests.stray_calls if rests else 0,
                rests.strayed_at if rests else None,
            )
        )
    return rows


def _offer(one: Offered) -> OfferRow:
    try:
        quote = renting.number_quote(scope.session(), one.kind)
    except BillingAccountNotFoundError:
        quote = None
    month = now = None
    if quote is not None:
        month, now = (
            Money(nano_to_minor(nano, currency=quote.currency), quote.currency)
            for nano in (quote.unit_nano, quote.now_nano)
        )
    return OfferRow(
        ids.public("num", one.number_id),
        one.digits,
        wording.number_kind(one.kind),
        one.kind,
        one.region,
        month,
        now,
        one.held_until,
        one.stray_calls,
        one.strayed_at,
    )


def _row(one: Number, names: dict[QueueId, str], *, may_rent: bool) -> NumberRow:
    to = renting.forwards_to(one) or ""
    return NumberRow(
        id=ids.public("num", one.number_id),
        number=one.digits,
        kind=wording.number_kind(one.kind) if not one.keys else gettext("a share of a short code"),
        queue_id=ids.public("que", one.queue_id),
        entry=names.get(one.queue_id, ""),
        greeting=one.greeting,
        language=one.language,
        revision=one.revision,
        since=one.rented_at,
        forwards=one.forwards.value if one.forwards else "",
        forward_to=to if may_rent or not to else mask(to),
        keys=one.keys,
        right=rights.right(one.right) if one.right else None,
    )


def _refused(error: SeatlineError) -> Response:
    """Say what stands in the way, back on the page; what is not there is not found."""
    if isinstance(error, (NumberNotFoundError, RentalNotFoundError)) or error.kind not in {
        *_BUSINESS,
        "not-found",
    }:
        raise error
    scope.rollback()
    if isinstance(error, RentalLimitError):
        text = ngettext(
            "You may rent up to %(num)s number by yourself and hold %(held)s. Ask the operator for more.",
            "You may rent up to %(num)s numbers by yourself and hold %(held)s. Ask the operator for more.",
            int(str(error.details["most"])),
            held=error.details["held"],
        )
        said.refused(text)
    elif isinstance(error, renting.RentUnpaidError):
        said.refused(wallets.lacking(error.minor, error.currency))
    else:
        said.why(error)
    return redirect(_HERE, 303)
