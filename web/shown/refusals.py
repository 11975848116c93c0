"""What walls refused, in words and drawn: rows by kind and company or by the hour of one kind; a plot."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from core import clock
from core.ids import TenantId
from security.refusals import HOUR, KINDS, NOBODY, Count, bound, hour_of
from tenants import refusals
from web import parts, scope

WORDS: Mapping[str, LazyString] = {
    "sign-in": _l("Wrong passwords"),
    "second-step": _l("Wrong codes of the second step"),
    "passkey": _l("Passkeys that were not accepted"),
    "dead-link": _l("Links for a password that are over"),
    "no-session": _l("Pages asked for without being signed in"),
    "agreement": _l("Agents who have not signed the agreement"),
    "enrolment": _l("Tries to go on without the second step"),
    "fresh-sign-in": _l("Signed in too long ago for what they wanted"),
    "not-there": _l("Things that are not there, or another company’s"),
    "not-permitted": _l("Without the permission"),
    "cross-site": _l("Forms without their token, or from another site"),
    "more-rights": _l("Rights that one may not give"),
    "second-person": _l("Decisions that take somebody else"),
    "looks": _l("Looks beyond the hour’s budget"),
    "break-glass": _l("Break-glass refused"),
    "recovery": _l("Second steps that are not taken away"),
    "api-key": _l("API keys that open nothing"),
    "api-key-address": _l("API keys used from a foreign address"),
    "api-key-exposed": _l("API keys in an address"),
    "malformed": _l("Requests that cannot be read"),
    "too-large": _l("Requests that are too large"),
    "foreign-host": _l("Requests for a host that is not ours"),
    "rate": _l("Too many requests"),
    "job-forged": _l("Jobs that are not of our making"),
    "job-late": _l("Jobs that came too late"),
    "news-forged": _l("News of payments with a foreign signature"),
    "news-odd": _l("News of payments that is too old or cannot be read"),
    "carrier": _l("Calls a carrier refused for want of a password"),
    "phone-dials": _l("Phones that dialled past the console"),
    "call-out": _l("Calls out that limits and lists stopped"),
    "seal": _l("Sealed values that do not open"),
    "decoy": _l("Decoys opened"),
}
# how far back, and for how long a bar stands
SPANS: Mapping[str, tuple[dt.timedelta, dt.timedelta]] = {
    "day": (dt.timedelta(hours=24), HOUR),
    "week": (dt.timedelta(days=7), 6 * HOUR),
    "month": (dt.timedelta(days=30), dt.timedelta(days=1)),
}
_WIDTH, _HEIGHT, _GAP = 720, 120, 2


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A kind, of a company, over the span; or an hour of one, when `at` is set.

    `most` is the fullest hour's; `bound` is from how many on it rings, None: it never does, or at once.
    """

    kind: str
    word: str
    company: str
    times: int
    most: int
    bound: int | None
    rang: bool
    last_at: dt.datetime
    at: dt.datetime | None
    href: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the plot."""

    x: int
    y: int
    width: int
    height: int
    times: int
    at: dt.datetime
    rang: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """Refusals over time; `label` says it to who sees no picture."""

    bars: Sequence[Bar]
    total: int
    highest: int
    label: str
    width: int = _WIDTH
    height: int = _HEIGHT


def found(*, tenant_id: TenantId, span: str) -> Sequence[Count]:
    """Return what was refused in the span, as `tenants.refusals.page`."""
    return refusals.page(scope.session(), tenant_id=tenant_id, since=_since(span))


def rows(
    counts: Iterable[Count],
    *,
    by_hour: bool,
    names: Mapping[UUID, str] | None = None,
    href: Callable[[str], str] = lambda _kind: "",
) -> list[RefusalRow]:
    """Return rows by kind and company, or by hour and company.

    Args:
        counts: of the span.
        by_hour: an hour a row.
        names: companies by id, for the operator.
        href: the address of a kind.
    """
    together: dict[tuple[str, UUID, dt.datetime | None], list[Count]] = defaultdict(list)
    for one in counts:
        together[one.kind, one.company_id, one.hour if by_hour else None].append(one)
    known = names or {}
    return [
        RefusalRow(
            kind=kind,
            word=str(WORDS[kind]),
            company=gettext("Nobody we know") if company_id == NOBODY else known.get(company_id, ""),
            times=sum(one.times for one in some),
            most=max(one.times for one in some),
            bound=None if KINDS[kind].rings else bound(kind, company_id),
            rang=any(_rings(one) for one in some),
            last_at=max(one.hour for one in some),
            at=at,
            href="" if by_hour else href(kind),
        )
        for (kind, company_id, at), some in together.items()
    ]


def plot(counts: Iterable[Count], *, span: str) -> Plot:
    """Return the bars of a span, the oldest first."""
    _, each = SPANS[span]
    since = _since(span)
    sums: Counter[int] = Counter()
    ringing = set()
    for one in counts:
        place = (one.hour - since) // each
        sums[place] += one.times
        if _rings(one):
            ringing.add(place)
    places = -(-(hour_of(clock.now()) + HOUR - since) // each)
    highest, width = max(sums.values(), default=0), _WIDTH // places
    bars = []
    for place in range(places):
        times = sums[place]
        height = -(-times * _HEIGHT // highest) if highest else 0
        bars.append(
            Bar(
                x=place * width,
                y=_HEIGHT - height,
                width=width - _GAP,
                height=height,
                times=times,
                at=since + place * each,
                rang=place in ringing,
            )
        )
    total = sum(sums.values())
    label = gettext(
        "%(total)s refused, at most %(highest)s at a time",
        total=parts.count(total),
        highest=parts.count(highest),
    )
    return Plot(bars, total, highest, label)


def _since(span: str) -> dt.datetime:
    back, each = SPANS[span]
    end = hour_of(clock.now()) + HOUR
    if each > HOUR:  # whole bars, so that they stand still for as long as they are wide
        end += -(end - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) % each
    return end - back


def _rings(one: Count) -> bool:
    most = bound(one.kind, one.company_id)
    return most is not None and one.times >= most
