"""Client companies: the list, one company, and letting a new one in."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from babel import Locale
from flask import flash, make_response, redirect, render_template, request
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from billing import accounts, credit, heads, items, ledger, periods, price_lists, tariffs
from billing import invoices as billing
from billing.accounts import PPM, Account, Party, Seller
from billing.errors import BillingAccountNotFoundError
from billing.payments import attempts
from billing.price_lists import PriceList, Published
from core import clock, ids
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId, UsageId
from core.money import Money, typed
from seats import inventory, leases, limits
from telephony import numbers, queues
from tenants import agreements, companies, logins, staff, standard_agreement, users
from tenants.companies import COLOURS, LANGUAGES, Company
from tenants.errors import EmailTakenError
from web import amounts, identity, invitations, parts, said, scope, tables, words
from web.account import signing
from web.guards import permission
from web.operator import own_details, rounds
from web.operator.prices import priced
from web.operator.views import pages
from web.plain import whole
from web.shown import bills, invoices, wording

_INVOICES = 12
_TERMS_DAYS = 30
_MOST = 10_000
_PERCENT = PPM // 100
_LONGEST, _LONGEST_ADDRESS = 120, 600
_FIELDS = (
    *("name", "legal_name", "address", "tax_id", "country", "zone", "language", "initials"),
    *("price_list", "tax_percent", "owner_name", "owner_email"),
)


@dataclass(frozen=True, slots=True)
class SeatRow:
    """One rented seat."""

    label: str
    kind: str
    from_at: dt.datetime
    to_at: dt.datetime | None
    is_now: bool


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One rented number and where its calls go."""

    number: str
    kind: str
    entry: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """Something that can be charged once; `unit_nano` None where a charge model prices a month of it."""

    meter: str
    name: str
    unit_nano: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """One company of the list; see templates/operator/companies.html."""

    id: str
    name: str
    state: str
    price_list: str
    seats: int
    numbers: int
    running: Money | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the companies of one page (seats and numbers: over all)."""

    companies: int
    seats: int
    numbers: int
    running: Sequence[Money]


@dataclass(frozen=True, slots=True)
class FirstOwner:
    """Who is to sign in first to a company; the link that sets their password is shown once."""

    email: str
    link: str


@dataclass(frozen=True, slots=True)
class _Inside:
    """What is looked at inside one company's walls."""

    price_list: str
    bill: bills.BillNow | None


class CompanyFormError(SeatlineError):
    """A field of the form does not fit; `field` names it."""

    code = "company-form"
    kind = "invalid"


def _states() -> tables.Words:
    return [("active", gettext("Active")), ("suspended", gettext("Suspended")), ("closed", gettext("Closed"))]


COMPANIES: tables.Table[CompanyRow] = tables.Table(
    "companies",
    (
        tables.Column("company", _l("Company"), lambda row: row.name, sorts=True),
        tables.Column("state", _l("State"), lambda row: row.state, sorts=True),
        tables.Column("prices", _l("Price list"), lambda row: row.price_list),
        tables.Column("seats", _l("Seats"), lambda row: row.seats, sorts=True, cls="r"),
        tables.Column("numbers", _l("Numbers"), lambda row: row.numbers, sorts=True, cls="r"),
        tables.Column("running", _l("Running bill"), lambda row: row.running, cls="r"),
    ),
    filters=(
        tables.Search("q", _l("Find a company"), _l("Name or id")),
        tables.Choice("state", _l("State"), _states),
    ),
    order="company",
)


