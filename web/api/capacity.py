"""Seats and numbers: what is rented, what it would cost, renting and giving back."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from flask import request
from pydantic import Field

from billing.rentals import Quote
from core import clock, ids
from core.ids import NumberId, QueueId, new_id
from core.money import Money, nano_to_minor
from core.phone import E164, mask, parse_e164
from seats import leases
from seats.errors import RentalNotFoundError, RentalPeriodError
from seats.leases import Lease
from seats.stock import RentalKind
from telephony import numbers
from telephony.number_rentals import Offered, Settings
from telephony.numbers import Forwarding, Number
from telephony.outbound import forwarding
from telephony.rights import Attestation, Holder, Paper
from web import identity, renting, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.repeating import HEADER
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Listed, Moment, Outward, PageQuery, Text
from web.guards import permission
from web.renting import MOST_AT_ONCE, Wish

_OFFERS = "numbers-free"
_HOUR = dt.timedelta(hours=1)
_KIND = Field(description="By what it is charged.", examples=["month", "hour"])


class SeatShown(Outward):
    """A seat that is rented; give it back by its id."""

    id: str = Field(examples=["lease_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    seat: str = Field(description="The seat's label.", examples=["A-014"])
    kind: RentalKind = _KIND
    starts_at: Instant
    ends_at: Instant | None = Field(description="None: until it is given back.")


class Seats(Outward):
    """Everything rented now and to come, by label."""

    data: list[SeatShown]


class SeatWish(Inward):
    """Which seats: how many, charged how, from when to when."""

    kind: RentalKind = _KIND
    count: int = Field(ge=1, le=MOST_AT_ONCE, examples=[2])
    starts_at: Moment | None = Field(default=None, description="Now, when left out; always for a month.")
    ends_at: Moment | None = Field(default=None, description="None only by the month.")


class QuoteShown(Outward):
    """What it would cost, before tax; `amount` is the whole span's, or this month's part by the month."""

    unit: str = Field(examples=["month", "hour"])
    unit_nano: int = Field(description="The price of one unit of one, in nano-units.")
    amount: Amount
    price_list: str
    version: int


class SeatOrder(SeatWish):
    """Which seats to rent."""

    unit_nano: int | None = Field(
        default=None,
        ge=0,
        le=10**18,
        description="The price of one unit that you were quoted; at another price nothing is rented (409).",
    )


class FreeQuery(Inward):
    """Which hours."""

    since: Moment | None = Field(default=None, description="From this hour on; now, when left out.")
    hours: int = Field(default=24, ge=1, le=168, description="How many.")


class FreeHour(Outward):
    """How many seats nobody rents in one hour."""

    hour: Instant
    free: int


class FreeHours(Outward):
    """Hours in order."""

    data: list[FreeHour]


class SeatOffer(Outward):
    """What seats would cost and whether they can be had now."""

    quote: QuoteShown | None = Field(description="None: your price list has no price for it.")
    free: int = Field(description="Seats nobody rents in the whole span.")
    held: int = Field(description="Your own in it.")
    most: int = Field(description="The most you may hold by yourself.")
    instead_at: Instant | None = Field(description="A later hour at which it can be had.")


class NumberPapers(Outward):
    """Whose a number is, and by which paper your calls may show it."""

    may_be_shown: bool = Field(description="Whether your calls may show it now.")
    holder: Holder = Field(description="The holder of record; `client` is you.")
    holder_name: str | None = Field(description="Of a carrier.", examples=["Harbour Telecom Ltd"])
    paper: Paper
    reference: str = Field(examples=["LOA 2026/114"])
    attestation: Attestation = Field(description="How well it is proven that the caller may show it.")
    starts_at: Instant
    ends_at: Instant | None = Field(description="From then on it may not be shown; null: no end.")
    withdrawn_at: Instant | None = Field(description="From then on it may not be shown, whatever the paper.")


class NumberShown(Outward):
    """A number that is rented."""

    id: str = Field(examples=["num_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    number: str = Field(description="E.164, or a short code.", examples=["+448081570142"])
    kind: str = Field(examples=["tollfree"])
    queue: str = Field(description="Where callers wait.")
    greeting: str
    language: str
    flow: str | None = Field(
        description="What callers go through before the queue.", examples=["flow_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    forwards: Forwarding | None = Field(description="When callers are forwarded to your own phone.")
    forward_to: str | None = Field(
        description="That phone; its last digits stand there for who may rent numbers. "
        "Null although it forwards: it cannot be read any more; set it again.",
        examples=["+447700900120"],
    )
    revision: int = Field(description="Send it when you change the number.")
    since: Instant | None
    papers: NumberPapers | None = Field(
        description="Null: the operator has stated none, and your calls may show it while you rent it."
    )
    keys: str | None = Field(
        description="Of a share of a short code: what callers of it press, or dial after it, to reach you.",
        examples=["27"],
    )


class Numbers(Outward):
    """The numbers rented now."""

    data: list[NumberShown]


class NumberOffer(Outward):
    """A number that can be rented now."""

    id: str
    number: str
    kind: str
    region: str
    month: Amount | None = Field(description="Its price a month, before tax; None: it has none.")
    held_until: Instant | None = Field(description="You hold it until then.")
    stray_calls: int = Field(
        description="Calls meant for who had it before, since it was given back: such calls may reach you."
    )


class NumberOffers(Listed):
    """A page of numbers, by number."""

    data: list[NumberOffer]


class NumberHolds(Outward):
    """The numbers held now."""

    data: list[NumberOffer]


class NumberHold(Inward):
    """Which number to hold."""

    number: str = Field(
        description="Its id, from `searchNumbers`.", examples=["num_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )


class RestingNumber(Outward):
    """A number you gave back, which nobody else can rent until `rests_until`."""

    id: str
    number: str
    kind: str
    rests_until: Instant | None
    stray_calls: int = Field(description="So many have called it since, and reached nobody.")
    strayed_at: Instant | None = Field(description="When the last of them did.")


class RestingNumbers(Outward):
    """The numbers given back that rest."""

    data: list[RestingNumber]


class NumberSearch(PageQuery):
    """Which numbers."""

    digits: Text = Field(default="", max_length=40, description="Some digits in a row.")
    kind: Text = Field(default="", max_length=20)


class NumberWish(Inward):
    """Which number, and how callers are received."""

    number: str = Field(
        description="Its id, from `searchNumbers`.", examples=["num_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    kind: Text = Field(max_length=20, description="As found; the price depends on it.", examples=["tollfree"])
    queue: str = Field(description="Where callers wait.", examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    greeting: Text = Field(default="", max_length=500)
    language: str = Field(default="en", pattern="^(en|zh)$")


class NumberSettings(Inward):
    """How callers of a number are received from now on."""

    queue: str = Field(description="Where callers wait.", examples=["que_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    greeting: Text = Field(default="", max_length=500)
    language: str = Field(default="en", pattern="^(en|zh)$")
    revision: int = Field(
        ge=1, description="The revision you saw; a newer one refuses the change.", examples=[1]
    )


class NumberForwarding(Inward):
    """To which phone of yours callers are forwarded, and when."""

    to: Text = Field(max_length=40, description="E.164.", examples=["+447700900120"])
    when: Forwarding = Field(
        default=Forwarding.ALWAYS, description="Always, or while the number's queue is closed."
    )
    revision: int = Field(
        ge=1, description="The revision you saw; a newer one refuses the change.", examples=[1]
    )


class NumberRevision(Inward):
    """Which version of a number you saw."""

    revision: int = Field(
        ge=1, description="The revision you saw; a newer one refuses the change.", examples=[1]
    )


@pages.get("/seats")
@permission("seats.read")
@operation(tag="Seats and numbers", answers={200: Seats}, operation_id="listSeats")
def list_seats() -> Seats:
    """List the seats rented now and to come."""
    held = leases.held(scope.session(), tenant_id=identity.current().tenant_id, start=clock.now())
    return Seats(data=[_seat(one) for one in held])


@pages.post("/seats/quote")
@permission("seats.rent")
@operation(
    tag="Seats and numbers",
    answers={200: SeatOffer},
    errors=(404, 409),
    operation_id="quoteSeats",
)
def quote_seats(json: SeatWish) -> SeatOffer:
    """See what seats would cost and whether they can be had; nothing is rented."""
    offer = renting.look(scope.session(), _wish(json))
    return SeatOffer(
        quote=_quote(offer.quote) if offer.quote else None,
        free=offer.availability.free,
        held=offer.availability.held,
        most=offer.availability.most,
        instead_at=offer.instead,
    )


@pages.post("/seats")
@permission("seats.rent")
@operation(
    tag="Seats and numbers",
    answers={201: Seats},
    errors=(404, 409),
    operation_id="rentSeats",
)
def rent_seats(json: SeatOrder) -> tuple[Seats, int]:
    """Rent seats, all or none; with an `Idempotency-Key` the same request rents once."""
    made = renting.rent_seats(
        scope.session(), _wish(json), request_key=_key(), shown_unit_nano=json.unit_nano
    )
    found = {one.id for one in made}
    held = leases.held(scope.session(), tenant_id=identity.current().tenant_id, start=clock.now())
    return Seats(data=[_seat(one) for one in held if one.id in found]), 201


@pages.get("/seats/free")
@permission("seats.rent")
@operation(tag="Seats and numbers", answers={200: FreeHours}, errors=(404,), operation_id="listFreeSeats")
def list_free_seats(query: FreeQuery) -> FreeHours:
    """See how many seats can be rented in each hour, up to a week at once and a year ahead."""
    now = clock.now()
    since = (query.since or now).replace(minute=0, second=0, microsecond=0)
    if not now - _HOUR < since <= now + renting.FURTHEST:
        raise RentalPeriodError(field="since")
    hours = [since + place * _HOUR for place in range(query.hours)]
    free = renting.free_by_hour(hours)
    return FreeHours(
        data=[FreeHour(hour=hour, free=number) for hour, number in zip(hours, free, strict=True)]
    )


@pages.post("/seats/<lease_id>/restore")
@permission("seats.rent")
@operation(tag="Seats and numbers", answers={200: SeatShown}, errors=(404, 409), operation_id="restoreSeat")
def restore_seat(lease_id: str) -> SeatShown:
    """Take a release back within ten minutes: the rental goes on as if nothing had been."""
    wanted = id_in_path("lease", lease_id)
    renting.restore_seat(scope.session(), wanted)
    return _seat(leases.find(scope.session(), tenant_id=identity.current().tenant_id, lease_id=wanted))


@pages.delete("/seats/<lease_id>")
@permission("seats.rent")
@operation(tag="Seats and numbers", answers={200: SeatShown}, errors=(404, 409), operation_id="releaseSeat")
def release_seat(lease_id: str) -> SeatShown:
    """Give a seat back now, or cancel it before it begins. Doing it twice changes nothing."""
    wanted = id_in_path("lease", lease_id)
    renting.release_seat(scope.session(), wanted)
    return _seat(leases.find(scope.session(), tenant_id=identity.current().tenant_id, lease_id=wanted))


@pages.get("/numbers")
@permission("numbers.read")
@operation(tag="Seats and numbers", answers={200: Numbers}, operation_id="listNumbers")
def list_numbers() -> Numbers:
    """List the numbers rented now."""
    found = numbers.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return Numbers(data=[_number(one) for one in found])


@pages.get("/numbers/free")
@permission("numbers.rent")
@operation(tag="Seats and numbers", answers={200: NumberOffers}, errors=(404,), operation_id="searchNumbers")
def search_numbers(query: NumberSearch) -> NumberOffers:
    """Look for numbers that can be rented, with their price a month."""
    after = cursors.decode(query.starting_after, of=_OFFERS)
    every = renting.find_numbers(
        digits=query.digits, kind=query.kind, after=after[0] if after else "", limit=query.limit + 1
    )
    found, has_more = cursors.cut(every, limit=query.limit)
    return NumberOffers(
        data=_number_offers(found),
        has_more=has_more,
        next=cursors.encode(found[-1].digits, of=_OFFERS) if has_more else None,
    )


@pages.get("/numbers/holds")
@permission("numbers.rent")
@operation(tag="Seats and numbers", answers={200: NumberHolds}, operation_id="listNumberHolds")
def list_number_holds() -> NumberHolds:
    """List the numbers you hold while you decide."""
    return NumberHolds(data=_number_offers(renting.held_numbers()))


@pages.post("/numbers/holds")
@permission("numbers.rent")
@operation(tag="Seats and numbers", answers={201: NumberHolds}, errors=(404, 409), operation_id="holdNumber")
def hold_number(json: NumberHold) -> tuple[NumberHolds, int]:
    """Hold a free number for two hours: nobody else rents it. Five at once; the same one once a day."""
    renting.hold_number(scope.session(), NumberId(id_in_path("num", json.number)))
    return NumberHolds(data=_number_offers(renting.held_numbers())), 201


@pages.delete("/numbers/holds/<number_id>")
@permission("numbers.rent")
@operation(tag="Seats and numbers", answers={200: NumberHolds}, errors=(404,), operation_id="endNumberHold")
def end_number_hold(number_id: str) -> NumberHolds:
    """Let a number go that you hold."""
    renting.let_number_go(NumberId(id_in_path("num", number_id)))
    return NumberHolds(data=_number_offers(renting.held_numbers()))


@pages.get("/numbers/resting")
@permission("numbers.rent")
@operation(tag="Seats and numbers", answers={200: RestingNumbers}, operation_id="listRestingNumbers")
def list_resting_numbers() -> RestingNumbers:
    """List the numbers you gave back that rest, with how many called them in vain since."""
    return RestingNumbers(
        data=[
            RestingNumber(
                id=ids.public("num", one.number_id),
                number=one.digits,
                kind=one.kind,
                rests_until=one.rests_until,
                stray_calls=one.stray_calls,
                strayed_at=one.strayed_at,
            )
            for one in renting.resting_numbers()
        ]
    )


@pages.post("/numbers")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers",
    answers={201: NumberShown},
    errors=(404, 409),
    operation_id="rentNumber",
)
def rent_number(json: NumberWish) -> tuple[NumberShown, int]:
    """Rent a number; callers of it reach the queue from now on."""
    made = renting.rent_number(
        scope.session(),
        NumberId(id_in_path("num", json.number)),
        Settings(id_in_path("que", json.queue), json.greeting, json.language),
        request_key=_key(),
        kind=json.kind,
    )
    return _number(made), 201


@pages.put("/numbers/<number_id>")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers",
    answers={200: NumberShown},
    errors=(404, 409),
    operation_id="setUpNumber",
)
def set_up_number(number_id: str, json: NumberSettings) -> NumberShown:
    """Change what callers hear and where they go. A revision that is not the newest is refused (409)."""
    saved = numbers.set_up(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        number_id=NumberId(id_in_path("num", number_id)),
        queue_id=QueueId(id_in_path("que", json.queue)),
        greeting=json.greeting,
        language=json.language,
        revision=json.revision,
    )
    renting.tell_switchboard()
    return _number(saved)


@pages.put("/numbers/<number_id>/forwarding")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers", answers={200: NumberShown}, errors=(404, 409), operation_id="forwardNumber"
)
def forward_number(number_id: str, json: NumberForwarding) -> NumberShown:
    """Forward callers to your own phone, never back here; the call there is charged as a call out."""
    return _forward(id_in_path("num", number_id), parse_e164(json.to), json.when, json.revision)


@pages.post("/numbers/<number_id>/forwarding/end")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers", answers={200: NumberShown}, errors=(404, 409), operation_id="stopForwarding"
)
def stop_forwarding(number_id: str, json: NumberRevision) -> NumberShown:
    """Forward callers of a number no more: they reach its flow or its queue."""
    return _forward(id_in_path("num", number_id), None, Forwarding.ALWAYS, json.revision)


@pages.delete("/numbers/<number_id>")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers", answers={200: NumberShown}, errors=(404, 409), operation_id="releaseNumber"
)
def release_number(number_id: str) -> NumberShown:
    """Give a number back now: from then on nobody is reached on it."""
    wanted = NumberId(id_in_path("num", number_id))
    mine = numbers.get(scope.session(), tenant_id=identity.current().tenant_id, number_id=wanted)
    renting.release_number(scope.session(), wanted)
    return _number(mine)


@pages.post("/numbers/<number_id>/restore")
@permission("numbers.rent")
@operation(
    tag="Seats and numbers", answers={200: NumberShown}, errors=(404, 409), operation_id="restoreNumber"
)
def restore_number(number_id: str) -> NumberShown:
    """Take a release back within ten minutes: callers reach you again."""
    wanted = NumberId(id_in_path("num", number_id))
    ours = numbers.ever(scope.session(), tenant_id=identity.current().tenant_id)
    rental_id = next((one.rental_id for one in ours if one.number_id == wanted), None)
    if rental_id is None:
        raise RentalNotFoundError
    return _number(renting.restore_number(scope.session(), rental_id))


def _forward(number_id: UUID, to: E164 | None, when: Forwarding, revision: int) -> NumberShown:
    saved = forwarding.set_up(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        number_id=NumberId(number_id),
        to=to,
        when=when,
        revision=revision,
        vault=scope.services().vault,
    )
    renting.tell_switchboard()
    return _number(saved)


def _number_offers(found: Sequence[Offered]) -> list[NumberOffer]:
    prices = {kind: renting.number_quote(scope.session(), kind) for kind in {one.kind for one in found}}
    return [
        NumberOffer(
            id=ids.public("num", one.number_id),
            number=one.digits,
            kind=one.kind,
            region=one.region,
            month=_minor(price.unit_nano, price.currency) if (price := prices[one.kind]) else None,
            held_until=one.held_until,
            stray_calls=one.stray_calls,
        )
        for one in found
    ]


def _wish(asked: SeatWish) -> Wish:
    now = clock.now()
    if asked.kind is RentalKind.MONTH:
        starts_at: dt.datetime = now
    else:
        starts_at = asked.starts_at or now
    if (asked.ends_at is None) != (asked.kind is RentalKind.MONTH):
        raise RentalPeriodError
    if asked.ends_at is not None and asked.ends_at <= max(starts_at, now):
        raise RentalPeriodError
    if max(starts_at, asked.ends_at or starts_at) > now + renting.FURTHEST:
        raise RentalPeriodError
    return Wish(asked.kind, asked.count, max(starts_at, now), asked.ends_at)


def _key() -> UUID:
    """Return the key of this request: the same for the same `Idempotency-Key` of the same principal."""
    given = request.headers.get(HEADER)
    return renting.key_of(identity.current().principal_id, given) if given else new_id()


def _quote(quote: Quote) -> QuoteShown:
    return QuoteShown(
        unit=quote.unit.value,
        unit_nano=quote.unit_nano,
        amount=_minor(quote.now_nano, quote.currency),
        price_list=quote.price_list,
        version=quote.version,
    )


def _minor(nano: int, currency: str) -> Amount:
    return Amount.of(Money(nano_to_minor(nano, currency=currency), currency))


def _seat(one: Lease) -> SeatShown:
    return SeatShown(
        id=ids.public("lease", one.id),
        seat=one.seat_label,
        kind=one.kind,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
    )


def _number(one: Number) -> NumberShown:
    to = renting.forwards_to(one)
    may_see = "numbers.rent" in identity.current().permissions
    return NumberShown(
        id=ids.public("num", one.number_id),
        number=one.digits,
        kind=one.kind,
        queue=ids.public("que", one.queue_id),
        greeting=one.greeting,
        language=one.language,
        flow=ids.public("flow", one.flow_id) if one.flow_id else None,
        forwards=one.forwards,
        forward_to=to if to is None or may_see else mask(to),
        revision=one.revision,
        since=one.rented_at,
        papers=_papers(one),
        keys=one.keys or None,
    )


def _papers(number: Number) -> NumberPapers | None:
    right = number.right
    if right is None:
        return None
    return NumberPapers(
        may_be_shown=number.may_be_shown(clock.now()),
        holder=right.holder,
        holder_name=right.holder_name or None,
        paper=right.paper,
        reference=right.reference,
        attestation=right.attestation,
        starts_at=right.starts_at,
        ends_at=right.ends_at,
        withdrawn_at=right.withdrawn_at,
    )
