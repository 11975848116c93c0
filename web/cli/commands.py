"""The commands. Each is a doorway: it opens the gate, commits, and says in words what it did."""

import base64
import datetime as dt
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import click

from billing import price, verify
from billing.events import ReconciliationAsked
from billing.payments import differences
from core import config, ids
from core.config import Settings
from core.ids import OPERATOR, TenantId, UserId
from core.money import Money
from core.phone import parse_e164
from seats import roster
from security import catalogue, evidence, key_states
from security.gate import Scope
from security.keys import FileRootKey
from security.passwords import hash_password
from telephony import numbers, orders
from telephony.orders import OrderKind
from tenants import companies, sessions, users
from tenants.roles import ROLES
from web.account import signing
from web.api.document import document
from web.cli import backups, invoices, rerating, routing, said
from web.cli import usage as usage_files
from web.cli.exports import export_group
from web.factory import create_app
from web.services import Services
from wiring import House, assemble, comparing, reconciling, rotation
from wiring.prepare import migrate

_NOWHERE = Path("/nonexistent")


@click.group()
def main() -> None:
    """Seatline's command line; reads the settings `make up` wrote."""


for _command in (
    backups.make_backup,
    backups.restore_backup,
    backups.drill_backup,
    backups.certificate,
    export_group,
):
    main.add_command(_command)


@main.group()
def db() -> None:
    """Look after the database."""


@db.command()
def check() -> None:
    """Say whether the database has the shape the walls need; exit 1 when it has not."""
    with _house() as house:
        found = catalogue.violations(house.gate)
    for one in found:
        click.echo(str(one))
    click.echo(f"{len(found)} violations" if found else "the walls stand")
    sys.exit(1 if found else 0)


@db.command("migrate")
def migrate_database() -> None:
    """Run the migrations up to the newest."""
    with said.in_words():
        migrate(config.load().migrator_database_url)
    click.echo("the database is at the newest migration")


@main.command("open")
@click.option("--name", required=True, help="The operator's own: the pages' and the letters' signature.")
@click.option("--country", required=True, help="ISO 3166-1, two letters: GB.")
@click.option("--zone", required=True, help="IANA: Europe/London.")
@click.option("--currency", required=True, help="ISO 4217: GBP.")
@click.option("--language", default="en", type=click.Choice(companies.LANGUAGES))
def open_operator(name: str, country: str, zone: str, currency: str, language: str) -> None:
    """Open the operator's own company, once, where no demo was: then its staff can be added and sign in."""
    with _house() as house, house.gate.open(Scope.system(OPERATOR)) as session:
        if companies.was_opened(session, tenant_id=OPERATOR):
            said.stop("the operator's company is open already: `seatline user add` adds its staff")
        companies.open_company(
            session,
            tenant_id=OPERATOR,
            name=name,
            country=country,
            zone=zone,
            language=language,
            currency=currency,
            initials=name.strip()[:1].upper(),
            colour=0,
        )
    click.echo("it is open; `seatline user add` adds its staff, whose roles begin with operator_")


@main.group()
def user() -> None:
    """Look after people who sign in."""


@user.command("list")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
def list_users(company: str) -> None:
    """List a company's users: id, state, roles. Names stay sealed."""
    tenant_id = _tenant(company)
    with _house() as house, house.gate.open(Scope.system(tenant_id)) as session:
        for one in users.everyone(session, tenant_id=tenant_id, vault=house.vault):
            click.echo(f"{ids.public('usr', one.id)}  {one.status:8}  {', '.join(one.roles)}")


@user.command("add")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(sorted(ROLES)))
@click.option("--language", default="en", type=click.Choice(companies.LANGUAGES))
@click.option("--zone", default="UTC")
def add_user(company: str, email: str, name: str, roles: tuple[str, ...], language: str, zone: str) -> None:
    """Add somebody; the password is read from standard input, never from an argument."""
    tenant_id = _tenant(company)
    password = sys.stdin.readline().rstrip("\n")
    with _house() as house, house.gate.open(Scope.system(tenant_id)) as session:
        if not companies.was_opened(session, tenant_id=tenant_id):
            said.stop("there is no such company yet: the operator's own is opened with `seatline open`")
        added = users.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            email=email,
            name=name,
            roles=roles,
            password_hash=hash_password(password),
            language=language,
            zone=zone,
        )
    click.echo(ids.public("usr", added.id))