@pages.get("/companies")
@permission("companies.read")
def company_list() -> str | Response:
    """Show the client companies; inside their walls is looked for those on this page alone."""
    session = scope.session()
    rented = inventory.rented_by(session, at=clock.now())
    lent: dict[TenantId, int] = {}
    for number in numbers.in_stock(session):
        if number.renter_tenant_id is not None:
            lent[number.renter_tenant_id] = lent.get(number.renter_tenant_id, 0) + 1
    every = rounds.clients()
    sees_money = "billing.read" in identity.current().permissions

    def fetch(asked: tables.Asked) -> tables.Slice[CompanyRow]:
        state, by_id = asked.get("state"), {ids.public("ten", one.tenant_id): one for one in every}
        rows = [
            CompanyRow(
                key, one.name, one.status, "", rented.get(one.tenant_id, 0), lent.get(one.tenant_id, 0), None
            )
            for key, one in by_id.items()
            if not state or one.status == state
        ]
        found = tables.of_list(COMPANIES, asked, rows, text=lambda row: f"{row.name} {row.id}")
        inside = rounds.go([by_id[row.id] for row in found.rows], _inside)
        return replace(
            found,
            rows=[
                replace(
                    row,
                    price_list=seen.price_list,
                    running=seen.bill.total if sees_money and seen.bill else None,
                )
                for row, (_company, seen) in zip(found.rows, inside, strict=True)
            ],
        )

    return tables.show(
        COMPANIES,
        "operator/companies.html",
        fetch,
        totals=lambda found: Totals(len(every), sum(rented.values()), sum(lent.values()), _sums(found.rows)),
        may_open="companies.write" in identity.current().permissions,
    )


@pages.get("/companies/new")
@permission("companies.write")
def company_form() -> str:
    """Show the form for a new company."""
    return _form({"country": "GB", "zone": "Europe/London", "language": "en", "tax_percent": "20"})


@pages.post("/companies")
@permission("companies.write")
def open_company() -> Response:
    """Let a company in: its walls, its billing account with today's prices, and its first owner."""
    given = {name: request.form.get(name, "").strip() for name in _FIELDS}
    try:
        company, owner = _open(given)
    except SeatlineError as error:
        if error.kind not in {"invalid", "conflict"}:
            raise
        scope.rollback()
        said = words.problem(error.code, error.kind)
        fields = error.details.get("fields") or [error.details.get("field", "")]
        field = str(fields[0]) if isinstance(fields, (list, tuple)) and fields else ""
        why = f"{said.title}. {said.advice}"
        if field == "tax_percent":
            why = amounts.two_ways(given[field]) or gettext("Write a percentage like 20 or 17.5.")
        return make_response(_form(given, {field or "form": why}), 422)
    return make_response(_detail(company, new_owner=owner), 201)


@pages.get("/companies/<company_id>")
@permission("companies.read")
def one_company(company_id: str) -> str:
    """Show one company: invoices, numbers, seats, the running bill."""
    return _detail(rounds.one(company_id))


@pages.post("/companies/<company_id>/owner-link")
@permission("companies.write")
def link_first_owner(company_id: str) -> Response:
    """Make the first owner's link anew: the one before was lost or is too old.

    Raises:
        OwnerIsInError: the owner has chosen a password.
    """
    company = rounds.one(company_id)
    return make_response(_detail(company, new_owner=_link_owner(company)), 201)


@pages.post("/companies/<company_id>/limits")
@permission("stock.write")
def set_limits(company_id: str) -> Response:
    """Say how many seats and numbers the company may rent by itself."""
    company = rounds.one(company_id)
    wanted = [request.form.get(name, type=int) for name in ("most_seats", "most_numbers")]
    if any(one is None or not 0 <= one <= _MOST for one in wanted):
        flash(gettext("A limit is a whole number from 0 to %(most)s.", most=_MOST), "bad")
    else:
        seats_, numbers_ = (one or 0 for one in wanted)
        limits.put(
            scope.session(), renter_tenant_id=company.tenant_id, limits=limits.Limits(seats_, numbers_)
        )
        flash(gettext("The limits are set; what it rents already stays."), "ok")
    return redirect(f"/operator/companies/{company_id}", 303)


