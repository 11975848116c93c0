"""The traffic models and pooling on the same calls with the same seats.

    python -m bench.models                  # 370 seats, a noisy day
    python -m bench.models 60 0.88 4

The calls are those of `telephony.routing.example`: four brands, two of them in two regions. Seats are shared
out once, by the square-root rule. Goal: progressive closes two thirds of the gap in abandonment between
fixed and pooled.
"""

import json
import sys
import time

from telephony.routing.example import POLICY, STREAMS, VIP
from telephony.routing.simulator import POOLED, Outcome, compare, generate, share_out
from telephony.routing.strategy import Model


def main() -> None:
    """Print the report as JSON."""
    given = sys.argv[1:]
    seats, load = int(given[0]) if given else 370, float(given[1]) if given[1:] else 0.88
    hours = float(given[2]) if given[2:] else 8.0
    calls = generate(STREAMS, seats=seats, load=load, hours=hours, seed=20261122)
    weights = sum(one.share * one.work_s for one in STREAMS)
    loads = {(one.queue, one.region): load * seats * one.share * one.work_s / weights for one in STREAMS}
    began = time.perf_counter()
    found = compare(calls, share_out(loads, seats), POLICY)
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
        "vip": round(100 * of.groups[(VIP, "")].service_level, 1),
        "answer_s": round(whole.answer_s, 1),
        "abandoned": round(100 * whole.abandonment, 2),
        "utilisation": round(100 * of.utilisation, 1),
        "away": round(100 * of.away / max(1, whole.answered), 1),
    }


if __name__ == "__main__":
    main()
