"""Invoices as lists and as paper, for the portal and the operator."""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_decimal
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing.accounts import Account, Party, Seller
from billing.bill import Bill, Line
from billing.documents import press
from billing.documents.arithmetic import explained
from billing.documents.document import InvoiceDocument
from billing.invoices import InvoiceSummary, Waiting
from billing.payments.standing import Standing
from billing.periods import Period
from core import clock, ids
from core.money import Money
from web.shown import payments, wording
from web.shown.bills import days_of, quantity

OVERDUE, FINALISED = "overdue", "finalised"
_PPM_PER_PERCENT = 10_000
_PRICE_IT = _l("Add it to the next version of the price list. Once that holds, price the usage here.")
# why usage has no charge (`billing.rating.tariff`), and what the clerk does about it
OBSTACLES: Mapping[str, tuple[LazyString, LazyString]] = {
    "no-tariff": (
        _l("The company had no prices yet at that time."),
        _l("Price the usage here: the prices in force now are taken."),
    ),
    "meter-not-priced": (_l("The price list has no price for it."), _PRICE_IT),
    "prefix-not-priced": (_l("The price list has no price for these numbers."), _PRICE_IT),
    "needs-hidden-digits": (
        _l("Which price holds depends on digits that are not kept."),
        _l("Give all numbers that begin so one price, in the next version of the price list."),
    ),
    "prefix-blocked": (
        _l("The price list blocks these numbers."),
        _l("They cannot be billed as they are: find out how the calls went out."),
    ),
    "above-maximum": (
        _l("A call costs more than its maximum, and the price list refuses that."),
        _l("Find out how it came to be. If it is right, raise the maximum and price the usage here."),
    ),
    "holidays-unknown": (
        _l("The price list does not know whether that day is a public holiday."),
        _l("Publish a new version: it knows the holidays of ten more years. Then price the usage here."),
    ),
}
_OTHER_OBSTACLE = (_l("It has no price."), _l("Look at it in the usage explorer."))


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice of a list; see templates/parts/invoice.html."""

    id: str
    href: str
    number: str | None
    company: str
    first_on: dt.date
    last_on: dt.date
    total: Money
    state: str
    issued_on: dt.date | None
    due_on: dt.date | None
    stand: payments.Stand | None = None


@dataclass(frozen=True, slots=True)
class PaperParty:
    """A head of the paper."""

    name: str
    lines: tuple[str, ...]
    tax_id: str


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One line of the paper."""

    name: str
    quantity: Decimal
    unit: str
    unit_nano: int | None
    currency: str
    amount: Money
    calls_url: str | None
    calls: int
    is_call: bool
    note: str


@dataclass(frozen=True, slots=True)
class PaperGroup:
    """Lines of one meter."""

    name: str
    lines: tuple[PaperLine, ...]