@pages.post("/companies/<company_id>/credit-hold")
@permission("billing.write")
def credit_hold(company_id: str) -> Response:
    """Keep a company from spending more, or let it again: no call of its goes out while it is on hold."""
    company, by = rounds.one(company_id), identity.current().principal_id
    reason = request.form.get("reason", "")
    if "lift" in request.form:
        rounds.visit(company, lambda session: credit.release(session, tenant_id=company.tenant_id, by=by))
        said.done(gettext("The hold is lifted."))
    else:
        rounds.visit(
            company, lambda session: credit.hold(session, tenant_id=company.tenant_id, reason=reason, by=by)
        )
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}", 303)


@pages.post("/companies/<company_id>/items")
@permission("billing.write")
def order_item(company_id: str) -> Response:
    """Charge a company for something once: set-up, training; a form that is sent twice charges once."""
    company, given = rounds.one(company_id), request.form
    count = whole(given.get("count", ""), longest=5)
    rounds.visit(
        company,
        lambda session: items.order(
            session,
            tenant_id=company.tenant_id,
            meter=given.get("meter", ""),
            count=count or 0,
            order_id=UsageId(ids.parse("use", given.get("order", ""))),
        ),
    )
    said.done(gettext("It is charged; it stands on the running bill."))
    return redirect(f"/operator/companies/{ids.public('ten', company.tenant_id)}", 303)


@pages.post("/companies/<company_id>/suspend")
@permission("companies.write")
def suspend_company(company_id: str) -> Response:
    """Shut a company's door: its people and programs get in no more, new calls are not taken."""
    company = rounds.one(company_id)
    companies.suspend(scope.session(), tenant_id=company.tenant_id)
    services = scope.services()
    scope.after_commit(lambda: signing.ask_again(services, tenant_id=company.tenant_id))
    where = f"/operator/companies/{company_id}"
    said.done(gettext("%(name)s is suspended.", name=company.name), undo=f"{where}/resume")
    return redirect(where, 303)


@pages.post("/companies/<company_id>/resume")
@permission("companies.write")
def resume_company(company_id: str) -> Response:
    """Open a suspended company's door again."""
    company = rounds.one(company_id)
    companies.reinstate(scope.session(), tenant_id=company.tenant_id)
    said.done(gettext("%(name)s is open again.", name=company.name))
    return redirect(f"/operator/companies/{company_id}", 303)


def _inside(session: Session, company: Company) -> _Inside:
    try:
        account = accounts.find(session, tenant_id=company.tenant_id)
    except BillingAccountNotFoundError:
        return _Inside("", None)
    return _Inside(account.price_list, bills.running(session, tenant_id=company.tenant_id))


def _planned(account: Account, names: Mapping[str, str]) -> tuple[str, dt.date] | None:
    """Return which price list a company follows from a day on, and the day."""
    at, code = account.next_price_list_at, account.next_price_list
    return None if at is None else (names.get(code, code), periods.day_of(at, zone=account.zone))


