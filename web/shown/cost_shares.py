"""Calls with two payers as the pages show them: who pays what part of which calls, and since when."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext
from sqlalchemy.orm import Session

from billing import sharing, tariffs
from billing.rating.shares import SUFFIX, WHOLE, Share
from billing.sharing import Agreed
from core import clock
from core.ids import TenantId
from web.shown import wording


@dataclass(frozen=True, slots=True)
class ShareRow:
    """One part: of these calls this company pays so much, and the other the rest."""

    calls: str
    own_percent: int
    other_percent: int


@dataclass(frozen=True, slots=True)
class AgreementShown:
    """What holds between two companies from a day on.

    Attributes:
        name: of the other company.
        is_other: this company pays a part of the other's calls.
        until: when something else was or is agreed in its place, if that is known.
        state: "now", "later" or "over".
        rows: none: nothing is shared any more.
    """

    name: str
    is_other: bool
    since: dt.datetime
    until: dt.datetime | None
    state: str
    rows: tuple[ShareRow, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Calls that can be shared: `code` is meter and destination."""

    code: str
    words: str


def choices(session: Session, *, tenant_id: TenantId) -> list[Choice]:
    """Return the calls that have a price now: of each meter all, and to each destination."""
    step = tariffs.in_force(session, tenant_id=tenant_id, at=clock.now())
    priced: dict[str, dict[str, None]] = {}
    for rate in step.tariff.rates if step else ():
        if not rate.is_blocked:
            priced.setdefault(rate.meter, {})[rate.destination] = None
    names = step.tariff.destinations if step else {}
    return [
        Choice(code(meter, destination), _calls(meter, _name(names, destination)))
        for meter, destinations in sorted(priced.items())
        for destination in ("", *sorted(destinations))
    ]


def code(meter: str, destination: str) -> str:
    """Return what a form says for calls of a meter to a destination."""
    return f"{meter}|{destination}"


def shown(session: Session, *, tenant_id: TenantId) -> list[AgreementShown]:
    """Return all that was agreed about a company's calls and those it pays a part of, newest first."""
    step = tariffs.in_force(session, tenant_id=tenant_id, at=clock.now())
    names = step.tariff.destinations if step else {}
    now, every = clock.now(), sharing.every(session, tenant_id=tenant_id)
    seen: set[tuple[object, ...]] = set()
    newer: dict[tuple[object, ...], dt.datetime] = {}
    found = []
    for one in every:
        # of its own calls a company has one agreement at a time, of others' one with each
        key = (one.is_other, one.other_id if one.is_other else None)
        state = "later" if one.effective_from > now else "over" if key in seen or not one.shares else "now"
        seen |= {key} if one.effective_from <= now else set()
        found.append(
            AgreementShown(
                name=one.other_name,
                is_other=one.is_other,
                since=one.effective_from,
                until=newer.get(key),
                state=state,
                rows=tuple(_row(one, share, _name(names, share.destination)) for share in one.shares),
            )
        )
        newer[key] = one.effective_from
    return found


def _row(agreed: Agreed, share: Share, name: str) -> ShareRow:
    rest = WHOLE - share.other_percent
    own, other = (share.other_percent, rest) if agreed.is_other else (rest, share.other_percent)
    return ShareRow(_calls(share.meter, name), own, other)


def _calls(meter: str, name: str) -> str:
    kind = str(wording.METERS.get(meter.removesuffix(SUFFIX), meter))
    words = gettext("%(calls)s, %(destination)s", calls=kind, destination=name or gettext("all"))
    return str(words)


def _name(names: Mapping[str, Mapping[str, str]], destination: str) -> str:
    there = names.get(destination, {})
    return str(there.get(wording.language()) or there.get("en") or destination)
