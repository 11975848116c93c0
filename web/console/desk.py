"""What the console knows: who the agent is, what they have in hand, and the state its script draws.

An agent's own rows are the operator's; the call in hand is a client's. The console enters a client's walls
only through the work item of this very agent, and only while it is in hand.
"""

import contextlib
import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import redis
from flask_babel import gettext
from sqlalchemy.orm import Session

from core import clock
from core.errors import NotFound, SeatlineError
from core.ids import (
    OPERATOR,
    CallId,
    NumberId,
    OfferId,
    QueueId,
    SeatId,
    TenantId,
    UserId,
    parse,
    public,
)
from core.phone import hide, international, is_short_code, mask
from core.realtime import key
from customers import budgets, dispositions
from customers.budgets import Allowed
from customers.dispositions import Disposition
from seats import desk as seating
from seats import presence, roster, statuses, stock
from seats.desk import ServingAgent
from seats.errors import SeatTakenError
from seats.rules import Activity, activity, away
from seats.statuses import Status
from security.gate import Kind, UnsignedError
from telephony import calls, endpoints, numbers, orders, queues, telephones, work
from telephony.calls import TO_COLLEAGUE
from telephony.conductor import pulse
from telephony.errors import WorkItemNotFoundError
from telephony.orders import OrderKind
from telephony.queues import WrapUp
from telephony.work import WorkItem
from tenants import companies
from web import i18n, identity, scope
from web.identity import NotSignedInError

_CLIENT_KEPT_S = 60.0
_NEXT_KEPT_S = 3600
# an offer may be heard of this long before its row is committed; ids tell when they were made
_YOUNG_MS, _ROW_WAIT_S, _ROW_LOOK_S = 2000, 0.25, 0.005
_T = TypeVar("_T")


class NoShiftError(SeatlineError):
    """The agent has not begun a shift: they choose a seat first."""

    code = "no-shift"
    kind = "conflict"


class NoSeatFreeError(SeatlineError):
    """Every seat the agent may sit on is taken."""

    code = "no-seat-free"
    kind = "conflict"


@dataclass(frozen=True, slots=True)
class SeatChoice:
    """A seat the agent may take for this shift; `renter` is the client's name, empty for a pooled one."""

    seat_id: SeatId
    label: str
    renter: str

    @property
    def public_id(self) -> str:
        """The seat's id as a form carries it."""
        return public("seat", self.seat_id)


@dataclass(frozen=True, slots=True)
class Client:
    """What a console shows of a client company beside the call; known to this process for a minute."""

    name: str
    queue_names: Mapping[QueueId, str]
    languages: Mapping[NumberId, str]
    can_call: bool  # it rents a number that calls out may show
    dispositions: tuple[Disposition, ...]
    statuses: tuple[Status, ...]
    allowed: Allowed  # what its agents see and hear; who acts on it asks the row


@dataclass(frozen=True, slots=True)
class Today:
    """An agent's day so far: calls answered, averages for each, and time available."""

    calls: int
    handling_s: float
    wrap_s: float
    available_s: float


_clients: dict[TenantId, tuple[float, Client]] = {}


@contextlib.contextmanager
def operator() -> Iterator[Session]:
    """Yield a session in the operator's context: the request's own when the agent is the operator's."""
    who = identity.current()
    if who.tenant_id == OPERATOR:
        yield scope.session()
        return
    with scope.within(OPERATOR, principal_id=who.principal_id) as session:
        yield session


def agent(session: Session) -> roster.Agent:
    """Return the agent who is signed in.

    Raises:
        NotSignedInError: the user is no agent (any more).
    """
    found = seating.agent_by_user(session, user_id=UserId(identity.current().principal_id))
    if found is None:
        raise NotSignedInError
    return found


def serving(session: Session) -> ServingAgent:
    """Return the agent with seat, skills and state."""
    return seating.serving_one(session, agent_id=agent(session).id)


def choices(session: Session, one: ServingAgent) -> list[SeatChoice]:
    """Return the free seats this agent may take: those their clients rent, then pooled ones."""
    now = clock.now()
    taken = {other.sitting.seat_id for other in seating.serving(session) if other.sitting}
    found = [
        SeatChoice(rental.seat.id, rental.seat.label, company_name(tenant_id))
        for tenant_id in sorted(one.clients)
        for rental in stock.rentals(session, renter_tenant_id=tenant_id)
        if rental.starts_at <= now
        and (rental.ends_at is None or rental.ends_at > now)
        and rental.seat.id not in taken
    ]
    pooled = stock.free(session, starts_at=now, ends_at=None)
    return found + [SeatChoice(seat.id, seat.label, "") for seat in pooled if seat.id not in taken]


