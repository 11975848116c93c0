"""What use cost, by campaign, agent or number."""

import zoneinfo

from pydantic import Field

from billing import accounts, revenue
from billing.periods import Period
from billing.revenue import By
from core import clock, ids
from core.money import Money
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Amount, Inward, Outward
from web.guards import permission
from web.shown import revenue as shown
from web.shown import what_if

_MONTH = "^(20[0-9]{2}-(0[1-9]|1[0-2]))?$"


class SpendQuery(Inward):
    """Which months, and by what."""

    by: By = Field(default=By.CAMPAIGN, examples=["agent"])
    first: str = Field(
        default="",
        pattern=_MONTH,
        description="The first month; the present one when left out.",
        examples=["2026-10"],
    )
    last: str = Field(
        default="",
        pattern=_MONTH,
        description="The last month; the first when left out.",
        examples=["2026-11"],
    )


class SpendPart(Outward):
    """What use for one campaign, by one agent or on one number came to."""

    id: str | None = Field(
        description="Null: what was for none.", examples=["cmp_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    uses: int = Field(examples=[118])
    seconds: int = Field(description="Billed seconds of calls among them.", examples=[20460])
    amount: Amount


class Spend(Outward):
    """Whole months, before tax: `parts` and `agreed` come to `total`, to the minor unit."""

    by: By
    start: str = Field(description="The first month.", examples=["2026-10"])
    end: str = Field(description="The last month.", examples=["2026-11"])
    parts: list[SpendPart] = Field(description="The largest first.")
    agreed: Amount = Field(description="Lines of no single use: discounts, included minutes, minimums.")
    total: Amount
    on_invoices: Amount = Field(description="How much of the total stands on final invoices.")
    open: Amount = Field(description="How much of it stands on none yet.")
    credited: Amount = Field(description="What credit notes have taken back since; not taken off above.")


@pages.get("/spend")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: Spend}, errors=(404,), operation_id="getSpend")
def get_spend(query: SpendQuery) -> Spend:
    """See what your use cost by campaign, agent or number; the parts come to your invoices."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    zone = accounts.find(session, tenant_id=tenant_id).zone
    first = query.first or query.last or f"{clock.now().astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m}"
    last = query.last or first
    period = Period(what_if.month_of(first, zone=zone).start, what_if.month_of(last, zone=zone).end)
    found = revenue.of(session, tenant_id=tenant_id, period=period, by=query.by)

    def amount(minor: int) -> Amount:
        return Amount.of(Money(minor, found.currency))

    return Spend(
        by=query.by,
        start=first,
        end=last,
        parts=[
            SpendPart(
                id=ids.public(shown.PREFIXES[query.by], one.ref) if one.ref else None,
                uses=one.events,
                seconds=one.billed_seconds,
                amount=amount(one.amount_minor),
            )
            for one in found.parts
        ],
        agreed=amount(found.agreed_minor),
        total=amount(found.total_minor),
        on_invoices=amount(found.total_minor - found.open_minor),
        open=amount(found.open_minor),
        credited=amount(found.credited_minor),
    )
