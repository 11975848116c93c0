"""Webhooks and deliveries as the portal shows them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from core import ids
from tenants.webhooks import deliveries as room
from tenants.webhooks.deliveries import Attempt, Delivery, DeliveryState
from tenants.webhooks.endpoints import State, Webhook

# What a type means to people; one without a line here stands for itself.
TYPES: Mapping[str, LazyString] = {
    "call.ended": _l("A call is over"),
    "recording.ready": _l("A recording can be fetched"),
    "invoice.finalised": _l("An invoice is final"),
    "invoice.paid": _l("An invoice is paid"),
    "payment.failed": _l("A payment failed"),
    "campaign.finished": _l("A campaign is through"),
    "leads.imported": _l("A lead file is read"),
    "seat.rented": _l("A seat is rented"),
    "seat.changed": _l("A seat’s rental ends at another time"),
    "number.rented": _l("A number is rented"),
    "number.changed": _l("A number’s rental ends at another time"),
    "alarm.raised": _l("An alarm was raised"),
    "customer.erased": _l("A person was erased"),
    room.TEST: _l("A test you asked for"),
}
STATES: Mapping[State, tuple[str, LazyString]] = {
    State.ON: ("ok", _l("On")),
    State.OFF: ("off", _l("Off")),
    State.GONE: ("bad", _l("Gone")),
    State.FAILING: ("bad", _l("Given up")),
}
DELIVERY_STATES: Mapping[DeliveryState, tuple[str, LazyString]] = {
    DeliveryState.DELIVERED: ("ok", _l("Delivered")),
    DeliveryState.WAITING: ("ring", _l("Being tried")),
    DeliveryState.FAILED: ("bad", _l("Failed")),
    DeliveryState.MISSED: ("warn", _l("Missed")),
}
_ERRORS: Mapping[str, LazyString] = {
    "address-refused": _l("the address leads into a private network"),
    "unknown-host": _l("no such host"),
    "unreachable": _l("no connection"),
    "tls": _l("the certificate was not accepted"),
    "timeout": _l("no answer in time"),
    "broken-answer": _l("the answer is not HTTP"),
    "interrupted": _l("interrupted, sent again"),
    "under-way": _l("on its way"),
}


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook; see templates/portal/webhooks.html. `kind` and `word` are its pill's."""

    id: str
    href: str
    url: str = field(repr=False)
    version: int
    types: tuple[str, ...]
    state: str
    kind: str
    word: str
    is_on: bool
    created_at: datetime
    succeeded_at: datetime | None
    failing_since: datetime | None
    gives_up_at: datetime | None
    old_secret_until: datetime | None

    @property
    def host(self) -> str:
        """Return whose address it is, without what may be secret in it."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery of the log; see templates/portal/webhook.html."""

    id: str
    href: str
    event: str
    type: str
    about: str
    kind: str
    word: str
    created_at: datetime
    attempts: int
    next_at: datetime | None
    settled_at: datetime | None
    outcome: str
    can_replay: bool


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a delivery."""

    number: int
    began_at: datetime
    duration_ms: int | None
    outcome: str
    answer: str = field(repr=False)


def hook(one: Webhook) -> Hook:
    """Return a webhook as it is shown."""
    public = ids.public("whk", one.id)
    kind, word = STATES[one.state]
    return Hook(
        public,
        f"/portal/webhooks/{public}",
        one.url,
        one.version,
        one.types,
        one.state.value,
        kind,
        str(word),
        one.state is State.ON,
        one.created_at,
        one.succeeded_at,
        one.failing_since,
        room.gives_up_at(one),
        one.old_secret_until,
    )


def delivery(one: Delivery, *, is_on: bool = True) -> DeliveryRow:
    """Return a line of the log."""
    public = ids.public("dlv", one.id)
    kind, word = DELIVERY_STATES[one.state]
    return DeliveryRow(
        public,
        f"/portal/webhooks/{ids.public('whk', one.webhook_id)}/deliveries/{public}",
        ids.public("evt", one.event_id),
        one.type,
        about(one.type),
        kind,
        str(word),
        one.created_at,
        one.attempts,
        one.next_at,
        one.settled_at,
        _outcome(one.status, one.error),
        is_on and one.state is not DeliveryState.WAITING,
    )


def attempt(one: Attempt) -> Try:
    """Return a try as it is shown."""
    return Try(one.number, one.began_at, one.duration_ms, _outcome(one.status, one.error), one.answer)


def about(event_type: str) -> str:
    """Return what a type of event means; nothing when there is no word for it yet."""
    return str(TYPES.get(event_type, ""))


def pretty(body: str) -> str:
    """Return what is sent, laid out for reading."""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def _outcome(status: int | None, error: str) -> str:
    if error:
        return str(_ERRORS.get(error, error))
    return gettext("answered %(status)s", status=status) if status else ""
