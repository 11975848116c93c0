"""The operator's front page: what needs a person today, the month so far, calls now. No customer of anybody.

Money comes from the figures that are gathered once a minute (`billing.figures`), because nobody waits for a
thousand companies to be entered; stock, jobs and calls are as they are now. Each reader sees what their role
opens, and everything leads to its page.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import render_template
from flask_babel import gettext, ngettext

from billing import figures
from billing.figures import Figures
from core import clock, ids, long_jobs, upkeep
from core.ids import TenantId
from core.money import Money
from seats import desk, inventory, renting
from seats.rules import Activity, activity
from telephony import numbers
from telephony.conductor import pulse
from tenants import glass
from tenants.companies import Company
from web import identity, scope
from web.guards import permission
from web.operator import jobs, load, rounds, stock
from web.operator.views import pages
from web.shown import alarms, wording

_NAMED = 4  # companies named in a line; the others are counted
_SHOWN = 10  # companies of the month's list
_AHEAD = dt.timedelta(days=7)
_HOUR = dt.timedelta(hours=1)
_SCARCE = 10  # percent of the seats: fewer free than that are few


@dataclass(frozen=True, slots=True)
class Link:
    """A company in a line, and where its part of it is."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Task:
    """Something that needs a person; `kind` is its pill's: bad, warn or off."""

    kind: str
    word: str
    title: str
    href: str
    links: Sequence[Link] = ()
    more: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """One company's month."""

    name: str
    href: str
    running: Money
    owed: Money
    percent: float
    is_held: bool


@dataclass(frozen=True, slots=True)
class MonthSum:
    """The month of all companies in one currency, day by day."""

    currency: str
    total: Money
    owed: Money
    days: Sequence[Money]
    first_on: dt.date
    last_on: dt.date
    companies: Sequence[CompanyRow]
    more: int


@dataclass(frozen=True, slots=True)
class CallsNow:
    """Calls and people at this instant; `is_fresh` False: the switchboard has not spoken lately."""

    is_fresh: bool
    talking: int
    waiting: int
    longest_s: float | None
    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StockNow:
    """What is free: seats now and at the fullest hour of the next week, numbers by kind."""

    seats: int
    free: int
    least: int
    least_at: dt.datetime
    kinds: Sequence[tuple[str, int, int]]  # word, free, all

    @property
    def is_scarce(self) -> bool:
        """Whether seats run out within a week."""
        return bool(self.seats) and self.least * 100 < self.seats * _SCARCE


@pages.get("/")
@permission("operator.open")
def overview() -> str:
    """Show what needs a person today, and how things stand."""
    may = identity.current().permissions
    clients = {one.tenant_id: one for one in rounds.clients()}
    found = [one for one in figures.every(scope.session()) if one.company_id in clients]
    sees_money = "billing.read" in may
    there = _stock() if "stock.read" in may else None
    return render_template(
        "operator/overview.html",
        tasks=[
            *_alarm_tasks(clients),
            *(_glass_tasks() if "glass.use" in may else ()),
            *(_money_tasks(found, clients) if sees_money else ()),
            *_job_tasks(),
            *(_stock_tasks(there) if there else ()),
        ],
        months=_months(found, clients) if sees_money else [],
        taken_at=found[0].taken_at if found else None,
        sees_money=sees_money,
        calls=_calls(clients.values()),
        load=load.now(),
        stock=there,
        running=jobs.watched([one for one in long_jobs.latest(scope.session(), limit=5) if not one.is_over]),
        companies=len(clients),
        now=clock.now(),
    )