def begin_shift(session: Session, wanted: SeatId | None) -> None:
    """Begin the agent's shift on a seat and give them a phone.

    Raises:
        NoSeatFreeError: the seat is not free, or not theirs to take.
    """
    one = serving(session)
    if one.presence is None:
        free = choices(session, one)
        seat = next((choice for choice in free if wanted in {None, choice.seat_id}), None)
        if seat is None:
            raise NoSeatFreeError
        try:
            presence.sign_in(session, agent_id=one.agent.id, at=clock.now(), seat_id=seat.seat_id)
        except SeatTakenError as error:
            raise NoSeatFreeError from error
    endpoints.issue(session, agent_id=one.agent.id, vault=scope.services().vault)
    order(session, OrderKind.SIGN_IN, agent_id=one.agent.id)


def order(session: Session, kind: OrderKind, **details: object) -> None:
    """Leave an order to the switchboard and wake it after the commit."""
    orders.leave(session, kind, **details)
    realtime = scope.services().realtime
    scope.after_commit(lambda: realtime.publish(OPERATOR, orders.WAKE_UP, {}))


def item_of(session: Session, public_id: str) -> WorkItem:
    """Return the work item the agent has in hand under this offer's public id.

    Raises:
        WorkItemNotFoundError: another agent's, not in hand any more, or none.
    """
    offer_id = OfferId(parse("off", public_id))
    found = work.of_agent(session, offer_id=offer_id, agent_id=agent(session).id)
    if found.state not in work.IN_HAND or found.is_over(clock.now()):
        raise WorkItemNotFoundError
    return found


def soon(offer_id: str, look: Callable[[], _T]) -> _T:
    """Return what `look` finds about an offer just made, whose rows may be a moment away.

    The INVITE outruns the rows on purpose; waiting here is cheaper than being asked again. An older offer is
    looked for once.

    Raises:
        NotFound: it is still not there.
    """
    age_ms = clock.now().timestamp() * 1000 - (parse("off", offer_id).int >> 80)
    until = time.monotonic() + (_ROW_WAIT_S if age_ms < _YOUNG_MS else 0.0)
    while True:
        try:
            return look()
        except NotFound:
            if time.monotonic() >= until:
                raise
        time.sleep(_ROW_LOOK_S)


def item_of_call(session: Session, public_id: str) -> WorkItem:
    """Return the work item of the call in hand under this call's public id.

    Raises:
        WorkItemNotFoundError: the agent has another call in hand, or none.
    """
    found = work.in_hand(session, agent_id=agent(session).id)
    if found is None or found.call_id != parse("call", public_id):
        raise WorkItemNotFoundError
    return found


def item_worked_on(session: Session, public_id: str) -> WorkItem:
    """Return the item in hand under this offer's public id, if its agent talks or wraps up now.

    Raises:
        WorkItemNotFoundError: another agent's, only offered yet, or over.
    """
    found = item_of(session, public_id)
    if found.state not in {"talking", "wrap_up"}:
        raise WorkItemNotFoundError
    return found


def recent_of_call(session: Session, public_id: str) -> WorkItem:
    """Return the agent's work item of a call they have in hand, or have just had.

    Raises:
        WorkItemNotFoundError: not one of their last calls.
    """
    call_id, mine = parse("call", public_id), agent(session).id
    held = work.in_hand(session, agent_id=mine)
    recent = [*([held] if held else []), *work.done_by(session, agent_id=mine, limit=5)]
    for item in recent:
        if item.call_id == call_id:
            return item
    raise WorkItemNotFoundError


@contextlib.contextmanager
def walls_of(item: WorkItem) -> Iterator[Session]:
    """Yield a session inside the walls of the client whose call the agent has in hand."""
    with walls(item.tenant_id) as session:
        yield session


@contextlib.contextmanager
def walls(tenant_id: TenantId) -> Iterator[Session]:
    """Yield a session inside a client's walls, as an agent: the database asks for their signatures.

    Raises:
        UnsignedError: an agreement is not signed, or was revoked.
    """
    who = identity.current()
    with scope.within(tenant_id, principal_id=who.principal_id, kind=Kind.AGENT) as session:
        yield session


