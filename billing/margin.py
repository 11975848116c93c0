"""What is left of calls out after the carrier: what they were charged at, less what the carrier charges us.

Each call has its cost by the version of the carrier's deck in force when it was answered, and by the code
that rates it for the company (`billing.bulk`). Nothing is written: published versions never change, so a cost
can be worked out again at any time. Decks are the operator's; a company's transaction is given their values
and returns sums, which no page of a company shows.

Of a call that two companies share both parts were charged: it earned its whole price, which the first
company's prices say. The other payer's part is behind its own walls and counts in no margin there.

What the deck has no price for is counted and never taken for free.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from billing import accounts, bulk, price_lists, tariffs
from billing.bulk import Uses
from billing.periods import Period, insist
from billing.price_lists import PriceList
from billing.rating.rules import Outcome
from billing.rating.tariff import Tariff
from billing.tariffs import Timeline
from core.ids import TenantId

METER = "voice.outbound"
_OF_USE = 6  # columns that rating takes
_CALLS = text("""
    SELECT u.id, u.meter, u.prefix, u.quantity_ms, u.occurred_at, u.ended_at, c.amount_nano, c.destination,
      c.tariff_id
    FROM app.rated_charges c
    JOIN app.usage_events u ON u.tenant_id = c.tenant_id AND u.id = c.usage_id
    WHERE c.tenant_id = :tenant AND c.superseded_by IS NULL AND c.outcome = 'rated' AND c.meter = :meter
      AND c.bill_at >= :start AND c.bill_at < :end
""")


@dataclass(frozen=True, slots=True)
class Deck:
    """What one carrier charges us, version by version."""

    price_list: PriceList
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class Route:
    """Calls to one prefix of a carrier's deck: before tax, in nano-units."""

    destination: str
    prefix: str
    calls: int
    seconds: int
    earned_nano: int
    cost_nano: int

    @property
    def margin_nano(self) -> int:
        """What is left; negative: a loss."""
        return self.earned_nano - self.cost_nano


@dataclass(frozen=True, slots=True)
class Margin:
    """One company's calls out over a carrier; those without a cost are in no route."""

    currency: str
    routes: tuple[Route, ...]
    uncosted: int
    uncosted_nano: int


def decks(session: Session, *, tenant_id: TenantId) -> tuple[Deck, ...]:
    """Return the published cost decks; in the operator's context."""
    return tuple(
        Deck(
            one,
            tariffs.of_versions(
                price_lists.published_deck(session, tenant_id=tenant_id, price_list_id=one.price_list_id)
            ),
        )
        for one in price_lists.decks(session, tenant_id=tenant_id)
    )


def of(session: Session, *, tenant_id: TenantId, period: Period, deck: Deck) -> Margin:
    """Return what some whole months of a company's calls out left, by the prefixes of a carrier's deck.

    Args:
        session: in the tenant's context.
        tenant_id: the client company.
        period: whole months of the account's zone.
        deck: what the carrier charges; in another currency than the account's no call has a cost.

    Raises:
        BillingAccountNotFoundError: nobody to bill.
        PeriodInvalidError: not whole months.
    """
    account = accounts.find(session, tenant_id=tenant_id)
    insist(period, zone=account.zone)
    rows = session.execute(
        _CALLS, {"tenant": tenant_id, "meter": METER, "start": period.start, "end": period.end}
    ).all()
    uses = Uses.of(tuple(row)[:_OF_USE] for row in rows)
    is_same = deck.price_list.currency == account.currency
    by = deck.timeline.at_each(uses.occurred_at) if is_same else [None] * len(rows)
    costs = bulk.rate(uses, by, zone=account.zone, closed_until=None)
    whole = _Whole(tariffs.timeline(session, tenant_id=tenant_id))
    earned = {row.id: whole.price(row) for row in rows}
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    uncosted = uncosted_nano = 0
    for usage_id, outcome, destination, prefix, seconds, cost in zip(
        *(costs[name] for name in ("usage_id", "outcome", "destination", "prefix")),
        *(costs[name] for name in ("billed_seconds", "amount_nano")),
        strict=True,
    ):
        if outcome != Outcome.RATED.value:
            uncosted, uncosted_nano = uncosted + 1, uncosted_nano + earned[usage_id]
            continue
        one = sums[destination, prefix]
        for place, more in enumerate((1, seconds, earned[usage_id], cost)):
            one[place] += more
    routes = (Route(*key, *some) for key, some in sums.items())
    return Margin(
        account.currency,
        tuple(sorted(routes, key=lambda route: (route.margin_nano, route.prefix))),
        uncosted,
        uncosted_nano,
    )


@dataclass(slots=True)
class _Whole:
    """Whole prices of calls of which another company may pay a part."""

    timeline: Timeline
    alone: dict[UUID, Tariff] = field(default_factory=dict)

    def price(self, row: Row[Any]) -> int:
        """Return what both payers were charged: by the prices that say the share, without it."""
        split = self.timeline.by_id[row.tariff_id].tariff.split
        if split is None or split.share(row.meter, row.destination) is None:
            return int(row.amount_nano)
        if row.tariff_id not in self.alone:
            self.alone[row.tariff_id] = replace(self.timeline.by_id[row.tariff_id].tariff, split=None)
        rated = self.alone[row.tariff_id].rate(
            meter=row.meter,
            prefix=row.prefix,
            duration_s=-(-row.quantity_ms // 1000),
            answered_at=row.occurred_at,
        )
        return int(rated.amount_nano or 0)