def _money_tasks(found: Sequence[Figures], clients: Mapping[TenantId, Company]) -> list[Task]:
    def task(
        kind: str, word: str, title: str, href: str, count: Mapping[UUID, int], page: str, note: str = ""
    ) -> Task:
        concerned = sorted(count, key=lambda one: -count[one])
        links = [
            Link(clients[TenantId(one)].name, page.format(ids.public("ten", one)))
            for one in concerned[:_NAMED]
        ]
        return Task(kind, word, title, href, links, max(0, len(concerned) - _NAMED), note)

    def those(name: str) -> dict[UUID, int]:
        return {one.company_id: int(getattr(one, name)) for one in found if getattr(one, name)}

    tasks = []
    if failed := those("failed"):
        many = sum(failed.values())
        title = ngettext("%(num)s payment failed", "%(num)s payments failed", many)
        tasks.append(
            task("bad", gettext("Payments"), title, "/operator/payments?state=failed", failed, _COMPANY)
        )
    if unrated := those("unrated"):
        many = sum(unrated.values())
        title = ngettext("%(num)s use has no price", "%(num)s uses have no price", many)
        note = gettext("Their months cannot be closed until each has one.")
        first = _USAGE.format(ids.public("ten", max(unrated, key=lambda one: unrated[one])))
        tasks.append(task("bad", gettext("Usage"), title, first, unrated, f"{_USAGE}&state=unrated", note))
    if conflicts := Counter(those("conflicts")) + Counter(those("rejects")):
        many = sum(conflicts.values())
        title = ngettext(
            "%(num)s report of usage wants a decision", "%(num)s reports of usage want a decision", many
        )
        first = _USAGE.format(ids.public("ten", max(conflicts, key=lambda one: conflicts[one])))
        tasks.append(task("warn", gettext("Usage"), title, first, conflicts, _USAGE))
    if overdue := those("overdue"):
        many = sum(overdue.values())
        title = ngettext("%(num)s invoice is overdue", "%(num)s invoices are overdue", many)
        # to the company that has most of them: the list of invoices shows one month, and these are older
        first = _COMPANY.format(ids.public("ten", max(overdue, key=lambda one: overdue[one])))
        tasks.append(task("warn", gettext("Invoices"), title, first, overdue, _COMPANY))
    if drafts := those("drafts"):
        many = sum(drafts.values())
        title = ngettext("%(num)s draft waits to be finalised", "%(num)s drafts wait to be finalised", many)
        tasks.append(
            task("warn", gettext("Invoices"), title, "/operator/invoices?state=draft", drafts, _COMPANY)
        )
    if held := those("is_held"):
        title = ngettext(
            "%(num)s company is on credit hold", "%(num)s companies are on credit hold", len(held)
        )
        tasks.append(task("off", gettext("Credit"), title, "/operator/companies", held, _COMPANY))
    return tasks


_COMPANY = "/operator/companies/{}"
_USAGE = "/operator/usage?company={}"


def _alarm_tasks(clients: Mapping[TenantId, Company]) -> list[Task]:
    """Return the alarms nobody at the operator has taken note of, newest first."""
    names = {tenant_id: one.name for tenant_id, one in clients.items()}
    return [
        Task("bad", gettext("Alarm"), one.title, "/operator/alarms", note=one.company)
        for one in alarms.rows(limit=_SHOWN, is_open=True, companies=names)
    ]


def _glass_tasks() -> list[Task]:
    """Return the looks by break-glass that nobody has reviewed; late ones are bad."""
    found = [one for one in glass.every(scope.session()) if one.wants_review]
    if not found:
        return []
    late = any(one.until and clock.now() - one.until > glass.REVIEW_WITHIN for one in found)
    title = ngettext(
        "%(num)s look by break-glass wants a review", "%(num)s looks by break-glass want a review", len(found)
    )
    return [Task("bad" if late else "warn", gettext("Break-glass"), title, "/operator/glass")]


def _job_tasks() -> list[Task]:
    given_up = upkeep.given_up(scope.session())
    if not given_up:
        return []
    title = ngettext("%(num)s job was given up", "%(num)s jobs were given up", len(given_up))
    note = ", ".join(sorted({one.handler for one in given_up})[:_NAMED])
    return [Task("bad", gettext("Jobs"), title, "/operator/jobs", note=note)]


