"""The rules by which a company's callers come to agents: who goes first, how far a call may go, who takes it.

Pure: what is decided follows from the arguments alone, `now` among them; times are milliseconds since the
epoch. `board` applies the rules to a whole floor.

Sources: performance reference, section 5. Longest idle equalises load. Specialists before the flexible is
optimal where the flexible are no faster (Chevalier, Shumsky, Tabordon). Delayed overflow trades calls away
from home for waiting. A closed small group is the worst served of all, so a tier may widen at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from uuid import UUID

from core.ids import QueueId, TenantId


class Model(StrEnum):
    """How a company shares its calls out among its agents."""

    BRAND = "brand"
    """A queue's agents serve every region, and no other queue's callers."""
    FIXED = "brand-region-fixed"
    """A queue's agents serve the callers of their own region, and nobody else's."""
    PROGRESSIVE = "brand-region-progressive"
    """Own region first; who waits goes on to the whole queue, then to the queues that help out."""
    VALUE = "value"
    """As PROGRESSIVE, and who goes first is decided by what the caller is worth times how long they wait."""


class Circle(IntEnum):
    """How far a caller may go; each circle holds those before it."""

    HOME = 0
    QUEUE = 1
    NEXT_HOME = 2
    """The queues that help out, own region."""
    NEXT = 3
    """The queues that help out, every region."""


class Duty(StrEnum):
    """Which calls of a queue an agent takes: a dedicated seat one direction, a blended one both."""

    BOTH = "both"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Tier:
    """A class of a company's customers, as far as routing goes.

    A caller counts as having come `head_start_ms` earlier. `target_ms` is the answer time promised;
    `weight` what a second of waiting costs in the value model. After `longest_ms` a caller goes ahead of
    everybody of the company who has not waited their longest. `widen_ms` replaces the company's steps.
    """

    code: str = ""
    target_ms: int = 20_000
    head_start_ms: int = 0
    weight: int = 1
    longest_ms: int = 300_000
    widen_ms: tuple[int, int, int] | None = None


COMMON = Tier()


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose calls a dedicated seat is kept for: those of a queue, of some tiers, or both; nobody else's."""

    queue: QueueId | None = None
    tiers: frozenset[str] = frozenset()

    def takes(self, queue: QueueId, tier: str) -> bool:
        """Whether a caller of this queue and tier is one of them."""
        return self.queue in {None, queue} and (not self.tiers or tier in self.tiers)


@dataclass(frozen=True, slots=True)
class Policy:
    """A company's way of routing.

    `widen_ms`: after which wait a call leaves its region, goes to the queues that help out in its region,
    and to those in every region. `helpers` names these per queue. The callers of a `central` queue have no
    region: complaints go to head office, wherever who complains lives. For `sticky_ms` a caller waits for
    the agent who served them last, if that agent is there. Agents of `kept` take the calls it says and no
    others, until one of these has waited for `opens_ms` and nobody else is free for it (0: never); all who
    are not in it are blended.
    """

    model: Model = Model.BRAND
    widen_ms: tuple[int, int, int] = (6_000, 12_000, 18_000)
    helpers: Mapping[QueueId, tuple[QueueId, ...]] = field(default_factory=dict)
    central: frozenset[QueueId] = frozenset()
    sticky_ms: int = 0
    kept: Mapping[UUID, Kept] = field(default_factory=dict)
    opens_ms: int = 0


PLAIN = Policy()


@dataclass(frozen=True, slots=True)
class Caller:
    """A call in a queue. One whom an agent failed is `is_at_head`; `since_ms` is never reset by that.

    One who `is_called_back` has hung up and keeps their place: an agent must be there when they pick up.
    """

    call: UUID
    tenant: TenantId
    queue: QueueId
    since_ms: int
    is_at_head: bool = False
    region: str = ""
    tier: Tier = COMMON
    last_agent: UUID | None = None
    is_called_back: bool = False


