"""`rerate`: what rating a stretch again would change, looked at by a worker, told in the terminal.

It changes nothing. What would move is approved on the page, by somebody signed in: a terminal does not say
who sits before it, and above the limit two people decide.
"""

import datetime as dt
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from uuid import UUID

import click

from billing import periods, price_lists, rerating_runs, safety
from billing.rerating_runs import Rerun
from core import ids, long_jobs
from core.ids import OPERATOR, TenantId
from core.long_jobs import JobState, LongJob
from core.money import NANO
from security.gate import Scope
from tenants import companies, users
from tenants.roles import permitted
from tenants.users import User
from web.cli import said
from wiring import House, rerating

_LOOK_AGAIN_S = 0.5
_MOST_SHOWN = 40
_WIDTHS = (24, 16, 10, 10, 16, 16, 16)


def begin(
    house: House, *, first_on: dt.date, last_on: dt.date, company: TenantId | None, prices: str, by: str
) -> UUID:
    """Have a stretch of local days looked at; return the run's id."""
    if last_on < first_on:
        said.stop("the last day comes before the first")
    code, _, number = prices.rpartition("@")
    with house.gate.open(Scope.system(OPERATOR)) as session:
        person = _person(users.everyone(session, tenant_id=OPERATOR, vault=house.vault), by)
        published = {
            f"{one.code}@{version.version}"
            for one in price_lists.every(session, tenant_id=OPERATOR)
            for version in price_lists.versions(session, tenant_id=OPERATOR, price_list_id=one.price_list_id)
            if version.published_at is not None
        }
        if prices and prices not in published:
            said.stop(
                f"{prices!r} is no published version; there are {', '.join(sorted(published)) or 'none'}"
            )
        if company is not None:
            companies.read(session, tenant_id=company)
        rerun_id = rerating_runs.ask(
            session,
            start=periods.day_start(first_on, zone=person.zone),
            end=periods.day_start(last_on + dt.timedelta(days=1), zone=person.zone),
            by=person.id,
            company_id=company,
            price_list=code,
            version=int(number) if code else None,
        )
        long_jobs.note(
            session,
            job_id=rerun_id,
            kind=rerating.LOOKING,
            state=JobState.WAITING,
            company_id=company,
            started_by=person.id,
        )
    return rerun_id


def follow(house: House, rerun_id: UUID) -> None:
    """Wait until a run has been looked at, with a bar that says how far it is; tell what would change.

    Exit 1 when anything would, and when it was given up: then nobody knows.
    """
    with click.progressbar(length=1, label="waiting for a worker") as bar:
        while True:
            with house.gate.open(Scope.system(OPERATOR)) as session:
                run = rerating_runs.find(session, rerun_id=rerun_id)
                job = long_jobs.find(session, job_id=rerun_id)
            if run.state != "looking":
                break
            if job is not None and job.total:
                _move(bar, job)
            time.sleep(_LOOK_AGAIN_S)
        if bar.length and run.state != "gone":
            bar.update(bar.length - bar.pos)
    if run.state == "gone":
        said.stop("somebody has given this run up on the page, so what would change is not known; look again")
    with house.gate.open(Scope.system(OPERATOR)) as session:
        names = {one.tenant_id: one.name for one in companies.clients(session)}
        needs_second = run.needs_second(safety.usual(session))
    for line in report(run, names, needs_second=needs_second):
        click.echo(line)
    sys.exit(1 if run.moves else 0)


def report(run: Rerun, names: Mapping[TenantId, str], *, needs_second: bool) -> Iterator[str]:
    """Yield the difference line by line: sums by currency, then what moves most, by meter and prefix."""
    whose = names.get(run.company_id, "") if run.company_id else "all companies"
    prices = f"by {run.price_list} v{run.version}" if run.price_list else "each by its own prices"
    yield f"{ids.public('rrt', run.rerun_id)}: {whose}, {prices}"
    yield f"{run.looked:,} events looked at, {run.changes:,} would cost something else"
    for one in run.totals():
        up, down, billed = (_amount(nano) for nano in (one.up_nano, one.down_nano, one.billed_nano))
        yield f"{one.currency}: open bills rise by {up} and fall by {down}; final invoices lack {billed}"
    if not run.moves:
        yield "nothing would change"
        return
    yield _row("company", "meter", "prefix", "events", "up", "down", "final lack")
    for move in run.moves[:_MOST_SHOWN]:
        company = names.get(TenantId(move.company_id), "")
        amounts = (_amount(nano) for nano in (move.up_nano, move.down_nano, move.billed_nano))
        yield _row(company, move.meter, move.prefix, f"{move.events:,}", *amounts)
    if len(run.moves) > _MOST_SHOWN:
        yield f"… and {len(run.moves) - _MOST_SHOWN:,} more, all of them in the page's file"
    if run.state in {"looked", "applying", "done"}:
        who = "by another than who asked for it" if needs_second else "by somebody of the staff"
        state = f"approve it {who}" if run.state == "looked" else "it was approved"
        where = f"/operator/rerating?run={ids.public('rrt', run.rerun_id)}"
        yield f"nothing is changed from here; {state}: {where}"


def _move(bar: "click._termui_impl.ProgressBar[int]", job: LongJob) -> None:
    bar.label = f"{job.done:,} events"
    bar.length = job.total
    bar.update(max(0, job.done - bar.pos))


def _person(staff: Iterable[User], email: str) -> User:
    """Return who of the staff asks; they may, and somebody else approves what takes two."""
    wanted = users.canonical_email(email)
    for one in staff:
        if one.email == wanted and one.status == "active" and "billing.write" in permitted(one.roles):
            return one
    return said.stop(f"nobody of the staff who may rate again has the address {email}")


def _row(*cells: str) -> str:
    left = "  ".join(cell[:width].ljust(width) for cell, width in zip(cells[:3], _WIDTHS, strict=False))
    right = "  ".join(cell.rjust(width) for cell, width in zip(cells[3:], _WIDTHS[3:], strict=True))
    return f"{left}  {right}".rstrip()


def _amount(nano: int) -> str:
    return f"{Decimal(nano) / NANO:.4f}"