@dataclass(frozen=True, slots=True)
class PaperTax:
    """Tax of one category and rate."""

    name: str
    percent: str
    base: Money
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """The document itself, as it is shown on a page."""

    id: str
    number: str | None
    state: str
    first_on: dt.date
    last_on: dt.date
    issued_on: dt.date | None
    due_on: dt.date | None
    net: Money
    total: Money
    zone: str
    price_list: str
    taxes: tuple[PaperTax, ...]
    seller: PaperParty
    buyer: PaperParty
    groups: tuple[PaperGroup, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry of an invoice's history."""

    at: dt.datetime
    kind: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Usage that keeps a month open: how much of what, why, and what helps."""

    meter: str
    events: int
    why: str
    advice: str


def obstacles(waiting: Iterable[Waiting]) -> list[Obstacle]:
    """Return what keeps a month open, in words."""
    found = [(one, OBSTACLES.get(one.reason, _OTHER_OBSTACLE)) for one in waiting]
    return [
        Obstacle(wording.meter(one.meter), one.events, str(why), str(advice)) for one, (why, advice) in found
    ]


def listed(
    one: InvoiceSummary, *, zone: str, base: str, company: str = "", standing: Standing | None = None
) -> InvoiceRow:
    """Return an invoice as a list shows it; it leads to `base`/<id>. Its state is that of its payment."""
    first_on, last_on = days_of(one.period, zone=zone)
    return InvoiceRow(
        id=ids.public("inv", one.invoice_id),
        href=f"{base}/{ids.public('inv', one.invoice_id)}",
        number=one.number,
        company=company,
        first_on=first_on,
        last_on=last_on,
        total=Money(one.total_minor, one.currency),
        state=standing.state if standing else _state(one.state, one.due_on, zone),
        issued_on=one.issued_on,
        due_on=one.due_on,
        stand=payments.stand(standing, currency=one.currency),
    )


def paper(document: InvoiceDocument, *, lines_url: str = "", standing: Standing | None = None) -> Paper:
    """Return an invoice as paper; each line leads to `lines_url` + its number, when that is given."""
    first_on, last_on = days_of(document.period, zone=document.zone)
    bill = document.bill
    return Paper(
        id=ids.public("inv", document.invoice_id),
        number=document.number,
        state=standing.state if standing else _state(document.state, document.due_on, document.zone),
        first_on=first_on,
        last_on=last_on,
        issued_on=document.issued_on,
        due_on=document.due_on,
        net=Money(bill.net_minor, bill.currency),
        total=Money(bill.total_minor, bill.currency),
        zone=document.zone,
        price_list=_price_lists(bill.lines),
        taxes=_taxes(bill),
        seller=_party(document.seller.party),
        buyer=_party(document.buyer),
        groups=_groups(bill, lines_url, document.period, document.zone),
    )


def preview(bill: Bill, *, account: Account, seller: Seller, period: Period) -> Paper:
    """Return the paper a draft would be now."""
    first_on, last_on = days_of(period, zone=account.zone)
    return Paper(
        id="",
        number=None,
        state="draft",
        first_on=first_on,
        last_on=last_on,
        issued_on=None,
        due_on=None,
        net=Money(bill.net_minor, bill.currency),
        total=Money(bill.total_minor, bill.currency),
        zone=account.zone,
        price_list=_price_lists(bill.lines) or account.price_list,
        taxes=_taxes(bill),
        seller=_party(seller.party),
        buyer=_party(account.buyer),
        groups=_groups(bill, "", period, account.zone),
    )


def history(
    document: InvoiceDocument, *, paid_at: dt.datetime | None = None, approver: str | None = None
) -> list[Happened]:
    """Return what happened to an invoice, oldest first; who approved it only where that is to be seen."""
    happened = [Happened(document.drafted_at, "drafted")]
    if document.approved_at and approver is not None:
        happened.append(Happened(document.approved_at, "approved", approver))
    if document.finalised_at:
        happened.append(Happened(document.finalised_at, "finalised"))
    if paid_at:
        happened.append(Happened(paid_at, "paid"))
    return happened


def line_name(line: Line) -> str:
    """Return what a line is called: its destination, and that its use was late."""
    name = wording.named(line.names, line.destination)
    return gettext("%(name)s, used earlier", name=name) if line.is_late else name


def _state(state: str, due_on: dt.date | None, zone: str) -> str:
    if state != FINALISED or due_on is None:
        return state
    today = clock.now().astimezone(zoneinfo.ZoneInfo(zone)).date()
    return OVERDUE if today > due_on else FINALISED


def _note(line: Line, period: Period, zone: str, currency: str) -> str:
    """Return what is to be said of a line: how it came about, which part of a month, that it goes on."""
    reason = explained(line, currency=currency, language=wording.language())
    notes = [reason] if reason else []
    if line.is_prorated:
        days = line.days_of(period, zone=zone)
        notes.append(
            gettext("prorated, %(part)s/%(whole)s days", part=days[0], whole=days[1])
            if days
            else gettext("prorated")
        )
    if line.is_estimate:
        notes.append(gettext("estimate up to now"))
    return ", ".join(notes)


def _groups(bill: Bill, lines_url: str, period: Period, zone: str) -> tuple[PaperGroup, ...]:
    by_meter: dict[str, list[PaperLine]] = {}
    for line in bill.lines:
        by_meter.setdefault(line.meter, []).append(
            PaperLine(
                name=line_name(line),
                quantity=quantity(line.quantity, line.unit),
                unit=line.unit,
                unit_nano=line.unit_nano,
                currency=bill.currency,
                amount=Money(line.amount_minor, bill.currency),
                calls_url=f"{lines_url}{line.line_no}" if lines_url and line.events else None,
                calls=line.events,
                is_call=line.units_nano is None,
                note=_note(line, period, zone, bill.currency),
            )
        )
    return tuple(PaperGroup(wording.meter(meter), tuple(lines)) for meter, lines in by_meter.items())


def _taxes(bill: Bill) -> tuple[PaperTax, ...]:
    return tuple(
        PaperTax(
            wording.tax(one.category),
            format_decimal(Decimal(one.rate_ppm) / _PPM_PER_PERCENT, locale=str(get_locale() or "en")),
            Money(one.taxable_minor, bill.currency),
            Money(one.tax_minor, bill.currency),
        )
        for one in bill.taxes
    )


def _price_lists(lines: Iterable[Line]) -> str:
    return ", ".join(sorted({f"{line.price_list} v{line.version}" for line in lines}))


def _party(party: Party) -> PaperParty:
    lines = (*press.address(party, wording.language()), party.register_id)
    return PaperParty(party.name, tuple(filter(None, lines)), party.tax_id)