def _detail(company: Company, *, new_owner: FirstOwner | None = None) -> str:
    lists = {one.code: one.name for one in price_lists.every(scope.session(), tenant_id=OPERATOR)}

    def look(session: Session) -> dict[str, Any]:
        tenant_id = company.tenant_id
        names = {one.queue_id: one.name for one in queues.all_of(session, tenant_id=tenant_id)}
        try:
            account: Account | None = accounts.find(session, tenant_id=tenant_id)
        except BillingAccountNotFoundError:
            account = None
        now = clock.now()
        on_account = ledger.on_account(session, tenant_id=tenant_id, currency=company.currency)
        papers = billing.every(session, tenant_id=tenant_id)[:_INVOICES]
        stands = attempts.standings(session, tenant_id=tenant_id, these=papers, zone=company.zone)
        base = f"/operator/companies/{ids.public('ten', tenant_id)}/invoices"
        return {
            "account": account,
            "follows": lists.get(account.price_list, account.price_list) if account else "",
            "planned": _planned(account, lists) if account else None,
            "on_account": Money(on_account, company.currency) if on_account else None,
            "hold": credit.held(session, tenant_id=tenant_id),
            "items": [
                ItemRow(one.meter, wording.meter(one.meter), one.unit_nano, one.currency)
                for one in items.offered(session, tenant_id=tenant_id)
            ],
            "order": ids.public("use", ids.new_id()),
            "bill": bills.running(session, tenant_id=tenant_id),
            "seats_list": [
                SeatRow(
                    one.seat_label,
                    wording.rental_kind(one.kind.value),
                    one.starts_at,
                    one.ends_at,
                    one.starts_at <= now,
                )
                for one in leases.held(session, tenant_id=tenant_id, start=now)
            ],
            "numbers": [
                NumberRow(one.digits, wording.number_kind(one.kind), names.get(one.queue_id, ""))
                for one in numbers.all_of(session, tenant_id=tenant_id)
            ],
            "invoices": [
                invoices.listed(one, zone=company.zone, base=base, standing=stands.get(one.invoice_id))
                for one in papers
            ],
            "awaited": staff.awaited_owner(session, tenant_id=tenant_id, vault=scope.services().vault),
            "users": len(users.everyone(session, tenant_id=tenant_id, vault=scope.services().vault)),
        }

    return render_template(
        "operator/company.html",
        company_=company,
        company_id=ids.public("ten", company.tenant_id),
        sees_money="billing.read" in identity.current().permissions,
        may_hold="billing.write" in identity.current().permissions,
        new_owner=new_owner,
        days=invitations.DAYS,
        is_mailed=invitations.is_mailed(),
        limits=limits.of(scope.session(), renter_tenant_id=company.tenant_id),
        may_limit="stock.write" in identity.current().permissions,
        may_write="companies.write" in identity.current().permissions,
        **rounds.visit(company, look),
    )


def _open(given: dict[str, str]) -> tuple[Company, FirstOwner]:
    """Open the company in the operator's transaction, then furnish it in its own.

    All that can be wrong is looked at before: once the company is open, nothing takes it back.
    """
    _check(given)
    lists = {one.code: one for one in priced()}
    chosen = lists.get(given["price_list"])
    if chosen is None:
        raise CompanyFormError(field="price_list")
    versions = price_lists.published(scope.session(), tenant_id=OPERATOR, code=chosen.code)
    tax_rate_ppm = _percent(given["tax_percent"])
    email = users.canonical_email(given["owner_email"])
    services = scope.services()
    if logins.find(services.gate, vault=services.vault, email=email):
        raise EmailTakenError(field="owner_email")
    buyer, (seller, _revision) = _buyer(given), own_details.now()
    if faults := heads.faults(buyer):
        raise CompanyFormError(field="legal_name" if faults[0] == "name" else faults[0])
    company = companies.open_company(
        scope.session(),
        name=given["name"],
        country=given["country"],
        zone=given["zone"],
        language=given["language"],
        currency=chosen.currency,
        initials=given["initials"] or parts.initials(given["name"]).upper(),
        colour=sum(given["name"].encode()) % COLOURS,
    )
    # its own walls can be entered from this commit on
    scope.commit()

    def furnish(session: Session) -> None:
        accounts.open_account(session, account=_account(company, chosen, buyer, tax_rate_ppm, seller))
        _take(session, company, versions)
        staff.invite_owner(
            session,
            tenant_id=company.tenant_id,
            vault=services.vault,
            email=email,
            name=given["owner_name"],
            language=company.language,
            zone=company.zone,
            principal_id=identity.current().principal_id,
        )
        # without one no agent may serve it; it may publish its own over it
        agreements.publish(
            session,
            tenant_id=company.tenant_id,
            body=standard_agreement.text_for(company.name, language=company.language),
            by=identity.current().principal_id,
        )

    rounds.visit(company, furnish)
    return company, _link_owner(company)