def state(session: Session) -> dict[str, Any]:
    """Return what the console's script draws.

    Raises:
        NoShiftError: no shift is open.
    """
    one = serving(session)
    if one.presence is None:
        raise NoShiftError
    services, now = scope.services(), clock.now()
    item = work.in_hand(session, agent_id=one.agent.id)
    phone = endpoints.of_agent(session, agent_id=one.agent.id, vault=services.vault)
    head, _, reason = one.presence.state.partition(":")
    doing = activity(one.presence.state)
    status = {
        Activity.AWAY: "away",
        Activity.OFFLINE: "available",
    }.get(doing, "available")
    shown: dict[str, Any] = {
        "agent": {
            "name": identity.current().name,
            "number": str(one.agent.number),
            "seat": one.sitting.label if one.sitting else None,
        },
        "status": status,
        "reason": reason or None,
        "next_status": None,
        "activity": "offline" if doing is Activity.OFFLINE else "idle",
        "since": one.presence.since.isoformat(),
        "now": now.isoformat(),
        "offer": None,
        "call": None,
        "dial": None,
        "wrap": None,
        "sip": None,
        "queues": _queues(one),
        "dispositions": [],
        "simulator": services.settings.is_simulated,
        "telephone": _telephone(session, one),
    }
    if phone and not services.settings.is_simulated:
        shown["sip"] = {
            "endpoint": phone.name,
            "password": phone.password,
            "ws_url": services.settings.sip_ws_url,
            "loopback_only": services.settings.is_loopback,
        }
    if item:
        shown |= _in_hand(item, is_held=head == Activity.HOLDING.value)
        # who dialled while away is away again afterwards, unless they have said otherwise since
        shown["next_status"] = next_status(item.offer_id) or next_status(item.call_id)
        shown["status"], shown["reason"] = "available", None
    theirs = item.tenant_id if item else min(one.clients, default=None)
    if theirs:
        language = identity.current().language
        shown["dispositions"] = [
            {"code": one.code, "label": one.label(language), "parent": one.parent}
            for one in client(theirs).dispositions
        ]
    return shown


def _telephone(session: Session, one: ServingAgent) -> dict[str, Any] | None:
    """Return the agent's own telephone, hidden but for its end, and the code to be pressed there once."""
    found = telephones.of_agent(session, agent_id=one.agent.id, vault=scope.services().vault)
    if found is None:
        return None
    return {
        "number": found.shown,
        "is_chosen": found.is_chosen,
        "code": None if found.is_checked else found.code,
    }


def remember_next(about: OfferId | CallId, wanted: str | None) -> None:
    """Keep what the agent wants to be after this offer's call, or this call, for the console's own memory."""
    store, name = scope.services().realtime.redis, key(OPERATOR, "next-status", str(about))
    with contextlib.suppress(redis.RedisError):
        store.set(name, wanted, ex=_NEXT_KEPT_S) if wanted else store.delete(name)


def next_status(about: OfferId | CallId) -> str | None:
    """Return what the agent wants to be after this offer's call, or this call, if that is known."""
    try:
        kept = scope.services().realtime.redis.get(key(OPERATOR, "next-status", str(about)))
    except redis.RedisError:
        return None
    return kept.decode() if isinstance(kept, bytes) else None


def today(session: Session) -> Today:
    """Return what the agent's day has been so far, in the zone their times are shown in."""
    who = agent(session)
    zone = ZoneInfo(i18n.zone())
    now = clock.now()
    began = dt.datetime.combine(now.astimezone(zone).date(), dt.time(), zone).astimezone(dt.UTC)
    spent: dict[Activity, int] = defaultdict(int)
    for part in presence.partition(session, agent_id=who.id, start=began, end=now).slices:
        if part.state != presence.SIGNED_OUT:
            spent[activity(part.state)] += part.duration_ms
    talk_ms = spent[Activity.TALKING] + spent[Activity.HOLDING]
    count = work.answered_since(session, agent_id=who.id, since=began)
    each = max(1, count) * 1000
    return Today(
        calls=count,
        handling_s=(talk_ms + spent[Activity.WRAP_UP]) / each,
        wrap_s=spent[Activity.WRAP_UP] / each,
        available_s=spent[Activity.AVAILABLE] / 1000,
    )


def company_name(tenant_id: TenantId) -> str:
    """Return a client company's name."""
    return client(tenant_id).name


