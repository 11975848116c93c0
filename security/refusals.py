"""Refusals: what is counted when one of the walls says no, and from how many in an hour people are told.

Counted are kind and company in an hour, nothing else: neither who, nor from where, nor after what. `KINDS` is
the one place where a kind stands, with its bounds and the reason for each; what is not in it is not counted,
and what of companies is not known is `NOBODY`'s, so there are never more counters than kinds times companies.

A refusal costs one increment in Redis, which `wiring.refusing` carries into tables. When Redis is away the
process keeps the count itself and asks again after some seconds: no refusal waits, and none is an error.
"""

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import redis

from core import clock, log
from core.ids import OPERATOR
from core.realtime import key

NOBODY: Final = UUID(int=0)  # whoever tried has no company that we know of
HOUR: Final = dt.timedelta(hours=1)
_KEPT_S: Final = 3 * 3600
_AWAY_S: Final = 5.0

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal; bounds are how many in an hour are an alarm.

    Attributes:
        company: of one company, or of the operator's own people; None: no company can be known.
        strangers: of everybody whose company is not known; None: there is always one.
        why: why honest people stay below.
        rings: the alarm it raises at the first try, by other code (`tenants.tampering` and its like); empty:
            the one of too many (`tenants.refusals.ALARM`).
    """

    company: int | None
    strangers: int | None
    why: str
    rings: str = ""


KINDS: Final[Mapping[str, Kind]] = {
    # who comes in
    "sign-in": Kind(
        50,
        200,
        "one person is stopped after ten in a quarter of an hour; fifty of one company are five people who"
        " have all forgotten their password in one hour, and two hundred at no account of ours are a list",
    ),
    "second-step": Kind(
        20,
        100,
        "the password was right, so each wrong code is somebody with a slow phone or with the password",
    ),
    "passkey": Kind(
        20, 100, "a browser shows passkeys of this site only; what fails is an old or a made one"
    ),
    "dead-link": Kind(50, 200, "a link for a password is used once; people click old letters now and then"),
    "no-session": Kind(
        2000, 5000, "a page that was left open comes back after its session, and the Internet knocks all day"
    ),
    "agreement": Kind(
        20, None, "an agent who has not signed is led to the agreement, and is not sent on from it"
    ),
    "enrolment": Kind(
        200, None, "who has to set up a second step sees nothing else, and tries some addresses"
    ),
    "fresh-sign-in": Kind(50, None, "somebody is asked to sign in again before an export or a passkey"),
    # what somebody in may not do
    "not-there": Kind(
        300,
        5000,
        "an old bookmark, a link in a letter, a program that reads what was removed: some an hour; three"
        " hundred are somebody who counts through ids, and strangers ask for pages of other software",
    ),
    "not-permitted": Kind(60, None, "pages show no way to what one may not do, so it was typed or kept open"),
    "cross-site": Kind(
        None,
        200,
        "a form that was open while its session ended; nobody was asked yet who they are",
    ),
    "more-rights": Kind(
        10, None, "pages do not offer rights one cannot give, but a program under development asks for them"
    ),
    "second-person": Kind(
        1, None, "whoever asked is shown no way to decide it themselves: that form was made by hand"
    ),
    "looks": Kind(30, None, "an agent who has used the hour's looks stops, or asks for more"),
    "break-glass": Kind(
        5,
        None,
        "a handful of people know this door: a look ran out while its page was open, or was let in twice",
    ),
    "recovery": Kind(
        5,
        None,
        "a handful of people know this door, and mistype an address or ask for somebody others can help",
    ),
    # programs
    "api-key": Kind(
        100,
        500,
        "a program whose key has run out asks again each minute or so: its company should hear of it",
    ),
    "api-key-address": Kind(
        1,
        None,
        "its program has a fixed place: it was moved, or the key is in other hands, and its company wants to"
        " hear of either at once",
    ),
    "api-key-exposed": Kind(1, 1, "it is revoked at once", rings="key-in-address"),
    "malformed": Kind(500, 2000, "a program under development sends what cannot be read for an afternoon"),
    "too-large": Kind(50, 200, "a file too large is sent twice or thrice by hand"),
    "foreign-host": Kind(None, 5000, "the Internet asks every address for every name"),
    "rate": Kind(3000, 500, "a program that reads everything at once is told to wait some thousand times"),
    # what speaks to us without a person
    "job-forged": Kind(1, None, "only ours can be sealed", rings="job-forged"),
    "job-late": Kind(200, None, "after an outage of a day orders are too old, and are ordered again"),
    "news-forged": Kind(1, None, "only the provider can sign", rings="news-forged"),
    "news-odd": Kind(50, None, "the provider repeats what was under way for too long, for three days"),
    "carrier": Kind(1, None, "a carrier knows us or it does not", rings="carrier-refuses-us"),
    # what is dialled
    "phone-dials": Kind(
        1, None, "the console dials, and its phone has no key for it: the login is in other hands"
    ),
    "call-out": Kind(
        200,
        None,
        "a lead file with some foreign numbers; two hundred an hour that limits, countries or premium lists"
        " stop are a file or an account gone wrong, which is the time to look",
    ),
    # what was spoilt
    "seal": Kind(1, None, "no honest party changes sealed bytes", rings="seal-broken"),
    "decoy": Kind(1, None, "nobody has a reason to open one", rings="decoy-opened"),
}


@dataclass(frozen=True, slots=True)
class Count:
    """So many refusals of a kind in an hour, of a company or of `NOBODY`."""

    hour: dt.datetime
    kind: str
    company_id: UUID
    times: int


class Refusals:
    """Counts refusals for one process; made once, safe for threads."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._lock = threading.Lock()
        self._owed: Counter[tuple[dt.datetime, str]] = Counter()
        self._away_until = 0.0

    def count(self, kind: str, *, company_id: UUID | None = None) -> None:
        """Count one refusal. Never raises: the refusal stands, whatever becomes of its count.

        Args:
            kind: one of `KINDS`.
            company_id: whose people, program or thing it was; None: not known.
        """
        if kind not in KINDS:
            _log.error("refusal-undeclared", kind=kind)
            return
        hour = hour_of(clock.now())
        with self._lock:
            self._owed[hour, _field(kind, company_id or NOBODY)] += 1
            if time.monotonic() < self._away_until:
                return
            owed, self._owed = self._owed, Counter()
        try:
            pipe = self._redis.pipeline(transaction=False)
            for (when, field), times in owed.items():
                pipe.hincrby(_key(when), field, times)
                pipe.expire(_key(when), _KEPT_S)
            pipe.execute()
        except redis.RedisError as error:
            _log.warning("refusals-not-counted", error=type(error).__name__)
            with self._lock:
                self._away_until = time.monotonic() + _AWAY_S
                self._owed.update({one: n for one, n in owed.items() if one[0] > hour - 2 * HOUR})


def counted(connection: redis.Redis, *, hour: dt.datetime) -> Iterator[Count]:
    """Yield what has been counted in an hour so far, over all processes; what is none of ours is left out.

    Raises:
        redis.RedisError: Redis is away.
    """
    found = cast("Mapping[bytes, bytes]", connection.hgetall(_key(hour)))
    for name, value in found.items():
        kind, _, company = name.decode("ascii", "replace").partition("/")
        try:
            count = Count(hour, kind, UUID(hex=company), int(value))
        except ValueError:
            continue
        if kind in KINDS and count.times > 0:
            yield count


def bound(kind: str, company_id: UUID) -> int | None:
    """Return from how many in an hour it is an alarm; None: it never is."""
    of = KINDS[kind]
    return of.strangers if company_id == NOBODY else of.company


def hour_of(at: dt.datetime) -> dt.datetime:
    """Return the beginning of an instant's hour, in UTC."""
    return at.replace(minute=0, second=0, microsecond=0)


def _key(hour: dt.datetime) -> str:
    return key(OPERATOR, "refusals", hour.strftime("%Y-%m-%dT%H"))


def _field(kind: str, company_id: UUID) -> str:
    return f"{kind}/{company_id.hex}"