def _link_owner(company: Company) -> FirstOwner:
    """Mail the first owner their invitation, and return its address to be handed over too."""

    def make(session: Session) -> FirstOwner:
        user, proven = staff.link_owner(
            session,
            tenant_id=company.tenant_id,
            vault=scope.services().vault,
            principal_id=identity.current().principal_id,
        )
        link = invitations.link(invitations.Invitation(company.tenant_id, user.id, user.id, proven))
        invitations.mail(user, link, company=company, session=session)
        return FirstOwner(user.email, link)

    return rounds.visit(company, make)


def _check(given: dict[str, str]) -> None:
    """Refuse what no row can hold.

    Raises:
        CompanyFormError: names the field.
    """
    for name, text in given.items():
        longest = _LONGEST_ADDRESS if name == "address" else _LONGEST
        if len(text) > longest or not text.replace("\r", "").replace("\n", "").isprintable():
            raise CompanyFormError(field=name)
    if not given["owner_name"]:
        raise CompanyFormError(field="owner_name")


def _take(session: Session, company: Company, versions: Sequence[Published]) -> None:
    """Give the company the prices in force now and those to come."""
    now = clock.now()
    past = [one for one in versions if one.effective_from <= now]
    for one in (*past[-1:], *(later for later in versions if later.effective_from > now)):
        tariffs.take(session, tenant_id=company.tenant_id, version=one, not_before=now)


def _account(company: Company, chosen: PriceList, buyer: Party, tax_rate_ppm: int, seller: Seller) -> Account:
    return Account(
        tenant_id=company.tenant_id,
        currency=chosen.currency,
        zone=company.zone,
        language="zh" if company.language.startswith("zh") else "en",
        tax_category="S" if tax_rate_ppm else "O",
        tax_rate_ppm=tax_rate_ppm,
        terms_days=_TERMS_DAYS,
        price_list=chosen.code,
        buyer=buyer,
        seller=seller,
    )


def _buyer(given: dict[str, str]) -> Party:
    """Return who the company's invoices are made out to; the rest is filled in on its billing details."""
    return Party(
        name=given["legal_name"] or given["name"],
        address=tuple(line.strip() for line in given["address"].splitlines() if line.strip()),
        tax_id=given["tax_id"].upper(),
        country=given["country"],
    )


def _percent(text: str) -> int:
    """Return a tax rate as parts per million: `20` -> 200000, `17.5` -> 175000."""
    percent = typed(text)
    ppm = None if percent is None else percent * _PERCENT
    if ppm is None or not 0 <= ppm < PPM or ppm != ppm.to_integral_value():
        raise CompanyFormError(field="tax_percent")
    return int(ppm)


def _form(given: dict[str, str], errors: dict[str, str] | None = None) -> str:
    lists = priced()
    return render_template(
        "operator/company_new.html",
        given=dict.fromkeys(_FIELDS, "") | given,
        errors=errors or {},
        has_lists=bool(lists or price_lists.every(scope.session(), tenant_id=OPERATOR)),
        may_price="prices.write" in identity.current().permissions,
        # one that suits nobody is not chosen for somebody: the currency stays
        lists=[("", gettext("choose one"))] * (len(lists) > 1)
        + [(one.code, f"{one.name} · {one.currency}") for one in lists],
        countries=_countries(),
        zones=[(zone, zone) for zone in sorted(zoneinfo.available_timezones()) if "/" in zone],
        languages=[(code, {"en": "English", "zh_Hans_CN": "简体中文"}[code]) for code in LANGUAGES],
    )


def _countries() -> list[tuple[str, str]]:
    territories = Locale.parse(str(get_locale() or "en")).territories
    named = [(code, name) for code, name in territories.items() if len(code) == 2 and code.isalpha()]  # noqa: PLR2004 - ISO 3166-1
    return sorted(named, key=lambda pair: pair[1])


def _sums(rows: Sequence[CompanyRow]) -> list[Money]:
    totals: dict[str, Money] = {}
    for row in rows:
        if row.running is not None:
            currency = row.running.currency
            totals[currency] = totals.get(currency, Money(0, currency)) + row.running
    return [totals[currency] for currency in sorted(totals)]
