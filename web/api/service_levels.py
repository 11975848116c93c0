"""What service was promised for a month, what was counted of it, and what comes back."""

from pydantic import Field

from core import ids
from core.money import Money
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Amount, Inward, Outward
from web.guards import permission
from web.shown import service_levels as shown

_MONTH = "^(20[0-9]{2}-(0[1-9]|1[0-2]))?$"


class ServiceLevelQuery(Inward):
    """Which month."""

    month: str = Field(
        default="",
        pattern=_MONTH,
        description="The last month that is over when left out.",
        examples=["2026-10"],
    )


class ServiceCountOut(Outward):
    """What was counted in one queue."""

    queue: str = Field(description="As the operator names it.", examples=["Sales"])
    offered: int = Field(examples=[1000])
    answered_in_time: int = Field(examples=[782])


class ServiceStepOut(Outward):
    """Below so much, so much comes back; of several that a month falls below, the one that gives most."""

    below_ppm: int = Field(description="Millionths of what was offered.", examples=[800_000])
    back_ppm: int = Field(description="Millionths of what is paid.", examples=[50_000])


class PromisedServiceOut(Outward):
    """One promise of the price list."""

    code: str = Field(examples=["quick"])
    names: dict[str, str] = Field(description="By language.", examples=[{"en": "80 % within 20 seconds"}])
    promised_ppm: int = Field(description="Millionths to be answered in time.", examples=[800_000])
    steps: list[ServiceStepOut]
    meters: list[str] = Field(description="What a share comes back of; empty: of everything.")
    most: Amount | None = Field(description="What comes back at most; null: no such bound.")
    counts: list[ServiceCountOut] = Field(description="By queue; empty while nobody has counted.")
    offered: int = Field(description="Over all queues.", examples=[1000])
    answered_in_time: int = Field(examples=[782])
    kept: bool | None = Field(description="Null while nobody has counted.", examples=[False])
    credit: Amount | None = Field(description="What comes back, before tax; null: nothing.")


class ServiceLevels(Outward):
    """A month's promised service."""

    month: str = Field(examples=["2026-10"])
    is_final: bool = Field(description="Whether the month's invoice is final; before it credits may change.")
    invoice_id: str | None = Field(description="Of the final invoice.")
    promises: list[PromisedServiceOut] = Field(description="As the price list has them; empty: none.")


@pages.get("/service-levels")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: ServiceLevels}, errors=(404,), operation_id="getServiceLevels")
def get_service_levels(query: ServiceLevelQuery) -> ServiceLevels:
    """See what service was promised for a month, what was counted of it, and what your bill gives back."""
    found = shown.of(scope.session(), tenant_id=identity.current().tenant_id, month=query.month)

    def amount(money: Money | None) -> Amount | None:
        return None if money is None else Amount.of(money)

    return ServiceLevels(
        month=f"{found.month_on:%Y-%m}",
        is_final=found.number is not None,
        invoice_id=ids.public("inv", found.invoice_id) if found.invoice_id else None,
        promises=[
            PromisedServiceOut(
                code=one.promise.level.code,
                names=dict(one.promise.names),
                promised_ppm=one.promise.level.steps[0].below_ppm,
                steps=[
                    ServiceStepOut(below_ppm=step.below_ppm, back_ppm=step.back_ppm)
                    for step in one.promise.level.steps
                ],
                meters=list(one.promise.level.meters),
                most=amount(shown.most(one.promise.level, currency=found.currency)),
                counts=[
                    ServiceCountOut(queue=each.queue, offered=each.offered, answered_in_time=each.in_time)
                    for each in one.counts
                ],
                offered=one.offered,
                answered_in_time=one.in_time,
                kept=one.is_kept,
                credit=amount(Money(-one.credit.amount_minor, found.currency) if one.credit else None),
            )
            for one in found.promises
        ],
    )