def client(tenant_id: TenantId, session: Session | None = None) -> Client:
    """Return what is shown of a client; read in `session` when that stands inside their walls already."""
    kept = _clients.get(tenant_id)
    if kept and kept[0] > time.monotonic():
        return kept[1]
    if session is None:
        with scope.within(tenant_id, principal_id=identity.current().principal_id) as own:
            found = _client(own, tenant_id)
    else:
        found = _client(session, tenant_id)
    _clients[tenant_id] = (time.monotonic() + _CLIENT_KEPT_S, found)
    return found


def masked(tenant_id: TenantId, number: str) -> str:
    """Return a number of a company's customer as its agents see it."""
    if not number:
        return str(gettext("Number withheld"))
    return hide(number) if client(tenant_id).allowed.hides_numbers else mask(number)


def _in_hand(item: WorkItem, *, is_held: bool) -> dict[str, Any]:
    offer_id, call_id = public("off", item.offer_id), public("call", item.call_id)
    match item.state:
        case "dialling" | "alerting":
            dial = {
                "call_id": call_id,
                "offer_id": offer_id,
                "is_ringing": item.state == "alerting",
                "since": _iso(item.offered_at),
            }
            return {"activity": "dialling", "dial": dial, "since": _iso(item.offered_at)}
        case "talking":
            call = {
                "call_id": call_id,
                "offer_id": offer_id,
                "answered_at": _iso(item.answered_at),
                "on_hold": is_held,
            } | _together(item)
            return {"activity": "on-call", "call": call, "since": _iso(item.answered_at)}
        case "wrap_up":
            wrap = {
                "call_id": call_id,
                "offer_id": offer_id,
                "since": _iso(item.ended_at),
                "ends_at": _iso(item.wrap_until),
                "can_extend": item.can_extend,
                "can_skip": item.wrap_up is WrapUp.OPTIONAL,
                "needs_outcome": item.needs_disposition,
                "holds_over": item.holds_over,
                "came_back": _came_back(item),
            }
            return {"activity": "wrap-up", "wrap": wrap, "since": _iso(item.ended_at)}
        case _:
            offer = {
                "offer_id": offer_id,
                "call_id": call_id,
                "offered_at": _iso(item.offered_at),
                "expires_at": _iso(item.expires_at),
            }
            return {"activity": "ringing", "offer": offer, "since": _iso(item.offered_at)}


def _together(item: WorkItem) -> dict[str, Any]:
    """Return what the client's rows say of the call: whether it is recorded, and who else is in it."""
    try:
        with walls_of(item) as session:
            call = calls.get(
                session, tenant_id=item.tenant_id, call_id=item.call_id, vault=scope.services().vault
            )
            is_recording = call.recording_state == "capturing"
            is_paused = calls.is_paused(session, tenant_id=item.tenant_id, call_id=item.call_id)
            legs = calls.legs(session, tenant_id=item.tenant_id, call_id=item.call_id)
            outside = _outside(session, item, legs)
            overheard = calls.overheard(session, tenant_id=item.tenant_id, call_id=item.call_id)
    except UnsignedError:  # shut out in the middle of a call, which goes on
        return {"recording": False, "paused": False, "consult": None, "overheard": ""}
    return {
        "recording": is_recording,
        "paused": is_recording and is_paused,
        "consult": _consult(item, legs, outside),
        "overheard": overheard,
    }


def _came_back(item: WorkItem) -> str | None:
    """Return why nobody took the call that the agent gave to a number outside or to a colleague, or None."""
    try:
        with walls_of(item) as session:
            legs = calls.legs(session, tenant_id=item.tenant_id, call_id=item.call_id)
            mine = next((leg for leg in legs if leg.leg_id == item.offer_id), None)
            if mine is None or mine.how is not calls.Left.TRANSFERRED or mine.left_at is None:
                return None
            tried = [
                CallId(leg.leg_id)
                for leg in legs
                if leg.agent_id is None and leg.how is calls.Left.NOT_THERE and leg.joined_at >= mine.left_at
            ]
            found = calls.these(
                session, tenant_id=item.tenant_id, call_ids=tried, vault=scope.services().vault
            )
            if not found:
                happened = calls.timeline(session, tenant_id=item.tenant_id, call_id=item.call_id)
                return _not_taken([one for one in happened if one.at >= mine.left_at])
    except UnsignedError:  # shut out in the middle of a call, which goes on
        return None
    return found[0].cause if found else None