@user.command("disable")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
@click.argument("user_id")
def disable_user(company: str, user_id: str) -> None:
    """Let somebody in no more, and end all sessions of that person."""
    tenant_id = _tenant(company)
    with _house() as house:
        whom = UserId(ids.parse("usr", user_id))
        with house.gate.open(Scope.system(tenant_id)) as session:
            users.disable(session, tenant_id=tenant_id, user_id=whom)
            evidence.record(session, "user.disabled", "usr", whom)
            ended = sessions.end_all(session, tenant_id=tenant_id, user_id=whom)
        signing.tell_ended(house, tenant_id=tenant_id, session_ids=ended)
    click.echo(f"disabled; {len(ended)} sessions ended")


@main.group()
def usage() -> None:
    """Take in usage that others metered."""


@usage.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--company", required=True, help="Whose usage it is (ten_…).")
@click.option(
    "--source", required=True, help="Who metered it; with its id an event is taken in once for ever."
)
def import_usage(file: Path, company: str, source: str) -> None:
    """Take in FILE, CSV with the columns event_id, meter, occurred_at, ended_at, quantity_ms and prefix.

    Instants are ISO 8601 with their offset. A prefix is a number's digits without its last four. A repeat
    changes nothing; of what contradicts what is there, or cannot be, the page of usage tells.
    """
    tenant_id = _tenant(company)
    with _house() as house:
        found = usage_files.take_in(house, tenant_id, file, source=source)
    click.echo(
        f"{found.received} rows: {found.accepted} taken in, {found.duplicate} there already,"
        f" {found.conflict} contradict what is there, {found.rejected} cannot be"
    )


@main.group()
def keys() -> None:
    """Look after the keys that seal companies' data; no key is ever shown."""


@keys.command("list")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
def list_keys(company: str) -> None:
    """List a company's keys: purpose, version, state, since when, and how much each has sealed."""
    tenant_id = _tenant(company)
    with _house() as house:
        for one in key_states.versions(house.keystore, tenant_id=tenant_id):
            left = "-"
            if one.purpose in rotation.ROTATED:
                found = rotation.count(house, tenant_id=tenant_id, purpose=one.purpose)
                left = str(found[one.key_id or 0])
            since = f"{one.changed_at:%Y-%m-%d %H:%M}"
            click.echo(
                f"{one.purpose:12} v{one.version:<3} {one.state.value:13} since {since}Z  seals {left}"
            )


@keys.command("rotate")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
@click.argument("purpose", type=click.Choice(sorted(rotation.ROTATED)))
def rotate_key(company: str, purpose: str) -> None:
    """Replace a company's key and seal everything of PURPOSE anew, while it is in use; a worker does it."""
    tenant_id = _tenant(company)
    with _house() as house, house.gate.open(Scope.system(OPERATOR)) as session:
        job_id = rotation.ask(session, house.keystore, tenant_id=tenant_id, purpose=purpose, by=OPERATOR)
    click.echo(f"started: {ids.public('job', job_id)}; how far it is stands on the operator's page of jobs")


@keys.command("rotate-root")
@click.option("--go-on", is_flag=True, help="Make no new root key: finish with one that was cut off.")
def rotate_root(go_on: bool) -> None:  # noqa: FBT001 - click's own way
    """Put a new root key in front of the file's, and wrap every company's own key with it.

    Of a key that a transit service holds: rotate it there, then run this with --go-on.

    On every machine that has the file, put the new one there first; processes that run look for it by
    themselves. Keep the older keys in the file: signatures and tokens are derived from the oldest.
    """
    with _house() as house:
        if not go_on:
            if not isinstance(house.root_key, FileRootKey):
                said.stop("the root key does not lie in a file here: replace it where it lies, then --go-on")
            house.root_key.renew()
        with house.gate.open(Scope.system(OPERATOR)) as session:
            count = key_states.rewrap(house.keystore)
            evidence.record(session, "key.root-replaced", companies=count)
    click.echo(f"{count} companies' keys are wrapped with the newest root key; take a copy of it now")


@main.group()
def audit() -> None:
    """Read and check the evidence log."""


@audit.command("export")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
def export_log(company: str) -> None:
    """Write a company's whole log to standard output, for `audit verify`."""
    tenant_id = _tenant(company)
    with _house() as house, house.gate.open(Scope.system(tenant_id)) as session:
        for line in evidence.export(session, tenant_id=tenant_id, signer=house.signer):
            click.echo(line)