def _stock_tasks(there: StockNow) -> list[Task]:
    tasks = []
    if there.is_scarce:
        title = ngettext(
            "%(num)s seat is free at the fullest hour",
            "%(num)s seats are free at the fullest hour",
            there.least,
        )
        tasks.append(Task("warn", gettext("Stock"), title, "/operator/stock/calendar"))
    gone = [word for word, free, _all in there.kinds if not free]
    if gone:
        title = gettext("No number is free of these kinds: %(kinds)s", kinds=", ".join(gone))
        tasks.append(Task("warn", gettext("Stock"), title, "/operator/stock"))
    return tasks


def _stock() -> StockNow:
    session, now = scope.session(), clock.now()
    places = inventory.places(session, at=now)
    start = now.replace(minute=0, second=0, microsecond=0)
    hours = [start + n * _HOUR for n in range(_AHEAD // _HOUR)]
    free = renting.free_by_hour(session, hours=hours)
    least = min(free)
    kinds: dict[str, tuple[int, int]] = {}
    for one in numbers.in_stock(session):
        rests = one.quarantined_until is not None and one.quarantined_until > now
        so_far, every = kinds.get(one.kind, (0, 0))
        kinds[one.kind] = (so_far + (one.renter_tenant_id is None and not rests), every + 1)
    return StockNow(
        len(places),
        sum(one.rental is None for one in places),
        least,
        hours[free.index(least)],
        [(wording.number_kind(kind), *counted) for kind, counted in sorted(kinds.items())],
    )


def _months(found: Sequence[Figures], clients: Mapping[TenantId, Company]) -> list[MonthSum]:
    """Return each currency's month, the operator's own first, then those with most companies."""
    home = identity.current().company.currency
    by_currency: dict[str, list[Figures]] = {}
    for one in found:
        by_currency.setdefault(one.currency, []).append(one)
    return [
        _month(currency, these, clients)
        for currency, these in sorted(
            by_currency.items(), key=lambda item: (item[0] != home, -len(item[1]), item[0])
        )
    ]


def _month(currency: str, these: Sequence[Figures], clients: Mapping[TenantId, Company]) -> MonthSum:
    """Add up one currency; a company whose day has not begun yet keeps its last amount."""
    newest = max(one.first_on for one in these)
    current = [one for one in these if one.first_on == newest]
    length = max(len(one.days_minor) for one in current)
    days = [sum(one.days_minor[min(at, len(one.days_minor) - 1)] for one in current) for at in range(length)]
    most = max((one.running_minor for one in current), default=0)
    ranked = sorted(these, key=lambda one: (-one.running_minor, clients[one.company_id].name))
    return MonthSum(
        currency,
        Money(sum(one.running_minor for one in current), currency),
        Money(sum(one.owed_minor for one in these), currency),
        [Money(one, currency) for one in days],
        newest,
        max(one.last_on for one in current),
        [
            CompanyRow(
                clients[one.company_id].name,
                _COMPANY.format(ids.public("ten", one.company_id)),
                Money(one.running_minor, currency),
                Money(one.owed_minor, currency),
                one.running_minor * 100 / most if most else 0,
                one.is_held,
            )
            for one in ranked[:_SHOWN]
        ],
        max(0, len(ranked) - _SHOWN),
    )


def _calls(clients: Iterable[Company]) -> CallsNow:
    """Add up what the switchboard last said of every company, and what every agent does."""
    now = clock.now()
    talking = waiting = 0
    since: list[dt.datetime] = []
    floors = pulse.now_of_all(scope.services().realtime, [one.tenant_id for one in clients])
    is_fresh = bool(floors)
    for snapshot in floors.values():
        for queue in snapshot.get("queues", {}).values():
            talking += int(queue["talking"])
            waiting += int(queue["waiting"])
            if queue.get("since"):
                since.append(dt.datetime.fromisoformat(queue["since"]))
    states: Counter[str] = Counter()
    for one in desk.serving(scope.session()):
        if one.presence is not None and activity(one.presence.state) is not Activity.OFFLINE:
            states[stock.SHOWN.get(activity(one.presence.state), "away")] += 1
    longest = max(0.0, (now - min(since)).total_seconds()) if since else None
    return CallsNow(is_fresh, talking, waiting, longest, states)