def _not_taken(happened: Sequence[calls.Step]) -> str | None:
    """Return why the colleague to whom a call was given did not take it, by what happened since, or None."""
    steps = iter(happened)
    given = next((one for one in steps if one.kind == "transferred"), None)
    if given is None or given.details.get("agent") is None:
        return None
    became = next((one for one in steps if one.kind in {"offer-lost", "agent-answered", "caller-gone"}), None)
    return f"{TO_COLLEAGUE}{became.details['why']}" if became and became.kind == "offer-lost" else None


def _outside(session: Session, item: WorkItem, legs: list[calls.Leg]) -> str:
    """Return the number outside that is asked about the call, written for people; empty when none is."""
    asked = next((leg for leg in legs if leg.is_asked and leg.agent_id is None), None)
    if asked is None:
        return ""
    call_id, vault = CallId(asked.leg_id), scope.services().vault
    found = calls.these(session, tenant_id=item.tenant_id, call_ids=[call_id], vault=vault)
    return international(found[0].caller) if found else ""


def _consult(item: WorkItem, legs: list[calls.Leg], outside: str) -> dict[str, Any] | None:
    """Return how far asking somebody has come, as the one who asks or is asked sees it."""
    asked = next((leg for leg in legs if leg.is_asked), None)
    if asked is None:
        return None
    is_asked = asked.leg_id == item.offer_id
    other = next((leg for leg in legs if leg.stage is calls.Stage.TALKING), None) if is_asked else asked
    return {
        "stage": asked.stage.value,
        "is_asked": is_asked,
        "agent": other.agent_number if other else None,
        "outside": outside or None,
        "since": _iso(asked.joined_at),
    }


def _queues(one: ServingAgent) -> list[dict[str, Any]]:
    """Return the agent's queues with what the last pulse said of them."""
    now, shown = clock.now(), []
    realtime = scope.services().realtime
    floors = pulse.now_of_all(realtime, one.clients)
    for skill in one.skills:
        name = client(skill.client_tenant_id).queue_names.get(skill.queue_id)
        if name is None:
            continue
        floor = floors.get(skill.client_tenant_id) or {"queues": {}}
        entry = floor["queues"].get(str(skill.queue_id), {"waiting": 0, "since": None})
        since = dt.datetime.fromisoformat(entry["since"]) if entry["since"] else None
        shown.append(
            {
                "id": str(skill.queue_id),
                "name": name,
                "company": company_name(skill.client_tenant_id),
                "can_dial": client(skill.client_tenant_id).can_call,
                "waiting": entry["waiting"],
                "longest_s": int((now - since).total_seconds()) if since else None,
            }
        )
    return shown


def _client(session: Session, tenant_id: TenantId) -> Client:
    shown = numbers.shown_by(session, tenant_id=tenant_id)
    return Client(
        name=companies.read(session, tenant_id=tenant_id).name,
        queue_names={one.queue_id: one.name for one in queues.all_of(session, tenant_id=tenant_id)},
        languages={one.number_id: one.language for one in shown},
        can_call=any(not is_short_code(one.digits) for one in shown),
        dispositions=tuple(dispositions.offered(session, tenant_id=tenant_id)),
        statuses=tuple(statuses.offered(session, tenant_id=tenant_id)),
        allowed=budgets.allowed(session, tenant_id=tenant_id),
    )


def _iso(at: dt.datetime | None) -> str | None:
    return at.isoformat() if at else None


def choosable(clients: Iterable[TenantId]) -> dict[str, str]:
    """Return the statuses an agent of these companies may choose, each with its words.

    Those of the companies bear the company's name where the agent serves several.
    """
    served, language = sorted(clients), identity.current().language
    offered = {value: words_of(value) for value in ("available", *map(away, statuses.COMMON))}
    for tenant_id in served:
        company = client(tenant_id)
        for one in company.statuses:
            label = one.label(language)
            words = f"{label} · {company.name}" if len(served) > 1 else label
            offered.setdefault(away(one.code), words)
    return offered


def words_of(status: str) -> str:
    """Return a status in the reader's words."""
    words: dict[str, str] = {
        "available": gettext("Available"),
        "away:break": gettext("Break"),
        "away:meal": gettext("Meal"),
        "away:meeting": gettext("Meeting"),
        "away:training": gettext("Training"),
        "away:back-office": gettext("Back office"),
        "away:offline": gettext("Offline"),
    }
    return words.get(status, status)


def seat_of(text: str) -> SeatId | None:
    """Return a seat's id from a form, or None for any seat."""
    return SeatId(parse("seat", text)) if text else None