@audit.command("key")
def show_key() -> None:
    """Write the public key that checkpoints are checked by; publish it."""
    with _house() as house:
        click.echo(base64.b64encode(house.signer.public_key).decode())


@audit.command("verify")
@click.argument("log", type=click.File(encoding="utf-8"))
@click.option("--since", type=click.File(encoding="utf-8"), help="A checkpoint kept earlier.")
@click.option("--key", "known", help="The public key, from `audit key`; else the file's own is believed.")
def verify_log(log: TextIO, since: TextIO | None, known: str | None) -> None:
    """Check LOG with nothing but itself: no database, no network. Exit 1 when it does not hold together."""
    with said.in_words():
        verdict = evidence.verify(
            log, public_key=said.public_key(known), kept=since.read() if since is not None else None
        )
    click.echo(
        f"{ids.public('ten', verdict.tenant_id)}: {verdict.size} entries hold together;"
        f" {verdict.checkpoints} checkpoints, the last over {verdict.sealed} entries"
    )
    if known is None:
        click.echo("the key was the file's own: give --key to know who signed", err=True)


@audit.command("compare")
@click.option("--company", default="operator", help="`operator`, or a company's id (ten_…).")
def compare_rows(company: str) -> None:
    """Compare bills, movements of money and call records with what the log says; exit 1 when one differs."""
    tenant_id = _tenant(company)
    with _house() as house:
        found = comparing.compare(house.gate, tenant_id=tenant_id)
    for subject in found.differing:
        click.echo(f"{subject} is not what the log says")
    click.echo(f"{found.rows} rows compared, {len(found.differing)} differ")
    sys.exit(1 if found.differing else 0)


@main.command()
def reconcile() -> None:
    """Compare our books with the payment provider's, up to an hour ago; exit 1 when a difference is open."""
    with _house() as house, said.in_words():
        run = reconciling.begin(house)
        while reconciling.go_on(house, ReconciliationAsked(tenant_id=OPERATOR, run_id=run.run_id)):
            pass
        with house.gate.open(Scope.system(OPERATOR)) as session:
            run = next(one for one in differences.runs(session) if one.run_id == run.run_id)
            found = differences.every(session)
    for one in found:
        what = f"{one.found.differs.value:13}  {one.found.moved.value:13}  {one.found.remote_id}"
        click.echo(f"{ids.public('dif', one.difference_id)}  {what}")
    click.echo(f"{run.looked} lines compared, {run.found} differ; {len(found)} differences are open")
    sys.exit(1 if found else 0)


@main.group()
def rerate() -> None:
    """Look at what rating a stretch again would change; it is approved on the page."""


