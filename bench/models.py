"""The traffic models and pooling on the same calls with the same seats.

    python -m bench.models                  # 370 seats, a noisy day
    python -m bench.models 60 0.88 4

Four brands: VIP, two large ones in two regions each, and one between; shares 4, 18, 28 and 50 %, lengths
210, 180, 145 and 130 s (lognormal, variation 0.9), patience 180, 150, 100 and 100 s. Seats are shared out
once, by the square-root rule. Progressive widens after 6, 12 and 18 s, VIPs at once. Goal: progressive
closes two thirds of the gap in abandonment between fixed and pooled.
"""

import json
import sys
import time
from uuid import UUID

from core.ids import QueueId
from telephony.routing.simulator import (
    POOLED,
    Outcome,
    Stream,
    compare,
    generate,
    share_out,
)
from telephony.routing.strategy import Model, Policy, Tier

_VIP, _GOLD, _YOUNG, _EASY = (QueueId(UUID(int=number)) for number in (1, 2, 3, 4))
_STREAMS = (
    Stream(_VIP, "", 4, 210, 180, Tier("vip", target_ms=5_000, weight=8, widen_ms=(0, 0, 0))),
    Stream(_GOLD, "", 18, 180, 150, Tier("gold", weight=4)),
    *(Stream(_YOUNG, region, 14, 145, 100, Tier("young", weight=2)) for region in ("north", "south")),
    *(Stream(_EASY, region, 25, 130, 100, Tier("easy")) for region in ("north", "south")),
)
_POLICY = Policy(
    helpers={
        _VIP: (_GOLD,),
        _GOLD: (_YOUNG, _EASY),
        _YOUNG: (_EASY, _GOLD),
        _EASY: (_YOUNG, _GOLD),
    }
)


def main() -> None:
    """Print the report as JSON."""
    given = sys.argv[1:]
    seats, load = int(given[0]) if given else 370, float(given[1]) if given[1:] else 0.88
    hours = float(given[2]) if given[2:] else 8.0
    calls = generate(_STREAMS, seats=seats, load=load, hours=hours, seed=20261122)
    weights = sum(one.share * one.work_s for one in _STREAMS)
    loads = {(one.queue, one.region): load * seats * one.share * one.work_s / weights for one in _STREAMS}
    began = time.perf_counter()
    found = compare(calls, share_out(loads, seats), _POLICY)
    fixed, progressive, pooled = (
        found[arm].whole.abandonment for arm in (Model.FIXED, Model.PROGRESSIVE, POOLED)
    )
    report = {
        "seats": seats,
        "load": load,
        "hours": hours,
        "calls": len(calls),
        "took_s": round(time.perf_counter() - began, 1),
        "models": {arm: _figures(outcome) for arm, outcome in found.items()},
        "gap_closed": round((fixed - progressive) / (fixed - pooled), 3),
    }
    print(json.dumps(report, indent=2))


def _figures(of: Outcome) -> dict[str, float]:
    whole = of.whole
    return {
        "service_level": round(100 * whole.service_level, 1),
        "worst_group": round(100 * of.worst.service_level, 1),
        "vip": round(100 * of.groups[(_VIP, "")].service_level, 1),
        "answer_s": round(whole.answer_s, 1),
        "abandoned": round(100 * whole.abandonment, 2),
        "utilisation": round(100 * of.utilisation, 1),
        "away": round(100 * of.away / max(1, whole.answered), 1),
    }


if __name__ == "__main__":
    main()
