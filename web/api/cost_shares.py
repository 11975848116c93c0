"""Calls with two payers: what was agreed about yours, and about those you pay a part of."""

import datetime as dt

from pydantic import Field

from billing import sharing
from billing.rating.shares import WHOLE
from billing.sharing import Agreed
from core import ids
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Outward
from web.guards import permission


class CallShareOut(Outward):
    """Of these calls you pay so much, and the other company the rest."""

    meter: str = Field(examples=["voice.outbound"])
    destination: str | None = Field(
        description="Null: every destination without a part of its own.", examples=["gb-mobile"]
    )
    own_percent: int = Field(examples=[60])
    other_percent: int = Field(examples=[40])


class CostShareOut(Outward):
    """What holds between you and another company from `since` on; no shares: nothing is shared any more."""

    id: str = Field(examples=["csh_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    company: str = Field(description="The other company.", examples=["Harbour Freight Ltd"])
    whose_calls: str = Field(
        description="`yours`: the other pays a part of your calls; `theirs`: you pay one of its.",
        examples=["yours"],
    )
    since: dt.datetime
    shares: list[CallShareOut]


class CostShares(Outward):
    """All that was agreed, newest first."""

    agreements: list[CostShareOut]


@pages.get("/cost-shares")
@permission("invoices.read")
@operation(tag="Invoices", answers={200: CostShares}, operation_id="listCostShares")
def list_cost_shares() -> CostShares:
    """See which part of your calls another company pays, and of whose calls you pay one."""
    found = sharing.every(scope.session(), tenant_id=identity.current().tenant_id)
    return CostShares(agreements=[_out(one) for one in found])


def _out(agreed: Agreed) -> CostShareOut:
    def parts(other_percent: int) -> tuple[int, int]:
        rest = WHOLE - other_percent
        return (other_percent, rest) if agreed.is_other else (rest, other_percent)

    return CostShareOut(
        id=ids.public("csh", agreed.cost_share_id),
        company=agreed.other_name,
        whose_calls="theirs" if agreed.is_other else "yours",
        since=agreed.effective_from,
        shares=[
            CallShareOut(
                meter=one.meter,
                destination=one.destination or None,
                own_percent=parts(one.other_percent)[0],
                other_percent=parts(one.other_percent)[1],
            )
            for one in agreed.shares
        ],
    )