@rerate.command("look")
@click.argument("first", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("last", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--company", default="", help="Of one company (ten_…) alone.")
@click.option(
    "--prices", default="", help="By this version for all, CODE@VERSION; left out: each by its own."
)
@click.option("--by", required=True, help="E-mail of who of the staff asks; whose days they are as well.")
def look_at_rating(first: dt.datetime, last: dt.datetime, company: str, prices: str, by: str) -> None:
    """Tell what rating the days FIRST to LAST again would change; exit 1 when anything. Nothing changes."""
    company_id = _tenant(company) if company else None
    with _house() as house:
        rerun_id = rerating.begin(
            house, first_on=first.date(), last_on=last.date(), company=company_id, prices=prices, by=by
        )
        rerating.follow(house, rerun_id)


@rerate.command("show")
@click.argument("run")
def show_rating(run: str) -> None:
    """Tell the difference of a RUN (rrt_…) once more, or wait for it; exit 1 when there is one."""
    with _house() as house:
        rerating.follow(house, ids.parse("rrt", run))


@main.command("simulate-call")
@click.argument("number")
@click.option("--caller", default="+447700900123", help="A fictitious number that calls.")
def simulate_call(number: str, caller: str) -> None:
    """Let somebody call NUMBER; only where the switch simulator runs in place of Asterisk."""
    with _house() as house:
        if not house.settings.is_simulated:
            said.stop("a real switch runs here: dial the number, or use `make call`")
        digits = {"dnis": numbers.canonical(number), "ani": parse_e164(caller)}
        with house.gate.open(Scope.system(OPERATOR)) as session:
            orders.leave(session, OrderKind.SIMULATE, **digits)
        house.realtime.publish(OPERATOR, orders.WAKE_UP, {})
    click.echo("the call is on its way")


@main.command("try-routing")
@click.argument("company")
@click.option("--days", default=7, type=click.IntRange(1, 92), help="How far back calls are taken.")
@click.option(
    "--seats", default=0, type=click.IntRange(0, 9_999), help="Left out: as many as work for it now."
)
@click.option(
    "--foreign", default=1.0, type=click.FloatRange(1, 3), help="A call away from home lasts so long."
)
@click.option("--seed", default=1, help="Of what is drawn by lot.")
def try_routing(company: str, days: int, seats: int, foreign: float, seed: int) -> None:
    """Simulate each traffic model, and pooling, on a company's own calls. Nothing is changed."""
    tenant_id = _tenant(company)
    with _house() as house:
        if not seats:
            with house.gate.open(Scope.system(OPERATOR)) as session:
                seats = len(roster.members(session, client_tenant_id=tenant_id, queue_id=None))
        if not seats:
            said.stop("no agent works for the company: say --seats")
        routing.try_models(house, tenant_id, days=days, seats=seats, foreign=foreign, seed=seed)


@main.group()
def invoice() -> None:
    """Read finalised invoices."""


@invoice.command("list")
@click.option("--company", default="", help="Of one company (ten_…) alone.")
def list_invoices(company: str) -> None:
    """List finalised invoices, the newest first: number, month, total, company."""
    wanted = _tenant(company) if company else None
    with _house() as house:
        for line in invoices.listed(house, wanted):
            click.echo(line)


@invoice.command("proof")
@click.argument("number")
def write_proof(number: str) -> None:
    """Write the proof of invoice NUMBER to standard output: `verify` works it out again from that alone."""
    with _house() as house:
        for line in invoices.proof_of(house, number):
            click.echo(line, nl=False)


@main.command("verify")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--after", type=click.File(encoding="utf-8"), help="The proof of an earlier invoice.")
@click.option("--key", "known", help="The public key, from `audit key`; else the file's own is believed.")
def verify_invoice(file: TextIO, after: TextIO | None, known: str | None) -> None:
    """Work an invoice's proof FILE out again, offline. Exit 1 and the place when it differs."""
    key = said.public_key(known)
    with said.in_words():
        found = verify.verify(file, public_key=key)
        if after is not None:
            verify.follows(found, verify.verify(after, public_key=key))
    total = Money(found.total_minor, found.currency).plain()
    click.echo(
        f"{found.number}: {found.events} events, {found.lines} lines, {found.currency} {total}:"
        f" every amount worked out again is the same; {len(found.earlier)} earlier invoices"
    )
    if known is None:
        click.echo("the key was the file's own: give --key to know who signed", err=True)


@main.command("price")
def price_requests() -> None:
    """Price what comes in, one JSON request a line; exit 1 when any was an error. Needs no database."""
    has_error = False
    for line in sys.stdin:
        reply = price.answer(line)
        has_error = has_error or price.is_error(reply)
        sys.stdout.write(reply + "\n")
    sys.exit(1 if has_error else 0)


@main.command()
def openapi() -> None:
    """Write the API's OpenAPI document; docs/api/openapi.json is this."""
    click.echo(json.dumps(described(), indent=2, ensure_ascii=False, sort_keys=True))


def described() -> dict[str, Any]:
    """Return the OpenAPI document; needs neither settings nor servers."""
    paper = Settings(
        state_dir=_NOWHERE,
        database_url="",
        bill_database_url="",
        keys_database_url="",
        migrator_database_url="",
        redis_url="",
        switch_url="simulator:",
        root_key_file=_NOWHERE,
        secret_key="0" * 64,
        recording_dir=_NOWHERE,
        sounds_dir=_NOWHERE,
        storage_dir=_NOWHERE,
        spool_dir=_NOWHERE,
    )
    app = create_app(cast("Services", _Paper(paper)))
    with app.test_request_context(base_url=paper.public_url):
        return document(app)


@dataclass(frozen=True, slots=True)
class _Paper:
    """Services of a process that only describes itself."""

    settings: Settings
    process: str = "paper"


@contextmanager
def _house() -> Iterator[House]:
    with said.in_words():
        house = assemble(process="cli")
        try:
            yield house
        finally:
            house.close()


def _tenant(company: str) -> TenantId:
    if company == "operator":
        return OPERATOR
    with said.in_words():
        return TenantId(ids.parse("ten", company))
    raise AssertionError
