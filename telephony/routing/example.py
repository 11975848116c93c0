"""A worked example for who has no calls of their own yet: four brands, the two large ones in two regions.

VIP, Gold, Young and Easy have 4, 18, 28 and 50 % of the calls; a call takes 210, 180, 145 and 130 s
(lognormal, variation 0.9), who waits gives up after 180, 150, 100 and 100 s. Progressive widens after 6, 12
and 18 s, VIPs at once. Source: performance reference, section 5.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from core.ids import QueueId
from telephony.routing.simulator import SimulatedCall, Stream, generate
from telephony.routing.strategy import Policy, Tier

VIP, GOLD, YOUNG, EASY = (QueueId(UUID(int=number)) for number in (1, 2, 3, 4))
NAMES: Mapping[QueueId, str] = {VIP: "VIP", GOLD: "Gold", YOUNG: "Young", EASY: "Easy"}
LOAD, HOURS, SEED = 0.88, 8.0, 20261122
STREAMS = (
    Stream(VIP, "", 4, 210, 180, Tier("vip", target_ms=5_000, weight=8, widen_ms=(0, 0, 0))),
    Stream(GOLD, "", 18, 180, 150, Tier("gold", weight=4)),
    *(Stream(YOUNG, region, 14, 145, 100, Tier("young", weight=2)) for region in ("north", "south")),
    *(Stream(EASY, region, 25, 130, 100, Tier("easy")) for region in ("north", "south")),
)
POLICY = Policy(helpers={VIP: (GOLD,), GOLD: (YOUNG, EASY), YOUNG: (EASY, GOLD), EASY: (YOUNG, GOLD)})


def calls(people: int) -> Sequence[SimulatedCall]:
    """Return a day of the example that fills so many people to 88 %, the same every time."""
    return generate(STREAMS, seats=people, load=LOAD, hours=HOURS, seed=SEED)
