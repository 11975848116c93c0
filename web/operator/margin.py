"""What calls out leave after the carrier: by its prefixes, losses marked; and what carriers charge.

Decks are price lists that no company can have, so their drafts, files and versions are those of price lists.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask import redirect, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import margin, price_drafts, price_lists
from billing.errors import BillingAccountNotFoundError, PriceListTakenError
from billing.margin import Deck, Margin, Route
from core import ids
from core.ids import OPERATOR
from core.money import Money, nano_to_minor
from tenants.companies import Company
from web import said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.revenue import company_words
from web.operator.views import pages
from web.shown import revenue as shown
from web.shown import wording

_LONGEST = 60


@dataclass(frozen=True, slots=True)
class RouteRow:
    """Calls to one prefix over one carrier; `percent` is what is left of what was charged."""

    destination: str
    prefix: str
    calls: int
    minutes: Decimal
    earned: Money
    cost: Money
    left: Money
    percent: int | None
    is_loss: bool


@dataclass(frozen=True, slots=True)
class Total:
    """All routes of a currency, and what has no cost."""

    earned: Money
    cost: Money
    left: Money
    losses: int
    uncosted: int
    uncosted_earned: Money


def _carriers() -> tables.Words:
    found = price_lists.decks(scope.session(), tenant_id=OPERATOR)
    return [(ids.public("pl", one.price_list_id), one.carrier) for one in found]


MARGIN: tables.Table[RouteRow] = tables.Table(
    "margin",
    (
        tables.Column("destination", _l("Destination"), lambda row: row.destination, sorts=True),
        tables.Column("prefix", _l("Prefix"), lambda row: row.prefix, sorts=True, cls="hide-s"),
        tables.Column("calls", _l("Calls"), lambda row: row.calls, sorts=True, cls="r hide-s"),
        tables.Column("minutes", _l("Minutes"), lambda row: row.minutes, sorts=True, cls="r hide-s"),
        tables.Column("earned", _l("Charged"), lambda row: row.earned, sorts=True, cls="r hide-s"),
        tables.Column("cost", _l("Cost"), lambda row: row.cost, sorts=True, cls="r hide-s"),
        tables.Column("left", _l("Margin"), lambda row: row.left, sorts=True, cls="r"),
        tables.Column("percent", _l("Share left"), lambda row: row.percent, sorts=True, cls="r", unit="%"),
    ),
    filters=(
        tables.Choice("carrier", _l("Carrier"), _carriers),
        tables.Choice("company", _l("Company"), company_words),
        tables.Choice("from", _l("From"), shown.months),
        tables.Choice("to", _l("To"), shown.months),
    ),
    order="left",
)


@pages.get("/margin")
@permission("billing.read")
def margin_page() -> str | BaseResponse:
    """Show what calls out left over a carrier, the first where none is named; it costs a visit a company."""
    totals: list[Total] = []
    decks = margin.decks(scope.session(), tenant_id=OPERATOR)

    def fetch(asked: tables.Asked) -> tables.Slice[RouteRow]:
        wanted = asked.get("carrier")
        deck = next(
            (one for one in decks if ids.public("pl", one.price_list.price_list_id) == wanted),
            decks[0] if decks else None,
        )
        if deck is None:
            return tables.of_list(MARGIN, asked, [])
        chosen = asked.get("company")
        clients = [rounds.one(chosen)] if chosen else rounds.clients()

        def look(session: Session, company: Company) -> Margin | None:
            period = shown.period(asked, zone=company.zone)
            try:
                return margin.of(session, tenant_id=company.tenant_id, period=period, deck=deck)
            except BillingAccountNotFoundError:
                return None

        found = [one for _company, one in rounds.go(clients, look) if one is not None]
        currencies = sorted({one.currency for one in found})
        by_currency = [(code, [one for one in found if one.currency == code]) for code in currencies]
        totals[:] = [
            _total(some, code)
            for code, some in by_currency
            if any(one.routes or one.uncosted for one in some)
        ]
        rows = [_row(route, code, deck) for code, some in by_currency for route in _together(some)]
        return tables.of_list(MARGIN, asked, rows)

    return tables.show(
        MARGIN,
        "operator/margin.html",
        fetch,
        totals=lambda _: totals,
        carriers=_carriers(),
        lists=[
            (ids.public("pl", one.price_list_id), f"{one.name} ({one.currency}, {one.zone})")
            for one in price_lists.every(scope.session(), tenant_id=OPERATOR)
        ],
    )


@pages.post("/margin/decks")
@permission("prices.write")
def make_cost_deck() -> BaseResponse:
    """Make an empty cost deck in the currency and zone of a price list; its file comes next."""
    session, carrier = scope.session(), request.form.get("carrier", "").strip()[:_LONGEST]
    like = price_drafts.find_list(
        session, tenant_id=OPERATOR, price_list_id=ids.parse("pl", request.form.get("like", ""))
    )
    if not carrier or not carrier.isprintable():
        said.refused(gettext("Say which carrier it is."))
        return redirect("/operator/margin", 303)
    try:
        made = price_lists.create(
            session,
            tenant_id=OPERATOR,
            code=price_lists.deck_code(carrier),
            name=gettext("Costs of %(carrier)s", carrier=carrier),
            currency=like.currency,
            zone=like.zone,
            carrier=carrier,
        )
    except PriceListTakenError:
        said.refused(gettext("This carrier has a cost deck already."))
        return redirect("/operator/margin", 303)
    return redirect(f"/operator/prices/{ids.public('pl', made.price_list_id)}", 303)


def _together(found: Iterable[Margin]) -> list[Route]:
    """Return the routes of several companies of one currency, the same prefix once."""
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for one in found:
        for route in one.routes:
            figures = (route.calls, route.seconds, route.earned_nano, route.cost_nano)
            for place, more in enumerate(figures):
                sums[route.destination, route.prefix][place] += more
    return [Route(*key, *some) for key, some in sums.items()]


def _row(route: Route, currency: str, deck: Deck) -> RouteRow:
    names: dict[str, dict[str, str]] = {}
    for step in deck.timeline.by_id.values():
        names |= step.tariff.destinations
    earned = route.earned_nano
    return RouteRow(
        destination=wording.named(names.get(route.destination, {}), route.destination),
        prefix=route.prefix,
        calls=route.calls,
        minutes=shown.minutes(route.seconds),
        earned=_money(earned, currency),
        cost=_money(route.cost_nano, currency),
        left=_money(route.margin_nano, currency),
        percent=100 * route.margin_nano // earned if earned else None,
        is_loss=route.margin_nano < 0,
    )


def _total(found: Sequence[Margin], currency: str) -> Total:
    routes = _together(found)
    earned, cost = (sum(getattr(one, name) for one in routes) for name in ("earned_nano", "cost_nano"))
    return Total(
        _money(earned, currency),
        _money(cost, currency),
        _money(earned - cost, currency),
        sum(one.margin_nano < 0 for one in routes),
        sum(one.uncosted for one in found),
        _money(sum(one.uncosted_nano for one in found), currency),
    )


def _money(nano: int, currency: str) -> Money:
    return Money(nano_to_minor(nano, currency=currency), currency)
