"""`try-routing`: what each traffic model would have done to a company's own calls, with the same seats."""

import datetime as dt
from collections.abc import Mapping, Sequence

import click

from core import clock
from core.ids import QueueId, TenantId
from security.gate import Scope
from telephony import queues
from telephony.routing import history
from telephony.routing import settings as routing
from telephony.routing.settings import RoutingSettings
from telephony.routing.simulator import (
    ARMS,
    Outcome,
    SimulatedCall,
    Stream,
    compare,
    generate,
    loads_of,
    share_out,
)
from web.cli import said
from wiring import House

_BAR = 24
_LOAD, _HOURS = 0.88, 4.0
_USUAL_WORK_S, _USUAL_PATIENCE_S = 180.0, 120.0


def try_models(
    house: House, tenant_id: TenantId, *, days: int, seats: int, foreign: float, seed: int
) -> None:
    """Print what each model makes of the calls of the last days, or of a made-up day where there are none."""
    now = clock.now()
    with house.gate.open(Scope.system(tenant_id)) as session:
        settings = routing.read(session, tenant_id=tenant_id)
        calls = history.read(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            settings=settings,
            since=now - dt.timedelta(days=days),
            until=now,
            seed=seed,
        )
        own = [one.queue_id for one in queues.all_of(session, tenant_id=tenant_id)]
    if calls:
        click.echo(f"{len(calls)} calls of the last {days} days, {seats} seats")
    else:
        calls = _made_up(own, settings, seats=seats, seed=seed)
        click.echo(f"no calls in the last {days} days: {len(calls)} made up, {seats} seats")
    if not calls:
        said.stop("the company has no queue")
    with click.progressbar(length=100 * len(ARMS), label="simulating") as bar:

        def progress(arm: str, share: float) -> None:
            bar.update(max(0, round(100 * (ARMS.index(arm) + share)) - bar.pos))

        found = compare(
            calls, share_out(loads_of(calls), seats), settings.policy, foreign=foreign, progress=progress
        )
    click.echo(_table(found))


def _made_up(
    own: Sequence[QueueId], settings: RoutingSettings, *, seats: int, seed: int
) -> Sequence[SimulatedCall]:
    """Return a day for a company without one: as much from each region of each queue."""
    regions = [one.code for one in settings.regions] or [""]
    streams = [
        Stream(queue, region, 1, _USUAL_WORK_S, _USUAL_PATIENCE_S) for queue in own for region in regions
    ]
    return generate(streams, seats=seats, load=_LOAD, hours=_HOURS, seed=seed) if streams else []


def _table(found: Mapping[str, Outcome]) -> str:
    head = f"{'model':26}{'within 20 s':>12}{'worst':>8}{'given up':>10}{'in use':>8}{'away':>7}  given up"
    most = max(one.whole.abandonment for one in found.values()) or 1.0
    lines = [head]
    for arm, one in found.items():
        whole = one.whole
        bar = "█" * round(_BAR * whole.abandonment / most)
        lines.append(
            f"{arm:26}{whole.service_level:12.1%}{one.worst.service_level:8.1%}{whole.abandonment:10.2%}"
            f"{one.utilisation:8.1%}{one.away / max(1, whole.answered):7.1%}  {bar}"
        )
    return "\n".join(lines)
