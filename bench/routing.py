"""A routing decision: our board beside one Redis Lua decision, in turns, and beside reading all agents anew.

    python -m bench.routing

The floor is 1,500 seats of 200 companies with 50 queues each; an agent serves five queues of a company, a
third of the seats serve two companies. One decision is one call that comes, is given to an agent and leaves
them free again. The Lua script does the least that decides at all: it takes the longest idle agent of one
queue's sorted set out of the sets of all the agent's queues, and puts them back when the call is over. It
knows no tiers, regions, promised waits or reasons.
"""

import contextlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import redis

from core.ids import QueueId, TenantId
from launch.parts import start_valkey
from telephony.routing.board import Board
from telephony.routing.strategy import Caller, Candidate, Model, Policy, Skill, Tier, fit

_COMPANIES, _QUEUES, _SEATS, _BUSY = 200, 50, 1_500, 0.85
_SKILLS, _ROUNDS, _CALLS = 5, 15, 1_000
_NOW = 1_000_000_000
_TIERS = tuple(Tier(f"tier-{number}", target_ms=5_000 * number, weight=9 - number) for number in range(1, 8))
_TAKE = """
local found = redis.call('ZRANGE', KEYS[1], 0, 0)
if not found[1] then return false end
for _, queue in ipairs(redis.call('SMEMBERS', 'skills:' .. found[1])) do
  redis.call('ZREM', 'free:' .. queue, found[1])
end
return found[1]
"""
_GIVE = """
for _, queue in ipairs(redis.call('SMEMBERS', 'skills:' .. KEYS[1])) do
  redis.call('ZADD', 'free:' .. queue, ARGV[1], KEYS[1])
end
"""


def _floor(chance: random.Random) -> tuple[list[Candidate], list[QueueId]]:
    """Return the free agents of a busy floor, and the queues that somebody free serves."""
    free = []
    for seat in range(_SEATS):
        own = [seat % _COMPANIES] + ([chance.randrange(_COMPANIES)] if seat % 3 == 0 else [])
        skills = {
            _queue(company, chance.randrange(_QUEUES)): Skill(
                chance.randint(1, 3), chance.choice(("north", "south"))
            )
            for company in own
            for _ in range(_SKILLS)
        }
        if chance.random() > _BUSY:
            free.append(Candidate(UUID(int=seat), skills, _NOW - chance.randrange(60_000)))
    return free, sorted({one for agent in free for one in agent.skills})


def _queue(company: int, number: int) -> QueueId:
    return QueueId(UUID(int=1_000_000 + company * _QUEUES + number))


def _calls(chance: random.Random, queues: Sequence[QueueId]) -> list[Caller]:
    return [
        Caller(
            UUID(int=10_000_000 + number),
            TenantId(UUID(int=(queue.int - 1_000_000) // _QUEUES)),
            queue,
            _NOW - 20_000,
            region=chance.choice(("north", "south")),
            tier=chance.choice(_TIERS),
        )
        for number in range(_CALLS)
        for queue in (chance.choice(queues),)
    ]


def _by_board(board: Board, there: dict[UUID, Candidate], calls: Sequence[Caller]) -> int:
    made = 0
    for call in calls:
        board.wait(call)
        (one,) = board.match(now_ms=_NOW)
        agent = there[one.agent]
        board.leave(call.call)
        board.busy(agent)
        board.free(agent)
        made += 1
    return made


def _by_lua(server: redis.Redis, calls: Sequence[Caller]) -> int:
    take, give = server.register_script(_TAKE), server.register_script(_GIVE)
    made = 0
    for call in calls:
        agent = take(keys=[f"free:{call.queue.int}"])
        assert agent is not None
        give(keys=[agent], args=[_NOW])
        made += 1
    return made


def _by_reading(free: Sequence[Candidate], calls: Sequence[Caller], policy: Policy) -> int:
    """Decide without an index: every free agent is asked about every call."""
    made = 0
    for call in calls:
        able = ((fit(call, one, 3, policy), one.idle_since_ms, one.agent) for one in free)  # type: ignore[arg-type]
        made += min(one for one in able if one[0] is not None) is not None
    return made


def _rate(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def main() -> None:
    """Print the report as JSON."""
    chance = random.Random(20261122)  # noqa: S311 - the same floor in every run
    free, queues = _floor(chance)
    calls, there = _calls(chance, queues), {one.agent: one for one in free}
    policy = Policy(Model.PROGRESSIVE)
    board = Board()
    for company in range(_COMPANIES):
        board.set_policy(TenantId(UUID(int=company)), policy)
    for agent in free:
        board.free(agent)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        valkey = start_valkey(Path(folder))
        stack.callback(valkey.stop)
        server = redis.Redis.from_url(valkey.url)
        with server.pipeline() as pipe:
            for agent in free:
                for queue in agent.skills:
                    pipe.zadd(f"free:{queue.int}", {str(agent.agent.int): agent.idle_since_ms})
                    pipe.sadd(f"skills:{agent.agent.int}", queue.int)
            pipe.execute()
        arms = {
            "board": lambda: _by_board(board, there, calls),
            "redis_lua": lambda: _by_lua(server, calls),
            "reading_all": lambda: _by_reading(free, calls[:200], policy),
        }
        rates: dict[str, list[float]] = {name: [] for name in arms}
        for number in range(_ROUNDS):
            for name in sorted(arms, reverse=bool(number % 2)):
                rates[name].append(_rate(arms[name]))
    middle = {name: round(statistics.median(found)) for name, found in rates.items()}
    report = {
        "seats": _SEATS,
        "companies": _COMPANIES,
        "queues_each": _QUEUES,
        "free": len(free),
        "rounds": _ROUNDS,
        "decisions_per_s": middle,
        "decision_us": {name: round(1e6 / rate, 1) for name, rate in middle.items()},
        "ratio": round(
            statistics.median(a / b for a, b in zip(rates["board"], rates["redis_lua"], strict=True)), 2
        ),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