@dataclass(frozen=True, slots=True)
class Skill:
    """How an agent serves a queue: 1 is best, 9 the last resort; an empty region is every region."""

    level: int = 1
    region: str = ""
    duty: Duty = Duty.BOTH


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent, with what they can do; `only_for` on a seat that is kept for one company's calls.

    One who `is_at_telephone` is rung outside, which takes longer than who is called back may be kept waiting.
    """

    agent: UUID
    skills: Mapping[QueueId, Skill]
    idle_since_ms: int
    only_for: TenantId | None = None
    is_at_telephone: bool = False


Rank = tuple[int, int, int, UUID]
Fit = tuple[bool, Circle, bool, bool, int]


def rank(caller: Caller, policy: Policy, *, now_ms: int) -> Rank:
    """Return what a company's callers are ordered by, the lowest first; the id makes the order total.

    First whom an agent failed; then who has waited the longest their tier may, by when that was; then the
    others by the instant they are due, which is one number per call, so that nobody who comes later than
    the difference of two tiers overtakes. In the value model these go by weight times wait instead.
    """
    since, tier = caller.since_ms, caller.tier
    if caller.is_at_head:
        return (0, since, since, caller.call)
    if now_ms - since >= tier.longest_ms:
        return (1, since + tier.longest_ms, since, caller.call)
    if policy.model is Model.VALUE:
        return (2, tier.weight * (since - now_ms), since, caller.call)
    return (2, since + tier.target_ms - tier.head_start_ms, since, caller.call)


def reach(caller: Caller, policy: Policy, *, now_ms: int) -> Circle:
    """Return how far a caller may go now. It never shrinks while they wait."""
    waited, has_region = now_ms - caller.since_ms, _has_region(caller, policy)
    if policy.model is Model.BRAND:
        return Circle.QUEUE
    if policy.model is Model.FIXED:
        # the last resort: a region whose only agent went home would keep its callers for ever
        return Circle.HOME if has_region and waited < caller.tier.longest_ms else Circle.QUEUE
    if waited >= caller.tier.longest_ms:
        return Circle.NEXT
    steps = caller.tier.widen_ms or policy.widen_ms
    widest = Circle.HOME if has_region else Circle.QUEUE
    for circle, step in zip((Circle.QUEUE, Circle.NEXT_HOME, Circle.NEXT), steps, strict=True):
        if waited >= step:
            widest = max(widest, circle)
    return widest


def is_open(caller: Caller, policy: Policy, *, now_ms: int) -> bool:
    """Whether a caller has waited so long that seats kept for others open to them."""
    return 0 < policy.opens_ms <= now_ms - caller.since_ms


def changes(caller: Caller, policy: Policy) -> list[int]:
    """Return the instants at which who may serve this caller becomes more, in order."""
    waits = {policy.sticky_ms} if caller.last_agent and policy.sticky_ms else set()
    if policy.model is not Model.BRAND:
        waits.add(caller.tier.longest_ms)
    if policy.model in {Model.PROGRESSIVE, Model.VALUE}:
        waits |= set(caller.tier.widen_ms or policy.widen_ms)
    if policy.kept and policy.opens_ms:
        waits.add(policy.opens_ms)
    return sorted(caller.since_ms + wait for wait in waits)


def fit(
    caller: Caller, agent: Candidate, circle: Circle, policy: Policy, *, are_open: bool = False
) -> Fit | None:
    """Return how well an agent fits a caller who may go as far as `circle`, lowest best; None: not.

    A seat that is kept for others' calls is the last resort, and none unless they `are_open` to this caller.
    Then nearer circles first, in them who is kept for such calls, so that blended agents stay free for the
    others; then who serves just this region before who serves all, then the better level.
    """
    if agent.only_for is not None and agent.only_for != caller.tenant:
        return None
    if agent.is_at_telephone and caller.is_called_back:
        return None
    kept = policy.kept.get(agent.agent)
    is_others = kept is not None and not kept.takes(caller.queue, caller.tier.code)
    if is_others and not are_open:
        return None
    is_blended = kept is None
    own = agent.skills.get(caller.queue)
    if own is not None and own.duty is not Duty.OUT:
        found = (is_others, *_near(caller, own, policy, Circle.HOME, Circle.QUEUE, is_blended))
        return found if found[1] <= circle else None
    if circle < Circle.NEXT_HOME:
        return None
    best: Fit | None = None
    for queue in policy.helpers.get(caller.queue, ()):
        skill = agent.skills.get(queue)
        if skill is None or skill.duty is Duty.OUT:
            continue
        found = (is_others, *_near(caller, skill, policy, Circle.NEXT_HOME, Circle.NEXT, is_blended))
        if found[1] <= circle and (best is None or found < best):
            best = found
    return best


def _near(
    caller: Caller,
    skill: Skill,
    policy: Policy,
    home: Circle,
    away: Circle,
    is_blended: bool,  # noqa: FBT001 - a part of a `Fit`
) -> tuple[Circle, bool, bool, int]:
    if policy.model is Model.BRAND or not _has_region(caller, policy):
        return (away if home is Circle.HOME else home, is_blended, False, skill.level)
    if skill.region == caller.region:
        return (home, is_blended, False, skill.level)
    return (away if skill.region else home, is_blended, True, skill.level)


def _has_region(caller: Caller, policy: Policy) -> bool:
    return bool(caller.region) and caller.queue not in policy.central
