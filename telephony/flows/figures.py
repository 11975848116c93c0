"""What calls did in a flow: how many came by each node, which way they took, where they hung up."""

import collections
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import FlowId, TenantId
from telephony.flows.model import RATED
from telephony.flows.trace import Outcome
from telephony.models import FlowRunRow

MOST_RUNS = 50_000  # the newest are counted; a month of a busy company has fewer


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """One node: calls that came by (once each), those who hung up there, and how often each way was taken."""

    node: str
    came: int
    left: int
    ways: Mapping[str, int]

    @property
    def ratings(self) -> Mapping[int, int]:
        """Return how often each rating was given here, the worst first; empty where none is asked for."""
        given = {int(way.removeprefix(RATED)): n for way, n in self.ways.items() if way.startswith(RATED)}
        return dict(sorted(given.items()))

    @property
    def mean_rating(self) -> Decimal | None:
        """Return the mean of the ratings; see `mean_of`."""
        return mean_of(self.ratings)


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """One version of a flow."""

    version: int
    calls: int
    outcomes: Mapping[Outcome, int]
    nodes: Sequence[NodeFigures]


def mean_of(ratings: Mapping[int, int]) -> Decimal | None:
    """Return the mean of ratings, each so often, to a tenth, half up; None: nobody has given one.

    1 once and 4 twice: 9 / 3 = 3.0.
    """
    count = sum(ratings.values())
    if not count:
        return None
    total = sum(rating * n for rating, n in ratings.items())
    return (Decimal(total) / count).quantize(Decimal("0.1"), ROUND_HALF_UP)


def of_flow(
    session: Session, *, tenant_id: TenantId, flow_id: FlowId, version: int, since: dt.datetime
) -> FlowFigures:
    """Count the calls that entered a version of a flow from `since` on; nodes in the order of most calls."""
    rows = session.execute(
        select(FlowRunRow.outcome, FlowRunRow.path)
        .where(
            FlowRunRow.tenant_id == tenant_id,
            FlowRunRow.flow_id == flow_id,
            FlowRunRow.version == version,
            FlowRunRow.began_at >= since,
        )
        .order_by(FlowRunRow.began_at.desc())
        .limit(MOST_RUNS)
    )
    outcomes: collections.Counter[Outcome] = collections.Counter()
    came: collections.Counter[str] = collections.Counter()
    left: collections.Counter[str] = collections.Counter()
    ways: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for outcome, path in rows:
        outcomes[Outcome(outcome)] += 1
        nodes = [str(node) for node, _way, _after in path]
        came.update(set(nodes))
        for node, (_next, way, _after) in zip(nodes, path[1:], strict=False):
            if way:
                ways[node][str(way)] += 1
        if outcome == Outcome.LEFT and nodes:
            left[nodes[-1]] += 1
    return FlowFigures(
        version,
        outcomes.total(),
        outcomes,
        [NodeFigures(node, count, left[node], ways[node]) for node, count in came.most_common()],
    )
